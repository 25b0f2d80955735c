//! The protocol of all connections: opens them, keeps messages on their way, looks at echoes.

use super::Order;
use super::fault::Fault;
use super::run::{Next, Run};
use crate::args::BenchArgs;
use sockeye::{
    Action, By, Cause, Chunk, CloseCode, Closed, Conn, ConnId, Connect, ConnectError, Connections,
    Handshake, Key, Message, MessageKind, Permit, Protocol, Reject,
};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// How many connections are opened at a time: a listener's queue is short on some systems.
const AT_ONCE: usize = 64;

/// The protocol. Whole messages cost less, if they are short; longer ones are looked at where they
/// lie, piece by piece.
pub(super) struct Load<const WHOLE: bool> {
    run: Rc<RefCell<Run>>,
    /// The ways to the server, which connections take in turn; never empty.
    to: Vec<Connect>,
    /// How many connections have been begun to open, ever.
    dials: usize,
    /// How many connections are wanted, and how many of them, the last, stay idle.
    wanted: usize,
    idle: usize,
    /// Whether they must be compressed.
    compressed: bool,
    key: Option<Key<Self>>,
    /// How many have been begun to open, and were not closed to be replaced.
    begun: usize,
    /// Those that are open, by their number.
    open: Vec<ConnId>,
    /// Numbers of those that have been closed to be replaced.
    free: Vec<u32>,
    /// Messages are being sent.
    started: bool,
    /// When those that are on the way were begun to open, if it is handshakes that are measured.
    dialled: HashMap<ConnId, u64>,
    /// Connections are being closed: how they end is of no interest.
    closing: bool,
    /// At a rate: how many messages connections were told to send.
    told: u64,
    /// Whether messages wait until there is room for them in the socket, each.
    careful: bool,
    /// Whether there was none when the present burst of echoes began to be looked at.
    choked: bool,
}

impl<const WHOLE: bool> Load<WHOLE> {
    pub(super) fn new(run: Rc<RefCell<Run>>, to: Vec<Connect>, args: &BenchArgs) -> Self {
        let wanted = args.all_connections() as usize;
        Self {
            run,
            to,
            dials: 0,
            wanted,
            idle: args.idle as usize,
            compressed: args.deflate,
            key: None,
            begun: 0,
            open: Vec::with_capacity(wanted),
            free: Vec::new(),
            started: false,
            dialled: HashMap::new(),
            closing: false,
            told: 0,
            careful: !WHOLE || args.rate.is_some(),
            choked: false,
        }
    }

    /// Opens further connections, as many at a time as may be.
    fn open_more(&mut self, connections: Connections<'_>) {
        let Some(key) = self.key else { return };
        while self.begun < self.wanted && self.begun - self.live() < AT_ONCE {
            match self.dial(connections, key) {
                Ok(_) => self.begun += 1,
                Err(error) => return self.cannot_connect(self.begun, error),
            }
        }
    }

    /// Begins to open a connection, by the next of the ways.
    fn dial(&mut self, all: Connections<'_>, key: Key<Self>) -> Result<ConnId, ConnectError> {
        let to = &self.to[self.dials % self.to.len()];
        self.dials += 1;
        all.connect(to, key.id())
    }

    fn live(&self) -> usize {
        self.open.len() - self.free.len()
    }

    /// Opens another connection where one has ended, unless the time is over.
    fn replace(&mut self, connections: Connections<'_>) {
        let Some(key) = self.key else { return };
        let mut run = self.run.borrow_mut();
        let now = run.now();
        if run.schedule.is_over(run.totals().0, now)
            || run.counts_handshakes() && !run.next_handshake(now)
        {
            return;
        }
        drop(run);
        match self.dial(connections, key) {
            Ok(id) => {
                self.begun += 1;
                self.dialled.insert(id, now);
            }
            Err(error) => self.cannot_connect(self.begun, error),
        }
    }

    /// A piece of a message has come.
    fn came(
        &mut self,
        conn: &mut Conn<'_, Self>,
        kind: MessageKind,
        piece: &[u8],
        is_final: bool,
    ) -> Action {
        let run = &mut *self.run.borrow_mut();
        let number = *conn.session;
        let (now, begins) = run.burst(number);
        match run.arrived(number, kind, piece, is_final, now) {
            Ok(Next::Send) => {}
            Ok(Next::Wait) => return Action::Continue,
            Ok(Next::Publish) => {
                conn.connections().request_writable(self.open[0]);
                return Action::Continue;
            }
            Ok(Next::Replace) => return Action::close(CloseCode::NORMAL, ""),
            Err(fault) => {
                run.fail(fault);
                return Action::Abort;
            }
        }
        // As if sent when the echo came: to look at the clock costs more than to send.
        if begins || self.careful || self.choked {
            let permit = conn.permit();
            self.choked = permit.is_none();
            match permit {
                Some(permit) => send(run, now, conn, permit),
                None => conn.request_writable(),
            }
        } else if let Some(message) = run.next_message(number, now) {
            // There was room for the first answer to what one read has brought. So many may wait.
            let _ = conn.send(message);
        }
        Action::Continue
    }

