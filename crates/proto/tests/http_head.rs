//! Heads: what is read, what is refused, where the end is found (classes 4 and 6).

use sockeye_proto::http::{
    Framing, HeadError, HeadLimits, HeadScanner, ListItems, RequestHead, ResponseHead, Version,
};

fn parse(head: &str) -> Result<RequestHead<'_>, HeadError> {
    RequestHead::parse(head.as_bytes(), &HeadLimits::default())
}

/// A request with these header lines besides `Host`.
fn refused(lines: &str) -> HeadError {
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n");
    parse(&head).map(|head| head.framing()).expect_err(lines)
}

fn scan(bytes: &[u8], limits: &HeadLimits, step: usize) -> Result<Option<usize>, HeadError> {
    let mut scanner = HeadScanner::default();
    for (index, piece) in bytes.chunks(step).enumerate() {
        if let Some(end) = scanner.feed(piece, limits)? {
            return Ok(Some(index * step + end));
        }
    }
    Ok(None)
}

const EXAMPLE: &str = "GET /chat?room=1&x=?y HTTP/1.1\r\nHost: example.com:8080\r\n\
    X-List: a, \"b,c\" ,\r\nAccept:\t*/* \r\nx-list: d\r\nX-Empty:\r\n\r\n";

#[test]
fn request_head_is_read() {
    let head = parse(EXAMPLE).unwrap();
    assert_eq!((head.method, head.version), ("GET", Version::Http11));
    assert_eq!(head.target, "/chat?room=1&x=?y");
    assert_eq!((head.path(), head.query()), ("/chat", Some("room=1&x=?y")));
    assert_eq!((head.host(), head.framing()), ("example.com:8080", Framing::None));
    assert_eq!(head.headers.len(), 5);
    assert_eq!(head.headers.get("ACCEPT"), Some(&b"*/*"[..]));
    assert_eq!(head.headers.get_str("x-empty"), Some(""));
    assert_eq!(head.headers.get("absent"), None);
    assert_eq!(head.headers.get_all("X-List").count(), 2);
    assert_eq!(head.headers.list("X-List").collect::<Vec<_>>(), ["a", "\"b,c\"", "d"]);
    assert!(head.headers.contains_token("x-list", "D"));
    assert!(!head.headers.contains_token("x-list", "b"));
    assert_eq!(head.headers.iter().next().unwrap().name, "Host");
}

#[test]
fn response_head_is_read() {
    let limits = HeadLimits::default();
    let parse = |text: &'static str| ResponseHead::parse(text.as_bytes(), &limits);
    let head = parse("HTTP/1.1 404 Not Found\r\nA: b\r\n\r\n").unwrap();
    assert_eq!((head.status, head.reason, head.version), (404, "Not Found", Version::Http11));
    assert_eq!(head.headers.get("a"), Some(&b"b"[..]));
    assert!(head.keep_alive());
    assert_eq!(parse("HTTP/1.0 200 \r\n\r\n").unwrap().reason, "");
    assert!(!parse("HTTP/1.0 200 OK\r\n\r\n").unwrap().keep_alive());
    assert_eq!(parse("\r\nHTTP/1.1 200 OK\r\n\r\n").unwrap_err(), HeadError::FirstLine);
    assert_eq!(parse("HTTP/1.1 099 No\r\n\r\n").unwrap_err(), HeadError::FirstLine);
    assert_eq!(parse("HTTP/1.1 2000 No\r\n\r\n").unwrap_err(), HeadError::FirstLine);
    assert_eq!(parse("HTTP/2.0 200 OK\r\n\r\n").unwrap_err(), HeadError::UnsupportedVersion);
    assert_eq!(
        parse("HTTP/1.1 200 OK\r\nA : b\r\n\r\n").unwrap_err(),
        HeadError::SpaceBeforeColon { at: 18 }
    );
}

