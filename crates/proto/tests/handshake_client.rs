//! The client's side of the opening handshake (RFC 6455 §4.1).

use sockeye_proto::handshake::{
    Accepted, BadRequest, ClientHello, ClientRequest, Mismatch, accept_key, upgrade_request,
};
use sockeye_proto::http::{BadHeader, HeadLimits, RequestHead, ResponseHead};
use sockeye_proto::uri::Url;

const WANTED: ClientRequest<'_> = ClientRequest {
    host: "example.com:81",
    target: "/chat?x",
    subprotocols: &["chat", "super"],
    origin: Some("http://example.com"),
    extensions: Some("permessage-deflate; client_max_window_bits, other"),
    headers: &[("Cookie", "a=b")],
};

fn hello() -> ClientHello {
    ClientHello::new(*b"the sample nonce", &WANTED).unwrap()
}

fn check(response: &str) -> Result<Accepted, Mismatch> {
    let head = ResponseHead::parse(response.as_bytes(), &HeadLimits::default()).unwrap();
    hello().check(&head)
}

/// A response that accepts, but for these lines.
fn response(changes: &[&str]) -> String {
    let fields = [
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    ];
    let name = |field: &str| field.split(':').next().unwrap().to_ascii_lowercase();
    let kept = fields.iter().filter(|field| changes.iter().all(|c| name(c) != name(field)));
    let all = kept.chain(changes.iter().filter(|c| c.contains(':')));
    let lines: String = all.map(|field| format!("{field}\r\n")).collect();
    format!("HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n")
}

#[test]
fn request_is_written_byte_for_byte() {
    let mut out = Vec::new();
    hello().write_to(&mut out);
    let expected = "GET /chat?x HTTP/1.1\r\nHost: example.com:81\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, super\r\n\
        Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, other\r\n\
        Origin: http://example.com\r\nCookie: a=b\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    assert_eq!(hello().key(), "dGhlIHNhbXBsZSBub25jZQ==");
}

#[test]
fn own_server_accepts_the_request_and_client_the_answer() {
    let url = Url::parse("ws://[::1]:7681/echo").unwrap();
    let wanted = ClientRequest { subprotocols: &["echo"], ..ClientRequest::default() };
    let hello = ClientHello::to_url([9; 16], &url, &wanted).unwrap();
    let (mut request, mut response) = (Vec::new(), Vec::new());
    hello.write_to(&mut request);
    let head = RequestHead::parse(&request, &HeadLimits::default()).unwrap();
    let upgrade = upgrade_request(&head).unwrap().unwrap();
    assert_eq!((upgrade.host(), head.target, upgrade.origin), ("[::1]:7681", "/echo", None));
    let chosen = upgrade.subprotocols().next();
    let none: [(&str, &str); 0] = [];
    sockeye_proto::handshake::write_switching_protocols(
        &mut response,
        upgrade.key,
        chosen,
        None,
        none,
    )
    .unwrap();
    let head = ResponseHead::parse(&response, &HeadLimits::default()).unwrap();
    let accepted = hello.check(&head).unwrap();
    assert_eq!(accepted.subprotocol.as_deref(), Some("echo"));
}

#[test]
fn response_is_accepted_with_what_was_offered() {
    assert_eq!(check(&response(&[])), Ok(Accepted::default()));
    let accepted = check(&response(&[
        "upgrade: WebSocket",
        "connection: keep-alive, upgrade",
        "sec-websocket-protocol: super",
        "Sec-WebSocket-Extensions: other",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=10",
    ]))
    .unwrap();
    assert_eq!(accepted.subprotocol.as_deref(), Some("super"));
    let extensions = "other, permessage-deflate; client_max_window_bits=10";
    assert_eq!(accepted.extensions.as_deref(), Some(extensions));
}

#[test]
fn each_violation_by_the_server_is_told_apart() {
    type Is = fn(&Mismatch) -> bool;
    let upgrade: Is = |m| matches!(m, Mismatch::Upgrade(_));
    let connection: Is = |m| matches!(m, Mismatch::Connection(_));
    let accept: Is = |m| matches!(m, Mismatch::Accept(_));
    let subprotocol: Is = |m| matches!(m, Mismatch::Subprotocol(_));
    let extension: Is = |m| matches!(m, Mismatch::Extension(_));
    let good_accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    let cases: [(&[&str], Is); 21] = [
        (&["upgrade"], upgrade),
        (&["Upgrade: h2c"], upgrade),
        (&["Upgrade: websocket, h2c"], upgrade),
        (&["Upgrade: websocket", "Upgrade: websocket"], upgrade),
        (&["connection"], connection),
        (&["Connection: close"], connection),
        (&["Connection: upgraded"], connection),
        (&["sec-websocket-accept"], accept),
        (&["Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ=="], accept),
        (&["Sec-WebSocket-Accept: S3PPLMBITXAQ9KYGZZHZRBK+XOO="], accept),
        (&["Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo"], accept),
        (&[good_accept, good_accept], accept),
        (&["Sec-WebSocket-Protocol: CHAT"], subprotocol),
        (&["Sec-WebSocket-Protocol: third"], subprotocol),
        (&["Sec-WebSocket-Protocol: chat, super"], subprotocol),
        (&["Sec-WebSocket-Protocol:"], subprotocol),
        (&["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: chat"], subprotocol),
        (&["Sec-WebSocket-Extensions: x-webkit-deflate-frame"], extension),
        (&["Sec-WebSocket-Extensions: other, third"], extension),
        (&["Sec-WebSocket-Extensions: client_max_window_bits"], extension),
        (&["Sec-WebSocket-Extensions: ;"], extension),
    ];
    for (changes, is) in cases {
        let mismatch = check(&response(changes)).expect_err(&format!("{changes:?}"));
        assert!(is(&mismatch), "{changes:?} gives {mismatch:?}");
    }
}

