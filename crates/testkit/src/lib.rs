//! What the tests of a WebSocket library need at the other end of the wire: a scripted [`Peer`]
//! that says exactly what it is told and panics with what it got instead of what it expected,
//! [`Frame`]s right and wrong, a [`Clock`] that one can wind, [`Port`]s that nobody else is given,
//! and an end for programs that go on for longer than they should ([`limit`]).
//!
//! A peer shares its thread with the server under test: while it waits it gives the server turns,
//! through the function it was made with. A peer on a thread of its own is made with [`idle`].
//!
//! ```
//! use sockeye_testkit::{Frame, Opcode, Peer, accept_upgrade, idle};
//! use std::net::TcpListener;
//!
//! let listener = TcpListener::bind("127.0.0.1:0").unwrap();
//! let mut client = Peer::connect(listener.local_addr().unwrap(), idle());
//! client.send(sockeye_testkit::upgrade_request("/chat", &[]));
//!
//! let mut server = Peer::accept(&listener, idle());
//! accept_upgrade(&mut server);
//! server.send_frame(&Frame::text("hello"));
//!
//! assert_eq!(client.expect_head().status(), 101);
//! client.expect_message(Opcode::Text, b"hello");
//! ```
#![forbid(unsafe_code)]

mod clock;
mod frame;
mod head;
mod patience;
mod peer;
mod port;

pub use clock::Clock;
pub use frame::{Frame, fragments};
pub use head::{Head, Response, accept_upgrade, upgrade_request};
pub use patience::{RUN_LIMIT, finish, limit, output};
pub use peer::{End, Peer, idle};
pub use port::{Listening, Port};
pub use sockeye_proto::Opcode;
