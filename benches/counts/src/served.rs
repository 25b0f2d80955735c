//! Operations of a context: a loop, its connections, and clients in the same thread. What the
//! clients do in their own few calls is counted with it.

use crate::bytes::{REQUEST, frame, json};
use sockeye::{
    Action, Conn, Context, DeflateOptions, Handshake, Key, Message, Permit, Protocol, Reject,
    Shared,
};
use sockeye_proto::{Deflaters, Opcode, RSV1};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Sends back what it gets.
struct Echo;

impl Protocol for Echo {
    type Session = ();
    type Notice = ();

    fn name(&self) -> &str {
        "echo"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
        Ok(())
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        conn.reply(message)
    }
}

/// Sends the same messages to everybody who is to write.
struct Publish(Vec<Shared>);

impl Protocol for Publish {
    type Session = ();
    type Notice = ();

    fn name(&self) -> &str {
        "publish"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
        Ok(())
    }

    fn receive(&mut self, _: &mut Conn<'_, Self>, _: Message<'_>) -> Action {
        Action::Continue
    }

    fn writable(&mut self, _: &mut Conn<'_, Self>, permit: Permit<'_>) -> Action {
        let mut permit = Some(permit);
        for message in &self.0 {
            permit = permit.and_then(|permit| permit.send_shared(message));
        }
        Action::Continue
    }
}

/// A context that listens, and for which no time passes.
struct Served<P> {
    context: Context,
    key: Key<P>,
    place: PathBuf,
}

impl Served<Echo> {
    fn echo(compression: bool) -> Self {
        Self::new(Echo, compression)
    }
}

impl<P: Protocol> Served<P> {
    fn new(protocol: P, compression: bool) -> Self {
        let began = Instant::now();
        let options = compression.then(DeflateOptions::default);
        let mut builder = Context::builder().compression(options).clock(move || began);
        let key = builder.register(protocol);
        let mut context = builder.build().expect("a context");
        let place = std::env::temp_dir().join(format!("sockeye-counts-{}", std::process::id()));
        let listener = UnixListener::bind(&place).expect("a socket in the temporary directory");
        context.listen_on(listener).expect("it listens");
        Self { context, key, place }
    }

    fn turn(&mut self) {
        self.context.service(Duration::ZERO).expect("the loop goes on");
    }

    /// A client whose handshake is done.
    fn client(&mut self) -> UnixStream {
        let mut client = UnixStream::connect(&self.place).expect("it is listened at");
        client.write_all(REQUEST).expect("sent");
        self.turn(); // accepts
        self.turn(); // answers
        let mut answer = [0; 512];
        let len = client.read(&mut answer).expect("an answer");
        let answer = &answer[..len];
        assert!(answer.starts_with(b"HTTP/1.1 101 ") && answer.ends_with(b"\r\n\r\n"));
        client
    }
}

impl<P> Drop for Served<P> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.place); // it would do no harm
    }
}

/// A connection accepted, its handshake answered, its end seen.
pub(crate) fn handshake(times: u32) {
    shake_hands(times, false);
}

/// The same, agreeing on compression.
pub(crate) fn handshake_deflate(times: u32) {
    shake_hands(times, true);
}

fn shake_hands(times: u32, compression: bool) {
    let mut served = Served::echo(compression);
    for _ in 0..times {
        drop(served.client());
        served.turn();
    }
    assert!(served.context.connections().is_empty());
    assert_eq!(served.context.connections().accepted(), u64::from(times));
}

pub(crate) fn echo_20(times: u32) {
    let request = frame(Opcode::Binary, 0, &[7; 20]);
    echo(times, false, &request, 2 + 20);
}

/// Sixteen messages that come in one read, and leave in one send.
pub(crate) fn echo_20x16(times: u32) {
    let requests = frame(Opcode::Binary, 0, &[7; 20]).repeat(16);
    echo(times, false, &requests, 16 * (2 + 20));
}

pub(crate) fn echo_1k_deflate(times: u32) {
    let json = json();
    let mut all = Deflaters::new(&DeflateOptions::default());
    let small = all.compress(15, None, &json).expect("JSON gets shorter");
    assert!((126..1024).contains(&small.len()));
    echo(times, true, &frame(Opcode::Text, RSV1, small), 4 + small.len());
}

fn echo(times: u32, compression: bool, request: &[u8], answer: usize) {
    let mut served = Served::echo(compression);
    let mut client = served.client();
    let mut echo = vec![0; answer];
    for _ in 0..times {
        client.write_all(request).expect("sent");
        served.turn();
        client.read_exact(&mut echo).expect("an echo");
    }
    let more = client.set_nonblocking(true).and_then(|()| client.read(&mut echo));
    assert!(more.is_err(), "something comes behind the last echo");
}

/// One message of 100 bytes to sixteen receivers.
pub(crate) fn broadcast(times: u32) {
    let mut served = Served::echo(false);
    let mut clients: Vec<UnixStream> = (0..16).map(|_| served.client()).collect();
    let mut got = [0; 102];
    for _ in 0..times {
        let message = Shared::new(&[7_u8; 100][..]);
        let connections = served.context.connections();
        for id in connections.of(served.key.id()) {
            connections.send_shared(id, &message).expect("the queue is empty");
        }
        served.turn();
        for client in &mut clients {
            client.read_exact(&mut got).expect("the message");
        }
    }
}

/// Sixteen messages of 100 bytes to each of sixteen receivers, which leave in one send for each.
pub(crate) fn publish(times: u32) {
    let message = Shared::new(&[7_u8; 100][..]);
    let mut served = Served::new(Publish(vec![message; 16]), false);
    let mut clients: Vec<UnixStream> = (0..16).map(|_| served.client()).collect();
    let mut got = [0; 16 * 102];
    for _ in 0..times {
        served.context.connections().request_writable_all(served.key.id());
        served.turn();
        for client in &mut clients {
            client.read_exact(&mut got).expect("the messages");
        }
    }
}
