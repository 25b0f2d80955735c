//! As a service of systemd, which here is a socket of the test's.

use crate::listening::{echo_over, start, unix};
use crate::run::{Program, Server, command};
use crate::scratch::Scratch;
use rustix::process::Signal;
use sockeye_testkit::finish;
use std::fs;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What the service manager is told.
struct Manager(UnixDatagram);

impl Manager {
    fn at(path: &Path) -> Self {
        Self::over(UnixDatagram::bind(path).unwrap())
    }

    fn over(socket: UnixDatagram) -> Self {
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(socket)
    }

    fn hear(&self) -> String {
        let mut message = [0; 4096];
        let length = self.0.recv(&mut message).expect("it is told something");
        String::from_utf8(message[..length].to_vec()).unwrap()
    }
}

/// Starts the program with these descriptors from 3 on, as systemd does, at most two.
fn hand_over(args: &[&str], mut fds: Vec<OwnedFd>, environment: &str) -> Command {
    let (first, second) = (fds.remove(0), fds.pop());
    // The shell takes them as its standard streams and moves them: only the process itself, once
    // it runs, knows its number.
    let second_to_4 = if second.is_some() { "4<&1" } else { "" };
    let streams = format!("exec 3<&0 {second_to_4} </dev/null >/dev/null");
    let script = format!("{streams}; LISTEN_PID=$$ {environment} exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_sockeye")]).args(args);
    command.stdin(first).stderr(Stdio::piped());
    if let Some(second) = second {
        command.stdout(second);
    }
    command
}

/// Runs that to its end: exit status and what it says.
fn refused(fd: impl Into<OwnedFd>, environment: &str) -> String {
    let mut command = hand_over(&["echo"], vec![fd.into()], environment);
    let output = finish(command.stdout(Stdio::piped()).spawn().unwrap());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    said
}

#[test]
fn the_manager_is_told_of_beginning_and_end() {
    let scratch = Scratch::new();
    let name = format!("sockeye-notify-{}", std::process::id());
    let by_name = SocketAddr::from_abstract_name(&name).unwrap();
    let managers = [
        (scratch.name("notify"), Manager::at(&scratch.path("notify"))),
        (format!("@{name}"), Manager::over(UnixDatagram::bind_addr(&by_name).unwrap())),
    ];
    for (address, manager) in managers {
        let mut command = command(&["serve", "--port", "0"]);
        command.env("NOTIFY_SOCKET", &address).stdout(Stdio::null());
        let mut program = Program::from(command.spawn().unwrap());
        let ready = manager.hear();
        let lines: Vec<&str> = ready.lines().collect();
        assert_eq!(lines[..2], ["READY=1", &format!("MAINPID={}", program.id())], "{ready}");
        let at = lines[2].strip_prefix("STATUS=Listening on http://").expect(&ready);
        TcpStream::connect(at.trim_end_matches('/')).expect("it is ready indeed");
        program.signal(Signal::TERM);
        assert!(manager.hear().starts_with("STOPPING=1\nSTATUS="));
        assert_eq!(program.wait().code(), Some(0));
    }
}

#[test]
fn a_manager_that_cannot_be_told_is_a_warning() {
    for (address, why) in [("/nowhere/notify", "No such file"), ("vsock:2:1", "neither a path")] {
        let mut program = Program::from(
            command(&["echo", "--port", "0"])
                .env("NOTIFY_SOCKET", address)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap(),
        );
        let server = Server::of(&mut program, "ws");
        echo_over(TcpStream::connect(server).unwrap());
        program.signal(Signal::TERM);
        let (status, said) = program.verdict();
        assert_eq!(status, Some(0));
        assert!(said.contains("WARN") && said.contains(address) && said.contains(why), "{said}");
    }
}

#[test]
fn the_watchdog_hears_of_a_loop_that_turns() {
    let scratch = Scratch::new();
    let manager = Manager::at(&scratch.path("notify"));
    let start = |pid: Option<u32>| {
        let mut command = command(&["echo", "--port", "0"]);
        command.env("NOTIFY_SOCKET", scratch.path("notify")).stdout(Stdio::null());
        command.env("WATCHDOG_USEC", "100000");
        if let Some(pid) = pid {
            command.env("WATCHDOG_PID", pid.to_string());
        }
        Program::from(command.spawn().unwrap())
    };
    let program = start(None);
    assert!(manager.hear().starts_with("READY=1\n"));
    for _ in 0..3 {
        assert_eq!(manager.hear(), "WATCHDOG=1");
    }
    drop(program);
    while manager.0.set_nonblocking(true).is_ok() && manager.0.recv(&mut [0; 64]).is_ok() {}
    manager.0.set_nonblocking(false).unwrap();
    // Another process is watched: this one has nothing to say.
    let mut program = start(Some(1));
    assert!(manager.hear().starts_with("READY=1\n"));
    program.signal(Signal::TERM);
    assert!(manager.hear().starts_with("STOPPING=1\n"));
    program.wait();
}

