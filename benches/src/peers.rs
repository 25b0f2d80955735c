//! Who is measured, and with what.

use crate::cells::{Cell, Kind, Matter, Whom, Wire};

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Sockeye,
    /// What all are compared with.
    Uwebsockets,
    /// Receives, and sends the same bytes back.
    Floor,
    /// The least that can be called a WebSocket server.
    Least,
    /// The floor over io_uring(7).
    FloorUring,
    /// uWebSockets built to compress with libdeflate, where that is possible.
    UwebsocketsLibdeflate,
    /// Debian's, waiting by poll(2).
    Libwebsockets,
    /// Debian's, waiting by libev.
    LibwebsocketsLibev,
    Fastwebsockets,
    Tungstenite,
    Sockudo,
    Bun,
}

impl Peer {
    pub(crate) const ALL: [Self; 12] = [
        Self::Sockeye,
        Self::Uwebsockets,
        Self::Floor,
        Self::Least,
        Self::FloorUring,
        Self::UwebsocketsLibdeflate,
        Self::Libwebsockets,
        Self::LibwebsocketsLibev,
        Self::Fastwebsockets,
        Self::Tungstenite,
        Self::Sockudo,
        Self::Bun,
    ];

    /// As `--peers` knows it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sockeye => "sockeye",
            Self::Uwebsockets => "uwebsockets",
            Self::Floor => "floor",
            Self::Least => "least",
            Self::FloorUring => "floor-uring",
            Self::UwebsocketsLibdeflate => "uwebsockets-libdeflate",
            Self::Libwebsockets => "libwebsockets",
            Self::LibwebsocketsLibev => "libwebsockets-libev",
            Self::Fastwebsockets => "fastwebsockets",
            Self::Tungstenite => "tungstenite",
            Self::Sockudo => "sockudo",
            Self::Bun => "bun",
        }
    }

    /// As the results call it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Sockeye => "Sockeye",
            Self::Uwebsockets => "uWebSockets",
            Self::Floor => "the floor",
            Self::Least => "least possible",
            Self::FloorUring => "the floor, io_uring",
            Self::UwebsocketsLibdeflate => "uWebSockets, libdeflate",
            Self::Libwebsockets => "libwebsockets",
            Self::LibwebsocketsLibev => "libwebsockets, libev",
            Self::Fastwebsockets => "fastwebsockets",
            Self::Tungstenite => "tokio-tungstenite",
            Self::Sockudo => "sockudo-ws",
            Self::Bun => "Bun",
        }
    }

    /// Whether it speaks WebSocket; else its load is one of its own.
    pub(crate) fn speaks(self) -> bool {
        !matches!(self, Self::Floor | Self::FloorUring)
    }

    /// Whether Sockeye is judged by it there, or it says what can be reached at all.
    pub(crate) fn judges(self, wire: Wire) -> bool {
        match self {
            Self::Sockeye
            | Self::Uwebsockets
            | Self::UwebsocketsLibdeflate
            | Self::Floor
            | Self::Least => true,
            Self::LibwebsocketsLibev | Self::Tungstenite => wire == Wire::Tls,
            Self::FloorUring
            | Self::Libwebsockets
            | Self::Fastwebsockets
            | Self::Sockudo
            | Self::Bun => false,
        }
    }

    /// Whether it is measured with this kind of load.
    pub(crate) fn takes(self, cell: &Cell) -> bool {
        let wanted = match cell.for_whom {
            Whom::All => true,
            Whom::Judged => self.judges(cell.wire),
            Whom::Ours => self == Self::Sockeye,
        };
        wanted && self.lacks(cell).is_none()
    }

    /// Why this kind of load means nothing to it, if so.
    pub(crate) fn lacks(self, cell: &Cell) -> Option<&'static str> {
        let of_binary = matches!(cell.kind, Kind::Echo { matter: Matter::Binary, .. });
        let idle = cell.without_idle().is_some();
        match self {
            Self::Sockeye => None,
            Self::Floor | Self::FloorUring if !of_binary || cell.wire != Wire::Plain => {
                Some("it does not look at what it echoes")
            }
            Self::Least if matches!(cell.kind, Kind::Echo { .. }) && !of_binary => {
                Some("it does not look at text")
            }
            Self::UwebsocketsLibdeflate if cell.wire != Wire::Shared => {
                Some("libdeflate serves messages that do not know of each other")
            }
            Self::Floor | Self::FloorUring | Self::Least if idle => {
                Some("connections that are idle are nothing to it")
            }
            Self::Uwebsockets => None,
            Self::UwebsocketsLibdeflate if !matches!(cell.kind, Kind::Echo { .. }) => {
                Some("it differs from uWebSockets where messages are compressed")
            }
            Self::Libwebsockets | Self::LibwebsocketsLibev if cell.wire == Wire::Own => {
                Some("its extension keeps no window")
            }
            _ if matches!(cell.kind, Kind::Broadcast { .. }) => Some("its program only echoes"),
            Self::Libwebsockets if cell.wire != Wire::Plain => Some("it is measured on libev only"),
            Self::Libwebsockets
                if cell.group == "many" || matches!(cell.kind, Kind::Memory { .. }) =>
            {
                Some("poll(2) of so many descriptors in each turn takes minutes")
            }
            Self::LibwebsocketsLibev => None,
            Self::Tungstenite if cell.wire == Wire::Tls => None,
            Self::Floor
            | Self::FloorUring
            | Self::Least
            | Self::Fastwebsockets
            | Self::Tungstenite
            | Self::Sockudo
            | Self::Bun
                if cell.wire != Wire::Plain =>
            {
                Some("its program does without")
            }
            Self::Floor
            | Self::FloorUring
            | Self::Least
            | Self::UwebsocketsLibdeflate
            | Self::Libwebsockets
            | Self::Fastwebsockets
            | Self::Tungstenite
            | Self::Sockudo
            | Self::Bun => None,
        }
    }
}

