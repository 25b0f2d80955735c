//! Sockeye: WebSocket and HTTP on one thread, one poll loop and no runtime.
//!
//! *A callback decides about its own connection by returning, and about any other by asking.
//! Bytes may leave and interest may change at once; no other callback runs, and nothing is freed,
//! until it has returned.*
//!
//! That is the model of the libwebsockets manual of 2013, with each of its rules turned into a
//! type: one can only write with evidence that the socket can take data ([`Permit`]), only live
//! connections are lent to callbacks ([`Conn`]), headers cannot outlive the handshake
//! ([`Handshake`]), and a callback closes its connection by what it returns ([`Action`]).
//!
//! ```no_run
//! use sockeye::{Action, Conn, Context, Handshake, Message, Protocol, Reject};
//!
//! struct Echo;
//!
//! impl Protocol for Echo {
//!     type Session = ();
//!     type Notice = ();
//!
//!     fn name(&self) -> &str {
//!         "echo"
//!     }
//!
//!     fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
//!         Ok(())
//!     }
//!
//!     fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
//!         conn.reply(message)
//!     }
//! }
//!
//! fn main() -> std::io::Result<()> {
//!     let mut context = Context::builder().protocol(Echo).build()?;
//!     context.listen("127.0.0.1:7681")?;
//!     context.run()
//! }
//! ```
//!
//! | to | look at |
//! |---|---|
//! | say what a protocol does | [`Protocol`] |
//! | serve pages beside it | [`Http`] |
//! | set bounds | [`Limits`] |
//! | open connections | [`Connect`], [`Connections::connect`] |
//! | open them again | [`Reconnect`], [`Connect::reconnect`] |
//! | reach the loop from other threads | [`Handle`] |
//! | be part of another poll loop | [`Context<External>`], [`Change`] |
//! | see what is going on | [`log`] |
//! | run in the background, hold a lock file | [`daemonize`], [`LockFile`] |
//! | be a service of systemd | [`systemd`] |
//! | start as root, serve as another | [`Identity`] |
#![forbid(unsafe_code)]

mod buffer;
mod builder;
mod capacity;
mod cold;
mod compress;
mod config;
mod conn;
mod connect;
mod context;
mod cork;
mod daemon;
mod deadlines;
#[doc(hidden)] // the C library's too
pub mod dense;
mod detail;
mod dispatch;
mod drain;
mod engine;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzz;
mod handle;
mod handshake;
mod heartbeat;
mod http;
mod http_service;
mod keys;
mod latency;
mod lent;
mod lines;
mod listen;
pub mod log;
mod message;
mod permit;
mod place;
mod poll;
mod protocol;
mod registered;
mod resolve;
mod sealed;
mod slots;
mod state;
pub mod systemd;
mod tcp;
mod timers;
pub mod tls;
mod transport;
mod watch;
mod wheel;

pub use builder::Builder;
pub use config::{Limits, Overflow};
pub use connect::{
    Connect, ConnectError, HttpAnswer, Jitter, LinkId, LinkUp, Outage, Reconnect, Retry, Step, Why,
};
pub use context::{BuiltIn, Changes, Context, External, Turn};
pub use daemon::{Daemon, Daemonize, daemonize};
pub use handle::{Handle, Key, PostError};
pub use handshake::{Handshake, Reject};
pub use http::{Answer, BodyPermit, Http, HttpConn, Request, Response};
pub use lent::{Conn, ConnInfo, Connections};
pub use message::{Action, By, Cause, Chunk, Closed, Message, Shared};
pub use permit::Permit;
pub use place::Listen;
pub use poll::Change;
pub use protocol::Protocol;
#[doc(hidden)] // the C library's too
pub use resolve::look_up_within;
pub use slots::ConnId;
#[doc(hidden)]
pub use sockeye_proto::parse_ip;
pub use state::ProtocolId;
pub use transport::SendError;

pub use sockeye_proto::handshake::OriginPolicy;
pub use sockeye_proto::http::{BadHeader, Header, Headers, reason_phrase};
pub use sockeye_proto::proxy::{BadProxy, BadTunnel, Proxy, ProxyKind, TunnelError};
#[doc(hidden)] // the C library's
pub use sockeye_proto::sha1;
pub use sockeye_proto::{CloseCode, DeflateOptions, MessageKind, Opcode, Role, Violation};
pub use sockeye_sys::{
    Address, BadAddress, Credentials, Identity, Interest, LockFile, Readiness, TcpKeepalive,
};
#[doc(hidden)] // the C library's
pub use sockeye_sys::{Events, Poller, absolute, connect_until, to_stderr};
pub use sockeye_sys::{group_id, peer_credentials, user_id};

/// What the README shows compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
