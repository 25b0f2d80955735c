//! `--user` and `--group`: what needs root, without which there is nothing to give up.

use crate::listening::{echo_over, start, unix};
use crate::run::{Program, command, run};
use crate::scratch::{Process, Scratch};
use rustix::process::Signal;
use sockeye_testkit::output;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Whether this is root; without, the test is skipped, which in CI is a failure.
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    assert!(root || std::env::var("CI").as_deref() != Ok("true"), "this test needs root");
    if !root {
        println!("skipped: this test needs root");
    }
    root
}

fn number_of(user: &str) -> u32 {
    let output = Command::new("id").args(["-u", user]).output().expect("there is id(1)");
    String::from_utf8(output.stdout).unwrap().trim().parse().expect("the user exists")
}

/// Makes sure that the kernel knows the process, in all its threads, as this user alone, with none
/// of the rights of root left to come back by.
fn is_for_good(process: &Process, uid: u32, gid: u32) {
    let tasks: Vec<_> = fs::read_dir(process.proc("task")).unwrap().collect();
    for task in tasks {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        // Real, effective, saved and of the file system.
        for line in [
            format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n"),
            format!("Gid:\t{gid}\t{gid}\t{gid}\t{gid}\n"),
            format!("Groups:\t{gid} \n"),
            "CapInh:\t0000000000000000\n".into(),
            "CapPrm:\t0000000000000000\n".into(),
            "CapEff:\t0000000000000000\n".into(),
            "CapAmb:\t0000000000000000\n".into(),
        ] {
            assert!(status.contains(&line), "no {line:?} in {status}");
        }
    }
}

#[test]
fn a_privileged_start_ends_as_nobody_once_it_listens() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new();
    // Where nobody but root may make a socket.
    fs::set_permissions(scratch.path("."), fs::Permissions::from_mode(0o711)).unwrap();
    let (uid, group) = (number_of("nobody"), "4321");
    let listen = format!("unix:{}", scratch.name("socket"));
    let lock = scratch.name("lock");
    let args = ["echo", "--listen", &listen, "--lock", &lock, "--user", "nobody"];
    let (mut program, _) = start(&[&args[..], &["--group", group]].concat(), 1);
    let process = Process::of(program.id());
    is_for_good(&process, uid, 4321);
    echo_over(unix(&scratch.path("socket")));
    program.signal(Signal::TERM);
    assert_eq!(program.wait().code(), Some(0));
    // Nobody may not remove what root has made there, but the lock says that nobody is left.
    assert_eq!(fs::read_to_string(&lock).unwrap(), "");
    // And neither hinders the next.
    let (mut program, _) = start(&args, 1);
    echo_over(unix(&scratch.path("socket")));
    program.signal(Signal::TERM);
    program.wait();
}

#[test]
fn a_daemon_changes_its_user_and_removes_its_files_where_it_may() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new();
    let uid = number_of("nobody");
    std::os::unix::fs::chown(scratch.path("."), Some(uid), None).unwrap();
    let listen = format!("unix:{}", scratch.name("socket"));
    let lock = scratch.name("lock");
    let args = ["serve", "--listen", &listen, "--daemonize", "--lock", &lock, "--user", "nobody"];
    let (status, _, said) = run(&args);
    assert_eq!((status, &*said), (Some(0), ""));
    let process = Process::named_in(&scratch.path("lock"));
    assert_eq!(fs::metadata(process.proc("status")).unwrap().uid(), 0, "it cannot be traced");
    let status = fs::read_to_string(process.proc("status")).unwrap();
    assert!(status.contains(&format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n")), "{status}");
    process.signal(Signal::TERM);
    process.wait();
    assert!(!scratch.path("socket").exists() && !scratch.path("lock").exists());
}

#[test]
fn who_is_not_root_cannot_become_another() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new();
    fs::set_permissions(scratch.path("."), fs::Permissions::from_mode(0o755)).unwrap();
    // Where the program was built, nobody may have no business.
    let program = scratch.path("sockeye");
    fs::copy(env!("CARGO_BIN_EXE_sockeye"), &program).unwrap();
    let uid = number_of("nobody");
    let as_nobody = |user: &str, group: &str| {
        let mut command = Command::new(&program);
        command.args(["echo", "--port", "0", "--user", user, "--group", group]);
        command.uid(uid).gid(4321).stdout(Stdio::piped()).stderr(Stdio::piped());
        Program::from(command.spawn().unwrap())
    };
    let (status, said) = as_nobody("root", "0").verdict();
    assert_eq!((status, said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("root") && said.contains("only root can"), "{said}");
    // To stay who it is, it needs nothing.
    let mut program = as_nobody("nobody", "4321");
    let address = crate::run::Server::of(&mut program, "ws");
    echo_over(std::net::TcpStream::connect(address).unwrap());
}

#[test]
fn names_that_nobody_has_are_explained() {
    let wrong: [(&[&str], &str, &str); 4] = [
        (&["--user", "no-such-user"], "--user", "\"no-such-user\""),
        (&["--user", "nobody", "--group", "no-such-group"], "--group", "\"no-such-group\""),
        (&["--group", "0"], "--user", "become this user"),
        (&["--user", "54321"], "--user", "--group"),
    ];
    for (args, option, right) in wrong {
        let output = output(&mut command(&[&["serve", "--port", "0"], args].concat()));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), &*output.stdout), (Some(2), &b""[..]), "{said}");
        assert!(said.contains(option) && said.contains(right), "{said}");
    }
}
