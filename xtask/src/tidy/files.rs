//! The files that the rules look at.

use std::path::Path;
use std::process::Command;
use std::{fs, io};

/// Directories that hold nothing written by hand, for when git cannot be asked.
const SKIPPED: &[&str] = &["target", "node_modules", "__pycache__"];
/// Directories of inputs that are kept byte for byte.
const VERBATIM: &[&str] = &["corpus", "corpora"];

/// A file of the project.
#[derive(Debug)]
pub(crate) struct File {
    /// From the root, with `/`.
    pub(crate) path: String,
    /// Its size.
    pub(crate) bytes: usize,
    /// What it says, if it is text that people write.
    pub(crate) text: Option<String>,
}

impl File {
    #[cfg(test)]
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self::from_bytes(path.to_owned(), text.as_bytes().to_vec())
    }

    fn from_bytes(path: String, bytes: Vec<u8>) -> Self {
        let verbatim = path.split('/').any(|part| VERBATIM.contains(&part));
        let length = bytes.len();
        let text = String::from_utf8(bytes).ok().filter(|text| !verbatim && !text.contains('\0'));
        Self { path, bytes: length, text }
    }

    /// The part of the path after the last `/`.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Whether the name ends in `.` and one of `endings`.
    pub(crate) fn has_ending(&self, endings: &[&str]) -> bool {
        self.name().rsplit_once('.').is_some_and(|(_, ending)| endings.contains(&ending))
    }
}

/// Reads every file that git tracks or would add; without git, every file that is there.
pub(crate) fn load(root: &Path) -> io::Result<Vec<File>> {
    let mut paths = match listed_by_git(root) {
        Some(paths) => paths,
        None => {
            let mut paths = Vec::new();
            walk(root, "", &mut paths)?;
            paths
        }
    };
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let on_disk = root.join(&path);
        // Deleted but not yet committed, or a directory of its own: nothing to read.
        if on_disk.is_file() {
            files.push(File::from_bytes(path, fs::read(on_disk)?));
        }
    }
    Ok(files)
}

fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(args).current_dir(root).output().ok()?;
    let paths = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    Some(paths.split_terminator('\0').map(str::to_owned).collect())
}

fn walk(root: &Path, below: &str, paths: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        if !entry.file_type()?.is_dir() {
            paths.push(path);
        } else if !SKIPPED.contains(&&*name) && name != ".git" {
            walk(root, &path, paths)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_finds_what_git_lists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut paths = Vec::new();
        walk(root, "", &mut paths).unwrap();
        assert!(paths.iter().any(|path| path == "src/tidy/files.rs"), "{paths:?}");
    }

    #[test]
    fn what_is_not_text_is_weighed_but_not_read() {
        assert_eq!(File::from_bytes("a.png".to_owned(), vec![0xff, 0xfe]).text, None);
        assert_eq!(File::new("a.bin", "a\0b").text, None);
        let input = File::new("fuzz/corpus/head/1", "GET / HTTP/1.1");
        assert_eq!((input.bytes, input.text), (14, None));
    }
}
