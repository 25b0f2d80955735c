//! Runs commands: their output captured, their time limited.

use std::fs;
use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often a running command is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long output may still come after the command has ended: something it started may have
/// outlived it and holds the pipe.
const AFTERMATH: Duration = Duration::from_secs(5);

/// Runs `command` to its end and gives what it printed.
///
/// `Err` holds what it printed followed by a line that says how it ended. With `loud`, output is
/// shown as it comes.
pub(crate) fn run(mut command: Command, limit: Duration, loud: bool) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let (mut child, output) = match start(&mut command, loud) {
        Ok(started) => started,
        Err(error) => return Err(format!("cannot start {name}: {error}")),
    };
    drop(command); // it holds the writing end of the pipe
    let status = wait(&mut child, limit);
    let printed = output.finish();
    match status {
        Ok(Some(status)) if status.success() => Ok(printed),
        Ok(Some(status)) => Err(with_last_line(printed, &format!("{name} ended with {status}"))),
        Ok(None) => {
            let limit = limit.as_secs();
            Err(with_last_line(printed, &format!("{name} was stopped after {limit} s")))
        }
        Err(error) => Err(with_last_line(printed, &format!("cannot wait for {name}: {error}"))),
    }
}

/// A command that goes on while others run. It is killed when this is dropped.
pub(crate) struct Background {
    name: String,
    child: Child,
    output: Output,
}

impl Background {
    /// Starts `command`.
    pub(crate) fn start(mut command: Command) -> Result<Self, String> {
        let name = command.get_program().to_string_lossy().into_owned();
        match start(&mut command, false) {
            Ok((child, output)) => Ok(Self { name, child, output }),
            Err(error) => Err(format!("cannot start {name}: {error}")),
        }
    }

    /// Waits until it has printed a line with `mark`, and gives what stands behind it.
    pub(crate) fn announced(&mut self, mark: &str, limit: Duration) -> Result<String, String> {
        let deadline = Instant::now() + limit;
        loop {
            let ended = !matches!(self.child.try_wait(), Ok(None));
            let printed = if ended { self.output.finish() } else { self.output.so_far() };
            let lines = printed.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            if let Some((_, rest)) = lines.filter_map(|line| line.split_once(mark)).next() {
                return Ok(rest.trim_end().to_owned());
            }
            if ended || Instant::now() >= deadline {
                let line = format!("{} did not print {mark:?}", self.name);
                return Err(with_last_line(printed, &line));
            }
            thread::sleep(LOOK);
        }
    }

    /// Waits for its end, and gives what it printed; whether it succeeded does not matter.
    pub(crate) fn finish(mut self, limit: Duration) -> String {
        let ended = wait(&mut self.child, limit);
        let printed = self.output.finish();
        match ended {
            Ok(Some(_)) => printed,
            Ok(None) | Err(_) => with_last_line(printed, &format!("{} was stopped", self.name)),
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = kill_with_descendants(&mut self.child);
        }
    }
}

fn start(command: &mut Command, loud: bool) -> io::Result<(Child, Output)> {
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    Ok((command.spawn()?, Output::read(reader, loud)))
}

/// `None` if the limit passed and the command was killed with all it had started.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            kill_with_descendants(child)?;
            return Ok(None);
        }
        thread::sleep(LOOK);
    }
}

fn kill_with_descendants(child: &mut Child) -> io::Result<()> {
    let below = descendants(child.id());
    child.kill()?;
    child.wait()?;
    if !below.is_empty() {
        // The standard library can only kill its own children.
        let ids = below.iter().map(u32::to_string);
        let mut kill = Command::new("sh");
        kill.args(["-c", "kill -KILL \"$@\"", "sh"]).args(ids);
        kill.stderr(Stdio::null()).status()?;
    }
    Ok(())
}

/// The processes that `parent` started, and those that they started.
fn descendants(parent: u32) -> Vec<u32> {
    let mut found = vec![parent];
    let mut next = 0;
    while let Some(id) = found.get(next) {
        let list = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        found.extend(
            list.unwrap_or_default().split_whitespace().filter_map(|id| id.parse::<u32>().ok()),
        );
        next += 1;
    }
    found.split_off(1)
}

/// What a command prints, gathered by a thread.
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Output {
    fn read(mut pipe: io::PipeReader, loud: bool) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut chunk = [0; 8192];
            while let Ok(n @ 1..) = pipe.read(&mut chunk) {
                if loud {
                    let mut out = io::stdout();
                    let _ = out.write_all(&chunk[..n]).and_then(|()| out.flush());
                }
                into.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&chunk[..n]);
            }
        });
        Self { bytes, reader }
    }

    fn so_far(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// All of it: the command has ended.
    fn finish(&self) -> String {
        let deadline = Instant::now() + AFTERMATH;
        while !self.reader.is_finished() && Instant::now() < deadline {
            thread::sleep(LOOK / 4);
        }
        let printed = self.so_far();
        if self.reader.is_finished() {
            return printed;
        }
        with_last_line(printed, "something that was started here is still running")
    }
}

fn with_last_line(mut text: String, line: &str) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(line);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const AMPLE: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_outputs_of_a_success_are_captured() {
        let printed = run(shell("echo out; echo err >&2"), AMPLE, false).unwrap();
        assert_eq!(printed, "out\nerr\n");
    }

    #[test]
    fn a_failure_shows_its_output_and_its_status() {
        let shown = run(shell("printf half; exit 3"), AMPLE, false).unwrap_err();
        assert_eq!(shown, "half\nsh ended with exit status: 3");
    }

    #[test]
    fn a_command_past_its_limit_is_stopped_with_what_it_started() {
        let script = "sleep 600 & echo $!; sleep 600";
        let shown = run(shell(script), Duration::from_millis(300), false).unwrap_err();
        let (id, rest) = shown.split_once('\n').unwrap();
        assert_eq!(rest, "sh was stopped after 0 s");
        let state = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
    }

    #[test]
    fn what_runs_in_the_background_is_heard_and_killed() {
        let mut child = Background::start(shell("echo at 1234; exec sleep 60")).unwrap();
        assert_eq!(child.announced("at ", AMPLE).unwrap(), "1234");
        let id = child.child.id();
        drop(child);
        assert!(!fs::exists(format!("/proc/{id}")).unwrap());
        let mut child = Background::start(shell("echo no")).unwrap();
        let shown = child.announced("at ", AMPLE).unwrap_err();
        assert!(shown.ends_with("sh did not print \"at \""), "{shown}");
        assert_eq!(child.finish(AMPLE), "no\n");
    }

    #[test]
    fn a_missing_program_is_named() {
        let shown = run(Command::new("no-such-program-here"), AMPLE, false).unwrap_err();
        assert!(shown.starts_with("cannot start no-such-program-here: "), "{shown}");
    }
}
