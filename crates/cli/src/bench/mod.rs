//! `sockeye bench`: sends messages to an echo server, looks at every echo, measures.

mod content;
mod fault;
#[cfg(target_os = "linux")]
mod frames;
mod load;
mod progress;
#[cfg(target_os = "linux")]
mod raw;
mod report;
mod result;
mod run;
mod samples;
mod schedule;
mod terminal;
mod usage;
mod websocket;

use crate::args::BenchArgs;
use crate::ending::{Ending, FAILED, MISUSED};
use crate::{logging, signals};
use fault::Fault;
use progress::Progress;
#[cfg(target_os = "linux")]
use raw::new as raw;
use result::{Outcome, Process, Usage, Wire};
use run::Run;
use samples::Raw;
use sockeye::log::Levels;
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use terminal::Grouped;
use usage::Cpu;

/// How often progress is shown and late echoes are looked for.
const TICK: Duration = Duration::from_millis(100);
/// The size of the receive buffer, in bytes.
const RECEIVE_BUFFER: usize = 256 << 10;

/// Measures, and tells the result.
pub(crate) fn run(args: &BenchArgs) -> Ending {
    logging::begin(&args.log, Levels::ERR | Levels::WARN);
    match bench(args) {
        Ok(ending) | Err(ending) => ending,
    }
}

fn bench(args: &BenchArgs) -> Result<Ending, Ending> {
    args.check().map_err(|why| Ending::with(MISUSED, why))?;
    for &pid in &args.server_pids {
        Cpu::of(pid).map_err(|why| Ending::with(MISUSED, format!("--server-pid {pid}: {why}")))?;
    }
    let raw = args.raw.as_deref().map(create).transpose()?;
    let report = args.report.as_deref().map(create).transpose()?;
    let run = Rc::new(RefCell::new(Run::new(args, raw.map(Raw::new))));
    let stopped = Rc::new(Cell::new(0));
    let mut bench = Bench::new(args, &run, &stopped)?;
    let usage = bench.drive()?;
    let signal = stopped.get();
    let ended = format!("ended by {}", signals::name(signal));
    let told = tell(args, &mut run.borrow_mut(), usage, signal == 0, report)?;
    // The result is told first: a server may take its time over the closing handshakes.
    bench.close()?;
    Ok(match (signal, told) {
        (0, _) => Ending::success(),
        (_, true) => Ending::by_signal(signal, ended),
        (_, false) => Ending::by_signal(signal, format!("{ended} before anything was measured")),
    })
}

/// Tells the result, if there is one: if something was measured, or nothing was to be.
fn tell(
    args: &BenchArgs,
    run: &mut Run,
    usage: Usage,
    complete: bool,
    report: Option<File>,
) -> Result<bool, Ending> {
    run.samples.finish().map_err(|error| cannot_write(args.raw.as_deref(), &error))?;
    if run.samples.count() == 0 && !complete {
        return Ok(false);
    }
    let outcome = Outcome::new(args, run, usage, complete);
    if let Some(mut file) = report {
        let page = report::page(&outcome).map_err(io::Error::from);
        page.and_then(|page| file.write_all(page.as_bytes()))
            .map_err(|error| cannot_write(args.report.as_deref(), &error))?;
    }
    print(&outcome, args.json).map_err(|error| Ending::of_stdout(&error))?;
    Ok(true)
}

fn create(path: &Path) -> Result<File, Ending> {
    File::create(path).map_err(|error| cannot_write(Some(path), &error))
}

fn cannot_write(path: Option<&Path>, error: &io::Error) -> Ending {
    let path = path.unwrap_or(Path::new("a file")).display();
    Ending::with(FAILED, format!("cannot write {path}: {error}"))
}

fn failed(error: io::Error) -> Ending {
    Ending::with(FAILED, format!("the loop failed: {error}"))
}

fn print(outcome: &Outcome, json: bool) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    if json {
        serde_json::to_writer(&mut stdout, outcome)?;
        writeln!(stdout)?;
    } else {
        write!(stdout, "{outcome}")?;
    }
    stdout.flush()
}

/// A run being driven.
///
/// ```text
/// opening ──all are open──▶ running ──all is sent and echoed──▶ closing ──▶ the end
/// ```
struct Bench<'a> {
    args: &'a BenchArgs,
    run: &'a RefCell<Run>,
    /// The signal that asked for the end, or 0.
    stopped: &'a Cell<i32>,
    carrier: Box<dyn Carrier>,
    progress: Progress,
    before: Option<Usage>,
    after: Option<Usage>,
}

/// What messages go by: the connections, and the loop that waits for them.
trait Carrier {
    /// How many connections there can be.
    fn room(&mut self) -> usize;

    /// How many are open.
    fn open(&mut self) -> usize;

    /// What is to be done from now on.
    fn order(&mut self, order: Order);

    /// Waits for something to do, so long at most, and does it.
    fn turn(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// What has crossed the wire on the connections that are open.
    fn wire(&mut self) -> Wire;

    /// Whether all connections have ended.
    fn is_empty(&mut self) -> bool;
}

/// What the loop tells those who send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Open the connections.
    Open,
    /// Send messages.
    Begin,
    /// Send no more.
    Stop,
    /// Close the connections.
    Close,
}

