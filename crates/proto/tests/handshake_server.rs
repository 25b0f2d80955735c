//! The server's side of the opening handshake (RFC 6455 §4.2).

use sockeye_proto::handshake::{Refusal, accept_key, upgrade_request, write_switching_protocols};
use sockeye_proto::http::{
    BadHeader, BodyEvent, BodyReader, HeadLimits, HeadScanner, RequestHead, ResponseHead,
};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const FIELDS: [&str; 5] = [
    "Host: server.example.com",
    "Upgrade: websocket",
    "Connection: keep-alive, Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
];

/// A handshake in which the field of the same name is replaced, and new ones are added.
fn request(line: &str, changes: &[&str]) -> String {
    let name = |field: &str| field.split(':').next().unwrap().to_ascii_lowercase();
    let kept = FIELDS.iter().filter(|field| changes.iter().all(|c| name(c) != name(field)));
    let lines: Vec<&str> = std::iter::once(line).chain(kept.copied()).collect();
    let changes: String =
        changes.iter().filter(|c| c.contains(':')).map(|c| format!("{c}\r\n")).collect();
    format!("{}\r\n{changes}\r\n", lines.join("\r\n"))
}

fn refusal(line: &str, changes: &[&str]) -> Refusal {
    let head = request(line, changes);
    let head = RequestHead::parse(head.as_bytes(), &HeadLimits::default()).unwrap();
    upgrade_request(&head).expect_err(&format!("{line} {changes:?}"))
}

const GET: &str = "GET /chat HTTP/1.1";

#[test]
fn handshake_of_the_rfc_is_accepted() {
    let text = request(
        GET,
        &[
            "Origin: http://example.com",
            "Sec-WebSocket-Protocol: chat, superchat",
            "Sec-WebSocket-Protocol: last",
            "Sec-WebSocket-Extensions: a; b=\"c, d\", e",
        ],
    );
    let head = RequestHead::parse(text.as_bytes(), &HeadLimits::default()).unwrap();
    let request = upgrade_request(&head).unwrap().unwrap();
    assert_eq!((request.key, request.origin), (KEY, Some("http://example.com")));
    assert_eq!((request.host(), request.head.path()), ("server.example.com", "/chat"));
    assert_eq!(request.subprotocols().collect::<Vec<_>>(), ["chat", "superchat", "last"]);
    assert_eq!(request.extensions().collect::<Vec<_>>(), ["a; b=\"c, d\"", "e"]);
}

#[test]
fn handshake_is_the_same_when_it_comes_byte_by_byte() {
    let text = request(GET, &["Origin: http://a"]) + "frames";
    let (mut scanner, mut head) = (HeadScanner::default(), Vec::new());
    for byte in text.bytes() {
        head.push(byte);
        if scanner.feed(&[byte], &HeadLimits::default()).unwrap().is_some() {
            break;
        }
    }
    assert_eq!(head.len(), text.len() - "frames".len());
    let head = RequestHead::parse(&head, &HeadLimits::default()).unwrap();
    assert_eq!(upgrade_request(&head).unwrap().unwrap().key, KEY);
}

