//! Command lines, right and wrong.

use crate::run::{Server, command, run, unread};
use sockeye_testkit::{finish, output};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

/// A command line, and what the one line about it begins with.
const WRONG: [(&[&str], &str); 33] = [
    (&["swim"], "unknown command 'swim'; the commands are serve, echo, connect"),
    (&["serv"], "unknown command 'serv', but there is 'serve'; the commands are"),
    (&["--colour"], "unknown option '--colour'; see 'sockeye --help'"),
    (&["serve", "--prt", "1"], "unknown option '--prt', but there is '--port'; see 'sockeye serve"),
    (&["serve", "x"], "unknown argument 'x'; see 'sockeye serve --help'"),
    (&["serve", "--port"], "'--port <PORT>' lacks its value (The TCP port"),
    (
        &["serve", "--port", "65536"],
        "'--port <PORT>' cannot be '65536': it takes a whole number from 0 to 65535; see",
    ),
    (&["serve", "--port", "1", "--port", "2"], "'--port <PORT>' is given more than once"),
    (&["serve", "--port", "1\n2"], "'--port <PORT>' cannot be '1\\n2': it takes"),
    (&["serve", "--bind", "nowhere"], "'--bind <ADDRESS>' cannot be 'nowhere': it takes an IP add"),
    (&["serve", "--log", "notice,loud"], "'--log <LEVELS>' cannot be 'notice,loud': unknown log"),
    (&["serve", "--log-to", "mars"], "'--log-to <WHERE>' cannot be 'mars': it takes stderr, json"),
    (&["serve", "-d", "many"], "'-d <NUMBER>' cannot be 'many': it takes a number"),
    (
        &["serve", "-d", "7", "--log", "err"],
        "'-d <NUMBER>' does not go with '--log <LEVELS>'; leave one of them out; see",
    ),
    (&["serve", "--no-deflate=yes"], "'--no-deflate' takes no value, so not 'yes'"),
    (&["serve", "--mirror"], "unknown option '--mirror'"),
    (&["serve", "--daemonize"], "'--lock <PATH>' is missing (Hold this file"),
    (&["echo", "--origin", "example.com"], "'--origin <ORIGIN>' cannot be 'example.com': it is n"),
    (&["serve", "--keepalive", "soon"], "'--keepalive <TIME[,PROBES,INTERVAL]>' cannot be 'soon'"),
    (&["echo", "--keepalive", "0s"], "'--keepalive <TIME[,PROBES,INTERVAL]>' cannot be '0s': the"),
    (&["serve", "--ping", "0s"], "'--ping <TIME[,TIME]>' cannot be '0s': both times must be mor"),
    (&["echo", "--user-timeout", "0s"], "'--user-timeout <TIME>' cannot be '0s': it must be more"),
    (&["echo", "--user-timeout", "1 day"], "'--user-timeout <TIME>' cannot be '1 day': a time is"),
    (&["serve", "--drain", "a while"], "'--drain <TIME>' cannot be 'a while': a time is a whole"),
    (&["fraggle", "--count", "2"], "'<URL>' is missing"),
    (&["fraggle", "ws://127.0.0.1/", "--count", "0"], "'--count <N>' cannot be '0': it takes a w"),
    (&["fraggle", "ws://127.0.0.1/", "--port", "1"], "'[URL]' does not go with '--port <PORT>'"),
    (&["connect"], "'<URL>' is missing (Where to, as `ws://host:port/path`"),
    (&["connect", "ftp://a/"], "'<URL>' cannot be 'ftp://a/': bad address: the URL must start"),
    (&["connect", "ws://a/", "--count", "0"], "'--count <N>' cannot be '0': it takes a whole num"),
    (&["connect", "ws://a/", "--header", "no colon"], "'--header <NAME: VALUE>' cannot be 'no col"),
    (
        &["connect", "ws://127.0.0.1/", "--header", "Sec-WebSocket-Key: x"],
        "ws://127.0.0.1/: bad request: Sec-WebSocket-Key is written by the library",
    ),
    (&["connect", "ws://127.0.0.1/", "--subprotocol", "a b"], "ws://127.0.0.1/: bad request: "),
];

#[test]
fn wrong_usage_is_one_line_on_stderr_with_status_2() {
    for (args, start) in WRONG {
        let (status, stdout, stderr) = run(args);
        assert_eq!((status, &*stdout), (Some(2), ""), "{args:?}: {stderr}");
        assert!(stderr.starts_with(&format!("sockeye: {start}")), "{args:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{args:?}: {stderr}");
    }
}

#[test]
fn an_argument_that_is_no_text_is_one_line_too() {
    let mut wrong = command(&["connect", "ws://127.0.0.1/", "--subprotocol"]);
    let output = output(wrong.arg(OsStr::from_bytes(b"\xff")));
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).expect("it says text");
    assert_eq!(
        said,
        "sockeye: an argument is not UTF-8; write it in UTF-8; see 'sockeye connect --help'\n"
    );
}

#[test]
fn the_help_tells_where_more_is_to_be_had() {
    let (_, help, _) = run(&["--help"]);
    for command in ["help", "man"] {
        assert!(help.contains(&format!("`sockeye {command} ")), "{command}: {help}");
    }
}

#[test]
fn without_a_command_there_is_help_on_stderr_with_status_2() {
    let (status, stdout, stderr) = run(&[]);
    assert_eq!((status, &*stdout), (Some(2), ""));
    assert!(stderr.contains("Usage: sockeye <COMMAND>"), "{stderr}");
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
        let output = finish(command(args).stdout(unread()).stderr(Stdio::piped()).spawn().unwrap());
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert_eq!(output.stderr, b"", "{args:?}");
    }
}

#[test]
fn a_stdout_that_is_full_is_a_failure() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut echo = command(&["echo", "--port", "0"]);
    let output = finish(echo.stdout(full).stderr(Stdio::piped()).spawn().unwrap());
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard output"));
}
