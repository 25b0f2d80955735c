//! Every way to break the protocol is named, and ends reception.

mod feed;

use feed::{Feed, Seen, binary, close, frame, text};
use sockeye_proto::{CloseCode, Opcode, Role, Rules, Violation};

/// What these bytes are refused as, whole and byte by byte; nothing after them is looked at.
fn refused(bytes: &[u8]) -> Violation {
    let mut feed = Feed::server();
    let followed = [bytes, &text("after")].concat();
    let seen = feed.push(&followed);
    let Some(Seen::Broken(violation)) = seen.last() else { panic!("{seen:?}") };
    assert!(feed.reader.is_deaf());
    assert_eq!(feed.push(&text("more")), []);
    let mut feed = Feed::server();
    let by_bytes: Vec<Seen> = bytes.iter().flat_map(|&byte| feed.push(&[byte])).collect();
    assert_eq!(by_bytes, seen, "byte by byte");
    *violation
}

#[test]
fn masks_are_required_of_clients_and_forbidden_to_servers() {
    assert_eq!(refused(b"\x81\x01x"), Violation::Unmasked);
    let mut client = Feed::new(Rules::new(Role::Client));
    assert_eq!(client.push(b"\x81\x01x"), [Seen::text("x")]);
    assert_eq!(client.push(&text("x")), [Seen::Broken(Violation::Masked)]);
}

#[test]
fn reserved_bits_and_opcodes() {
    for bits in [0x10, 0x20, 0x40, 0x70] {
        let bytes = frame(true, bits, Opcode::Text, b"x");
        assert_eq!(refused(&bytes), Violation::ReservedBits(bits));
    }
    for opcode in [3, 7, 11, 15] {
        assert_eq!(refused(&[0x80 | opcode, 0x80, 0, 0, 0, 0]), Violation::ReservedOpcode(opcode));
    }
}

#[test]
fn control_frames_are_short_and_whole() {
    assert_eq!(refused(&frame(true, 0, Opcode::Ping, &[0; 126])), Violation::LongControl(126));
    for opcode in [Opcode::Ping, Opcode::Pong, Opcode::Close] {
        assert_eq!(refused(&frame(false, 0, opcode, b"")), Violation::FragmentedControl(opcode));
    }
}

#[test]
fn fragments_follow_their_message() {
    let stray = frame(true, 0, Opcode::Continuation, b"x");
    assert_eq!(refused(&stray), Violation::NothingToContinue);
    let begun = frame(false, 0, Opcode::Text, b"x");
    assert_eq!(refused(&[&begun[..], &binary(b"y")].concat()), Violation::MessageInMessage);
    assert_eq!(refused(&[&text("done")[..], &stray].concat()), Violation::NothingToContinue);
}

#[test]
fn text_fails_at_its_first_impossible_byte() {
    assert_eq!(
        refused(
            &text("ok")
                .iter()
                .copied()
                .chain(frame(true, 0, Opcode::Text, b"\xff"))
                .collect::<Vec<u8>>()
        ),
        Violation::InvalidUtf8
    );
    let cut = frame(true, 0, Opcode::Text, b"ab\xe2\x82");
    assert_eq!(refused(&cut), Violation::InvalidUtf8);
    // The frame announces 100 bytes; the first of them is enough.
    let mut feed = Feed::server();
    let long = frame(true, 0, Opcode::Text, &[0xc0; 100]);
    assert_eq!(feed.push(&long[..7]), [Seen::Broken(Violation::InvalidUtf8)]);
    // Across fragments.
    let mut feed = Feed::server();
    assert_eq!(feed.push(&frame(false, 0, Opcode::Text, b"\xf4")), []);
    let seen = feed.push(&frame(false, 0, Opcode::Continuation, b"\x90"));
    assert_eq!(seen, [Seen::Broken(Violation::InvalidUtf8)]);
}

#[test]
fn close_frames_are_checked() {
    assert_eq!(refused(&frame(true, 0, Opcode::Close, b"\x03")), Violation::HalfACloseCode);
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        assert_eq!(refused(&close(code, "")), Violation::BadCloseCode(code));
    }
    for code in [1000, 1001, 1002, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 4999] {
        let seen = Feed::server().push(&close(code, "ü"));
        assert_eq!(seen, [Seen::Close(Some(code), "ü".into())]);
    }
    let bad_reason = [&1000_u16.to_be_bytes()[..], b"\xff"].concat();
    assert_eq!(refused(&frame(true, 0, Opcode::Close, &bad_reason)), Violation::BadCloseReason);
    assert_eq!(
        Feed::server().push(&frame(true, 0, Opcode::Close, b"")),
        [Seen::Close(None, String::new())]
    );
}

#[test]
fn nothing_after_a_close_is_looked_at() {
    let stream = [close(1000, ""), b"\xff\xff garbage".to_vec(), text("late")].concat();
    assert_eq!(Feed::server().push(&stream), [Seen::Close(Some(1000), String::new())]);
}

#[test]
fn each_violation_has_the_code_of_rfc_6455() {
    for (violation, code) in [
        (Violation::Unmasked, CloseCode::PROTOCOL_ERROR),
        (Violation::BadCloseCode(999), CloseCode::PROTOCOL_ERROR),
        (Violation::InvalidUtf8, CloseCode::INVALID_PAYLOAD),
        (Violation::BadCloseReason, CloseCode::INVALID_PAYLOAD),
        (Violation::CorruptDeflate, CloseCode::INVALID_PAYLOAD),
        (Violation::MessageTooBig(1), CloseCode::TOO_BIG),
        (Violation::TooManyFragments(1), CloseCode::TOO_BIG),
    ] {
        assert_eq!(violation.close_code(), code, "{violation}");
        assert!(!violation.to_string().is_empty());
    }
}
