//! A relay between plain connections and TLS ones, with rustls as its own program would use it:
//! buffered, blocking, on a thread. So that scripted peers, who speak plain, meet our TLS.

use rustix::event::{PollFd, PollFlags, poll};
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// Listens for plain connections, and takes each to `target` under TLS.
pub(crate) fn to_tls(target: SocketAddr, name: &str, config: Arc<ClientConfig>) -> SocketAddr {
    let name = rustls::pki_types::ServerName::try_from(name.to_owned()).expect("a name");
    relay(move || {
        let client = ClientConnection::new(Arc::clone(&config), name.clone()).expect("a client");
        (Connection::from(client), target, Towards::Tls)
    })
}

/// Listens for TLS connections, and takes each to `target` plain.
pub(crate) fn from_tls(target: SocketAddr, config: Arc<ServerConfig>) -> SocketAddr {
    relay(move || {
        let server = ServerConnection::new(Arc::clone(&config)).expect("a server");
        (Connection::from(server), target, Towards::Plain)
    })
}

/// What the target speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Towards {
    Tls,
    Plain,
}

fn relay(make: impl Fn() -> (Connection, SocketAddr, Towards) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("it has an address");
    thread::spawn(move || {
        for near in listener.incoming() {
            let (mut tls, target, towards) = make();
            let near = near.expect("a connection");
            thread::spawn(move || {
                if towards == Towards::Plain && tls.complete_io(&mut &near).is_err() {
                    return; // the target never hears of clients that do not come in
                }
                let Ok(far) = TcpStream::connect(target) else { return };
                let (plain, cipher) =
                    if towards == Towards::Tls { (near, far) } else { (far, near) };
                // How it ends is for the peers to see.
                let _ = carry(tls, &plain, &cipher);
                let _ = plain.shutdown(Shutdown::Both);
                let _ = cipher.shutdown(Shutdown::Both);
            });
        }
    });
    address
}

/// Plain bytes that may wait for the TLS side before no more are read.
const MOST: usize = 256 << 10;

fn carry(mut tls: Connection, mut plain: &TcpStream, mut cipher: &TcpStream) -> io::Result<()> {
    plain.set_nonblocking(true)?;
    cipher.set_nonblocking(true)?;
    let mut inward: Vec<u8> = Vec::new();
    let (mut plain_open, mut tls_open) = (true, true);
    let mut buffer = vec![0; 64 << 10];
    tls.set_buffer_limit(Some(MOST));
    let early = tls.process_new_packets().map_err(io::Error::other)?.plaintext_bytes_to_read();
    inward.resize(early, 0);
    tls.reader().read_exact(&mut inward)?;
    loop {
        let flags = |read: bool, write: bool| {
            let read = if read { PollFlags::IN } else { PollFlags::empty() };
            read | if write { PollFlags::OUT } else { PollFlags::empty() }
        };
        let reads_plain = plain_open && !tls.is_handshaking() && !tls.wants_write();
        let mut fds = [
            PollFd::new(&plain, flags(reads_plain, !inward.is_empty())),
            PollFd::new(&cipher, flags(tls_open && inward.len() < MOST, tls.wants_write())),
        ];
        poll(&mut fds, None)?;
        if reads_plain {
            match plain.read(&mut buffer) {
                Ok(0) => {
                    plain_open = false;
                    tls.send_close_notify();
                    tls.write_tls(&mut cipher)?;
                    let _ = cipher.shutdown(Shutdown::Write);
                }
                Ok(n) => tls.writer().write_all(&buffer[..n])?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        while tls.wants_write() {
            match tls.write_tls(&mut cipher) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if tls_open && inward.len() < MOST {
            match tls.read_tls(&mut cipher) {
                Ok(0) => tls_open = false,
                Ok(_) => {
                    let state = tls.process_new_packets().map_err(|error| {
                        let _ = tls.write_tls(&mut cipher); // the alert
                        io::Error::other(error)
                    })?;
                    let start = inward.len();
                    inward.resize(start + state.plaintext_bytes_to_read(), 0);
                    tls.reader().read_exact(&mut inward[start..])?;
                    tls_open = !state.peer_has_closed();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        match plain.write(&inward) {
            Ok(n) => drop(inward.drain(..n)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if !tls_open && inward.is_empty() {
            tls.send_close_notify();
            tls.write_tls(&mut cipher)?;
            return Ok(());
        }
    }
}