#[test]
fn end_of_head_is_the_same_however_the_bytes_are_cut() {
    let follows = format!("\r\n{EXAMPLE}GET / HTTP/1.1\r\n");
    for step in 1..=follows.len() {
        let end = scan(follows.as_bytes(), &HeadLimits::default(), step).unwrap();
        assert_eq!(end, Some(EXAMPLE.len() + 2), "in pieces of {step}");
    }
    for end in 0..EXAMPLE.len() {
        assert_eq!(scan(&EXAMPLE.as_bytes()[..end], &HeadLimits::default(), 3), Ok(None));
    }
}

#[test]
fn scanner_stays_at_the_end_once_found() {
    let mut scanner = HeadScanner::default();
    let limits = HeadLimits::default();
    assert_eq!(scanner.seen(), 0);
    assert_eq!(scanner.feed(EXAMPLE.as_bytes(), &limits), Ok(Some(EXAMPLE.len())));
    assert_eq!(scanner.feed(b"\0\n", &limits), Ok(Some(0)));
    assert_eq!(scanner.seen(), EXAMPLE.len());
}

/// The scanner keeps eight bytes of state and is given one byte at a time: it has nothing else
/// to look at. So is each error found at its own byte, not at the end.
#[test]
fn head_of_64_kib_dribbled_byte_by_byte_is_accepted_with_raised_limits() {
    let mut head = String::from("GET / HTTP/1.1\r\nHost: a\r\n");
    while head.len() < 64 * 1024 {
        head.push_str("X-Filler: 0123456789\r\n");
    }
    head.push_str("\r\n");
    let limits = HeadLimits { bytes: head.len(), headers: 10_000 };
    assert_eq!(scan(head.as_bytes(), &limits, 1), Ok(Some(head.len())));
    assert!(RequestHead::parse(head.as_bytes(), &limits).is_ok());
    let short = HeadLimits { bytes: head.len() - 1, ..limits };
    let refused = HeadError::TooLong { limit: head.len() - 1 };
    assert_eq!(scan(head.as_bytes(), &short, 1), Err(refused));
    assert_eq!(scan(head.as_bytes(), &short, 1000), Err(refused));
}

#[test]
fn too_long_is_known_at_the_limit_without_the_end_in_sight() {
    let limits = HeadLimits::default();
    let mut scanner = HeadScanner::default();
    assert_eq!(scanner.feed(b"GET / HTTP/1.1\r\nX: ", &limits), Ok(None));
    let error = scanner.feed(&vec![b'a'; 1 << 20], &limits).unwrap_err();
    assert_eq!(error, HeadError::TooLong { limit: 16 * 1024 });
    assert_eq!(error.status(), 431);
}

#[test]
fn name_of_one_mebibyte_is_refused_with_431() {
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{}: b\r\n\r\n", "n".repeat(1 << 20));
    assert_eq!(parse(&head).unwrap_err().status(), 431);
}

#[test]
fn endless_target_is_refused_with_414() {
    let head = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(16 * 1024));
    assert_eq!(parse(&head).unwrap_err(), HeadError::FirstLineTooLong { limit: 16 * 1024 });
    assert_eq!(parse(&head).unwrap_err().status(), 414);
}

#[test]
fn ten_thousand_headers_are_refused_at_the_first_too_many() {
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A:\r\n".repeat(10_000));
    let limits = HeadLimits { bytes: 1 << 20, headers: 100 };
    let error = RequestHead::parse(head.as_bytes(), &limits).unwrap_err();
    assert_eq!((error, error.status()), (HeadError::TooManyHeaders { limit: 100 }, 431));
    let first_too_many = head.find("A:").unwrap() + 4 * 99;
    assert_eq!(scan(&head.as_bytes()[..first_too_many], &limits, 1), Ok(None));
    assert_eq!(scan(&head.as_bytes()[..=first_too_many], &limits, 1), Err(error));
}

#[test]
fn exactly_the_limits_are_accepted() {
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(99));
    let limits = HeadLimits { bytes: head.len(), headers: 100 };
    assert_eq!(RequestHead::parse(head.as_bytes(), &limits).unwrap().headers.len(), 100);
}

