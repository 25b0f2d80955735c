//! Bodies: exact ends, limits, and nothing that two readers could read in two ways (class 6).

use sockeye_proto::http::{
    BodyError, BodyEvent, BodyReader, Framing, HeadError, HeadLimits, MAX_CHUNK_EXTENSION,
    MAX_CHUNK_EXTENSIONS, RequestHead,
};

/// What was read, how much of the input is left, and whether the end was reached.
fn read(
    framing: Framing,
    limit: u64,
    body: &[u8],
    step: usize,
) -> Result<(Vec<u8>, usize, bool), BodyError> {
    let mut reader = BodyReader::new(framing, limit)?;
    let (mut data, mut taken) = (Vec::new(), 0);
    for piece in body.chunks(step) {
        let mut input = piece;
        loop {
            let before = input.len();
            let event = reader.next(&mut input)?;
            taken += before - input.len();
            match event {
                BodyEvent::Data(more) => data.extend_from_slice(more),
                BodyEvent::NeedMore => break,
                BodyEvent::End => return Ok((data, body.len() - taken, true)),
            }
        }
    }
    Ok((data, body.len() - taken, reader.is_complete()))
}

/// The same in whatever pieces it comes.
fn read_in_pieces(framing: Framing, body: &[u8]) -> Result<(Vec<u8>, usize, bool), BodyError> {
    let whole = read(framing, 1 << 20, body, body.len().max(1));
    for step in [1, 2, 3, 5, 8] {
        assert_eq!(read(framing, 1 << 20, body, step), whole, "in pieces of {step}");
    }
    whole
}

fn chunked_error(body: &str) -> BodyError {
    read_in_pieces(Framing::Chunked, body.as_bytes()).expect_err(body)
}

const TWO_CHUNKS: &str = "5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX-Trailer: y\r\n\r\n";

#[test]
fn chunks_are_joined_and_the_next_request_is_left_alone() {
    let body = format!("{TWO_CHUNKS}GET /next");
    let result = read_in_pieces(Framing::Chunked, body.as_bytes());
    assert_eq!(result, Ok((b"hello world".to_vec(), 9, true)));
}

#[test]
fn sized_body_ends_at_its_length() {
    let result = read_in_pieces(Framing::Length(5), b"helloGET /next");
    assert_eq!(result, Ok((b"hello".to_vec(), 9, true)));
    let result = read_in_pieces(Framing::Length(5), b"hell");
    assert_eq!(result, Ok((b"hell".to_vec(), 0, false)));
}

#[test]
fn request_without_length_has_no_body_and_bytes_after_it_are_the_next_request() {
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\n";
    let head = RequestHead::parse(&bytes[..27], &HeadLimits::default()).unwrap();
    let mut reader = BodyReader::new(Framing::of_request(&head), 100).unwrap();
    let mut input = &bytes[27..];
    assert_eq!(reader.next(&mut input), Ok(BodyEvent::End));
    assert_eq!(reader.next(&mut input), Ok(BodyEvent::End));
    assert_eq!(input, b"GET /next HTTP/1.1\r\n");
}

#[test]
fn a_get_with_a_body_keeps_the_body_out_of_the_next_request() {
    let body = b"GET /smuggled HTTP/1.1\r\n\r\nGET /next";
    let (data, left, complete) = read_in_pieces(Framing::Length(26), body).unwrap();
    assert_eq!((data.len(), left, complete), (26, 9, true));
}

#[test]
fn end_is_reported_without_further_input() {
    let mut reader = BodyReader::new(Framing::Length(0), 0).unwrap();
    assert_eq!(reader.next(&mut &b""[..]), Ok(BodyEvent::End));
    let mut reader = BodyReader::new(Framing::Length(1), 1).unwrap();
    assert_eq!(reader.next(&mut &b""[..]), Ok(BodyEvent::NeedMore));
    assert_eq!(reader.next(&mut &b"x"[..]), Ok(BodyEvent::Data(b"x")));
    assert_eq!(reader.next(&mut &b""[..]), Ok(BodyEvent::End));
}

#[test]
fn data_is_lent_from_the_input_without_a_copy() {
    let body = b"5\r\nhello\r\n";
    let mut input = &body[..];
    let mut reader = BodyReader::new(Framing::Chunked, 100).unwrap();
    let BodyEvent::Data(data) = reader.next(&mut input).unwrap() else { panic!("no data") };
    assert_eq!(data.as_ptr(), body[3..].as_ptr());
}

#[test]
fn announced_length_over_the_limit_is_refused_before_a_byte_is_read() {
    let error = BodyReader::new(Framing::Length(101), 100).unwrap_err();
    assert_eq!((error, error.status()), (BodyError::TooLarge { limit: 100 }, 413));
    assert!(BodyReader::new(Framing::Length(100), 100).is_ok());
}

