//! Sockeye as a part of somebody else's poll loop: one `poll(2)` waits for WebSockets and for
//! standard input, which has nothing to do with them. Messages and lines are both echoed; the end
//! of standard input shuts the server down, and the number of waits is told.
//!
//! ```sh
//! cargo run -p sockeye --example foreign_poll -- 127.0.0.1:7681
//! ```
//!
//! What the loop owes the context is little: watch what `watched` says, and call `ready` for what
//! is ready. Two options show how little:
//!
//! - `--no-tick` never asks when something is due. The context's own descriptor, one of those
//!   watched, becomes readable when there is something to do.
//! - `--one` handles one ready descriptor in each round and forgets the others, as loops do that
//!   dispatch one event at a time. They are still ready next time.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sockeye::{
    Action, Conn, Context, External, Handshake, Interest, Message, Protocol, Readiness, Reject,
};
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
    let mut host = Host {
        lines: Some(File::from(io::stdin().as_fd().try_clone_to_owned()?)),
        unfinished: Vec::new(),
        polls: 0,
        ticks: !options.iter().any(|option| option == "--no-tick"),
        one_at_a_time: options.iter().any(|option| option == "--one"),
    };
    while !context.is_finished() {
        host.turn(&mut context)?;
    }
    println!("{} polls in all", host.polls);
    Ok(())
}

/// The loop that Sockeye is a guest of.
struct Host {
    /// Its own business: a pipe or a terminal with lines, until their end.
    lines: Option<File>,
    /// A line that has come in part.
    unfinished: Vec<u8>,
    polls: usize,
    ticks: bool,
    one_at_a_time: bool,
}

/// What a wait has found.
enum Ready {
    Lines,
    Socket(RawFd, Readiness),
}

impl Host {
    fn turn(&mut self, context: &mut Context<External>) -> io::Result<()> {
        let mut ready = self.wait(context)?;
        if self.one_at_a_time && !ready.is_empty() {
            let turn = self.polls % ready.len(); // each gets its turn
            ready = vec![ready.swap_remove(turn)];
        }
        for found in ready {
            match found {
                Ready::Socket(fd, readiness) => context.ready(fd, readiness)?,
                Ready::Lines if self.echo_lines()? => {}
                Ready::Lines => {
                    self.lines = None;
                    context.handle().shutdown();
                }
            }
        }
        // What is due, if the loop cares to ask; the context's descriptor would tell in any case.
        match context.deadline() {
            Some(due) if self.ticks && due <= Instant::now() => context.tick(Instant::now()),
            _ => Ok(()),
        }
    }

    /// The one wait of the program.
    fn wait(&mut self, context: &mut Context<External>) -> io::Result<Vec<Ready>> {
        // A loop over epoll(7) or kqueue(2) would apply `changes()`; poll(2) takes the whole set.
        let until = context.deadline().filter(|_| self.ticks);
        let until = until.map(|due| due.saturating_duration_since(Instant::now()));
        let until = until.and_then(|until| Timespec::try_from(until).ok());

        let watched = context.watched();
        let entry = |(fd, interest): &(_, _)| PollFd::from_borrowed_fd(*fd, flags(*interest));
        let mut set: Vec<PollFd<'_>> = watched.iter().map(entry).collect();
        set.extend(self.lines.as_ref().map(|lines| PollFd::new(lines, PollFlags::IN)));
        self.polls += 1;
        poll(&mut set, until.as_ref())?;

        let found = |entry: &PollFd<'_>| !entry.revents().is_empty();
        let sockets = watched.iter().zip(&set).filter(|(_, entry)| found(entry));
        let mut ready: Vec<Ready> = sockets
            .map(|((fd, _), entry)| Ready::Socket(fd.as_raw_fd(), readiness(entry.revents())))
            .collect();
        if set.get(watched.len()).is_some_and(found) {
            ready.push(Ready::Lines);
        }
        Ok(ready)
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

fn flags(interest: Interest) -> PollFlags {
    let mut flags = PollFlags::empty(); // errors and hang-ups are reported in any case
    flags.set(PollFlags::IN, interest.is_readable());
    flags.set(PollFlags::OUT, interest.is_writable());
    flags
}

fn readiness(flags: PollFlags) -> Readiness {
    Readiness {
        readable: flags.contains(PollFlags::IN),
        writable: flags.contains(PollFlags::OUT),
        hangup: flags.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL),
    }
}
