//! What is measured: kinds of load.

/// What messages are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matter {
    Binary,
    /// Text in ASCII.
    Text,
    /// Text that is mostly not ASCII.
    Utf8,
    /// Text such as records in JSON.
    Records,
}

/// How bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Plain,
    /// Compressed, no message knowing of the one before: all connections share a compressor.
    Shared,
    /// Compressed, each connection with a compressor and an inflater that remember.
    Own,
    Tls,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Messages go there and back.
    Echo {
        matter: Matter,
        /// Bytes of a message.
        size: u32,
        connections: u32,
        /// Messages in flight on each.
        depth: u32,
        /// Connections beside them, on which nothing happens.
        idle: u32,
    },
    /// 100 bytes go to 1,000 receivers; so many messages are published at a time.
    Broadcast { gathered: u32 },
    /// Connections are opened, 64 at a time, and ended at once.
    Handshakes,
    /// So many connections are open; counted is the resident memory for each.
    Memory { connections: u32 },
    /// So many connections are opened, served a message each and closed; counted is by how much
    /// resident memory has grown.
    Churn { connections: u32 },
}

/// One kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Cells of a group are judged together.
    pub(crate) group: &'static str,
    pub(crate) kind: Kind,
    pub(crate) wire: Wire,
    pub(crate) for_whom: Whom,
    /// Measured by `--quick` too.
    pub(crate) quick: bool,
}

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// Everybody who can.
    All,
    /// Those whom Sockeye is judged by: others take this cell as they take the one like it.
    Judged,
    /// Sockeye alone.
    Ours,
}

/// Connections that handshakes are measured with, and a broadcast's receivers and bytes.
pub(crate) const AT_ONCE: u32 = 64;
pub(crate) const RECEIVERS: u32 = 1000;
pub(crate) const BROADCAST_BYTES: u32 = 100;

impl Cell {
    /// As `--cells` knows it.
    pub(crate) fn name(&self) -> String {
        let name = match self.kind {
            Kind::Echo { matter, size, connections, depth, idle } => {
                let matter = match matter {
                    Matter::Binary => "binary",
                    Matter::Text => "text",
                    Matter::Utf8 => "utf8",
                    Matter::Records => "records",
                };
                let idle = if idle > 0 { "-idle" } else { "" };
                format!("{matter}-{}-{connections}x{depth}{idle}", bytes(size))
            }
            Kind::Broadcast { gathered } => format!("broadcast-{gathered}"),
            Kind::Handshakes => "handshakes".to_owned(),
            Kind::Memory { .. } => "memory".to_owned(),
            Kind::Churn { .. } => "million".to_owned(),
        };
        let wire = match self.wire {
            Wire::Plain => "",
            Wire::Shared => "-shared",
            Wire::Own => "-own",
            Wire::Tls => "-tls",
        };
        name + wire
    }

    /// Measured in the first round only: what does not vary, or takes long.
    pub(crate) fn is_once(&self) -> bool {
        match self.kind {
            Kind::Memory { .. } | Kind::Churn { .. } => true,
            Kind::Echo { .. } | Kind::Broadcast { .. } | Kind::Handshakes => false,
        }
    }

    /// In how many turns it is measured in a round: in fewer if it takes long to open connections.
    pub(crate) fn turns(&self) -> u32 {
        match self.kind {
            Kind::Memory { .. } | Kind::Churn { .. } => 1,
            Kind::Echo { connections, idle, .. } if connections + idle >= 5000 => 2,
            Kind::Echo { .. } | Kind::Broadcast { .. } | Kind::Handshakes => 4,
        }
    }

    /// The echo with nothing beside it, of one that is measured beside idle connections.
    pub(crate) fn without_idle(&self) -> Option<Kind> {
        match self.kind {
            Kind::Echo { matter, size, connections, depth, idle: 1.. } => {
                Some(Kind::Echo { matter, size, connections, depth, idle: 0 })
            }
            Kind::Echo { .. }
            | Kind::Broadcast { .. }
            | Kind::Handshakes
            | Kind::Memory { .. }
            | Kind::Churn { .. } => None,
        }
    }
}

fn bytes(size: u32) -> String {
    match size {
        1024.. if size.is_multiple_of(1024) => format!("{}k", size / 1024),
        _ => size.to_string(),
    }
}

/// The groups, in the order of the results.
pub(crate) const GROUPS: [(&str, &str); 24] = [
    ("single", "echo up to 1 KiB, 1 in flight"),
    ("many", "echo on 5,000 connections, 1 in flight"),
    ("tiny", "echo of 20 B, 16 in flight"),
    ("small", "echo of 1 KiB, 16 in flight"),
    ("large", "echo of 16 KiB"),
    ("huge", "echo of 256 KiB"),
    ("text-small", "echo of ASCII text, 1 KiB, 16 in flight"),
    ("text-large", "echo of ASCII text, 16 KiB"),
    ("utf8-small", "echo of text that is not ASCII, 1 KiB, 16 in flight"),
    ("utf8-large", "echo of text that is not ASCII, 16 KiB"),
    ("idle", "64 busy connections beside 10,000 idle ones"),
    ("handshakes", "handshakes, 64 at a time"),
    ("broadcast-one", "broadcast to 1,000, one message at a time"),
    ("broadcast-16", "broadcast to 1,000, 16 messages gathered"),
    ("shared", "compressed echo of 1 KiB like JSON, shared compressor"),
    ("own", "compressed echo of 1 KiB like JSON, own compressor"),
    ("tls-tiny", "echo of 20 B under TLS"),
    ("tls-small", "echo of 1 KiB under TLS"),
    ("tls-large", "echo of 16 KiB under TLS"),
    ("tls-handshakes", "handshakes with TLS, all of them full"),
    ("memory", "resident memory per idle connection, 19,000 open"),
    ("memory-shared", "the same with compression negotiated, no context takeover"),
    ("memory-tls", "the same under TLS, 10,000 open"),
    ("million", "growth over 1,000,000 connections, served and closed"),
];

