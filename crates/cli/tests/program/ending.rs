//! How the servers end.

use crate::run::{Server, close_of, finish, read_frame};
use rustix::process::Signal;
use tungstenite::Message;

#[test]
fn a_signal_closes_every_connection_and_ends_in_good_order() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut server = Server::serve();
        let names = ["lws-mirror-protocol", "lws-status", "lws-mirror-protocol"];
        let clients = names.map(|name| server.open(name));
        let _idle = server.tcp();
        server.program.signal(signal);
        for mut client in clients {
            let code = loop {
                // The status may have something to say before.
                if let Message::Close(frame) = client.read().unwrap() {
                    break frame.map(|frame| u16::from(frame.code));
                }
            };
            assert_eq!(code, Some(1001));
            finish(client);
        }
        assert_eq!(server.program.verdict(), (Some(0), String::new()));
    }
}

#[test]
fn echo_ends_in_the_same_way() {
    let mut server = Server::echo();
    let mut client = server.open("any");
    server.program.signal(Signal::TERM);
    assert_eq!(close_of(&mut client).0, 1001);
    finish(client);
    assert_eq!(server.program.wait().code(), Some(0));
}

#[test]
fn a_server_without_connections_ends_too() {
    let mut server = Server::serve();
    server.program.signal(Signal::TERM);
    assert_eq!(server.program.wait().code(), Some(0));
}

#[test]
fn a_second_signal_does_not_wait_for_anybody() {
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut server = Server::serve();
        let mut deaf = server.open_raw("lws-mirror-protocol");
        server.program.signal(Signal::TERM);
        let (first, payload) = read_frame(&mut deaf);
        assert_eq!((first, &payload[..2]), (0x88, &1001_u16.to_be_bytes()[..]));
        // The answer is owed, and is not given.
        server.program.signal(signal);
        assert_eq!(server.program.wait().code(), Some(status));
    }
}
