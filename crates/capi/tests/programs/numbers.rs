//! Numbers, sizes and names of each level, as its release has them.

use crate::build::include;
use std::fmt::Write;
use std::process::Command;

pub(crate) const LEVELS: [u32; 4] = [120, 123, 130, 140];

/// What the releases say, by level: `-`, or the number.
pub(crate) const NUMBERS: &str = "
    LWS_CALLBACK_ESTABLISHED 0 0 0 0
    LWS_CALLBACK_CLIENT_CONNECTION_ERROR 1 1 1 1
    LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH 2 2 2 2
    LWS_CALLBACK_CLIENT_ESTABLISHED 3 3 3 3
    LWS_CALLBACK_CLOSED 4 4 4 4
    LWS_CALLBACK_CLOSED_HTTP - 5 5 5
    LWS_CALLBACK_RECEIVE 5 6 6 6
    LWS_CALLBACK_CLIENT_RECEIVE 6 7 7 7
    LWS_CALLBACK_CLIENT_RECEIVE_PONG 7 8 8 8
    LWS_CALLBACK_CLIENT_WRITEABLE 8 9 9 9
    LWS_CALLBACK_SERVER_WRITEABLE 9 10 10 10
    LWS_CALLBACK_HTTP 10 11 11 11
    LWS_CALLBACK_HTTP_BODY - - 12 12
    LWS_CALLBACK_HTTP_BODY_COMPLETION - - 13 13
    LWS_CALLBACK_HTTP_FILE_COMPLETION 11 12 14 14
    LWS_CALLBACK_HTTP_WRITEABLE 12 13 15 15
    LWS_CALLBACK_FILTER_NETWORK_CONNECTION 13 14 16 16
    LWS_CALLBACK_FILTER_HTTP_CONNECTION - - 17 17
    LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED - - 18 18
    LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION 14 15 19 19
    LWS_CALLBACK_OPENSSL_LOAD_EXTRA_CLIENT_VERIFY_CERTS 15 16 20 20
    LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS 16 17 21 21
    LWS_CALLBACK_OPENSSL_PERFORM_CLIENT_CERT_VERIFICATION 17 18 22 22
    LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER 18 19 23 23
    LWS_CALLBACK_CONFIRM_EXTENSION_OKAY 19 20 24 24
    LWS_CALLBACK_CLIENT_CONFIRM_EXTENSION_SUPPORTED 20 21 25 25
    LWS_CALLBACK_PROTOCOL_INIT 21 22 26 26
    LWS_CALLBACK_PROTOCOL_DESTROY 22 23 27 27
    LWS_CALLBACK_WSI_CREATE - - 28 28
    LWS_CALLBACK_WSI_DESTROY - - 29 29
    LWS_CALLBACK_GET_THREAD_ID - - 30 30
    LWS_CALLBACK_ADD_POLL_FD 23 24 31 31
    LWS_CALLBACK_DEL_POLL_FD 24 25 32 32
    LWS_CALLBACK_SET_MODE_POLL_FD 25 26 - -
    LWS_CALLBACK_CLEAR_MODE_POLL_FD 26 27 - -
    LWS_CALLBACK_CHANGE_MODE_POLL_FD - - 33 33
    LWS_CALLBACK_LOCK_POLL - - 34 34
    LWS_CALLBACK_UNLOCK_POLL - - 35 35
    LWS_CALLBACK_OPENSSL_CONTEXT_REQUIRES_PRIVATE_KEY - - - 36
    LWS_CALLBACK_USER - - 1000 1000
    CONTEXT_PORT_NO_LISTEN 0 0 -1 -1
    LWS_SEND_BUFFER_PRE_PADDING 18 18 18 18
    LWS_SEND_BUFFER_POST_PADDING 4 4 4 4
    LLL_LATENCY 512 512 512 512
    LLL_COUNT 10 10 10 10
    LWS_SERVER_OPTION_REQUIRE_VALID_OPENSSL_CLIENT_CERT 2 2 2 2
    LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME 4 4 4 4
    LWS_SERVER_OPTION_ALLOW_NON_SSL_ON_SSL_PORT - - 8 8
    LWS_SERVER_OPTION_LIBEV - - 16 16
    LWS_SERVER_OPTION_DISABLE_IPV6 - - 32 32
    LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS - - 64 64
    LWS_EXT_CALLBACK_PAYLOAD_RX 22 22 22 22
    LWS_WRITE_TEXT 0 0 0 0
    LWS_WRITE_HTTP 3 3 3 3
    LWS_WRITE_PONG 6 6 6 6
    LWS_WRITE_HTTP_FINAL - - - 7
    LWS_WRITE_HTTP_HEADERS - - - 8
    LWS_WRITE_NO_FIN 64 64 64 64
    WSI_TOKEN_GET_URI 0 0 0 0
    WSI_TOKEN_POST_URI - - 1 1
    WSI_TOKEN_OPTIONS_URI - - 2 2
    WSI_TOKEN_HOST 1 1 3 3
    WSI_TOKEN_PROTOCOL 5 5 7 12
    WSI_TOKEN_HTTP 16 16 18 15
    WSI_TOKEN_HTTP_ACCEPT - - 19 17
    WSI_TOKEN_HTTP_URI_ARGS - - 34 76
    WSI_TOKEN_MUXURL 17 17 35 77
    _WSI_TOKEN_CLIENT_SENT_PROTOCOLS 18 18 36 78
    _WSI_TOKEN_CLIENT_ORIGIN 22 22 40 82
    WSI_TOKEN_COUNT 23 23 41 83
    WSI_INIT_TOKEN_MUXURL 28 28 46 88
    LWS_CLOSE_STATUS_TLS_FAILURE 1015 1015 1015 1015
    LWS_CLOSE_STATUS_NOSTATUS_CONTEXT_DESTROY - - - 9999
    NO_PENDING_TIMEOUT - 0 0 0
    PENDING_TIMEOUT_AWAITING_PING - 5 5 5
    PENDING_TIMEOUT_SSL_ACCEPT - 9 9 9
    HTTP_STATUS_OK - - 200 200
    HTTP_STATUS_NOT_FOUND - - 404 404
    HTTP_STATUS_HTTP_VERSION_NOT_SUPPORTED - - 505 505
    sizeof(struct_libwebsocket_protocols) 48 56 56 64
    sizeof(struct_lws_context_creation_info) 104 104 120 136
    sizeof(struct_libwebsocket_pollargs) - - 12 12