#[test]
fn bare_line_ends_and_nul_are_refused_at_their_byte() {
    let limits = HeadLimits::default();
    for (text, error) in [
        ("GET / HTTP/1.1\nHost", HeadError::BareLf { at: 14 }),
        ("GET / HTTP/1.1\r\nA: b\n", HeadError::BareLf { at: 20 }),
        ("GET / HTTP/1.1\r\nA: b\r\n\n", HeadError::BareLf { at: 22 }),
        ("\nGET", HeadError::BareLf { at: 0 }),
        ("GET /\rx", HeadError::BareCr { at: 6 }),
        ("GET / HTTP/1.1\r\nA: b\r\r\n", HeadError::BareCr { at: 21 }),
        ("GET / HTTP/1.1\r\nA: b\r\n\rX", HeadError::BareCr { at: 23 }),
        ("GET / HTTP/1.1\r\nA: \0", HeadError::Nul { at: 19 }),
        ("\u{16}\u{3}\u{1}\0", HeadError::Nul { at: 3 }), // a TLS client at a plain port
    ] {
        for step in [1, 2, 100] {
            assert_eq!(scan(text.as_bytes(), &limits, step), Err(error), "{text:?}");
        }
        assert_eq!(error.status(), 400);
    }
}

#[test]
fn two_empty_lines_before_a_request_are_tolerated_and_three_are_not() {
    assert!(parse(&format!("\r\n\r\n{EXAMPLE}")).is_ok());
    assert_eq!(parse(&format!("\r\n\r\n\r\n{EXAMPLE}")).unwrap_err(), HeadError::BlankLines);
    assert_eq!(parse(&format!(" {EXAMPLE}")).unwrap_err(), HeadError::FirstLine);
}

#[test]
fn anything_but_one_whole_head_is_refused() {
    let length = EXAMPLE.len();
    let early = parse(&EXAMPLE[..length - 2]).unwrap_err();
    assert_eq!(early, HeadError::NotOneHead { at: length - 2 });
    let late = format!("{EXAMPLE}GET");
    assert_eq!(parse(&late).unwrap_err(), HeadError::NotOneHead { at: length });
    assert_eq!(parse("").unwrap_err(), HeadError::NotOneHead { at: 0 });
}

#[test]
fn folded_and_malformed_header_lines_are_named_with_their_place() {
    let start = "POST / HTTP/1.1\r\nHost: a\r\n".len();
    assert_eq!(refused("A: b\r\n c"), HeadError::FoldedLine { at: start + 6 });
    assert_eq!(refused("A: b\r\n\tc: d"), HeadError::FoldedLine { at: start + 6 });
    assert_eq!(refused("Name : b"), HeadError::SpaceBeforeColon { at: start + 4 });
    assert_eq!(refused("Name\t: b"), HeadError::SpaceBeforeColon { at: start + 4 });
    assert_eq!(refused("no colon"), HeadError::NoColon { at: start });
    assert_eq!(refused(": b"), HeadError::HeaderName { at: start });
    assert_eq!(refused("A b: c"), HeadError::HeaderName { at: start });
    assert_eq!(refused("A\u{e9}: c"), HeadError::HeaderName { at: start });
    assert_eq!(refused("A: b\u{b}c"), HeadError::HeaderValue { at: start + 4 });
    assert_eq!(refused("A: b\u{7f}"), HeadError::HeaderValue { at: start + 4 });
    assert_eq!(
        refused("Name : b").to_string(),
        format!("space before the colon at byte {}", start + 4)
    );
}

#[test]
fn eight_bit_values_are_kept_as_bytes_and_are_no_text() {
    let limits = HeadLimits::default();
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nX: caf\xe9, b\r\n\r\n";
    let head = RequestHead::parse(head, &limits).unwrap();
    assert_eq!(head.headers.get("X"), Some(&b"caf\xe9, b"[..]));
    assert_eq!(head.headers.get_str("X"), None);
    assert_eq!(head.headers.list("X").collect::<Vec<_>>(), ["b"]);
}

#[test]
fn request_line_must_be_three_words_apart_by_one_space() {
    for line in [
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /  HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /",
        "GET / ",
        "GET",
        "G(T / HTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/x.1",
        "GET / HTTP/1.1.1",
    ] {
        let head = format!("{line}\r\nHost: a\r\n\r\n");
        assert_eq!(parse(&head).unwrap_err().status(), 400, "{line:?}");
    }
}

