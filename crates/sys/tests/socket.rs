//! Sockets on the loopback interface.

mod support;

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::{FdFlags, fcntl_getfd};
use rustix::net::{AddressFamily, SocketType, sockopt};
use sockeye_sys::{
    AcceptFailure, Connect, Interest, ListenOptions, TcpKeepalive, accept, connect, listen,
    local_addr, peer_addr, recv, send, send_vectored, set_keepalive, set_linger_zero, set_nodelay,
    set_nonblocking, set_user_timeout, shutdown_write, take_error,
};
use support::{LOOPBACK, listener, pair, recv_exactly, wait_for};

fn is_nonblocking(fd: impl AsFd) -> bool {
    fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
}

fn is_closed_on_exec(fd: impl AsFd) -> bool {
    fcntl_getfd(fd).unwrap().contains(FdFlags::CLOEXEC)
}

#[test]
fn both_ends_know_each_other() {
    let (listener, addr) = listener();
    let (client, _) = connect(&addr).unwrap();
    wait_for(listener.as_fd(), Interest::READ);
    let (server, peer) = accept(listener.as_fd()).unwrap();
    wait_for(client.as_fd(), Interest::WRITE);
    assert_eq!(peer, local_addr(client.as_fd()).unwrap());
    assert_eq!(peer, peer_addr(server.as_fd()).unwrap());
    assert_eq!(addr, peer_addr(client.as_fd()).unwrap());
    assert_eq!(addr, local_addr(server.as_fd()).unwrap());
    let nobody = peer_addr(listener.as_fd()).unwrap_err();
    assert_eq!(nobody.kind(), io::ErrorKind::NotConnected);
}

#[test]
fn every_socket_is_nonblocking_and_closed_on_exec() {
    let (listener, _) = listener();
    let (client, server) = pair();
    for socket in [&listener, &client, &server] {
        assert!(is_nonblocking(socket));
        assert!(is_closed_on_exec(socket));
    }
    set_nonblocking(client.as_fd(), false).unwrap();
    assert!(!is_nonblocking(&client));
    set_nonblocking(client.as_fd(), true).unwrap();
    assert!(is_nonblocking(&client));
}

