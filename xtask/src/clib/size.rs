//! `cargo xtask size`: how large the C library is, and what takes the room.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{build_shared, cargo, whole};
use crate::place::Place;
use crate::run::run;
use crate::step::Outcome;

/// What it must not exceed, in bytes of text, without TLS: what it is, and 3 % for what compilers
/// do. The bound that is promised is 450,000.
const LIMIT: u64 = 430_000;
/// libwebsockets 4.1.6-3 of Debian 12 for amd64, measured in the same way. It has OpenSSL and zlib
/// beside it in libraries of their own.
const DEBIAN: Size = Size { text: 400_112, code: 238_804, data: 62_465, unwinding: 40_472 };

/// How many of the largest parts are named.
const NAMED: usize = 16;
const TOOLS: Duration = Duration::from_secs(60);

/// The size of a library as `size` sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    /// All that is loaded and not written to: the column `text`.
    text: u64,
    /// `.text`.
    code: u64,
    /// `.rodata`.
    data: u64,
    /// `.eh_frame`, `.eh_frame_hdr` and `.gcc_except_table`.
    unwinding: u64,
}

impl Size {
    fn of(library: &Path) -> Result<Self, String> {
        let sizes = tool(Command::new("size").arg(library))?;
        let text = sizes.lines().nth(1).and_then(|line| line.split_whitespace().next());
        let text = text.and_then(|text| text.parse().ok());
        let sections = tool(Command::new("size").args(["-A", "-d"]).arg(library))?;
        let section = |name: &str| -> u64 {
            let mut lines = sections.lines().map(|line| line.split_whitespace());
            let line = lines.find_map(|mut words| (words.next() == Some(name)).then_some(words));
            line.and_then(|mut words| words.next()?.parse().ok()).unwrap_or(0)
        };
        let unwinding = [".eh_frame", ".eh_frame_hdr", ".gcc_except_table"];
        Ok(Self {
            text: text.ok_or_else(|| format!("cannot read what `size` says:\n{sizes}"))?,
            code: section(".text"),
            data: section(".rodata"),
            unwinding: unwinding.into_iter().map(section).sum(),
        })
    }

    fn row(self, name: &str) -> String {
        let columns = [self.text, self.code, self.data, self.unwinding];
        let other = self.text.saturating_sub(columns[1..].iter().sum());
        let columns = columns.into_iter().chain([other]).map(|n| format!("{:>10}", grouped(n)));
        format!("{name:<30}{}\n", columns.collect::<String>())
    }
}

/// `cargo xtask size`.
pub(crate) fn run_size(place: &Place) -> Result<(), String> {
    let _alone = cargo::lock(place)?;
    let (table, text) = measured(place, true)?;
    print!("{table}");
    print!("\nCode without TLS, by crate:\n{}", rooms(place)?);
    within(text)
}

/// The step: without TLS only.
pub(crate) fn step(place: &Place) -> Outcome {
    let measured = cargo::lock(place).and_then(|_alone| measured(place, false));
    if let (Ok((table, _)), true) = (&measured, place.verbose) {
        print!("{table}");
    }
    measured.and_then(|(table, text)| within(text).map_err(|error| table + &error)).into()
}

fn within(text: u64) -> Result<(), String> {
    if text <= LIMIT {
        return Ok(());
    }
    let (text, limit) = (grouped(text), grouped(LIMIT));
    Err(format!("the C library without TLS has {text} bytes of text, more than {limit}"))
}

/// The sizes, and the text without TLS.
fn measured(place: &Place, tls: bool) -> Result<(String, u64), String> {
    let mut table = format!(
        "{:<30}{:>10}{:>10}{:>10}{:>10}{:>10}\n",
        "bytes", "text", "code", "constants", "unwinding", "other"
    );
    if tls {
        let with = Size::of(&build_shared(place, true, &[])?)?;
        table += &with.row("libwebsockets.so, with TLS");
    }
    let size = Size::of(&build_shared(place, false, &[])?)?;
    table += &size.row("libwebsockets.so, without TLS");
    table += &DEBIAN.row("Debian's libwebsockets 4.1.6");
    let limit = grouped(LIMIT);
    table += &format!("Without TLS more than {limit} fail the tests.\n");
    Ok((table, size.text))
}

/// What takes the room: a line for each crate.
fn rooms(place: &Place) -> Result<String, String> {
    let library = build_shared(place, false, &[whole::NAMES])?;
    let symbols = tool(Command::new("nm").args(["-S", "-C"]).arg(&library))?;
    let line = |(name, bytes)| format!("{bytes:>10}  {name}\n", bytes = grouped(bytes));
    Ok(parts(&symbols).into_iter().map(line).collect())
}

/// The code of each crate, largest first, from what `nm -S -C` says.
fn parts(symbols: &str) -> Vec<(String, u64)> {
    let mut sums = BTreeMap::<String, u64>::new();
    for line in symbols.lines() {
        let mut words = line.splitn(4, ' ');
        let (Some(_), Some(size), Some(kind), Some(name)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        let Ok(size) = u64::from_str_radix(size, 16) else { continue };
        if matches!(kind, "t" | "T" | "w" | "W") {
            *sums.entry(crate_of(name)).or_default() += size;
        }
    }
    let mut parts: Vec<(String, u64)> = sums.into_iter().collect();
    parts.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let rest = parts.split_off(parts.len().min(NAMED)).iter().map(|(_, bytes)| bytes).sum();
    parts.push(("others".to_owned(), rest));
    parts
}

/// The crate of a function: `<[sockeye::conn::Slot] as core::fmt::Debug>::fmt` is sockeye's.
fn crate_of(name: &str) -> String {
    let mut name = name;
    for prefix in ["<", "&", "mut ", "*const ", "*mut ", "dyn ", "[", "("].repeat(4) {
        name = name.strip_prefix(prefix).unwrap_or(name);
    }
    match name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        Some(end) if name[end..].starts_with("::") => name[..end].to_owned(),
        Some(_) => "core, alloc: of types of no crate".to_owned(),
        None => "websockets".to_owned(), // an export: the C library's own
    }
}

fn tool(command: &mut Command) -> Result<String, String> {
    let mut owned = Command::new(command.get_program());
    owned.args(command.get_args()).env("LC_ALL", "C");
    run(owned, TOOLS, false)
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = (0..digits.len())
        .filter(|at| *at == 0 || (digits.len() - at).is_multiple_of(3))
        .map(|at| &digits[at..digits.len() - (digits.len() - at - 1) / 3 * 3])
        .collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        for (number, text) in [(0, "0"), (12, "12"), (999, "999"), (1000, "1,000")] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(12_034_567), "12,034,567");
    }

    #[test]
    fn code_is_counted_for_the_crate_it_is_of() {
        assert_eq!(crate_of("<&mut sockeye::conn::Slot as core::fmt::Debug>::fmt"), "sockeye");
        assert_eq!(crate_of("<[sockeye::a::B]>::c"), "sockeye");
        assert_eq!(crate_of("core::ptr::drop_in_place<sockeye::a::B>"), "core");
        assert_eq!(crate_of("lws_hdr_copy"), "websockets");
        let symbols = "\
0000000000001000 0000000000000010 t core::fmt::write
0000000000001010 0000000000000020 T lws_hdr_copy
0000000000001030 0000000000000100 r core::TABLE
                 U memcpy
";
        let parts = parts(symbols);
        assert_eq!(parts[0], ("websockets".to_owned(), 32));
        assert_eq!(parts[1], ("core".to_owned(), 16));
        assert_eq!(parts[2], ("others".to_owned(), 0));
    }
}
