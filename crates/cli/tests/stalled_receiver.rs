//! One stalled receiver among 10,000 of a broadcast: the others get every message in order, the
//! server holds no more for it than for them, and it is ended with a reason.

#![cfg(target_os = "linux")]

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

const RECEIVERS: usize = 10_000;

/// Messages and their length in bytes: more in all than the stalled receiver's sockets hold, less
/// than anything that would take long ten thousand times.
const MESSAGES: usize = 24;
const LENGTH: usize = 8000;

/// The most that the server's resident memory may grow by while it sends, in KiB. The messages
/// queued for each receiver would be 1.9 GiB.
const GROWTH_KIB: u64 = 16 << 10;

/// Set once the test runs in a network of its own.
const INSIDE: &str = "SOCKEYE_TEST_IN_NAMESPACE";

/// The name of the test below.
const NAME: &str = "one_stalled_receiver_among_ten_thousand_costs_the_others_nothing";

#[test]
fn one_stalled_receiver_among_ten_thousand_costs_the_others_nothing() {
    if std::env::var_os(INSIDE).is_some() {
        return broadcast();
    }
    // Packets as short as on a real network, so that sockets do not hold megabytes.
    let made = Command::new("unshare").args(["--net", "ip", "link"]).output();
    if !made.is_ok_and(|output| output.status.success()) {
        let why = "no network namespace can be made; it takes root, unshare and ip";
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{why}");
        return println!("skipped: {why}");
    }
    let status = Command::new("unshare")
        .args(["--net", "sh", "-c", "ip link set lo mtu 1500 up && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().expect("this test is a program"))
        .args(["--exact", NAME, "--nocapture"])
        .env(INSIDE, "1")
        .status();
    assert!(status.expect("unshare was there before").success());
}

fn broadcast() {
    make_room();
    let mut server = Server::start();
    let mut stalled = server.join(1).remove(0);
    rustix::net::sockopt::set_socket_recv_buffer_size(&stalled, 4096).expect("a socket");
    let mut others: Vec<TcpStream> = Vec::new();
    while others.len() < RECEIVERS - 1 {
        others.extend(server.join(100.min(RECEIVERS - 1 - others.len())));
    }
    let before = server.kib("VmRSS:");
    for number in 0..MESSAGES {
        send_and_hear(&mut others, number);
    }
    let growth = server.kib("VmHWM:").saturating_sub(before);
    println!("{MESSAGES} messages of {LENGTH} bytes to {RECEIVERS} receivers: {growth} KiB");
    assert!(growth < GROWTH_KIB, "{growth} KiB");

    let log = BufReader::new(server.log.take().expect("it is taken once"));
    let watched = watch(Pid::from_child(&server.child));
    let mut lines = log.lines().map(|line| line.expect("the log is text"));
    let end = lines.find(|line| line.contains("closed by") || line.contains("broke"));
    drop(watched);
    let end = end.expect("the end of the stalled one is logged within a minute");
    assert!(end.contains("timed out"), "{end}");
    send_and_hear(&mut others, MESSAGES);

    let mut heard = Vec::new();
    let _ = stalled.read_to_end(&mut heard); // it was cut off, which may be an error
    let whole = heard.len() / (LENGTH + 4);
    assert!(whole < MESSAGES, "all of it had come before the receiver was found to be stalled");
    (0..whole)
        .for_each(|number| assert!(heard[number * (LENGTH + 4)..].starts_with(&frame(number))));
}

/// Ends the server in a minute, so that waiting for it is not for ever; not once the sender is
/// gone.
fn watch(server: Pid) -> Sender<()> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        if receiver.recv_timeout(Duration::from_secs(60)) == Err(RecvTimeoutError::Timeout) {
            let _ = kill_process(server, Signal::KILL); // or it has ended
        }
    });
    sender
}

/// The first one says something, and each hears it, itself included.
fn send_and_hear(receivers: &mut [TcpStream], number: usize) {
    let expected = frame(number);
    let mut masked = vec![0x81, 0x80 | 126];
    masked.extend((LENGTH as u16).to_be_bytes());
    masked.extend([0; 4]); // a mask that changes nothing
    masked.extend(&expected[4..]);
    receivers[0].write_all(&masked).expect("it is read");
    let mut heard = vec![0; expected.len()];
    for receiver in receivers {
        receiver.read_exact(&mut heard).expect("it comes");
        assert!(heard == expected, "not message {number}: {}", heard[..40].escape_ascii());
    }
}

/// A message as the server sends it.
fn frame(number: usize) -> Vec<u8> {
    let mut frame = vec![0x81, 126];
    frame.extend((LENGTH as u16).to_be_bytes());
    frame.extend(format!("{number:LENGTH$}").as_bytes());
    frame
}

/// Enough descriptors for one end of every connection.
fn make_room() {
    let limit = getrlimit(Resource::Nofile);
    let room = limit.maximum.unwrap_or(u64::MAX);
    assert!(room > RECEIVERS as u64 + 100, "the hard descriptor limit of {room} is too low");
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("it is allowed");
}

struct Server {
    child: Child,
    address: SocketAddr,
    log: Option<ChildStderr>,
}

impl Server {
    fn start() -> Self {
        let options = ["--port", "0", "--ping", "off", "--user-timeout", "2s", "--log", "info"];
        let mut child = Command::new(env!("CARGO_BIN_EXE_sockeye"))
            .arg("serve")
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        sockeye_testkit::limit(&child);
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("stdout is text");
        let address = line.trim().strip_prefix("listening on http://").expect(&line);
        let address = address.trim_end_matches('/').parse().expect("an address");
        let log = child.stderr.take();
        Self { child, address, log }
    }

    /// So many receivers of what is mirrored, together: poll(2) is slow with many descriptors, so
    /// the server shall have many events in each wait.
    fn join(&self, count: usize) -> Vec<TcpStream> {
        let hello = format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: lws-mirror-protocol\r\n\r\n",
            self.address
        );
        let ask = |_| {
            let mut stream = TcpStream::connect(self.address).expect("it listens");
            let patience = Some(Duration::from_secs(60));
            stream.set_read_timeout(patience).expect("it is longer than nothing");
            stream.write_all(hello.as_bytes()).expect("it reads");
            stream
        };
        let mut streams: Vec<TcpStream> = (0..count).map(ask).collect();
        for stream in &mut streams {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("it answers");
                head.extend(byte);
            }
            assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());
        }
        streams
    }

    /// What the kernel says of its memory.
    fn kib(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
