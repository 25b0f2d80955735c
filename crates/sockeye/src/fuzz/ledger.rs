//! What has happened in callbacks, and whether it may happen.

use crate::{Cause, Closed, ConnId, Connections, Message, MessageKind, SendError, Shared};
use sockeye_proto::fuzz::Fingerprint;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// Shared by the application's parts. Every note of a callback checks that it may come now.
#[derive(Clone)]
pub(super) struct Ledger(Rc<RefCell<Book>>);

#[derive(Default)]
struct Book {
    sockets: HashMap<ConnId, Life>,
    sites: HashMap<ConnId, Life>,
    /// The client's connection, until it is known what becomes of it.
    dialled: Option<ConnId>,
    /// Messages that were accepted for sending, in order.
    sent: Vec<(MessageKind, Vec<u8>)>,
    /// Whether each request was a HEAD.
    heads: Vec<bool>,
    facts: BTreeSet<Fact>,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// `upgrade` has made it.
    Made,
    Open,
    Closed,
}

/// One kind of thing that can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fact {
    Called(&'static str),
    Commanded(u8),
    Requested(&'static str),
    Ended(&'static str, bool),
    Refused(&'static str),
    Status(u16),
    /// The order of magnitude of what came out.
    Sent(u32),
}

/// What a connection has of its own.
pub(super) struct Session {
    pub(super) id: ConnId,
    /// Messages to send when it is writable.
    pub(super) pending: u8,
    /// What has been sent of a message in parts that has not ended.
    pub(super) parts: Option<Vec<u8>>,
}

impl Session {
    pub(super) fn new(id: ConnId) -> Self {
        Self { id, pending: 0, parts: None }
    }
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self(Rc::default())
    }

    pub(super) fn note(&self, fact: Fact) {
        self.0.borrow_mut().facts.insert(fact);
    }

    pub(super) fn fingerprint(&self) -> u64 {
        let mut print = Fingerprint::new();
        for fact in &self.0.borrow().facts {
            print.add(format!("{fact:?}"));
        }
        print.finish()
    }

    pub(super) fn dialled(&self, id: ConnId) {
        self.0.borrow_mut().dialled = Some(id);
    }

    /// `upgrade` succeeds.
    pub(super) fn upgraded(&self, id: ConnId) -> Session {
        let mut book = self.0.borrow_mut();
        let before = book.sockets.insert(id, Life::Made);
        assert_eq!(before, None, "a second upgrade of one connection");
        book.dialled.take_if(|dialled| *dialled == id);
        Session::new(id)
    }

    /// The session of a handshake that is answered later, if it still waits.
    pub(super) fn late_session(&self, id: ConnId) -> Session {
        Session::new(id)
    }

    pub(super) fn opened(&self, id: ConnId) {
        self.note(Fact::Called("open"));
        let before = self.0.borrow_mut().sockets.insert(id, Life::Open);
        // Without `Made` it was accepted later.
        assert!(matches!(before, None | Some(Life::Made)), "open, but {before:?}");
    }

    /// A callback about an open connection.
    pub(super) fn called(&self, name: &'static str, session: &Session, id: ConnId) {
        self.note(Fact::Called(name));
        assert_eq!(session.id, id, "the session of another connection");
        let life = self.0.borrow().sockets.get(&id).copied();
        assert_eq!(life, Some(Life::Open), "{name}");
    }

    pub(super) fn closed(&self, id: ConnId, closed: &Closed) {
        let cause = match &closed.cause {
            Cause::Close => "close",
            Cause::Violation(_) => "violation",
            Cause::Vanished => "vanished",
            Cause::Broken(_) => "broken",
            Cause::Tls(_) => "tls",
            Cause::PongMissing(_) => "no pong",
            Cause::Stalled(_) => "stalled",
            Cause::CloseUnanswered(_) => "unanswered",
            Cause::QueueFull => "queue full",
            Cause::Aborted => "aborted",
        };
        assert!(!closed.to_string().is_empty());
        self.note(Fact::Ended(cause, closed.clean));
        let before = self.0.borrow_mut().sockets.insert(id, Life::Closed);
        assert!(matches!(before, Some(Life::Made | Life::Open)), "closed, but {before:?}");
    }

    pub(super) fn connect_failed(&self, id: ConnId) {
        self.note(Fact::Called("connect_failed"));
        let failed = self.0.borrow_mut().dialled.take();
        assert_eq!(failed, Some(id), "connect_failed comes once, and instead of upgrade");
    }

    /// A request; `first` if the session is new.
    pub(super) fn requested(&self, id: ConnId, first: bool, is_head: bool) {
        let mut book = self.0.borrow_mut();
        book.heads.push(is_head);
        let before = book.sites.insert(id, Life::Open);
        assert_eq!(before, (!first).then_some(Life::Open));
    }

    pub(super) fn site_called(&self, name: &'static str, id: ConnId) {
        self.note(Fact::Requested(name));
        assert_eq!(self.0.borrow().sites.get(&id), Some(&Life::Open), "{name}");
    }

    pub(super) fn site_closed(&self, id: ConnId) {
        let before = self.0.borrow_mut().sites.insert(id, Life::Closed);
        assert_eq!(before, Some(Life::Open), "HTTP closed twice");
    }

    pub(super) fn sent(&self, kind: MessageKind, payload: &[u8]) {
        self.0.borrow_mut().sent.push((kind, payload.to_vec()));
    }

    pub(super) fn send(&self, all: Connections<'_>, id: ConnId, message: Message<'_>) {
        let (kind, payload) = (message.kind(), message.as_bytes().to_vec());
        self.outcome(all.send(id, message), kind, &payload);
    }

    pub(super) fn send_shared(&self, all: Connections<'_>, id: ConnId, message: &Shared) {
        self.outcome(all.send_shared(id, message), message.kind(), message.as_bytes());
    }

    fn outcome(&self, outcome: Result<(), SendError>, kind: MessageKind, payload: &[u8]) {
        match outcome {
            Ok(()) => self.sent(kind, payload),
            Err(SendError::Closed) => self.note(Fact::Refused("closed")),
            Err(SendError::Full) => self.note(Fact::Refused("full")),
            Err(SendError::Unfinished) => self.note(Fact::Refused("unfinished")),
        }
    }

    /// Messages on the wire are those that were sent, in order: all of them if `all`, and with
    /// none left out unless `gaps`.
    pub(super) fn check_sent(&self, wire: &[(MessageKind, Vec<u8>)], all: bool, gaps: bool) {
        let book = self.0.borrow();
        let mut sent = book.sent.iter();
        for message in wire {
            let found = if gaps { sent.find(|sent| *sent == message) } else { sent.next() };
            assert!(found == Some(message), "{message:?} on the wire, {found:?} was sent");
        }
        if all && !gaps {
            assert_eq!(sent.next(), None, "lost before the Close frame");
        }
    }

    pub(super) fn is_head(&self, index: usize) -> bool {
        self.0.borrow().heads.get(index).copied().unwrap_or_default()
    }

    /// Every session has been given back.
    pub(super) fn check_end(&self) {
        let book = self.0.borrow();
        for life in book.sockets.values().chain(book.sites.values()) {
            assert_eq!(*life, Life::Closed, "a session was not given back");
        }
        assert_eq!(book.dialled, None, "a client's connection came to nothing, unsaid");
    }
}