";

/// What there is besides from a level on.
const FEATURES: [(u32, &str); 3] = [
    (
        123,
        "
LWS_VISIBLE extern int visible;
void (*allow)(const struct libwebsocket_protocols *) = libwebsocket_rx_flow_allow_all_protocol;
",
    ),
    (
        130,
        "
struct libwebsocket_pollfd poll_one;
struct timeval time;
char sized[ARRAY_SIZE(((char[3]){ 0 }))];
#ifndef LWS_FEATURE_SERVE_HTTP_FILE_HAS_OTHER_HEADERS_ARG
#error no LWS_FEATURE_SERVE_HTTP_FILE_HAS_OTHER_HEADERS_ARG
#endif
",
    ),
    (
        140,
        "
void (*logv)(int, const char *, va_list) = _lws_logv;
#ifndef LWS_FEATURE_SERVE_HTTP_FILE_HAS_OTHER_HEADERS_LEN
#error no LWS_FEATURE_SERVE_HTTP_FILE_HAS_OTHER_HEADERS_LEN
#endif
#ifndef LWS_FEATURE_PROTOCOLS_HAS_ID_FIELD
#error no LWS_FEATURE_PROTOCOLS_HAS_ID_FIELD
#endif
#ifndef LWS_FEATURE_PROTOCOLS_HAS_PEER_WRITE_ALLOWANCE
#error no LWS_FEATURE_PROTOCOLS_HAS_PEER_WRITE_ALLOWANCE
#endif
",
    ),
];

/// A program that only compiles if a level has all of these numbers, and none of the others.
fn checks(column: usize) -> String {
    let mut source = String::from("#include <libwebsockets.h>\n");
    for line in NUMBERS.lines().filter(|line| !line.trim().is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, number) = (words[0].replace("struct_", "struct "), words[column + 1]);
        let tag: String = words[0].chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        match number {
            // What a level does not have is a name that its programs may give to what they like.
            "-" if name.starts_with("sizeof") => {}
            "-" => writeln!(source, "struct {name} {{ int {name}; }};").unwrap(),
            number => {
                writeln!(source, "typedef char is_{tag}[({name}) == ({number}) ? 1 : -1];")
                    .unwrap();
            }
        }
    }
    let own = FEATURES.iter().filter(|(since, _)| LEVELS[column] >= *since);
    own.for_each(|(_, feature)| source += &format!("{feature}\n"));
    source
}

#[test]
#[cfg(target_pointer_width = "64")]
fn every_level_has_the_numbers_and_structures_of_its_release() {
    for (column, level) in LEVELS.into_iter().enumerate() {
        let path = std::env::temp_dir().join(format!("sockeye-{}-{level}.c", std::process::id()));
        std::fs::write(&path, checks(column)).unwrap();
        let mut cc = Command::new("gcc");
        cc.args(["-fsyntax-only", "-std=gnu99"]).arg(format!("-DSOCKEYE_LWS_LEVEL={level}"));
        let output = cc.arg("-I").arg(include()).arg(&path).output().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(output.status.success(), "{level}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Where a level stands in the tables.
pub(crate) fn column(level: u32) -> usize {
    LEVELS.iter().position(|&other| other == level).unwrap()
}