#[test]
fn other_versions_are_answered_with_505() {
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/3.0"] {
        let head = format!("GET / {version}\r\nHost: a\r\n\r\n");
        assert_eq!(parse(&head).unwrap_err().status(), 505, "{version}");
    }
    let preface = "PRI * HTTP/2.0\r\n\r\n";
    assert_eq!(parse(preface).unwrap_err(), HeadError::UnsupportedVersion);
}

#[test]
fn targets_are_read_in_all_four_forms() {
    let read = |line: &str, path: &str, query: Option<&str>, host: &str| {
        let head = format!("{line} HTTP/1.1\r\nHost: from-field\r\n\r\n");
        let head = parse(&head).unwrap();
        assert_eq!((head.path(), head.query(), head.host()), (path, query, host), "{line}");
    };
    read("GET /", "/", None, "from-field");
    read("GET //x?", "//x", Some(""), "from-field");
    read("GET /http://x/y?z", "/http://x/y", Some("z"), "from-field");
    read("GET http://other:81/a/b?c=/", "/a/b", Some("c=/"), "other:81");
    read("GET ws://other", "/", None, "other");
    read("GET http://other?q", "/", Some("q"), "other");
    read("OPTIONS *", "*", None, "from-field");
    read("CONNECT example.com:443", "", None, "from-field");
}

#[test]
fn malformed_targets_are_refused() {
    for line in [
        "GET chat",
        "GET *",
        "GET ?q",
        "GET /a#b",
        "GET /caf\u{e9}",
        "GET ftp://a/",
        "GET http:///a",
        "GET http://user@a/",
        "GET http://a:b/",
        "CONNECT /",
        "CONNECT a",
        "CONNECT http://a/",
    ] {
        let head = format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(parse(&head).unwrap_err(), HeadError::Target, "{line}");
    }
}

#[test]
fn host_comes_once_and_is_a_host() {
    let parse_with = |version: &str, lines: &str| {
        parse(&format!("GET / HTTP/{version}\r\n{lines}\r\n")).map(|head| head.host().to_owned())
    };
    assert_eq!(parse_with("1.1", ""), Err(HeadError::MissingHost));
    assert_eq!(parse_with("1.0", "").as_deref(), Ok(""));
    assert_eq!(parse_with("1.1", "Host:\r\n").as_deref(), Ok(""));
    for version in ["1.0", "1.1"] {
        let twice = parse_with(version, "Host: a\r\nhOST: a\r\n");
        assert_eq!(twice, Err(HeadError::Duplicate("Host")));
    }
    for host in ["a", "a:80", "a:", "[::1]", "[::1]:80", "127.0.0.1:1", "a_b.c-d", "x%20"] {
        assert_eq!(parse_with("1.1", &format!("Host: {host}\r\n")).as_deref(), Ok(host));
    }
    for host in [
        "a b",
        "a,b",
        "a/b",
        "u@a",
        "a:b",
        "a:+80",
        "a:65536",
        "[::1",
        "::1",
        "[x]",
        "[::1]80",
        "http://a",
        "a\\b",
        "a?b",
        "caf\u{e9}",
        "[fe80::1%25eth0]",
    ] {
        let error = parse_with("1.1", &format!("Host: {host}\r\n"));
        assert_eq!(error, Err(HeadError::Host), "{host}");
    }
}

#[test]
fn content_length_is_one_decimal_number() {
    for (value, length) in [("0", 0), ("5", 5), ("007", 7), ("18446744073709551615", u64::MAX)] {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {value}\r\n\r\n");
        assert_eq!(parse(&head).unwrap().framing(), Framing::Length(length));
    }
    for value in [
        "",
        "+5",
        "-5",
        "5 5",
        "5,5",
        "5, 5",
        "0x5",
        "a",
        "5a",
        "5.0",
        "1e3",
        "\"5\"",
        "18446744073709551616",
        "99999999999999999999999",
    ] {
        let error = refused(&format!("Content-Length: {value}"));
        assert_eq!(error, HeadError::ContentLength, "{value:?}");
        assert_eq!(error.status(), 400);
    }
    for second in ["5", "6"] {
        let error = refused(&format!("Content-Length: 5\r\ncontent-length: {second}"));
        assert_eq!(error, HeadError::Duplicate("Content-Length"));
    }
}

