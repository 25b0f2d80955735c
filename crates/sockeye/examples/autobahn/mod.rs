//! What the conformance programs of both roles share: their options, and the echo.

use sockeye::{
    Action, Chunk, Closed, Conn, ConnId, ConnectError, Connections, Context, DeflateOptions,
    Handshake, Key, Limits, Message, MessageKind, Protocol, Reject, Role,
};
use std::cell::RefCell;
use std::rc::Rc;

mod reads;

pub(crate) use reads::Reads;

/// The command line.
#[derive(Default)]
pub(crate) struct Options {
    /// What is no option, in order.
    pub(crate) operands: Vec<String>,
    /// Messages are taken chunk by chunk.
    pub(crate) streaming: bool,
    /// Compression keeps its window between messages: both ways as a server, only the server's as
    /// a client. Where the suite's server is to ask for no takeover (13.2, 13.5, 13.6), it speaks
    /// only to clients that offer to do without.
    pub(crate) takeover: bool,
    /// The same, and as a client its own window too.
    pub(crate) own_context: bool,
    /// How the bytes that arrive are cut.
    pub(crate) reads: Reads,
    /// A file of a certificate and its key: a server speaks TLS with it, a client trusts it.
    pub(crate) tls: Option<String>,
    /// The first and the last case to run, for clients.
    pub(crate) cases: Option<(u32, u32)>,
}

impl Options {
    /// Reads the command line of this process; `Err` says what is wrong with it.
    pub(crate) fn parse() -> Result<Self, String> {
        let mut options = Self::default();
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--streaming" => options.streaming = true,
                "--takeover" => options.takeover = true,
                "--own-context" => (options.takeover, options.own_context) = (true, true),
                "--reads" => options.reads = Reads::parse(&value()?)?,
                "--tls" => options.tls = Some(value()?),
                "--cases" => options.cases = Some(range(&value()?)?),
                other if other.starts_with('-') => return Err(format!("unknown option {other}")),
                _ => options.operands.push(arg),
            }
        }
        Ok(options)
    }

    /// A context that echoes, and where its connections tell how they ended.
    pub(crate) fn context<const STREAMING: bool>(
        &self,
        role: Role,
    ) -> std::io::Result<(Context, Key<Echo<STREAMING>>, Told)> {
        let mut reads = self.reads.clone();
        reads.begin(STREAMING);
        let told = Told::default();
        let mut builder = Context::builder()
            .limits(Limits { message_bytes: 64 << 20, fragments: u32::MAX, ..Limits::default() })
            .compression(DeflateOptions {
                threshold: 0, // the suite wants every message compressed that it sent compressed
                level: 1,     // how small it gets is not judged, and the suite takes long enough
                context_takeover: self.own_context || self.takeover && role == Role::Server,
                peer_context_takeover: self.takeover,
                ..DeflateOptions::default()
            });
        let key = builder.register(Echo { reads, told: told.clone() });
        Ok((builder.build()?, key, told))
    }
}

fn range(value: &str) -> Result<(u32, u32), String> {
    let numbers = value.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    numbers.ok_or_else(|| format!("--cases needs A-B, not {value}"))
}

/// What the connection that ended last had been told in messages it did not echo, or why it never
/// opened.
pub(crate) type Told = Rc<RefCell<Option<Result<Vec<u8>, ConnectError>>>>;

/// Sends back every message, once all of it is there.
pub(crate) struct Echo<const STREAMING: bool> {
    reads: Reads,
    told: Told,
}

/// One connection's state.
pub(crate) struct Session {
    /// Whether it echoes: a client's that asks the suite something does not.
    echoes: bool,
    /// What has come of a streamed message, or was not echoed.
    gathered: Vec<u8>,
}

impl<const STREAMING: bool> Protocol for Echo<STREAMING> {
    type Session = Session;
    type Notice = ();

    const STREAMING: bool = STREAMING;

    fn name(&self) -> &str {
        "echo"
    }

    fn upgrade(&mut self, hello: &Handshake<'_>) -> Result<Session, Reject> {
        let echoes = hello.role() == Role::Server || hello.path() == "/runCase";
        Ok(Session { echoes, gathered: Vec::new() })
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        self.reads.begin(STREAMING);
        if conn.session.echoes {
            return conn.reply(message);
        }
        conn.session.gathered = message.into_bytes();
        Action::Continue
    }

    fn chunk(&mut self, conn: &mut Conn<'_, Self>, chunk: Chunk<'_>) -> Action {
        self.reads.in_frame(chunk.remaining());
        conn.session.gathered.extend_from_slice(chunk.payload());
        if !chunk.is_final() || !conn.session.echoes {
            return Action::Continue;
        }
        let whole = std::mem::take(&mut conn.session.gathered);
        conn.reply(match chunk.kind() {
            MessageKind::Binary => Message::binary(whole),
            MessageKind::Text => Message::text(String::from_utf8(whole).expect("checked text")),
        })
    }

    fn closed(&mut self, _: Connections<'_>, _: ConnId, session: Session, _: Closed) {
        self.reads.begin(STREAMING);
        *self.told.borrow_mut() = Some(Ok(session.gathered));
    }

    fn connect_failed(&mut self, _: Connections<'_>, _: ConnId, error: ConnectError) {
        *self.told.borrow_mut() = Some(Err(error));
    }
}
