//! A terminal for the program: tmux keeps its screen, which tests look at, and presses its keys.

use crate::namespace::or_skip;
use crate::run::PROGRAM;
use crate::scratch::Scratch;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Only so that nothing waits for ever; no test asks how long something took.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a screen.
const BLINK: Duration = Duration::from_millis(10);

/// A terminal with the program in it, both ended with the test.
pub(crate) struct Screen {
    /// Where tmux has its socket, and programs their state.
    place: Scratch,
}

impl Screen {
    /// Of so many columns and rows; without tmux there is none, which in CI is a failure. When the
    /// program has ended, the last line tells its status, and whether the terminal is as it was.
    pub(crate) fn start(size: (u16, u16), args: &[&str]) -> Option<Self> {
        Self::start_with(size, &[], args)
    }

    /// With these variables set.
    pub(crate) fn start_with(
        size: (u16, u16),
        variables: &[(&str, &str)],
        args: &[&str],
    ) -> Option<Self> {
        let words: Vec<String> = args.iter().map(|arg| format!("'{arg}'")).collect();
        let program = format!("'{PROGRAM}' {}", words.join(" "));
        Self::run(size, variables, &program)
    }

    /// With a line for the shell instead of the program.
    pub(crate) fn run(
        (columns, rows): (u16, u16),
        variables: &[(&str, &str)],
        line: &str,
    ) -> Option<Self> {
        let lacks = || "needs tmux: apt install tmux".to_owned();
        let version = Command::new("tmux").arg("-V").stdout(Stdio::null()).status();
        or_skip(version.map_err(|_| lacks()))?;
        let screen = Self { place: Scratch::new() };
        let script = format!(
            "trap : INT; was=$(stty -g); {line}; status=$?; \
             [ \"$was\" = \"$(stty -g)\" ] && is=sane || is=changed; \
             echo \"status $status, terminal $is\"; read end"
        );
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let mut command = screen.command(&["-u", "-f", "/dev/null", "new-session", "-d"]);
        command.args(["-x", &columns, "-y", &rows, "sh", "-c", &script]);
        command.env("LC_ALL", "C.UTF-8").env("XDG_STATE_HOME", screen.state());
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        command.env_remove("NO_COLOR").env_remove("TMUX");
        command.envs(variables.iter().copied());
        assert!(command.status().expect("tmux runs").success());
        Some(screen)
    }

    /// Where programs in it keep their state, unless told otherwise.
    pub(crate) fn state(&self) -> PathBuf {
        self.place.path("state")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.place.path("tmux")).args(args);
        command
    }

    fn tmux(&self, args: &[&str]) -> String {
        let output = self.command(args).output().expect("tmux runs");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {complaint}");
        String::from_utf8(output.stdout).expect("the screen has text")
    }

    /// Types text.
    pub(crate) fn text(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    /// Presses keys, by the names that tmux has for them.
    pub(crate) fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Pastes text, marked as such if the program asks for that.
    pub(crate) fn paste(&self, text: &str) {
        self.tmux(&["set-buffer", text]);
        self.tmux(&["paste-buffer", "-p"]);
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
        // Programs are told a little later, if sizes change often.
        let terminal = self.tmux(&["display-message", "-p", "#{pane_tty}"]);
        let told = || {
            let stty = Command::new("stty").args(["-F", terminal.trim(), "size"]).output();
            let size = String::from_utf8(stty.expect("stty runs").stdout).expect("two numbers");
            size.trim() == format!("{rows} {columns}")
        };
        self.until("the new size", |_| told());
    }

    /// What is on it: its lines, without the empty ones at the end.
    pub(crate) fn lines(&self) -> Vec<String> {
        let screen = self.tmux(&["capture-pane", "-p"]);
        screen.trim_end_matches('\n').lines().map(str::to_owned).collect()
    }

    /// The same with its colours.
    pub(crate) fn colours(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e"])
    }

    /// The column and row of the cursor, from 0.
    pub(crate) fn cursor(&self) -> (usize, usize) {
        let place = self.tmux(&["display-message", "-p", "#{cursor_x} #{cursor_y}"]);
        let (column, row) = place.trim().split_once(' ').expect("two numbers");
        (column.parse().expect("a number"), row.parse().expect("a number"))
    }

    /// Waits until this is so; what is on it then.
    pub(crate) fn until(&self, what: &str, is: impl Fn(&[String]) -> bool) -> Vec<String> {
        let began = Instant::now();
        loop {
            let lines = self.lines();
            if is(&lines) {
                return lines;
            }
            let late = began.elapsed() > PATIENCE;
            assert!(!late, "waiting for {what}, at last:\n{}", lines.join("\n"));
            thread::sleep(BLINK);
        }
    }

    /// Waits until a line is just this.
    pub(crate) fn until_line(&self, wanted: &str) -> Vec<String> {
        self.until(wanted, |lines| lines.iter().any(|line| line == wanted))
    }

    /// Waits until the last lines are just these.
    pub(crate) fn until_end(&self, wanted: &[&str]) -> Vec<String> {
        let ends = |lines: &[String]| {
            let from = lines.len().checked_sub(wanted.len());
            from.is_some_and(|from| lines[from..] == *wanted)
        };
        self.until(&format!("{wanted:#?}"), ends)
    }

    /// Waits for the cursor to be in this column of the last line.
    pub(crate) fn until_cursor(&self, column: usize) {
        self.until(&format!("the cursor in column {column}"), |lines| {
            self.cursor() == (column, lines.len().max(1) - 1)
        });
    }

    /// Waits for the end of the program, with this status and the terminal as it was.
    pub(crate) fn until_ended(&self, status: u8) -> Vec<String> {
        let wanted = format!("status {status}, terminal sane");
        self.until(&wanted, |lines| lines.concat().ends_with(&wanted))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The server is the test's own, at a socket of its own.
        let _ = self.command(&["kill-server"]).stderr(Stdio::null()).status();
    }
}
