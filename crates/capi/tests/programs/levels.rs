//! The levels of the API: numbers, callbacks and functions of each release, in one library.

use crate::build::{compiled, has, program};
use crate::numbers::{LEVELS, NUMBERS, column};
use crate::run::{Running, Server, free_port};
use sockeye_testkit::{Frame, Peer, Port, idle};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

fn at(level: u32) -> PathBuf {
    if level == 120 {
        return program("programs/levels.c"); // without a word it is the manual's
    }
    let level = format!("-DSOCKEYE_LWS_LEVEL={level}");
    compiled("programs/levels.c", "gcc", &["-std=gnu99", &level])
}

fn server(level: u32) -> Server {
    Server::start(&at(level), &["server", "PORT"])
}

const PROTOCOL: [(&str, &str); 1] = [("Sec-WebSocket-Protocol", "levels")];

/// What was printed, without the log.
fn printed(said: &str) -> Vec<&str> {
    assert!(!said.contains("WRONG"), "{said}");
    said.lines().filter(|line| !line.starts_with('[')).collect()
}

/// Lines for one level: words in braces, as `{130}`, begin those that are there from that level
/// on, `{<130}` those before it; `{since}{before}` at the end stand for numbers.
fn expected(level: u32, lines: &[(&str, &str)]) -> Vec<String> {
    let present = |when: &str| match when.strip_prefix('<') {
        Some(before) => level < before.parse().unwrap(),
        None => when.is_empty() || level >= when.parse().unwrap(),
    };
    lines.iter().filter(|(when, _)| present(when)).map(|(_, line)| numbered(level, line)).collect()
}

/// A line with the level and the number of its reason put in, unless it is indented.
fn numbered(level: u32, line: &str) -> String {
    let Some((protocol, name)) = line.split_once(' ').filter(|_| !line.starts_with(' ')) else {
        return line.to_owned();
    };
    if !protocol.starts_with('p') || name.contains("left") {
        return line.to_owned();
    }
    let column = column(level);
    let number = match name {
        "USER + 1" => "1001",
        _ => {
            let find = |line: &&str| line.trim().starts_with(&format!("LWS_CALLBACK_{name} "));
            let line = NUMBERS.lines().find(find).unwrap();
            line.split_whitespace().nth(column + 1).unwrap()
        }
    };
    format!("{level} {protocol} {number} {name}")
}

fn expect(level: u32, said: &str, lines: &[(&str, &str)]) {
    let (found, expected) = (printed(said), expected(level, lines));
    assert!(found == expected, "{}\ninstead of\n{}", found.join("\n"), expected.join("\n"));
}

#[test]
fn a_websocket_on_a_server_of_each_level() {
    for level in LEVELS {
        let server = server(level);
        let mut peer = server.peer();
        peer.upgrade("/", &PROTOCOL);
        peer.send_frame(&Frame::text("version"));
        let version = peer.expect_frame().payload;
        let number = ["1.2 ", "1.23 ", "1.3 ", "1.4 "][column(level)];
        assert!(version.starts_with(number.as_bytes()), "{}", version.escape_ascii());
        peer.send_frame(&Frame::close(1000, ""));
        peer.expect_close(1000);
        peer.expect_eof();
        expect(
            level,
            &server.stop(),
            &[
                ("", "p0 PROTOCOL_INIT"),
                ("", "p1 PROTOCOL_INIT"),
                ("", "p0 FILTER_NETWORK_CONNECTION"),
                ("130", "p0 WSI_CREATE"),
                ("130", "p0 SERVER_NEW_CLIENT_INSTANTIATED"),
                ("", "p1 FILTER_PROTOCOL_CONNECTION"),
                ("<123", "  user text in \"levels\" len 6"),
                ("123", "  user zeroed in \"levels\" len 6"),
                ("", "p1 ESTABLISHED"),
                ("", "p1 RECEIVE"),
                ("", "p1 CLOSED"),
                ("130", "p0 WSI_DESTROY"),
                ("", "p0 PROTOCOL_DESTROY"),
                ("", "p1 PROTOCOL_DESTROY"),
                ("", "polls left: 0"),
            ],
        );
    }
}

