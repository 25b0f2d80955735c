//! Every example, run as a program and talked to.
//!
//! `cargo test` builds the examples with the tests; `cargo test --test examples` alone does not,
//! and plays against those that were built last.

mod interop;

use sockeye_testkit::{Frame, Peer, idle, limit, output, upgrade_request};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// An example that serves; ended when it goes out of scope.
struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Server {
    fn start(name: &str, options: &[&str]) -> Self {
        let mut command = Command::new(built("sockeye", name));
        command.arg("127.0.0.1:0").args(options).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        limit(&child);
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on ws://");
        let address = address.unwrap_or_else(|| panic!("{name} says {line:?}")).parse().unwrap();
        Self { child, output, address }
    }

    /// A client of its, with the handshake behind it.
    fn client(&self) -> Peer {
        let mut peer = Peer::connect(self.address, idle());
        peer.upgrade("/", &[]);
        peer
    }

    /// What it prints next.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Writes to its standard input.
    fn tell(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// A number from a file about it that the kernel keeps.
    #[cfg(target_os = "linux")]
    fn proc<T>(&self, file: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let path = format!("/proc/{}/{file}", self.child.id());
        find(&std::fs::read_to_string(path).unwrap()).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}

/// Path of an example, which is built if it has never been.
fn built(package: &str, name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap(); // …/target/debug/deps/examples-0123456789abcdef
    let profile = test.ancestors().nth(2).unwrap();
    let path = profile.join("examples").join(name);
    if !path.exists() {
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--package", package, "--example", name, "--target-dir"]);
        command.arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            command.arg("--release");
        }
        assert!(command.status().unwrap().success(), "{name} does not build");
    }
    path
}

#[test]
fn echo_sends_back_what_comes() {
    let server = Server::start("echo", &[]);
    let mut client = server.client();
    client.send_frames(&[Frame::text("one"), Frame::binary([1, 2, 3])]);
    client.expect_text("one");
    client.expect_message(sockeye::Opcode::Binary, &[1, 2, 3]);
    client.close(1000, "done");
}

#[test]
fn guard_admits_by_address_and_by_token_and_keeps_what_it_needs_of_the_request() {
    let server = Server::start("guard", &["abc"]);
    let mut stranger = Peer::connect(server.address, idle());
    stranger.send(upgrade_request("/", &[]));
    let response = stranger.expect_response();
    assert_eq!(response.status(), 401);
    assert_eq!(response.head.header("WWW-Authenticate"), Some("Bearer"));
    let mut friend = Peer::connect(server.address, idle());
    friend.upgrade("/", &[("Authorization", "Bearer abc"), ("User-Agent", "friend/1")]);
    friend.send_frame(&Frame::text("hello"));
    friend.expect_text("friend/1 says hello");

    let closed = Server::start("guard", &["abc", "127.0.0.1"]);
    let mut nobody = Peer::connect(closed.address, idle());
    nobody.expect_end();
}

#[test]
fn broadcast_reaches_everybody_in_order_and_latecomers_at_once() {
    let server = Server::start("broadcast", &[]);
    let mut clients = [server.client(), server.client(), server.client()];
    let mut last = 0;
    for client in &mut clients {
        let numbers: Vec<u64> = (0..5).map(|_| news(client)).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        last = last.max(numbers[4]);
    }
    let latecomer = news(&mut server.client());
    assert!(latecomer >= last, "{latecomer} is older than {last}");
}

#[test]
fn publish_sends_what_anyone_says_to_everyone_in_order_and_gathered() {
    let server = Server::start("publish", &[]);
    let mut clients = [server.client(), server.client(), server.client()];
    for speaker in [0, 2] {
        let said: Vec<String> = (0..50).map(|i| format!("{i} by {speaker}")).collect();
        let frames: Vec<Frame> = said.iter().map(|text| Frame::text(text.as_str())).collect();
        clients[speaker].send_frames(&frames);
        for client in &mut clients {
            said.iter().for_each(|text| client.expect_text(text));
        }
    }
    let mut latecomer = server.client();
    clients[1].send_frames(&[Frame::text("welcome")]);
    latecomer.expect_text("welcome");
}

fn news(client: &mut Peer) -> u64 {
    let text = String::from_utf8(client.expect_frame().payload).unwrap();
    text.strip_prefix("news number ").unwrap_or_else(|| panic!("{text:?}")).parse().unwrap()
}

#[test]
fn chunks_sums_up_messages_of_any_size_in_constant_memory() {
    let server = Server::start("chunks", &[]);
    let mut client = server.client();
    client.send_frame(&Frame::binary([]));
    client.expect_text("0 bytes, sum 0");
    let parts = [&[1, 2][..], &[], &[3], &[0; 70_000]].concat();
    client.send_frames(&sockeye_testkit::fragments(sockeye::Opcode::Binary, &parts, &[2, 0, 1]));
    client.expect_text("70003 bytes, sum 6");

    const SIZE: usize = 48 << 20;
    client.send_frame(&Frame::binary(vec![1; SIZE]));
    client.expect_text(&format!("{SIZE} bytes, sum {SIZE}"));
    #[cfg(target_os = "linux")]
    assert!(peak_kilobytes(&server) < 24 << 10, "{} KiB at most", peak_kilobytes(&server));
}

#[cfg(target_os = "linux")]
fn peak_kilobytes(server: &Server) -> u64 {
    server.proc("status", |status| {
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    })
}

#[test]
fn a_foreign_loop_serves_a_thousand_connections_and_a_pipe() {
    in_a_foreign_loop("foreign_poll", &[]);
}

#[test]
fn a_foreign_loop_that_never_ticks_serves_them_as_well() {
    in_a_foreign_loop("foreign_poll", &["--no-tick"]);
}

#[test]
fn a_foreign_loop_that_handles_one_event_at_a_time_serves_them_as_well() {
    in_a_foreign_loop("foreign_poll", &["--one"]);
    in_a_foreign_loop("foreign_poll", &["--one", "--no-tick"]);
}

#[test]
fn a_loop_over_mio_serves_them_with_ticks_or_without_them_and_one_event_at_a_time() {
    in_a_foreign_loop("foreign_mio", &[]);
    in_a_foreign_loop("foreign_mio", &["--one", "--no-tick"]);
}

/// Messages and lines are echoed; then nothing happens, and the loop sleeps; then it ends.
fn in_a_foreign_loop(example: &str, options: &[&str]) {
    const CLIENTS: usize = 1000;
    const MESSAGES: usize = 100;
    sockeye_sys::raise_descriptor_limit().unwrap();
    let mut server = Server::start(example, options);
    let mut clients: Vec<Peer> =
        (0..CLIENTS).map(|_| Peer::connect(server.address, idle())).collect();
    for client in &mut clients {
        client.upgrade("/", &[]);
    }
    for (client, peer) in clients.iter_mut().enumerate() {
        let text = |message| Frame::text(&format!("{message} from {client}"));
        let messages: Vec<Frame> = (0..MESSAGES).map(text).collect();
        peer.send_frames(&messages);
        if client % 100 == 0 {
            polls_so_far(&mut server);
        }
    }
    for (client, peer) in clients.iter_mut().enumerate() {
        for message in 0..MESSAGES {
            peer.expect_text(&format!("{message} from {client}"));
        }
    }

    let before = polls_so_far(&mut server);
    std::thread::sleep(Duration::from_millis(300));
    let idle = polls_so_far(&mut server) - before;
    assert!(idle < 20, "{idle} polls while there was nothing to do");

    drop(server.child.stdin.take()); // the end of the lines shuts it down
    for client in &mut clients {
        client.close_answer(1001, "going away");
    }
    let last_words = server.line();
    assert!(last_words.ends_with(" polls in all"), "{last_words:?}");
    assert!(server.child.wait().unwrap().success());
}

/// Sends a line through the pipe; what comes back tells how often the loop has waited.
fn polls_so_far(server: &mut Server) -> usize {
    server.tell("a line");
    let echo = server.line();
    let polls = echo.strip_prefix("a line (after ").and_then(|rest| rest.strip_suffix(" polls)"));
    polls.unwrap_or_else(|| panic!("{echo:?}")).parse().unwrap()
}

#[cfg(all(target_os = "linux", not(sockeye_poll_backend)))]
#[test]
fn inside_tokio_messages_and_ticks_flow_and_nothing_spins() {
    let server = Server::start("tokio", &[]);
    let mut clients: Vec<Peer> = (0..50).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send_frames(&vec![Frame::text("hello"); 100]);
    }
    for client in &mut clients {
        let (mut echoes, mut ticks) = (0, 0);
        while echoes < 100 || ticks < 2 {
            match String::from_utf8(client.expect_frame().payload).unwrap().as_str() {
                "hello" => echoes += 1,
                text => ticks += u32::from(text.starts_with("tick ")),
            }
        }
        assert_eq!(echoes, 100);
    }
    let before = processor_time(&server);
    std::thread::sleep(Duration::from_millis(1000));
    let spent = processor_time(&server) - before;
    assert!(spent < 30, "{spent} of 100 hundredths of a second spent on doing little");
}

