//! Unix sockets, interfaces by name, and sockets that come from elsewhere.

mod support;

use std::fs;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Barrier;

use sockeye_sys::{
    Address, Connect, Interest, ListenOptions, SocketFileOptions, accept, check_listener, connect,
    interface_addresses, listen_abstract, listen_unix, local_addr, peer_addr, peer_credentials,
    recv, send,
};
use support::wait_for;

/// A directory that goes with the test.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let name = format!("sockeye-sys-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path); // of an earlier run
        fs::create_dir(&path).expect("a directory");
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn plain() -> (SocketFileOptions, ListenOptions) {
    (SocketFileOptions::default(), ListenOptions::default())
}

#[test]
fn both_ends_of_a_unix_socket_know_the_listener_and_each_other_as_users() {
    let place = Place::new("ends");
    let path = place.path("socket");
    let (file, options) = plain();
    let (listener, guard) = listen_unix(&path, &file, &options).unwrap();
    let (client, state) = connect(&Address::Path(path.clone())).unwrap();
    assert_eq!(state, Connect::Done);
    wait_for(listener.as_fd(), Interest::READ);
    let (server, peer) = accept(listener.as_fd()).unwrap();
    assert_eq!(peer, Address::Unnamed);
    assert_eq!(peer_addr(server.as_fd()).unwrap(), Address::Unnamed);
    assert_eq!(local_addr(server.as_fd()).unwrap(), Address::Path(path.clone()));
    assert_eq!(peer_addr(client.as_fd()).unwrap(), Address::Path(path.clone()));
    send(server.as_fd(), b"hello").unwrap();
    assert_eq!(recv(client.as_fd(), &mut [0; 8]).unwrap(), 5);

    #[cfg(target_os = "linux")]
    {
        let own = fs::metadata(&place.0).unwrap();
        let who = peer_credentials(server.as_fd()).unwrap();
        assert_eq!((who.pid, who.uid), (Some(std::process::id()), own.uid()));
        let (tcp, _) = support::pair();
        let error = peer_credentials(tcp.as_fd()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
    drop(guard);
    assert!(!path.exists());
}

#[test]
fn the_file_has_its_mode_whatever_the_umask_is() {
    let place = Place::new("mode");
    for mode in [0o600, 0o666, 0o777] {
        let file = SocketFileOptions { mode: Some(mode), ..SocketFileOptions::default() };
        let path = place.path("socket");
        let _listener = listen_unix(&path, &file, &ListenOptions::default()).unwrap();
        let meta = fs::symlink_metadata(&path).unwrap();
        assert!(meta.file_type().is_socket());
        assert_eq!(meta.mode() & 0o7777, mode);
    }
}

#[test]
fn a_socket_at_which_nobody_listens_is_replaced() {
    let place = Place::new("stale");
    let path = place.path("socket");
    drop(UnixListener::bind(&path).unwrap());
    let (file, options) = plain();
    let (_listener, _guard) = listen_unix(&path, &file, &options).expect("it is replaced");
    UnixStream::connect(&path).expect("somebody listens now");
    // The guard of one that was replaced by force leaves the other alone.
    let other = place.path("other");
    let (_old_listener, old) = listen_unix(&other, &file, &options).unwrap();
    fs::remove_file(&other).unwrap();
    let _new = UnixListener::bind(&other).unwrap();
    drop(old);
    assert!(other.exists());
}

#[test]
fn a_socket_in_use_and_what_is_no_stream_socket_are_left_alone() {
    let place = Place::new("busy");
    let busy = place.path("busy");
    let _listener = UnixListener::bind(&busy).unwrap();
    let file = place.path("file");
    fs::write(&file, "precious").unwrap();
    let link = place.path("link");
    symlink(&file, &link).unwrap();
    let dangling = place.path("dangling");
    symlink(place.path("nowhere"), &dangling).unwrap();
    let datagram = place.path("datagram");
    let _datagram = UnixDatagram::bind(&datagram).unwrap();
    let cases = [
        (&busy, "another process listens"),
        (&file, "not a socket"),
        (&link, "not a socket"),
        (&dangling, "not a socket"),
        (&datagram, "another type"),
        (&place.0, "not a socket"),
    ];
    for (path, why) in cases {
        let before = fs::symlink_metadata(path).unwrap().ino();
        let (options, listen) = plain();
        let error = listen_unix(path, &options, &listen).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}");
        let text = error.to_string();
        assert!(text.contains(why) && text.contains(path.to_str().unwrap()), "{text}");
        assert_eq!(fs::symlink_metadata(path).unwrap().ino(), before);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    UnixStream::connect(&busy).expect("it listens still");
}

#[test]
fn of_many_that_find_a_stale_socket_one_listens() {
    let place = Place::new("race");
    for round in 0..50 {
        let path = place.path(&format!("socket-{round}"));
        drop(UnixListener::bind(&path).unwrap());
        let together = Barrier::new(8);
        let tries: Vec<_> = std::thread::scope(|scope| {
            let start = || {
                let (file, options) = plain();
                together.wait();
                listen_unix(&path, &file, &options)
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let listening: Vec<_> = tries.iter().flatten().collect();
        assert_eq!(listening.len(), 1);
        let client = UnixStream::connect(&path).expect("it is the one at the path");
        wait_for(listening[0].0.as_fd(), Interest::READ);
        drop(client);
    }
}

#[test]
fn names_that_cannot_be_are_refused_with_the_name() {
    let long = PathBuf::from(format!("/tmp/{}", "x".repeat(200)));
    let missing = PathBuf::from("/nowhere/at/all");
    for path in [long, missing] {
        let (file, options) = plain();
        let error = listen_unix(&path, &file, &options).unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_abstract_name_is_no_file_and_goes_with_its_listener() {
    let name = format!("sockeye-{}", std::process::id()).into_bytes();
    let address = Address::Abstract(name.clone());
    let listener = listen_abstract(&name, &ListenOptions::default()).unwrap();
    assert_eq!(local_addr(listener.as_fd()).unwrap(), address);
    let (client, _) = connect(&address).unwrap();
    let (_server, peer) = accept(listener.as_fd()).unwrap();
    assert_eq!((peer, peer_addr(client.as_fd()).unwrap()), (Address::Unnamed, address.clone()));
    let error = listen_abstract(&name, &ListenOptions::default()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    drop((listener, client));
    listen_abstract(&name, &ListenOptions::default()).expect("it is free again");
}

#[test]
fn an_interface_is_its_addresses() {
    let name = if cfg!(target_os = "linux") { "lo" } else { "lo0" };
    let addresses = interface_addresses(name, 7681).unwrap();
    assert!(addresses.contains(&"127.0.0.1:7681".parse().unwrap()), "{addresses:?}");
    let error = interface_addresses("nonesuch", 0).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(error.to_string().contains("\"nonesuch\"") && error.to_string().contains(name));
}

#[test]
fn only_stream_sockets_that_listen_are_taken_over() {
    let place = Place::new("foreign");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = UnixListener::bind(place.path("stream")).unwrap();
    check_listener(tcp.as_fd()).unwrap();
    check_listener(unix.as_fd()).unwrap();

    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let datagram = UnixDatagram::bind(place.path("datagram")).unwrap();
    let (connected, _peer) = UnixStream::pair().unwrap();
    let file = fs::File::open("/dev/null").unwrap();
    for (fd, why) in [
        (udp.as_fd(), "a datagram socket"),
        (datagram.as_fd(), "a datagram socket"),
        (connected.as_fd(), "does not listen"),
        (file.as_fd(), "no socket"),
    ] {
        let error = check_listener(fd).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(why), "{error}");
    }
}
