//! Descriptors of the application's that the built-in loop watches beside its connections.

use crate::context::{BuiltIn, Context};
use crate::lent::Connections;
use crate::state::Core;
use sockeye_sys::{Interest, Poller};
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// What is called when such a descriptor is readable.
type OnReadable = Box<dyn FnMut(BorrowedFd<'_>, Connections<'_>) -> ControlFlow<()>>;

/// All of them, by the number in their poller's token.
#[derive(Default)]
pub(crate) struct Watched {
    entries: Vec<Option<Entry>>,
}

struct Entry {
    fd: OwnedFd,
    on_readable: OnReadable,
}

/// How many there may be at a time.
pub(crate) const WATCHED_MAX: usize = 1 << 16;

impl Watched {
    /// Puts one in a free place; its number.
    fn insert(&mut self, entry: Entry) -> io::Result<usize> {
        let free = self.entries.iter().position(Option::is_none);
        let index = free.unwrap_or(self.entries.len());
        if index >= WATCHED_MAX {
            return Err(io::Error::other(format!("{WATCHED_MAX} descriptors are watched already")));
        }
        if free.is_none() {
            self.entries.push(None);
        }
        self.entries[index] = Some(entry);
        Ok(index)
    }

    /// One is readable. If its callback wants no more, it is closed.
    pub(crate) fn ready(
        &mut self,
        index: usize,
        core: &Core,
        poller: &mut Poller,
    ) -> io::Result<()> {
        let Some(Some(entry)) = self.entries.get_mut(index) else { return Ok(()) };
        let latency = Rc::clone(&core.state.borrow().latency);
        let call = || (entry.on_readable)(entry.fd.as_fd(), Connections::new(core));
        let next = latency.of_context("on_readable", call);
        if next.is_break()
            && let Some(ended) = self.entries[index].take()
        {
            poller.remove(ended.fd.as_fd())?;
        }
        Ok(())
    }
}

impl Context<BuiltIn> {
    /// Has the loop watch a descriptor of the application's own: a pipe that signals are written
    /// to, a timer, a socket of another protocol. Each turn that finds it readable, which includes
    /// its end and its errors, calls `on_readable`, which must not wait. [`ControlFlow::Break`]
    /// ends that and closes the descriptor.
    ///
    /// With this, a program that must also heed something else needs neither a second thread nor
    /// a loop of its own. (Inside a loop of its own it has an [`External`](crate::External)
    /// context, and watches what it likes.)
    ///
    /// # Errors
    ///
    /// What the system says of a descriptor that cannot be polled, such as a regular file's; or
    /// if 65,536 are watched already.
    ///
    /// ```
    /// use sockeye::Context;
    /// use std::io::{Read, Write};
    /// use std::ops::ControlFlow;
    /// use std::os::unix::net::UnixStream;
    ///
    /// let mut context = Context::builder().build()?;
    /// let (mut far, near) = UnixStream::pair()?;
    /// let mut reader = near.try_clone()?;
    /// context.watch(near, move |_, connections| {
    ///     let mut word = [0; 4];
    ///     let Ok(4) = reader.read(&mut word) else { return ControlFlow::Break(()) };
    ///     connections.handle().shutdown();
    ///     ControlFlow::Continue(())
    /// })?;
    /// far.write_all(b"stop")?;
    /// context.run()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn watch(
        &mut self,
        descriptor: impl Into<OwnedFd>,
        on_readable: impl FnMut(BorrowedFd<'_>, Connections<'_>) -> ControlFlow<()> + 'static,
    ) -> io::Result<()> {
        let entry = Entry { fd: descriptor.into(), on_readable: Box::new(on_readable) };
        let index = self.mode.watched.insert(entry)?;
        if let Some(Some(entry)) = self.mode.watched.entries.get(index)
            && let Err(error) = self.mode.poller.add(entry.fd.as_fd(), token(index), Interest::READ)
        {
            self.mode.watched.entries[index] = None;
            return Err(error);
        }
        Ok(())
    }
}

/// The first token of the poller that stands for one of them.
pub(crate) const FIRST_TOKEN: u64 = u64::MAX - (1 << 21);

fn token(index: usize) -> u64 {
    FIRST_TOKEN + index as u64
}
