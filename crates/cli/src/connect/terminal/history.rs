//! The lines that were entered before, also in earlier sessions.
//!
//! The file has one entry a line, `\` and newlines in it written as `\\` and `\n`. Entries are
//! appended, so that sessions at a time do not lose each other's; a session that finds more than
//! are kept writes the file anew.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How many lines are kept.
const LINES: usize = 1000;
/// Longer lines are not.
const LINE_BYTES: usize = 4096;
/// Of a longer file only the end is looked at: more cannot be kept of it.
const FILE_BYTES: u64 = (LINES * (2 * LINE_BYTES + 1)) as u64;

#[derive(Default)]
pub(super) struct History {
    /// The oldest first.
    lines: VecDeque<String>,
    file: Option<PathBuf>,
}

impl History {
    /// What is in the file of this user; or why that cannot be had.
    pub(super) fn load() -> (Self, Option<String>) {
        let Some(path) = place(|name| std::env::var_os(name)) else {
            return (Self::default(), Some("there is no home directory to keep it in".to_owned()));
        };
        match Self::load_from(&path) {
            Ok(history) => (history, None),
            Err(error) => (Self::default(), Some(format!("{}: {error}", path.display()))),
        }
    }

    fn load_from(path: &Path) -> io::Result<Self> {
        let mut history = Self { lines: VecDeque::new(), file: Some(path.to_owned()) };
        let mut found = 0;
        let text = match File::open(path) {
            Ok(mut file) => end_of(&mut file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        for line in text.lines().filter(|line| !line.is_empty()) {
            found += 1;
            history.remember(unescaped(line));
        }
        if found > LINES {
            history.write_anew(path)?;
        }
        Ok(history)
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The line so many back, from 1.
    pub(super) fn back(&self, back: usize) -> Option<&str> {
        let at = self.lines.len().checked_sub(back)?;
        self.lines.get(at).map(String::as_str)
    }

    /// Keeps a line, unless it is the last one once more, or begins with a blank; or says why it
    /// cannot be written.
    pub(super) fn add(&mut self, line: &str) -> Option<String> {
        let last = self.lines.back().is_some_and(|last| last == line);
        if last || line.is_empty() || line.starts_with(' ') || line.len() > LINE_BYTES {
            return None;
        }
        self.remember(line.to_owned());
        let path = self.file.clone()?;
        let error = append(&path, line).err()?;
        self.file = None; // once is enough
        Some(format!("{}: {error}", path.display()))
    }

    fn remember(&mut self, line: String) {
        self.lines.push_back(line);
        if self.lines.len() > LINES {
            self.lines.pop_front();
        }
    }

    /// In one step, so that no other session finds half of it.
    fn write_anew(&self, path: &Path) -> io::Result<()> {
        let aside = path.with_extension(format!("new-{}", std::process::id()));
        let text: String = self.lines.iter().map(|line| escaped(line) + "\n").collect();
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&aside, path)
    }
}

/// Where it is, by the XDG Base Directory Specification.
fn place(get: impl Fn(&str) -> Option<std::ffi::OsString>) -> Option<PathBuf> {
    let absolute = |name| get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME");
    let state = state.or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("sockeye/history"))
}

fn end_of(file: &mut File) -> io::Result<String> {
    let length = file.metadata()?.len();
    let cut = length > FILE_BYTES;
    if cut {
        file.seek(SeekFrom::Start(length - FILE_BYTES))?;
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(match text.split_once('\n') {
        Some((_, whole)) if cut => whole.to_owned(),
        Some(_) | None => text,
    })
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    file.write_all((escaped(line) + "\n").as_bytes())
}

fn escaped(line: &str) -> String {
    line.replace('\\', "\\\\").replace('\n', "\\n")
}

fn unescaped(line: &str) -> String {
    let (mut text, mut chars) = (String::with_capacity(line.len()), line.chars());
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => text.push('\n'),
                other => text.extend(other),
            },
            (c, false) => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("sockeye-history-{name}-{}", std::process::id());
            Self(std::env::temp_dir().join(name))
        }

        fn file(&self) -> PathBuf {
            self.0.join("a/history")
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn all(history: &History) -> Vec<&str> {
        history.lines.iter().map(String::as_str).collect()
    }

    #[test]
    fn lines_are_there_in_the_next_session_and_are_nobody_elses() {
        let scratch = Scratch::new("next");
        let mut first = History::load_from(&scratch.file()).unwrap();
        for line in ["one", "two\\n\nthree", "", " secret", "é", "é", &"x".repeat(5000)] {
            assert_eq!(first.add(line), None);
        }
        let second = History::load_from(&scratch.file()).unwrap();
        assert_eq!(all(&second), ["one", "two\\n\nthree", "é"]);
        assert_eq!(
            (second.back(1), second.back(3), second.back(4)),
            (Some("é"), Some("one"), None)
        );
        let mode = fs::metadata(scratch.file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_thousand_lines_are_kept() {
        let scratch = Scratch::new("thousand");
        let mut first = History::load_from(&scratch.file()).unwrap();
        (0..LINES + 5).for_each(|number| assert_eq!(first.add(&number.to_string()), None));
        assert_eq!((first.len(), first.back(LINES)), (LINES, Some("5")));
        let second = History::load_from(&scratch.file()).unwrap();
        assert_eq!(all(&second), all(&first));
        let text = fs::read_to_string(scratch.file()).unwrap();
        assert_eq!(text.lines().count(), LINES);
        assert_eq!(fs::read_dir(scratch.0.join("a")).unwrap().count(), 1, "nothing is left over");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told_once() {
        let scratch = Scratch::new("not");
        fs::write(&scratch.0, "in the way").unwrap();
        let mut history = History { lines: VecDeque::new(), file: Some(scratch.file()) };
        assert!(history.add("one").is_some_and(|why| why.contains("history: ")));
        assert_eq!((history.add("two"), history.len()), (None, 2));
        fs::remove_file(&scratch.0).unwrap();
    }

    #[test]
    fn a_file_of_any_content_can_be_read() {
        let scratch = Scratch::new("any");
        fs::create_dir_all(scratch.0.join("a")).unwrap();
        let long = "y".repeat(FILE_BYTES as usize);
        for (content, count) in [(&b"\xff\\\n\n\\"[..], 2), (long.as_bytes(), 1), (b"", 0)] {
            fs::write(scratch.file(), content).unwrap();
            assert_eq!(History::load_from(&scratch.file()).unwrap().len(), count);
        }
    }

    #[test]
    fn it_is_where_the_state_of_programs_is() {
        let with = |state: &str, home: &str| {
            let found = place(|name| match name {
                "XDG_STATE_HOME" => (!state.is_empty()).then(|| state.into()),
                _ => (!home.is_empty()).then(|| home.into()),
            });
            found.map(|path| path.to_str().unwrap().to_owned())
        };
        assert_eq!(with("/s", "/h").as_deref(), Some("/s/sockeye/history"));
        assert_eq!(with("", "/h").as_deref(), Some("/h/.local/state/sockeye/history"));
        assert_eq!(with("relative", "/h").as_deref(), Some("/h/.local/state/sockeye/history"));
        assert_eq!(with("", ""), None);
    }
}