impl<'a> Bench<'a> {
    fn new(
        args: &'a BenchArgs,
        run: &'a Rc<RefCell<Run>>,
        stopped: &'a Rc<Cell<i32>>,
    ) -> Result<Self, Ending> {
        let carrier = match args.raw_host() {
            Some(host) => raw(args, host, run, stopped)?,
            None => websocket::new(args, run, stopped)?,
        };
        let progress = Progress::new();
        Ok(Self { args, run, stopped, carrier, progress, before: None, after: None })
    }

    /// Until all is measured; what was used within the measured time.
    fn drive(&mut self) -> Result<Usage, Ending> {
        let room = self.carrier.room();
        if self.args.all_connections() as usize > room {
            let fault = Fault::Descriptors { wanted: self.args.all_connections(), room };
            return Err(fault.ending(&self.args.request.url));
        }
        let idle = resident(&self.args.server_pids);
        self.carrier.order(Order::Open);
        let wanted = self.args.all_connections() as usize;
        while self.carrier.open() < wanted {
            self.turn(Some(TICK))?;
            let signal = self.stopped.get();
            if signal != 0 {
                let sentence = format!("ended by {} while connecting", signals::name(signal));
                return Err(Ending::by_signal(signal, sentence));
            }
            let open = self.carrier.open();
            self.progress.show(open as f64 / wanted as f64, || format!("{open} of {wanted} open"));
        }
        if self.args.warm_up().is_zero() {
            self.before = Some(self.usage()?);
        }
        self.carrier.order(Order::Begin);
        self.measure()?;
        self.progress.clear();
        let mut usage = match (self.before.take(), self.after.take()) {
            (Some(before), Some(after)) => after.since(&before),
            (_, after) => after.unwrap_or_default(),
        };
        for (process, idle) in usage.servers.iter_mut().zip(idle) {
            process.resident_bytes_before = idle;
        }
        Ok(usage)
    }

    /// Closes all connections.
    fn close(mut self) -> Result<(), Ending> {
        self.carrier.order(Order::Close);
        while !self.carrier.is_empty() {
            self.turn(None)?;
        }
        Ok(())
    }

    /// Until all that is to be sent was, and all was echoed.
    fn measure(&mut self) -> Result<(), Ending> {
        let (mut looked, mut now) = (0, self.run.borrow().now());
        loop {
            let wait = self.run.borrow().wait(now, TICK);
            self.turn(Some(wait))?;
            let run = self.run.borrow();
            now = run.now();
            let (start, end) = (run.schedule.start(), run.schedule.end());
            let done = run.is_done(now);
            drop(run);
            if self.before.is_none() && now >= start {
                self.before = Some(self.usage()?);
            }
            if self.after.is_none() && (now >= end || done) {
                self.after = Some(self.usage()?);
            }
            if done {
                self.run.borrow_mut().schedule.stop(now);
                return Ok(());
            }
            if now - looked >= TICK.as_nanos() as u64 {
                looked = now;
                self.run.borrow_mut().check_timeout(self.args.timeout);
                self.show_progress(now);
            }
        }
    }

    fn turn(&mut self, timeout: Option<Duration>) -> Result<(), Ending> {
        self.run.borrow_mut().begin_turn();
        self.carrier.turn(timeout).map_err(failed)?;
        match self.run.borrow().fault() {
            Some(fault) => {
                self.progress.clear();
                Err(fault.ending(&self.args.request.url))
            }
            None => Ok(()),
        }
    }

    fn usage(&mut self) -> Result<Usage, Ending> {
        let gone = |why| Ending::with(FAILED, why);
        let process = |pid| Cpu::of(pid).map(|cpu| Process::new(pid, cpu)).map_err(gone);
        let servers = self.args.server_pids.iter().map(|&pid| process(pid));
        let servers = servers.collect::<Result<Vec<_>, _>>()?;
        // Without /proc there is nothing to tell of ourselves.
        let own = std::process::id();
        let client = Process::new(own, Cpu::of(own).unwrap_or_default());
        let (_, echoes) = self.run.borrow().totals();
        Ok(Usage { servers, client, echoes, wire: self.carrier.wire() })
    }

    fn show_progress(&self, now: u64) {
        let run = self.run.borrow();
        let echoes = run.samples.series.total();
        let share = run.schedule.progress(echoes, now);
        self.progress.show(share, || {
            let seconds = now.saturating_sub(run.schedule.start()) as f64 / 1e9;
            let speed = if seconds > 0.0 { echoes as f64 / seconds } else { 0.0 };
            if now < run.schedule.start() {
                "warming up".into()
            } else {
                format!("{} messages/s", Grouped(speed as u64))
            }
        });
    }
}

/// The resident memory of each process.
fn resident(pids: &[u32]) -> Vec<Option<u64>> {
    pids.iter().map(|&pid| usage::resident(pid)).collect()
}

#[cfg(not(target_os = "linux"))]
fn raw(
    _: &BenchArgs,
    _: &str,
    _: &Rc<RefCell<Run>>,
    _: &Rc<Cell<i32>>,
) -> Result<Box<dyn Carrier>, Ending> {
    Err(Ending::with(MISUSED, "tcp:// is for Linux, whose epoll(7) it waits with; take ws://"))
}
