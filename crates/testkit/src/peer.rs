//! The other end of a connection.

use crate::frame::Frame;
use crate::head::{Head, Response, upgrade_request};
use sockeye_proto::{Opcode, Role};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Far longer than anything takes that is going to happen at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long one read or write waits before the server gets another turn.
const PAUSE: Duration = Duration::from_millis(1);

/// What gives the server its turns while a peer waits.
type Turn = Rc<dyn Fn()>;

/// For a peer whose server runs by itself.
pub fn idle() -> Turn {
    Rc::new(|| {})
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In good order.
    Eof,
    /// It broke.
    Reset,
}

/// A connection that says what the test tells it to, and expects what the test expects.
pub struct Peer {
    stream: TcpStream,
    role: Role,
    /// What came and was not asked for yet.
    received: Vec<u8>,
    end: Option<End>,
    turn: Turn,
}

impl Peer {
    /// Connects, and is the client.
    pub fn connect(address: SocketAddr, turn: Turn) -> Self {
        let stream = TcpStream::connect(address).expect("the server accepts");
        Self::over(stream, Role::Client, turn)
    }

    /// Takes the next connection, and is its server.
    pub fn accept(listener: &TcpListener, turn: Turn) -> Self {
        listener.set_nonblocking(true).expect("a listener can be non-blocking");
        let began = Instant::now();
        let stream = loop {
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
            }
            assert!(began.elapsed() < PATIENCE, "nobody connects");
            turn();
            std::thread::yield_now();
        };
        Self::over(stream, Role::Server, turn)
    }

    /// Over a stream that is open already.
    pub fn over(stream: TcpStream, role: Role, turn: Turn) -> Self {
        stream.set_nonblocking(false).expect("a stream can block");
        stream.set_nodelay(true).expect("a TCP stream has no delay");
        stream.set_read_timeout(Some(PAUSE)).expect("reads have a timeout");
        stream.set_write_timeout(Some(PAUSE)).expect("writes have a timeout");
        Self { stream, role, received: Vec::new(), end: None, turn }
    }

    /// Its own address.
    pub fn address(&self) -> SocketAddr {
        self.stream.local_addr().expect("a socket has an address")
    }

    /// The stream, for what is not provided for here.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Says all of it, while the server gets its turns. Does not read meanwhile.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap_or_else(|why| panic!("the server does not take it: {why}"));
    }

    /// Like [`send`](Self::send), for a server that may hang up meanwhile.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        let mut rest = bytes.as_ref();
        let began = Instant::now();
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(n) => rest = &rest[n..],
                Err(error) if is_not_yet(&error) => (self.turn)(),
                Err(error) => return Err(error),
            }
            assert!(began.elapsed() < PATIENCE, "{} bytes are not taken", rest.len());
        }
        Ok(())
    }

    /// Says as much as the sockets between hold, without a turn of the server; how much that was.
    pub fn send_without_turns(&mut self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            match self.stream.write(&bytes[sent..]) {
                Ok(n) => sent += n,
                Err(error) if is_not_yet(&error) => break,
                Err(error) => panic!("the server does not take it: {error}"),
            }
        }
        sent
    }

    /// Says it byte by byte, with a turn of the server after each.
    pub fn dribble(&mut self, bytes: impl AsRef<[u8]>) {
        for byte in bytes.as_ref() {
            self.send([*byte]);
            (self.turn)();
        }
    }

    /// The frame as this end sends it.
    pub fn encode(&self, frame: &Frame) -> Vec<u8> {
        match self.role {
            Role::Client => frame.masked(),
            Role::Server => frame.plain(),
        }
    }

    /// Sends a frame, masked if this is the client.
    pub fn send_frame(&mut self, frame: &Frame) {
        self.send(self.encode(frame));
    }

    /// Sends frames in one piece.
    pub fn send_frames<'f>(&mut self, frames: impl IntoIterator<Item = &'f Frame>) {
        let bytes: Vec<u8> = frames.into_iter().flat_map(|frame| self.encode(frame)).collect();
        self.send(bytes);
    }

    /// Says that nothing more will come.
    pub fn finish(&mut self) {
        // Not if it has been reset meanwhile, which is for the test to see when it reads.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// As a client: asks for an upgrade and expects it to be granted.
    pub fn upgrade(&mut self, target: &str, headers: &[(&str, &str)]) -> Head {
        self.send(upgrade_request(target, headers));
        let head = self.expect_head();
        assert_eq!(head.status(), 101, "{}", head.text);
        head
    }

    /// The closing handshake as the one who answers it.
    pub fn close_answer(&mut self, code: u16, reason: &str) {
        assert_eq!(self.expect_close(code), reason);
        self.send_frame(&Frame::close(code, reason));
        self.expect_eof();
    }

    /// The next `count` bytes.
    pub fn expect_bytes(&mut self, count: usize) -> Vec<u8> {
        self.wait(|received| received.len() >= count, &format!("{count} bytes"));
        self.received.drain(..count).collect()
    }

    /// The next head.
    pub fn expect_head(&mut self) -> Head {
        self.wait(|received| head_end(received).is_some(), "a head");
        let end = head_end(&self.received).expect("it was found");
        let head: Vec<u8> = self.received.drain(..end).collect();
        Head { text: String::from_utf8_lossy(&head[..end - 4]).into_owned() }
    }

    /// The next response with its body, to a request of any method but HEAD.
    pub fn expect_response(&mut self) -> Response {
        let head = self.expect_head();
        let chunked = head.header("Transfer-Encoding") == Some("chunked");
        let length = head.header("Content-Length").map(|length| length.parse().expect("a number"));
        let body = match length {
            _ if chunked => self.expect_chunks(),
            Some(length) => self.expect_bytes(length),
            None if head.status() < 200 || head.status() == 204 => Vec::new(),
            None => self.expect_rest(),
        };
        Response { head, body }
    }

    /// The next frame.
    pub fn expect_frame(&mut self) -> Frame {
        self.wait(|received| Frame::parse(received).is_some(), "a frame");
        let (frame, end) = Frame::parse(&self.received).expect("it was found");
        self.received.drain(..end);
        let from_client = self.role == Role::Server;
        assert_eq!(frame.mask.is_some(), from_client, "whether {frame:?} is masked");
        frame
    }

    /// The next frame, if all of it has come already. Gives the server no turn.
    pub fn next_frame(&mut self) -> Option<Frame> {
        let (frame, end) = Frame::parse(&self.received)?;
        self.received.drain(..end);
        Some(frame)
    }

    /// The next frame, which must be a whole message of this content.
    pub fn expect_message(&mut self, opcode: Opcode, payload: &[u8]) {
        let frame = self.expect_frame();
        let expected = Frame { mask: frame.mask, ..Frame::new(opcode, payload) };
        assert!(frame == expected, "{frame:?} instead of {expected:?}");
    }

    /// The next frame, which must be this text.
    pub fn expect_text(&mut self, text: &str) {
        self.expect_message(Opcode::Text, text.as_bytes());
    }

    /// The next frame, which must be a Close with this code. Its reason.
    pub fn expect_close(&mut self, code: u16) -> String {
        let frame = self.expect_frame();
        let close = frame.close_code().filter(|_| frame.opcode == Opcode::Close);
        match close {
            Some((found, reason)) if found == code => reason,
            Some(_) | None => panic!("{frame:?} {close:?} instead of a Close with {code}"),
        }
    }

    /// The closing handshake as the one who begins it.
    pub fn close(&mut self, code: u16, reason: &str) {
        self.send_frame(&Frame::close(code, reason));
        assert_eq!(self.expect_close(code), reason);
        self.expect_eof();
    }

    /// The end of the stream, in good order, with nothing before it.
    pub fn expect_eof(&mut self) {
        let end = self.expect_end();
        assert_eq!(end, End::Eof);
    }

    /// The end of the stream, in any order, with nothing before it.
    pub fn expect_end(&mut self) -> End {
        let (rest, end) = self.expect_rest_and_end();
        assert!(rest.is_empty(), "the end expected, came {:?}", rest.escape_ascii().to_string());
        end
    }

    /// Everything up to the end of the stream, which must be in good order.
    pub fn expect_rest(&mut self) -> Vec<u8> {
        let (rest, end) = self.expect_rest_and_end();
        assert_eq!(end, End::Eof);
        rest
    }

    /// Everything up to the end of the stream, and how it ended.
    pub fn expect_rest_and_end(&mut self) -> (Vec<u8>, End) {
        let began = Instant::now();
        let end = loop {
            if let Some(end) = self.end {
                break end;
            }
            (self.turn)();
            self.read();
            assert!(began.elapsed() < PATIENCE, "no end of the stream; came {}", self.shown());
        };
        (std::mem::take(&mut self.received), end)
    }

    /// That nothing comes, over some turns of the server, and that the stream goes on.
    pub fn expect_silence(&mut self) {
        for _ in 0..10 {
            (self.turn)();
            self.read();
        }
        let received = self.received.escape_ascii().to_string();
        assert!(received.is_empty(), "silence expected, came {received:?}");
        assert_eq!(self.end, None);
    }

    /// How many bytes have come that were not asked for yet.
    pub fn waiting(&mut self) -> usize {
        while self.end.is_none() && self.read() {}
        self.received.len()
    }

    fn expect_chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            self.wait(|received| line_end(received).is_some(), "a chunk's length");
            let end = line_end(&self.received).expect("it was found");
            let line: Vec<u8> = self.received.drain(..end + 2).collect();
            let digits = std::str::from_utf8(&line[..end]).expect("a chunk's length is text");
            let length = usize::from_str_radix(digits, 16).expect("a chunk's length is a number");
            let chunk = self.expect_bytes(length + 2);
            assert!(chunk.ends_with(b"\r\n"), "a chunk ends with a line's end");
            body.extend_from_slice(&chunk[..length]);
            if length == 0 {
                return body;
            }
        }
    }

    fn wait(&mut self, enough: impl Fn(&[u8]) -> bool, what: &str) {
        let began = Instant::now();
        while !enough(&self.received) {
            if let Some(end) = self.end {
                panic!("{what} expected, came {} and then {end:?}", self.shown());
            }
            assert!(began.elapsed() < PATIENCE, "{what} expected, came {}", self.shown());
            (self.turn)();
            self.read();
        }
    }

    /// Reads once; whether that gave anything.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 65_536];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.end = Some(End::Eof),
            Ok(n) => {
                self.received.extend_from_slice(&buffer[..n]);
                return true;
            }
            Err(error) if is_not_yet(&error) => {}
            Err(_) => self.end = Some(End::Reset),
        }
        false
    }

    fn shown(&self) -> String {
        let start = &self.received[..self.received.len().min(300)];
        format!("{} bytes: \"{}\"", self.received.len(), start.escape_ascii())
    }
}

fn is_not_yet(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|two| two == b"\r\n")
}
