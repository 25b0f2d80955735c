//! The example `interop` with tungstenite at the other end, in both roles.

use crate::{Server, built};
use sockeye_testkit::finish;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{Frame, Utf8Bytes};
use tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

const MIB: usize = 1 << 20;

/// Only so that nothing hangs for ever.
const PATIENCE: Duration = Duration::from_secs(60);

fn config() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(None).max_frame_size(None)
}

/// The next message that is not a ping or pong, all pings answered.
fn next(peer: &mut WebSocket<TcpStream>) -> Result<Message, Error> {
    loop {
        let message = peer.read()?;
        if message.is_ping() {
            peer.flush()?;
        } else if !message.is_pong() {
            return Ok(message);
        }
    }
}

fn goodbye() -> CloseFrame {
    CloseFrame { code: 4000.into(), reason: "done \u{e9}".into() }
}

#[test]
fn tungstenite_as_the_client() {
    let mut server = Server::start("interop", &[]);
    let stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let url = format!("ws://{}/", server.address);
    let (mut peer, _) =
        tungstenite::client::client_with_config(url, stream, Some(config())).unwrap();
    let sizes = [0, 1, 125, 126, 65_535, 65_536, 16 * MIB];
    for size in sizes {
        for message in [Message::text("x".repeat(size)), Message::binary(vec![7; size])] {
            peer.send(message.clone()).unwrap();
            assert!(next(&mut peer).unwrap() == message, "{size} bytes");
        }
    }
    for (last, part) in [(false, "\u{1f41f}".as_bytes()), (false, b""), (true, b" in parts")] {
        let opcode = if part.len() == 4 { Data::Text } else { Data::Continue };
        peer.send(Message::Frame(Frame::message(part.to_vec(), OpCode::Data(opcode), last)))
            .unwrap();
        peer.send(Message::Ping("between".into())).unwrap();
    }
    assert_eq!(next(&mut peer).unwrap(), Message::text("\u{1f41f} in parts"));
    peer.close(Some(goodbye())).unwrap();
    assert_eq!(next(&mut peer).unwrap(), Message::Close(Some(goodbye())));
    let pings = 3 * (sizes.len() + 1);
    assert_eq!(
        server.line(),
        format!(
            "closed by peer: closing handshake, code 4000 of the application, \
             reason \"done \u{e9}\"; {pings} of {pings} pings answered, 3 seen"
        )
    );
}

#[test]
fn tungstenite_as_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let mut command = Command::new(built("sockeye", "interop"));
    let client = command.arg(url).stdout(Stdio::piped()).spawn().unwrap();
    let stream = listener.accept().unwrap().0;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut peer = tungstenite::accept_with_config(stream, Some(config())).unwrap();
    let farewell = loop {
        let message = next(&mut peer).unwrap();
        if let Message::Close(frame) = message {
            break frame;
        } else if let Message::Text(text) = message {
            echo_in_parts(&mut peer, &text);
        } else {
            peer.send(message).unwrap();
        }
    };
    assert_eq!(farewell, Some(goodbye()));
    assert!(matches!(next(&mut peer), Err(Error::ConnectionClosed)));
    let output = finish(client);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.ends_with("9 of 9 pings answered, 5 seen\n"), "{said}");
}

/// In two frames, cut wherever that is, with a ping between.
fn echo_in_parts(peer: &mut WebSocket<TcpStream>, text: &Utf8Bytes) {
    let (one, two) = text.as_bytes().split_at(text.len() / 2);
    let first = Frame::message(one.to_vec(), OpCode::Data(Data::Text), false);
    let second = Frame::message(two.to_vec(), OpCode::Data(Data::Continue), true);
    let between = Message::Ping("between".into());
    for message in [Message::Frame(first), between, Message::Frame(second)] {
        peer.send(message).unwrap();
    }
}
