//! The loop, built in and external: waiting, and telling protocol 0 what to wait for.
//!
//! A context is always hosted: `libwebsocket_service` is a host like any other. What Sockeye wants
//! watched lies in [`Watches`], beside what the program was told of it: that differs where the
//! manual's poll callbacks say something earlier, or no longer, or in another order.

use crate::abi::{PollArgs, fd_as_pointer};
use crate::call;
use crate::context::Ctx;
use crate::ids::{self, Purpose, complain};
use crate::level::{Level, Reason};
use crate::log::say;
use crate::panic::export;
use crate::polls::Polls;
use crate::wsi::{Kind, Wsi};
use libc::{POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, c_short, pollfd};
use sockeye::dense::Dense;
use sockeye::{Change, Interest, Readiness};
use std::ffi::{c_int, c_void};
use std::io;
use std::ptr::null_mut;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What is watched.
#[derive(Default)]
pub(crate) struct Watches {
    /// As Sockeye wants it.
    polls: Polls,
    /// As the program was told.
    told: Dense<Told>,
}

struct Told {
    events: c_short,
    wsi: Rc<Wsi>,
    /// DEL_POLL_FD has been called; the descriptor is open until Sockeye forgets it.
    deleted: bool,
}

/// What is told of a descriptor.
struct Shift {
    fd: c_int,
    /// The events that the reason is about.
    events: c_short,
    before: c_short,
    after: c_short,
}

impl Watches {
    /// Whether a descriptor is the context's own.
    fn is_own(&self, fd: c_int) -> bool {
        self.told.get(fd as usize).is_some_and(|told| told.wsi.kind.get() == Kind::Attention)
    }

    fn told(&mut self, fd: c_int) -> Option<&mut Told> {
        self.told.get_mut(fd as usize).filter(|told| !told.deleted)
    }
}

fn events_of(interest: Interest) -> c_short {
    let read = if interest.is_readable() { POLLIN } else { 0 };
    let write = if interest.is_writable() { POLLOUT } else { 0 };
    read | write
}

impl Ctx {
    /// Tells protocol 0 what is to be watched from now on.
    pub(crate) fn drain(&self) {
        loop {
            let mut batch = self.with(|connections| connections.take_changes()).unwrap_or_default();
            if let Ok(mut engine) = self.engine.try_borrow_mut()
                && let Some(engine) = engine.as_mut()
            {
                batch.extend(engine.changes());
            }
            if batch.is_empty() {
                return;
            }
            for change in batch {
                match change {
                    Change::Watch(fd, interest) => self.watch(fd, events_of(interest)),
                    Change::Forget(fd) => self.forget(fd),
                }
            }
        }
    }

    fn watch(&self, fd: c_int, events: c_short) {
        self.watches.borrow_mut().polls.watch(fd, events);
        let conn = self.with(|connections| connections.by_fd(fd)).flatten();
        let told =
            self.watches.borrow().told.get(fd as usize).map(|t| (t.wsi.conn.get(), t.deleted));
        match told {
            Some((_, false)) => self.tell(fd, events),
            Some((told, true)) if told == conn && conn.is_some() => {} // it is ending
            Some((_, true)) | None => {
                let wsi = match conn {
                    Some(conn) => self.of_conn(conn, fd),
                    None => self.own_descriptor(fd),
                };
                if let Some(wsi) = wsi {
                    wsi.fd.set(fd); // a client that looks for its server may have had others
                    self.tell_add(&wsi, fd, events);
                }
            }
        }
    }

    /// A descriptor that is no connection's: the context's own comes first, then the listeners.
    fn own_descriptor(&self, fd: c_int) -> Option<Rc<Wsi>> {
        let attention = self.all().iter().any(|wsi| wsi.kind.get() == Kind::Attention);
        if !attention {
            return self.add(Kind::Attention, fd);
        }
        let wsi = self.add(Kind::Listener, fd)?;
        *self.listener.borrow_mut() = Some(Rc::clone(&wsi));
        Some(wsi)
    }

