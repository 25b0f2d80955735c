//! What is logged, and where to.

use crate::run::{Server, finish, hello};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;

/// What the server says about a connection that comes and goes.
fn log_with(options: &[&str]) -> String {
    let mut server = Server::start(&[&["echo"], options].concat(), "ws");
    let mut client = server.shake_hands(server.request()).unwrap();
    client.close(None).unwrap();
    finish(client);
    server.program.signal(Signal::TERM);
    let (status, log) = server.program.verdict();
    assert_eq!(status, Some(0), "{log}");
    log
}

#[test]
fn lines_have_the_form_of_the_manual() {
    for options in [["--log", "info"], ["-d", "8"]] {
        let log = log_with(&options);
        assert!(!log.is_empty());
        for line in log.lines() {
            let rest = line.strip_prefix('[').unwrap_or_else(|| panic!("{line}"));
            let (time, text) = rest.split_once("] ").unwrap_or_else(|| panic!("{line}"));
            let (seconds, digits) = time.split_once(':').unwrap_or_else(|| panic!("{line}"));
            assert!(seconds.parse::<u64>().is_ok() && digits.parse::<u16>().is_ok(), "{line}");
            assert_eq!(digits.len(), 4, "{line}");
            assert!(text.starts_with("INFO: "), "{line}");
        }
    }
}

#[test]
fn normal_operation_is_silent_unless_asked_otherwise() {
    assert_eq!(log_with(&[]), "");
    assert_eq!(log_with(&["--log", "none"]), "");
    assert_eq!(log_with(&["-d", "0"]), "");
}

/// A log daemon: its socket, and the file that is its address.
struct Daemon {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Daemon {
    fn start(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sockeye-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&path); // of an earlier run
        let socket = UnixDatagram::bind(&path).expect("the path is free");
        socket.set_read_timeout(Some(Duration::from_secs(60))).expect("it is longer than nothing");
        Self { socket, path }
    }

    fn read(&self) -> String {
        let mut buffer = [0; 10_000];
        let n = self.socket.recv(&mut buffer).expect("a message in time");
        String::from_utf8(buffer[..n].to_vec()).expect("messages are text")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[test]
fn the_system_log_gets_priority_identity_and_process() {
    let daemon = Daemon::start("syslog");
    let place = format!("syslog:{}", daemon.path.display());
    assert_eq!(log_with(&["--log", "info", "--log-to", &place]), "", "nothing on stderr");
    let line = daemon.read();
    let rest = line.strip_prefix("<30>sockeye[").unwrap_or_else(|| panic!("{line}"));
    let (pid, text) = rest.split_once("]: ").unwrap_or_else(|| panic!("{line}"));
    assert!(pid.parse::<u32>().is_ok() && text.contains("closed by peer"), "{line}");
}

#[test]
fn a_missing_log_daemon_stops_nothing() {
    assert_eq!(log_with(&["--log", "all", "--log-to", "syslog:/nowhere/at/all"]), "");
    assert_eq!(log_with(&["--log", "all", "--log-to", "journal:/nowhere/at/all"]), "");
}

#[test]
fn the_journal_gets_an_entry_with_fields() {
    let daemon = Daemon::start("journal");
    let place = format!("journal:{}", daemon.path.display());
    assert_eq!(log_with(&["--log", "info", "--log-to", &place]), "", "nothing on stderr");
    let entry = daemon.read();
    let lines: Vec<&str> = entry.lines().collect();
    assert!(lines[0].starts_with("MESSAGE=connection "), "{entry}");
    for line in ["PRIORITY=6", "SYSLOG_IDENTIFIER=sockeye", "SOCKEYE_LEVEL=INFO"] {
        assert!(lines.contains(&line), "{entry}");
    }
}

#[test]
fn json_is_one_object_a_line() {
    let log = log_with(&["--log", "info", "--log-to", "json"]);
    assert!(!log.is_empty());
    for line in log.lines() {
        let object: serde_json::Value = serde_json::from_str(line).expect(line);
        assert_eq!(object["level"], "INFO", "{line}");
        assert!(object["message"].as_str().is_some_and(|text| text.contains("closed")), "{line}");
        let time = object["time"].as_str().expect("a string");
        assert!(time.ends_with('Z') && time.as_bytes()[10] == b'T' && time.len() == 27, "{line}");
    }
}

#[test]
fn of_a_flood_of_refusals_each_is_told_or_counted_and_nobody_writes_into_the_log() {
    let mut server = Server::start(&["echo", "--log", "notice,info"], "ws");
    let origin = "http://evil.example\u{9b}31m";
    for _ in 0..50 {
        let mut stream = server.tcp();
        let hello = hello(server.address, "echo");
        let head = hello.trim_end();
        write!(stream, "{head}\r\nOrigin: {origin}\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer and the end");
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    }
    let mut client = server.open("echo");
    client
        .close(Some(CloseFrame { code: CloseCode::Normal, reason: "a\n\u{1b}[2Jb".into() }))
        .unwrap();
    finish(client);
    server.program.signal(Signal::TERM);
    let (status, log) = server.program.verdict();
    assert_eq!(status, Some(0), "{log}");
    assert!(log.chars().all(|char| char == '\n' || !char.is_control()), "{log}");
    let refused = log.lines().filter(|line| line.contains("refused: 403 Forbidden")).count();
    let counted: usize = log
        .lines()
        .filter_map(|line| line.strip_suffix(" more lines about refused connections suppressed"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok())
        .sum();
    assert_eq!(refused + counted, 50, "each is told of or counted: {log}");
    let closed = log.lines().filter(|line| line.contains(r#"reason "a\n\u{1b}[2Jb""#)).count();
    assert_eq!(closed, 1, "{log}");
}

#[test]
fn what_held_the_loop_longest_is_told_at_the_end() {
    let log = log_with(&["--log", "latency"]);
    let last = log.lines().last().unwrap_or_default();
    assert!(last.contains("] LATENCY: longest: ") && last.contains(" took "), "{log}");
}
