//! `lws-mirror-protocol`.

use crate::run::{Peer, Server, close_of, frame, hello, read_frame, read_head, say, text};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use std::io::Write;
use tungstenite::Message;

const NAME: &str = "lws-mirror-protocol";

/// What the next newcomer is sent before their own message.
fn history(server: &Server) -> Vec<String> {
    let mut newcomer = server.open(NAME);
    say(&mut newcomer, "p newcomer;");
    let mut history = Vec::new();
    loop {
        match text(&mut newcomer) {
            own if own == "p newcomer;" => return history,
            kept => history.push(kept),
        }
    }
}

/// Sends messages and waits until they have come back.
fn draw(client: &mut Peer, messages: &[&str]) {
    for message in messages {
        say(client, message);
    }
    for message in messages {
        assert_eq!(text(client), *message);
    }
}

#[test]
fn a_message_comes_to_all_and_back_to_its_sender_as_it_was() {
    let server = Server::serve();
    let mut all = [(); 3].map(|()| server.open(NAME));
    let messages = [
        Message::text("d #000000 1 2 3 4;"),
        Message::binary(&[0, 255, 10][..]),
        Message::text(""),
        Message::text("m z\u{f6} \u{1f41f};"),
        Message::text("x".repeat(65_536)),
    ];
    for (turn, message) in messages.iter().enumerate() {
        all[turn % 3].send(message.clone()).unwrap();
        for client in &mut all {
            assert_eq!(client.read().unwrap(), *message);
        }
    }
}

#[test]
fn newcomers_are_sent_the_drawing_but_no_pointers_and_probes() {
    let server = Server::serve();
    let mut artist = server.open(NAME);
    draw(&mut artist, &["s a.1 #000 2 1 1;", "m a 1 2;", "c #fff 1 2 3;", "p a 1;", "hello"]);
    assert_eq!(history(&server), ["s a.1 #000 2 1 1;", "c #fff 1 2 3;", "hello"]);
}

#[test]
fn the_drawing_comes_before_anything_that_a_newcomer_sends_or_sees() {
    let server = Server::serve();
    let mut artist = server.open(NAME);
    let drawing: Vec<String> = (0..500).map(|i| format!("s a.{i} #000 2 1 1;")).collect();
    draw(&mut artist, &drawing.iter().map(String::as_str).collect::<Vec<_>>());
    let mut newcomer = server.tcp();
    // The newcomer's first message comes in the same packet as the handshake.
    let mut packet = hello(server.address, NAME).into_bytes();
    packet.extend(frame(0x81, b"first"));
    newcomer.write_all(&packet).unwrap();
    assert!(read_head(&mut newcomer).contains(" 101 "));
    say(&mut artist, "second");
    for expected in drawing.iter().map(String::as_str) {
        assert_eq!(read_frame(&mut newcomer), (0x81, expected.as_bytes().to_vec()));
    }
    let mut rest = [(); 2].map(|()| read_frame(&mut newcomer).1);
    rest.sort(); // the artist may have been quicker
    assert_eq!(rest, [&b"first"[..], b"second"]);
}

#[test]
fn a_stroke_taken_back_is_gone_for_newcomers() {
    let server = Server::serve();
    let mut artist = server.open(NAME);
    draw(
        &mut artist,
        &["s a.1 1 1;", "s a.10 1 1;", "s a.1 2 2;", "u a.1;", "u unknown;", "s a.2 1 1;"],
    );
    assert_eq!(history(&server), ["s a.10 1 1;", "s a.2 1 1;"]);
}

#[test]
fn the_drawing_outlives_its_artists() {
    let server = Server::serve();
    let mut artist = server.open(NAME);
    draw(&mut artist, &["s a.1 1 1;"]);
    drop(artist);
    assert_eq!(history(&server), ["s a.1 1 1;"]);
}

#[test]
fn the_drawing_forgets_its_oldest_parts() {
    let server = Server::serve();
    let mut artist = server.open(NAME);
    let part = |i: usize| format!("{i:02} {}", "x".repeat(60_000));
    for i in 0..30 {
        draw(&mut artist, &[&part(i)]);
    }
    let kept = history(&server);
    assert_eq!(kept.len(), (1 << 20) / 60_003);
    assert_eq!(kept.first().unwrap()[..2], (30 - kept.len()).to_string());
    assert!(kept.last().unwrap().starts_with("29 "));
}

#[test]
fn a_message_over_the_limit_is_refused() {
    let server = Server::serve();
    let mut client = server.open(NAME);
    client.send(Message::text("x".repeat(65_537))).unwrap();
    assert_eq!(close_of(&mut client).0, 1009);
}

#[test]
fn a_receiver_that_falls_behind_is_closed_and_the_others_go_on() {
    let server = Server::serve();
    let mut slow = server.open(NAME);
    set_socket_recv_buffer_size(&slow.get_ref().0, 64 << 10).unwrap();
    let mut quick = server.open(NAME);
    // More than the ring and the buffers of the system together hold.
    let long = "m".repeat(60_000);
    for _ in 0..600 {
        draw(&mut quick, &[&long]);
    }
    let closed = loop {
        if let Message::Close(frame) = slow.read().unwrap() {
            break frame.expect("a code");
        }
    };
    assert_eq!((u16::from(closed.code), closed.reason.as_str()), (1008, "too slow"));
    draw(&mut quick, &["still here"]);
}

#[test]
fn a_burst_from_many_at_once_loses_nobody() {
    let server = Server::serve();
    let mut all: Vec<Peer> = (0..20).map(|_| server.open(NAME)).collect();
    let burst: Vec<u8> = (0..2000).flat_map(|_| frame(0x81, b"m")).collect();
    for client in &mut all {
        client.get_mut().write_all(&burst).unwrap();
    }
    for client in &mut all {
        for _ in 0..20 * 2000 {
            assert_eq!(text(client), "m");
        }
    }
}
