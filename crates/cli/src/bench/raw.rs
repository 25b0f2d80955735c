//! The same messages by TCP alone: frames as a client sends them, which must come back as they
//! are. It shows what is left of the time when nobody speaks WebSocket.

use super::fault::Fault;
use super::frames::{Frames, Progress};
use super::result::Wire;
use super::run::Run;
use super::{Carrier, Order, RECEIVE_BUFFER, failed};
use crate::args::BenchArgs;
use crate::ending::Ending;
use crate::signals;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How many connections are opened in a turn.
const AT_ONCE: usize = 64;
/// The most events of a turn.
const EVENTS: usize = 1024;
/// Frames gather up to about this many bytes before they are sent.
const GATHER: usize = 64 << 10;
/// Descriptors that the program needs beside its connections.
const OTHERS: usize = 32;

/// Connections that only carry bytes.
struct Raw {
    run: Rc<RefCell<Run>>,
    /// What a signal has left, and where the program looks for it.
    signalled: Arc<AtomicUsize>,
    stopped: Rc<Cell<i32>>,
    to: Vec<SocketAddr>,
    sources: Vec<IpAddr>,
    timeout: Duration,
    wanted: usize,
    /// How many of them, the first, send.
    busy: usize,
    poll: OwnedFd,
    events: Vec<epoll::Event>,
    lines: Vec<Line>,
    frames: Frames,
    /// What is about to be sent.
    out: Vec<u8>,
    buffer: Vec<u8>,
    wire: Wire,
    /// At a rate: how many messages connections were told to send.
    told: u64,
}

/// A connection.
struct Line {
    stream: TcpStream,
    progress: Progress,
    /// What the socket did not take.
    tail: Vec<u8>,
}

pub(super) fn new(
    args: &BenchArgs,
    host: &str,
    run: &Rc<RefCell<Run>>,
    stopped: &Rc<Cell<i32>>,
) -> Result<Box<dyn Carrier>, Ending> {
    let found = host.to_socket_addrs().map(Iterator::collect::<Vec<_>>);
    let to = found.map_err(|error| unreachable(0, 1, error).ending(&args.request.url))?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
    Ok(Box::new(Raw {
        signalled: signals::left_by_first().map_err(failed)?,
        run: Rc::clone(run),
        stopped: Rc::clone(stopped),
        to,
        sources: args.source.clone(),
        timeout: args.timeout,
        wanted: args.all_connections() as usize,
        busy: args.connections as usize,
        poll,
        events: Vec::with_capacity(EVENTS),
        lines: Vec::new(),
        frames: Frames::new(&run.borrow(), args).map_err(failed)?,
        out: Vec::with_capacity(GATHER),
        buffer: vec![0; RECEIVE_BUFFER],
        wire: Wire::default(),
        told: 0,
    }))
}

fn unreachable(connection: usize, of: usize, error: io::Error) -> Fault {
    Fault::Unreachable { connection: connection as u32, of: of as u32, error }
}

impl Carrier for Raw {
    fn room(&mut self) -> usize {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        let all = Rlimit { current: maximum, maximum };
        let _ = setrlimit(Resource::Nofile, all); // what there is then is what counts
        let current = getrlimit(Resource::Nofile).current.map_or(usize::MAX, |n| n as usize);
        current.saturating_sub(OTHERS)
    }

    fn open(&mut self) -> usize {
        self.lines.len()
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Open => {} // each turn opens some, until all are there
            Order::Begin => {
                let now = self.run.borrow().now();
                self.run.borrow_mut().schedule.begin(now);
                for index in 0..self.busy {
                    self.noting(|raw| raw.fill(index, now));
                }
            }
            Order::Stop => {
                let mut run = self.run.borrow_mut();
                let now = run.now();
                run.schedule.stop(now);
            }
            Order::Close => self.lines.clear(),
        }
    }

    fn turn(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        if self.lines.len() < self.wanted {
            self.open_some();
        } else {
            self.wait(timeout)?;
            self.pace();
        }
        let signal = self.signalled.swap(0, Ordering::Relaxed);
        if signal != 0 {
            self.stopped.set(signal as i32);
            self.order(Order::Stop);
        }
        Ok(())
    }

    fn wire(&mut self) -> Wire {
        self.wire
    }

    fn is_empty(&mut self) -> bool {
        self.lines.is_empty()
    }
}

impl Raw {
    /// Does it; what is wrong with it fails the run.
    fn noting(&mut self, work: impl FnOnce(&mut Self) -> Result<(), Fault>) {
        if let Err(fault) = work(self) {
            self.run.borrow_mut().fail(fault);
        }
    }

    /// Opens further connections.
    fn open_some(&mut self) {
        for _ in 0..AT_ONCE.min(self.wanted - self.lines.len()) {
            let nth = self.lines.len();
            if let Err(error) = self.open_one() {
                self.run.borrow_mut().fail(unreachable(nth, self.wanted, error));
                return;
            }
        }
    }

    fn open_one(&mut self) -> io::Result<()> {
        let source = self.sources.get(self.lines.len() % self.sources.len().max(1)).copied();
        let mut result = Err(io::Error::new(ErrorKind::NotFound, "the host has no address"));
        for &address in &self.to {
            result = dial(address, source, self.timeout);
            if result.is_ok() {
                break;
            }
        }
        let stream = result?;
        let data = epoll::EventData::new_u64(self.lines.len() as u64);
        epoll::add(&self.poll, &stream, data, epoll::EventFlags::IN)?;
        let progress = Progress::new(self.lines.len() as u32);
        self.lines.push(Line { stream, progress, tail: Vec::new() });
        Ok(())
    }