    /// ADD_POLL_FD.
    pub(crate) fn tell_add(&self, wsi: &Rc<Wsi>, fd: c_int, events: c_short) {
        if self.is_dying() {
            return; // nor will it be told of its end
        }
        let told = Told { events, wsi: Rc::clone(wsi), deleted: false };
        self.watches.borrow_mut().told.insert(fd as usize, told);
        self.call_poll(wsi, Reason::AddPollFd, &Shift { fd, events, before: 0, after: events });
    }

    /// Lets the program set and clear what differs from `events`.
    fn tell(&self, fd: c_int, events: c_short) {
        let mut watches = self.watches.borrow_mut();
        let Some(told) = watches.told(fd) else { return };
        let before = std::mem::replace(&mut told.events, events);
        let wsi = Rc::clone(&told.wsi);
        drop(watches);
        if before == events {
            return;
        }
        let (cleared, set) = (before & !events, events & !before);
        if cleared != 0 || self.level >= Level::V130 {
            let change = Shift { fd, events: cleared, before, after: events };
            self.call_poll(&wsi, Reason::ClearModePollFd, &change);
        }
        if set != 0 && self.level < Level::V130 {
            let change = Shift { fd, events: set, before, after: events };
            self.call_poll(&wsi, Reason::SetModePollFd, &change);
        }
    }

    /// SET_MODE_POLL_FD for POLLOUT, also if it is set already.
    pub(crate) fn tell_wish_to_write(&self, wsi: &Wsi) {
        let fd = wsi.fd.get();
        let mut watches = self.watches.borrow_mut();
        let Some(told) = watches.told(fd) else { return };
        let before = told.events;
        told.events |= POLLOUT;
        drop(watches);
        let change = Shift { fd, events: POLLOUT, before, after: before | POLLOUT };
        self.call_poll(wsi, Reason::SetModePollFd, &change);
    }

    /// CLEAR_MODE_POLL_FD for POLLOUT, as a wish to write is used up; also in the `struct pollfd`
    /// that the program has handed in.
    pub(crate) fn tell_wish_used(&self, wsi: &Wsi) {
        let fd = wsi.fd.get();
        let mut watches = self.watches.borrow_mut();
        let Some(told) = watches.told(fd) else { return };
        if told.events & POLLOUT == 0 {
            return;
        }
        let before = told.events;
        told.events &= !POLLOUT;
        drop(watches);
        let passed = self.passed.get();
        // SAFETY: it is set while `service_fd` runs, to what its caller handed in. The caller's
        // array may have moved in a callback, but none has run since it was set for this one.
        if let Some(passed) = unsafe { passed.as_mut() }
            && passed.fd == fd
        {
            passed.events &= !POLLOUT;
        }
        self.passed.set(null_mut());
        let change = Shift { fd, events: POLLOUT, before, after: before & !POLLOUT };
        self.call_poll(wsi, Reason::ClearModePollFd, &change);
    }

    /// DEL_POLL_FD, once.
    pub(crate) fn tell_deleted(&self, wsi: &Wsi) {
        self.tell_fd_deleted(wsi, wsi.fd.get());
    }

    /// DEL_POLL_FD for every descriptor of a client that has been looking for its server.
    pub(crate) fn tell_all_deleted(&self, wsi: &Wsi) {
        let watches = self.watches.borrow();
        let own = watches.told.iter().filter(|(_, told)| told.wsi.handle == wsi.handle);
        let fds: Vec<c_int> = own.map(|(fd, _)| fd as c_int).collect();
        drop(watches);
        fds.into_iter().for_each(|fd| self.tell_fd_deleted(wsi, fd));
    }

    fn tell_fd_deleted(&self, wsi: &Wsi, fd: c_int) {
        let mut watches = self.watches.borrow_mut();
        let Some(told) = watches.told(fd).filter(|told| told.wsi.handle == wsi.handle) else {
            return;
        };
        told.deleted = true;
        let before = told.events;
        drop(watches);
        self.call_poll(wsi, Reason::DelPollFd, &Shift { fd, events: 0, before, after: 0 });
    }

