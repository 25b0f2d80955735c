//! What is printed and written.

use crate::Options;
use crate::calls::Calls;
use crate::cells::{Cell, GROUPS, Kind, about};
use crate::make::Built;
use crate::measure::Measured;
use crate::peers::Peer;
use crate::place::Place;
use crate::plot;
use crate::rows::{ROWS, Verdict, rates};
use crate::stats::{Spread, median};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

/// All measurements, and what comes of them.
pub(crate) struct Results<'m> {
    peers: &'m [Peer],
    cells: &'m [Cell],
    rounds: u32,
    all: &'m [Measured],
    calls: &'m [Calls],
    missing: &'m [(Peer, String)],
    versions: &'m [String],
}

impl<'m> Results<'m> {
    pub(crate) fn new(
        options: &'m Options,
        built: &'m Built,
        all: &'m [Measured],
        calls: &'m [Calls],
    ) -> Self {
        Self {
            peers: &options.peers,
            cells: &options.cells,
            rounds: options.rounds,
            all,
            calls,
            missing: &built.missing,
            versions: &built.versions,
        }
    }

    /// What was measured of a server under one kind of load.
    fn of(&self, peer: Peer, cell: &Cell) -> impl Iterator<Item = &'m Measured> {
        let cell = *cell;
        let is = move |m: &&Measured| m.peer == peer && m.cell == cell && m.failure.is_none();
        self.all.iter().filter(is)
    }

    /// The median over the rounds.
    fn middle(
        &self,
        peer: Peer,
        cell: &Cell,
        what: impl Fn(&Measured) -> Option<f64>,
    ) -> Option<f64> {
        median(self.of(peer, cell).filter_map(what))
    }

    /// Kinds of load that are about rates, and not about memory.
    fn rate_cells(&self) -> impl Iterator<Item = &'m Cell> {
        self.cells.iter().filter(|cell| !cell.is_once())
    }

    /// Everything as Markdown.
    pub(crate) fn tables(&self) -> String {
        [
            self.rows(),
            self.groups(),
            self.cells(),
            self.latencies(),
            self.system_calls(),
            self.memory(),
            self.troubles(),
        ]
        .concat()
    }

    fn rows(&self) -> String {
        let mut text = "## What is to be reached\n\nMedians of the ratios of single rounds, and \
                        the interval that holds the median with a confidence of 90 % (bootstrap). \
                        Reached: the interval includes the bound, or lies beyond it, and the \
                        median misses it by 3 % at most. Bytes are judged as they are.\n\n\
                        | what | bound | median | interval | of | reached |\n\
                        |---|---|---|---|---|---|\n"
            .to_owned();
        let mut reached = 0;
        for row in &ROWS {
            let (what, bound) = row.words();
            let judged = row.judge(self.all);
            reached += usize::from(judged.verdict == Verdict::Reached);
            let figures = match judged.spread {
                None => "– | – | –".to_owned(),
                Some(Spread { median, count, .. }) if row.is_bytes() => {
                    format!("{median:.0} B | – | {count}")
                }
                Some(Spread { median, low, high, count }) => {
                    format!("{median:.3} | {low:.3}–{high:.3} | {count}")
                }
            };
            let _ = writeln!(text, "| {what} | {bound} | {figures} | {} |", judged.verdict.word());
        }
        let _ = writeln!(text, "\n{reached} of {} are reached.\n", ROWS.len());
        text
    }

    /// Servers but uWebSockets, which counts as 1.
    fn others(&self) -> impl Iterator<Item = Peer> {
        self.peers.iter().copied().filter(|&peer| peer != Peer::Uwebsockets)
    }

    fn groups(&self) -> String {
        let mut text = "## By groups of loads\n\nMessages (deliveries, handshakes) per second of \
                        server processor time, as ratios to uWebSockets in the same round; the \
                        medians.\n\n| load |"
            .to_owned();
        self.others().for_each(|peer| text += &format!(" {} |", peer.title()));
        text += "\n|---|";
        self.others().for_each(|_| text += "---|");
        text += "\n";
        for (group, about) in GROUPS {
            let ratio = |peer| median(rates(self.rates_only(group)?, group, peer, BASE));
            let ratios: Vec<Option<f64>> = self.others().map(ratio).collect();
            if ratios.iter().any(Option::is_some) {
                let ratios: Vec<String> = ratios.into_iter().map(figure).collect();
                let _ = writeln!(text, "| {about} | {} |", ratios.join(" | "));
            }
        }
        text + "\n"
    }

    /// All measurements, if this group is one of rates.
    fn rates_only(&self, group: &str) -> Option<&'m [Measured]> {
        self.rate_cells().any(|cell| cell.group == group).then_some(self.all)
    }

    fn cells(&self) -> String {
        let mut text = "## By loads\n\nMessages (deliveries, handshakes) per second of server \
                        processor time, in thousands: the medians of the rounds. By themselves \
                        they say what this machine was like; what counts are the ratios.\n\n\
                        | load |"
            .to_owned();
        self.peers.iter().for_each(|peer| text += &format!(" {} |", peer.title()));
        text += "\n|---|";
        self.peers.iter().for_each(|_| text += "---|");
        text += "\n";
        for cell in self.rate_cells() {
            let rate = |&peer| self.middle(peer, cell, |m| Some(m.value / 1000.0));
            let rates: Vec<String> = self
                .peers
                .iter()
                .map(|peer| rate(peer).map_or_else(|| "–".to_owned(), |rate| format!("{rate:.1}")))
                .collect();
            let _ = writeln!(text, "| {} | {} |", cell.name(), rates.join(" | "));
        }
        text + "\n"
    }

    fn latencies(&self) -> String {
        let mut text = "## Latency, bytes and memory\n\nMicroseconds, the medians of the rounds: \
                        half / 99 % / 99.9 % of the messages took no longer, at full load. Bytes \
                        from the server per message, with its head. Resident memory of the server \
                        at the end, in MiB.\n\n\
                        | load | server | latency | bytes | memory |\n|---|---|---|---|---|\n"
            .to_owned();
        for cell in self.rate_cells() {
            for &peer in self.peers {
                let part = |of: usize| self.middle(peer, cell, |m| Some(m.latency?[of] / 1000.0));
                let (Some(p50), Some(p99), Some(p999)) = (part(0), part(1), part(2)) else {
                    continue;
                };
                let wire = self.middle(peer, cell, |m| m.wire);
                let wire = wire.map_or_else(|| "–".to_owned(), |wire| format!("{wire:.0}"));
                let memory = self.middle(peer, cell, |m| Some(m.memory? / f64::from(1 << 20)));
                let memory = memory.unwrap_or(f64::NAN);
                let (name, peer) = (cell.name(), peer.title());
                let _ = writeln!(
                    text,
                    "| {name} | {peer} | {p50:.0} / {p99:.0} / {p999:.0} | {wire} | {memory:.1} |"
                );
            }
        }
        text + "\n"
    }

    fn system_calls(&self) -> String {
        if self.calls.is_empty() {
            return String::new();
        }
        let mut cells: Vec<Cell> = Vec::new();
        for calls in self.calls {
            if !cells.contains(&calls.cell) {
                cells.push(calls.cell);
            }
        }
        let mut text = "## System calls per message\n\nCounted under strace, which slows the \
                        server down: it finds more to do whenever it looks.\n\n| server |"
            .to_owned();
        cells.iter().for_each(|cell| text += &format!(" {} |", cell.name()));
        text += "\n|---|";
        cells.iter().for_each(|_| text += "---|");
        text += "\n";
        for &peer in self.peers {
            let of = |cell: &Cell| self.calls.iter().find(|c| c.peer == peer && c.cell == *cell);
            let counts: Vec<String> = cells
                .iter()
                .map(|cell| of(cell).and_then(|calls| calls.per_message.as_ref().ok().copied()))
                .map(figure)
                .collect();
            if counts.iter().any(|count| count != "–") {
                let _ = writeln!(text, "| {} | {} |", peer.title(), counts.join(" | "));
            }
        }
        text + "\n"
    }

    fn memory(&self) -> String {
        let cells: Vec<&Cell> =
            self.cells.iter().filter(|c| matches!(c.kind, Kind::Memory { .. })).collect();
        if cells.is_empty() {
            return String::new();
        }
        let mut text = "## Memory of idle connections\n\nBytes by which the server's resident \
                        memory grows for each connection that is opened and stays silent, after \
                        some have come and gone. The servers keep nothing of their own for a \
                        connection. What the kernel keeps for its sockets is not in it.\n\n\
                        | server |"
            .to_owned();
        cells.iter().for_each(|cell| text += &format!(" {} |", about(cell.group)));
        text += "\n|---|";
        cells.iter().for_each(|_| text += "---|");
        text += "\n";
        for &peer in self.peers {
            let bytes = |cell: &&Cell| self.middle(peer, cell, |m| Some(m.value));
            let all: Vec<Option<f64>> = cells.iter().map(bytes).collect();
            if all.iter().any(Option::is_some) {
                let shown = |bytes: Option<f64>| {
                    bytes.map_or_else(|| "–".to_owned(), |bytes| format!("{bytes:.0}"))
                };
                let all: Vec<String> = all.into_iter().map(shown).collect();
                let _ = writeln!(text, "| {} | {} |", peer.title(), all.join(" | "));
            }
        }
        text + "\n"
    }

    /// Who is missing, what failed, and what means nothing to whom.
    fn troubles(&self) -> String {
        let mut text = "## Not measured\n\n".to_owned();
        for (peer, why) in self.missing {
            let _ = writeln!(text, "* {}: {why}", peer.title());
        }
        let mut failures: BTreeMap<(Peer, String, &str), u32> = BTreeMap::new();
        for measured in self.all {
            if let Some(why) = &measured.failure {
                *failures.entry((measured.peer, measured.cell.name(), why)).or_default() += 1;
            }
        }
        for ((peer, cell, why), times) in failures {
            let _ = writeln!(text, "* {}, {cell}, in {times} rounds: {why}", peer.title());
        }
        for calls in self.calls {
            if let Err(why) = &calls.per_message {
                let (peer, cell) = (calls.peer.title(), calls.cell.name());
                let _ = writeln!(text, "* {peer}, system calls of {cell}: {why}");
            }
        }
        let mut lacking: BTreeMap<(Peer, &str), Vec<String>> = BTreeMap::new();
        for &peer in self.peers {
            for cell in self.cells {
                if let Some(why) = peer.lacks(cell) {
                    lacking.entry((peer, why)).or_default().push(cell.name());
                }
            }
        }
        for ((peer, why), cells) in lacking {
            let _ = writeln!(text, "* {}: {why} ({})", peer.title(), cells.join(", "));
        }
        text + "\nLoads that are there to judge Sockeye by are measured of those who judge it: \
                uWebSockets, the floor, the least possible.\n"
    }

    /// Writes `benches/RESULTS.md` and the plots.
    pub(crate) fn write(&self, place: &Place) -> Result<(), String> {
        let dir = place.root.join("benches");
        let failed = |error: std::io::Error| format!("{}: {error}", dir.display());
        let mut text = format!(
            "# Results\n\nWritten by `cargo xtask bench`: {} rounds, server and load on one \
             processor each ({}), {}. With {}.\n\n",
            self.rounds,
            processor(),
            kernel(),
            self.versions.join("; ")
        );
        text += &self.rows();
        // What is known of the rows that are missed is written by hand.
        text += &fs::read_to_string(dir.join("SHORTFALLS.md")).map_err(failed)?;
        text.push('\n');
        fs::create_dir_all(dir.join("plots")).map_err(failed)?;
        for (group, about) in GROUPS {
            let Some(all) = self.rates_only(group) else { continue };
            let ratio = |&peer: &Peer| Some((peer.title(), median(rates(all, group, peer, BASE))?));
            let bars: Vec<(&str, f64)> = self.peers.iter().filter_map(ratio).collect();
            if bars.len() < 2 {
                continue;
            }
            let file = format!("plots/{group}.svg");
            fs::write(dir.join(&file), plot::bars(about, &bars)).map_err(failed)?;
            let _ = writeln!(text, "![{about}]({file})\n");
        }
        let rest = self.tables().replacen(&self.rows(), "", 1);
        fs::write(dir.join("RESULTS.md"), text + &rest).map_err(failed)
    }
}

