//! `sockeye echo`.

use crate::run::{Server, close_of, frame, hello, read_frame, read_head, say, text};
use std::io::Write;
use tungstenite::Message;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;

const MIB: usize = 1 << 20;

#[test]
fn messages_of_every_size_come_back() {
    let server = Server::echo();
    let mut client = server.shake_hands(server.request()).unwrap();
    for size in [0, 1, 125, 126, 65_535, 65_536, MIB + 1, 16 * MIB] {
        let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        for message in [Message::text("x".repeat(size)), Message::binary(bytes)] {
            client.send(message.clone()).unwrap();
            assert!(client.read().unwrap() == message, "{size} bytes");
        }
    }
}

#[test]
fn the_longest_message_is_of_64_mib() {
    let server = Server::echo();
    let mut client = server.shake_hands(server.request()).unwrap();
    let longest = Message::binary(vec![7; 64 * MIB]);
    client.send(longest.clone()).unwrap();
    assert!(client.read().unwrap() == longest);
}

#[test]
fn a_message_announced_as_longer_is_refused_before_it_comes() {
    for size in [64 * MIB + 1, 65 * MIB] {
        let server = Server::echo();
        let mut stream = server.open_raw("any");
        let mut header = vec![0x82, 0x80 | 127];
        header.extend((size as u64).to_be_bytes());
        header.extend([0; 4]);
        stream.write_all(&header).unwrap();
        let (first, payload) = read_frame(&mut stream);
        assert_eq!((first, &payload[..2]), (0x88, &1009_u16.to_be_bytes()[..]));
    }
}

#[test]
fn fragments_come_back_as_one_however_many_they_are() {
    let server = Server::echo();
    let mut stream = server.open_raw("any");
    let mut frames = frame(0x01, b"a");
    for _ in 0..5000 {
        frames.extend(frame(0x00, b""));
    }
    frames.extend(frame(0x80, b"b"));
    stream.write_all(&frames).unwrap();
    assert_eq!(read_frame(&mut stream), (0x81, b"ab".to_vec()));
}

#[test]
fn any_subprotocol_will_do() {
    let server = Server::echo();
    let mut client = server.open("whatever"); // tungstenite insists that it is agreed to
    say(&mut client, "hello");
    assert_eq!(text(&mut client), "hello");
}

#[test]
fn a_close_is_answered_with_the_same_code() {
    let server = Server::echo();
    let mut client = server.shake_hands(server.request()).unwrap();
    client.close(Some(CloseFrame { code: CloseCode::Normal, reason: "bye".into() })).unwrap();
    assert_eq!(close_of(&mut client), (1000, "bye".into()));
}

#[test]
fn whose_pages_may_connect_is_a_matter_of_origin() {
    let from = |server: &Server, origin: &str| {
        server.shake_hands(server.request().with_header("Origin", origin)).is_ok()
    };
    let server = Server::echo();
    assert!(!from(&server, "https://example.com"));
    assert!(from(&server, &format!("http://{}", server.address)));
    let server = Server::start(&["echo", "--origin", "any"], "ws");
    assert!(from(&server, "https://example.com") && from(&server, "null"));
    let server = Server::start(&["echo", "--origin", "https://example.com"], "ws");
    assert!(from(&server, "https://example.com") && !from(&server, "https://example.org"));
}

#[test]
fn compression_is_agreed_on_unless_it_is_turned_off() {
    for (options, agreed) in [(&[] as &[&str], true), (&["--no-deflate"], false)] {
        let server = Server::start(&[&["echo"], options].concat(), "ws");
        let mut stream = server.tcp();
        let offer = "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
        let request = hello(server.address, "any").replacen("\r\n\r\n", offer, 1);
        stream.write_all(request.as_bytes()).unwrap();
        let head = read_head(&mut stream);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert_eq!(head.contains("permessage-deflate"), agreed, "{options:?}: {head}");
    }
}
