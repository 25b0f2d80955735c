//! Programs that do everything wrong, and all of them under valgrind.

use crate::build::{compiled, has, machine, program};
use crate::run::{Running, Server, free_port};
use crate::tls::Files;
use sockeye_testkit::Frame;
use std::path::PathBuf;
use std::process::Command;

/// What finds errors and leaks of memory, and says so by its status.
fn valgrind() -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--error-exitcode=99", "--leak-check=full"]);
    command.args(["--errors-for-leak-kinds=definite,indirect"]);
    command
}

fn two_free_ports() -> String {
    let (mut port, mut next) = (free_port(), free_port());
    while next != port + 1 {
        (port, next) = (next, free_port());
    }
    port.to_string()
}

#[test]
fn a_program_with_stale_and_made_up_handles_and_null_everywhere_survives() {
    let hostile = program("programs/hostile.c");
    let mut running = Running::of(Command::new(&hostile).arg(two_free_ports()));
    let said = running.expect_status(0);
    assert!(said.contains("the handle is none of a live context or connection"), "{said}");
    assert!(said.contains("text and 7 and 1.5"), "{said}");
    assert!(said.contains("belongs to another thread"), "{said}");
}

/// How many reasons the manual has.
const MANUALS: u32 = 27;

/// The levels after the manual's, and how many reasons each has.
const LATER: [(u32, u32); 3] = [(123, 28), (130, 36), (140, 36)];

fn at(level: u32, source: &str) -> PathBuf {
    let level = format!("-DSOCKEYE_LWS_LEVEL={level}");
    compiled(&format!("programs/{source}.c"), "gcc", &["-std=gnu99", &level])
}

#[test]
fn programs_of_later_releases_survive_it_too() {
    // At the same time: they wait more than they do.
    std::thread::scope(|scope| {
        for (level, reasons) in LATER {
            scope.spawn(move || survives_at(level, reasons));
        }
    });
}

fn survives_at(level: u32, reasons: u32) {
    for (source, sign) in [("hostile", "survived"), ("hostile-limits", "1500 connections had")] {
        let mut command = Command::new(at(level, source));
        let said = Running::of(command.arg(two_free_ports())).expect_status(0);
        assert!(said.contains(sign), "{level}: {said}");
    }
    inside_callbacks(Command::new(at(level, "hostile-callbacks")), &Files::new(), reasons, 5);
}

#[test]
fn valgrind_finds_no_error_and_no_leak() {
    if !has("valgrind") {
        return;
    }
    let hostile = program("programs/hostile.c");
    Running::of(valgrind().arg(hostile).arg(two_free_ports())).expect_status(0);
    let limits = program("programs/hostile-limits.c");
    Running::of(valgrind().arg(limits).arg(two_free_ports()).arg("5")).expect_status(0);
    // Of what the assembly of TLS does, it takes some for the use of memory nobody has written to.
    let mut command = valgrind();
    command.arg("--undef-value-errors=no").arg(program("programs/hostile-callbacks.c"));
    inside_callbacks(command, &Files::new(), MANUALS, 31);
    let recorder = program("programs/recorder.c");
    let mut arguments = vec!["--quiet", "--error-exitcode=99", "--leak-check=full"];
    arguments.extend([recorder.to_str().unwrap(), "server", "PORT", "external"]);
    let server = Server::start("valgrind".as_ref(), &arguments);
    let mut peer = server.peer();
    peer.upgrade("/", &[("Sec-WebSocket-Protocol", "record")]);
    peer.send_frame(&Frame::text("a message longer than twenty bytes"));
    assert_eq!(peer.expect_frame().payload.len(), 20);
    let mut other = server.peer();
    other.send("GET / HTTP/1.1\r\n\r\n");
    other.expect_rest_and_end();
    drop(peer);
    server.stop();
}

#[test]
fn the_sanitizers_of_the_compilers_find_nothing_in_the_c_part() {
    for compiler in ["gcc", "clang"].into_iter().filter(|compiler| has(compiler)) {
        let options = ["-std=gnu99", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
        let hostile = compiled("programs/hostile.c", compiler, &options);
        Running::of(Command::new(hostile).arg(two_free_ports())).expect_status(0);
        let limits = compiled("programs/hostile-limits.c", compiler, &options);
        Running::of(Command::new(limits).arg(two_free_ports()).arg("5")).expect_status(0);
        let program = compiled("programs/hostile-callbacks.c", compiler, &options);
        inside_callbacks(Command::new(program), &Files::new(), MANUALS, 5);
    }
}

/// The program that does everything wrong inside every callback; of its deeds each `every`th.
fn inside_callbacks(mut command: Command, files: &Files, reasons: u32, every: u32) {
    let path = |what: &str| files.dir.join(what);
    command.arg(free_port().to_string()).args([path("ca"), path("cert"), path("key")]);
    let said = Running::of(command.arg(every.to_string())).expect_status(0);
    assert!(said.contains(&format!(" 0 of {reasons} reasons missing")), "{said}");
}

#[test]
fn everything_wrong_is_done_inside_every_callback() {
    let program = program("programs/hostile-callbacks.c");
    // All of it on this machine; built for another, enough of it to see every reason.
    let every = if machine().is_empty() { 1 } else { 5 };
    inside_callbacks(Command::new(program), &Files::new(), MANUALS, every);
}

#[test]
fn who_asks_for_too_much_gets_no_more_than_there_is() {
    let mut command = Command::new(program("programs/hostile-limits.c"));
    let said = Running::of(command.arg(two_free_ports())).expect_status(0);
    assert!(said.contains("1500 connections had handles of their own"), "{said}");
}
