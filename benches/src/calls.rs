//! System calls per message, counted by strace(1).
//!
//! Two runs are made, one with more messages than the other: what connections cost cancels out.

use crate::cells::{CELLS, Cell, Kind};
use crate::load::{self, Until};
use crate::make::Tools;
use crate::peers::{Peer, Server};
use crate::place::{Place, run};
use crate::server::Running;
use std::path::Path;
use std::process::Command;

/// The kinds of load for which they are counted.
const NAMES: [&str; 3] = ["binary-20-64x1", "binary-20-64x16", "binary-16k-64x1"];

/// The batches of messages on every connection, in both runs.
const BATCHES: [u64; 2] = [20, 140];
/// System calls per message of a server, under one kind of load.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    pub(crate) peer: Peer,
    pub(crate) cell: Cell,
    pub(crate) per_message: Result<f64, String>,
}

/// The kinds of load, of those that are measured.
pub(crate) fn cells(measured: &[Cell]) -> Vec<Cell> {
    let named = CELLS.iter().filter(|cell| NAMES.contains(&&*cell.name()));
    named.filter(|cell| measured.contains(cell)).copied().collect()
}

/// Counts them.
pub(crate) fn count(place: &Place, tools: &Tools, server: &Server, cell: &Cell) -> Calls {
    let one = |run: usize| once(place, tools, server, cell, run);
    let per_message = one(0).and_then(|few| {
        let many = one(1)?;
        Ok((many.calls - few.calls) / (many.messages - few.messages))
    });
    Calls { peer: server.peer, cell: *cell, per_message }
}

struct Counted {
    messages: f64,
    calls: f64,
}

fn once(
    place: &Place,
    tools: &Tools,
    server: &Server,
    cell: &Cell,
    nth: usize,
) -> Result<Counted, String> {
    let summary = place.peers()?.join("strace.txt");
    let mut command: Vec<String> = ["strace", "-f", "-c", "-o"].map(str::to_owned).to_vec();
    command.push(summary.display().to_string());
    command.extend(server.command(cell));
    let running = Running::start(&command)
        .map_err(|why| format!("{why}; apt install strace, and allow it to trace"))?;
    let traced = child_of(running.pid()).ok_or("strace has no child")?;
    let Kind::Echo { connections, depth, .. } = cell.kind else {
        return Err("only echoes are counted".to_owned());
    };
    let until = Until::Count(BATCHES[nth] * u64::from(connections) * u64::from(depth));
    let told = load::run(tools, server.peer, &running, traced, cell, &until)?;
    run(Command::new("kill").args(["-KILL", &traced.to_string()]))?;
    running.wait(); // strace writes its summary
    Ok(Counted { messages: told.count, calls: total(&summary)? })
}

/// The process that this one started.
fn child_of(pid: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_ascii_whitespace().next()?.parse().ok()
}

fn total(summary: &Path) -> Result<f64, String> {
    let text = std::fs::read_to_string(summary)
        .map_err(|error| format!("{}: {error}", summary.display()))?;
    total_of(&text).ok_or_else(|| format!("strace's summary has no total: {text:?}"))
}

/// The number of calls in the last line: `100.00 0.123456 2 60000 12 total`, of which the errors
/// may be missing.
fn total_of(summary: &str) -> Option<f64> {
    let line = summary.lines().rev().find(|line| line.trim_end().ends_with(" total"))?;
    line.split_ascii_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_found_with_and_without_errors() {
        let table = "% time  seconds  usecs/call  calls errors syscall\n------ ---- --- --- ---\n";
        let of = |total: &str| total_of(&format!("{table}{total}\n"));
        assert_eq!(of("100.00    0.002116           2      60012        12 total"), Some(60_012.0));
        assert_eq!(of("100.00    0.002116           2       913           total"), Some(913.0));
        assert_eq!(total_of(table), None);
    }

    #[test]
    fn the_kinds_of_load_that_are_counted_exist() {
        assert_eq!(cells(&CELLS).len(), NAMES.len());
    }
}
