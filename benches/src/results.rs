//! What is printed and written.

use crate::cells::{Cell, GROUPS};
use crate::measure::Measured;
use crate::peers::Peer;
use crate::place::Place;
use crate::plot;
use crate::stats::{Spread, mean};
use std::fmt::Write;
use std::fs;

/// All measurements, and what comes of them.
pub(crate) struct Results<'m> {
    peers: &'m [Peer],
    cells: &'m [Cell],
    all: &'m [Measured],
    missing: &'m [(Peer, String)],
}

/// What is to be reached: a group, two servers, the least ratio of the one to the other.
const TARGETS: [(&str, Peer, f64); 10] = [
    ("single", Peer::Uwebsockets, 1.00),
    ("many", Peer::Uwebsockets, 1.00),
    ("tiny", Peer::Uwebsockets, 1.08),
    ("small", Peer::Uwebsockets, 1.12),
    ("large", Peer::Uwebsockets, 1.05),
    ("text", Peer::Uwebsockets, 1.15),
    ("utf8", Peer::Uwebsockets, 3.00),
    ("single", Peer::Floor, 0.95),
    ("tiny", Peer::Floor, 0.90),
    ("small", Peer::Floor, 0.85),
];

impl<'m> Results<'m> {
    pub(crate) fn new(
        peers: &'m [Peer],
        cells: &'m [Cell],
        all: &'m [Measured],
        missing: &'m [(Peer, String)],
    ) -> Self {
        Self { peers, cells, all, missing }
    }

    fn of(&self, peer: Peer, cell: &Cell) -> impl Iterator<Item = &'m Measured> {
        let cell = *cell;
        self.all.iter().filter(move |measured| measured.peer == peer && measured.cell == cell)
    }

    /// The ratio of two servers' rates, round by round.
    fn ratio(&self, one: Peer, other: Peer, cell: &Cell) -> Option<Spread> {
        let ratios = self.of(one, cell).filter_map(|ours| {
            let theirs = self.of(other, cell).find(|theirs| theirs.round == ours.round)?;
            Some(ours.rate / theirs.rate)
        });
        Spread::of(ratios)
    }

    fn group_ratio(&self, one: Peer, other: Peer, group: &str) -> Option<f64> {
        let cells = self.cells.iter().filter(|cell| cell.group == group);
        mean(cells.filter_map(|cell| Some(self.ratio(one, other, cell)?.median)))
    }

    /// Everything as Markdown.
    pub(crate) fn tables(&self) -> String {
        let mut text = self.targets();
        text += &self.ratios();
        text += &self.latencies();
        text += &self.troubles();
        text
    }

    fn targets(&self) -> String {
        let mut text = "## What was to be reached\n\n| load | against | at least | measured | |\n\
                        |---|---|---|---|---|\n"
            .to_owned();
        for (group, against, least) in TARGETS {
            let Some(ratio) = self.group_ratio(Peer::Sockeye, against, group) else { continue };
            let about =
                GROUPS.iter().find(|(name, _)| *name == group).map_or("", |(_, about)| about);
            let verdict = if ratio >= least { "holds" } else { "falls short" };
            let against = against.title();
            let _ = writeln!(text, "| {about} | {against} | {least:.2} | {ratio:.2} | {verdict} |");
        }
        text + "\n"
    }

    fn ratios(&self) -> String {
        let others = || {
            let ours = |peer: &&Peer| !matches!(peer, Peer::Sockeye | Peer::Uwebsockets);
            self.peers.iter().filter(ours)
        };
        let mut text = "## Messages per second of server processor time\n\nRatios, the median of \
                        the rounds and where nine tenths of them lie. Each is to uWebSockets in \
                        the same round, but for the second column.\n\n| load | Sockeye | Sockeye \
                        to the floor |"
            .to_owned();
        others().for_each(|peer| text += &format!(" {} |", peer.title()));
        text += "\n|---|---|---|";
        others().for_each(|_| text += "---|");
        text += "\n";
        for cell in self.cells {
            let mut row = vec![cell.name()];
            let base = Peer::Uwebsockets;
            let mut put = |one, other| {
                let ratio = self.ratio(one, other, cell);
                row.push(ratio.map_or_else(|| "–".to_owned(), |ratio| ratio.to_string()));
            };
            put(Peer::Sockeye, base);
            put(Peer::Sockeye, Peer::Floor);
            others().for_each(|&peer| put(peer, base));
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        text + "\n"
    }

    fn latencies(&self) -> String {
        let mut text = "## Latency and memory\n\nMicroseconds, the medians of the rounds: half / \
                        99 % / 99.9 % of the messages took no longer. Resident memory of the \
                        server in MiB.\n\n| load | server | latency | memory |\n|---|---|---|---|\n"
            .to_owned();
        for cell in self.cells {
            for &peer in self.peers {
                let part = |of: usize| {
                    let times = self.of(peer, cell).filter_map(|m| Some(m.latency?[of] / 1000.0));
                    Spread::of(times).map(|spread| format!("{:.0}", spread.median))
                };
                let (Some(p50), Some(p99), Some(p999)) = (part(0), part(1), part(2)) else {
                    continue;
                };
                let memory = Spread::of(self.of(peer, cell).map(|m| m.memory / f64::from(1 << 20)));
                let memory = memory.map_or(f64::NAN, |memory| memory.median);
                let (name, peer) = (cell.name(), peer.title());
                let _ =
                    writeln!(text, "| {name} | {peer} | {p50} / {p99} / {p999} | {memory:.1} |");
            }
        }
        text + "\n"
    }

    /// Who is missing, and what failed.
    fn troubles(&self) -> String {
        let missing = self.missing.iter().map(|(peer, why)| (peer.title(), String::new(), why));
        let failed = self.all.iter().filter_map(|measured| {
            let name = format!(", {}, round {}", measured.cell.name(), measured.round);
            Some((measured.peer.title(), name, measured.failure.as_ref()?))
        });
        let mut text = String::new();
        for (peer, what, why) in missing.chain(failed) {
            let _ = writeln!(text, "* {peer}{what}: {why}");
        }
        if text.is_empty() { text } else { format!("## Not measured\n\n{text}") }
    }

    /// Writes `benches/RESULTS.md` and the plots.
    pub(crate) fn write(&self, place: &Place, rounds: u32) -> Result<(), String> {
        let dir = place.root.join("benches");
        let failed = |error: std::io::Error| format!("{}: {error}", dir.display());
        let mut text = format!(
            "# Results\n\nWritten by `cargo xtask bench`: {rounds} rounds, server and load on one \
             processor each ({}).\nThe machine was not this project's alone: ratios mean \
             something, figures by themselves little.\n\n",
            processor()
        );
        fs::create_dir_all(dir.join("plots")).map_err(failed)?;
        for (group, about) in GROUPS {
            let bars: Vec<(&str, f64)> = self
                .peers
                .iter()
                .filter_map(|&peer| {
                    Some((peer.title(), self.group_ratio(peer, Peer::Uwebsockets, group)?))
                })
                .collect();
            if bars.is_empty() {
                continue;
            }
            let file = format!("plots/{group}.svg");
            fs::write(dir.join(&file), plot::bars(about, &bars)).map_err(failed)?;
            let _ = writeln!(text, "![{about}]({file})\n");
        }
        fs::write(dir.join("RESULTS.md"), text + &self.tables()).map_err(failed)
    }
}

