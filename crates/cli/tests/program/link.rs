//! A link that goes down under a connection: three ways to notice it, each alone.
//!
//! Each test makes two network namespaces and a pair of virtual interfaces between them.

use crate::namespace::{self, Namespace};
use crate::run::{PROGRAM, Program};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Command};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

const SERVER: &str = "10.213.0.1";
const CLIENT: &str = "10.213.0.2";

/// What is logged or said of a connection whose packets get no answer. Which it is depends on
/// whether the system has looked for the neighbour in the meantime.
const GONE: [&str; 2] = ["connection broke: timed out", "connection broke: host unreachable"];

/// Silence after which a peer is given up as dead, for TCP: 3 s in all.
const SOON: &str = "1s,2,1s";

/// Where times are the system's, those of the namespace are these, whatever the program is told.
const IS_SWITCH: bool = cfg!(sockeye_keepalive_switch);

/// Gives a namespace's end of the link its address.
fn set_up(namespace: &Namespace, device: &str, address: &str) -> Result<(), String> {
    namespace.run("ip", &["address", "add", &format!("{address}/24"), "dev", device])?;
    namespace.run("ip", &["link", "set", device, "up"])?;
    if IS_SWITCH {
        for (name, value) in [("time", 1), ("probes", 2), ("intvl", 1)] {
            let line = format!("echo {value} > /proc/sys/net/ipv4/tcp_keepalive_{name}");
            namespace.run("sh", &["-c", &line])?;
        }
    }
    Ok(())
}

/// Two networks with a link between them.
struct Link {
    server: Namespace,
    client: Namespace,
}

impl Link {
    fn new() -> Result<Self, String> {
        let link = Self { server: Namespace::new(&[])?, client: Namespace::new(&[])? };
        let (at, to) = (link.server.id().to_string(), link.client.id().to_string());
        let mut add = Command::new("ip");
        add.args(["link", "add", "near", "netns", &at, "type", "veth"]);
        add.args(["peer", "name", "far", "netns", &to]);
        namespace::run(add)?;
        set_up(&link.server, "near", SERVER)?;
        set_up(&link.client, "far", CLIENT)?;
        Ok(link)
    }

    /// Takes the link down at the client's end.
    fn cut(&self) {
        self.client.run("ip", &["link", "set", "far", "down"]).expect("there is a link");
    }
}

/// A link, unless this machine cannot have one; in CI it must.
fn link() -> Option<Link> {
    namespace::or_skip(Link::new())
}

/// Ends programs that have not ended in a minute, so that a dead peer that nobody notices is a
/// failure and not a hang; not once the sender is gone.
fn watch(programs: [u32; 2]) -> Sender<()> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        if receiver.recv_timeout(Duration::from_secs(60)) == Err(RecvTimeoutError::Timeout) {
            for id in programs {
                let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
                let _ = pid.map(|pid| kill_process(pid, Signal::KILL)); // or it has ended
            }
        }
    });
    sender
}

/// A server and a client with an open connection between them.
struct Pair {
    server: Program,
    client: Program,
    heard: BufReader<ChildStdout>,
    /// While this lives, the two are watched.
    _watched: Sender<()>,
}

impl Pair {
    fn start(link: &Link, server: &[&str], client: &[&str]) -> Self {
        let at = ["--bind", SERVER, "--port", "0", "--log", "info"];
        let mut server = Program::spawn(link.server.command(PROGRAM, &[server, &at].concat()));
        let mut line = String::new();
        server.stdout().read_line(&mut line).expect("stdout is text");
        let (_, address) = line.trim_end().split_once("://").expect("an address");
        let url = format!("ws://{address}");
        let mut client =
            Program::spawn(link.client.command(PROGRAM, &[&["connect", &url], client].concat()));
        let heard = client.stdout();
        let _watched = watch([server.id(), client.id()]);
        Self { server, client, heard, _watched }
    }

    /// The next message that comes to the client.
    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.heard.read_line(&mut line).expect("stdout is text");
        line
    }

    /// Waits until both ends have acknowledged everything, so that TCP has nothing to send again.
    fn until_silent(&self) {
        for program in [&self.server, &self.client] {
            let path = format!("/proc/{}/net/tcp", program.id());
            let all_acknowledged = || {
                let sockets = std::fs::read_to_string(&path).expect("it runs");
                let queues = sockets.lines().skip(1).map(|line| line.split_whitespace().nth(4));
                queues.flatten().all(|queues| queues.starts_with("00000000:"))
            };
            while !all_acknowledged() {
                thread::yield_now();
            }
        }
    }

    /// The line in which the server logs the end of the connection, of which it says one of these.
    fn expect_logged(&mut self, reasons: &[&str]) {
        let mut log = BufReader::new(self.server.stderr());
        let mut lines = String::new();
        while !reasons.iter().any(|reason| lines.contains(reason)) {
            let more = log.read_line(&mut lines).expect("stderr is text");
            assert!(more > 0, "none of {reasons:?} in {lines}");
        }
    }

    /// The client's last words, which are one of these.
    fn expect_lost(&mut self, reasons: &[&str]) {
        let (status, said) = self.client.verdict();
        let named = reasons.iter().any(|reason| said.contains(&format!("lost: {reason}")));
        assert!(status == Some(4) && named, "status {status:?}: {said}");
    }
}

#[test]
fn keepalive_ends_both_ends_of_a_connection_that_only_waits() {
    let Some(link) = link() else { return };
    let keepalive = if IS_SWITCH { "1000s" } else { SOON };
    let options = ["--ping", "off", "--keepalive", keepalive];
    let server = [&["echo"], &options[..]].concat();
    let mut pair = Pair::start(&link, &server, &options);
    pair.client.say(b"hello\n");
    assert_eq!(pair.hear(), "hello\n");
    pair.until_silent();
    link.cut();
    pair.expect_lost(&GONE);
    pair.expect_logged(&GONE);
}

#[cfg(target_os = "linux")]
#[test]
fn the_user_timeout_ends_a_connection_whose_data_is_not_acknowledged() {
    let Some(link) = link() else { return };
    let server = ["serve", "--ping", "off", "--user-timeout", "1s"];
    let client = ["--ping", "off", "--subprotocol", "dumb-increment-protocol"];
    let mut pair = Pair::start(&link, &server, &client);
    assert_eq!(pair.hear(), "0\n");
    link.cut(); // numbers go on being sent
    pair.expect_logged(&GONE);
}

#[test]
fn a_ping_without_answer_ends_both_ends() {
    let Some(link) = link() else { return };
    let options = ["--ping", "1s,1s"];
    let server = [&["echo"], &options[..]].concat();
    let mut pair = Pair::start(&link, &server, &options);
    pair.client.say(b"hello\n");
    assert_eq!(pair.hear(), "hello\n");
    link.cut();
    pair.expect_lost(&["no pong within 1s"]);
    pair.expect_logged(&["no pong within 1s"]);
}