#[test]
fn chunks_over_the_limit_are_refused_at_the_size_that_goes_over() {
    let too_large = Err(BodyError::TooLarge { limit: 10 });
    assert_eq!(
        read(Framing::Chunked, 10, b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n", 1).unwrap().1,
        0
    );
    assert_eq!(read(Framing::Chunked, 10, b"5\r\nhello\r\n6", 1), too_large);
    assert_eq!(read(Framing::Chunked, 10, b"b", 1), too_large);
    assert_eq!(read(Framing::Chunked, 10, b"ffffffffffffffff", 1), too_large);
    assert_eq!(read(Framing::Chunked, 0, b"0\r\n\r\n", 1), Ok((vec![], 0, true)));
}

#[test]
fn chunk_sizes_are_hexadecimal_digits_and_nothing_else() {
    for body in [
        "\r\n", "x\r\n", "-1\r\n", "+1\r\n", " 1\r\n", "0x5\r\n", "5h\r\n", "5_0\r\n", ";a\r\n",
        "5\n", "\n", "5\0", "5,5\r\n",
    ] {
        assert_eq!(chunked_error(body), BodyError::ChunkSize, "{body:?}");
    }
    let (data, ..) = read_in_pieces(Framing::Chunked, b"000A\r\n0123456789\r\n0\r\n\r\n").unwrap();
    assert_eq!(data, b"0123456789");
}

#[test]
fn chunk_size_that_overflows_is_refused() {
    let read = |size: &str| read(Framing::Chunked, u64::MAX, size.as_bytes(), 1);
    assert_eq!(read("10000000000000000"), Err(BodyError::ChunkSize));
    assert_eq!(read("00000000000000001"), Err(BodyError::ChunkSize)); // 17 digits
    assert_eq!(read("ffffffffffffffff\r\n"), Ok((vec![], 0, false)));
    let twice = "1\r\na\r\nffffffffffffffff";
    assert_eq!(read(twice), Err(BodyError::TooLarge { limit: u64::MAX }));
}

#[test]
fn chunk_lines_end_in_crlf() {
    for body in ["5\rx", "5\r\nhello\n", "5\r\nhellox", "5\r\nhello\r\r", "5;a\rx", "0\rx"] {
        assert_eq!(chunked_error(body), BodyError::ChunkEnd, "{body:?}");
    }
    assert_eq!(chunked_error("5;a\n"), BodyError::ChunkExtension);
    assert_eq!(chunked_error("5;a\0"), BodyError::ChunkExtension);
}

#[test]
fn space_after_a_chunk_size_leads_to_an_extension_or_is_refused() {
    assert_eq!(chunked_error("5 \r\n"), BodyError::ChunkExtension);
    assert_eq!(chunked_error("5 5\r\n"), BodyError::ChunkExtension);
    let body = b"5 \t; a=\"b\" ;c\r\nhello\r\n0;last\r\n\r\n";
    assert_eq!(read_in_pieces(Framing::Chunked, body).unwrap().0, b"hello");
}

#[test]
fn chunk_extensions_are_bounded_by_chunk_and_by_body() {
    let chunk = |length: u16| format!("1{}\r\nx\r\n", ";".repeat(length.into()));
    let longest = chunk(MAX_CHUNK_EXTENSION);
    assert!(read_in_pieces(Framing::Chunked, longest.as_bytes()).is_ok());
    assert_eq!(chunked_error(&chunk(MAX_CHUNK_EXTENSION + 1)), BodyError::ChunkExtension);
    let spaces = format!("1{};", " ".repeat(MAX_CHUNK_EXTENSION.into()));
    assert_eq!(chunked_error(&spaces), BodyError::ChunkExtension);
    let most = longest.repeat((MAX_CHUNK_EXTENSIONS / MAX_CHUNK_EXTENSION).into());
    assert!(read_in_pieces(Framing::Chunked, most.as_bytes()).is_ok());
    assert_eq!(chunked_error(&format!("{most}1;")), BodyError::ChunkExtension);
}

#[test]
fn trailers_are_dropped_bounded_and_checked() {
    let with = |trailers: &str| format!("0\r\n{trailers}\r\n");
    let fine = with("A: b\r\nContent-Length: 7\r\n");
    assert_eq!(read_in_pieces(Framing::Chunked, fine.as_bytes()), Ok((vec![], 0, true)));
    for (trailers, status) in [
        ("A: b\n".to_owned(), 400),
        ("A: b\rC".to_owned(), 400),
        ("A: \0".to_owned(), 400),
        (" folded".to_owned(), 400),
        ("A: b\r\n".repeat(33), 431),
        (format!("A: {}", "b".repeat(5000)), 431),
    ] {
        assert_eq!(chunked_error(&with(&trailers)).status(), status, "{trailers:?}");
    }
    let bare = chunked_error("0\r\n\n");
    assert_eq!(bare, BodyError::Trailer(HeadError::BareLf { at: 0 }));
}

#[test]
fn reader_repeats_its_error_and_takes_nothing_more() {
    let mut reader = BodyReader::new(Framing::Chunked, 100).unwrap();
    let mut input = &b"z5\r\nhello"[..];
    for _ in 0..3 {
        assert_eq!(reader.next(&mut input), Err(BodyError::ChunkSize));
        assert_eq!(input, b"5\r\nhello");
    }
    assert!(!reader.is_complete());
}

#[test]
fn reader_is_small() {
    assert!(size_of::<BodyReader>() <= 64);
}
