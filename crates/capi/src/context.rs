//! One C context: Sockeye's context, and what C adds to it.

use crate::abi::Callback;
use crate::ids::{Shared, Table};
use crate::level::{Level, Protocols, Reason};
use crate::log::say;
use crate::service::Watches;
use crate::tls::Clients;
use crate::tokens::Head;
use crate::wsi::{Kind, Wsi};
use sockeye::dense::Dense;
use sockeye::{ConnId, Connections, Context, External, ProtocolId};
use std::cell::{Cell, OnceCell, RefCell, RefMut};
use std::ffi::{CString, c_int, c_void};
use std::ptr::{self, null, null_mut};
use std::rc::Rc;
use std::sync::Arc;

/// How deep callbacks may lie in callbacks, which only poll callbacks that ask for more can do.
const DEPTH_MAX: usize = 64;

/// An entry of the program's protocol array.
pub(crate) struct Protocol {
    pub(crate) name: String,
    pub(crate) callback: Callback,
    pub(crate) session_size: usize,
    pub(crate) rx_size: usize,
}

pub(crate) struct Ctx {
    pub(crate) handle: *mut c_void,
    pub(crate) shared: Arc<Shared>,
    pub(crate) level: Level,
    /// The program's own array; its entries are as long as the level says.
    pub(crate) array: *mut Protocols,
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) user: *mut c_void,
    pub(crate) hostname: CString,
    /// A `host:port` that clients connect through.
    pub(crate) proxy: RefCell<Option<(String, u16)>>,
    /// By token, how long a header may be; 0 and what is missing: no limit.
    pub(crate) token_limits: Vec<u16>,
    /// Clients offer permessage-deflate, servers accept it.
    pub(crate) compresses: bool,
    /// Clients have shown a certificate, of which the program is to be asked.
    pub(crate) requires_clients: bool,
    /// What connections to servers speak TLS with, once that is known.
    pub(crate) clients: OnceCell<Clients>,
    /// Sockeye's registration of each protocol.
    pub(crate) registrations: RefCell<Vec<ProtocolId>>,
    /// `None` until it is built, and once it is destroyed.
    pub(crate) engine: RefCell<Option<Context<External>>>,
    /// `None` once the context is destroyed.
    pub(crate) wsis: RefCell<Option<Table<Rc<Wsi>>>>,
    /// By Sockeye's place of each.
    pub(crate) by_conn: RefCell<Dense<(ConnId, Rc<Wsi>)>>,
    pub(crate) watches: RefCell<Watches>,
    /// The listening connection, once there is one.
    pub(crate) listener: RefCell<Option<Rc<Wsi>>>,
    /// The head that can be asked for at present, and of which connection.
    pub(crate) head: RefCell<Option<(*mut c_void, Head)>>,
    /// Room for the next piece that is received.
    pub(crate) spare: Cell<Vec<u8>>,
    /// The `struct pollfd` that `service_fd` was handed.
    pub(crate) passed: Cell<*mut libc::pollfd>,
    /// The number of its bell.
    pub(crate) bell: Cell<Option<usize>>,
    dying: Cell<bool>,
    depth: Cell<usize>,
    /// How often the program has been called back.
    pub(crate) calls: Cell<u64>,
}

thread_local! {
    /// What the innermost of the callbacks that run has been lent.
    static LENT: Cell<*const Lent> = const { Cell::new(null()) };
}

/// What one of Sockeye's connections has in common with later ones, and no two at a time.
fn place(conn: ConnId) -> usize {
    conn.as_u64() as u32 as usize
}

/// What a running callback has been lent. It lies on the stack, and does not move once it has
/// [begun](Self::begin).
struct Lent {
    context: *const Ctx,
    connections: Connections<'static>,
    /// What was lent to the callback that this one lies in.
    outer: *const Lent,
}

impl Lent {
    #[inline(never)] // there are many callbacks
    fn begin(&mut self) {
        self.outer = LENT.replace(self);
    }
}

impl Drop for Lent {
    #[inline(never)]
    fn drop(&mut self) {
        LENT.set(self.outer);
    }
}

/// The innermost of the running callbacks whose context is `wanted`, and what `get` takes of it.
fn lent<R>(wanted: impl Fn(&Ctx) -> bool, get: impl Fn(&Lent) -> R) -> Option<R> {
    let mut lent = LENT.get();
    // SAFETY: it is null, or lies on this thread's stack in a `lend` that has not returned: its
    // `Lent` takes itself out when that ends.
    while let Some(entry) = unsafe { lent.as_ref() } {
        // SAFETY: `lend` holds a reference to it for as long.
        if wanted(unsafe { &*entry.context }) {
            return Some(get(entry));
        }
        lent = entry.outer;
    }
    None
}

