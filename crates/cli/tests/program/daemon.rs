//! `--daemonize` and `--lock`.

use crate::run::{Peer, Server, address_in, close_of, command, finish, open, run, say, text};
use crate::scratch::{Process, Scratch, stat};
use rustix::process::Signal;
use sockeye_testkit::output;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Stdio;
use tungstenite::Message;

/// A server in the background, and who started it long gone.
struct Daemon {
    process: Process,
    address: SocketAddr,
}

/// Starts one, which is to succeed without a word on stderr.
fn daemon(lock: &str, options: &[&str]) -> Daemon {
    let args = [&["serve", "--daemonize", "--port", "0", "--lock", lock], options].concat();
    let (status, stdout, stderr) = run(&args);
    assert_eq!((status, &*stderr), (Some(0), ""));
    Daemon { process: Process::named_in(Path::new(lock)), address: address_in(&stdout, "http") }
}

impl Daemon {
    /// Asks it to end, and waits for that.
    fn end(&self) {
        self.process.signal(Signal::TERM);
        self.process.wait();
    }
}

#[test]
fn the_daemon_serves_and_has_left_everything_behind() {
    let scratch = Scratch::new();
    let daemon = daemon(&scratch.name("lock"), &[]);
    let mut client = open(daemon.address, "lws-mirror-protocol");
    say(&mut client, "c #000000 1 1 2 2;");
    assert_eq!(text(&mut client), "c #000000 1 1 2 2;");

    let process = &daemon.process;
    for standard in ["fd/0", "fd/1", "fd/2"] {
        assert_eq!(fs::read_link(process.proc(standard)).unwrap(), Path::new("/dev/null"));
    }
    assert_eq!(fs::read_link(process.proc("cwd")).unwrap(), Path::new("/"));
    let own = std::process::id();
    let fields = stat(process.pid);
    let [parent, _group, session, terminal] = [1, 2, 3, 4].map(|field: usize| &fields[field]);
    assert_ne!(*parent, own.to_string());
    assert_ne!(*session, stat(own)[3], "a session of its own");
    assert_ne!(*session, process.pid.to_string(), "which it does not lead");
    assert_eq!(terminal, "0");
    let status = fs::read_to_string(process.proc("status")).unwrap();
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:\t")).unwrap();
    assert_eq!(u32::from_str_radix(umask, 8).unwrap() & 0o022, 0o022, "{umask}");
    // Nobody hangs up on it.
    daemon.process.signal(Signal::HUP);
    say(&mut client, "c #000000 3 3 4 4;");
    assert_eq!(text(&mut client), "c #000000 3 3 4 4;");
    daemon.process.signal(Signal::TERM);
    finish(client);
    daemon.process.wait();
}

#[test]
fn sigterm_under_load_closes_every_connection_and_removes_the_lock() {
    let scratch = Scratch::new();
    let daemon = daemon(&scratch.name("lock"), &[]);
    let mut clients: Vec<Peer> =
        (0..100).map(|_| open(daemon.address, "lws-mirror-protocol")).collect();
    // What each of them says goes to all of them.
    for client in &mut clients {
        say(client, "c #000000 1 1 2 2;");
    }
    daemon.process.signal(Signal::TERM);
    for mut client in clients {
        let code = loop {
            if let Message::Close(frame) = client.read().expect("a close frame comes") {
                break frame.map(|frame| u16::from(frame.code));
            }
        };
        assert_eq!(code, Some(1001));
        finish(client);
    }
    daemon.process.wait();
    assert!(!scratch.path("lock").exists());
}

#[test]
fn a_lock_that_nobody_holds_is_taken_over_whatever_process_it_names() {
    let scratch = Scratch::new();
    let lock = scratch.name("lock");
    let own = std::process::id().to_string();
    // A process that has ended, one that runs and is another, as lock files of 2013 are written;
    // what a full disk leaves; an old, longer number.
    let mut ended = command(&["--version"]).stdout(Stdio::null()).spawn().unwrap();
    ended.wait().unwrap();
    for stale in [ended.id().to_string(), own.clone(), format!("{own}\n"), String::new()] {
        fs::write(&lock, &stale).unwrap();
        let daemon = daemon(&lock, &[]);
        assert_ne!(daemon.process.pid.to_string(), own);
        daemon.end();
        assert!(!scratch.path("lock").exists());
    }
}

#[test]
fn a_lock_left_by_sigkill_is_no_hindrance() {
    let scratch = Scratch::new();
    let lock = scratch.name("lock");
    let killed = daemon(&lock, &[]);
    killed.process.signal(Signal::KILL);
    killed.process.wait();
    assert!(scratch.path("lock").exists());
    let next = daemon(&lock, &[]);
    assert_ne!(next.process.pid, killed.process.pid);
    next.end();
}