#[test]
fn http_on_a_server_of_each_level() {
    for level in LEVELS {
        let server = server(level);
        let mut peer = server.peer();
        peer.send("GET /file?a=b HTTP/1.1\r\nHost: me\r\nCookie: c=d\r\nUser-Agent: e\r\n\r\n");
        let head = peer.expect_head();
        assert!(head.text.starts_with("HTTP/1.0 200 OK\r\n"), "{}", head.text);
        assert_eq!(head.text.ends_with("\r\nX-Other: a"), level >= 130, "{}", head.text);
        peer.expect_bytes(head.header("Content-Length").unwrap().parse().unwrap());
        if level < 123 {
            peer.expect_silence(); // it is not told that the file has ended, so it stays
            peer.finish();
        }
        peer.expect_eof();
        expect(
            level,
            &server.stop(),
            &[
                ("", "p0 PROTOCOL_INIT"),
                ("", "p1 PROTOCOL_INIT"),
                ("", "p0 FILTER_NETWORK_CONNECTION"),
                ("130", "p0 WSI_CREATE"),
                ("130", "p0 SERVER_NEW_CLIENT_INSTANTIATED"),
                ("130", "p0 FILTER_HTTP_CONNECTION"),
                ("", "p0 HTTP"),
                ("<130", "  uri \"/file?a=b\""),
                ("<130", "  GET_URI \"/file?a=b\""),
                ("130", "  uri \"/file\""),
                ("130", "  GET_URI \"/file\""),
                ("", "  HOST \"me\""),
                ("130", "  HTTP_URI_ARGS \"a=b\""),
                ("130", "  HTTP_COOKIE \"c=d\""),
                ("140", "  HTTP_USER_AGENT \"e\""),
                ("", "p0 HTTP_FILE_COMPLETION"),
                ("<123", "  served: 0"),
                ("123", "  served: 1"),
                ("123", "p0 CLOSED_HTTP"),
                ("130", "p0 WSI_DESTROY"),
                ("", "p0 PROTOCOL_DESTROY"),
                ("", "p1 PROTOCOL_DESTROY"),
                ("", "polls left: 0"),
            ],
        );
    }
}

#[test]
fn bodies_statuses_and_limits_of_headers_since_1_3() {
    for level in [130, 140] {
        let server = server(level);
        let mut peer = server.peer();
        let post = "POST /post?q HTTP/1.1\r\nHost: me\r\nContent-Length: 5\r\n\r\n";
        peer.send(post);
        peer.send("hello");
        let (answer, _) = peer.expect_rest_and_end();
        assert!(answer.starts_with(b"HTTP/1.0 200 OK\r\n"), "{}", answer.escape_ascii());
        let mut peer = server.peer();
        peer.send("GET /gone HTTP/1.1\r\nHost: me\r\n\r\n");
        let (answer, _) = peer.expect_rest_and_end();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.0 410 Gone\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n<h1>410 Gone</h1><p>long ago"), "{answer}");
        let mut peer = server.peer();
        peer.send("GET /gone HTTP/1.1\r\nHost: longer.than.twenty.bytes\r\n\r\n");
        assert!(peer.expect_rest_and_end().0.is_empty());
        let said = server.stop();
        assert!(said.contains("a header is longer than token_limits allow"), "{said}");
        let found = printed(&said).join("\n");
        let tokens =
            "  uri \"/post\"\n  HOST \"me\"\n  POST_URI \"/post\"\n  HTTP_URI_ARGS \"q\"\n";
        assert!(found.contains(tokens), "{found}");
        let body = format!(
            "{level} p0 12 HTTP_BODY\n  \"hello\"\n{level} p0 13 HTTP_BODY_COMPLETION\n\
             {level} p0 5 CLOSED_HTTP"
        );
        assert!(found.contains(&body), "{found}");
    }
}

/// The methods that a release knows. What it does not know ends the connection without a word.
#[test]
fn requests_of_every_method_that_a_level_has() {
    let since = [("POST", 130), ("OPTIONS", 130), ("PUT", 140), ("PATCH", 140), ("DELETE", 140)];
    for (level, method) in LEVELS.into_iter().flat_map(|level| since.map(|m| (level, m.0))) {
        let known = since.iter().any(|(name, since)| *name == method && level >= *since);
        let server = server(level);
        let mut peer = server.peer();
        let path = if method == "OPTIONS" { "gone" } else { "post" };
        let body = if method == "OPTIONS" { "" } else { "Content-Length: 5\r\n\r\nhello" };
        let end = if body.is_empty() { "\r\n" } else { body };
        peer.send(format!("{method} /{path}?q HTTP/1.1\r\nHost: me\r\n{end}"));
        let (answer, _) = peer.expect_rest_and_end();
        let said = server.stop();
        let found = printed(&said).join("\n");
        if !known {
            assert!(answer.is_empty(), "{level} {method}: {}", answer.escape_ascii());
            assert!(!found.contains(" HTTP"), "{level} {method}: {said}");
            continue;
        }
        let status = if body.is_empty() { &b"HTTP/1.0 410 "[..] } else { b"HTTP/1.0 200 " };
        assert!(answer.starts_with(status), "{level} {method}: {}", answer.escape_ascii());
        let uri = format!("  {method}_URI \"/{path}\"\n");
        assert_eq!(found.matches("_URI \"").count(), 1, "{level} {method}: {said}");
        assert!(found.contains(&uri), "{level} {method}: {said}");
        let of_body = format!("{level} p0 12 HTTP_BODY\n  \"hello\"\n{level} p0 13 ");
        assert_eq!(found.contains(&of_body), !body.is_empty(), "{level} {method}: {said}");
    }
}

