//! Compressed messages through the [`Reader`](sockeye_proto::Reader) (RFC 7692).

mod feed;

use feed::{Feed, Seen, frame, ping, text};
use sockeye_proto::{DeflateOptions, Deflater, Opcode, RSV1, Role, Rules, Violation};

fn rules() -> Rules {
    Rules::new(Role::Server)
}

fn deflate(deflater: &mut Deflater, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let len = deflater.compress(message, &mut out);
    out.truncate(len);
    out
}

fn once(message: &[u8]) -> Vec<u8> {
    deflate(&mut Deflater::new(&DeflateOptions::default(), 15), message)
}

fn compressed(message: &[u8]) -> Vec<u8> {
    frame(true, RSV1, Opcode::Text, &once(message))
}

#[test]
fn messages_inflate_in_every_cut_and_between_plain_ones() {
    let long = "salmon run upstream; ".repeat(500);
    let small = once(long.as_bytes());
    let (head, tail) = small.split_at(small.len() / 3);
    let stream = [
        compressed(b"hello hello hello"),
        text("plain"),
        frame(false, RSV1, Opcode::Text, head),
        ping(b"p"),
        frame(true, 0, Opcode::Continuation, tail),
        frame(true, RSV1, Opcode::Text, b"\x00"),
    ]
    .concat();
    let expected = [
        Seen::text("hello hello hello"),
        Seen::text("plain"),
        Seen::Ping(b"p".to_vec()),
        Seen::text(&long),
        Seen::text(""),
    ];
    for size in [1, 2, 7, 100_000] {
        let mut feed = Feed::deflate(rules(), false);
        let seen: Vec<Seen> = stream.chunks(size).flat_map(|cut| feed.push(cut)).collect();
        assert_eq!(seen, expected, "pieces of {size}");
    }
}

#[test]
fn a_kept_window_spans_messages_and_a_poisoned_one_ends_the_connection() {
    let mut deflater = Deflater::new(&DeflateOptions::default(), 15);
    let messages = ["the same words again and again", "the same words again and again"];
    let wire = messages.map(|message| deflate(&mut deflater, message.as_bytes()));
    assert!(wire[1].len() < wire[0].len());
    let frames = wire.map(|small| frame(true, RSV1, Opcode::Text, &small));
    let mut kept = Feed::deflate(rules(), true);
    assert_eq!(kept.push(&frames.concat()), messages.map(Seen::text));
    // Without the first message the second refers to nothing.
    let mut fresh = Feed::deflate(rules(), true);
    assert_eq!(fresh.push(&frames[1]), [Seen::Broken(Violation::CorruptDeflate)]);
    let garbage = frame(true, RSV1, Opcode::Text, b"\x06\xff\xff");
    let mut poisoned = Feed::deflate(rules(), true);
    poisoned.push(&frames[0]);
    assert_eq!(poisoned.push(&garbage), [Seen::Broken(Violation::CorruptDeflate)]);
}

#[test]
fn a_corrupt_message_of_one_connection_leaves_the_shared_inflater_sound() {
    let mut feed = Feed::deflate(rules(), false);
    assert_eq!(feed.push(&compressed(b"one one one")), [Seen::text("one one one")]);
    let garbage = frame(true, RSV1, Opcode::Text, b"\x06\xff\xff");
    assert_eq!(feed.push(&garbage), [Seen::Broken(Violation::CorruptDeflate)]);
    feed.reader = Feed::deflate(rules(), false).reader;
    assert_eq!(feed.push(&compressed(b"two two two")), [Seen::text("two two two")]);
}

#[test]
fn a_bomb_is_refused_while_it_inflates_and_the_limit_itself_is_accepted() {
    let limited = Rules { message_bytes: 100_000, ..rules() };
    let exact = compressed(&[b'a'; 100_000]);
    let seen = Feed::deflate(limited.clone(), false).push(&exact);
    assert_eq!(seen, [Seen::text(&"a".repeat(100_000))]);
    for len in [100_001, 50 << 20] {
        let bomb = compressed(&vec![b'a'; len]);
        let refused = [Seen::Broken(Violation::MessageTooBig(100_000))];
        assert_eq!(Feed::deflate(limited.clone(), false).push(&bomb), refused);
        // Also in a message that never ends.
        let open = frame(false, RSV1, Opcode::Text, &once(&vec![b'a'; len]));
        assert_eq!(Feed::deflate(limited.clone(), false).push(&open), refused);
    }
}

#[test]
fn streamed_chunks_are_inflated_bounded_and_end_truly() {
    let message = vec![b'z'; 20 << 20];
    let rules = Rules { streaming: true, ..rules() };
    let seen = Feed::deflate(rules, false).push(&compressed(&message));
    let mut total = 0;
    for (i, chunk) in seen.iter().enumerate() {
        let Seen::Chunk(bytes, _, is_final) = chunk else { panic!("{chunk:?}") };
        assert!(bytes.len() <= 1100 << 10, "a chunk of {}", bytes.len());
        assert_eq!(*is_final, i + 1 == seen.len());
        total += bytes.len();
    }
    assert_eq!(total, message.len());
}

#[test]
fn text_is_checked_after_inflating_and_fails_before_the_message_ends() {
    let bad = once(b"good start \xff bad end");
    let open = frame(false, RSV1, Opcode::Text, &bad);
    let seen = Feed::deflate(rules(), false).push(&open);
    assert_eq!(seen, [Seen::Broken(Violation::InvalidUtf8)]);
    let cut = compressed("€".as_bytes().split_last().unwrap().1);
    let seen = Feed::deflate(rules(), false).push(&cut);
    assert_eq!(seen, [Seen::Broken(Violation::InvalidUtf8)]);
}

#[test]
fn rsv1_means_nothing_where_it_must_not_stand() {
    let reserved = [Seen::Broken(Violation::ReservedBits(RSV1))];
    let mut feed = Feed::deflate(rules(), false);
    assert_eq!(feed.push(&frame(true, RSV1, Opcode::Ping, b"")), reserved);
    let mut feed = Feed::deflate(rules(), false);
    feed.push(&frame(false, RSV1, Opcode::Text, b"\x00"));
    assert_eq!(feed.push(&frame(true, RSV1, Opcode::Continuation, b"")), reserved);
    assert_eq!(Feed::server().push(&compressed(b"not negotiated")), reserved);
    let rsv2 = frame(true, 0x60, Opcode::Text, b"");
    let both = [Seen::Broken(Violation::ReservedBits(0x60))];
    assert_eq!(Feed::deflate(rules(), false).push(&rsv2), both);
}

#[test]
fn data_after_the_final_block_is_a_new_stream_or_corrupt() {
    let hello_final = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let twice = [&hello_final[..], &once(b" again")].concat();
    let seen = Feed::deflate(rules(), false).push(&frame(true, RSV1, Opcode::Text, &twice));
    assert_eq!(seen, [Seen::text("Hello again")]);
    let trailing = [&hello_final[..], b"\x06\xff\xff\xff"].concat();
    let seen = Feed::deflate(rules(), false).push(&frame(true, RSV1, Opcode::Text, &trailing));
    assert_eq!(seen, [Seen::Broken(Violation::CorruptDeflate)]);
}

#[test]
fn between_messages_nothing_is_held_unless_the_peer_keeps_its_window() {
    let mut feed = Feed::deflate(rules(), false);
    feed.push(&compressed(b"aaaaaaaaaaaaaaaaaaaaaa"));
    assert!(feed.reader.is_between_messages());
    assert!(!format!("{:?}", feed.reader).contains("Inflater"), "{:?}", feed.reader);
}
