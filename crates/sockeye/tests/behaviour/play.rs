//! A protocol whose callbacks each test writes as it needs them, and that notes every call.

use sockeye::{
    Action, Chunk, Closed, Conn, ConnId, ConnectError, Connections, Handshake, Message, Permit,
    Protocol, Reject,
};
use std::cell::RefCell;
use std::rc::Rc;

/// What has happened, a line per callback.
#[derive(Clone, Default)]
pub(crate) struct Trace(Rc<RefCell<Vec<String>>>);

impl Trace {
    pub(crate) fn note(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }

    /// All lines since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }

    /// How many lines begin with this.
    pub(crate) fn count(&self, start: &str) -> usize {
        self.0.borrow().iter().filter(|line| line.starts_with(start)).count()
    }

    /// The last line that begins with this.
    pub(crate) fn last(&self, start: &str) -> String {
        let lines = self.0.borrow();
        let found = lines.iter().rev().find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("no {start} among {lines:#?}")).clone()
    }
}

type OnConn = Box<dyn FnMut(&mut Conn<'_, Play>) -> Action>;
type OnMessage = Box<dyn FnMut(&mut Conn<'_, Play>, Message<'_>) -> Action>;
type OnWritable = Box<dyn FnMut(&mut Conn<'_, Play>, Permit<'_>) -> Action>;
type OnControl = Box<dyn FnMut(&mut Conn<'_, Play>, &[u8]) -> Action>;
type OnUpgrade = Box<dyn FnMut(&Handshake<'_>) -> Result<(), Reject>>;
type OnNotice = Box<dyn FnMut(Connections<'_>, String)>;
type OnClosed = Box<dyn FnMut(Connections<'_>, ConnId, &Closed)>;
type OnFailure = Box<dyn FnMut(Connections<'_>, ConnId, &ConnectError)>;

/// Connections are numbered from 0 in the order of their upgrades. An echo, unless told otherwise.
pub(crate) struct Play {
    name: String,
    pub(crate) trace: Trace,
    upgrades: usize,
    upgrade: OnUpgrade,
    open: OnConn,
    receive: OnMessage,
    writable: OnWritable,
    ping: OnControl,
    pong: OnControl,
    timer: OnConn,
    notified: OnNotice,
    closed: OnClosed,
    failed: OnFailure,
}

impl Play {
    pub(crate) fn new(trace: &Trace) -> Self {
        Self::named("play", trace)
    }

    pub(crate) fn named(name: &str, trace: &Trace) -> Self {
        Self {
            name: name.to_owned(),
            trace: trace.clone(),
            upgrades: 0,
            upgrade: Box::new(|_| Ok(())),
            open: Box::new(|_| Action::Continue),
            receive: Box::new(|conn, message| conn.reply(message)),
            writable: Box::new(|_, _| Action::Continue),
            ping: Box::new(|_, _| Action::Continue),
            pong: Box::new(|_, _| Action::Continue),
            timer: Box::new(|_| Action::Continue),
            notified: Box::new(|_, _| {}),
            closed: Box::new(|_, _, _| {}),
            failed: Box::new(|_, _, _| {}),
        }
    }

    pub(crate) fn on_upgrade(
        mut self,
        call: impl FnMut(&Handshake<'_>) -> Result<(), Reject> + 'static,
    ) -> Self {
        self.upgrade = Box::new(call);
        self
    }

    pub(crate) fn on_open(
        mut self,
        call: impl FnMut(&mut Conn<'_, Play>) -> Action + 'static,
    ) -> Self {
        self.open = Box::new(call);
        self
    }

    pub(crate) fn on_receive(
        mut self,
        call: impl FnMut(&mut Conn<'_, Play>, Message<'_>) -> Action + 'static,
    ) -> Self {
        self.receive = Box::new(call);
        self
    }

    pub(crate) fn on_writable(
        mut self,
        call: impl FnMut(&mut Conn<'_, Play>, Permit<'_>) -> Action + 'static,
    ) -> Self {
        self.writable = Box::new(call);
        self
    }

    pub(crate) fn on_ping(
        mut self,
        call: impl FnMut(&mut Conn<'_, Play>, &[u8]) -> Action + 'static,
    ) -> Self {
        self.ping = Box::new(call);
        self
    }

    pub(crate) fn on_pong(
        mut self,
        call: impl FnMut(&mut Conn<'_, Play>, &[u8]) -> Action + 'static,
    ) -> Self {
        self.pong = Box::new(call);
        self
    }

    pub(crate) fn on_timer(
        mut self,
        call: impl FnMut(&mut Conn<'_, Play>) -> Action + 'static,
    ) -> Self {
        self.timer = Box::new(call);
        self
    }

    pub(crate) fn on_notice(mut self, call: impl FnMut(Connections<'_>, String) + 'static) -> Self {
        self.notified = Box::new(call);
        self
    }

    pub(crate) fn on_closed(
        mut self,
        call: impl FnMut(Connections<'_>, ConnId, &Closed) + 'static,
    ) -> Self {
        self.closed = Box::new(call);
        self
    }

    pub(crate) fn on_failure(
        mut self,
        call: impl FnMut(Connections<'_>, ConnId, &ConnectError) + 'static,
    ) -> Self {
        self.failed = Box::new(call);
        self
    }
}

impl Protocol for Play {
    type Session = usize;
    type Notice = String;

    fn name(&self) -> &str {
        &self.name
    }

    fn upgrade(&mut self, hello: &Handshake<'_>) -> Result<usize, Reject> {
        (self.upgrade)(hello)?;
        self.upgrades += 1;
        Ok(self.upgrades - 1)
    }

    fn open(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        self.trace.note(format!("open#{}", conn.session));
        (self.open)(conn)
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        let length = message.as_bytes().len();
        match message.as_text().filter(|_| length <= 40) {
            Some(text) => self.trace.note(format!("receive#{} {text}", conn.session)),
            None => self.trace.note(format!("receive#{} {length} bytes", conn.session)),
        }
        (self.receive)(conn, message)
    }

    fn writable(&mut self, conn: &mut Conn<'_, Self>, permit: Permit<'_>) -> Action {
        self.trace.note(format!("writable#{}", conn.session));
        (self.writable)(conn, permit)
    }

    fn ping(&mut self, conn: &mut Conn<'_, Self>, payload: &[u8]) -> Action {
        self.trace.note(format!("ping#{} {}", conn.session, payload.escape_ascii()));
        (self.ping)(conn, payload)
    }

    fn pong(&mut self, conn: &mut Conn<'_, Self>, payload: &[u8]) -> Action {
        self.trace.note(format!("pong#{} {}", conn.session, payload.escape_ascii()));
        (self.pong)(conn, payload)
    }

    fn timer(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        self.trace.note(format!("timer#{}", conn.session));
        (self.timer)(conn)
    }

    fn notified(&mut self, connections: Connections<'_>, notice: String) {
        self.trace.note(format!("notified {notice}"));
        (self.notified)(connections, notice);
    }

    fn closed(&mut self, connections: Connections<'_>, id: ConnId, session: usize, closed: Closed) {
        self.trace.note(format!("closed#{session} {closed}"));
        (self.closed)(connections, id, &closed);
    }

    fn upgrade_abandoned(&mut self, _: Connections<'_>, _: ConnId) {
        self.trace.note("abandoned".to_owned());
    }

    fn connect_failed(&mut self, connections: Connections<'_>, id: ConnId, error: ConnectError) {
        self.trace.note(format!("failed {error}"));
        (self.failed)(connections, id, &error);
    }
}

type OnChunk = Box<dyn FnMut(&mut Conn<'_, Stream>, &Chunk<'_>) -> Action>;

/// A protocol that takes messages as they come.
pub(crate) struct Stream {
    trace: Trace,
    chunk: OnChunk,
}

impl Stream {
    pub(crate) fn new(
        trace: &Trace,
        chunk: impl FnMut(&mut Conn<'_, Stream>, &Chunk<'_>) -> Action + 'static,
    ) -> Self {
        Self { trace: trace.clone(), chunk: Box::new(chunk) }
    }
}

impl Protocol for Stream {
    type Session = ();
    type Notice = ();
    const STREAMING: bool = true;

    fn name(&self) -> &str {
        "stream"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
        Ok(())
    }

    fn receive(&mut self, _: &mut Conn<'_, Self>, _: Message<'_>) -> Action {
        self.trace.note("receive");
        Action::Continue
    }

    fn chunk(&mut self, conn: &mut Conn<'_, Self>, chunk: Chunk<'_>) -> Action {
        let (payload, remaining) = (chunk.payload().escape_ascii(), chunk.remaining());
        let end = if chunk.is_final() { ", final" } else { "" };
        self.trace.note(format!("chunk {payload}, {remaining} remain{end}"));
        (self.chunk)(conn, &chunk)
    }

    fn closed(&mut self, _: Connections<'_>, _: ConnId, (): (), closed: Closed) {
        self.trace.note(format!("closed {closed}"));
    }
}
