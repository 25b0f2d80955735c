//! What every call does, from wherever programs call it: callbacks, threads, signal handlers, and a
//! daemon.

use crate::build::{compiled, profile, program};
use crate::run::{PATIENCE, Running, free_port};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// A directory of its own for a test.
fn directory(name: &str) -> PathBuf {
    let dir = profile().join(format!("c-programs/{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir); // of an earlier process of that number
    fs::create_dir_all(&dir).unwrap();
    dir
}

#[test]
fn every_call_does_what_the_manual_says_wherever_it_is_made() {
    let dir = directory("calls");
    let file = dir.join("file");
    fs::write(&file, vec![b'x'; 30_000_000]).unwrap();
    let head = "abcHTTP/1.0 200 OK\r\nServer: libwebsockets\r\nContent-Type: a/b\r\n\
                Content-Length: 30000000\r\n\r\n";
    let all = format!("{} bytes came", 30_000_000 + head.len());
    let sanitized = ["-std=gnu99", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    for options in [&["-std=gnu99"][..], &sanitized] {
        let mut command = Command::new(compiled("programs/calls.c", "gcc", options));
        let said = Running::of(command.arg(free_port().to_string()).arg(&file)).expect_status(0);
        assert!(said.contains("the file took several calls"), "{said}");
        assert!(said.contains(&all), "{all}?\n{said}");
    }
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn values_texts_and_vetoes_are_the_manuals() {
    let dir = directory("facts");
    let file = dir.join("file");
    fs::write(&file, "localhost\n").unwrap();
    let sanitized = ["-std=gnu99", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    for options in [&["-std=gnu99"][..], &sanitized] {
        let mut command = Command::new(compiled("programs/facts.c", "gcc", options));
        let said = Running::of(command.arg(free_port().to_string()).arg(&file)).expect_status(0);
        assert!(said.contains("as the manual says"), "{said}");
    }
    fs::remove_dir_all(dir).unwrap();
}

/// `[seconds:dddd] NAME: ` before what is said at a single level.
#[test]
fn the_log_goes_to_standard_error_with_time_and_level() {
    let mut command = Command::new(program("programs/recorder.c"));
    let said = Running::of(command.args(["client", "1"])).expect_status(2);
    for text in [" NOTICE: Initial logging level 7", " ERR: libwebsocket_client_connect: connect"] {
        let line =
            said.lines().find(|line| line.contains(text)).unwrap_or_else(|| panic!("{said}"));
        let (time, rest) = line.strip_prefix('[').and_then(|line| line.split_once(']')).unwrap();
        let (seconds, digits) = time.split_once(':').unwrap();
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        assert!(seconds.len() >= 10 && digits.len() == 4, "{line}");
        assert!(is_number(seconds) && is_number(digits) && rest.starts_with(text), "{line}");
    }
}

#[test]
fn signals_and_threads_ask_for_writeable_in_a_storm() {
    let mut command = Command::new(program("programs/threads.c"));
    let said = Running::of(command.args([&free_port().to_string(), "storm"])).expect_status(0);
    assert!(said.contains("many signals, all messages"), "{said}");
    assert!(!said.contains("ERR"), "{said}");
}

#[test]
fn a_context_belongs_to_the_thread_that_services_it_and_passes_on() {
    let mut command = Command::new(program("programs/threads.c"));
    let said = Running::of(command.args([&free_port().to_string(), "owners"])).expect_status(0);
    let of_service = "libwebsocket_service: the context belongs to another thread";
    assert_eq!(said.matches(of_service).count(), 1, "{said}");
    assert_eq!(said.matches("belongs to another thread").count(), 14, "{said}");
}

/// The file's text, once its last line is there.
fn text_of(path: &Path, last: &str) -> String {
    let began = Instant::now();
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        if text.ends_with(last) {
            return text;
        }
        assert!(began.elapsed() < PATIENCE, "{}: {text}", path.display());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_daemon_has_a_lock_and_a_second_one_is_refused() {
    let dir = directory("daemon");
    let (lock, report) = (dir.join("lock"), dir.join("report"));
    let start = || {
        let mut command = Command::new("sh");
        command.args(["-c", "umask 002; exec \"$@\"", "sh"]).arg(program("programs/daemon.c"));
        Running::of(command.args([&lock, &report]))
    };
    // The parent ends in good order once the daemon is there.
    start().expect_status(0);
    let text = text_of(&report, "end\n");
    let pid = fs::read_to_string(&lock).unwrap();
    assert!(pid.bytes().all(|byte| byte.is_ascii_digit()), "{pid:?}: a number and nothing else");
    let expected = format!("pid {pid} umask 0 in /, another session, ignores SIGHUP\n");
    assert_eq!(text, format!("{expected}/dev/null\n/dev/null\n/dev/null\nend\n"));
    assert_eq!(fs::metadata(&lock).unwrap().mode() & 0o777, 0o640);
    let said = start().expect_status(1);
    assert!(said.contains(&format!("Daemon already running from pid {pid}")), "{said}");
    assert_eq!(fs::read_to_string(&lock).unwrap(), pid);
    // SIGTERM takes the lock away and ends it.
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    let began = Instant::now();
    while lock.exists() {
        assert!(began.elapsed() < PATIENCE, "the lock stays");
    }
    // What a dead one has left is told of and taken over.
    let mut dead = Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    fs::write(&lock, dead.id().to_string()).unwrap();
    fs::remove_file(&report).unwrap();
    let said = start().expect_status(0);
    let stale = format!("Removing stale lock file {} from dead pid {}", lock.display(), dead.id());
    assert!(said.contains(&stale), "{said}");
    text_of(&report, "end\n");
    let pid = fs::read_to_string(&lock).unwrap();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    while lock.exists() {
        assert!(began.elapsed() < PATIENCE, "the lock stays");
    }
    // Where no lock can be there is no daemon.
    let mut command = Command::new(program("programs/daemon.c"));
    let said = Running::of(command.args(["/no/such/directory/lock", "/dev/null"])).expect_status(3);
    assert!(
        said.contains("/no/such/directory/lock") && said.contains("lws_daemonize: 1"),
        "{said}"
    );
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn nothing_becomes_a_daemon_beside_a_context_or_as_a_child_of_init() {
    let dir = directory("no-daemon");
    let lock = dir.join("lock");
    let daemon = program("programs/daemon.c");
    let refused = |command: &mut Command| {
        let said = Running::of(command).expect_status(3);
        assert!(said.contains("lws_daemonize: 1"), "{said}");
        assert!(!lock.exists());
        said
    };
    let said = refused(Command::new(&daemon).arg(&lock).args(["/dev/null", "context"]));
    assert!(said.contains("become a daemon before the first one is built"), "{said}");
    // Where the shell is what init is elsewhere.
    let unshare = |script| {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "sh", "-c", script, "sh"]);
        command
    };
    if unshare("true").output().is_ok_and(|output| output.status.success()) {
        let run = "\"$@\"; exit $?";
        refused(unshare(run).arg(&daemon).arg(&lock).arg("/dev/null"));
    } else {
        assert!(std::env::var_os("CI").is_none(), "no numbers of its own: it takes root");
        println!("skipped in part: processes cannot be given numbers of their own here");
    }
    fs::remove_dir_all(dir).unwrap();
}
