//! Functions that are longer than they should be, each with the length it may not exceed.

use super::Violation;
use super::files::File;

/// Where they are listed: a line `path name length` for each.
pub(crate) const PATH: &str = "xtask/tidy-ratchet.txt";

/// A function fits a screen.
pub(crate) const FUNCTION_LINES: usize = 70;

/// The list, and what has been seen of it.
#[derive(Debug, Default)]
pub(crate) struct Ratchet {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    line: usize,
    path: String,
    name: String,
    tolerated: usize,
    /// The longest function of this name in the file.
    present: usize,
}

impl Ratchet {
    /// Reads the list.
    pub(crate) fn read(files: &[File], found: &mut Vec<Violation>) -> Self {
        let mut ratchet = Self::default();
        let list = files.iter().find(|file| file.path == PATH);
        let text = list.and_then(|file| file.text.as_deref()).unwrap_or_default();
        for (line, text) in (1..).zip(text.lines()) {
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            match entry(line, text) {
                Some(entry) => ratchet.entries.push(entry),
                None => found.push(Violation::new(PATH, line, "not `path name length`")),
            }
        }
        ratchet
    }

    /// Takes note of a function.
    pub(crate) fn see(
        &mut self,
        path: &str,
        line: usize,
        name: &str,
        lines: usize,
        found: &mut Vec<Violation>,
    ) {
        let entry = self.entries.iter_mut().find(|e| e.path == path && e.name == name);
        let tolerated = match entry {
            Some(entry) => {
                entry.present = entry.present.max(lines);
                entry.tolerated
            }
            None => FUNCTION_LINES,
        };
        if lines > tolerated {
            let what = format!("`{name}` has {lines} lines; bring it down to {tolerated}");
            found.push(Violation::new(path, line, what));
        }
    }

    /// Finds entries that tolerate more than there is.
    pub(crate) fn finish(self, found: &mut Vec<Violation>) {
        for Entry { line, path, name, tolerated, present } in self.entries {
            if present <= FUNCTION_LINES {
                let what = format!("`{name}` in {path} is not too long; remove the entry");
                found.push(Violation::new(PATH, line, what));
            } else if present < tolerated {
                let what = format!("`{name}` in {path} has {present} lines; say so");
                found.push(Violation::new(PATH, line, what));
            }
        }
    }
}

fn entry(line: usize, text: &str) -> Option<Entry> {
    let mut words = text.split(' ');
    let (path, name) = (words.next()?.to_owned(), words.next()?.to_owned());
    let tolerated = words.next()?.parse().ok()?;
    match words.next() {
        None => Some(Entry { line, path, name, tolerated, present: 0 }),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said about a function of `lines` lines under this list.
    fn said(list: &str, lines: usize) -> Vec<String> {
        let mut found = Vec::new();
        let mut ratchet = Ratchet::read(&[File::new(PATH, list)], &mut found);
        ratchet.see("a.rs", 7, "f", lines, &mut found);
        ratchet.finish(&mut found);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_long_function_is_named_unless_it_is_listed() {
        assert_eq!(said("", 70), [""; 0]);
        assert_eq!(said("", 71), ["a.rs:7: `f` has 71 lines; bring it down to 70"]);
        assert_eq!(said("# why\na.rs f 90\n", 90), [""; 0]);
        assert_eq!(said("a.rs f 90\n", 91), ["a.rs:7: `f` has 91 lines; bring it down to 90"]);
    }

    #[test]
    fn the_list_only_shrinks() {
        let shorter = "xtask/tidy-ratchet.txt:1: `f` in a.rs has 80 lines; say so";
        assert_eq!(said("a.rs f 90\n", 80), [shorter]);
        let done = "xtask/tidy-ratchet.txt:1: `f` in a.rs is not too long; remove the entry";
        assert_eq!(said("a.rs f 90\n", 60), [done]);
        assert_eq!(said("a.rs gone 90\n", 60).len(), 1);
        assert_eq!(said("a.rs f\n", 60), ["xtask/tidy-ratchet.txt:1: not `path name length`"]);
    }
}
