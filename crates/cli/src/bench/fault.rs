//! What can go wrong with what is measured, in one sentence each.

use super::content::Tag;
use crate::ending::{Ending, FAILED, MISUSED};
use sockeye::{By, Cause, CloseCode, Closed, ConnectError, MessageKind};
use std::fmt;
use std::io;
use std::time::Duration;

/// The status when the server closed a connection with a code.
pub(crate) const TURNED_OUT: u8 = 3;
/// The status when a connection ended in no order.
pub(crate) const LOST: u8 = 4;

/// Why a run failed. Connections and messages are counted from 0 in here, from 1 in sentences.
#[derive(Debug)]
pub(super) enum Fault {
    /// A connection did not come about.
    Connect { connection: u32, of: u32, error: Box<ConnectError> },
    /// Nor did one without WebSocket.
    Unreachable { connection: u32, of: u32, error: io::Error },
    /// The system has no random bytes for masks.
    Random { error: io::Error },
    /// There are not enough descriptors.
    Descriptors { wanted: u32, room: usize },
    /// The server does not compress.
    Uncompressed,
    /// The echo differs from this byte on.
    Changed { tag: Tag, at: usize },
    /// The head of its frame differs from this byte on.
    Head { tag: Tag, at: usize },
    /// The echo of another message came.
    Misplaced { due: Tag, came: Tag },
    /// The echo has another length.
    Length { tag: Tag, longer: bool, size: usize },
    /// The echo is of the other kind.
    Kind { tag: Tag, came: MessageKind },
    /// A message came while no echo was due.
    Unasked { connection: u32, echoed: u64 },
    /// Nothing came for so long.
    Unanswered { tag: Tag, after: Duration },
    /// A connection ended.
    Closed { connection: u32, closed: Closed, size: usize },
    /// One without WebSocket did; if not by its end, by an error.
    Ended { connection: u32, error: Option<io::Error> },
}

impl Fault {
    /// What it means for the program.
    pub(super) fn ending(&self, url: &str) -> Ending {
        Ending::with(self.status(), format!("{url}: {self}"))
    }

    fn status(&self) -> u8 {
        match self {
            Self::Connect { error, .. }
                if matches!(
                    **error,
                    ConnectError::Url(_)
                        | ConnectError::Request(_)
                        | ConnectError::BadProxy { .. }
                        | ConnectError::BadTunnel(_)
                ) =>
            {
                MISUSED
            }
            Self::Closed { closed, .. } if !matches!(closed.cause, Cause::Close) => LOST,
            Self::Closed { closed, .. } if closed.by == By::Peer => TURNED_OUT,
            Self::Closed { .. } | Self::Ended { .. } => LOST,
            Self::Unreachable { .. }
            | Self::Random { .. }
            | Self::Head { .. }
            | Self::Connect { .. }
            | Self::Descriptors { .. }
            | Self::Uncompressed
            | Self::Changed { .. }
            | Self::Misplaced { .. }
            | Self::Length { .. }
            | Self::Kind { .. }
            | Self::Unasked { .. }
            | Self::Unanswered { .. } => FAILED,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { connection, of, error } => {
                let why = format_args!("{error}");
                write_unconnected(f, *connection, *of, why, is_out_of_ports(error))
            }
            Self::Unreachable { connection, of, error } => {
                let (why, kind) = (format_args!("cannot connect: {error}"), error.kind());
                write_unconnected(f, *connection, *of, why, kind == NO_PORT)
            }
            Self::Random { error } => write!(f, "there are no random bytes for masks: {error}"),
            Self::Head { tag, at } => {
                let which = Name(*tag);
                write!(f, "the frame of {which} came back changed, from byte {} on", at + 1)
            }
            Self::Ended { connection, error } => {
                let why = error.as_ref().map_or("the server ended it".into(), io::Error::to_string);
                write!(f, "connection {}: it was lost: {why}", connection + 1)
            }
            Self::Descriptors { wanted, room } => write!(
                f,
                "{wanted} connections are asked for, and the descriptor limit (RLIMIT_NOFILE) of \
                 this process leaves room for {room}; raise it with `ulimit -Hn`, or ask for \
                 fewer with --connections"
            ),
            Self::Uncompressed => f.write_str(
                "the server did not agree to compress (permessage-deflate); leave --deflate out",
            ),
            Self::Changed { tag, at } => {
                write!(f, "{} came back changed, from byte {} on", Name(*tag), at + 1)
            }
            Self::Misplaced { due, came } if came.connection != due.connection => {
                write!(f, "{} came where {} was due", Name(*came), Name(*due))
            }
            Self::Misplaced { due, came } => {
                let why = if came.number > due.number { "lost or late" } else { "echoed twice" };
                let which = due.number.min(came.number) + 1;
                write!(
                    f,
                    "message {} came where {} was due: message {which} is {why}",
                    came.number + 1,
                    Name(*due)
                )
            }
            Self::Length { tag, longer, size } => {
                let than = if *longer { "longer" } else { "shorter" };
                write!(f, "{} came back {than} than its {size} bytes", Name(*tag))
            }
            Self::Kind { tag, came } => {
                let (came, sent) = match came {
                    MessageKind::Text => ("text", "binary"),
                    MessageKind::Binary => ("binary", "text"),
                };
                write!(f, "{} came back as {came}; it was sent as {sent}", Name(*tag))
            }
            Self::Unasked { connection, echoed } => write!(
                f,
                "connection {}: a message came unasked, after {echoed} echoes; this is no echo \
                 server",
                connection + 1
            ),
            Self::Unanswered { tag, after } => {
                write!(f, "{} was not echoed within {after:?}", Name(*tag))
            }
            Self::Closed { connection, closed, size } => {
                write!(f, "connection {}: ", connection + 1)?;
                write_closed(f, closed, *size)
            }
        }
    }
}

fn write_unconnected(
    f: &mut fmt::Formatter<'_>,
    connection: u32,
    of: u32,
    why: fmt::Arguments<'_>,
    is_out_of_ports: bool,
) -> fmt::Result {
    if of > 1 {
        write!(f, "connection {} of {of}: ", connection + 1)?;
    }
    write!(f, "{why}{}", if is_out_of_ports { OUT_OF_PORTS } else { "" })
}

fn write_closed(f: &mut fmt::Formatter<'_>, closed: &Closed, size: usize) -> fmt::Result {
    match (&closed.cause, closed.code) {
        (Cause::Close, Some(code)) => {
            write!(f, "the server closed it with {code}")?;
            if !closed.reason.is_empty() {
                write!(f, ": {:?}", closed.reason)?;
            }
            if code == CloseCode::TOO_BIG {
                write!(f, "; it does not take messages of {size} bytes, try a smaller --size")?;
            }
            Ok(())
        }
        (Cause::Close, None) => f.write_str("the server closed it without a code"),
        (Cause::Violation(_), _) => write!(f, "it was closed: {}", closed.cause),
        (cause, _) => write!(f, "it was lost: {cause}"),
    }
}

/// A message, as sentences name it.
struct Name(Tag);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} of connection {}", self.0.number + 1, self.0.connection + 1)
    }
}

const NO_PORT: io::ErrorKind = io::ErrorKind::AddrNotAvailable;
const OUT_OF_PORTS: &str = "; this machine has no port left for the address, ask for fewer with \
                            --connections, or name more addresses with --source";

fn is_out_of_ports(error: &ConnectError) -> bool {
    let ConnectError::Tcp(tries) = error else { return false };
    tries.iter().any(|(_, error)| error.kind() == NO_PORT)
}