/// What kind of processor this is (proc_cpuinfo(5)).
fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| "of an unknown kind".to_owned(), |(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::CELLS;

    fn measured(peer: Peer, round: u32, rate: f64) -> Measured {
        let latency = Some([1000.0, 2000.0, 3000.0]);
        Measured { peer, cell: CELLS[1], round, rate, latency, memory: 1e6, failure: None }
    }

    #[test]
    fn ratios_are_of_the_same_round_and_failures_are_named() {
        let failed = Measured::failed(Peer::Floor, CELLS[1], 2, "no gcc".to_owned());
        let all = [
            measured(Peer::Sockeye, 1, 100.0),
            measured(Peer::Uwebsockets, 1, 50.0),
            measured(Peer::Sockeye, 2, 300.0),
            measured(Peer::Uwebsockets, 2, 300.0),
            failed,
        ];
        let peers = [Peer::Sockeye, Peer::Uwebsockets, Peer::Floor];
        let missing = [(Peer::Tungstenite, "no cargo".to_owned())];
        let results = Results::new(&peers, &CELLS[1..2], &all, &missing);
        let text = results.tables();
        assert!(text.contains("| binary-20-64x1 | 1.50 (1.00–2.00) | – | – |"), "{text}");
        assert!(text.contains("| 1.00 | 1.50 | holds |"), "{text}");
        assert!(text.contains("* the floor, binary-20-64x1, round 2: no gcc"), "{text}");
        assert!(text.contains("* tokio-tungstenite: no cargo"), "{text}");
    }
}