    fn cannot_connect(&self, nth: usize, error: ConnectError) {
        let fault = Fault::Connect {
            connection: nth as u32,
            of: self.wanted as u32,
            error: Box::new(error),
        };
        self.run.borrow_mut().fail(fault);
    }

    /// At a rate: has those connections send whose messages are due, and sets the clock for the
    /// next one. The first connection keeps the clock for all.
    fn pace(&mut self, connections: Connections<'_>) {
        let run = self.run.borrow();
        let now = run.now();
        let Some((due, next)) = run.schedule.due_by(now) else { return };
        // Each connection looks by itself how many of its messages are due.
        let count = self.open.len() as u64;
        for number in self.told.max(due.saturating_sub(count))..due {
            connections.request_writable(self.open[(number % count) as usize]);
        }
        self.told = due;
        if let Some(next) = next {
            let after = Duration::from_nanos(next.saturating_sub(now));
            connections.set_timer(self.open[0], Some(after));
        }
    }
}

impl<const WHOLE: bool> Protocol for Load<WHOLE> {
    /// Its number, from 0.
    type Session = u32;
    type Notice = Order;

    const STREAMING: bool = !WHOLE;

    fn name(&self) -> &str {
        "bench"
    }

    fn registered(&mut self, key: Key<Self>) {
        self.key = Some(key);
    }

    fn upgrade(&mut self, hello: &Handshake<'_>) -> Result<u32, Reject> {
        let extensions = hello.header("Sec-WebSocket-Extensions").unwrap_or_default();
        if self.compressed && !extensions.contains("permessage-deflate") {
            self.run.borrow_mut().fail(Fault::Uncompressed);
            return Err(Reject::new(400, "not compressed"));
        }
        let number = match self.free.pop() {
            Some(number) => {
                self.open[number as usize] = hello.id();
                number
            }
            None => {
                self.open.push(hello.id());
                (self.open.len() - 1) as u32
            }
        };
        Ok(number)
    }

    fn open(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        if !self.started {
            self.open_more(conn.connections());
            return Action::Continue;
        }
        let begun = self.dialled.remove(&conn.id());
        let mut run = self.run.borrow_mut();
        run.opened(*conn.session);
        if !run.counts_handshakes() {
            conn.request_writable();
            return Action::Continue;
        }
        let now = run.now();
        run.shook_hands(*conn.session, begun.unwrap_or(now), now);
        Action::Abort
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        self.came(conn, message.kind(), message.as_bytes(), true)
    }

    fn chunk(&mut self, conn: &mut Conn<'_, Self>, chunk: Chunk<'_>) -> Action {
        self.came(conn, chunk.kind(), chunk.payload(), chunk.is_final())
    }

    fn writable(&mut self, conn: &mut Conn<'_, Self>, permit: Permit<'_>) -> Action {
        let mut run = self.run.borrow_mut();
        let now = run.now();
        send(&mut run, now, conn, permit);
        Action::Continue
    }

    fn timer(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        self.pace(conn.connections());
        Action::Continue
    }

    fn notified(&mut self, connections: Connections<'_>, order: Order) {
        match order {
            Order::Open => self.open_more(connections),
            Order::Begin => {
                self.started = true;
                let mut run = self.run.borrow_mut();
                let (now, ends) = (run.now(), run.counts_handshakes());
                run.schedule.begin(now);
                drop(run);
                for &id in &self.open[..self.wanted - self.idle] {
                    if ends {
                        connections.abort(id); // all were to be open once, and are replaced now
                    } else {
                        connections.request_writable(id);
                    }
                }
                self.pace(connections);
            }
            Order::Stop => {
                let now = self.run.borrow().now();
                self.run.borrow_mut().schedule.stop(now);
            }
            Order::Close => {
                self.closing = true;
                for &id in &self.open {
                    connections.close(id, CloseCode::NORMAL, "");
                }
            }
        }
    }

    fn closed(&mut self, connections: Connections<'_>, _: ConnId, number: u32, closed: Closed) {
        if self.closing {
            return;
        }
        let mut run = self.run.borrow_mut();
        let in_order = matches!(closed.cause, Cause::Close | Cause::Aborted);
        if !(run.replaces() && closed.by == By::Us && in_order) {
            let size = run.size();
            return run.fail(Fault::Closed { connection: number, closed, size });
        }
        drop(run);
        self.free.push(number);
        self.begun -= 1;
        self.replace(connections);
    }

    fn connect_failed(&mut self, _: Connections<'_>, _: ConnId, error: ConnectError) {
        self.cannot_connect(self.open.len(), error);
    }
}

/// Sends what is to be sent now, as far as the socket takes it.
fn send<const WHOLE: bool>(
    run: &mut Run,
    now: u64,
    conn: &mut Conn<'_, Load<WHOLE>>,
    permit: Permit<'_>,
) {
    let mut permit = Some(permit);
    while let Some(ready) = permit {
        let Some(message) = run.next_message(*conn.session, now) else { return };
        permit = ready.send(message);
    }
    conn.request_writable();
}
