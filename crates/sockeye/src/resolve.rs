//! Name look-up off the loop: the system's resolver blocks, so it runs on threads of its own.

use crate::handle::{Inbox, Letter};
use crate::slots::ConnId;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Look-ups at a time; more wait their turn, each under its connection's deadline.
const THREADS: usize = 4;

/// A name to look up for a connection.
struct Question {
    id: ConnId,
    host: String,
    port: u16,
}

/// Starts its threads with the first look-ups, and ends them with the context.
pub(crate) struct Resolver {
    questions: Sender<Question>,
    waiting: Arc<Mutex<Receiver<Question>>>,
    inbox: Arc<Inbox>,
    threads: usize,
}

impl Resolver {
    pub(crate) fn new(inbox: &Arc<Inbox>) -> Self {
        let (questions, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        Self { questions, waiting, inbox: Arc::clone(inbox), threads: 0 }
    }

    /// The answer comes to the inbox as [`Letter::Resolved`].
    pub(crate) fn look_up(&mut self, id: ConnId, host: &str, port: u16) -> io::Result<()> {
        if self.threads < THREADS {
            let (waiting, inbox) = (Arc::clone(&self.waiting), Arc::clone(&self.inbox));
            let thread = thread::Builder::new().name("sockeye-resolver".into());
            match thread.spawn(move || answer(&waiting, &inbox)) {
                Ok(_) => self.threads += 1,
                Err(error) if self.threads == 0 => return Err(error),
                Err(_) => {} // those that run will do
            }
        }
        let question = Question { id, host: host.to_owned(), port };
        self.questions.send(question).map_err(|_| io::Error::other("resolver is gone"))
    }
}

fn answer(waiting: &Mutex<Receiver<Question>>, inbox: &Inbox) {
    loop {
        let question = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Question { id, host, port }) = question else { return };
        let addresses = sockeye_sys::look_up(&host, port);
        inbox.push_always(Letter::Resolved(id, addresses));
    }
}
