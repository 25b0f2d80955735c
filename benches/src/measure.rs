//! One measurement: a server on one processor, the load on another.

use crate::cells::{Cell, Kind};
use crate::load::{self, Pace, Told, Until};
use crate::make::Tools;
use crate::peers::{Peer, Server};
use crate::server::Running;

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
    pub(crate) fn failed(peer: Peer, cell: Cell, round: u32, why: String) -> Self {
        let (value, failure) = (f64::NAN, Some(why));
        Self { peer, cell, round, value, latency: None, wire: None, memory: None, failure }
    }
}

/// Makes one.
pub(crate) fn once(
    tools: &Tools,
    server: &Server,
    cell: &Cell,
    round: u32,
    pace: &Pace,
) -> Result<Measured, String> {
    let running = Running::start(&server.command(cell))?;
    let (value, told) = match cell.kind {
        Kind::Echo { .. } | Kind::Broadcast { .. } | Kind::Handshakes => {
            let until = Until::Time(*pace);
            let told = load::run(tools, server.peer, &running, running.pid(), cell, &until)?;
            (told.rate, told)
        }
        Kind::Memory { connections } => memory(tools, server.peer, &running, cell, connections)?,
        Kind::Churn { connections } => growth(tools, server.peer, &running, cell, connections)?,
    };
    Ok(Measured {
        peer: server.peer,
        cell: *cell,
        round,
        value,
        latency: told.latency,
        wire: told.wire,
        memory: running.memory(),
        failure: None,
    })
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
