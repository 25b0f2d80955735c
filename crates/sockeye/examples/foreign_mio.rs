//! Sockeye as a part of a loop over mio, which is told of changes only: messages come through
//! WebSockets, lines through standard input, and both are echoed; the end of standard input shuts
//! the server down, and the number of waits is told.
//!
//! ```sh
//! cargo run -p sockeye --example foreign_mio -- 127.0.0.1:7681
//! ```
//!
//! The loop applies `changes`, and calls `ready` for what is ready. What makes it right although
//! mio reports edges: after each `ready` the descriptor is registered again, and is reported again
//! if there is more. Options as of the example `foreign_poll`:
//!
//! - `--no-tick` never asks when something is due; the context's own descriptor tells.
//! - `--one` handles one event of each wait; the others are registered again, and come again.

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Poll, Registry, Token};
use sockeye::{
    Action, Change, Conn, Context, External, Handshake, Interest, Message, Protocol, Readiness,
    Reject,
};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Instant;

struct Echo;

impl Protocol for Echo {
    type Session = ();
    type Notice = ();

    fn name(&self) -> &str {
        "echo"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
        Ok(())
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        conn.reply(message)
    }
}

fn main() -> io::Result<()> {
    let (options, addresses): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let address = addresses.first().map_or("127.0.0.1:7681", String::as_str);

    let mut context = Context::builder().protocol(Echo).build_external()?;
    println!("listening on ws://{}", context.listen(address)?);
    let lines = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut host = Host {
        poll: Poll::new()?,
        events: Events::with_capacity(256),
        watched: HashMap::new(),
        lines: None,
        unfinished: Vec::new(),
        polls: 0,
        ticks: !options.iter().any(|option| option == "--no-tick"),
        one_at_a_time: options.iter().any(|option| option == "--one"),
    };
    watch(host.poll.registry(), &mut host.watched, lines.as_raw_fd(), Interest::READ)?;
    host.lines = Some(lines);
    while !context.is_finished() {
        host.turn(&mut context)?;
    }
    println!("{} polls in all", host.polls);
    Ok(())
}

/// The loop that Sockeye is a guest of.
struct Host {
    poll: Poll,
    events: Events,
    /// What each descriptor is watched for; its number is its token.
    watched: HashMap<RawFd, Interest>,
    /// Its own business: a pipe or a terminal with lines, until their end.
    lines: Option<File>,
    /// A line that has come in part.
    unfinished: Vec<u8>,
    polls: usize,
    ticks: bool,
    one_at_a_time: bool,
}

impl Host {
    fn turn(&mut self, context: &mut Context<External>) -> io::Result<()> {
        self.apply_changes(context)?;
        let until = context.deadline().filter(|_| self.ticks);
        let until = until.map(|due| due.saturating_duration_since(Instant::now()));
        self.polls += 1;
        match self.poll.poll(&mut self.events, until) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => result?,
        }
        let mut found: Vec<(RawFd, Readiness)> = self.events.iter().map(found).collect();
        if self.one_at_a_time && !found.is_empty() {
            let mine = found.swap_remove(self.polls % found.len());
            for (fd, _) in found {
                self.register_again(fd)?;
            }
            found = vec![mine];
        }
        for (fd, readiness) in found {
            if self.lines.as_ref().is_some_and(|lines| lines.as_raw_fd() == fd) {
                if !self.echo_lines()? {
                    self.forget(fd)?;
                    self.lines = None;
                    context.handle().shutdown();
                }
            } else {
                context.ready(fd, readiness)?;
                self.apply_changes(context)?;
            }
            self.register_again(fd)?;
        }
        // What is due, if the loop cares to ask; the context's descriptor would tell in any case.
        match context.deadline() {
            Some(due) if self.ticks && due <= Instant::now() => context.tick(Instant::now()),
            _ => Ok(()),
        }
    }

    fn apply_changes(&mut self, context: &mut Context<External>) -> io::Result<()> {
        for change in context.changes() {
            match change {
                Change::Watch(fd, interest) => {
                    watch(self.poll.registry(), &mut self.watched, fd, interest)?;
                }
                Change::Forget(fd) => {
                    if self.watched.remove(&fd).is_some_and(|interest| wanted(interest).is_some()) {
                        self.poll.registry().deregister(&mut SourceFd(&fd))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn forget(&mut self, fd: RawFd) -> io::Result<()> {
        self.watched.remove(&fd);
        self.poll.registry().deregister(&mut SourceFd(&fd))
    }

    /// Has a descriptor reported again if it is still ready.
    fn register_again(&mut self, fd: RawFd) -> io::Result<()> {
        match self.watched.get(&fd).copied().and_then(wanted) {
            Some(interest) => {
                self.poll.registry().reregister(&mut SourceFd(&fd), token(fd), interest)
            }
            None => Ok(()),
        }
    }

    /// One read, for only the first is sure not to block. Whether there may be more.
    fn echo_lines(&mut self) -> io::Result<bool> {
        let Some(input) = &mut self.lines else { return Ok(false) };
        let mut buffer = [0; 4096];
        let n = input.read(&mut buffer)?;
        self.unfinished.extend_from_slice(&buffer[..n]);
        while let Some(end) = self.unfinished.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.unfinished.drain(..=end).collect();
            println!("{} (after {} polls)", line[..end].escape_ascii(), self.polls);
        }
        Ok(n > 0)
    }
}

/// Watches a descriptor for `interest`, and for nothing else any more.
fn watch(
    registry: &Registry,
    watched: &mut HashMap<RawFd, Interest>,
    fd: RawFd,
    interest: Interest,
) -> io::Result<()> {
    let before = watched.insert(fd, interest).and_then(wanted);
    match (before, wanted(interest)) {
        (None, Some(interest)) => registry.register(&mut SourceFd(&fd), token(fd), interest),
        (Some(_), Some(interest)) => registry.reregister(&mut SourceFd(&fd), token(fd), interest),
        (Some(_), None) => registry.deregister(&mut SourceFd(&fd)),
        (None, None) => Ok(()),
    }
}

/// In mio's words; it has none for no interest, so such descriptors are not registered.
fn wanted(interest: Interest) -> Option<mio::Interest> {
    let readable = interest.is_readable().then_some(mio::Interest::READABLE);
    let writable = interest.is_writable().then_some(mio::Interest::WRITABLE);
    match (readable, writable) {
        (Some(readable), Some(writable)) => Some(readable.add(writable)),
        (one, other) => one.or(other),
    }
}

fn token(fd: RawFd) -> Token {
    Token(fd as usize)
}

fn found(event: &Event) -> (RawFd, Readiness) {
    let hangup = event.is_error() || event.is_read_closed() && event.is_write_closed();
    let readiness =
        Readiness { readable: event.is_readable(), writable: event.is_writable(), hangup };
    (event.token().0 as RawFd, readiness)
}