    /// A descriptor that Sockeye will close: whatever has not been said about it is said now.
    fn forget(&self, fd: c_int) {
        self.watches.borrow_mut().polls.forget(fd);
        let wsi = self.watches.borrow().told.get(fd as usize).map(|told| Rc::clone(&told.wsi));
        let Some(wsi) = wsi else { return };
        self.tell_fd_deleted(&wsi, fd);
        self.watches.borrow_mut().told.remove(fd as usize);
        let now = wsi.conn.get().and_then(|conn| self.with(|all| all.fd(conn)).flatten());
        if wsi.kind.get() == Kind::Connecting || now.is_some_and(|now| now != fd) {
            return; // a client's: one of several addresses that it tries
        }
        self.tell_destroyed(&wsi);
        wsi.release();
        self.remove(&wsi);
    }

    /// Everything that is watched, listeners first, as the program was told.
    pub(crate) fn told_all(&self) -> Vec<Rc<Wsi>> {
        let watches = self.watches.borrow();
        let mut all = Vec::new();
        for listens in [true, false] {
            for told in watches.told.values().filter(|told| !told.deleted) {
                if (told.wsi.kind.get() == Kind::Listener) == listens {
                    all.push(Rc::clone(&told.wsi));
                }
            }
        }
        all
    }

    /// Tells protocol 0 of a change: up to 1.23 with the descriptor as `in` and the events as
    /// `len`, from 1.3 on with all of it in a structure, and between two callbacks for locks.
    fn call_poll(&self, wsi: &Wsi, reason: Reason, change: &Shift) {
        let user = wsi.user.get();
        if self.level < Level::V130 {
            let input = (fd_as_pointer(change.fd), change.events as usize);
            self.call(0, Some(wsi), reason, user, input);
            return;
        }
        for reason in [Reason::LockPoll, reason, Reason::UnlockPoll] {
            let mut args = PollArgs {
                fd: change.fd,
                events: change.after.into(),
                prev_events: change.before.into(),
            };
            self.call(0, Some(wsi), reason, user, ((&raw mut args).cast(), 0));
        }
    }

    /// A descriptor is ready.
    fn ready(&self, fd: c_int, revents: c_short) -> io::Result<()> {
        let readiness = Readiness {
            readable: revents & POLLIN != 0,
            writable: revents & POLLOUT != 0,
            hangup: revents & (POLLHUP | POLLERR) != 0,
        };
        self.turn(|engine| engine.ready(fd, readiness))
    }

    /// What is due by the clock.
    fn tick(&self) -> io::Result<()> {
        self.turn(|engine| engine.tick(Instant::now()))
    }

    /// Enters Sockeye's loop, and does what its turn has left to do.
    pub(crate) fn turn(
        &self,
        call: impl FnOnce(&mut sockeye::Context<sockeye::External>) -> io::Result<()>,
    ) -> io::Result<()> {
        let result = match self.engine.borrow_mut().as_mut() {
            Some(engine) => call(engine),
            None => Ok(()),
        };
        self.drain();
        self.heed_others();
        result
    }
}

/// One wait and what it gives; the manual's 3.2.
fn service(ctx: &Ctx, timeout_ms: c_int) -> c_int {
    ctx.call(0, None, Reason::GetThreadId, null_mut(), (null_mut(), 0)); // our threads are counted
    let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = left.map_or(-1, |left| left.as_micros().div_ceil(1000) as c_int);
        let before = ctx.calls.get();
        let result = wait(ctx, left);
        let stays = result.is_none() && left != 0 && ctx.calls.get() == before;
        if !stays || ctx.shared.cancelled.swap(false, Ordering::SeqCst) {
            return result.unwrap_or(0);
        }
    }
}