/// A server that is built.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) peer: Peer,
    pub(crate) programs: Programs,
}

/// Its programs, and what they need.
#[derive(Clone, Debug, Default)]
pub(crate) struct Programs {
    /// Echoes.
    pub(crate) echo: String,
    /// Publishes, if that is another.
    pub(crate) publish: Option<String>,
    /// Echoes under TLS, if that is another.
    pub(crate) tls: Option<String>,
    /// A certificate and its key, in PEM.
    pub(crate) certificate: [String; 2],
}

impl Server {
    /// The command line that serves this kind of load, on any free port.
    pub(crate) fn command(&self, cell: &Cell) -> Vec<String> {
        let Programs { echo, publish, tls, certificate: [cert, key] } = &self.programs;
        let publishes = matches!(cell.kind, Kind::Broadcast { .. });
        let program = match (cell.wire, publishes) {
            (Wire::Tls, _) => tls.as_ref().unwrap_or(echo),
            (_, true) => publish.as_ref().unwrap_or(echo),
            (_, false) => echo,
        };
        let mut command = vec![program.as_str()];
        match self.peer {
            Peer::Sockeye if publishes => command.push("127.0.0.1:0"),
            Peer::Sockeye => {
                command.extend(["echo", "--log", "none", "--port", "0"]);
                match cell.wire {
                    Wire::Plain => command.push("--no-deflate"),
                    Wire::Shared => {}
                    Wire::Own => command.push("--context-takeover"),
                    Wire::Tls => {
                        command.extend(["--no-deflate", "--tls-cert", cert, "--tls-key", key]);
                    }
                }
            }
            Peer::Uwebsockets | Peer::UwebsocketsLibdeflate => {
                command.push("0");
                match cell.wire {
                    Wire::Plain if publishes => command.push("publish"),
                    Wire::Plain => {}
                    Wire::Shared => command.push("shared"),
                    Wire::Own => command.push("own"),
                    Wire::Tls => command.extend(["plain", cert, key]),
                }
            }
            Peer::Libwebsockets | Peer::LibwebsocketsLibev | Peer::Tungstenite => {
                command.push("0");
                if self.peer == Peer::LibwebsocketsLibev {
                    command.push("--libev");
                }
                match cell.wire {
                    Wire::Plain => {}
                    Wire::Shared | Wire::Own => command.push("--deflate"),
                    Wire::Tls => command.extend(["--cert", cert, "--key", key]),
                }
                if matches!(cell.kind, Kind::Memory { .. }) {
                    command.push("--small");
                }
            }
            Peer::Bun => command.extend([publish.as_deref().unwrap_or_default(), "0"]),
            Peer::Floor | Peer::Least | Peer::FloorUring | Peer::Fastwebsockets | Peer::Sockudo => {
                command.push("0")
            }
        }
        command.into_iter().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::CELLS;

    #[test]
    fn sockeye_takes_everything_and_is_judged_by_whom_it_is_compared_with() {
        assert!(CELLS.iter().all(|cell| Peer::Sockeye.takes(cell)));
        let of = |peer: Peer| CELLS.iter().filter(move |cell| peer.takes(cell)).count();
        assert_eq!(of(Peer::Uwebsockets), CELLS.len() - 1); // but the million
        assert_eq!(of(Peer::UwebsocketsLibdeflate), 1);
        assert_eq!(of(Peer::Floor), 17);
        assert!(Peer::ALL.into_iter().all(|peer| of(peer) > 0));
    }
}