#[test]
fn length_together_with_coding_is_refused_in_either_order() {
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: identity\r\nContent-Length: 0",
    ] {
        assert_eq!(refused(lines), HeadError::LengthAndCoding);
    }
}

#[test]
fn transfer_encoding_is_chunked_and_nothing_else() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \tChunked \r\n\r\n";
    assert_eq!(parse(head).unwrap().framing(), Framing::Chunked);
    for value in ["gzip, chunked", "gzip", "identity", "xchunked", "chunkedx", "x"] {
        let error = refused(&format!("Transfer-Encoding: {value}"));
        assert_eq!((error, error.status()), (HeadError::UnknownCoding, 501), "{value:?}");
    }
    for value in [
        "",
        ",",
        "chunked,",
        "chunked, chunked",
        "chunked, identity",
        "\"chunked\"",
        "'chunked' x",
        "chunked;q=1",
        "chunked; x",
        "chun ked",
        ", chunked",
    ] {
        let error = refused(&format!("Transfer-Encoding: {value}"));
        assert_eq!((error, error.status()), (HeadError::TransferEncoding, 400), "{value:?}");
    }
}

#[test]
fn obfuscated_transfer_encoding_does_not_hide() {
    let twice = "Transfer-Encoding: chunked\r\nTransfer-encoding: x";
    assert_eq!(refused(twice), HeadError::Duplicate("Transfer-Encoding"));
    for lines in [
        "Transfer-Encoding : chunked",
        " Transfer-Encoding: chunked",
        "Transfer-Encoding:\u{b}chunked",
        "X: x\nTransfer-Encoding: chunked",
        "X: x\rTransfer-Encoding: chunked",
        "Transfer-Encoding\r\n: chunked",
        "Transfer-Encoding:\r\n chunked",
    ] {
        assert_eq!(refused(lines).status(), 400, "{lines:?}");
    }
    let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(parse(old).unwrap_err(), HeadError::CodingInHttp10);
}

#[test]
fn connection_persists_by_version_and_field() {
    let keeps = |version: &str, connection: &str| {
        let lines = format!("GET / HTTP/{version}\r\nHost: a\r\nConnection: {connection}\r\n\r\n");
        parse(&lines).unwrap().keep_alive()
    };
    assert!(keeps("1.1", "") && keeps("1.1", "upgrade"));
    assert!(!keeps("1.1", "upgrade, Close") && !keeps("1.1", "keep-alive, close"));
    assert!(!keeps("1.0", "") && keeps("1.0", "Keep-Alive") && !keeps("1.0", "keep-alive,close"));
}

#[test]
fn expect_continue_is_seen_in_http_1_1_only() {
    let expects = |version: &str| {
        let lines = format!("PUT / HTTP/{version}\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n");
        parse(&lines).unwrap().expects_continue()
    };
    assert!(expects("1.1") && !expects("1.0"));
}

#[test]
fn list_of_a_hundred_thousand_commas_quotes_and_backslashes_is_walked() {
    for unit in [",", "\"", "\\", "\"\\\"", ", ", "a,", "\",\\"] {
        let value = unit.repeat(100_000);
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Protocol: {value}\r\n\r\n");
        let limits = HeadLimits { bytes: 1 << 20, headers: 100 };
        let head = RequestHead::parse(head.as_bytes(), &limits).unwrap();
        let whole = head.headers.list("Sec-WebSocket-Protocol").count();
        assert_eq!(whole, ListItems::new(value.trim().as_bytes()).count());
    }
}

#[test]
fn every_error_has_a_sentence_on_one_line() {
    for error in [refused("A : b"), refused("Content-Length: x"), refused("Host: b")] {
        let text = error.to_string();
        assert!(!text.is_empty() && !text.contains(['\r', '\n']));
    }
}
