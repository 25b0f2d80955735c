//! The loop around a context: its own, or one that checks what it is told.

use crate::engine::Engine;
use crate::{BuiltIn, Change, Connections, Context, External, Handle, Interest, Readiness, Turn};
use sockeye_sys::{Events, Poller};
use std::collections::HashMap;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

pub(super) enum Host {
    BuiltIn(Context<BuiltIn>),
    External(Foreign),
}

/// Another's loop.
pub(super) struct Foreign {
    context: Context<External>,
    /// What the changes have said.
    watched: HashMap<RawFd, Interest>,
    /// Says now and then that descriptors are ready which are not.
    lies: bool,
    turns: u32,
}

impl Host {
    pub(super) fn built_in(context: Context<BuiltIn>) -> Self {
        Self::BuiltIn(context)
    }

    pub(super) fn external(context: Context<External>, lies: bool) -> Self {
        Self::External(Foreign { context, watched: HashMap::new(), lies, turns: 0 })
    }

    pub(super) fn handle(&self) -> Handle {
        match self {
            Self::BuiltIn(context) => context.handle(),
            Self::External(foreign) => foreign.context.handle(),
        }
    }

    pub(super) fn engine(&mut self) -> &mut Engine {
        match self {
            Self::BuiltIn(context) => context.engine(),
            Self::External(foreign) => foreign.context.engine(),
        }
    }

    pub(super) fn connections<R>(&mut self, ask: impl FnOnce(Connections<'_>) -> R) -> R {
        match self {
            Self::BuiltIn(context) => ask(context.connections()),
            Self::External(foreign) => ask(foreign.context.connections()),
        }
    }

    /// One turn without waiting; whether there was anything to do.
    pub(super) fn turn(&mut self, now: Instant) -> bool {
        match self {
            Self::BuiltIn(context) => {
                context.service(Duration::ZERO).expect("the loop goes on") == Turn::Worked
            }
            Self::External(foreign) => foreign.turn(now),
        }
    }

    /// When all connections have ended, nothing of them is left.
    pub(super) fn check_rest(&mut self) {
        match self {
            Self::BuiltIn(context) => assert!(context.is_finished()),
            Self::External(foreign) => {
                assert!(foreign.context.is_finished());
                foreign.apply_changes();
                assert_eq!(foreign.watched.len(), 1, "only the context itself is watched");
            }
        }
    }
}

impl Foreign {
    fn turn(&mut self, now: Instant) -> bool {
        self.apply_changes();
        self.turns += 1;
        if self.lies && self.turns.is_multiple_of(3) {
            self.lie();
        }
        let ready = self.wait();
        let mut worked = !ready.is_empty();
        for (fd, readiness) in ready {
            self.context.ready(fd, readiness).expect("the loop goes on");
            self.apply_changes();
        }
        if self.context.deadline().is_some_and(|at| at <= now) {
            self.context.tick(now).expect("the loop goes on");
            worked = true;
        }
        worked
    }

    fn lie(&mut self) {
        let fds: Vec<RawFd> = self.watched.keys().copied().chain([99_999]).collect();
        for fd in fds {
            let all = Readiness { readable: true, writable: true, hangup: false };
            self.context.ready(fd, all).expect("the loop goes on");
            self.apply_changes();
        }
    }

    fn wait(&mut self) -> Vec<(RawFd, Readiness)> {
        let (mut poller, mut events) = (Poller::new().expect("a poller"), Events::with_capacity(4));
        let mut fds = Vec::new();
        for (token, (fd, interest)) in self.context.watched().into_iter().enumerate() {
            poller.add(fd, token as u64, interest).expect("it can be watched");
            fds.push(fd.as_raw_fd());
        }
        poller.wait(&mut events, Some(Duration::ZERO)).expect("a wait");
        events.iter().map(|(token, readiness)| (fds[token as usize], readiness)).collect()
    }

    /// Checks that the changes add up to what is watched.
    fn apply_changes(&mut self) {
        for change in self.context.changes() {
            match change {
                Change::Watch(fd, interest) => {
                    let before = self.watched.insert(fd, interest);
                    assert_ne!(before, Some(interest), "{change:?} says nothing new");
                }
                Change::Forget(fd) => {
                    assert!(self.watched.remove(&fd).is_some(), "{change:?} was never watched");
                }
            }
        }
        let all = self.context.watched().into_iter();
        let all: HashMap<RawFd, Interest> =
            all.map(|(fd, interest)| (fd.as_raw_fd(), interest)).collect();
        assert_eq!(all, self.watched, "all that is watched, and the sum of the changes");
    }
}
