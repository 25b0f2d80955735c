//! Messages through the [`Reader`]: whole, in fragments, streamed, in every cut.

mod feed;

use feed::{Feed, Seen, binary, close, frame, ping, text};
use sockeye_proto::{Opcode, Role, Rules, Violation};

#[test]
fn every_cut_of_the_stream_gives_the_same_events() {
    let stream = [
        text("hello"),
        frame(false, 0, Opcode::Text, "κόσ".as_bytes()),
        ping(b"in between"),
        frame(false, 0, Opcode::Continuation, b""),
        frame(true, 0, Opcode::Continuation, "με".as_bytes()),
        binary(&vec![7; 300]),
        binary(&vec![8; 70_000]),
        close(1000, "bye"),
    ]
    .concat();
    let whole = Feed::server().push(&stream);
    assert_eq!(
        whole,
        [
            Seen::text("hello"),
            Seen::Ping(b"in between".to_vec()),
            Seen::text("κόσμε"),
            Seen::binary(&vec![7; 300]),
            Seen::binary(&vec![8; 70_000]),
            Seen::Close(Some(1000), "bye".into()),
        ]
    );
    for size in [1, 2, 3, 5, 13, 1000, 4096] {
        let mut feed = Feed::server();
        let seen: Vec<Seen> = stream.chunks(size).flat_map(|cut| feed.push(cut)).collect();
        assert_eq!(seen, whole, "in pieces of {size}");
    }
    for split in 0..200 {
        let mut feed = Feed::server();
        let mut seen = feed.push(&stream[..split]);
        seen.extend(feed.push(&stream[split..]));
        assert_eq!(seen, whole, "split at {split}");
    }
}

#[test]
fn chunks_tell_what_remains_and_when_the_message_ends() {
    let mut feed = Feed::new(Rules { streaming: true, ..Rules::new(Role::Server) });
    let first = frame(false, 0, Opcode::Binary, &[1; 10]);
    let last = frame(true, 0, Opcode::Continuation, &[2; 4]);
    assert_eq!(feed.push(&first[..9]), [Seen::chunk(&[1; 3], 7, false)]);
    assert_eq!(feed.push(&first[9..]), [Seen::chunk(&[1; 7], 0, false)]);
    assert_eq!(feed.push(&last), [Seen::chunk(&[2; 4], 0, true)]);
    assert_eq!(feed.push(&binary(b"")), [Seen::chunk(b"", 0, true)]);
}

#[test]
fn streaming_is_not_bounded_by_the_message_limit() {
    let rules = Rules { streaming: true, message_bytes: 5, ..Rules::new(Role::Server) };
    let seen = Feed::new(rules).push(&binary(&[3; 500]));
    assert_eq!(seen, [Seen::chunk(&[3; 500], 0, true)]);
}

#[test]
fn the_limit_itself_is_accepted_and_one_more_byte_is_not() {
    let rules = Rules { message_bytes: 100, ..Rules::new(Role::Server) };
    assert_eq!(Feed::new(rules.clone()).push(&binary(&[0; 100])), [Seen::binary(&[0; 100])]);
    let too_big = [Seen::Broken(Violation::MessageTooBig(100))];
    assert_eq!(Feed::new(rules.clone()).push(&binary(&[0; 101])), too_big);
    let in_parts =
        [frame(false, 0, Opcode::Binary, &[0; 60]), frame(true, 0, Opcode::Continuation, &[0; 41])];
    assert_eq!(Feed::new(rules).push(&in_parts.concat()), too_big);
}

#[test]
fn a_huge_announced_length_is_refused_before_its_payload() {
    let mut header = vec![0x82, 0xff];
    header.extend_from_slice(&(i64::MAX as u64).to_be_bytes());
    header.extend_from_slice(&[1, 2, 3, 4, 0]);
    let refused = [Seen::Broken(Violation::MessageTooBig(1 << 20))];
    assert_eq!(Feed::server().push(&header), refused);
}

#[test]
fn a_flood_of_fragments_is_counted_empty_ones_too() {
    let rules = Rules { fragments: 8, ..Rules::new(Role::Server) };
    let mut feed = Feed::new(rules);
    assert_eq!(feed.push(&frame(false, 0, Opcode::Text, b"")), []);
    for _ in 0..7 {
        assert_eq!(feed.push(&frame(false, 0, Opcode::Continuation, b"")), []);
    }
    let flood = [Seen::Broken(Violation::TooManyFragments(8))];
    assert_eq!(feed.push(&frame(false, 0, Opcode::Continuation, b"")), flood);
}

#[test]
fn a_new_message_starts_its_count_and_its_text_afresh() {
    let rules = Rules { fragments: 2, ..Rules::new(Role::Server) };
    let mut feed = Feed::new(rules);
    for _ in 0..5 {
        feed.push(&frame(false, 0, Opcode::Text, b"\xe2\x82"));
        let seen = feed.push(&frame(true, 0, Opcode::Continuation, b"\xac"));
        assert_eq!(seen, [Seen::text("€")]);
    }
}

#[test]
fn between_messages_nothing_is_held() {
    let mut feed = Feed::server();
    feed.push(&frame(false, 0, Opcode::Binary, &[1; 1000]));
    assert!(!feed.reader.is_between_messages());
    feed.push(&ping(b"x")[..4]);
    feed.push(&ping(b"x")[4..]);
    feed.push(&frame(true, 0, Opcode::Continuation, b""));
    assert!(feed.reader.is_between_messages());
    assert!(size_of_val(&feed.reader) <= 64, "{}", size_of_val(&feed.reader));
}
