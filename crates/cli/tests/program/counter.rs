//! `dumb-increment-protocol`.

use crate::run::{Peer, Server, say, text};
use tungstenite::Message;

fn number(client: &mut Peer) -> u64 {
    text(client).parse().expect("a number")
}

#[test]
fn every_connection_counts_from_zero_without_a_gap() {
    let server = Server::serve();
    let mut first = server.open("dumb-increment-protocol");
    assert_eq!([(); 5].map(|()| number(&mut first)), [0, 1, 2, 3, 4]);
    let mut second = server.open("dumb-increment-protocol");
    assert_eq!([(); 3].map(|()| number(&mut second)), [0, 1, 2]);
    assert!(number(&mut first) >= 5);
}

#[test]
fn reset_begins_anew() {
    let server = Server::serve();
    let mut client = server.open("dumb-increment-protocol");
    while number(&mut client) < 3 {}
    say(&mut client, "reset\n");
    let mut last = 3;
    loop {
        let next = number(&mut client);
        if next == 0 {
            break;
        }
        assert_eq!(next, last + 1); // sent before the reset was read
        last = next;
    }
    assert_eq!(number(&mut client), 1);
}

#[test]
fn other_messages_change_nothing() {
    let server = Server::serve();
    let mut client = server.open("dumb-increment-protocol");
    for text in ["reset", "reset\n\n", "", "0"] {
        say(&mut client, text);
    }
    client.send(Message::binary(&b"reset\n"[..])).unwrap();
    for expected in 0..5 {
        assert_eq!(number(&mut client), expected);
    }
}

#[test]
fn it_is_what_clients_without_a_subprotocol_get() {
    let server = Server::serve();
    let mut client = server.shake_hands(server.request()).unwrap();
    assert_eq!(number(&mut client), 0);
}