/// In the kernel's ticks, of which there are 100 in a second.
#[cfg(all(target_os = "linux", not(sockeye_poll_backend)))]
fn processor_time(server: &Server) -> u64 {
    server.proc("stat", |stat| {
        let mut after_name = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let mut next = || after_name.next()?.parse::<u64>().ok();
        Some(next()? + next()?) // utime and stime
    })
}

#[test]
fn slow_work_in_tokio_tasks_runs_at_once_and_answers_go_to_who_asked() {
    let mut server = Server::start("tokio_task", &[]);
    let mut clients: Vec<Peer> = (0..20).map(|_| server.client()).collect();
    let mut ask_all = || {
        let began = Instant::now();
        for (number, client) in clients.iter_mut().enumerate() {
            client.send_frame(&Frame::text(&"?".repeat(number)));
        }
        for (number, client) in clients.iter_mut().enumerate() {
            let question = "?".repeat(number);
            client.expect_text(&format!("{question} {number} letters, that is certain"));
        }
        began.elapsed()
    };
    // A busy machine may be slow now and then, but one after the other always takes 4 s.
    let at_once = (0..10).any(|_| ask_all() < Duration::from_secs(3));
    assert!(at_once, "one after the other would take 4 s");

    let mut impatient = server.client();
    impatient.send_frame(&Frame::text("am I still there?"));
    drop(impatient);
    let mut successor = server.client(); // perhaps in the same place; its id is another
    successor.send_frame(&Frame::text("who are you?"));
    successor.expect_text("who are you? 12 letters, that is certain");
    let complaint = server.line();
    assert!(complaint.starts_with("no answer to "), "{complaint:?}");
}

#[test]
fn the_protocol_crate_alone_makes_a_client() {
    let server = Server::start("echo", &[]);
    let mut client = Command::new(built("sockeye-proto", "blocking"));
    client.arg(format!("ws://{}/", server.address)).args(["hello", "w\u{f6}rld"]);
    let output = output(&mut client);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines,
        ["open, subprotocol None", "hello", "w\u{f6}rld", "closed: Some(CloseCode(1000)) \"\""]
    );
}
