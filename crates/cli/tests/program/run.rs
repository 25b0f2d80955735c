//! The program under test, and independent peers for it.

use rustix::process::{Pid, Signal, kill_process};
use sockeye_testkit::{limit, output};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;
use tungstenite::client::client_with_config;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{ClientRequestBuilder, Message, WebSocket};

/// Only so that nothing waits for ever; no test asks how long something took.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the program is.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_sockeye");

/// A running program, ended with the test.
pub(crate) struct Program {
    child: Child,
    /// Kept open for what it may say later.
    stdout: Option<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts it with all three streams piped.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::spawn(command(args))
    }

    /// Starts a command with all three streams piped.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        Self::from(child)
    }

    /// Writes to its stdin.
    pub(crate) fn say(&mut self, text: &[u8]) {
        let stdin = self.child.stdin.as_mut().expect("stdin is open");
        stdin.write_all(text).and_then(|()| stdin.flush()).expect("stdin is read");
    }

    /// Ends its stdin.
    pub(crate) fn say_no_more(&mut self) {
        self.child.stdin = None;
    }

    pub(crate) fn stdout(&mut self) -> BufReader<ChildStdout> {
        BufReader::new(self.child.stdout.take().expect("stdout is asked for once"))
    }

    /// The next line of its stdout.
    pub(crate) fn line(&mut self) -> String {
        let mut stdout = self.stdout.take().unwrap_or_else(|| self.stdout());
        let mut line = String::new();
        stdout.read_line(&mut line).expect("stdout is text");
        self.stdout = Some(stdout);
        line
    }

    pub(crate) fn stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().expect("stderr is asked for once")
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("it ends")
    }

    /// Its exit status and what it says on stderr.
    pub(crate) fn verdict(&mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.stderr().read_to_string(&mut said).expect("stderr is text");
        (self.wait().code(), said)
    }
}

