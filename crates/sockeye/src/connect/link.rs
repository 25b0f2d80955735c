//! Links: connections that are opened again, one after the other, by a policy.
//!
//! A link belongs to no slot: it goes from the id of a connection that has ended to that of the
//! next, which waits in `Dialing` until its time has come.

use super::reconnect::{self, Count, Reconnect};
use super::{Connect, ConnectError};
use crate::dense::Dense;
use crate::engine::Engine;
use crate::log::note;
use crate::message::Closed;
use crate::slots::ConnId;
use crate::state::{ProtocolId, State};
use std::fmt;
use std::time::Duration;

/// Names what the connections that one [`connect`](crate::Connections::connect) has led to have in
/// common, and never another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(u64);

/// A connection of a link is open, as told to [`link_up`](crate::Protocol::link_up).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LinkUp<'l> {
    /// The link.
    pub link: LinkId,
    /// How many connections of it were open before this one.
    pub opened: u32,
    /// How many failures there were since it was last stable, the loss of a connection counted:
    /// 0 if all went well at once.
    pub failures: u32,
    /// The last failure, in words.
    pub last: Option<&'l str>,
}

/// A connection of a link has failed or ended, as told to
/// [`link_down`](crate::Protocol::link_down).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Outage<'l> {
    /// The link.
    pub link: LinkId,
    /// The connection.
    pub id: ConnId,
    /// What has happened to it.
    pub why: Why<'l>,
    /// How many connections of the link have been open.
    pub opened: u32,
    /// How many failures there were since it was last stable, this one counted.
    pub failures: u32,
    /// After how long the policy tries again; `None`: not any more.
    pub plan: Option<Duration>,
}

/// What has happened to a connection of a link.
#[derive(Clone, Copy, Debug)]
pub enum Why<'l> {
    /// It was not opened.
    Failed(&'l ConnectError),
    /// It was open and has ended.
    Closed(&'l Closed),
}

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Closed(closed) => closed.fmt(f),
        }
    }
}

/// Whether a link goes on, as decided by [`link_down`](crate::Protocol::link_down).
#[must_use = "a decision does nothing unless `link_down` returns it"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// As the policy says: [`Outage::plan`].
    AsPlanned,
    /// After this time, whatever the policy says.
    After(Duration),
    /// Not any more.
    Never,
}

/// The links there are.
#[derive(Default)]
pub(crate) struct Links {
    /// By slot: the connection that each has at present, and the link.
    links: Dense<(ConnId, Box<Link>)>,
    begun: u64,
    /// Set as the first begins.
    keeper: Option<&'static Keeper>,
}

/// What keeps links up; only programs that [ask for one](Connect::reconnect) have it.
#[derive(Debug)]
pub(crate) struct Keeper {
    begin: fn(&mut Links, ConnId, &Connect, Reconnect, ProtocolId),
    up: fn(&mut Engine, ConnId),
    down: fn(&mut Engine, ConnId, Why<'_>) -> Option<Redial>,
    redial: fn(&mut Engine, Redial),
}

/// How a connection is kept up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    reconnect: Reconnect,
    keeper: &'static Keeper,
}

impl Policy {
    pub(super) fn new(reconnect: Reconnect) -> Self {
        static KEEPER: Keeper = Keeper {
            begin: Links::insert_new,
            up: Engine::tell_up,
            down: Engine::tell_down,
            redial: Engine::dial_again,
        };
        Self { reconnect, keeper: &KEEPER }
    }
}

struct Link {
    id: LinkId,
    connect: Connect,
    protocol: ProtocolId,
    count: Count,
    opened: u32,
    /// Loop nanoseconds at which the present connection was opened.
    since: Option<u64>,
    last: Option<String>,
}

impl Links {
    /// Begins a link with this connection, if it is to be kept up.
    pub(crate) fn begin(&mut self, id: ConnId, connect: &Connect, protocol: ProtocolId) {
        if let Some(Policy { reconnect, keeper }) = connect.policy {
            self.keeper = Some(keeper);
            (keeper.begin)(self, id, connect, reconnect, protocol);
        }
    }

    fn insert_new(
        &mut self,
        id: ConnId,
        connect: &Connect,
        policy: Reconnect,
        protocol: ProtocolId,
    ) {
        self.begun += 1;
        let link = Link {
            id: LinkId(self.begun),
            connect: connect.clone(),
            protocol,
            count: Count::new(policy),
            opened: 0,
            since: None,
            last: None,
        };
        self.insert(id, Box::new(link));
    }