#[test]
fn bodies_of_every_method_on_one_connection_since_1_4() {
    let server = server(140);
    let mut peer = server.peer();
    let bodies = [
        "Content-Length: 5\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n\
                   2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "\r\n",
    ];
    for method in ["PUT", "PATCH", "DELETE", "POST"] {
        for body in bodies {
            peer.send(format!("{method} /kept HTTP/1.1\r\nHost: me\r\n{body}"));
            assert_eq!(peer.expect_head().status(), 200);
            assert_eq!(peer.expect_bytes(4), b"made");
        }
    }
    peer.finish();
    peer.expect_eof();
    let said = server.stop();
    let found = printed(&said).join("\n");
    let (whole, first) = ("HTTP_BODY\n  \"hello\"\n140 p0 13 ", "HTTP_BODY\n  \"he\"\n140 p0 12 ");
    assert_eq!(found.matches(whole).count() + found.matches(first).count(), 8, "{said}");
    assert_eq!(found.matches("HTTP_BODY_COMPLETION").count(), 12, "{said}");
    assert_eq!(found.matches("CLOSED_HTTP").count(), 1, "{said}");
}

/// The program checks what comes with the reason, and that it comes once in every call.
#[test]
fn who_has_the_library_wait_is_asked_for_its_thread_since_1_3() {
    for level in [130, 140] {
        let mut server = Server::start(&at(level), &["server", "PORT", "built-in"]);
        let mut peer = server.peer();
        peer.upgrade("/", &PROTOCOL);
        peer.send_frame(&Frame::text("ask elsewhere"));
        peer.expect_text("ask elsewhere");
        server.program.expect("SERVER_WRITEABLE");
        printed(&server.stop());
    }
}

#[test]
fn heads_are_put_together_and_connections_kept_since_1_4() {
    let server = server(140);
    let mut peer = server.peer();
    for _ in 0..2 {
        peer.send("GET /made HTTP/1.1\r\nHost: me\r\n\r\n");
        let head = peer.expect_head();
        assert_eq!(head.status(), 200);
        assert_eq!(head.header("Content-Type"), Some("content-type:"));
        assert_eq!(head.header("X-Made"), Some("yes"));
        assert_eq!(head.header("Content-Length"), Some("4"));
        assert_eq!(peer.expect_bytes(4), b"made");
    }
    peer.send("GET /made HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n");
    assert!(peer.expect_rest_and_end().0.ends_with(b"\r\n\r\nmade"));
    let said = server.stop();
    let found = printed(&said);
    let facts = found.iter().filter(|line| **line == "  partial 0, tls 0, allowance 1, room 1");
    assert_eq!(facts.count(), 3, "{said}");
    assert_eq!(found.iter().filter(|line| line.contains("CLOSED_HTTP")).count(), 1, "{said}");
}

#[test]
fn timeouts_and_flow_of_all_connections_since_1_23() {
    for level in [123, 130, 140] {
        let server = server(level);
        let (mut peer, mut other) = (server.peer(), server.peer());
        peer.upgrade("/", &PROTOCOL);
        other.upgrade("/", &PROTOCOL);
        peer.send_frame(&Frame::text("no timeout"));
        peer.expect_text("no timeout");
        peer.send_frame(&Frame::text("stop"));
        peer.expect_text("stop");
        peer.send_frame(&Frame::text("later"));
        peer.expect_silence();
        other.send_frame(&Frame::text("go all"));
        peer.expect_text("later");
        other.expect_text("go all");
        other.send_frame(&Frame::text("end by timeout"));
        other.expect_text("end by timeout");
        other.expect_eof();
        peer.send_frame(&Frame::text("here"));
        peer.expect_text("here");
        printed(&server.stop());
    }
}