/// What all are compared with.
const BASE: Peer = Peer::Uwebsockets;

fn figure(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))
}

/// What kind of processor this is (proc_cpuinfo(5)).
fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| "of an unknown kind".to_owned(), |(_, name)| name.to_owned())
}

/// The kernel's version, without what distributions put behind it.
fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let number: Vec<&str> = release.trim().split(['.', '-', '+']).take(2).collect();
    format!("Linux {}", number.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::CELLS;

    fn measured(peer: Peer, round: u32, value: f64) -> Measured {
        let (latency, memory) = (Some([1000.0, 2000.0, 3000.0]), Some(1048576.0));
        let wire = Some(22.0);
        Measured { peer, cell: CELLS[1], round, value, latency, wire, memory, failure: None }
    }

    #[test]
    fn tables_have_ratios_of_the_same_round_and_name_what_failed() {
        let all = [
            measured(Peer::Sockeye, 1, 100_000.0),
            measured(Peer::Uwebsockets, 1, 50_000.0),
            measured(Peer::Sockeye, 2, 300_000.0),
            measured(Peer::Uwebsockets, 2, 300_000.0),
            Measured::failed(Peer::Floor, CELLS[1], 1, "no gcc".to_owned()),
            Measured::failed(Peer::Floor, CELLS[1], 2, "no gcc".to_owned()),
        ];
        let calls = [Calls { peer: Peer::Sockeye, cell: CELLS[1], per_message: Ok(2.05) }];
        let results = Results {
            peers: &[Peer::Sockeye, Peer::Uwebsockets, Peer::Floor],
            cells: &CELLS[1..2],
            rounds: 2,
            all: &all,
            calls: &calls,
            missing: &[(Peer::Tungstenite, "no cargo".to_owned())],
            versions: &[],
        };
        let text = results.tables();
        for line in [
            "| echo up to 1 KiB, 1 in flight, against uWebSockets | ≥ 1.00 | 1.500 | \
             1.000–2.000 | 2 | too few rounds |",
            "| echo up to 1 KiB, 1 in flight | 1.50 | – |",
            "| binary-20-64x1 | 200.0 | 175.0 | – |",
            "| binary-20-64x1 | Sockeye | 1 / 2 / 3 | 22 | 1.0 |",
            "| Sockeye | 2.05 |",
            "* the floor, binary-20-64x1, in 2 rounds: no gcc",
            "* tokio-tungstenite: no cargo",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
