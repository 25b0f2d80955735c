//! What is to be reached, and whether it is.

use crate::cells::{Cell, about};
use crate::measure::Measured;
use crate::peers::Peer;
use crate::stats::Spread;

/// What is asked of Sockeye.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Demand {
    /// Messages per second of processor time, to those of a peer: at least.
    Rate { against: Peer, at_least: f64 },
    /// Bytes on the wire per message, to those of a peer: at most.
    Wire { against: Peer, at_most: f64 },
    /// What was measured beside idle connections, to the same without: at least.
    Unmoved { at_least: f64 },
    /// Bytes, themselves: at most.
    Bytes { at_most: f64 },
    /// Bytes, to those of a peer: less.
    Fewer { than: Peer },
}

/// One of the demands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    group: &'static str,
    demand: Demand,
}

/// All of them.
pub(crate) const ROWS: [Row; 39] = [
    rate("single", Peer::Uwebsockets, 1.00),
    rate("many", Peer::Uwebsockets, 1.00),
    rate("tiny", Peer::Uwebsockets, 1.08),
    rate("small", Peer::Uwebsockets, 1.12),
    rate("large", Peer::Uwebsockets, 1.05),
    rate("huge", Peer::Uwebsockets, 1.05),
    rate("text-small", Peer::Uwebsockets, 1.15),
    rate("text-large", Peer::Uwebsockets, 1.15),
    rate("utf8-large", Peer::Uwebsockets, 3.0),
    rate("single", Peer::Floor, 0.95),
    rate("many", Peer::Floor, 0.95),
    rate("large", Peer::Floor, 0.95),
    rate("huge", Peer::Floor, 0.88),
    rate("tiny", Peer::Floor, 0.90),
    rate("small", Peer::Floor, 0.85),
    rate("handshakes", Peer::Uwebsockets, 1.10),
    rate("broadcast-one", Peer::Uwebsockets, 1.05),
    rate("broadcast-16", Peer::Uwebsockets, 1.05),
    rate("shared", Peer::Uwebsockets, 1.10),
    wire("shared", Peer::Uwebsockets, 1.00),
    rate("shared", Peer::UwebsocketsLibdeflate, 1.10),
    wire("shared", Peer::UwebsocketsLibdeflate, 1.00),
    rate("own", Peer::Uwebsockets, 1.4),
    wire("own", Peer::Uwebsockets, 1.04),
    Row { group: "memory", demand: Demand::Bytes { at_most: 160.0 } },
    Row { group: "memory-shared", demand: Demand::Bytes { at_most: 176.0 } },
    rate("tls-tiny", Peer::LibwebsocketsLibev, 1.00),
    rate("tls-tiny", Peer::Tungstenite, 1.00),
    rate("tls-small", Peer::LibwebsocketsLibev, 1.00),
    rate("tls-small", Peer::Tungstenite, 1.00),
    rate("tls-large", Peer::LibwebsocketsLibev, 1.00),
    rate("tls-large", Peer::Tungstenite, 1.00),
    rate("tls-handshakes", Peer::LibwebsocketsLibev, 1.00),
    rate("tls-handshakes", Peer::Tungstenite, 1.00),
    Row { group: "memory-tls", demand: Demand::Bytes { at_most: 5000.0 } },
    fewer("memory-tls", Peer::LibwebsocketsLibev),
    fewer("memory-tls", Peer::Tungstenite),
    Row { group: "idle", demand: Demand::Unmoved { at_least: 0.98 } },
    Row { group: "million", demand: Demand::Bytes { at_most: GROWTH_MAX } },
];

/// Memory that a million connections left behind may not be more than this, in bytes: one byte for
/// each would be 16 times as much.
const GROWTH_MAX: f64 = 65_536.0;

const fn rate(group: &'static str, against: Peer, at_least: f64) -> Row {
    Row { group, demand: Demand::Rate { against, at_least } }
}

const fn wire(group: &'static str, against: Peer, at_most: f64) -> Row {
    Row { group, demand: Demand::Wire { against, at_most } }
}

const fn fewer(group: &'static str, than: Peer) -> Row {
    Row { group, demand: Demand::Fewer { than } }
}

/// The least number of ratios that a row is judged by.
const RATIOS: usize = 11;
/// By how much the median may miss the bound that its interval includes.
const SLACK: f64 = 0.03;

/// What became of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged {
    /// `None`: nothing was measured.
    pub(crate) spread: Option<Spread>,
    pub(crate) verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Reached,
    Short,
    /// Too few rounds to tell.
    TooFew,
    NotMeasured,
}

impl Verdict {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Reached => "yes",
            Self::Short => "**no**",
            Self::TooFew => "too few rounds",
            Self::NotMeasured => "not measured",
        }
    }
}

