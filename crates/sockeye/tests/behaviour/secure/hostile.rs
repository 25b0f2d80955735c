//! Peers that break TLS. Each ends its own connection alone, and within its deadline.

use super::{Secure, believer};
use crate::world::{Mode, in_every_mode};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use sockeye_testkit::{Frame, Peer, upgrade_request};
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

/// A client whose records the test carries itself.
struct ByHand {
    tls: ClientConnection,
    peer: Peer,
}

impl ByHand {
    fn new(secure: &Secure) -> Self {
        let config = Arc::new(believer(&secure.ca, None));
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(config, name).expect("a client");
        Self { tls, peer: Peer::connect(secure.world.address, secure.world.turns()) }
    }

    /// What the client would send now.
    fn records(&mut self) -> Vec<u8> {
        let mut records = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut records).expect("memory takes it");
        }
        records
    }

    fn flush(&mut self) {
        let records = self.records();
        self.peer.send(records);
    }

    /// Takes one record of the server's.
    fn take(&mut self) {
        let mut record = self.peer.expect_bytes(5);
        let len = usize::from(u16::from_be_bytes([record[3], record[4]]));
        record.extend(self.peer.expect_bytes(len));
        self.tls.read_tls(&mut &record[..]).expect("memory gives it");
        self.tls.process_new_packets().expect("the server does it right");
    }

    fn handshake(&mut self) {
        while self.tls.is_handshaking() {
            self.flush();
            if self.tls.wants_read() {
                self.take();
            }
        }
        self.flush();
    }

    fn say(&mut self, bytes: &[u8]) {
        self.tls.writer().write_all(bytes).expect("room");
    }

    /// Plain bytes from the server, `count` at least.
    fn hear(&mut self, count: usize) -> Vec<u8> {
        let mut heard = Vec::new();
        while heard.len() < count {
            self.take();
            let mut buffer = [0; 65_536];
            if let Ok(n) = self.tls.reader().read(&mut buffer) {
                heard.extend_from_slice(&buffer[..n]);
            }
        }
        heard
    }

    fn upgrade(&mut self) {
        self.handshake();
        self.say(upgrade_request("/", &[]).as_ref());
        self.flush();
        let answer = self.hear(100);
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", answer.escape_ascii());
    }
}

/// The payload of one record, cut into records of `size` bytes each.
fn fragmented(record: &[u8], size: usize) -> Vec<u8> {
    let (header, payload) = record.split_at(5);
    let mut cut = Vec::new();
    for piece in payload.chunks(size) {
        cut.extend_from_slice(&header[..3]);
        cut.extend_from_slice(&(piece.len() as u16).to_be_bytes());
        cut.extend_from_slice(piece);
    }
    cut
}

/// That the server serves others as ever.
fn others_are_served(secure: &Secure) {
    let mut other = secure.client();
    other.send_frame(&Frame::text("fine"));
    other.expect_text("fine");
}

#[test]
fn a_client_hello_in_records_of_any_size_and_at_any_pace_is_understood() {
    for size in [1, 2, 5, 100, 511] {
        let secure = Secure::new(Mode::BuiltIn);
        let mut client = ByHand::new(&secure);
        let hello = client.records();
        client.peer.send(fragmented(&hello, size));
        client.upgrade();
    }
    let secure = Secure::new(Mode::BuiltIn);
    let mut client = ByHand::new(&secure);
    let hello = client.records();
    client.peer.dribble(fragmented(&hello, 3));
    client.upgrade();
    client.say(&Frame::text("every byte alone").masked());
    let records = client.records();
    client.peer.dribble(records);
    assert_eq!(&client.hear(18)[2..], b"every byte alone");
}

#[test]
fn what_is_no_tls_is_answered_with_an_alert_and_the_end() {
    in_every_mode(|mode| {
        let secure = Secure::new(mode);
        for garbage in [
            &b"\x00\x00\x00\x00\x00\x00\x00\x00"[..],
            b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", // as SSL 2 began
            b"\x16\x03\x01\xff\xff0123456789",               // longer than a record may be
            b"\x16\x09\x09\x00\x30",                         // of no version: the header is enough
            b"\x17\x03\x03\x00\x05hello",                    // data before the handshake
            b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",         // a ServerHello to the server
            b"\x15\x03\x01\x00\x02\x02\x28",                 // an alert to begin with
        ] {
            let mut peer = Peer::connect(secure.world.address, secure.world.turns());
            peer.send(garbage);
            let answer = peer.expect_rest();
            let is_alert = answer.len() == 7 && answer[0] == 21;
            assert!(is_alert || answer.is_empty(), "{garbage:?}: {answer:?}");
        }
        others_are_served(&secure);
        secure.world.until_connections(1);
    });
}

