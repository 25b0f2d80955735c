//! One measurement: a server on one processor, the load on another; and those of a round, in turns.

use crate::cells::{Cell, Kind};
use crate::load::{self, Pace, Told, Until};
use crate::make::Tools;
use crate::peers::{Peer, Server};
use crate::server::Running;
use crate::stats::median;
use std::time::Duration;

/// So many connections come and go before memory is first looked at.
const SETTLED: u64 = 20_000;
/// And so many messages, where it is about connections that stay.
const TRIED: u64 = 2_000;

/// What came of one.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) peer: Peer,
    pub(crate) cell: Cell,
    /// From 1.
    pub(crate) round: u32,
    /// Messages, deliveries or handshakes per second of the server's processor time; or bytes of
    /// memory, where it is that.
    pub(crate) value: f64,
    /// In nanoseconds, where the load tells them: of half, of 99 % and of 99.9 % of the messages.
    pub(crate) latency: Option<[f64; 3]>,
    /// Bytes per message from the server, where the load tells them.
    pub(crate) wire: Option<f64>,
    /// Resident memory of the server at the end, in bytes.
    pub(crate) memory: Option<f64>,
    /// Why there is nothing of all this.
    pub(crate) failure: Option<String>,
}

impl Measured {
    /// What came of the turns of a server.
    fn of_turns(peer: Peer, cell: Cell, round: u32, running: &Running, turns: &[Told]) -> Self {
        let middle =
            |part: usize| median(turns.iter().filter_map(|told| Some(told.latency?[part])));
        let latency = [middle(0), middle(1), middle(2)];
        Self {
            peer,
            cell,
            round,
            value: turns.iter().map(|told| told.rate).sum::<f64>() / turns.len() as f64,
            latency: load::all(latency),
            wire: median(turns.iter().filter_map(|told| told.wire)),
            memory: running.memory(),
            failure: None,
        }
    }

    pub(crate) fn failed(peer: Peer, cell: Cell, round: u32, why: String) -> Self {
        let (value, failure) = (f64::NAN, Some(why));
        Self { peer, cell, round, value, latency: None, wire: None, memory: None, failure }
    }
}

/// How long a turn is.
const PACE: Pace = Pace { warm_up: Duration::from_millis(45), measured: Duration::from_millis(90) };

/// Measures servers under one kind of load in a round.
pub(crate) fn all(tools: &Tools, servers: &[&Server], cell: &Cell, round: u32) -> Vec<Measured> {
    match cell.kind {
        Kind::Echo { .. } | Kind::Broadcast { .. } | Kind::Handshakes => {
            in_turns(tools, servers, cell, round)
        }
        Kind::Memory { connections } => one_by_one(servers, cell, round, |peer, running| {
            memory(tools, peer, running, cell, connections)
        }),
        Kind::Churn { connections } => one_by_one(servers, cell, round, |peer, running| {
            growth(tools, peer, running, cell, connections)
        }),
    }
}

/// Has the servers take turns: what else happens on a machine comes and goes in seconds, and so
/// meets all of them alike.
fn in_turns(tools: &Tools, servers: &[&Server], cell: &Cell, round: u32) -> Vec<Measured> {
    let mut runs: Vec<Run> = servers.iter().map(|server| Run::begin(server, cell)).collect();
    for _ in 0..cell.turns() {
        runs.iter_mut().for_each(|run| run.take_turn(tools, cell));
        runs.reverse(); // who was last is first
    }
    runs.into_iter().map(|run| run.end(cell, round)).collect()
}

/// A server under a load, and what the load has told so far.
struct Run {
    peer: Peer,
    told: Vec<Told>,
    running: Result<Running, String>,
}

impl Run {
    fn begin(server: &Server, cell: &Cell) -> Self {
        let running = Running::start(&server.command(cell));
        Self { peer: server.peer, told: Vec::new(), running }
    }

    fn take_turn(&mut self, tools: &Tools, cell: &Cell) {
        let Ok(running) = &self.running else { return };
        match load::run(tools, self.peer, running, running.pid(), cell, &Until::Time(PACE)) {
            Ok(told) => self.told.push(told),
            Err(why) => self.running = Err(why),
        }
    }

    fn end(self, cell: &Cell, round: u32) -> Measured {
        match self.running {
            Ok(running) => Measured::of_turns(self.peer, *cell, round, &running, &self.told),
            Err(why) => Measured::failed(self.peer, *cell, round, why),
        }
    }
}

/// Measures what takes one server at a time, by what gives the value.
fn one_by_one(
    servers: &[&Server],
    cell: &Cell,
    round: u32,
    value: impl Fn(Peer, &Running) -> Result<(f64, Told), String>,
) -> Vec<Measured> {
    let one = |server: &Server| -> Result<Measured, String> {
        let running = Running::start(&server.command(cell))?;
        let (value, told) = value(server.peer, &running)?;
        Ok(Measured { value, ..Measured::of_turns(server.peer, *cell, round, &running, &[told]) })
    };
    let measured = |server: &&Server| {
        one(server).unwrap_or_else(|why| Measured::failed(server.peer, *cell, round, why))
    };
    servers.iter().map(measured).collect()
}

/// Bytes for each connection, of many that are open.
fn memory(
    tools: &Tools,
    peer: Peer,
    running: &Running,
    cell: &Cell,
    connections: u32,
) -> Result<(f64, Told), String> {
    // What is needed once is not counted.
    let few = Kind::Memory { connections: 64 };
    let tried = Cell { kind: few, ..*cell };
    let serve = |cell| load::run(tools, peer, running, running.pid(), cell, &Until::Count(TRIED));
    serve(&tried)?;
    let told = serve(cell)?;
    let [before, at_end] = told.memory.ok_or("the memory of the server is not told")?;
    Ok(((at_end - before) / f64::from(connections), told))
}

/// By how many bytes it has grown when so many connections have come and gone.
fn growth(
    tools: &Tools,
    peer: Peer,
    running: &Running,
    cell: &Cell,
    connections: u32,
) -> Result<(f64, Told), String> {
    let serve = |count| load::run(tools, peer, running, running.pid(), cell, &Until::Count(count));
    serve(SETTLED)?;
    let before = running.memory().ok_or("the memory of the server is not told")?;
    let told = serve(connections.into())?;
    let at_end = running.memory().ok_or("the memory of the server is not told")?;
    Ok((at_end - before, told))
}
