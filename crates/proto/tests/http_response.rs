//! Responses: exact bytes, and no string breaks out of its line (class 6, CRLF injection).

use sockeye_proto::http::{
    BadHeader, BodyEvent, BodyReader, Framing, LAST_CHUNK, ResponseFraming, reason_phrase,
    write_chunk, write_response_head,
};

fn head(status: u16, framing: ResponseFraming, keep_alive: bool) -> String {
    let mut out = Vec::new();
    write_response_head(&mut out, status, [("A", "b")], framing, keep_alive, None).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn head_is_written_byte_for_byte() {
    let mut out = b"already there".to_vec();
    let headers = [("Content-Type", "text/html"), ("X-Empty", "")];
    let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
    write_response_head(&mut out, 200, headers, ResponseFraming::Length(12), true, date).unwrap();
    let expected = "already thereHTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
        Content-Type: text/html\r\nX-Empty: \r\nContent-Length: 12\r\n\
        Connection: keep-alive\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn framing_fields_follow_from_framing_and_status() {
    let cases = [
        (200, ResponseFraming::Chunked, "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n"),
        (200, ResponseFraming::UntilClose, "Connection: close\r\n"),
        (304, ResponseFraming::NoBody, "Connection: keep-alive\r\n"),
        (304, ResponseFraming::Length(5), "Content-Length: 5\r\nConnection: keep-alive\r\n"),
        (204, ResponseFraming::Length(0), "Connection: keep-alive\r\n"),
        (204, ResponseFraming::Chunked, "Connection: keep-alive\r\n"),
        (103, ResponseFraming::NoBody, ""),
    ];
    for (status, framing, fields) in cases {
        let phrase = reason_phrase(status);
        let expected = format!("HTTP/1.1 {status} {phrase}\r\nA: b\r\n{fields}\r\n");
        assert_eq!(head(status, framing, true), expected);
    }
    assert!(head(200, ResponseFraming::Length(0), false).contains("Connection: close\r\n"));
}

#[test]
fn upgrade_is_announced_in_connection() {
    let mut out = Vec::new();
    let headers = [("upgrade", "websocket")];
    write_response_head(&mut out, 426, headers, ResponseFraming::Length(0), false, None).unwrap();
    assert!(String::from_utf8(out).unwrap().contains("\r\nConnection: close, upgrade\r\n"));
}

#[test]
fn strings_that_would_break_out_of_their_line_are_refused_and_leave_nothing_behind() {
    let attempt = |name: &str, value: &str, date: Option<&str>| {
        let mut out = b"before".to_vec();
        let headers = [("Fine", "fine"), (name, value)];
        let framing = ResponseFraming::Length(0);
        let error = write_response_head(&mut out, 200, headers, framing, true, date).unwrap_err();
        assert_eq!(out, b"before");
        assert!(!error.to_string().contains(['\r', '\n', '\0']));
        error
    };
    for value in ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0b", "\u{7f}", "\u{1b}[0m"] {
        assert!(matches!(attempt("X", value, None), BadHeader::Value { .. }), "{value:?}");
        let in_date = attempt("X", "fine", Some(value));
        assert!(matches!(in_date, BadHeader::Value { name, .. } if name == "Date"));
    }
    for name in ["", "a b", "a:", "a\r\nb", "a\n", "caf\u{e9}", "a\0", " a"] {
        assert_eq!(attempt(name, "fine", None), BadHeader::Name(name.to_owned()));
    }
    for name in ["Content-Length", "transfer-encoding", "CONNECTION"] {
        assert_eq!(attempt(name, "5", None), BadHeader::Reserved(name.to_owned()));
    }
}

#[test]
fn status_has_three_digits() {
    for status in [0, 99, 1000, u16::MAX] {
        let mut out = Vec::new();
        let result = write_response_head(&mut out, status, [], ResponseFraming::NoBody, true, None);
        assert_eq!((result, out.len()), (Err(BadHeader::Status(status)), 0));
    }
    assert!(head(599, ResponseFraming::NoBody, true).starts_with("HTTP/1.1 599 \r\n"));
}

#[test]
fn chunks_read_back_and_an_empty_one_does_not_end_the_body() {
    let mut out = Vec::new();
    for data in [&b"hello"[..], b"", &[b'x'; 300]] {
        write_chunk(&mut out, data);
    }
    out.extend_from_slice(LAST_CHUNK);
    assert!(out.starts_with(b"5\r\nhello\r\n12c\r\nxxx"));
    let (mut input, mut read) = (&out[..], Vec::new());
    let mut reader = BodyReader::new(Framing::Chunked, 1000).unwrap();
    while let BodyEvent::Data(data) = reader.next(&mut input).unwrap() {
        read.extend_from_slice(data);
    }
    assert!(reader.is_complete() && input.is_empty());
    assert_eq!(read.len(), 305);
}