#[test]
fn a_handshake_that_is_broken_off_ends_that_connection_alone() {
    in_every_mode(|mode| {
        let secure = Secure::new(mode);
        let mut early = ByHand::new(&secure);
        let hello = early.records();
        early.peer.send(&hello[..hello.len() / 2]);
        early.peer.finish();
        early.peer.expect_end();
        let mut middle = ByHand::new(&secure);
        middle.flush();
        middle.take();
        middle.peer.finish();
        middle.peer.expect_rest_and_end();
        let mut polite = ByHand::new(&secure);
        polite.flush();
        polite.take();
        polite.tls.send_close_notify();
        polite.flush();
        polite.peer.expect_rest_and_end();
        others_are_served(&secure);
        secure.world.until_connections(1);
    });
}

#[test]
fn a_handshake_that_does_not_go_on_runs_into_the_deadline() {
    in_every_mode(|mode| {
        let secure = Secure::new(mode);
        let mut silent = Peer::connect(secure.world.address, secure.world.turns());
        let mut begun = ByHand::new(&secure);
        let hello = begun.records();
        begun.peer.send(&hello[..20]);
        let mut half = ByHand::new(&secure);
        half.flush();
        half.take();
        secure.world.until_connections(3);
        secure.world.wind(Duration::from_secs(9));
        secure.world.until_connections(3);
        secure.world.wind(Duration::from_secs(2));
        for peer in [&mut silent, &mut begun.peer, &mut half.peer] {
            peer.expect_rest_and_end();
        }
        secure.world.until_connections(0);
    });
}

#[test]
fn a_handshake_message_beyond_64_kib_is_not_collected() {
    let secure = Secure::new(Mode::BuiltIn);
    let mut peer = Peer::connect(secure.world.address, secure.world.turns());
    // A ClientHello of 16 MiB less one byte, of which the first 80 KiB come.
    let mut records = b"\x16\x03\x01\x00\x04\x01\xff\xff\xff".to_vec();
    for _ in 0..5 {
        records.extend_from_slice(b"\x16\x03\x01\x40\x00");
        records.resize(records.len() + 0x4000, 0);
    }
    let _ = peer.try_send(records);
    peer.expect_rest_and_end();
    others_are_served(&secure);
}

#[test]
fn a_record_that_was_changed_on_the_way_ends_the_connection() {
    in_every_mode(|mode| {
        let secure = Secure::new(mode);
        let mut client = ByHand::new(&secure);
        client.upgrade();
        client.say(&Frame::text("hello").masked());
        let mut record = client.records();
        *record.last_mut().expect("a record") ^= 1;
        client.peer.send(record);
        let last = client.peer.expect_rest();
        assert_eq!(last[0], 23, "a sealed alert");
        assert_eq!(secure.trace.count("closed"), 1);
        let lines = secure.trace.take();
        let closed = lines.iter().find(|line| line.starts_with("closed")).expect("a line");
        assert!(closed.contains("cannot be decrypted"), "{closed}");
        others_are_served(&secure);
    });
}

#[test]
fn records_after_the_end_are_nobodys() {
    in_every_mode(|mode| {
        let secure = Secure::new(mode);
        let mut client = ByHand::new(&secure);
        client.upgrade();
        client.say(&Frame::text("last").masked());
        client.tls.send_close_notify();
        let mut records = client.records();
        records.extend_from_slice(b"\x17\x03\x03\x00\x20after the end of it all, 32 bytes");
        client.peer.send(records);
        let (rest, _) = client.peer.expect_rest_and_end();
        assert!(rest.len() >= 6 + 16, "the answer to what came before the end");
        assert_eq!(secure.trace.count("closed"), 1);
        others_are_served(&secure);
    });
}

#[test]
fn a_flood_of_empty_records_and_key_updates_is_bounded() {
    let secure = Secure::new(Mode::BuiltIn);
    let mut client = ByHand::new(&secure);
    client.upgrade();
    for _ in 0..100 {
        client.tls.refresh_traffic_keys().expect("TLS 1.3");
        client.say(&Frame::text("").masked());
        let records = client.records();
        if client.peer.try_send(records).is_err() {
            break;
        }
    }
    // Whether it is served or cut off, others are not kept waiting.
    others_are_served(&secure);
}
