//! A thread that sleeps until the moment and then writes to the wake-up pipe.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::FURTHEST;
use crate::error::context;
use crate::wake::Channel;

/// Makes a [`Channel`] readable from a moment on, until it is set anew or drained.
///
/// Its thread starts with the first alarm that has to be waited for, so a process that forks
/// before that, as daemons do, loses no thread.
#[derive(Debug)]
pub(crate) struct Alarm {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    channel: Arc<Channel>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    due: Option<Instant>,
    /// INVARIANT: true exactly while the alarm's byte may be in the channel; both change under
    /// this lock.
    rung: bool,
    ended: bool,
}

impl Alarm {
    pub(crate) fn new(channel: Arc<Channel>) -> Self {
        let shared = Shared { channel, state: Mutex::default(), changed: Condvar::new() };
        Self { shared: Arc::new(shared), thread: None }
    }

    pub(crate) fn set(&mut self, after: Option<Duration>) -> io::Result<()> {
        let mut state = self.shared.lock();
        state.due = None;
        if state.rung {
            self.shared.channel.unring()?;
            state.rung = false;
        }
        match after {
            None => Ok(()),
            Some(Duration::ZERO) => self.shared.ring(&mut state),
            Some(after) => {
                state.due = Instant::now().checked_add(after.min(FURTHEST));
                drop(state);
                self.notify_thread()
            }
        }
    }

    /// Takes back all wake-ups of the channel, with the alarm's if it has rung; one that has not
    /// stays set.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        let mut state = self.shared.lock();
        self.shared.channel.drain()?;
        state.rung = false;
        Ok(())
    }

    fn notify_thread(&mut self) -> io::Result<()> {
        if self.thread.is_none() {
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new()
                .name("sockeye-alarm".to_owned())
                .spawn(move || shared.sleep_and_ring())
                .map_err(|error| context("start the alarm thread", error))?;
            self.thread = Some(thread);
        }
        self.shared.changed.notify_one();
        Ok(())
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // The thread does not panic, and if it had there would be nothing left to end.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Nothing that holds the lock can leave the state half changed, so poison means nothing.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self, state: &mut State) -> io::Result<()> {
        state.due = None;
        self.channel.ring()?;
        state.rung = true;
        Ok(())
    }

    fn sleep_and_ring(&self) {
        let mut state = self.lock();
        while !state.ended {
            let left = state.due.map(|due| due.saturating_duration_since(Instant::now()));
            state = match left {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => {
                    // Nobody is there to be told of an error, and none is known: the pipe is open.
                    let _ = self.ring(&mut state);
                    state
                }
                Some(left) => {
                    let woken = self.changed.wait_timeout(state, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}
