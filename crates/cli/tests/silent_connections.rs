//! 10,000 connections that never speak are dropped at the deadline, and cost little until then.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const SILENT: usize = 10_000;

/// The most that the server's resident memory may grow by, in KiB.
const GROWTH_KIB: u64 = 20 << 10;

/// A generous bound on waiting for anything; not part of what is tested.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn silent_connections_are_dropped_while_an_honest_one_goes_on() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let room = limit.maximum.unwrap_or(u64::MAX);
    assert!(room > SILENT as u64 + 100, "the hard descriptor limit of {room} is too low");

    let mut server = Server::start();
    let stop = AtomicBool::new(false);
    let trips = AtomicU64::new(0);
    thread::scope(|scope| {
        let (address, stopped, counted) = (server.address, &stop, &trips);
        let honest = scope.spawn(move || echo_until(address, stopped, counted));
        let before = server.resident_kib();
        let silent: Vec<TcpStream> =
            (0..SILENT).map(|_| TcpStream::connect(server.address).unwrap()).collect();
        let seen = trips.load(Ordering::SeqCst);
        while trips.load(Ordering::SeqCst) < seen + 100 {
            assert!(!honest.is_finished(), "the honest connection ended");
            thread::yield_now();
        }
        let growth = server.resident_kib().saturating_sub(before);
        println!("{SILENT} silent connections: {growth} KiB");
        assert!(growth < GROWTH_KIB, "{growth} KiB");
        for mut stream in silent {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let said = stream.read(&mut [0; 1024]).expect("the connection ends by FIN");
            assert_eq!(said, 0, "nothing was asked, so nothing is answered");
        }
        let seen = trips.load(Ordering::SeqCst);
        while trips.load(Ordering::SeqCst) < seen + 100 {
            assert!(!honest.is_finished(), "the honest connection ended");
            thread::yield_now();
        }
        stop.store(true, Ordering::SeqCst);
        honest.join().unwrap();
    });
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sockeye"))
            .args(["echo", "--port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        sockeye_testkit::limit(&child);
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ws://").expect(&line);
        let address = address.trim_end_matches('/').parse().unwrap();
        Self { child, address }
    }

    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// Round trips of one small message, counted, until told to stop.
fn echo_until(address: SocketAddr, stop: &AtomicBool, trips: &AtomicU64) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
        .write_all(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());
    while !stop.load(Ordering::SeqCst) {
        stream.write_all(b"\x81\x85\0\0\0\0hello").unwrap();
        let mut echoed = [0; 7];
        stream.read_exact(&mut echoed).unwrap();
        assert_eq!(&echoed, b"\x81\x05hello");
        trips.fetch_add(1, Ordering::SeqCst);
    }
}