#[test]
fn reasons_of_the_programs_own_and_other_threads_since_1_3() {
    for level in [130, 140] {
        let server = server(level);
        let (mut peer, mut other) = (server.peer(), server.peer());
        peer.upgrade("/", &PROTOCOL);
        other.upgrade("/", &PROTOCOL);
        for text in ["call all", "cancel"] {
            peer.send_frame(&Frame::text(text));
            peer.expect_text(text);
        }
        let said = server.stop();
        let own = numbered(level, "p1 USER + 1");
        assert_eq!(printed(&said).iter().filter(|line| **line == own).count(), 2, "{said}");
    }
}

#[test]
fn a_client_connects_inside_the_loop_since_1_23() {
    for level in LEVELS {
        let reserved = Port::reserve();
        let (listener, port) = (reserved.listen(), reserved.address.port().to_string());
        let name = if level == 120 { "127.0.0.1" } else { "localhost" };
        let mut client = Running::of(Command::new(at(level)).args(["client", &port, name]));
        let mut peer = Peer::accept(&listener, idle());
        let request = peer.expect_head();
        assert!(request.text.starts_with("GET /path HTTP/1.1\r\n"), "{}", request.text);
        assert_eq!(request.header("Host"), Some("host"));
        let chosen = "\r\nSec-WebSocket-Protocol: levels\r\n\r\n";
        peer.send(request.switching_protocols().replacen("\r\n\r\n", chosen, 1));
        peer.expect_text("hello");
        peer.send_frame(&Frame::text("there"));
        peer.send_frame(&Frame::close(1000, ""));
        peer.expect_close(1000);
        expect(
            level,
            &client.expect_status(0),
            &[
                ("", "p0 OPENSSL_LOAD_EXTRA_CLIENT_VERIFY_CERTS"),
                ("", "p0 PROTOCOL_INIT"),
                ("", "p1 PROTOCOL_INIT"),
                ("130", "p0 WSI_CREATE"),
                ("", "p0 CLIENT_APPEND_HANDSHAKE_HEADER"),
                ("", "connect has returned"),
                ("", "p1 CLIENT_FILTER_PRE_ESTABLISH"),
                ("", "p1 CLIENT_ESTABLISHED"),
                ("", "p1 CLIENT_RECEIVE"),
                ("", "  \"there\""),
                ("", "p1 CLOSED"),
                ("130", "p0 WSI_DESTROY"),
                ("", "p0 PROTOCOL_DESTROY"),
                ("", "p1 PROTOCOL_DESTROY"),
                ("", "polls left: 0"),
            ],
        );
        drop(listener);
        let mut client = Running::of(Command::new(at(level)).args(["client", &port, name]));
        if level == 120 {
            client.expect_status(2);
            continue;
        }
        expect(
            level,
            &client.expect_status(0),
            &[
                ("", "p0 OPENSSL_LOAD_EXTRA_CLIENT_VERIFY_CERTS"),
                ("", "p0 PROTOCOL_INIT"),
                ("", "p1 PROTOCOL_INIT"),
                ("130", "p0 WSI_CREATE"),
                ("", "p0 CLIENT_APPEND_HANDSHAKE_HEADER"),
                ("", "connect has returned"),
                ("", "p0 CLIENT_CONNECTION_ERROR"),
                ("130", "p0 WSI_DESTROY"),
                ("", "p0 PROTOCOL_DESTROY"),
                ("", "p1 PROTOCOL_DESTROY"),
                ("", "polls left: 0"),
            ],
        );
    }
}

#[test]
fn a_client_goes_through_the_proxy_it_names_since_1_23() {
    for level in [123, 140] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = listener.local_addr().unwrap().to_string();
        let arguments = ["client", "7", "far.example", &proxy];
        let mut client = Running::of(Command::new(at(level)).args(arguments));
        let mut peer = Peer::accept(&listener, idle());
        let head = peer.expect_head().text;
        assert!(head.starts_with("CONNECT far.example:7 HTTP/1.1\r\n"), "{head}");
        peer.send("HTTP/1.1 200 Connected\r\n\r\n");
        let request = peer.expect_head();
        peer.send(request.switching_protocols());
        peer.expect_text("hello");
        drop(peer);
        printed(&client.expect_status(0));
        let odd = ["client", "7", "far.example", "odd"];
        let said = Running::of(Command::new(at(level)).args(odd)).expect_status(3);
        assert!(said.contains("libwebsocket_set_proxy: http_proxy needs to be ads:port"), "{said}");
    }
}

