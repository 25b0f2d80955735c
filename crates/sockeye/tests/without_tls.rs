//! A build without TLS: everything else works, and whoever asks for TLS is told.
#![cfg(not(feature = "tls"))]

use sockeye::tls::{Certificate, ClientTls, ServerTls, TlsError, TlsErrorKind};
use sockeye::{Action, Conn, Connect, Context, Handshake, Message, Protocol, Reject};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const WHY: &str = "this build has no TLS (cargo feature `tls`)";

struct Echo;

impl Protocol for Echo {
    type Session = ();
    type Notice = ();

    fn name(&self) -> &str {
        "echo"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
        Ok(())
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        conn.reply(message)
    }
}

#[test]
fn whoever_asks_for_tls_is_told_that_it_is_not_built() {
    let certificate = || Certificate::from_files("cert.pem", "key.pem");
    let refusals: [TlsError; 5] = [
        ServerTls::from_files("cert.pem", "key.pem").unwrap_err(),
        ServerTls::builder().certificate(certificate()).tls13_only().build().unwrap_err(),
        ClientTls::builder().accept_self_signed().build().unwrap_err(),
        ClientTls::builder().certificate(certificate()).build().unwrap_err(),
        ClientTls::platform().unwrap_err(),
    ];
    for error in refusals {
        assert_eq!((error.kind(), error.to_string().as_str()), (TlsErrorKind::NotBuilt, WHY));
    }
}

#[test]
fn an_address_of_wss_is_refused_before_anything_is_sent() {
    let error = Connect::to("wss://localhost/").unwrap_err();
    assert_eq!(error.to_string(), "bad address: wss:// needs TLS, which this build has not");
    Connect::to("ws://localhost/").unwrap();
}

#[test]
fn plain_connections_are_served() {
    let mut context = Context::builder().protocol(Echo).build().unwrap();
    let address = context.listen("127.0.0.1:0").unwrap();
    let client = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let head = format!(
            "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
        let (mut came, mut byte) = (Vec::new(), [0]);
        while !came.ends_with(b"\x81\x02hi") {
            stream.read_exact(&mut byte).unwrap();
            came.push(byte[0]);
        }
    });
    while !client.is_finished() {
        context.service(Duration::from_millis(10)).unwrap();
    }
    client.join().unwrap();
}
