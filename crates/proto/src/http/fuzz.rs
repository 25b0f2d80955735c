//! Fuzz targets: any bytes in, invariants asserted.

use super::syntax::{is_field_value, is_token};
use super::{
    BodyError, BodyEvent, BodyReader, Framing, HeadError, HeadLimits, HeadScanner, ListItems,
    RequestHead, ResponseFraming, ResponseHead, write_response_head,
};

/// Small enough for a fuzzer to reach.
const LIMITS: HeadLimits = HeadLimits { bytes: 512, headers: 8 };

/// Request heads: whole and byte by byte agree, and what is accepted is unambiguous.
pub fn fuzz_head(data: &[u8]) {
    let whole = HeadScanner::default().feed(data, &LIMITS);
    assert_eq!(whole, scan_bytewise(data));
    let Ok(Some(end)) = whole else {
        assert!(RequestHead::parse(data, &LIMITS).is_err());
        return;
    };
    assert!(end <= LIMITS.bytes && data[..end].ends_with(b"\r\n\r\n"));
    match RequestHead::parse(&data[..end], &LIMITS) {
        Ok(head) => check_request(&head),
        Err(error) => {
            assert!(matches!(error.status(), 400 | 414 | 431 | 501 | 505));
            assert!(!error.to_string().is_empty());
        }
    }
}

fn check_request(head: &RequestHead<'_>) {
    assert!(head.headers.len() <= LIMITS.headers);
    assert!(is_token(head.method.as_bytes()));
    assert!(head.target.bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(head.headers.get_all("Host").count() <= 1);
    let length = head.headers.get("Content-Length").is_some();
    let coding = head.headers.get("Transfer-Encoding").is_some();
    assert!(!(length && coding));
    assert_eq!(matches!(head.framing(), Framing::Length(_)), length);
    assert_eq!(head.framing() == Framing::Chunked, coding);
    for header in head.headers.iter() {
        assert!(is_token(header.name.as_bytes()) && is_field_value(header.value));
    }
    let _ = (head.path(), head.query(), head.keep_alive(), head.expects_continue());
}

fn scan_bytewise(data: &[u8]) -> Result<Option<usize>, HeadError> {
    let mut scanner = HeadScanner::default();
    for (at, byte) in data.iter().enumerate() {
        if let Some(end) = scanner.feed(std::slice::from_ref(byte), &LIMITS)? {
            return Ok(Some(at + end));
        }
    }
    Ok(None)
}

/// Bodies: however cut, the same bytes come out, and the reader stops at the same place.
pub fn fuzz_body(data: &[u8]) {
    let [selector, body @ ..] = data else { return };
    let framing = match selector % 3 {
        0 => Framing::None,
        1 => Framing::Length(u64::from(selector / 3)),
        _ => Framing::Chunked,
    };
    let whole = read_body(framing, body, body.len().max(1));
    for step in [1, 2, 7] {
        assert_eq!(read_body(framing, body, step), whole);
    }
}

/// What was read, how much input that took, and how it ended (`None`: it did not).
type BodyOutcome = (Vec<u8>, usize, Option<Result<(), BodyError>>);

fn read_body(framing: Framing, body: &[u8], step: usize) -> BodyOutcome {
    const LIMIT: u64 = 64;
    let (mut data, mut taken) = (Vec::new(), 0);
    let mut reader = match BodyReader::new(framing, LIMIT) {
        Ok(reader) => reader,
        Err(error) => return (data, taken, Some(Err(error))),
    };
    for piece in std::iter::once(&body[..0]).chain(body.chunks(step)) {
        let mut input = piece;
        loop {
            let before = input.len();
            let event = reader.next(&mut input);
            taken += before - input.len();
            match event {
                Ok(BodyEvent::Data(more)) => {
                    assert!(!more.is_empty() && more.len() <= before - input.len());
                    data.extend_from_slice(more);
                    assert!(data.len() as u64 <= LIMIT);
                }
                Ok(BodyEvent::NeedMore) => {
                    assert!(input.is_empty() && !reader.is_complete());
                    break;
                }
                Ok(BodyEvent::End) => {
                    assert!(reader.is_complete());
                    return (data, taken, Some(Ok(())));
                }
                Err(error) => {
                    assert_eq!(reader.next(&mut input), Err(error));
                    return (data, 0, Some(Err(error))); // how much was taken then means nothing
                }
            }
        }
    }
    (data, taken, None)
}

/// Responses: heads read, and heads written from any strings: what was written reads back as
/// exactly the fields that were given.
pub fn fuzz_response(data: &[u8]) {
    if let Ok(head) = ResponseHead::parse(data, &LIMITS) {
        assert!((100..=999).contains(&head.status));
        assert!(head.headers.len() <= LIMITS.headers);
        let _ = head.keep_alive();
    }
    let text = String::from_utf8_lossy(data);
    let Some((name, value)) = text.split_once('=') else { return };
    let mut out = b"before".to_vec();
    let written =
        write_response_head(&mut out, 200, [(name, value)], ResponseFraming::Length(3), true, None);
    if written.is_err() {
        assert_eq!(out, b"before");
        return;
    }
    let head = ResponseHead::parse(&out[6..], &HeadLimits { bytes: usize::MAX, headers: 3 })
        .expect("what is written can be read");
    assert_eq!(head.headers.len(), 3);
    assert_eq!(head.headers.get(name), Some(super::syntax::trim_ows(value.as_bytes())));
}

/// Lists: elements are parts of the value, in order, trimmed and not empty.
pub fn fuzz_header_list(data: &[u8]) {
    let mut total = 0;
    for element in ListItems::new(data) {
        assert!(!element.is_empty());
        assert_eq!(element, super::syntax::trim_ows(element));
        total += element.len();
    }
    assert!(total <= data.len());
}
