//! Ports that stay a test's own while nobody listens there.

use rustix::net::{
    AddressFamily, Shutdown, SocketType, bind, getsockname, shutdown, socket, sockopt,
};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Deref;
use std::os::fd::OwnedFd;

/// A port of the loopback that nobody else is given while this lives, however many tests run
/// beside. Who connects is refused until someone who was told the port listens there.
#[derive(Debug)]
pub struct Port {
    /// Bound, and never listening: that keeps the port from being handed out.
    _socket: OwnedFd,
    /// Where it is.
    pub address: SocketAddr,
}

impl Port {
    /// Some free port.
    pub fn reserve() -> Self {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        // With this on both, another socket may listen at the same address.
        sockopt::set_socket_reuseaddr(&socket, true).expect("an option of every socket");
        bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let name = getsockname(&socket).expect("it is bound");
        let address = name.try_into().expect("an address of IPv4");
        Self { _socket: socket, address }
    }

    /// Listens there; again and again, if each listener has gone before the next.
    pub fn listen(&self) -> Listening {
        Listening(TcpListener::bind(self.address).expect("it is reserved"))
    }
}

/// A listener that has ended when it is dropped, whoever holds its descriptor too: a program that
/// a test beside starts has all of them for a moment, between `fork` and `exec`.
#[derive(Debug)]
pub struct Listening(TcpListener);

impl Deref for Listening {
    type Target = TcpListener;

    fn deref(&self) -> &TcpListener {
        &self.0
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // On Linux, who listens and is shut down does not listen any more.
        shutdown(&self.0, Shutdown::Both).expect("it listens");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;
    use std::net::TcpStream;

    #[test]
    fn nobody_listens_at_a_reserved_port_but_who_was_told() {
        let port = Port::reserve();
        let refused = || TcpStream::connect(port.address).unwrap_err().kind();
        assert_eq!(refused(), ErrorKind::ConnectionRefused);
        for _ in 0..3 {
            let listener = port.listen();
            assert_eq!(listener.local_addr().unwrap(), port.address);
            let client = TcpStream::connect(port.address).unwrap();
            drop((listener.accept().unwrap(), listener, client));
            assert_eq!(refused(), ErrorKind::ConnectionRefused);
        }
    }

    #[test]
    fn nobody_listens_when_the_listener_has_gone_though_its_descriptor_is_held() {
        let port = Port::reserve();
        let listener = port.listen();
        let _held = listener.try_clone().unwrap();
        drop(listener);
        let error = TcpStream::connect(port.address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        port.listen();
    }

    #[test]
    fn it_is_not_handed_out() {
        let port = Port::reserve();
        let taken = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&taken, &port.address).expect_err("not without the option, as ports are handed out");
    }
}