/// The context that is `wanted`, if this thread runs a callback of it.
pub(crate) fn running(wanted: impl Fn(&Ctx) -> bool) -> Option<Arc<Shared>> {
    // SAFETY: as in `lent`.
    lent(wanted, |lent| Arc::clone(unsafe { &(*lent.context).shared }))
}

/// A hold on Sockeye's connections.
enum Hold<'c> {
    Lent(Connections<'static>),
    Own(RefMut<'c, Context<External>>),
}

impl Hold<'_> {
    #[inline(never)]
    fn connections(&mut self) -> Connections<'_> {
        match self {
            Self::Lent(connections) => *connections,
            Self::Own(engine) => engine.connections(),
        }
    }
}

impl Ctx {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        table: Table<Rc<Wsi>>,
        level: Level,
        array: *mut Protocols,
        protocols: Vec<Protocol>,
    ) -> Self {
        Self {
            handle: std::ptr::without_provenance_mut(shared.handle),
            shared: Arc::clone(shared),
            level,
            array,
            protocols,
            user: null_mut(),
            hostname: CString::default(),
            proxy: RefCell::new(None),
            token_limits: Vec::new(),
            compresses: false,
            requires_clients: false,
            clients: OnceCell::new(),
            registrations: RefCell::default(),
            engine: RefCell::new(None),
            wsis: RefCell::new(Some(table)),
            by_conn: RefCell::default(),
            watches: RefCell::default(),
            listener: RefCell::new(None),
            head: RefCell::new(None),
            spare: Cell::default(),
            passed: Cell::new(null_mut()),
            bell: Cell::new(None),
            dying: Cell::new(false),
            depth: Cell::new(0),
            calls: Cell::new(0),
        }
    }

    /// Whether the program has destroyed it; nothing is called back any more but what that asks.
    pub(crate) fn is_dying(&self) -> bool {
        self.dying.get()
    }

    pub(crate) fn die(&self) {
        self.dying.set(true);
    }

    /// An entry of the program's array.
    pub(crate) fn entry(&self, index: usize) -> *mut Protocols {
        self.array.wrapping_byte_add(index * self.level.entry().size)
    }

    /// A connection of this context.
    pub(crate) fn wsi(&self, handle: *mut c_void) -> Option<Rc<Wsi>> {
        self.wsis.borrow().as_ref()?.get(handle).cloned()
    }

    /// All connections of this context.
    pub(crate) fn all(&self) -> Vec<Rc<Wsi>> {
        self.wsis.borrow().as_ref().map_or_else(Vec::new, |table| table.iter().cloned().collect())
    }

    /// A new connection; `None` if there are too many.
    pub(crate) fn add(&self, kind: Kind, fd: c_int) -> Option<Rc<Wsi>> {
        let mut wsis = self.wsis.borrow_mut();
        let table = wsis.as_mut()?;
        let handle = table.insert(|handle| Rc::new(Wsi::new(handle, kind, fd)))?;
        table.get(handle).cloned()
    }

    /// Makes the handle of a connection stale.
    pub(crate) fn remove(&self, wsi: &Wsi) {
        if let Some(conn) = wsi.conn.take() {
            let mut by_conn = self.by_conn.borrow_mut();
            if by_conn.get(place(conn)).is_some_and(|(of, _)| *of == conn) {
                by_conn.remove(place(conn));
            }
        }
        if let Some(table) = self.wsis.borrow_mut().as_mut() {
            table.remove(wsi.handle);
        }
        wsi.kind.set(Kind::Closed);
    }

    pub(crate) fn bind(&self, wsi: &Rc<Wsi>, conn: ConnId) {
        wsi.conn.set(Some(conn));
        self.by_conn.borrow_mut().insert(place(conn), (conn, Rc::clone(wsi)));
    }

    /// The connection of one of Sockeye's, if it was seen already.
    pub(crate) fn known(&self, conn: ConnId) -> Option<Rc<Wsi>> {
        let by_conn = self.by_conn.borrow();
        by_conn.get(place(conn)).filter(|(of, _)| *of == conn).map(|(_, wsi)| Rc::clone(wsi))
    }

    /// The connection of one of Sockeye's; a new one if it was accepted and not seen yet.
    pub(crate) fn of_conn(&self, conn: ConnId, fd: c_int) -> Option<Rc<Wsi>> {
        if let Some(wsi) = self.known(conn) {
            return Some(wsi);
        }
        let wsi = self.add(Kind::Http, fd)?;
        self.bind(&wsi, conn);
        self.tell_created(&wsi);
        self.call(0, Some(&wsi), Reason::ServerNewClientInstantiated, null_mut(), (null_mut(), 0));
        Some(wsi)
    }

    /// WSI_CREATE.
    pub(crate) fn tell_created(&self, wsi: &Wsi) {
        wsi.created.set(!self.is_dying());
        self.call(0, Some(wsi), Reason::WsiCreate, null_mut(), (null_mut(), 0));
    }

    /// WSI_DESTROY, once, if there was a WSI_CREATE; the last that is said of a connection.
    pub(crate) fn tell_destroyed(&self, wsi: &Wsi) {
        if wsi.created.take() {
            self.call(0, Some(wsi), Reason::WsiDestroy, wsi.user.get(), (null_mut(), 0));
        }
    }

    /// Calls the program back. No `RefCell` may be borrowed here. A program that has destroyed the
    /// context hears of its end only; anything else is taken as answered by -1.
    pub(crate) fn call(
        &self,
        protocol: usize,
        wsi: Option<&Wsi>,
        reason: Reason,
        user: *mut c_void,
        input: (*mut c_void, usize),
    ) -> c_int {
        if self.is_dying() && !reason.is_of_the_end() {
            return -1;
        }
        match reason.number(self.level) {
            Some(number) => self.call_number(protocol, wsi, number, user, input),
            None => 0, // there is no such reason at this level
        }
    }

    /// The same for a reason of the level's own numbering, or the program's.
    pub(crate) fn call_number(
        &self,
        protocol: usize,
        wsi: Option<&Wsi>,
        reason: c_int,
        user: *mut c_void,
        input: (*mut c_void, usize),
    ) -> c_int {
        let Some(callback) = self.protocols.get(protocol).map(|protocol| protocol.callback) else {
            return 0;
        };
        if self.depth.get() >= DEPTH_MAX {
            say!(ERR, "callbacks in callbacks, {DEPTH_MAX} deep: reason {reason} is left out");
            return 0;
        }
        self.depth.set(self.depth.get() + 1);
        self.calls.set(self.calls.get() + 1);
        let wsi = wsi.map_or(null_mut(), |wsi| wsi.handle);
        // SAFETY: the program gave this function to be called like this; `input` is valid for the
        // call, or the number that the reason stands for.
        let result = unsafe { callback(self.handle, wsi, reason, user, input.0, input.1) };
        self.depth.set(self.depth.get() - 1);
        result
    }

    /// Calls the callback of the connection's own protocol, with its session memory.
    pub(crate) fn call_own(&self, wsi: &Wsi, reason: Reason, input: (*mut c_void, usize)) -> c_int {
        self.call(wsi.protocol.get(), Some(wsi), reason, wsi.user.get(), input)
    }

    /// Runs `call`, a callback of Sockeye's, with what it was lent at hand for the program's calls.
    pub(crate) fn lend<R>(&self, connections: Connections<'_>, call: impl FnOnce() -> R) -> R {
        // SAFETY: the entry is gone before `connections` is: `Lent` takes it back, also when
        // `call` panics; and `with` hands it out for the length of a call only.
        let connections =
            unsafe { std::mem::transmute::<Connections<'_>, Connections<'static>>(connections) };
        let mut lent = Lent { context: self, connections, outer: null() };
        lent.begin();
        call()
    }

    /// Sockeye's connections, inside a callback or outside; `None` where neither is possible:
    /// once the context is destroyed, and in `FILTER_NETWORK_CONNECTION`.
    pub(crate) fn with<R>(&self, call: impl FnOnce(Connections<'_>) -> R) -> Option<R> {
        Some(call(self.hold()?.connections()))
    }

    #[inline(never)] // it is the same for all
    fn hold(&self) -> Option<Hold<'_>> {
        if let Some(connections) = lent(|ctx| ptr::eq(ctx, self), |lent| lent.connections) {
            return Some(Hold::Lent(connections));
        }
        let engine = self.engine.try_borrow_mut().ok()?;
        RefMut::filter_map(engine, Option::as_mut).ok().map(Hold::Own)
    }

    /// Whether a turn of its loop is running.
    pub(crate) fn is_inside(&self) -> bool {
        self.engine.try_borrow_mut().is_err()
    }
}