/// Waits once. `None` if it was only the context's own descriptor that was ready, which programs
/// do not know of: they take a call that returns before its time for one in which a socket was.
fn wait(ctx: &Ctx, timeout_ms: c_int) -> Option<c_int> {
    ctx.drain();
    let Ok(ready) = ctx.watches.borrow_mut().polls.wait(timeout_ms) else {
        return Some(-1); // also when a signal came: programs end their loops by that
    };
    if ready.is_empty() {
        return Some(report(ctx.tick()));
    }
    let result = serve(ctx, &ready);
    ctx.watches.borrow_mut().polls.take_back(ready);
    result
}

/// Serves what is ready. `None` if that is the context's own descriptor only.
fn serve(ctx: &Ctx, ready: &[pollfd]) -> Option<c_int> {
    let mut result = None;
    for poll in ready {
        if !ctx.watches.borrow().is_own(poll.fd) {
            result = Some(0);
        }
        // What is another's by now is unknown to the context, or not ready and does no harm.
        if let Err(error) = ctx.ready(poll.fd, poll.revents & !POLLNVAL) {
            return Some(report(Err(error)));
        }
        if ctx.is_dying() {
            return Some(-1);
        }
    }
    result
}

fn report(result: io::Result<()>) -> c_int {
    match result {
        Ok(()) => 0,
        Err(error) => {
            say!(ERR, "libwebsocket_service: {error}");
            -1
        }
    }
}

/// One descriptor of a loop that is the program's; the manual's 3.3.
fn service_fd(ctx: &Ctx, poll: *mut pollfd) -> c_int {
    // SAFETY: NULL, or the caller says that it is one.
    let Some(passed) = (unsafe { poll.as_mut() }) else {
        return report(ctx.tick());
    };
    let pollfd { fd, revents, .. } = *passed;
    if !ctx.watches.borrow().polls.is_watched(fd) {
        return 0;
    }
    if ctx.level >= Level::V123 {
        passed.revents = 0; // so that the program knows it for ours
    }
    ctx.passed.set(poll);
    let early = ctx.watches.borrow_mut().told(fd).map(|told| Rc::clone(&told.wsi));
    if let Some(wsi) = early.filter(|wsi| revents & POLLOUT != 0 && wsi.wants.get()) {
        ctx.tell_wish_used(&wsi); // it is asked for again once there can be a callback
    }
    let result = ctx.ready(fd, revents);
    ctx.passed.set(null_mut());
    report(result)
}

/// Refuses to turn the loop inside one of its own callbacks.
fn refuse_inside(ctx: &Ctx, function: &str) -> bool {
    let inside = ctx.is_inside();
    if inside {
        say!(ERR, "{function}: called inside a callback of the same context; return instead");
    }
    inside || ctx.is_dying()
}

export! {
    /// Waits for something to do and does it.
    fn libwebsocket_service(context: *mut c_void, timeout_ms: c_int) -> c_int {
        if context.is_null() {
            return 1;
        }
        let Some(used) = call::context("libwebsocket_service", context, Purpose::Service) else {
            return -1;
        };
        if refuse_inside(used.ctx(), "libwebsocket_service") {
            return -1;
        }
        service(used.ctx(), timeout_ms)
    } else -1;

    /// Makes the loop return soon. Any thread may call it.
    fn libwebsocket_cancel_service(context: *mut c_void) {
        match ids::shared(context) {
            Ok(shared) => {
                shared.cancelled.store(true, Ordering::SeqCst);
                shared.wake();
            }
            Err(refusal) => complain("libwebsocket_cancel_service", refusal),
        }
    } else ();

    /// Does what one descriptor is ready for; with NULL, what is due by the clock.
    fn libwebsocket_service_fd(context: *mut c_void, pollfd: *mut pollfd) -> c_int {
        let Some(used) = call::context("libwebsocket_service_fd", context, Purpose::Service) else {
            return -1;
        };
        if refuse_inside(used.ctx(), "libwebsocket_service_fd") {
            return -1;
        }
        service_fd(used.ctx(), pollfd)
    } else -1;
}