/// What a group is about.
pub(crate) fn about(group: &str) -> &'static str {
    GROUPS.iter().find(|(name, _)| *name == group).map_or("", |(_, about)| about)
}

use Matter::{Binary, Records, Text, Utf8};
use Whom::{All, Judged, Ours};

/// All of them. What is compared with each other stands together.
pub(crate) const CELLS: [Cell; 35] = [
    echo("single", Binary, 20, 1, 1, Judged, false),
    echo("single", Binary, 20, 64, 1, All, true),
    idle(10_000),
    echo("single", Binary, 20, 512, 1, Judged, true),
    echo("single", Binary, 1024, 1, 1, Judged, false),
    echo("single", Binary, 1024, 64, 1, Judged, true),
    echo("single", Binary, 1024, 512, 1, Judged, false),
    echo("many", Binary, 20, 5000, 1, All, true),
    echo("many", Binary, 1024, 5000, 1, Judged, false),
    echo("tiny", Binary, 20, 1, 16, Judged, false),
    echo("tiny", Binary, 20, 64, 16, All, true),
    echo("tiny", Binary, 20, 512, 16, Judged, false),
    echo("small", Binary, 1024, 64, 16, Judged, true),
    echo("small", Binary, 1024, 512, 16, Judged, false),
    echo("large", Binary, 16 << 10, 1, 1, Judged, false),
    echo("large", Binary, 16 << 10, 64, 1, All, true),
    echo("huge", Binary, 256 << 10, 1, 1, Judged, false),
    echo("huge", Binary, 256 << 10, 64, 1, Judged, true),
    echo("text-small", Text, 1024, 64, 16, Judged, true),
    echo("text-large", Text, 16 << 10, 64, 1, Judged, true),
    echo("utf8-small", Utf8, 1024, 64, 16, Judged, false),
    echo("utf8-large", Utf8, 16 << 10, 64, 1, All, true),
    cell("handshakes", Kind::Handshakes, Wire::Plain, All, true),
    cell("broadcast-one", Kind::Broadcast { gathered: 1 }, Wire::Plain, Judged, true),
    cell("broadcast-16", Kind::Broadcast { gathered: 16 }, Wire::Plain, Judged, true),
    sent("shared", flow(Records, 1024, 64, 1, 0), Wire::Shared, true),
    sent("own", flow(Records, 1024, 64, 1, 0), Wire::Own, true),
    sent("tls-tiny", flow(Binary, 20, 64, 1, 0), Wire::Tls, true),
    sent("tls-small", flow(Binary, 1024, 64, 1, 0), Wire::Tls, false),
    sent("tls-large", flow(Binary, 16 << 10, 64, 1, 0), Wire::Tls, false),
    sent("tls-handshakes", Kind::Handshakes, Wire::Tls, true),
    sent("memory", Kind::Memory { connections: 19_000 }, Wire::Plain, true),
    sent("memory-shared", Kind::Memory { connections: 19_000 }, Wire::Shared, true),
    sent("memory-tls", Kind::Memory { connections: 10_000 }, Wire::Tls, false),
    cell("million", Kind::Churn { connections: 1_000_000 }, Wire::Plain, Ours, false),
];

const fn flow(matter: Matter, size: u32, connections: u32, depth: u32, idle: u32) -> Kind {
    Kind::Echo { matter, size, connections, depth, idle }
}

const fn echo(
    group: &'static str,
    matter: Matter,
    size: u32,
    connections: u32,
    depth: u32,
    for_whom: Whom,
    quick: bool,
) -> Cell {
    cell(group, flow(matter, size, connections, depth, 0), Wire::Plain, for_whom, quick)
}

const fn idle(idle: u32) -> Cell {
    cell("idle", flow(Binary, 20, 64, 1, idle), Wire::Plain, Judged, true)
}

/// Of everybody who can.
const fn sent(group: &'static str, kind: Kind, wire: Wire, quick: bool) -> Cell {
    cell(group, kind, wire, All, quick)
}

const fn cell(group: &'static str, kind: Kind, wire: Wire, for_whom: Whom, quick: bool) -> Cell {
    Cell { group, kind, wire, for_whom, quick }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_a_name_of_its_own_and_a_group_that_is_shown() {
        let names: std::collections::BTreeSet<_> = CELLS.iter().map(Cell::name).collect();
        assert_eq!(names.len(), CELLS.len());
        for name in ["binary-256k-64x1", "binary-20-64x1-idle", "records-1k-64x1-own", "million"] {
            assert!(names.contains(name), "{name} of {names:?}");
        }
        assert!(CELLS.iter().all(|cell| !about(cell.group).is_empty()));
        assert!(GROUPS.iter().all(|(group, _)| CELLS.iter().any(|cell| cell.group == *group)));
    }

    #[test]
    fn what_is_measured_beside_idle_connections_is_measured_alone_too() {
        let alone: Vec<Kind> = CELLS.iter().filter_map(Cell::without_idle).collect();
        assert_eq!(alone.len(), 1);
        assert!(alone.iter().all(|alone| {
            CELLS.iter().any(|cell| cell.kind == *alone && cell.wire == Wire::Plain)
        }));
    }
}
