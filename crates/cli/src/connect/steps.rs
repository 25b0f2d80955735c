//! `--verbose`: what the library says about each step, with the time it happened.

use crate::connect::output::Remarks;
use sockeye::log::{self, Levels, Record};
use std::sync::Arc;
use std::time::Instant;

/// Tells about each step from now on; times count from here.
pub(super) fn tell(remarks: &Arc<Remarks>) {
    let (began, remarks) = (Instant::now(), Arc::clone(remarks));
    log::set_levels(log::levels() | Levels::CLIENT | Levels::HEADER | Levels::EXT);
    log::set_emitter(move |record: &Record<'_>| {
        let ms = began.elapsed().as_secs_f64() * 1e3;
        remarks.push(line(record.level(), record.text(), ms));
    });
}

/// Marked as curl does: `*` is a step, `>` leaves and `<` comes.
fn line(level: Levels, text: &str, ms: f64) -> String {
    let (mark, said) = match text.split_once(": ") {
        Some((name, said)) if name.starts_with("connection ") => ('*', said),
        Some(_) | None => ('*', text),
    };
    let (mark, said) = match said.strip_prefix("sends ") {
        Some(sent) if level == Levels::HEADER => ('>', sent),
        Some(_) | None if level == Levels::HEADER => ('<', said),
        Some(_) | None => (mark, said),
    };
    format!("{mark} {ms:9.3} ms  {said}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_marked_by_what_they_tell() {
        for (level, text, expected) in [
            (Levels::CLIENT, "connection 0.0: tries [::1]:80", "*     1.500 ms  tries [::1]:80"),
            (Levels::HEADER, "connection 0.0: sends Host: a", ">     1.500 ms  Host: a"),
            (Levels::HEADER, "connection 0.0: 101 OK", "<     1.500 ms  101 OK"),
            (Levels::WARN, "odd: this", "*     1.500 ms  odd: this"),
        ] {
            assert_eq!(line(level, text, 1.5), expected);
        }
    }
}
