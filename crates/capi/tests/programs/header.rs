//! The header, in every language it is for.

use crate::build::{STRICT, has, include, machine};
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
int use_int(struct libwebsocket *wsi, unsigned char *buffer);
int use_int(struct libwebsocket *wsi, unsigned char *buffer)
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

/// The levels that a program can choose; the first is what it gets if it does not.
const LEVELS: [&str; 4] = ["120", "123", "130", "140"];

fn compile(compiler: &str, language: &str, standard: &str, options: &[&str], source: &str) {
    let said = tried(compiler, language, standard, options, source);
    assert!(said.is_ok(), "{compiler} {standard} {options:?}:\n{said:?}");
}

/// Compiles a source; if that fails, what the compiler says.
fn tried(
    compiler: &str,
    language: &str,
    standard: &str,
    options: &[&str],
    source: &str,
) -> Result<(), String> {
    use std::io::Write;
    let mut command = Command::new(compiler);
    command.args(STRICT).args(machine()).args([
        "-x",
        language,
        &format!("-std={standard}"),
        "-fsyntax-only",
    ]);
    command.args(options).arg("-I").arg(include()).arg("-");
    command.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
    let output = sockeye_testkit::finish(child);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

#[test]
fn it_compiles_without_a_warning_as_c_of_every_standard() {
    for compiler in ["gcc", "clang"].into_iter().filter(|compiler| has(compiler)) {
        for standard in ["c89", "gnu89", "c99", "gnu99", "c11", "gnu11", "c17"] {
            compile(compiler, "c", standard, &["-DLWS_NO_EXTENSIONS"], SOURCE);
            for level in LEVELS.map(|level| format!("-DSOCKEYE_LWS_LEVEL={level}")) {
                compile(compiler, "c", standard, &[&level], SOURCE);
            }
        }
    }
}

#[test]
fn it_compiles_without_a_warning_as_cxx_of_every_standard() {
    for compiler in ["g++", "clang++"].into_iter().filter(|compiler| has(compiler)) {
        for standard in ["c++98", "gnu++98", "c++11", "c++14", "c++17", "c++20", "c++2b"] {
            compile(compiler, "c++", standard, &["-DLWS_NO_EXTENSIONS"], SOURCE);
            for level in LEVELS.map(|level| format!("-DSOCKEYE_LWS_LEVEL={level}")) {
                compile(compiler, "c++", standard, &[&level], &format!("{SOURCE}{CXX_SOURCE}"));
            }
        }
    }
}

/// A program of 1.5 or later, as far as every one of them goes.
const LATER_SOURCE: &str = r#"
#include "libwebsockets.h"
static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    return 0;
}
"#;

const LATER_MAIN: &str = r#"
#include "libwebsockets.h"
int main(void)
{
    struct lws_context_creation_info info = { 0 };
    return lws_create_context(&info) == 0;
}
"#;

#[test]
fn a_program_of_a_later_api_or_of_no_level_is_told_so() {
    let levels = ["-DSOCKEYE_LWS_LEVEL=120", "-DSOCKEYE_LWS_LEVEL=140"];
    let compilers = [("gcc", "c", "gnu89"), ("clang", "c", "c17"), ("g++", "c++", "c++98")];
    for (compiler, language, standard) in compilers.into_iter().filter(|(name, ..)| has(name)) {
        for source in [LATER_SOURCE, LATER_MAIN] {
            for level in levels {
                let said = tried(compiler, language, standard, &[level], source).unwrap_err();
                let why = "error: this program uses the API of libwebsockets 1.5 or later (lws_*)";
                assert!(said.contains(why), "{compiler} {level}:\n{said}");
            }
        }
        let level = ["-DSOCKEYE_LWS_LEVEL=150"];
        let said = tried(compiler, language, standard, &level, SOURCE).unwrap_err();
        assert!(said.contains("SOCKEYE_LWS_LEVEL must be 120, 123, 130 or 140"), "{said}");
    }
}
