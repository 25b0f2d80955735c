//! Fuzz target: both ends of TLS in memory, and someone between them who does as an input says.
//!
//! ```text
//! flags, number of steps, two bytes for each step, bytes to put in between
//!
//!   client Link ──wire──▶ server Link
//!               ◀──wire──
//! ```

use crate::tls::{
    Certificate, ClientTls, HANDSHAKE_MAX, Link, RECORD_MAX, ServerTls, Taken, TlsName,
};
use crate::transport::Lost;
use sockeye_proto::fuzz::Fingerprint;
use std::sync::OnceLock;

/// A certificate for `localhost` that signs itself, and its key.
const PEM: &str = include_str!("link.pem");

/// The most that one end says in a step; what is on the wire stays bounded by the steps.
const SPEECH: usize = 20_000;

/// What an end may add to its output beside what it was told to say: its flights and alerts.
const FLIGHT: usize = 16 << 10;

/// What is different about a connection.
const TLS12: u8 = 1;
/// The server asks for a certificate, and the client shows one.
const CLIENT_CERTIFICATE: u8 = 1 << 1;
/// It resumes the session of one before.
const RESUMED: u8 = 1 << 2;
/// Handshakes go as they go to workers.
const WORKERS: u8 = 1 << 3;
const FLAGS: u8 = (1 << 4) - 1;

pub(super) fn outcome(data: &[u8]) -> u64 {
    let (flags, data) = data.split_first().map_or((0, data), |(flags, rest)| (flags & FLAGS, rest));
    let (steps, data) = data.split_first().map_or((0, data), |(n, rest)| (usize::from(*n), rest));
    let (steps, rest) = data.split_at(data.len().min(2 * steps));
    if flags & RESUMED != 0 {
        Pair::new(flags).run(&[], &[]);
    }
    Pair::new(flags).run(steps, rest)
}

/// What both ends are made with, for each set of flags.
fn settings(flags: u8) -> &'static (ServerTls, ClientTls) {
    static ALL: [OnceLock<(ServerTls, ClientTls)>; 1 + FLAGS as usize] =
        [const { OnceLock::new() }; 1 + FLAGS as usize];
    ALL[usize::from(flags)].get_or_init(|| {
        let certificate = || Certificate::from_pem(PEM, PEM);
        let mut server = ServerTls::builder().certificate(certificate());
        let mut client = ClientTls::builder().ca_pem(PEM);
        if flags & TLS12 != 0 {
            client = client.tls12_only();
        }
        if flags & CLIENT_CERTIFICATE != 0 {
            server = server.ask_clients_pem(PEM);
            client = client.certificate(certificate());
        }
        if flags & RESUMED == 0 {
            client = client.no_resumption();
        }
        (server.build().expect("TLS of a server"), client.build().expect("TLS of a client"))
    })
}

/// A connection.
struct Pair {
    ends: [End; 2],
    flags: u8,
    print: Fingerprint,
}

/// One end, and the wire that leads away from it.
struct End {
    link: Link,
    wire: Vec<u8>,
    /// Someone has changed what goes away from here.
    is_changed: bool,
    said: Vec<u8>,
    heard: Vec<u8>,
    /// How the stream that comes here has ended.
    end: Option<Lost>,
    is_closed: bool,
    /// It is found to be no TLS, and told so in plain.
    is_plain: bool,
}

impl End {
    fn new(link: Link) -> Self {
        Self {
            link,
            wire: Vec::new(),
            is_changed: false,
            said: Vec::new(),
            heard: Vec::new(),
            end: None,
            is_closed: false,
            is_plain: false,
        }
    }

    fn has_failed(&self) -> bool {
        matches!(self.end, Some(Lost::Tls(_) | Lost::Broken(_)))
    }

    /// Says so many bytes.
    fn say(&mut self, len: usize) {
        if self.is_closed {
            return; // a connection that says goodbye says nothing more
        }
        let words: Vec<u8> = (self.said.len()..).take(len).map(|at| (at % 251) as u8).collect();
        let before = self.wire.len();
        let had_failed = self.has_failed();
        self.link.seal(&words, &mut self.wire);
        assert!(!had_failed || self.wire.len() == before, "one that has failed says nothing");
        self.look_for_end();
        if !self.has_failed() {
            self.said.extend_from_slice(&words);
        }
    }

    fn close(&mut self) {
        if !self.link.is_handshaking() {
            self.link.close(&mut self.wire);
            self.is_closed = true;
            self.look_for_end();
        }
    }

    /// Notes how the stream has ended, if it has.
    fn look_for_end(&mut self) {
        let end = self.link.take_end();
        if let Some(Lost::Tls(error)) = &end {
            let text = error.to_string();
            assert!(!text.is_empty() && !text.chars().any(char::is_control), "{text:?}");
        }
        assert!(end.is_none() || self.end.is_none(), "a stream ends once");
        self.end = self.end.take().or(end);
    }