#[test]
fn accept_key_is_that_of_the_rfc() {
    assert_eq!(&accept_key(KEY), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn request_without_upgrade_to_websocket_is_an_ordinary_one() {
    for field in ["upgrade", "Upgrade: h2c", "Upgrade: websocket2", "Upgrade: \"websocket\""] {
        let head = request(GET, &[field]);
        let head = RequestHead::parse(head.as_bytes(), &HeadLimits::default()).unwrap();
        assert!(upgrade_request(&head).unwrap().is_none(), "{field}");
    }
    let head = request(GET, &["Upgrade: h2c, WebSocket"]);
    let head = RequestHead::parse(head.as_bytes(), &HeadLimits::default()).unwrap();
    assert!(upgrade_request(&head).unwrap().is_some());
}

#[test]
fn each_violation_of_the_handshake_is_answered_with_400_and_says_which() {
    let cases: [(&str, &[&str], &str); 17] = [
        ("POST / HTTP/1.1", &[], "GET"),
        ("get / HTTP/1.1", &[], "GET"),
        ("HEAD / HTTP/1.1", &[], "GET"),
        ("GET / HTTP/1.0", &[], "HTTP/1.1"),
        (GET, &["connection"], "Connection"),
        (GET, &["Connection: keep-alive"], "Connection"),
        (GET, &["sec-websocket-version"], "Version"),
        (GET, &["Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13"], "Version"),
        (GET, &["sec-websocket-key"], "Key"),
        (GET, &["Sec-WebSocket-Key: a", "Sec-WebSocket-Key: b"], "Key"),
        (GET, &["Origin: http://a", "Origin: http://a"], "Origin"),
        (GET, &["Sec-WebSocket-Protocol: a b"], "Protocol"),
        (GET, &["Sec-WebSocket-Protocol: a, \"b\""], "Protocol"),
        (GET, &["Sec-WebSocket-Protocol: caf\u{e9}"], "Protocol"),
        (GET, &["Sec-WebSocket-Protocol: a/b"], "Protocol"),
        (GET, &["Content-Length: 5"], "body"),
        (GET, &["Transfer-Encoding: chunked"], "body"),
    ];
    for (line, changes, named) in cases {
        let refusal = refusal(line, changes);
        assert_eq!(refusal.status, 400, "{line} {changes:?}");
        assert!(refusal.reason.contains(named), "{:?} names {named}", refusal.reason);
    }
}

#[test]
fn key_is_base64_of_sixteen_bytes() {
    for key in [
        "",
        "AAAA",
        "dGhlIHNhbXBsZSBub25jZQ",     // no padding
        "dGhlIHNhbXBsZSBub25jZQ=",    // half of it
        "dGhlIHNhbXBsZSBub25jZQ==,",  // something after it
        "dGhlIHNhbXBsZSBub25jZWE=",   // 17 bytes
        "dGhlIHNhbXBsZSBub25jZWFh",   // 18 bytes
        "dGhlIHNhbXBsZSBub25j====",   // 15 bytes
        "dGhlIHNhbXBs SBub25jZQ==",   // a space inside
        "dGhlIHNhbXBsZSBub25jZ_==",   // the URL alphabet
        "\"dGhlIHNhbXBsZSBub25jZQ\"", // quotes
    ] {
        let refusal = refusal(GET, &[&format!("Sec-WebSocket-Key: {key}")]);
        assert!(refusal.status == 400 && refusal.reason.contains("Key"), "{key}");
    }
}

#[test]
fn example_key_of_the_rfc_with_its_left_over_bits_is_accepted() {
    let head = request(GET, &["Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC=="]); // §4.1
    let head = RequestHead::parse(head.as_bytes(), &HeadLimits::default()).unwrap();
    assert!(upgrade_request(&head).unwrap().is_some());
}

#[test]
fn other_versions_are_answered_with_426_and_the_one_that_is_spoken() {
    for version in ["8", "0", "12", "14", "013", "13, 8", ""] {
        let refusal = refusal(GET, &[&format!("Sec-WebSocket-Version: {version}")]);
        assert_eq!(refusal.status, 426, "{version}");
        let mut out = Vec::new();
        refusal.write_to(&mut out, None).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("HTTP/1.1 426 Upgrade Required\r\n"));
        assert!(text.contains("\r\nSec-WebSocket-Version: 13\r\n"));
        assert!(text.contains("\r\nUpgrade: websocket\r\n"));
    }
}

/// What follows a refused handshake may be frames: it must never be read as a request.
#[test]
fn refusal_closes_the_connection_so_that_pipelined_bytes_are_never_a_request() {
    let mut out = Vec::new();
    refusal(GET, &["connection"]).write_to(&mut out, Some("now")).unwrap();
    let end = HeadScanner::default().feed(&out, &HeadLimits::default()).unwrap().unwrap();
    let head = ResponseHead::parse(&out[..end], &HeadLimits::default()).unwrap();
    assert_eq!(head.status, 400);
    assert!(!head.keep_alive());
    let length: usize = head.headers.get_str("Content-Length").unwrap().parse().unwrap();
    assert_eq!(out.len() - end, length);
}

#[test]
fn empty_body_announced_with_the_upgrade_leaves_the_frames_alone() {
    let text = request(GET, &["Content-Length: 0"]);
    let head = RequestHead::parse(text.as_bytes(), &HeadLimits::default()).unwrap();
    assert!(upgrade_request(&head).unwrap().is_some());
    let mut frames = &b"\x81\x80mask"[..];
    let mut body = BodyReader::new(head.framing(), 100).unwrap();
    assert_eq!(body.next(&mut frames), Ok(BodyEvent::End));
    assert_eq!(frames, b"\x81\x80mask");
}

#[test]
fn switching_protocols_is_written_byte_for_byte() {
    let mut out = Vec::new();
    let headers = [("Set-Cookie", "a=b")];
    let extensions = Some("permessage-deflate; server_no_context_takeover");
    write_switching_protocols(&mut out, KEY, Some("chat"), extensions, headers).unwrap();
    let expected = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
        Sec-WebSocket-Protocol: chat\r\n\
        Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\
        Set-Cookie: a=b\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn strings_that_would_change_the_answer_are_refused_and_leave_nothing_behind() {
    let attempt = |subprotocol, extensions, header: (&str, &str)| {
        let mut out = b"before".to_vec();
        let error = write_switching_protocols(&mut out, KEY, subprotocol, extensions, [header]);
        assert_eq!(out, b"before");
        error.unwrap_err()
    };
    let fine = ("A", "b");
    for name in ["a\r\nb", "", "a, b", "caf\u{e9}", "a b"] {
        assert_eq!(attempt(Some(name), None, fine), BadHeader::Subprotocol(name.into()));
    }
    assert!(matches!(attempt(None, Some("a\r\nb: c"), fine), BadHeader::Value { .. }));
    assert!(matches!(attempt(None, None, ("A", "b\r\nc: d")), BadHeader::Value { .. }));
    assert!(matches!(attempt(None, None, ("A\r\nb", "c")), BadHeader::Name(_)));
    for name in [
        "upgrade",
        "Connection",
        "sec-websocket-accept",
        "Sec-WebSocket-Protocol",
        "content-length",
        "Transfer-Encoding",
    ] {
        assert_eq!(attempt(None, None, (name, "x")), BadHeader::Reserved(name.into()));
    }
}