impl Row {
    /// What it is about, and the bound, as the results say it.
    pub(crate) fn words(&self) -> (String, String) {
        let about = about(self.group);
        match self.demand {
            Demand::Rate { against, at_least } => {
                (format!("{about}, against {}", against.title()), format!("≥ {at_least:.2}"))
            }
            Demand::Wire { against, at_most } => (
                format!("{about}: bytes on the wire, to those of {}", against.title()),
                format!("≤ {at_most:.2}"),
            ),
            Demand::Unmoved { at_least } => {
                (format!("{about}, to the same without them"), format!("≥ {at_least:.2}"))
            }
            Demand::Bytes { at_most } => (about.to_owned(), format!("≤ {at_most:.0} B")),
            Demand::Fewer { than } => {
                (format!("{about}, to that of {}", than.title()), "< 1.00".to_owned())
            }
        }
    }

    /// Whether what it says of itself are bytes, not ratios.
    pub(crate) fn is_bytes(&self) -> bool {
        matches!(self.demand, Demand::Bytes { .. })
    }

    /// Whether a single round tells.
    fn is_exact(&self) -> bool {
        matches!(self.demand, Demand::Bytes { .. } | Demand::Fewer { .. })
    }

    /// Judges it by what was measured.
    pub(crate) fn judge(&self, all: &[Measured]) -> Judged {
        let values = match self.demand {
            Demand::Rate { against, .. } => rates(all, self.group, Peer::Sockeye, against),
            Demand::Wire { against, .. } => {
                ratios(all, self.group, Peer::Sockeye, against, |measured| measured.wire)
            }
            Demand::Fewer { than } => rates(all, self.group, Peer::Sockeye, than),
            Demand::Unmoved { .. } => unmoved(all, self.group),
            Demand::Bytes { .. } => of(all, self.group, Peer::Sockeye).map(|m| m.value).collect(),
        };
        let spread = Spread::of(values);
        Judged { spread, verdict: spread.map_or(Verdict::NotMeasured, |s| self.verdict(&s)) }
    }

    fn verdict(&self, spread: &Spread) -> Verdict {
        let reached = match self.demand {
            Demand::Rate { at_least, .. } | Demand::Unmoved { at_least } => {
                spread.high >= at_least && spread.median >= at_least * (1.0 - SLACK)
            }
            Demand::Wire { at_most, .. } => {
                spread.low <= at_most && spread.median <= at_most * (1.0 + SLACK)
            }
            // What is counted is exact, but for what the allocator happens to hold.
            Demand::Bytes { at_most } => spread.median <= at_most,
            Demand::Fewer { .. } => spread.median < 1.0,
        };
        match reached {
            _ if spread.count < RATIOS && !self.is_exact() => Verdict::TooFew,
            true => Verdict::Reached,
            false => Verdict::Short,
        }
    }
}

/// What was measured of a server in a group.
fn of<'m>(
    all: &'m [Measured],
    group: &'m str,
    peer: Peer,
) -> impl Iterator<Item = &'m Measured> + use<'m> {
    all.iter().filter(move |m| m.peer == peer && m.cell.group == group && m.failure.is_none())
}

/// The ratios of two servers' rates, in every cell and round of a group.
pub(crate) fn rates(all: &[Measured], group: &str, one: Peer, other: Peer) -> Vec<f64> {
    ratios(all, group, one, other, |measured| Some(measured.value))
}

fn ratios(
    all: &[Measured],
    group: &str,
    one: Peer,
    other: Peer,
    what: impl Fn(&Measured) -> Option<f64>,
) -> Vec<f64> {
    let ratio = |ours: &Measured| {
        let same = |theirs: &&Measured| theirs.cell == ours.cell && theirs.round == ours.round;
        Some(what(ours)? / what(of(all, group, other).find(same)?)?)
    };
    of(all, group, one).filter_map(ratio).collect()
}