#[test]
fn nothing_to_accept_and_nothing_to_receive_are_not_yet() {
    let (listener, _) = listener();
    let empty = accept(listener.as_fd()).unwrap_err();
    assert_eq!(AcceptFailure::of(&empty), AcceptFailure::Empty);
    let (client, _server) = pair();
    let nothing = recv(client.as_fd(), &mut [0; 8]).unwrap_err();
    assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn accepting_from_what_does_not_listen_is_broken() {
    let (client, _server) = pair();
    let error = accept(client.as_fd()).unwrap_err();
    assert_eq!(AcceptFailure::of(&error), AcceptFailure::Broken);
}

#[test]
fn a_refused_connect_ends_writable_and_tells_why() {
    // Bound, so that nobody else has the port, but not listening.
    let closed = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&closed, &LOOPBACK).unwrap();
    let reason = match connect(&local_addr(closed.as_fd()).unwrap()) {
        Err(error) => error,
        Ok((socket, state)) => {
            assert_eq!(state, Connect::InProgress);
            assert!(wait_for(socket.as_fd(), Interest::WRITE).hangup);
            let reason = take_error(socket.as_fd()).unwrap().expect("a reason");
            assert!(take_error(socket.as_fd()).unwrap().is_none(), "it was taken");
            reason
        }
    };
    assert_eq!(reason.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn an_address_in_use_is_named_in_the_error() {
    let (_listener, addr) = listener();
    let error = listen(addr.ip().unwrap(), &ListenOptions::default()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().starts_with(&format!("listen on {addr}: ")), "{error}");
}

#[test]
fn listeners_that_agree_share_a_port() {
    let shared = ListenOptions { reuse_port: true, ..ListenOptions::default() };
    let first = listen(LOOPBACK, &shared).unwrap();
    let addr = local_addr(first.as_fd()).unwrap();
    let _second = listen(addr.ip().unwrap(), &shared).expect("a second listener at the same port");
}

#[test]
fn a_port_can_be_taken_again_right_after_its_listener_closed() {
    let (listener, addr) = listener();
    let (client, _) = connect(&addr).unwrap();
    wait_for(listener.as_fd(), Interest::READ);
    let (server, _) = accept(listener.as_fd()).unwrap();
    // Closed by the server first: its end of the connection lingers in TIME_WAIT.
    drop(server);
    wait_for(client.as_fd(), Interest::READ);
    drop(client);
    drop(listener);
    listen(addr.ip().unwrap(), &ListenOptions::default()).expect("listen again");
}

#[test]
fn the_backlog_is_passed_on() {
    let options = ListenOptions { backlog: u32::MAX, ..ListenOptions::default() };
    listen(LOOPBACK, &options).expect("the system caps it");
    assert_eq!(ListenOptions::default().backlog, 4096);
}

#[test]
fn an_ipv6_listener_is_that_only_unless_asked_otherwise() {
    let any: SocketAddr = "[::]:0".parse().unwrap();
    let listener = match listen(any, &ListenOptions::default()) {
        Ok(listener) => listener,
        // A machine without IPv6, as many containers are, has nothing to test.
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => return,
        Err(error) if error.to_string().contains("family not supported") => return,
        Err(error) => panic!("{error}"),
    };
    assert!(sockopt::ipv6_v6only(&listener).unwrap());
    let port = local_addr(listener.as_fd()).unwrap().ip().unwrap().port();
    let (client, _) = connect(&format!("[::1]:{port}").parse().unwrap()).unwrap();
    wait_for(listener.as_fd(), Interest::READ);
    let (_server, peer) = accept(listener.as_fd()).unwrap();
    assert_eq!(peer, local_addr(client.as_fd()).unwrap());
    assert!(peer.ip().unwrap().is_ipv6());
    let refused = connect(&format!("127.0.0.1:{port}").parse().unwrap());
    assert!(refused.is_err() || taken_error(refused.unwrap().0).is_some(), "not for IPv4");

    let dual = ListenOptions { dual_stack: true, ..ListenOptions::default() };
    let listener = listen(any, &dual).unwrap();
    let port = local_addr(listener.as_fd()).unwrap().ip().unwrap().port();
    let (_client, _) = connect(&format!("127.0.0.1:{port}").parse().unwrap()).unwrap();
    wait_for(listener.as_fd(), Interest::READ);
    let (_server, peer) = accept(listener.as_fd()).unwrap();
    assert!(peer.to_string().starts_with("[::ffff:127.0.0.1]:"), "{peer}");
}

fn taken_error(fd: OwnedFd) -> Option<io::Error> {
    wait_for(fd.as_fd(), Interest::WRITE);
    take_error(fd.as_fd()).unwrap()
}

#[test]
fn a_full_socket_takes_a_part_and_then_nothing() {
    let (client, server) = pair();
    let chunk = vec![b'x'; 1 << 20];
    let mut sent = 0;
    let mut short = false;
    let error = loop {
        match send(client.as_fd(), &chunk) {
            Ok(count) => {
                short |= count < chunk.len();
                sent += count;
            }
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert!(short, "the last send before that was short");
    assert_eq!(recv_exactly(server.as_fd(), sent), vec![b'x'; sent]);
}

#[test]
fn slices_leave_one_after_the_other() {
    let (client, server) = pair();
    let slices = [b"one, ".as_slice(), b"", b"two, ", b"three"].map(IoSlice::new);
    assert_eq!(send_vectored(client.as_fd(), &slices).unwrap(), 15);
    assert_eq!(recv_exactly(server.as_fd(), 15), b"one, two, three");
}

#[test]
fn of_too_many_slices_the_first_leave() {
    let (client, server) = pair();
    let slices = vec![IoSlice::new(b"ab"); 3000];
    let sent = send_vectored(client.as_fd(), &slices).unwrap();
    assert_eq!(sent, 2048);
    assert_eq!(recv_exactly(server.as_fd(), sent), b"ab".repeat(1024));
}

#[test]
fn the_end_of_one_direction_leaves_the_other_open() {
    let (client, server) = pair();
    send(client.as_fd(), b"last words").unwrap();
    shutdown_write(client.as_fd()).unwrap();
    assert_eq!(recv_exactly(server.as_fd(), 10), b"last words");
    wait_for(server.as_fd(), Interest::READ);
    assert_eq!(recv(server.as_fd(), &mut [0; 8]).unwrap(), 0);

    send(server.as_fd(), b"answer").unwrap();
    assert_eq!(recv_exactly(client.as_fd(), 6), b"answer");
    let closed = send(client.as_fd(), b"more").unwrap_err();
    assert_eq!(closed.kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn closing_without_linger_resets() {
    let (client, server) = pair();
    set_linger_zero(client.as_fd()).unwrap();
    drop(client);
    wait_for(server.as_fd(), Interest::READ);
    let reset = recv(server.as_fd(), &mut [0; 8]).unwrap_err();
    assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn nodelay_goes_on_and_off() {
    let (client, _server) = pair();
    for on in [true, false] {
        set_nodelay(client.as_fd(), on).unwrap();
        assert_eq!(sockopt::tcp_nodelay(&client).unwrap(), on);
    }
}

#[test]
fn keepalive_takes_its_times_and_goes_off_again() {
    let (client, _server) = pair();
    let before = sockopt::tcp_keepidle(&client).unwrap();
    let keepalive = TcpKeepalive {
        time: Duration::from_secs(30),
        probes: 4,
        interval: Duration::from_millis(1500),
    };
    set_keepalive(client.as_fd(), Some(&keepalive)).unwrap();
    assert!(sockopt::socket_keepalive(&client).unwrap());
    if cfg!(any(target_os = "openbsd", sockeye_keepalive_switch)) {
        assert_eq!(sockopt::tcp_keepidle(&client).unwrap(), before, "the system's own");
    } else {
        assert_eq!(sockopt::tcp_keepidle(&client).unwrap(), Duration::from_secs(30));
        assert_eq!(sockopt::tcp_keepintvl(&client).unwrap(), Duration::from_secs(2));
        assert_eq!(sockopt::tcp_keepcnt(&client).unwrap(), 4);
        let zero = TcpKeepalive { time: Duration::ZERO, ..keepalive };
        let error = set_keepalive(client.as_fd(), Some(&zero)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
    set_keepalive(client.as_fd(), None).unwrap();
    assert!(!sockopt::socket_keepalive(&client).unwrap());
}

#[test]
fn keepalive_values_that_pass_the_check_are_taken_and_others_are_not() {
    let (client, _server) = pair();
    let most = Duration::from_secs(TcpKeepalive::MOST_SECONDS);
    let probes = TcpKeepalive::MOST_PROBES;
    for (time, probes, interval, fits) in [
        (Duration::from_nanos(1), 1, Duration::from_nanos(1), true),
        (most, probes, most, true),
        (Duration::ZERO, probes, most, false),
        (most, 0, most, false),
        (most, probes, Duration::ZERO, false),
        (most + Duration::from_nanos(1), probes, most, false),
        (most, probes + 1, most, false),
        (most, probes, most + Duration::from_nanos(1), false),
    ] {
        let keepalive = TcpKeepalive { time, probes, interval };
        assert_eq!(keepalive.check().is_ok(), fits, "{keepalive:?}");
        if !cfg!(sockeye_keepalive_switch) {
            let taken = set_keepalive(client.as_fd(), Some(&keepalive)).is_ok();
            assert_eq!(taken, fits, "{keepalive:?}");
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn the_user_timeout_is_in_milliseconds_and_bounded() {
    let (client, _server) = pair();
    for (timeout, millis) in [(1_500_000_u64, 1500), (1, 1), (0, 0)] {
        set_user_timeout(client.as_fd(), Duration::from_micros(timeout)).unwrap();
        assert_eq!(sockopt::tcp_user_timeout(&client).unwrap(), millis);
    }
    let error = set_user_timeout(client.as_fd(), Duration::MAX).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_unix_socket_has_no_options_of_tcp() {
    let (socket, _other) = UnixStream::pair().unwrap();
    let keepalive = TcpKeepalive::default();
    assert!(set_nodelay(socket.as_fd(), true).is_err());
    let error = set_user_timeout(socket.as_fd(), Duration::from_secs(1)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    if !cfg!(sockeye_keepalive_switch) {
        let error = set_keepalive(socket.as_fd(), Some(&keepalive)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }
}