#[test]
fn sockets_that_are_handed_over_are_served() {
    let scratch = Scratch::new();
    let manager = Manager::at(&scratch.path("notify"));
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let socket = UnixListener::bind(scratch.path("socket")).unwrap();
    let mut command = hand_over(
        &["echo"],
        vec![tcp.into(), socket.into()],
        "LISTEN_FDS=2 LISTEN_FDNAMES=web:local",
    );
    let child = command.env("NOTIFY_SOCKET", scratch.path("notify")).spawn().unwrap();
    drop(command); // and with it our copies of the sockets
    let mut program = Program::from(child);
    let status = manager.hear();
    let expected = format!("STATUS=Listening on ws://{address}, unix:{}", scratch.name("socket"));
    // These, and not also the port that it would choose itself.
    assert_eq!(status.lines().last(), Some(&*expected));
    echo_over(TcpStream::connect(address).unwrap());
    echo_over(unix(&scratch.path("socket")));
    program.signal(Signal::TERM);
    assert_eq!(program.verdict(), (Some(0), String::new()));
    assert!(scratch.path("socket").exists(), "it is the manager's");
}

#[test]
fn it_listens_elsewhere_too_if_that_is_asked_for_and_in_the_background() {
    let scratch = Scratch::new();
    let manager = Manager::at(&scratch.path("notify"));
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let listen = format!("unix:{}", scratch.name("socket"));
    let lock = scratch.name("lock");
    let args = ["echo", "--listen", &listen, "--daemonize", "--lock", &lock];
    let mut command = hand_over(&args, vec![tcp.into()], "LISTEN_FDS=1");
    let status = command.env("NOTIFY_SOCKET", scratch.path("notify")).spawn().unwrap();
    assert!(finish(status).status.success());
    let server = crate::scratch::Process::named_in(&scratch.path("lock"));
    let ready = manager.hear();
    assert!(ready.contains(&format!("MAINPID={}\n", server.pid)), "{ready}");
    echo_over(TcpStream::connect(address).unwrap());
    echo_over(unix(&scratch.path("socket")));
}

#[test]
fn descriptors_of_the_wrong_type_are_refused_by_number_and_name() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (connected, _other) = UnixStream::pair().unwrap();
    let file = fs::File::open("/dev/null").unwrap();
    let cases = [
        (OwnedFd::from(udp), "a datagram socket"),
        (connected.into(), "does not listen"),
        (file.into(), "no socket"),
    ];
    for (fd, why) in cases {
        let said = refused(fd, "LISTEN_FDS=1 LISTEN_FDNAMES=web");
        for part in ["descriptor 3 (web)", why, "ListenStream="] {
            assert!(said.contains(part), "{said}");
        }
    }
}

#[test]
fn an_environment_that_lies_is_refused() {
    let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
    let cases = [
        ("LISTEN_FDS=some", "LISTEN_FDS=some"),
        ("LISTEN_FDS=200", "LISTEN_FDS=200, but descriptor"),
        ("LISTEN_FDS=99999", "1024"),
        ("LISTEN_FDS=1 LISTEN_PID=me", "LISTEN_PID=me"),
        ("LISTEN_FDS=1 WATCHDOG_USEC=often", "WATCHDOG_USEC=often"),
    ];
    for (environment, why) in cases {
        let said = refused(listener(), environment);
        assert!(said.contains(why), "{environment}: {said}");
    }
}

#[test]
fn sockets_of_another_process_are_not_touched() {
    let scratch = Scratch::new();
    let manager = Manager::at(&scratch.path("notify"));
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap().to_string();
    let mut command =
        hand_over(&["echo", "--port", "0"], vec![tcp.into()], "LISTEN_FDS=1 LISTEN_PID=1");
    let child = command.env("NOTIFY_SOCKET", scratch.path("notify")).spawn().unwrap();
    let _program = Program::from(child);
    let ready = manager.hear();
    assert!(ready.contains("Listening on ws://") && !ready.contains(&address), "{ready}");
}

#[test]
fn the_unit_files_start_it() {
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist/systemd");
    let unit = fs::read_to_string(units.join("sockeye.service")).unwrap();
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    assert!(unit.contains("\nType=notify\n") && unit.contains("\nWatchdogSec="));
    let mut words = command.split(' ');
    assert_eq!(words.next(), Some("/usr/local/bin/sockeye"));
    let (mut program, _) = start(&[&words.collect::<Vec<_>>()[..], &["--port", "0"]].concat(), 1);
    program.signal(Signal::TERM);
    assert_eq!(program.wait().code(), Some(0));
    let socket = fs::read_to_string(units.join("sockeye.socket")).unwrap();
    assert!(socket.contains("\nAccept=no\n"));
    let streams: Vec<_> =
        socket.lines().filter_map(|line| line.strip_prefix("ListenStream=")).collect();
    assert!(streams.iter().all(|stream| stream.parse::<std::net::SocketAddr>().is_ok()));
    assert!(!streams.is_empty());
}