fn unmoved(all: &[Measured], group: &str) -> Vec<f64> {
    let ratio = |beside: &Measured| {
        let kind = beside.cell.without_idle()?;
        let without = all.iter().find(|m| {
            let Cell { kind: other, wire, .. } = m.cell;
            m.peer == beside.peer
                && m.round == beside.round
                && (other, wire) == (kind, beside.cell.wire)
        })?;
        Some(beside.value / without.value)
    };
    of(all, group, Peer::Sockeye).filter_map(ratio).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::{CELLS, GROUPS};

    fn measured(peer: Peer, cell: &str, round: u32, value: f64, wire: f64) -> Measured {
        let cell = *CELLS.iter().find(|c| c.name() == cell).unwrap();
        let wire = Some(wire);
        Measured { peer, cell, round, value, latency: None, wire, memory: None, failure: None }
    }

    /// Eleven rounds with these ratios of rates and of bytes to uWebSockets.
    fn rounds(cell: &str, rates: impl Fn(u32) -> f64, bytes: f64) -> Vec<Measured> {
        (1..=11)
            .flat_map(|round| {
                let theirs =
                    measured(Peer::Uwebsockets, cell, round, 50.0 + f64::from(round), 300.0);
                let (rate, wire) = (theirs.value * rates(round), 300.0 * bytes);
                [measured(Peer::Sockeye, cell, round, rate, wire), theirs]
            })
            .collect()
    }

    fn row(group: &str, against: Peer) -> Row {
        let is = |row: &&Row| {
            row.group == group
                && matches!(row.demand, Demand::Rate { against: other, .. } if other == against)
        };
        *ROWS.iter().find(is).unwrap()
    }

    #[test]
    fn ratios_are_of_the_same_round_and_judged_by_interval_and_median() {
        let row = row("tiny", Peer::Uwebsockets); // at least 1.08
        let verdict =
            |rates: &dyn Fn(u32) -> f64| row.judge(&rounds("binary-20-64x16", rates, 1.0)).verdict;
        assert_eq!(verdict(&|_| 1.2), Verdict::Reached);
        assert_eq!(verdict(&|_| 1.07), Verdict::Short); // close, and the interval says: not quite
        let wide = |round| if round % 2 == 0 { 1.02 } else { 1.14 };
        assert_eq!(verdict(&wide), Verdict::Reached);
        let too_low = |round| if round % 3 == 0 { 1.2 } else { 0.9 };
        assert_eq!(verdict(&too_low), Verdict::Short);
    }

    #[test]
    fn few_rounds_are_no_verdict_and_none_is_named() {
        let row = row("tiny", Peer::Uwebsockets);
        let few = rounds("binary-20-64x16", |_| 1.2, 1.0);
        assert_eq!(row.judge(&few[..20]).verdict, Verdict::TooFew);
        let none = row.judge(&[]);
        assert_eq!((none.verdict, none.spread), (Verdict::NotMeasured, None));
        let failed = Measured::failed(Peer::Sockeye, few[0].cell, 1, "lost".to_owned());
        assert_eq!(row.judge(&[failed]).verdict, Verdict::NotMeasured);
    }

    #[test]
    fn bytes_are_judged_from_the_other_side() {
        let shared = ROWS.iter().find(|row| {
            row.group == "shared"
                && row.demand == Demand::Wire { against: Peer::Uwebsockets, at_most: 1.0 }
        });
        let verdict = |bytes| {
            shared.unwrap().judge(&rounds("records-1k-64x1-shared", |_| 1.0, bytes)).verdict
        };
        assert_eq!(verdict(0.95), Verdict::Reached);
        assert_eq!(verdict(1.01), Verdict::Short);
        let memory = ROWS.iter().find(|row| row.group == "memory").unwrap();
        let of = |bytes| memory.judge(&[measured(Peer::Sockeye, "memory", 1, bytes, 0.0)]).verdict;
        assert_eq!((of(160.0), of(161.0)), (Verdict::Reached, Verdict::Short));
    }

    #[test]
    fn idle_connections_are_judged_by_the_same_load_without_them() {
        let row = ROWS.iter().find(|row| row.group == "idle").unwrap();
        let all: Vec<Measured> = (1..=11)
            .flat_map(|round| {
                let alone = measured(Peer::Sockeye, "binary-20-64x1", round, 100.0, 22.0);
                [alone, measured(Peer::Sockeye, "binary-20-64x1-idle", round, 99.0, 22.0)]
            })
            .collect();
        let judged = row.judge(&all);
        assert_eq!(judged.verdict, Verdict::Reached);
        assert_eq!(judged.spread.unwrap().median, 0.99);
    }

    #[test]
    fn whoever_a_row_is_judged_by_takes_part_in_every_round() {
        for row in &ROWS {
            let peer = match row.demand {
                Demand::Rate { against, .. } | Demand::Wire { against, .. } => against,
                Demand::Fewer { than } => than,
                Demand::Unmoved { .. } | Demand::Bytes { .. } => continue,
            };
            let mut cells = CELLS.iter().filter(|cell| cell.group == row.group && !cell.is_once());
            assert!(cells.all(|cell| peer.judges(cell.wire)), "{row:?}");
        }
    }

    #[test]
    fn every_row_names_a_group_and_has_words() {
        for row in &ROWS {
            assert!(GROUPS.iter().any(|(group, _)| *group == row.group), "{row:?}");
            let (about, bound) = row.words();
            assert!(!about.is_empty() && bound.starts_with(['≥', '≤', '<']), "{row:?}");
        }
    }
}
