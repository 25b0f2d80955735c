//! One connection as C knows it.

use crate::memory::Block;
use crate::receive::Rx;
use sockeye::ConnId;
use std::cell::{Cell, RefCell};
use std::ffi::{CString, c_int, c_void};
use std::ptr::null_mut;
use std::time::Instant;

/// What a handle names.
///
/// ```text
/// accepted ──▶ Http ──▶ Upgrading ──▶ Open ──▶ Closed
/// connect ───────────▶ Connecting ─────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The context's own descriptor.
    Attention,
    Listener,
    /// Before the handshake on a server, and plain HTTP.
    Http,
    /// A server's handshake is being answered.
    Upgrading,
    /// A client's handshake is under way.
    Connecting,
    /// An open WebSocket.
    Open,
    /// At its end; its callbacks are over, or just running.
    Closed,
}

pub(crate) struct Wsi {
    pub(crate) handle: *mut c_void,
    pub(crate) kind: Cell<Kind>,
    /// `None` for what is no connection, and for a client until its request is made.
    pub(crate) conn: Cell<Option<ConnId>>,
    pub(crate) fd: Cell<c_int>,
    pub(crate) is_client: Cell<bool>,
    /// Index of the protocol it is bound to.
    pub(crate) protocol: Cell<usize>,
    /// What the program gets as `user`: the block, or what `connect_extended` was given.
    pub(crate) user: Cell<*mut c_void>,
    pub(crate) block: RefCell<Option<Block>>,
    /// The program brought its own `user`.
    pub(crate) has_userdata: Cell<bool>,
    /// The program has been asked about its certificate.
    pub(crate) is_vetted: Cell<bool>,
    /// WSI_CREATE has been called, WSI_DESTROY has not.
    pub(crate) created: Cell<bool>,
    /// A request of HTTP has come to the program: at its end there is CLOSED_HTTP.
    pub(crate) served: Cell<bool>,
    /// The connection outlasts the present request.
    pub(crate) keeps_alive: Cell<bool>,
    /// When `libwebsocket_set_timeout` ends it.
    pub(crate) timeout: Cell<Option<Instant>>,
    /// A writable callback was asked for before there could be one.
    pub(crate) wants: Cell<bool>,
    /// The program has stopped receiving.
    pub(crate) rx_stopped: Cell<bool>,
    pub(crate) rx: RefCell<Rx>,
    /// Of the piece that is being delivered.
    pub(crate) piece: Cell<PieceInfo>,
    pub(crate) file: RefCell<Option<crate::http::Transfer>>,
    /// What the connect call was given.
    pub(crate) stash: RefCell<Option<Box<Stash>>>,
}

/// What the query functions tell about the piece that is being delivered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PieceInfo {
    pub(crate) remaining: usize,
    pub(crate) is_final: bool,
    pub(crate) is_binary: bool,
    pub(crate) reserved: u8,
}

/// The arguments of a client's connect call, as header tokens.
#[derive(Clone, Default)]
pub(crate) struct Stash {
    pub(crate) protocols: Option<CString>,
    pub(crate) address: CString,
    pub(crate) uri: CString,
    pub(crate) host: CString,
    pub(crate) origin: Option<CString>,
}

impl Wsi {
    pub(crate) fn new(handle: *mut c_void, kind: Kind, fd: c_int) -> Self {
        Self {
            handle,
            kind: Cell::new(kind),
            conn: Cell::new(None),
            fd: Cell::new(fd),
            is_client: Cell::new(kind == Kind::Connecting),
            protocol: Cell::new(0),
            user: Cell::new(null_mut()),
            block: RefCell::new(None),
            has_userdata: Cell::new(false),
            is_vetted: Cell::new(false),
            created: Cell::new(false),
            served: Cell::new(false),
            keeps_alive: Cell::new(false),
            timeout: Cell::new(None),
            wants: Cell::new(false),
            rx_stopped: Cell::new(false),
            rx: RefCell::default(),
            piece: Cell::default(),
            file: RefCell::new(None),
            stash: RefCell::new(None),
        }
    }

    /// Gives it zeroed session memory, unless the program brought its own; `false` if there is no
    /// memory.
    pub(crate) fn allocate(&self, size: usize) -> bool {
        if self.has_userdata.get() {
            return true;
        }
        let Some(block) = Block::zeroed(size) else { return false };
        self.user.set(block.as_ptr());
        drop(self.block.replace(Some(block)));
        true
    }

    /// Whether the time that the program gave it is over.
    pub(crate) fn is_timed_out(&self) -> bool {
        self.timeout.get().is_some_and(|at| at <= Instant::now())
    }

    /// Frees its session memory.
    pub(crate) fn release(&self) {
        if !self.has_userdata.get() {
            self.user.set(null_mut());
        }
        drop(self.block.take());
    }
}