#[test]
fn of_simultaneous_starts_one_wins_and_the_others_name_it() {
    let scratch = Scratch::new();
    let lock = scratch.name("lock");
    let args = ["serve", "--daemonize", "--port", "0", "--lock", &lock];
    let starts: Vec<_> = (0..8)
        .map(|_| command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    let outputs: Vec<_> = starts.into_iter().map(sockeye_testkit::finish).collect();
    let winner = Process::named_in(&scratch.path("lock"));
    let (won, lost): (Vec<_>, Vec<_>) =
        outputs.into_iter().partition(|output| output.status.success());
    assert_eq!(won.len(), 1);
    for output in lost {
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!((said.lines().count(), &*output.stdout), (1, &b""[..]), "{said}");
        assert!(said.contains(&lock) && said.contains("held by process"), "{said}");
    }
    // And whoever comes later.
    let (status, _, said) = run(&args);
    assert_eq!(status, Some(1));
    assert!(said.contains(&lock) && said.contains(&winner.pid.to_string()), "{said}");
    winner.signal(Signal::TERM);
    winner.wait();
}

#[test]
fn what_is_no_lock_file_is_refused_and_left_alone() {
    let scratch = Scratch::new();
    let precious = scratch.path("precious");
    fs::write(&precious, "root:x:0:0\n").unwrap();
    let link = scratch.path("link");
    symlink(scratch.path("elsewhere"), &link).unwrap();
    let pipe = scratch.path("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let cases = [
        (scratch.path("missing/lock"), "No such file"),
        (scratch.path("precious/lock"), "Not a directory"),
        (scratch.path("."), "directory"),
        (precious.clone(), "left alone"),
        (link, "symbolic link"),
        (pipe, "not a regular file"),
    ];
    for (path, why) in cases {
        let path = path.to_str().unwrap();
        for background in [&["--daemonize"][..], &[]] {
            let (status, stdout, said) =
                run(&[&["serve", "--port", "0", "--lock", path], background].concat());
            assert_eq!((status, &*stdout, said.lines().count()), (Some(1), "", 1), "{said}");
            assert!(said.contains(path) && said.contains(why), "{said}");
        }
    }
    assert_eq!(fs::read_to_string(&precious).unwrap(), "root:x:0:0\n");
    assert!(!scratch.path("elsewhere").exists());
}

#[test]
fn a_daemon_that_cannot_serve_is_a_failure_of_who_started_it() {
    let scratch = Scratch::new();
    let taken = Server::serve();
    let port = taken.address.port().to_string();
    let lock = scratch.name("lock");
    let (status, stdout, said) = run(&["serve", "--daemonize", "--lock", &lock, "--port", &port]);
    assert_eq!((status, &*stdout, said.lines().count()), (Some(1), "", 1), "{said}");
    assert!(said.starts_with("sockeye: ") && said.contains("--port"), "{said}");
    assert!(!Path::new(&lock).exists());
}

#[test]
fn a_lock_is_held_in_the_foreground_too() {
    let scratch = Scratch::new();
    let lock = scratch.name("lock");
    let mut server = Server::start(&["serve", "--pid-file", &lock], "http");
    let process = Process::named_in(&scratch.path("lock"));
    let (status, _, said) = run(&["echo", "--port", "0", "--lock", &lock]);
    assert_eq!(status, Some(1));
    assert!(said.contains(&process.pid.to_string()), "{said}");
    let mut client = server.open("lws-mirror-protocol");
    server.program.signal(Signal::TERM);
    assert_eq!(close_of(&mut client).0, 1001);
    finish(client);
    assert_eq!(server.program.verdict(), (Some(0), String::new()));
    assert!(!scratch.path("lock").exists());
}

#[test]
fn only_the_file_that_is_held_is_removed() {
    let scratch = Scratch::new();
    let lock = scratch.path("lock");
    let daemon = daemon(&scratch.name("lock"), &[]);
    let held = fs::metadata(&lock).unwrap().ino();
    fs::rename(&lock, scratch.path("moved")).unwrap();
    fs::write(&lock, "another's").unwrap();
    assert_ne!(fs::metadata(&lock).unwrap().ino(), held);
    daemon.end();
    assert_eq!(fs::read_to_string(&lock).unwrap(), "another's");
}

#[test]
fn wrong_usage_is_explained() {
    let (status, _, said) = run(&["serve", "--daemonize"]);
    assert_eq!(status, Some(2));
    assert!(said.contains("--lock"), "{said}");
    for to in ["stderr", "json"] {
        let (status, _, said) =
            run(&["serve", "--daemonize", "--lock", "/nowhere/lock", "--log-to", to]);
        assert_eq!((status, said.lines().count()), (Some(2), 1), "{said}");
        assert!(said.contains("--log-to") && said.contains("syslog"), "{said}");
    }
}

#[test]
fn a_daemon_logs_where_it_is_told_to() {
    let scratch = Scratch::new();
    let log = UnixDatagram::bind(scratch.path("syslog")).unwrap();
    let lock = scratch.name("lock");
    let args = ["--log-to", "syslog:syslog", "--log", "info"];
    let mut command = command(&["serve", "--daemonize", "--port", "0", "--lock", "lock"]);
    let output = output(command.args(args).current_dir(scratch.path(".")));
    assert!(output.status.success());
    let process = Process::named_in(Path::new(&lock));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let mut client = open(address_in(&stdout, "http"), "lws-mirror-protocol");
    client.close(None).unwrap();
    finish(client);
    let mut line = [0; 1024];
    let length = log.recv(&mut line).unwrap();
    let line = str::from_utf8(&line[..length]).unwrap();
    assert!(line.contains(&format!("sockeye[{}]: ", process.pid)), "{line}");
    process.signal(Signal::TERM);
    process.wait();
}
