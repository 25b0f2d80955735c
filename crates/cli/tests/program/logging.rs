//! What is logged on stderr.

use crate::run::{Server, finish};
use rustix::process::Signal;

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