#[test]
fn programs_of_two_levels_live_in_one_process() {
    for (own, others) in [(120, 140), (130, 123)] {
        let others_level = format!("-DSOCKEYE_LWS_LEVEL={others}");
        let part = ["-std=gnu99", "-fPIC", "-shared", "-DBE_OTHER_LEVEL", &others_level];
        let part = compiled("programs/levels.c", "gcc", &part);
        let own_level = format!("-DSOCKEYE_LWS_LEVEL={own}");
        let part = part.to_str().unwrap();
        let options = ["-std=gnu99", "-DOTHER_LEVEL", &own_level, "-Wl,--no-as-needed", part];
        let both = compiled("programs/levels.c", "gcc", &options);
        let mut server = Server::start(&both, &["server", "PORT"]);
        if !server.program.said.iter().any(|line| line == "  \"hello\"") {
            server.program.expect("  \"hello\"");
        }
        let said = server.stop();
        let found = printed(&said);
        for (level, line) in [
            (own, "p1 ESTABLISHED"),
            (own, "p1 RECEIVE"),
            (own, "p1 CLOSED"),
            (others, "p1 CLIENT_ESTABLISHED"),
            (others, "p1 CLIENT_RECEIVE"),
            (others, "p1 CLOSED"),
        ] {
            assert!(found.contains(&&*numbered(level, line)), "{level} {line} in {said}");
        }
    }
}

#[test]
fn functions_since_1_23_take_handles_and_pointers_that_are_none() {
    let port = free_port().to_string();
    let mut hostile = Command::new(at(140));
    let said = Running::of(hostile.args(["hostile", &port])).expect_status(0);
    printed(&said);
    assert!(said.contains("ERR: text and 7 and 1.5"), "{said}");
    let gone = "libwebsocket_set_timeout: the handle is none of a live context or connection";
    assert_eq!(said.matches(gone).count(), 1, "{said}");
}

#[test]
fn what_cannot_be_had_is_refused_in_a_line_that_says_so() {
    for (member, why) in [
        ("options = LWS_SERVER_OPTION_LIBEV", "LWS_SERVER_OPTION_LIBEV: there is no libev"),
        ("options = LWS_SERVER_OPTION_ALLOW_NON_SSL_ON_SSL_PORT", "speaks TLS or does not"),
        ("ssl_private_key_password = \"a\"", "keys that are encrypted are not read"),
        ("provided_client_ssl_ctx = &info", "that is OpenSSL's"),
        ("http_proxy_address = \"a\", info.http_proxy_port = 70000", "http_proxy_port 70000"),
        ("port = 70000", "port 70000 is none"),
        ("options = LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS", "nobody is believed"),
    ] {
        let options = ["-std=gnu99", "-DSOCKEYE_LWS_LEVEL=140", &format!("-DMEMBER={member}")];
        let refused = compiled("programs/refused.c", "gcc", &options);
        let said = Running::of(&mut Command::new(refused)).expect_status(0);
        assert!(said.contains(why), "{member}: {said}");
    }
}

#[test]
fn valgrind_finds_nothing_at_the_last_level() {
    if !has("valgrind") {
        return;
    }
    let options = ["--quiet", "--error-exitcode=99", "--leak-check=full"];
    let kinds = "--errors-for-leak-kinds=definite,indirect";
    let levels = at(140);
    let levels = levels.to_str().unwrap();
    let port = free_port().to_string();
    let mut hostile = Command::new("valgrind");
    let words = [kinds, levels, "hostile", &port];
    printed(&Running::of(hostile.args(options).args(words)).expect_status(0));
    let words = [&options[..], &[kinds, levels, "server", "PORT"]].concat();
    let server = Server::start("valgrind".as_ref(), &words);
    for request in [
        "GET /file?a HTTP/1.1\r\nHost: me\r\n\r\n",
        "POST /post HTTP/1.1\r\nHost: me\r\nContent-Length: 5\r\n\r\nhello",
        "GET /made HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n",
    ] {
        let mut peer = server.peer();
        peer.send(request);
        peer.expect_rest_and_end();
    }
    let mut peer = server.peer();
    peer.upgrade("/", &PROTOCOL);
    peer.send_frame(&Frame::text("end by timeout"));
    peer.expect_text("end by timeout");
    peer.expect_eof();
    printed(&server.stop());
}