    /// Takes what has come, laid out as the loop does it.
    fn take(&mut self, came: &[u8], by_worker: bool) {
        if self.is_plain {
            return;
        }
        let mut cipher = vec![0; self.link.kept()];
        cipher.extend_from_slice(came);
        let mut plain = vec![0; came.len() + RECORD_MAX];
        let before = self.wire.len();
        let heavy = by_worker && self.link.is_heavy(&mut cipher);
        let taken = match heavy {
            true => Taken::Plain(self.link.take_handshake(&mut cipher, &mut plain, &mut self.wire)),
            false => self.link.take(&mut cipher, &mut plain, &mut self.wire),
        };
        let sent = self.wire.len() - before;
        match taken {
            Taken::Plain(len) => self.heard.extend_from_slice(&plain[..len]),
            Taken::NoTls => {
                assert_eq!(&plain[..came.len()], came, "plain bytes are as they came");
                assert_eq!(sent, 0, "plain bytes are not answered in TLS");
                self.is_plain = true;
                return;
            }
        }
        let early = self.said.len(); // what waited for the handshake goes with its end
        assert!(sent <= FLIGHT + 2 * came.len() + 2 * early, "{sent} bytes to {}", came.len());
        if self.end.is_some() {
            assert_eq!(sent, 0, "after the end nothing is answered");
        }
        self.look_for_end();
        if self.end.is_none() {
            assert!(self.link.kept() <= HANDSHAKE_MAX, "it keeps {}", self.link.kept());
        }
    }
}

impl Pair {
    fn new(flags: u8) -> Self {
        let (server, client) = settings(flags);
        let name = TlsName::new("localhost").expect("a name");
        let client = Link::client(client, name).expect("a client");
        let server = Link::server(server).expect("a server");
        let mut ends = [End::new(client), End::new(server)];
        let [client, _] = &mut ends;
        client.link.begin(Vec::new(), &mut client.wire);
        Self { ends, flags, print: Fingerprint::new() }
    }

    fn run(mut self, steps: &[u8], mut rest: &[u8]) -> u64 {
        for step in steps.chunks_exact(2) {
            let (whose, what, how) = (usize::from(step[0] >> 7), step[0] & 15, step[1]);
            match what {
                0..=2 => self.deliver(whose, usize::from(how) + 1),
                3 => self.deliver(whose, usize::MAX),
                4 => self.ends[whose].say(usize::from(how) * usize::from(how) % SPEECH),
                5 => self.ends[whose].close(),
                _ => rest = tamper(&mut self.ends[whose], what, how, rest),
            }
        }
        while self.ends.iter().any(|end| !end.wire.is_empty()) {
            self.deliver(0, usize::MAX);
            self.deliver(1, usize::MAX);
        }
        self.look_back();
        self.print.finish()
    }

    /// Brings bytes from one end to the other.
    fn deliver(&mut self, from: usize, most: usize) {
        let wire = &mut self.ends[from].wire;
        let came: Vec<u8> = wire.drain(..most.min(wire.len())).collect();
        if came.is_empty() {
            return;
        }
        let to = &mut self.ends[1 - from];
        let (was_over, was_handshaking) = (to.end.is_some(), to.link.is_handshaking());
        to.take(&came, self.flags & WORKERS != 0);
        if to.end.is_some() != was_over || to.link.is_handshaking() != was_handshaking {
            let kind = match &to.end {
                None => "done".to_owned(),
                Some(Lost::Tls(error)) => format!("{:?}", error.kind()),
                Some(Lost::Eof | Lost::Broken(_)) => "closed".to_owned(),
            };
            self.print.add([from as u8]);
            self.print.add(kind);
        }
    }

    /// What must be true in the end.
    fn look_back(&mut self) {
        let is_changed = self.ends.iter().any(|end| end.is_changed);
        for (from, to) in [(0, 1), (1, 0)] {
            let (said, heard) = (&self.ends[from].said, &self.ends[to].heard);
            assert!(said.starts_with(heard), "only what was said is heard, whoever interferes");
            self.print.add_magnitude(heard.len());
            let end = &self.ends[to];
            if is_changed {
                continue;
            }
            assert!(!end.has_failed() && !end.link.is_handshaking(), "they agree");
            let info = end.link.info().expect("it is known what they agreed on");
            let version = if self.flags & TLS12 != 0 { "TLSv1.2" } else { "TLSv1.3" };
            assert_eq!(info.version, version);
            assert_eq!(info.resumed, self.is_second() && info.resumed);
            if !end.is_closed {
                assert_eq!(heard.len(), said.len(), "all that is said is heard");
            }
        }
    }

    fn is_second(&self) -> bool {
        self.flags & RESUMED != 0
    }
}

/// Changes what is on the wire; how much of `rest` is left.
fn tamper<'d>(end: &mut End, what: u8, how: u8, rest: &'d [u8]) -> &'d [u8] {
    let how = usize::from(how);
    let wire = &mut end.wire;
    let record = match wire[..] {
        [_, _, _, high, low, ..] => {
            (5 + (usize::from(high) << 8 | usize::from(low))).min(wire.len())
        }
        _ => wire.len(),
    };
    let len = wire.len();
    let mut left = rest;
    match what {
        6 if len > 0 => wire[how % len] ^= 1 << (how % 8),
        7 if len > 0 => wire[len - 1 - how % len] ^= 1 << (how % 8),
        8 => drop(wire.drain(..(how + 1).min(len))),
        9 => drop(wire.drain(..record)),
        10 => {
            let first = wire[..record].to_vec();
            wire.extend_from_slice(&first); // a record once more
        }
        11 if len > 0 => wire[0] = how as u8, // a record of another kind
        12 if record > 6 => {
            // A record cut in two, as is allowed as long as nothing is encrypted.
            let (kind, body) = ([wire[0], wire[1], wire[2]], wire[5..record].to_vec());
            let parts = body.split_at(1 + how % (body.len() - 1));
            let pieces = [parts.0, parts.1].map(|part| {
                let length = (part.len() as u16).to_be_bytes();
                [&kind[..], &length, part].concat()
            });
            drop(wire.splice(..record, pieces.concat()));
        }
        _ => {
            let (piece, others) = rest.split_at((how + 1).min(rest.len()));
            left = others;
            drop(wire.splice(..0, piece.iter().copied()));
        }
    }
    end.is_changed = true;
    left
}
