//! Command lines, right and wrong.

use crate::run::{Server, command, run, unread};
use std::fs::File;
use std::process::Stdio;

#[test]
fn wrong_usage_is_explained_on_stderr_with_status_2() {
    let wrong: [(&[&str], &str); 24] = [
        (&["swim"], "swim"),
        (&["serve", "--port", "65536"], "--port"),
        (&["serve", "--bind", "nowhere"], "--bind"),
        (&["serve", "--log", "notice,loud"], "loud"),
        (&["serve", "-d", "many"], "-d"),
        (&["serve", "-d", "7", "--log", "err"], "--log"),
        (&["serve", "--origin", "any"], "--origin"),
        (&["echo", "--origin", "example.com"], "--origin"),
        (&["serve", "--keepalive", "soon"], "--keepalive"),
        (&["echo", "--keepalive", "0s"], "keepalive time"),
        (&["connect", "ws://127.0.0.1/", "--keepalive", "1s,200,1s"], "127"),
        (&["serve", "--ping", "0s"], "--ping"),
        (&["echo", "--user-timeout", "0s"], "--user-timeout"),
        (&["echo", "--user-timeout", "1 day"], "as in 1500ms"),
        (&["serve", "--drain", "a while"], "--drain"),
        (&["fraggle", "--count", "2"], "URL"),
        (&["fraggle", "ws://127.0.0.1/", "--count", "0"], "--count"),
        (&["fraggle", "ws://127.0.0.1/", "--port", "1"], "--port"),
        (&["connect"], "URL"),
        (&["connect", "ftp://127.0.0.1/"], "ftp"),
        (&["connect", "wss://127.0.0.1/"], "TLS"),
        (&["connect", "ws://127.0.0.1/", "--count", "0"], "--count"),
        (&["connect", "ws://127.0.0.1/", "--header", "no colon"], "--header"),
        (&["connect", "ws://127.0.0.1/", "--header", "Sec-WebSocket-Key: x"], "Sec-WebSocket-Key"),
    ];
    for (args, named) in wrong {
        let (status, stdout, stderr) = run(args);
        assert_eq!((status, &*stdout), (Some(2), ""), "{args:?}: {stderr}");
        assert!(stderr.contains(named), "{args:?}: {stderr}");
    }
}

#[test]
fn help_ends_with_examples() {
    let helps: [&[&str]; 5] = [
        &["--help"],
        &["serve", "--help"],
        &["help", "echo"],
        &["connect", "-h"],
        &["help", "fraggle"],
    ];
    for args in helps {
        let (status, stdout, stderr) = run(args);
        assert_eq!((status, &*stderr), (Some(0), ""), "{args:?}");
        let (_, examples) = stdout.split_once("\nExamples:\n").expect("examples");
        assert!(examples.lines().all(|line| line.starts_with("  sockeye ") || line.contains('|')));
    }
}

#[test]
fn the_version_is_told() {
    let expected = format!("sockeye {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(&["--version"]), (Some(0), expected, String::new()));
}

#[test]
fn a_port_that_is_taken_is_one_clear_line() {
    let first = Server::echo();
    let port = first.address.port().to_string();
    for name in ["serve", "echo"] {
        let (status, stdout, stderr) = run(&[name, "--port", &port]);
        assert_eq!((status, &*stdout), (Some(1), ""));
        let address = first.address.to_string();
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert_eq!(stderr.matches(&address).count(), 1, "{stderr}");
        assert!(stderr.contains("--port"), "{stderr}");
    }
}

#[test]
fn an_address_of_another_machine_is_one_clear_line() {
    // Reserved for documentation by RFC 5737, so no machine has it.
    let (status, stdout, stderr) = run(&["serve", "--bind", "192.0.2.1", "--port", "0"]);
    assert_eq!((status, &*stdout, stderr.lines().count()), (Some(1), "", 1), "{stderr}");
    assert!(stderr.contains("192.0.2.1") && stderr.contains("--bind"), "{stderr}");
}

#[test]
fn a_stdout_that_nobody_reads_ends_the_program_quietly() {
    let commands: [&[&str]; 3] = [&["serve", "--port", "0"], &["echo", "--port", "0"], &["--help"]];
    for args in commands {
        let output = command(args).stdout(unread()).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert_eq!(output.stderr, b"", "{args:?}");
    }
}

#[test]
fn a_stdout_that_is_full_is_a_failure() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output =
        command(&["echo", "--port", "0"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard output"));
}
