//! The one thing that crosses threads.

use crate::engine::Engine;
use crate::lent::Connections;
use crate::protocol::Protocol;
use crate::slots::ConnId;
use crate::state::ProtocolId;
use crate::tls::Done;
use sockeye_sys::Waker;
use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, mem};

/// A [`ProtocolId`] that remembers the protocol's type, so that what is posted to it fits.
pub struct Key<P> {
    pub(crate) id: ProtocolId,
    /// Which context registered it.
    pub(crate) context: u64,
    pub(crate) marker: PhantomData<fn(P)>,
}

impl<P> Key<P> {
    /// The id without the type.
    pub fn id(self) -> ProtocolId {
        self.id
    }
}

impl<P> Clone for Key<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Key<P> {}

impl<P> fmt::Debug for Key<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id.0)
    }
}

impl<P> From<Key<P>> for ProtocolId {
    fn from(key: Key<P>) -> Self {
        key.id
    }
}

/// Why a post was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostError {
    /// [`Limits::notices`](crate::Limits::notices) posts wait already.
    Full,
    /// The context is gone.
    Gone,
    /// The key belongs to another context.
    WrongContext,
}

impl fmt::Display for PostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "too many posts wait for the loop",
            Self::Gone => "the context is gone",
            Self::WrongContext => "the key belongs to another context",
        })
    }
}

impl std::error::Error for PostError {}

/// Reaches a context from any thread: wakes it, posts to its protocols, ends it.
///
/// ```
/// # use sockeye::*;
/// # struct Feed;
/// # impl Protocol for Feed {
/// #     type Session = ();
/// #     type Notice = String;
/// #     fn name(&self) -> &str { "feed" }
/// #     fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> { Ok(()) }
/// #     fn receive(&mut self, _: &mut Conn<'_, Self>, _: Message<'_>) -> Action {
/// #         Action::Continue
/// #     }
/// # }
/// let mut builder = Context::builder();
/// let feed = builder.register(Feed);
/// let mut context = builder.build()?;
/// let handle = context.handle();
/// std::thread::spawn(move || {
///     handle.post(feed, "news".to_owned()).unwrap();
///     handle.shutdown();
/// });
/// context.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Handle {
    pub(crate) inbox: Arc<Inbox>,
}

impl Handle {
    /// Makes the loop turn once.
    pub fn wake(&self) {
        self.inbox.wake();
    }

    /// Hands `notice` to a protocol's [`notified`](Protocol::notified), on the loop's thread.
    pub fn post<P: Protocol>(&self, key: Key<P>, notice: P::Notice) -> Result<(), PostError> {
        self.inbox.post(key, notice)
    }

    /// Asks for a [`writable`](Protocol::writable) callback of one connection.
    pub fn request_writable(&self, id: ConnId) -> Result<(), PostError> {
        self.inbox.push(Letter::Want(id))
    }

    /// Asks for one of every connection of a protocol.
    pub fn request_writable_all(&self, protocol: impl Into<ProtocolId>) -> Result<(), PostError> {
        let protocol = protocol.into();
        self.inbox.push(Letter::Do(Box::new(move |engine| {
            Connections::new(&engine.core).request_writable_all(protocol);
        })))
    }

    /// Stops accepting, closes every connection with 1001 and lets
    /// [`Context::run`](crate::Context::run) return when the last one has ended. After
    /// [`drain`](Self::drain) it ends that early.
    pub fn shutdown(&self) {
        self.inbox.push_always(Letter::Do(Box::new(Engine::shut_down)));
    }

    /// Like [`shutdown`](Self::shutdown) without the rush, so that clients do not all come back to
    /// the next server at once: the listening sockets are closed, WebSockets are closed with 1001
    /// evenly spread `over` this time, the first after a part of it and the last at its end; who
    /// leaves by themselves counts. Handshakes get 503. Idle HTTP connections are closed at once,
    /// requests that have begun are answered with `Connection: close`, and cut off at the end.
    ///
    /// Called again, it counts if it ends sooner.
    pub fn drain(&self, over: Duration) {
        self.inbox.push_always(Letter::Do(Box::new(move |engine| engine.drain_over(over))));
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}

/// What other threads have left for the loop.
pub(crate) enum Letter {
    Notice(ProtocolId, Box<dyn Any + Send>),
    Want(ConnId),
    /// A worker hands a handshake back.
    Secured(ConnId, Done),
    Resolved(ConnId, io::Result<Vec<SocketAddr>>),
    /// What is asked for seldom: only programs that do have the code.
    Do(Box<dyn FnOnce(&mut Engine) + Send>),
}

/// The loop's letter box and its bell.
pub(crate) struct Inbox {
    letters: Mutex<Letters>,
    /// Whether there are any, so that the loop need not take the lock to see that there are none.
    has_letters: AtomicBool,
    waker: Waker,
    limit: usize,
    context: u64,
}

struct Letters {
    waiting: Vec<Letter>,
    gone: bool,
}

impl Inbox {
    pub(crate) fn new(waker: Waker, limit: usize, context: u64) -> Arc<Self> {
        let letters = Mutex::new(Letters { waiting: Vec::new(), gone: false });
        Arc::new(Self { letters, has_letters: AtomicBool::new(false), waker, limit, context })
    }

    pub(crate) fn wake(&self) {
        // No failure of it is known; a wake-up that is lost is made up for by the next.
        let _ = self.waker.wake();
    }

    pub(crate) fn post<P: Protocol>(
        &self,
        key: Key<P>,
        notice: P::Notice,
    ) -> Result<(), PostError> {
        if key.context != self.context {
            return Err(PostError::WrongContext);
        }
        self.push(Letter::Notice(key.id, Box::new(notice)))
    }

    pub(crate) fn push(&self, letter: Letter) -> Result<(), PostError> {
        let mut letters = self.lock();
        if letters.gone {
            return Err(PostError::Gone);
        }
        if letters.waiting.len() >= self.limit {
            return Err(PostError::Full);
        }
        self.deliver(&mut letters, letter);
        Ok(())
    }

    /// For the few letters that the loop itself has asked for, and the last one.
    pub(crate) fn push_always(&self, letter: Letter) {
        let mut letters = self.lock();
        if !letters.gone {
            self.deliver(&mut letters, letter);
        }
    }

    /// Whether there are any letters.
    pub(crate) fn has_letters(&self) -> bool {
        // Whoever sets it rings the bell afterwards: what is missed here is seen next time.
        self.has_letters.load(Ordering::Acquire)
    }

    /// All letters so far.
    pub(crate) fn take(&self) -> Vec<Letter> {
        if !self.has_letters() {
            return Vec::new();
        }
        let mut letters = self.lock();
        self.has_letters.store(false, Ordering::Release);
        mem::take(&mut letters.waiting)
    }

    /// No more letters are taken.
    pub(crate) fn shut(&self) {
        let mut letters = self.lock();
        letters.gone = true;
        let waiting = mem::take(&mut letters.waiting);
        drop(letters);
        drop(waiting); // what notices own may post when it goes, so not under the lock
    }

    fn deliver(&self, letters: &mut Letters, letter: Letter) {
        let was_empty = letters.waiting.is_empty();
        letters.waiting.push(letter);
        self.has_letters.store(true, Ordering::Release);
        if was_empty {
            self.wake(); // one ring until the box is emptied
        }
    }

    fn lock(&self) -> MutexGuard<'_, Letters> {
        // No code that can panic runs under the lock, so a poisoned one is whole.
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
