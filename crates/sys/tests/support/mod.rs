//! What several of the tests need: connected sockets, and waiting for them.
#![allow(dead_code, reason = "each test file uses its part")]

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use sockeye_sys::{Address, Connect, Events, Interest, ListenOptions, Poller, Readiness};

/// Far longer than anything here takes; a wait that lasts so long has failed.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Long enough to tell that something does not happen.
pub(crate) const SHORT: Duration = Duration::from_millis(30);

pub(crate) const LOOPBACK: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

/// A listener at a port of its own, and its address.
pub(crate) fn listener() -> (OwnedFd, Address) {
    let listener = sockeye_sys::listen(LOOPBACK, &ListenOptions::default()).expect("listen");
    let addr = sockeye_sys::local_addr(listener.as_fd()).expect("local address");
    (listener, addr)
}

/// Two connected sockets: the one that connected, the one that was accepted.
pub(crate) fn pair() -> (OwnedFd, OwnedFd) {
    let (listener, addr) = listener();
    let (client, state) = sockeye_sys::connect(&addr).expect("connect");
    wait_for(listener.as_fd(), Interest::READ);
    let (server, _) = sockeye_sys::accept(listener.as_fd()).expect("accept");
    if state == Connect::InProgress {
        assert!(wait_for(client.as_fd(), Interest::WRITE).writable);
        assert!(sockeye_sys::take_error(client.as_fd()).expect("SO_ERROR").is_none());
    }
    (client, server)
}

/// Waits until `fd` is ready.
pub(crate) fn wait_for(fd: BorrowedFd<'_>, interest: Interest) -> Readiness {
    ready_within(fd, interest, LONG).expect("ready in time")
}

/// What `fd` is ready for within that time, if for anything.
pub(crate) fn ready_within(
    fd: BorrowedFd<'_>,
    interest: Interest,
    limit: Duration,
) -> Option<Readiness> {
    let mut poller = Poller::new().expect("poller");
    poller.add(fd, 0, interest).expect("add");
    wait(&mut poller, limit).first().map(|&(_, readiness)| readiness)
}

/// What one wait finds.
pub(crate) fn wait(poller: &mut Poller, limit: Duration) -> Vec<(u64, Readiness)> {
    let mut events = Events::new();
    poller.wait(&mut events, Some(limit)).expect("wait");
    events.iter().collect()
}

/// Receives until `count` bytes are there.
pub(crate) fn recv_exactly(fd: BorrowedFd<'_>, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let mut filled = 0;
    while filled < count {
        wait_for(fd, Interest::READ);
        let received = sockeye_sys::recv(fd, &mut bytes[filled..]).expect("receive");
        assert_ne!(received, 0, "the stream ended after {filled} of {count} bytes");
        filled += received;
    }
    bytes
}
