//! The maximum number of connections, and what happens at it.

use crate::run::{Patient, Program, Server, frame, hello, read_frame, read_head, tcp};
use crate::scratch::{Process, stat};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use sockeye_testkit::output;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

/// An echo server under `ulimit`, and what it says on stderr.
struct Limited {
    _program: Program,
    pid: u32,
    address: SocketAddr,
    log: BufReader<ChildStderr>,
}

impl Limited {
    /// `ulimit` is what the shell is told before it becomes the program.
    fn start(ulimit: &str, options: &[&str]) -> Self {
        let script = format!("ulimit {ulimit} && exec \"$0\" \"$@\"");
        let child = Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_sockeye"), "echo", "--port", "0"])
            .args(["--log", "warn,debug"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        Self::of(child)
    }

    fn of(child: Child) -> Self {
        let pid = child.id();
        let mut program = Program::from(child);
        let address = Server::of(&mut program, "ws");
        let log = BufReader::new(program.stderr());
        Self { _program: program, pid, address, log }
    }

    /// The rest of the next line of the log that has this in it.
    fn line_after(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.log.read_line(&mut line).expect("the log is text"), 0, "no {text:?}");
            if let Some((_, rest)) = line.split_once(text) {
                return rest.to_owned();
            }
        }
    }

    /// The number that follows in such a line.
    fn number_after(&mut self, text: &str) -> usize {
        let rest = self.line_after(text);
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..digits].parse().unwrap_or_else(|_| panic!("no number in {rest:?}"))
    }

    /// That many connections, each with its opening handshake sent and nothing read.
    fn crowd(&self, count: usize) -> Vec<Patient> {
        let mut crowd: Vec<_> = (0..count).map(|_| tcp(self.address)).collect();
        for client in &mut crowd {
            client.write_all(hello(self.address, "any").as_bytes()).expect("it waits");
        }
        crowd
    }

    /// Makes sure that the process does not spin: how many hundredths of a second of a processor's
    /// time a second of waiting costs it.
    fn assert_idle(&self) {
        let ticks =
            || -> u64 { stat(self.pid)[11..13].iter().map(|t| t.parse::<u64>().unwrap()).sum() };
        let before = ticks();
        std::thread::sleep(Duration::from_secs(1)); // this is what is measured
        let spent = ticks() - before;
        assert!(spent <= 20, "{spent} ticks in a second of nothing to do");
    }
}

/// Waits until a client is served, and has something echoed.
fn is_served(client: &mut Patient) {
    let head = read_head(client);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    client.write_all(&frame(0x81, b"hello")).unwrap();
    assert_eq!(read_frame(client), (0x81, b"hello".to_vec()));
}

#[test]
fn at_the_limit_accepting_pauses_without_spinning_and_goes_on_when_there_is_room() {
    let mut limits = Vec::new();
    for ulimit in [64, 96] {
        let mut server = Limited::start(&format!("-n {ulimit}"), &[]);
        let room = server.number_after("room for ");
        let mut crowd = server.crowd(200);
        let limit = server.number_after("accepting pauses: ");
        assert_eq!(limit, room);
        assert!((20..ulimit).contains(&limit), "{limit} under {ulimit}");
        server.assert_idle();
        // Those who are in are served as ever, and each who goes makes room for another.
        for client in &mut crowd[..limit] {
            is_served(client);
        }
        for mut client in crowd.drain(..limit) {
            client.write_all(&frame(0x88, &1000_u16.to_be_bytes())).unwrap();
        }
        for mut client in crowd {
            is_served(&mut client);
        }
        limits.push(limit);
    }
    // Tests that run at the same time may have left a descriptor or two in one of the programs.
    let more = limits[1].abs_diff(limits[0]);
    assert!((28..=36).contains(&more), "another ulimit, by 32, makes room for {limits:?}");
}

#[test]
fn the_limit_in_force_is_raised_as_far_as_it_goes() {
    let server = Limited::start("-Sn 64", &[]);
    for mut client in server.crowd(200) {
        is_served(&mut client);
    }
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.pid)).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<&str> = line["Max open files".len()..].split_whitespace().collect();
    assert_eq!(numbers[0], numbers[1], "{line}");
}

#[test]
fn the_limit_may_be_chosen_below_what_the_system_leaves() {
    let mut server = Limited::start("-Sn 128", &["--max-connections", "3"]);
    let mut crowd = server.crowd(5);
    assert_eq!(server.number_after("accepting pauses: "), 3);
    for client in &mut crowd[..3] {
        is_served(client);
    }
    // What is asked for has room in the limit in force, which stays as it is.
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.pid)).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(line.split_whitespace().nth(3), Some("128"), "{line}");
    drop(crowd.drain(..2));
    crowd[1..].iter_mut().for_each(is_served);
}

#[test]
fn more_than_the_system_leaves_is_not_promised() {
    let mut server = Limited::start("-n 64", &["--max-connections", "1000"]);
    let room = server.number_after("room for ");
    let warning = server.line_after("1000 connections asked for, the descriptor limit leaves ");
    assert_eq!(warning.trim_end(), room.to_string());
    let _crowd = server.crowd(200);
    assert_eq!(server.number_after("accepting pauses: "), room);
}

#[test]
fn running_out_of_descriptors_is_no_reason_to_spin() {
    let mut server = Limited::start("-n 256", &[]);
    let pid = Pid::from_raw(server.pid.try_into().unwrap());
    // Fewer than the server has counted on, as when something else in it opens files.
    let fewer = Rlimit { current: Some(40), maximum: Some(256) };
    let before = prlimit(pid, Resource::Nofile, fewer).expect("it is our child");
    let mut crowd = server.crowd(100);
    let why = server.line_after("accepting pauses: ");
    assert!(why.contains("open files"), "{why}");
    server.assert_idle();
    is_served(&mut crowd[0]);
    prlimit(pid, Resource::Nofile, before).unwrap();
    for client in &mut crowd[1..] {
        is_served(client);
    }
}

#[test]
fn a_daemon_keeps_its_limit() {
    let scratch = crate::scratch::Scratch::new();
    let (lock, log) = (scratch.name("lock"), scratch.path("log"));
    let syslog = std::os::unix::net::UnixDatagram::bind(&log).unwrap();
    let script = "ulimit -n 64 && exec \"$0\" \"$@\"";
    let mut shell = Command::new("sh");
    shell
        .args(["-c", script, env!("CARGO_BIN_EXE_sockeye"), "echo", "--port", "0", "--daemonize"])
        .args(["--lock", &lock, "--log", "debug"])
        .args(["--log-to", &format!("syslog:{}", log.display())]);
    let output = output(&mut shell);
    let _server = Process::named_in(&scratch.path("lock"));
    assert!(output.status.success());
    let mut line = [0; 512];
    let length = syslog.recv(&mut line).unwrap();
    let line = str::from_utf8(&line[..length]).unwrap();
    let (_, rest) = line.split_once("room for ").unwrap_or_else(|| panic!("{line}"));
    let room: usize = rest.split(' ').next().unwrap().parse().unwrap();
    assert!((20..64).contains(&room), "{line}");
}

#[test]
fn wrong_numbers_are_explained() {
    for wrong in ["0", "-1", "many", "1.5"] {
        let (status, _, said) = crate::run::run(&["serve", &format!("--max-connections={wrong}")]);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains("--max-connections") && said.contains("whole number"), "{said}");
        assert!(said.contains(&format!("'{wrong}'")), "{said}");
    }
}
