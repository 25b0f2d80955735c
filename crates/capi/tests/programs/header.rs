//! The header, in every language it is for.

use crate::build::{STRICT, has, include};
use std::process::Command;

/// Uses what is different from language to language.
const SOURCE: &str = r#"
#include "libwebsockets.h"
int use(struct libwebsocket *wsi);
int use(struct libwebsocket *wsi)
{
    struct pollfd poll_is_there;
    int n = WSI_TOKEN_COUNT;
    poll_is_there.fd = LWS_SEND_BUFFER_PRE_PADDING;
    assert(sizeof(struct lws_tokens) > 0);
    lwsl_err("plain\n");
    lwsl_notice("%d of %s\n", n, "these");
    lwsl_info("left out %d\n", undeclared);
    lwsl_hexdump(undeclared, 1);
    (void)wsi;
    return poll_is_there.fd;
}
"#;

/// What is C in C++ as well, as long as the header helps.
const CXX_SOURCE: &str = r#"
#include "libwebsockets.h"
int use(struct libwebsocket *wsi, unsigned char *buffer)
{
    char text[10];
    int sum = 0, n;
    for (n = 0; n < WSI_TOKEN_COUNT; n++)
        sum += lws_hdr_total_length(wsi, n) + lws_hdr_copy(wsi, text, 10, n);
    n = LWS_WRITE_CONTINUATION;
    return sum + libwebsocket_write(wsi, buffer, 1, n | LWS_WRITE_NO_FIN) +
           libwebsocket_write(wsi, buffer, 1, LWS_WRITE_TEXT);
}
"#;

fn compile(compiler: &str, language: &str, standard: &str, options: &[&str], source: &str) {
    use std::io::Write;
    let mut command = Command::new(compiler);
    command.args(STRICT).args(["-x", language, &format!("-std={standard}"), "-fsyntax-only"]);
    command.args(options).arg("-I").arg(include()).arg("-");
    command.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{compiler} {standard} {options:?}:\n{said}");
}

#[test]
fn it_compiles_without_a_warning_as_c_of_every_standard() {
    for compiler in ["gcc", "clang"].into_iter().filter(|compiler| has(compiler)) {
        for standard in ["c89", "gnu89", "c99", "gnu99", "c11", "gnu11", "c17"] {
            compile(compiler, "c", standard, &[], SOURCE);
            compile(compiler, "c", standard, &["-DLWS_NO_EXTENSIONS"], SOURCE);
        }
    }
}

#[test]
fn it_compiles_without_a_warning_as_cxx_of_every_standard() {
    for compiler in ["g++", "clang++"].into_iter().filter(|compiler| has(compiler)) {
        for standard in ["c++98", "gnu++98", "c++11", "c++14", "c++17", "c++20", "c++2b"] {
            compile(compiler, "c++", standard, &[], SOURCE);
            compile(compiler, "c++", standard, &["-DLWS_NO_EXTENSIONS"], SOURCE);
            compile(compiler, "c++", standard, &[], CXX_SOURCE);
        }
    }
}