    /// The link that a connection belongs to.
    pub(crate) fn of(&self, id: ConnId) -> Option<LinkId> {
        let (at, link) = self.links.get(id.index as usize)?;
        (*at == id).then_some(link.id)
    }

    fn insert(&mut self, id: ConnId, link: Box<Link>) {
        self.links.insert(id.index as usize, (id, link));
    }

    fn remove(&mut self, id: ConnId) -> Option<Box<Link>> {
        let at = id.index as usize;
        self.links.get(at).filter(|(of, _)| *of == id)?;
        self.links.remove(at).map(|(_, link)| link)
    }

    /// The connection that a link has at present.
    pub(crate) fn at(&self, link: LinkId) -> Option<ConnId> {
        self.links.values().find(|(_, other)| other.id == link).map(|(id, _)| *id)
    }
}

impl State {
    /// When a link is tried again; it counts the failure.
    fn plan(&mut self, link: &mut Link, why: &Why<'_>) -> Option<Duration> {
        let open = link.since.take().map(|since| Duration::from_nanos(self.nanos() - since));
        link.count.fail(open);
        let (useful, wish) = match why {
            Why::Failed(error) => (Reconnect::retries_failure(error), reconnect::wish(error)),
            Why::Closed(closed) => (Reconnect::retries_closed(closed), None),
        };
        if !useful || self.stopping {
            return None;
        }
        // Without the generator it waits as long as it may.
        let random = || self.keys.next().map_or(u64::MAX, u64::from_ne_bytes);
        link.count.plan(wish, random)
    }
}

impl Engine {
    /// A connection is open: tells so of its link, if it has one.
    pub(crate) fn link_is_up(&mut self, id: ConnId) {
        if let Some(keeper) = self.core.state.get_mut().links.keeper {
            (keeper.up)(self, id);
        }
    }

    fn tell_up(&mut self, id: ConnId) {
        let (protocol, at) = self.at(id);
        let state = self.core.state.get_mut();
        let now = state.nanos();
        // Out of the state while the callback runs; it has the same id afterwards.
        let Some(mut link) = state.links.remove(id) else { return };
        link.since = Some(now);
        let (opened, failures) = (link.opened, link.count.failures());
        link.opened += 1;
        let last = link.last.clone();
        let up = LinkUp { link: link.id, opened, failures, last: last.as_deref() };
        state.links.insert(id, link);
        let action = self.services[protocol].link_up(&self.core, at, &up);
        self.act(id, action);
    }

    /// A connection has failed or ended: tells so of its link, if it has one. What is to be opened
    /// again, once the connection's own callback has returned.
    pub(crate) fn link_is_down(&mut self, id: ConnId, why: Why<'_>) -> Option<Redial> {
        let keeper = self.core.state.get_mut().links.keeper?;
        (keeper.down)(self, id, why)
    }

    fn tell_down(&mut self, id: ConnId, why: Why<'_>) -> Option<Redial> {
        let (protocol, _) = self.at(id);
        let state = self.core.state.get_mut();
        let mut link = state.links.remove(id)?;
        let plan = state.plan(&mut link, &why);
        let (opened, failures) = (link.opened, link.count.failures());
        let outage = Outage { link: link.id, id, why, opened, failures, plan };
        let service = self.services.get_mut(protocol)?;
        let after = match service.link_down(&self.core, &outage) {
            Retry::AsPlanned => plan,
            Retry::After(after) => Some(after),
            Retry::Never => None,
        };
        link.last = Some(why.to_string());
        let after = after.filter(|_| !self.core.state.get_mut().stopping)?;
        Some(Redial { link, after })
    }

    /// Opens a link again.
    pub(crate) fn redial(&mut self, redial: Option<Redial>) {
        let keeper = self.core.state.get_mut().links.keeper;
        if let (Some(redial), Some(keeper)) = (redial, keeper) {
            (keeper.redial)(self, redial);
        }
    }

    fn dial_again(&mut self, Redial { link, after }: Redial) {
        match self.core.dial(&link.connect, link.protocol, Some(after)) {
            Ok(id) => {
                self.core.state.get_mut().links.insert(id, link);
            }
            // It could be done before: only the system can be short of something.
            Err(error) => note!(ERR, "a link is given up: {error}"),
        }
    }
}

/// A link that is to be opened again.
pub(crate) struct Redial {
    link: Box<Link>,
    after: Duration,
}
