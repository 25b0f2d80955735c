//! Sockets: making them, moving bytes, and the options that matter here.

mod accept;
mod address;
mod batch;
mod connect;
mod datagram;
#[cfg(all(any(target_os = "linux", target_os = "android"), not(sockeye_poll_backend)))]
#[path = "flags.rs"]
mod descriptor;
#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(sockeye_poll_backend))))]
#[path = "fcntl.rs"]
mod descriptor;
mod inspect;
mod interface;
mod keepalive;
mod listen;
mod options;
mod source;
mod stream;
mod unix;

pub use accept::{ACCEPT_INHERITS_OPTIONS, AcceptFailure, accept};
pub use address::{Address, BadAddress, local_addr, peer_addr};
pub use batch::SendBatch;
pub use connect::{Connect, connect, connect_from, connect_until, take_error};
pub use datagram::connect_datagram;
pub(crate) use descriptor::local_datagram_socket;
pub use inspect::check_listener;
pub use interface::interface_addresses;
pub use keepalive::{HAS_USER_TIMEOUT, TcpKeepalive, set_keepalive, set_user_timeout};
pub use listen::{ListenOptions, listen, listen_prepared};
pub use options::{set_linger_zero, set_nodelay, set_nonblocking};
pub use source::Source;
pub use stream::{recv, send, send_vectored, shutdown_write};
pub use unix::{
    Credentials, SocketFile, SocketFileOptions, listen_abstract, listen_unix, peer_credentials,
};
