//! The operating system as Sockeye sees it: waiting, sockets, wake-ups, limits.
//!
//! This is the only crate of the workspace that names the operating system. It knows nothing of
//! WebSocket, HTTP or TLS, and it decides nothing: every function is one system call, or the few
//! that make one portable operation.
//!
//! # What a port must provide
//!
//! Linux and Android use epoll(7), eventfd(2), timerfd_create(2) and accept4(2); every other Unix
//! uses poll(2), a pipe, a thread and fcntl(2). `--cfg sockeye_poll_backend` selects that second
//! set on Linux too, so that it is tested where the first one is; `--cfg sockeye_keepalive_switch`
//! does so for the last row. Each pair sits side by side:
//!
//! | module      | Linux        | other Unix  | what it provides                                    |
//! |-------------|--------------|-------------|-----------------------------------------------------|
//! | `poller`    | `epoll.rs`   | `poll.rs`   | [`Poller`]: which descriptors are ready, and `RawEvent`, its entry in [`Events`] |
//! | `wake`      | `eventfd.rs` | `pipe.rs`   | [`Waker`]: a write that any thread or signal handler may make |
//! | `alarm`     | `timerfd.rs` | `thread.rs` | a descriptor that becomes readable at a moment      |
//! | `attention` | `set.rs`     | `pipe.rs`   | [`Attention`]: wake-up and alarm behind one descriptor |
//! | `socket`    | `flags.rs`   | `fcntl.rs`  | sockets that are born non-blocking and closed on exec |
//! | `socket/batch` | `uring.rs` | `none.rs` | several sends by one call; `uring.rs` with the feature `io-uring` |
//! | `socket/keepalive` | `times.rs` | `switch.rs` | when probes are sent; `switch.rs` is for OpenBSD only |
//!
//! A port to another system adds a file to each of these rows, and looks at `socket/stream.rs`
//! (how a send to a closed peer is kept from raising `SIGPIPE`), `socket/keepalive/` (which options
//! for each socket there are) and `limits.rs` (where open descriptors can be counted).
//!
//! # Rules that hold throughout
//!
//! * Every descriptor made here is non-blocking and closed on exec.
//! * Errors are [`std::io::Error`]. "Not yet" is [`std::io::ErrorKind::WouldBlock`]; an
//!   interrupted call is made again, except [`Poller::wait`], which reports no events.
//! * No function panics.

#[cfg(not(unix))]
compile_error!("sockeye-sys needs a Unix: see the list of what a port must provide in lib.rs");

mod alarm;
mod attention;
mod daemon;
mod error;
pub mod fault;
mod identity;
mod interest;
mod lasting;
mod limits;
mod path;
mod poller;
mod resolve;
mod service;
mod socket;
mod stderr;
mod thread;
mod wait;
mod wake;

pub use attention::Attention;
pub use daemon::{Detached, LockFile, detach, forks};
pub use identity::{Identity, group_id, user_id};
pub use interest::{Interest, Readiness};
pub use lasting::Lasting;
pub use limits::{descriptor_limits, open_descriptors, raise_descriptor_limit};
pub use path::absolute;
pub use poller::{Events, Poller};
pub use resolve::look_up;
pub use service::{HandedOver, handed_over, notify, watchdog};
pub use socket::{
    ACCEPT_INHERITS_OPTIONS, AcceptFailure, Address, BadAddress, Connect, Credentials,
    HAS_USER_TIMEOUT, ListenOptions, SendBatch, SocketFile, SocketFileOptions, Source,
    TcpKeepalive, accept, check_listener, connect, connect_datagram, connect_from, connect_until,
    interface_addresses, listen, listen_abstract, listen_prepared, listen_unix, local_addr,
    peer_addr, peer_credentials, recv, send, send_vectored, set_keepalive, set_linger_zero,
    set_nodelay, set_nonblocking, set_user_timeout, shutdown_write, take_error,
};
pub use stderr::to_stderr;
pub use thread::spawn;
pub use wake::Waker;
