//! `--drain`: ending without a rush.

use crate::run::{Patient, Server, finish, frame, read_frame};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use std::io::{Read, Write};

const CLIENTS: usize = 1000;

/// Messages that are answered before the drain begins, and messages sent into it.
const BEFORE: u8 = 20;
const AFTER: u8 = 5;

/// Enough descriptors for as many clients.
fn make_room() {
    let limit = getrlimit(Resource::Nofile);
    let room = limit.maximum.unwrap_or(u64::MAX);
    assert!(room > CLIENTS as u64 + 100, "the hard descriptor limit of {room} is too low");
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

/// Sends these numbers as messages.
fn send(client: &mut Patient, numbers: std::ops::Range<u8>) {
    let messages: Vec<u8> = numbers.flat_map(|number| frame(0x82, &[number])).collect();
    client.write_all(&messages).expect("it reads");
}

/// What must still come to a client: its numbers without a gap, then a Close frame with 1001 and
/// the end of the stream in good order, though the server was still being sent to.
fn expect_goodbye(client: &mut Patient, mut next: u8) {
    let (first, payload) = loop {
        match read_frame(client) {
            (0x82, payload) if payload == [next] => next += 1,
            other => break other,
        }
    };
    assert!(next >= BEFORE, "only {next} answers");
    assert_eq!((first, &payload[..2]), (0x88, &1001_u16.to_be_bytes()[..]), "after {next}");
    client.write_all(&frame(0x88, &payload)).expect("it reads");
    let rest = client.read(&mut [0; 16]).expect("a stream that ends in good order");
    assert_eq!(rest, 0, "nothing follows a Close frame");
}

#[test]
fn a_thousand_clients_are_sent_away_one_after_the_other_and_lose_nothing() {
    make_room();
    let mut server = Server::start(&["echo", "--drain", "5s"], "ws");
    let mut clients: Vec<Patient> = (0..CLIENTS).map(|_| server.open_raw("any")).collect();
    for client in &mut clients {
        send(client, 0..BEFORE);
    }
    for client in &mut clients {
        // Looked at and left where it is.
        let mut answers = [0; BEFORE as usize * 3];
        while client.0.peek(&mut answers).expect("answers") < answers.len() {
            std::thread::yield_now();
        }
    }
    let mut last = clients.pop().expect("there are many");
    (0..BEFORE).for_each(|number| assert_eq!(read_frame(&mut last), (0x82, vec![number])));

    server.program.signal(Signal::TERM);
    for client in &mut clients {
        send(client, BEFORE..BEFORE + AFTER);
    }
    for (index, client) in clients.iter_mut().enumerate() {
        expect_goodbye(client, 0);
        if index % 100 == 0 {
            // Some are gone, and others are served: it is no burst.
            let asked = BEFORE + (index / 100) as u8;
            send(&mut last, asked..asked + 1);
            assert_eq!(read_frame(&mut last), (0x82, vec![asked]));
        }
    }
    expect_goodbye(&mut last, BEFORE + 10);
    let (status, log) = server.program.verdict();
    assert_eq!(status, Some(0));
    assert!(log.contains("draining 1000 connections over 5s"), "{log}");
}

#[test]
fn a_second_signal_ends_a_drain_and_a_third_waits_for_nobody() {
    let mut server = Server::start(&["serve", "--drain", "1h"], "http");
    let client = server.open("lws-mirror-protocol");
    let mut deaf = server.open_raw("lws-mirror-protocol");
    server.program.signal(Signal::TERM);
    // Nobody listens any more: that is how to see that the drain has begun.
    while std::net::TcpStream::connect(server.address).is_ok() {}
    server.program.signal(Signal::TERM);
    let (first, payload) = read_frame(&mut deaf);
    assert_eq!((first, &payload[..2]), (0x88, &1001_u16.to_be_bytes()[..]));
    finish(client);
    server.program.signal(Signal::INT);
    assert_eq!(server.program.wait().code(), Some(130));
}

#[test]
fn a_drain_ends_with_the_last_client() {
    let mut server = Server::start(&["serve", "--drain", "1h"], "http");
    let mut client = server.open("lws-mirror-protocol");
    server.program.signal(Signal::INT);
    while std::net::TcpStream::connect(server.address).is_ok() {}
    client.close(None).expect("it is open");
    finish(client);
    assert_eq!(server.program.wait().code(), Some(0));
}
