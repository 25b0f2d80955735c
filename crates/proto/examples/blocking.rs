//! The protocol alone, without Sockeye's loop: a WebSocket client over a blocking `TcpStream`.
//!
//! This crate opens no sockets, so it goes with any that there are. Here the plainest: connect,
//! write, read until something has come. What the server says is printed.
//!
//! ```sh
//! cargo run -p sockeye-proto --example blocking -- ws://127.0.0.1:7681/ hello world
//! ```
//!
//! With messages it sends them, closes, and prints what came until the server has closed as well;
//! without, it listens until the server closes.

use sockeye_proto::handshake::{ClientHello, ClientRequest};
use sockeye_proto::http::{HeadLimits, HeadScanner, ResponseHead};
use sockeye_proto::uri::Url;
use sockeye_proto::{
    CloseCode, CloseFrame, Event, FrameHeader, Inflaters, MessageKind, Opcode, Reader, Role, Rules,
    push_frame,
};
use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpStream;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "ws://127.0.0.1:7681/".into());
    let messages: Vec<String> = arguments.collect();

    let (mut client, mut early) = Client::open(&Url::parse(&url)?)?;
    for message in &messages {
        client.send(Opcode::Text, message.as_bytes())?;
    }
    if !messages.is_empty() {
        client.close()?;
    }
    let mut buffer = vec![0; 64 << 10];
    let mut open = client.take(&mut early)?; // what came right behind the handshake
    while open {
        open = match client.stream.read(&mut buffer)? {
            0 => return Err("the server has gone without a close frame".into()),
            n => client.take(&mut buffer[..n])?,
        };
    }
    Ok(())
}

struct Client {
    stream: TcpStream,
    reader: Reader,
    rules: Rules,
    /// Unused, as no compression is offered.
    inflaters: Inflaters,
    /// Our Close frame is out: nothing may follow it.
    closing: bool,
}

impl Client {
    /// Connects and shakes hands. What came behind the server's answer is handed back with it.
    fn open(url: &Url) -> Result<(Self, Vec<u8>), Box<dyn Error>> {
        if url.secure {
            return Err("wss: this example speaks no TLS".into());
        }
        let mut stream = TcpStream::connect((url.host.as_str(), url.port))?;
        let hello = ClientHello::to_url(random()?, url, &ClientRequest::default())?;
        let mut request = Vec::new();
        hello.write_to(&mut request);
        stream.write_all(&request)?;

        let (head, early) = read_head(&mut stream)?;
        let accepted = hello.check(&ResponseHead::parse(&head, &HeadLimits::default())?)?;
        println!("open, subprotocol {:?}", accepted.subprotocol);
        let client = Self {
            stream,
            reader: Reader::new(),
            rules: Rules::new(Role::Client),
            inflaters: Inflaters::new(),
            closing: false,
        };
        Ok((client, early))
    }

    /// Sends one frame, masked with a fresh key as clients must (RFC 6455 section 5.3).
    fn send(&mut self, opcode: Opcode, payload: &[u8]) -> io::Result<()> {
        let header = FrameHeader { fin: true, reserved: 0, opcode, mask: Some(random()?), len: 0 };
        let mut frame = Vec::new();
        push_frame(&mut frame, header, payload);
        self.stream.write_all(&frame)
    }

    /// Begins the closing handshake, or answers the server's. Once only.
    fn close(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.closing, true) {
            return Ok(());
        }
        let mut payload = [0; 125];
        let n = CloseFrame::encode(CloseCode::NORMAL, "", &mut payload);
        self.send(Opcode::Close, &payload[..n])
    }

    /// Takes what was read and does what it asks for. Whether more is to come.
    fn take(&mut self, mut input: &mut [u8]) -> Result<bool, Box<dyn Error>> {
        loop {
            match self.reader.next(&self.rules, &mut self.inflaters, &mut input)? {
                Event::NeedMore => return Ok(true),
                Event::Message { kind: MessageKind::Text, payload } => {
                    println!("{}", str::from_utf8(&payload)?);
                }
                Event::Message { kind: MessageKind::Binary, payload } => {
                    println!("{} bytes: {}", payload.len(), payload.escape_ascii());
                }
                Event::Chunk { .. } | Event::Pong(_) => {} // we do not stream, nor ping
                Event::Ping(_) if self.closing => {}
                Event::Ping(payload) => self.send(Opcode::Pong, &payload)?,
                Event::Close(frame) => {
                    println!("closed: {:?} {:?}", frame.code, frame.reason);
                    self.close()?;
                    return Ok(false);
                }
            }
        }
    }
}

/// Reads a response head, and perhaps some bytes more, which come second.
fn read_head(stream: &mut TcpStream) -> Result<(Vec<u8>, Vec<u8>), Box<dyn Error>> {
    let (mut scanner, limits) = (HeadScanner::default(), HeadLimits::default());
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            return Err("the server has gone without an answer".into());
        }
        let piece = &buffer[..n];
        if let Some(end) = scanner.feed(piece, &limits)? {
            head.extend_from_slice(&piece[..end]);
            return Ok((head, piece[end..].to_vec()));
        }
        head.extend_from_slice(piece);
    }
}

/// Bytes that nobody can foresee: this crate draws none of its own.
fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
