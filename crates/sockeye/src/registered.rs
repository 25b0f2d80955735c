//! A protocol without its type: what the engine calls.

use crate::connect::{ConnectError, LinkUp, Outage, Retry};
use crate::handshake::{Handshake, Reject};
use crate::lent::{Conn, Connections};
use crate::message::{Action, Chunk, Closed, Message};
use crate::permit::Permit;
use crate::protocol::Protocol;
use crate::slots::ConnId;
use crate::state::{Core, ProtocolId};
use std::any::Any;

/// A connection and where its session lies.
#[derive(Clone, Copy)]
pub(crate) struct At {
    pub(crate) id: ConnId,
    pub(crate) session: u32,
}

pub(crate) trait Service {
    fn upgrade(&mut self, core: &Core, hello: &Handshake<'_>) -> Result<u32, Reject>;
    /// Takes a session that was made after `upgrade`; `None` if it is another protocol's.
    fn adopt(&mut self, session: Box<dyn Any>) -> Option<u32>;
    fn open(&mut self, core: &Core, at: At) -> Action;
    fn receive(&mut self, core: &Core, at: At, message: Message<'_>) -> Action;
    fn chunk(&mut self, core: &Core, at: At, chunk: Chunk<'_>) -> Action;
    fn writable(&mut self, core: &Core, at: At) -> Action;
    fn ping(&mut self, core: &Core, at: At, payload: &[u8]) -> Action;
    fn pong(&mut self, core: &Core, at: At, payload: &[u8]) -> Action;
    fn timer(&mut self, core: &Core, at: At) -> Action;
    fn notified(&mut self, core: &Core, notice: Box<dyn Any + Send>);
    fn closed(&mut self, core: &Core, at: At, closed: Closed);
    fn upgrade_abandoned(&mut self, core: &Core, id: ConnId);
    fn connect_failed(&mut self, core: &Core, id: ConnId, error: ConnectError);
    fn link_up(&mut self, core: &Core, at: At, up: &LinkUp<'_>) -> Action;
    fn link_down(&mut self, core: &Core, outage: &Outage<'_>) -> Retry;
}

/// A registered protocol and the sessions of its connections.
pub(crate) struct Registered<P: Protocol> {
    protocol: P,
    id: ProtocolId,
    sessions: Sessions<P::Session>,
}

impl<P: Protocol> Registered<P> {
    pub(crate) fn new(protocol: P, id: ProtocolId) -> Self {
        Self { protocol, id, sessions: Sessions::new() }
    }

    fn with(
        &mut self,
        core: &Core,
        at: At,
        name: &'static str,
        call: impl FnOnce(&mut P, &mut Conn<'_, P>) -> Action,
    ) -> Action {
        let Some(session) = self.sessions.get_mut(at.session) else { return Action::Abort };
        core.callback(name, Some(self.id), Some(at.id), || {
            call(&mut self.protocol, &mut Conn::new(core, at.id, session))
        })
    }
}

/// A callback that is seldom called, and what it is given.
type Seldom<P> = fn(&mut P, &mut Conn<'_, P>, &[u8]) -> Action;

impl<P: Protocol> Registered<P> {
    /// One function for all of these, while each of the others is measured by code of its own.
    #[inline(never)]
    fn seldom(
        &mut self,
        core: &Core,
        at: At,
        name: &'static str,
        payload: &[u8],
        call: Seldom<P>,
    ) -> Action {
        self.with(core, at, name, |protocol, conn| call(protocol, conn, payload))
    }
}

impl<P: Protocol> Service for Registered<P> {
    fn upgrade(&mut self, core: &Core, hello: &Handshake<'_>) -> Result<u32, Reject> {
        let call = || self.protocol.upgrade(hello);
        let session = core.callback("upgrade", Some(self.id), Some(hello.id), call)?;
        Ok(self.sessions.insert(session))
    }

    fn adopt(&mut self, session: Box<dyn Any>) -> Option<u32> {
        let session = session.downcast::<P::Session>().ok()?;
        Some(self.sessions.insert(*session))
    }

    fn open(&mut self, core: &Core, at: At) -> Action {
        self.seldom(core, at, "open", &[], |protocol, conn, _| protocol.open(conn))
    }

    fn receive(&mut self, core: &Core, at: At, message: Message<'_>) -> Action {
        self.with(core, at, "receive", |protocol, conn| protocol.receive(conn, message))
    }

    fn chunk(&mut self, core: &Core, at: At, chunk: Chunk<'_>) -> Action {
        self.with(core, at, "chunk", |protocol, conn| protocol.chunk(conn, chunk))
    }

    fn writable(&mut self, core: &Core, at: At) -> Action {
        self.with(core, at, "writable", |protocol, conn| match Permit::issue(core, at.id) {
            Some(permit) => protocol.writable(conn, permit),
            None => Action::Continue,
        })
    }

    fn ping(&mut self, core: &Core, at: At, payload: &[u8]) -> Action {
        self.seldom(core, at, "ping", payload, P::ping)
    }

    fn pong(&mut self, core: &Core, at: At, payload: &[u8]) -> Action {
        self.seldom(core, at, "pong", payload, P::pong)
    }

    fn timer(&mut self, core: &Core, at: At) -> Action {
        self.seldom(core, at, "timer", &[], |protocol, conn, _| protocol.timer(conn))
    }

    fn notified(&mut self, core: &Core, notice: Box<dyn Any + Send>) {
        // `Key<P>` and this registration share `P`, so the type fits.
        if let Ok(notice) = notice.downcast::<P::Notice>() {
            core.callback("notified", Some(self.id), None, || {
                self.protocol.notified(Connections::new(core), *notice);
            });
        }
    }

    fn closed(&mut self, core: &Core, at: At, closed: Closed) {
        if let Some(session) = self.sessions.remove(at.session) {
            core.callback("closed", Some(self.id), Some(at.id), || {
                self.protocol.closed(Connections::new(core), at.id, session, closed);
            });
        }
    }

    fn link_up(&mut self, core: &Core, at: At, up: &LinkUp<'_>) -> Action {
        self.with(core, at, "link_up", |protocol, conn| protocol.link_up(conn, up))
    }

    fn link_down(&mut self, core: &Core, outage: &Outage<'_>) -> Retry {
        core.callback("link_down", Some(self.id), Some(outage.id), || {
            self.protocol.link_down(Connections::new(core), outage)
        })
    }

    fn upgrade_abandoned(&mut self, core: &Core, id: ConnId) {
        core.callback("upgrade_abandoned", Some(self.id), Some(id), || {
            self.protocol.upgrade_abandoned(Connections::new(core), id);
        });
    }

    fn connect_failed(&mut self, core: &Core, id: ConnId, error: ConnectError) {
        core.callback("connect_failed", Some(self.id), Some(id), || {
            self.protocol.connect_failed(Connections::new(core), id, error);
        });
    }
}

/// Sessions by a number that the connection's slot keeps.
pub(crate) struct Sessions<S> {
    entries: Vec<Option<S>>,
    free: Vec<u32>,
}

impl<S> Sessions<S> {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn insert(&mut self, session: S) -> u32 {
        if let Some(key) = self.free.pop() {
            self.entries[key as usize] = Some(session);
            return key;
        }
        self.entries.push(Some(session));
        (self.entries.len() - 1) as u32
    }

    pub(crate) fn get_mut(&mut self, key: u32) -> Option<&mut S> {
        self.entries.get_mut(key as usize)?.as_mut()
    }

    pub(crate) fn remove(&mut self, key: u32) -> Option<S> {
        let session = self.entries.get_mut(key as usize)?.take()?;
        self.free.push(key);
        Some(session)
    }
}
