//! System calls that fail on order, so that tests can see what happens then.
//!
//! With the feature `fault-injection` a test plans what its thread's next calls meet; without it
//! the checks are empty and compile to nothing. Plans are per thread: a test disturbs no other.

#[cfg(not(feature = "fault-injection"))]
mod off;
#[cfg(feature = "fault-injection")]
mod plan;

#[cfg(not(feature = "fault-injection"))]
pub(crate) use off::{check, limit};
#[cfg(feature = "fault-injection")]
pub use plan::{Fault, clear, cycle, errno, plan, repeat, unmet};
#[cfg(feature = "fault-injection")]
pub(crate) use plan::{check, limit};

/// The calls that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// Making a socket, in [`listen`](crate::listen) and [`connect`](crate::connect).
    Socket,
    /// Starting to listen, in [`listen`](crate::listen).
    Listen,
    /// [`accept`](crate::accept).
    Accept,
    /// The connecting itself, in [`connect`](crate::connect).
    Connect,
    /// [`recv`](crate::recv).
    Recv,
    /// [`send`](crate::send) and [`send_vectored`](crate::send_vectored).
    Send,
    /// [`Poller::add`](crate::Poller::add) and [`Poller::modify`](crate::Poller::modify).
    Watch,
    /// [`Poller::wait`](crate::Poller::wait).
    Wait,
    /// [`Waker::wake`](crate::Waker::wake) and [`Attention::raise`](crate::Attention::raise).
    Wake,
}
