//! The host of `src/main.rs`, played against: messages, a choked pipe, a deadline, quiet, the end.

use sockeye_testkit::{Frame, Peer, idle};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

const CLIENTS: usize = 200;
const MESSAGES: usize = 50;

struct Host {
    child: Child,
    lines: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Host {
    fn start(options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sockeye-glib"));
        command.args(options).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let lines = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("stdout is text");
        let address = line.trim_end().strip_prefix("listening on ws://").expect(&line);
        let address = address.parse().expect("an address");
        Self { child, lines, output, address }
    }

    fn dispatches(&mut self) -> u64 {
        writeln!(self.lines.as_mut().expect("it has not ended"), "?").expect("it reads");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("stdout is text");
        line.trim_end().parse().expect("a number")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it has ended, or the test has failed
        let _ = self.child.wait();
    }
}

fn play(options: &[&str]) {
    let mut host = Host::start(options);
    let mut clients: Vec<Peer> = (0..CLIENTS)
        .map(|_| {
            let mut peer = Peer::connect(host.address, idle());
            peer.upgrade("/", &[]);
            peer
        })
        .collect();
    for (client, peer) in clients.iter_mut().enumerate() {
        let text = |message| Frame::text(&format!("{message} from {client}"));
        peer.send_frames(&(0..MESSAGES).map(text).collect::<Vec<_>>());
    }
    for (client, peer) in clients.iter_mut().enumerate() {
        (0..MESSAGES).for_each(|message| peer.expect_text(&format!("{message} from {client}")));
    }

    // It takes interest in writing, until all of it has gone.
    clients[7].send_frame(&Frame::text("flood"));
    clients[8].send_frame(&Frame::text("beside it"));
    clients[8].expect_text("beside it");
    clients[7].expect_text(&"x".repeat(8 << 20));

    clients[9].send_frame(&Frame::text("wait"));
    clients[9].expect_text("waited");

    let before = host.dispatches();
    thread::sleep(Duration::from_millis(300));
    let idle = host.dispatches() - before;
    assert!(idle < 20, "{idle} dispatches while there was nothing to do");

    host.lines = None;
    clients.iter_mut().for_each(|peer| peer.close_answer(1001, "going away"));
    assert!(host.child.wait().expect("it ends").success());
}

#[test]
fn every_socket_is_a_source_and_a_timeout_stands_for_the_deadline() {
    play(&[]);
}

#[test]
fn the_contexts_own_descriptor_stands_for_the_deadline() {
    play(&["--no-tick"]);
}

#[test]
fn the_whole_context_is_one_source() {
    play(&["--whole"]);
}