    /// Waits for sockets, and serves them.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = timeout.and_then(|time| Timespec::try_from(time).ok());
        let mut events = mem::take(&mut self.events);
        events.clear();
        match epoll::wait(&self.poll, spare_capacity(&mut events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for &epoll::Event { flags, data } in &events {
            let index = data.u64() as usize;
            if flags.contains(epoll::EventFlags::OUT) {
                self.noting(|raw| raw.flush(index));
            }
            if flags != epoll::EventFlags::OUT {
                self.noting(|raw| raw.read(index));
            }
        }
        self.events = events;
        Ok(())
    }

    /// At a rate: has those connections send whose messages are due.
    fn pace(&mut self) {
        let run = self.run.borrow();
        let now = run.now();
        let due = run.schedule.due_by(now).map(|(due, _)| due);
        drop(run);
        let Some(due) = due else { return };
        let count = self.busy as u64;
        for number in self.told.max(due.saturating_sub(count))..due {
            self.noting(|raw| raw.fill((number % count) as usize, now));
        }
        self.told = due;
    }

    /// Reads once, looks at what came, and sends what may be sent then, all of it together.
    fn read(&mut self, index: usize) -> Result<(), Fault> {
        let ended = |error| Fault::Ended { connection: index as u32, error };
        let n = match self.lines[index].stream.read(&mut self.buffer) {
            Ok(0) => return Err(ended(None)),
            Ok(n) => n,
            Err(error) if is_for_later(&error) => return Ok(()),
            Err(error) => return Err(ended(Some(error))),
        };
        self.wire.received += n as u64;
        let run = Rc::clone(&self.run);
        let run = &mut *run.borrow_mut();
        let now = run.now();
        self.frames.check(run, &mut self.lines[index].progress, &mut self.buffer[..n], now)?;
        self.fill_from(run, index, now)
    }

    /// Sends what is to be sent now, as far as the socket takes it.
    fn fill(&mut self, index: usize, now: u64) -> Result<(), Fault> {
        let run = Rc::clone(&self.run);
        self.fill_from(&mut run.borrow_mut(), index, now)
    }

    fn fill_from(&mut self, run: &mut Run, index: usize, now: u64) -> Result<(), Fault> {
        self.out.clear();
        let Self { frames, lines, out, .. } = self;
        let line = &mut lines[index];
        while line.tail.is_empty() {
            let Some(message) = run.next_message(index as u32, now) else { break };
            frames
                .push(&mut line.progress, message.as_bytes(), out)
                .map_err(|error| Fault::Random { error })?;
            if out.len() >= GATHER {
                self.wire.sent += send(index, line, &self.poll, out)?;
                out.clear();
            }
        }
        if !out.is_empty() {
            self.wire.sent += send(index, line, &self.poll, out)?;
        }
        Ok(())
    }

    /// The socket takes more: what waited goes first.
    fn flush(&mut self, index: usize) -> Result<(), Fault> {
        let line = &mut self.lines[index];
        let tail = mem::take(&mut line.tail);
        self.wire.sent += send(index, line, &self.poll, &tail)?;
        if !line.tail.is_empty() {
            return Ok(());
        }
        listen_for(&self.poll, index, &line.stream, epoll::EventFlags::IN)?;
        let now = self.run.borrow().now();
        self.fill(index, now)
    }
}

/// Sends; what is not taken becomes the tail. How many bytes have gone.
fn send(index: usize, line: &mut Line, poll: &OwnedFd, bytes: &[u8]) -> Result<u64, Fault> {
    let sent = match line.stream.write(bytes) {
        Ok(sent) => sent,
        Err(error) if is_for_later(&error) => 0,
        Err(error) => {
            return Err(Fault::Ended { connection: index as u32, error: Some(error) });
        }
    };
    if sent < bytes.len() {
        line.tail = bytes[sent..].to_vec();
        listen_for(poll, index, &line.stream, epoll::EventFlags::IN | epoll::EventFlags::OUT)?;
    }
    Ok(sent as u64)
}

fn listen_for(
    poll: &OwnedFd,
    index: usize,
    stream: &TcpStream,
    flags: epoll::EventFlags,
) -> Result<(), Fault> {
    let data = epoll::EventData::new_u64(index as u64);
    let ended = |error: Errno| Fault::Ended { connection: index as u32, error: Some(error.into()) };
    epoll::modify(poll, stream, data, flags).map_err(ended)
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// A connection; waits until it is there.
fn dial(to: SocketAddr, source: Option<IpAddr>, timeout: Duration) -> io::Result<TcpStream> {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    if let Some(source) = source {
        net::bind(&socket, &SocketAddr::new(source, 0))?;
    }
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(timeout))?;
    net::connect(&socket, &to).map_err(|error| match error {
        Errno::INPROGRESS => {
            io::Error::new(ErrorKind::TimedOut, format!("{to} did not answer within {timeout:?}"))
        }
        error => {
            let error = io::Error::from(error);
            io::Error::new(error.kind(), format!("{to}: {error}"))
        }
    })?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}