#[test]
fn nothing_is_accepted_where_nothing_was_offered() {
    let wanted = ClientRequest { host: "a", target: "/", ..ClientRequest::default() };
    let hello = ClientHello::new([0; 16], &wanted).unwrap();
    let accept = accept_key(hello.key());
    let accept = format!("Sec-WebSocket-Accept: {}", std::str::from_utf8(&accept).unwrap());
    for field in ["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Extensions: permessage-deflate"] {
        let text = response(&[&accept, field]);
        let head = ResponseHead::parse(text.as_bytes(), &HeadLimits::default()).unwrap();
        assert!(hello.check(&head).is_err(), "{field}");
    }
}

#[test]
fn other_status_and_old_version_are_mismatches_that_name_what_was_sent() {
    let refused = check("HTTP/1.1 403 Forbidden\r\n\r\n").unwrap_err();
    assert_eq!(refused.to_string(), "the server answered 403 \"Forbidden\", not 101");
    assert!(matches!(check("HTTP/1.1 200 OK\r\n\r\n"), Err(Mismatch::Status { status: 200, .. })));
    let old = response(&[]).replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(check(&old), Err(Mismatch::HttpVersion));
    let accept = check(&response(&["sec-websocket-accept"])).unwrap_err();
    assert!(accept.to_string().ends_with("the server sent nothing"));
    let long = format!("Upgrade: {}\u{e9}", "x".repeat(1000));
    let text = check(&response(&[&long])).unwrap_err().to_string();
    assert!(text.len() < 250 && text.is_char_boundary(text.len()));
}

/// Class 6: CRLF injection through every string of the client's API.
#[test]
fn no_string_of_the_request_can_smuggle_another_line() {
    let attempt = |wanted: ClientRequest<'_>| {
        let error = ClientHello::new([0; 16], &wanted).expect_err(&format!("{wanted:?}"));
        assert!(!error.to_string().contains(['\r', '\n', '\0']));
        error
    };
    for evil in ["a\r\nX: y", "a\nX", "a\rX", "a\0", "a\u{7f}"] {
        let target = format!("/{evil}");
        assert!(matches!(attempt(ClientRequest { host: evil, ..WANTED }), BadRequest::Host(_)));
        let error = attempt(ClientRequest { target: &target, ..WANTED });
        assert!(matches!(error, BadRequest::Target(_)));
        let error = attempt(ClientRequest { subprotocols: &["chat", evil], ..WANTED });
        assert_eq!(error, BadRequest::Subprotocol(evil.into()));
        let error = attempt(ClientRequest { origin: Some(evil), ..WANTED });
        assert!(matches!(error, BadRequest::Origin(_)));
        let error = attempt(ClientRequest { extensions: Some(evil), ..WANTED });
        assert!(matches!(error, BadRequest::Extensions(_)));
        let error = attempt(ClientRequest { headers: &[("X", evil)], ..WANTED });
        assert!(matches!(error, BadRequest::Header(BadHeader::Value { .. })));
        let error = attempt(ClientRequest { headers: &[(evil, "x")], ..WANTED });
        assert!(matches!(error, BadRequest::Header(BadHeader::Name(_))));
    }
}

#[test]
fn strings_that_would_mean_something_else_are_refused() {
    let attempt = |wanted: ClientRequest<'_>| ClientHello::new([0; 16], &wanted).unwrap_err();
    for host in ["", "a b", "u@a", "a/b", ":80", "[::1"] {
        assert_eq!(attempt(ClientRequest { host, ..WANTED }), BadRequest::Host(host.into()));
    }
    for target in ["", "chat", "/a b", "/a#b", "http://a/", "/caf\u{e9}"] {
        let error = attempt(ClientRequest { target, ..WANTED });
        assert_eq!(error, BadRequest::Target(target.into()));
    }
    for extensions in ["", " , ", ";a", "a b", "a, ;b", "\"a\""] {
        let error = attempt(ClientRequest { extensions: Some(extensions), ..WANTED });
        assert_eq!(error, BadRequest::Extensions(extensions.into()));
    }
    for names in [&["a", "a"][..], &[""], &["a,b"], &["a b"], &["a", "b", "a"]] {
        let error = attempt(ClientRequest { subprotocols: names, ..WANTED });
        assert!(matches!(error, BadRequest::Subprotocol(_)), "{names:?}");
    }
    for name in [
        "host",
        "Origin",
        "upgrade",
        "connection",
        "Sec-WebSocket-Key",
        "content-length",
        "transfer-encoding",
    ] {
        let error = attempt(ClientRequest { headers: &[(name, "x")], ..WANTED });
        assert_eq!(error, BadRequest::Header(BadHeader::Reserved(name.into())));
    }
}