impl From<Child> for Program {
    fn from(child: Child) -> Self {
        limit(&child);
        Self { child, stdout: None }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended, or the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, not started.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(args);
    // Whoever runs the tests may need a proxy; their peers are on this machine.
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
}

/// Runs it to its end without input: exit status, stdout, stderr.
pub(crate) fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let output = output(&mut command(args));
    let text = |bytes| String::from_utf8(bytes).expect("it says text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A stdout that fails with a broken pipe. A pipe would not do: while other tests start programs,
/// those hold copies of its other end for a moment.
pub(crate) fn unread() -> Stdio {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    theirs.shutdown(Shutdown::Both).expect("they are connected");
    Stdio::from(OwnedFd::from(ours))
}

/// `sockeye serve` or `sockeye echo`, listening.
pub(crate) struct Server {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
}

/// An end of tungstenite's, of either role.
pub(crate) type Peer = WebSocket<Patient>;

/// A stream that waits long, but not for ever, and is not put off by a signal: with a time-out
/// set, the system does not repeat interrupted reads by itself.
#[derive(Debug)]
pub(crate) struct Patient(pub(crate) TcpStream);

impl Patient {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("it is longer than nothing");
        Self(stream)
    }
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Server {
    pub(crate) fn serve() -> Self {
        Self::start(&["serve"], "http")
    }

    pub(crate) fn echo() -> Self {
        Self::start(&["echo"], "ws")
    }

    /// The address that a server prints.
    pub(crate) fn of(program: &mut Program, scheme: &str) -> SocketAddr {
        address_in(&program.line(), scheme)
    }

    /// Starts it at a free port and reads the port from the line it prints.
    pub(crate) fn start(args: &[&str], scheme: &str) -> Self {
        let mut program = Program::start(&[args, &["--port", "0"]].concat());
        Self { address: Self::of(&mut program, scheme), program }
    }

    /// A TCP connection to it.
    pub(crate) fn tcp(&self) -> Patient {
        tcp(self.address)
    }

    /// A WebSocket to it.
    pub(crate) fn open(&self, subprotocol: &str) -> Peer {
        open(self.address, subprotocol)
    }

    pub(crate) fn request(&self) -> ClientRequestBuilder {
        request(self.address)
    }

    /// A WebSocket, or what went wrong with it.
    pub(crate) fn shake_hands(&self, request: ClientRequestBuilder) -> Result<Peer, String> {
        shake_hands(self.address, request)
    }

    /// A WebSocket whose frames are made and read by hand.
    pub(crate) fn open_raw(&self, subprotocol: &str) -> Patient {
        let mut stream = self.tcp();
        stream.write_all(hello(self.address, subprotocol).as_bytes()).expect("it reads");
        let head = read_head(&mut stream);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        stream
    }
}

/// The address in the line that a server prints.
pub(crate) fn address_in(line: &str, scheme: &str) -> SocketAddr {
    let slash = if scheme.starts_with("http") { "/\n" } else { "\n" };
    let address = line
        .strip_prefix(&format!("listening on {scheme}://"))
        .and_then(|rest| rest.strip_suffix(slash))
        .unwrap_or_else(|| panic!("not the line expected: {line:?}"));
    address.parse().expect("an address")
}

/// A TCP connection to a server.
pub(crate) fn tcp(address: SocketAddr) -> Patient {
    Patient::new(TcpStream::connect(address).expect("it listens"))
}

/// A WebSocket to a server.
pub(crate) fn open(address: SocketAddr, subprotocol: &str) -> Peer {
    shake_hands(address, request(address).with_sub_protocol(subprotocol)).expect("it agrees")
}

fn request(address: SocketAddr) -> ClientRequestBuilder {
    ClientRequestBuilder::new(format!("ws://{address}/").parse().expect("a URL"))
}

fn shake_hands(address: SocketAddr, request: ClientRequestBuilder) -> Result<Peer, String> {
    let sizes = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    client_with_config(request, tcp(address), Some(sizes))
        .map(|(client, _)| client)
        .map_err(|error| error.to_string())
}

/// An opening handshake with the nonce of RFC 6455 §1.3.
pub(crate) fn hello(address: SocketAddr, subprotocol: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
    )
}

/// A head, and nothing of what follows it.
pub(crate) fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the head goes on");
        head.extend(byte);
    }
    String::from_utf8(head).expect("heads are text")
}

/// A masked frame of at most 125 bytes; the mask is zero, which changes nothing.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() <= 125);
    let header = [first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    [&header, payload].concat()
}

/// An unmasked frame of at most 125 bytes: its first byte and its payload.
pub(crate) fn read_frame(stream: &mut impl Read) -> (u8, Vec<u8>) {
    let mut header = [0; 2];
    stream.read_exact(&mut header).expect("a frame");
    assert!(header[1] <= 125, "a short one: {header:?}");
    let mut payload = vec![0; header[1].into()];
    stream.read_exact(&mut payload).expect("its payload");
    (header[0], payload)
}

/// The next message, which is text.
pub(crate) fn text(client: &mut Peer) -> String {
    let message = client.read().expect("a message");
    assert!(message.is_text(), "not text: {message:?}");
    message.to_text().expect("text is UTF-8").to_owned()
}

/// Sends text.
pub(crate) fn say(client: &mut Peer, text: &str) {
    client.send(Message::text(text)).expect("it is read");
}

/// The code and reason of the Close frame that comes next; a Ping before it is answered.
pub(crate) fn close_of(client: &mut Peer) -> (u16, String) {
    let mut message = client.read().expect("a close frame");
    while message.is_ping() {
        message = client.read().expect("a close frame");
    }
    let Message::Close(Some(frame)) = message else {
        panic!("not a close frame with a code: {message:?}");
    };
    (frame.code.into(), frame.reason.to_string())
}

/// Takes the closing handshake to its end, and with it the TCP connection: neither end is left
/// waiting for the other.
pub(crate) fn finish(mut client: Peer) {
    while client.read().is_ok() {}
}
