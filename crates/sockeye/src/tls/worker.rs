//! Handshakes off the loop: a link is handed to a thread with what has come for it, and handed
//! back with what came of that. The socket stays with the loop.

use super::Link;
use crate::handle::{Inbox, Letter};
use crate::slots::ConnId;
use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Threads that take handshakes, started with the first ones. They end with the context.
pub(crate) struct Workers {
    jobs: Sender<Job>,
    waiting: Arc<Mutex<Receiver<Job>>>,
    inbox: Arc<Inbox>,
    threads: usize,
    most: usize,
}

/// A handshake that has something to do. A connection has one at most, so that there are no more
/// than connections.
struct Job {
    id: ConnId,
    link: Box<Link>,
    /// Behind as many bytes as the link keeps.
    input: Vec<u8>,
}

/// What came of it.
pub(crate) struct Done {
    pub(crate) link: Box<Link>,
    pub(crate) plain: Vec<u8>,
    pub(crate) out: Vec<u8>,
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Done")
    }
}

impl Workers {
    /// `None` if there are to be none.
    pub(crate) fn new(most: usize, inbox: &Arc<Inbox>) -> Option<Self> {
        let (jobs, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        (most > 0).then(|| Self { jobs, waiting, inbox: Arc::clone(inbox), threads: 0, most })
    }

    /// Hands a link over; the answer comes to the inbox as [`Letter::Secured`]. Gives it back if
    /// there is no thread to be had.
    pub(crate) fn hand_over(
        &mut self,
        id: ConnId,
        link: Box<Link>,
        input: Vec<u8>,
    ) -> Result<(), Box<Link>> {
        if self.threads < self.most {
            let (waiting, inbox) = (Arc::clone(&self.waiting), Arc::clone(&self.inbox));
            let thread = thread::Builder::new().name("sockeye-tls".into());
            match thread.spawn(move || work(&waiting, &inbox)) {
                Ok(_) => self.threads += 1,
                Err(_) if self.threads == 0 => return Err(link),
                Err(_) => {} // those that run will do
            }
        }
        self.jobs.send(Job { id, link, input }).map_err(|unsent| unsent.0.link)
    }
}

fn work(waiting: &Mutex<Receiver<Job>>, inbox: &Inbox) {
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { id, mut link, mut input }) = job else { return };
        let mut plain = vec![0; link.kept_above() + input.len()];
        let mut out = Vec::new();
        let len = link.take_handshake(&mut input, &mut plain, &mut out);
        plain.truncate(len);
        inbox.push_always(Letter::Secured(id, Done { link, plain, out }));
    }
}
