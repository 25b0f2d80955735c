//! Every example of every `--help`, run as it stands there: in a network of its own, where all
//! ports are free, and with a `/run` of its own.

use crate::namespace::{self, Namespace};
use crate::run::{PROGRAM, Program, run};
use crate::scratch::Process;
use rustix::process::Signal;
use std::io::{BufRead, Read};
use std::path::Path;

/// The servers that examples of clients talk to, by the port in their addresses. They are
/// examples themselves.
const SERVERS: [(&str, &str); 3] = [
    ("127.0.0.1:7681", "sockeye serve"),
    ("127.0.0.1:9001", "sockeye echo --port 9001"),
    ("127.0.0.1:9002", "sockeye fraggle --port 9002"),
];

/// Where the example of a daemon has its lock.
const LOCK: &str = "/run/sockeye.lock";

/// Runs the examples of a command: those at the end of its help, of which there are three.
fn run_examples(help: &[&str]) {
    let (status, text, _) = run(help);
    assert_eq!(status, Some(0), "{help:?}");
    let (_, examples) = text.split_once("\nExamples:\n").expect("help has examples");
    let examples: Vec<&str> = examples.lines().map(example).collect();
    assert_eq!(examples.len(), 3, "help ends with three examples: {examples:#?}");
    for example in examples {
        let Some(place) = namespace::or_skip(place()) else { return };
        println!("{example}");
        run_example(&place, example);
    }
}

/// The command in a line of help: what follows two spaces is a remark.
fn example(line: &str) -> &str {
    let line = line.strip_prefix("  ").unwrap_or_else(|| panic!("not indented: {line:?}"));
    line.split_once("  ").map_or(line, |(command, _)| command)
}

fn place() -> Result<Namespace, String> {
    let place = Namespace::new(&["--mount"])?;
    place.run("ip", &["link", "set", "lo", "up"])?;
    place.run("mount", &["-t", "tmpfs", "tmpfs", "/run"])?;
    Ok(place)
}

/// Starts a line as a shell would; the program is the `sockeye` in its path.
fn start(place: &Namespace, line: &str) -> Program {
    // A line that is one command shall be the process that is signalled.
    let exec = if line.contains('|') { "" } else { "exec " };
    let mut command = place.command("sh", &["-c", &format!("{exec}{line}")]);
    let directory = Path::new(PROGRAM).parent().expect("it is in a directory");
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", directory.display()));
    let mut program = Program::spawn(command);
    program.say_no_more();
    program
}

/// Serves until asked to end: a server says where it listens.
fn listens(line: &str) -> bool {
    line.starts_with("listening on ")
}

fn run_example(place: &Namespace, line: &str) {
    let needed = SERVERS.iter().filter(|(address, _)| line.contains(&format!("ws://{address}")));
    let servers: Vec<Program> = needed
        .map(|(_, server)| {
            let mut server = start(place, server);
            let mut said = String::new();
            server.stdout().read_line(&mut said).expect("stdout is text");
            assert!(listens(&said), "{said:?}");
            server
        })
        .collect();
    let mut program = start(place, line);
    let mut stdout = program.stdout();
    let mut said = String::new();
    stdout.read_line(&mut said).expect("stdout is text");
    let daemon = line.contains("--daemonize");
    if listens(&said) && !daemon {
        program.signal(Signal::TERM);
    }
    stdout.read_to_string(&mut said).expect("stdout is text");
    let (status, log) = program.verdict();
    assert_eq!(status, Some(0), "{line}: {said} {log}");
    let complaint = log.lines().find(|line| !(line.starts_with('[') && line.contains("] ")));
    assert_eq!(complaint, None, "{line}: not a line of the log");
    if daemon {
        let daemon = Process::named_in(&place.path(LOCK));
        daemon.signal(Signal::TERM);
        daemon.wait();
    }
    for mut server in servers {
        server.signal(Signal::TERM);
        assert_eq!(server.verdict(), (Some(0), String::new()), "the server of {line}");
    }
}

#[test]
fn the_examples_of_the_program_run() {
    run_examples(&["--help"]);
}

#[test]
fn the_examples_of_serve_run() {
    run_examples(&["serve", "--help"]);
}

#[test]
fn the_examples_of_echo_run() {
    run_examples(&["help", "echo"]);
}

#[test]
fn the_examples_of_connect_run() {
    run_examples(&["connect", "-h"]);
}

#[test]
fn the_examples_of_ping_run() {
    run_examples(&["help", "ping"]);
}

#[test]
fn the_examples_of_bench_run() {
    run_examples(&["bench", "--help"]);
}

#[test]
fn the_examples_of_fraggle_run() {
    run_examples(&["fraggle", "--help"]);
}

#[test]
fn every_command_is_among_these() {
    let (_, help, _) = run(&["--help"]);
    let (_, rest) = help.split_once("Commands:\n").expect("commands are listed");
    let names = rest.lines().map_while(|line| line.strip_prefix("  "));
    let names: Vec<&str> = names.filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(
        names,
        ["serve", "echo", "connect", "ping", "bench", "fraggle", "help"],
        "a test is missing above"
    );
}
