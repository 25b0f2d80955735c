//! Programs that a test starts, and that shall not hold it up for ever.

use std::io;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// How long a program may run that a test has started. Only there so that nothing waits for ever:
/// longer than any test takes, however slow and busy the machine.
pub const RUN_LIMIT: Duration = Duration::from_secs(120);

/// Kills a program that is still there after [`RUN_LIMIT`], and says so: whoever waits for its end
/// or its output goes on then, and finds what it has said so far.
pub fn limit(child: &Child) {
    limit_to(child, RUN_LIMIT);
}

/// Runs a command to its end, without input; what it has said.
///
/// # Panics
///
/// If it does not start, or does not end within [`RUN_LIMIT`]; the panic tells what it said.
pub fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
}

/// Waits for a program's end; what it has said in those of its streams that are piped.
///
/// # Panics
///
/// If it does not end within [`RUN_LIMIT`]; the panic tells what it said.
pub fn finish(child: Child) -> Output {
    finish_within(child, RUN_LIMIT).unwrap_or_else(|message| panic!("{message}"))
}

fn finish_within(child: Child, limit: Duration) -> Result<Output, String> {
    let watch = limit_to(&child, limit);
    let output = child.wait_with_output().map_err(|error: io::Error| error.to_string())?;
    match watch.join() {
        Ok(false) => Ok(output),
        Ok(true) | Err(_) => {
            let text = String::from_utf8_lossy;
            let (out, err) = (text(&output.stdout), text(&output.stderr));
            Err(format!("it did not end within {limit:?}; it said: {out:?}, {err:?}"))
        }
    }
}

type Watch = std::thread::JoinHandle<bool>;

/// A thread that waits for the child's end, by a descriptor: its number may come to mean another.
/// Whether it had to be killed.
#[cfg(target_os = "linux")]
fn limit_to(child: &Child, limit: Duration) -> Watch {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).expect("it is a child");
    let patience = Timespec::try_from(limit).expect("some minutes");
    let id = child.id();
    std::thread::spawn(move || {
        let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&patience));
        let late = ended == Ok(0) && pidfd_send_signal(&process, Signal::KILL).is_ok();
        if late {
            eprintln!("process {id} was killed: it had not ended within {limit:?}");
        }
        late
    })
}

/// Elsewhere whoever runs the tests has to look after that.
#[cfg(not(target_os = "linux"))]
fn limit_to(_: &Child, _: Duration) -> Watch {
    std::thread::spawn(|| false)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("there is a shell")
    }

    #[test]
    fn a_program_that_goes_on_is_killed_and_what_it_said_is_told() {
        let child = shell("echo here; echo there >&2; exec sleep 600");
        let said = finish_within(child, Duration::from_secs(1)).unwrap_err();
        assert_eq!(said, "it did not end within 1s; it said: \"here\\n\", \"there\\n\"");
    }

    #[test]
    fn one_that_ends_is_left_alone() {
        let ended = finish(shell("echo here; exit 3"));
        assert_eq!((ended.status.code(), &ended.stdout[..]), (Some(3), &b"here\n"[..]));
        let killed = finish(shell("kill -KILL $$"));
        assert_eq!(killed.status.code(), None);
    }
}
