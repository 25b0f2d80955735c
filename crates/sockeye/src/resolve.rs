//! Name look-up off the loop: the system's resolver blocks, so it runs on threads of its own.

use crate::handle::{Inbox, Letter};
use crate::slots::ConnId;
use std::collections::VecDeque;
use std::ffi::CStr;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Look-ups at a time; more wait their turn, each under its connection's deadline.
const THREADS: usize = 4;
/// What its threads are called.
const THREAD: &CStr = c"sockeye-resolver";

/// A name to look up for a connection.
struct Question {
    id: ConnId,
    host: String,
    port: u16,
}

/// What the threads wait for. Not a channel of std's, which has the code of three kinds in it.
#[derive(Default)]
struct Desk {
    questions: Mutex<Questions>,
    changed: Condvar,
}

#[derive(Default)]
struct Questions {
    waiting: VecDeque<Question>,
    over: bool,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Questions> {
        // Nothing that can panic is done under it.
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next question, when there is one; `None` if there will be none.
    fn next(&self) -> Option<Question> {
        let idle = |questions: &mut Questions| questions.waiting.is_empty() && !questions.over;
        let questions = self.changed.wait_while(self.lock(), idle);
        let mut questions = questions.unwrap_or_else(PoisonError::into_inner);
        if questions.over { None } else { questions.waiting.pop_front() }
    }
}

/// Starts its threads with the first look-ups, and ends them with the context: those that wait for
/// a question at once. One that waits for an answer is not waited for, as the system's resolver
/// cannot be told to give up; it ends after that, and holds nothing but desk and inbox till then.
pub(crate) struct Resolver {
    desk: Arc<Desk>,
    inbox: Arc<Inbox>,
    threads: usize,
}

impl Resolver {
    pub(crate) fn new(inbox: &Arc<Inbox>) -> Self {
        Self { desk: Arc::default(), inbox: Arc::clone(inbox), threads: 0 }
    }

    /// The answer comes to the inbox as [`Letter::Resolved`].
    pub(crate) fn look_up(&mut self, id: ConnId, host: &str, port: u16) -> io::Result<()> {
        if self.threads < THREADS {
            let (desk, inbox) = (Arc::clone(&self.desk), Arc::clone(&self.inbox));
            match sockeye_sys::spawn(THREAD, move || answer(&desk, &inbox)) {
                Ok(()) => self.threads += 1,
                Err(error) if self.threads == 0 => return Err(error),
                Err(_) => {} // those that run will do
            }
        }
        let question = Question { id, host: host.to_owned(), port };
        self.desk.lock().waiting.push_back(question);
        self.desk.changed.notify_one();
        Ok(())
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.desk.lock().over = true;
        self.desk.changed.notify_all();
    }
}

/// The addresses of a host, each with this port; not after more time than `patience`. A look-up
/// that takes longer goes on in its thread, and nobody learns what came of it.
///
/// # Errors
///
/// Of the kind `TimedOut` then; if there can be no thread; and those of the system's resolver.
pub fn look_up_within(host: &str, port: u16, patience: Duration) -> io::Result<Vec<SocketAddr>> {
    let found = Arc::new((Mutex::new(None), Condvar::new()));
    let (theirs, host) = (Arc::clone(&found), host.to_owned());
    sockeye_sys::spawn(THREAD, move || {
        let addresses = sockeye_sys::look_up(&host, port);
        *theirs.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(addresses);
        theirs.1.notify_one();
    })?;
    let guard = found.0.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = found.1.wait_timeout_while(guard, patience, |found| found.is_none());
    let (mut guard, _) = waited.unwrap_or_else(PoisonError::into_inner);
    guard.take().unwrap_or_else(|| {
        let why = format!("no answer within {} s", patience.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, why))
    })
}

fn answer(desk: &Desk, inbox: &Inbox) {
    while let Some(Question { id, host, port }) = desk.next() {
        let addresses = sockeye_sys::look_up(&host, port);
        inbox.push_always(Letter::Resolved(id, addresses));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_answered_at_once_is() {
        let patience = Duration::from_secs(600);
        let found = look_up_within("127.0.0.1", 7681, patience).unwrap();
        assert_eq!(found, ["127.0.0.1:7681".parse().unwrap()]);
        let none = look_up_within("a\0b", 1, patience).unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::InvalidInput);
    }
}
