//! One measurement: a server on one processor, the load on another.

use crate::cells::{Cell, Matter};
use crate::peers::{Peer, Server, Tools};
use crate::place::run;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The processors of server and load, as `taskset` numbers them.
const PROCESSORS: (&str, &str) = ("0", "1");

/// How long a measurement takes.
#[derive(Debug)]
pub(crate) struct Pace {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// What came of one.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) peer: Peer,
    pub(crate) cell: Cell,
    pub(crate) round: u32,
    /// Messages per second of the server's processor time.
    pub(crate) rate: f64,
    /// In nanoseconds, where the load tells them: of half, of 99 % and of 99.9 % of the messages.
    pub(crate) latency: Option<[f64; 3]>,
    /// Resident memory of the server at the end, in bytes.
    pub(crate) memory: f64,
    /// Why there is nothing of all this.
    pub(crate) failure: Option<String>,
}

impl Measured {
    pub(crate) fn failed(peer: Peer, cell: Cell, round: u32, why: String) -> Self {
        let failure = Some(why);
        Self { peer, cell, round, rate: f64::NAN, latency: None, memory: f64::NAN, failure }
    }
}

/// A server that runs; ended when this is dropped.
struct Running {
    child: Child,
    port: String,
}

impl Running {
    fn start(server: &Server) -> Result<Self, String> {
        let mut command = pinned(PROCESSORS.0);
        command.arg(&server.program).args(&server.args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let failed = |error| format!("cannot start {}: {error}", server.program.display());
        let mut child = command.spawn().map_err(failed)?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(failed)?;
        }
        let mut running = Self { child, port: String::new() };
        let port = line.trim_end().trim_end_matches('/').rsplit_once(':');
        match port {
            Some((_, port)) if line.starts_with("listening on ") => {
                running.port = port.to_owned();
                Ok(running)
            }
            _ => Err(format!("{} says {line:?}", server.program.display())),
        }
    }

    fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Resident bytes (proc_pid_status(5), `VmRSS`).
    fn memory(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kib * 1024.0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}

fn pinned(processor: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", processor]);
    command
}

/// Makes one.
pub(crate) fn once(
    tools: &Tools,
    server: &Server,
    cell: &Cell,
    round: u32,
    pace: &Pace,
) -> Result<Measured, String> {
    let running = Running::start(server)?;
    let (rate, latency) = match server.peer {
        Peer::Floor | Peer::FloorUring => (raw(tools, &running, cell, pace)?, None),
        Peer::Sockeye
        | Peer::Uwebsockets
        | Peer::Least
        | Peer::Fastwebsockets
        | Peer::Tungstenite
        | Peer::Libwebsockets => websocket(tools, &running, cell, pace)?,
    };
    let memory = running.memory().unwrap_or(f64::NAN);
    Ok(Measured { peer: server.peer, cell: *cell, round, rate, latency, memory, failure: None })
}

fn raw(tools: &Tools, server: &Running, cell: &Cell, pace: &Pace) -> Result<f64, String> {
    let mut load = pinned(PROCESSORS.1);
    load.arg(&tools.raw_load).arg(&server.port);
    load.args([cell.connections, cell.depth, cell.size].map(|number| number.to_string()));
    load.args([pace.warm_up, pace.measured].map(|time| time.as_secs_f64().to_string()));
    let said = run(load.arg(server.pid()))?;
    let numbers: Vec<f64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match numbers[..] {
        [echoes, seconds] if seconds > 0.0 => Ok(echoes / seconds),
        _ => Err(format!("the load said {said:?}")),
    }
}

fn websocket(
    tools: &Tools,
    server: &Running,
    cell: &Cell,
    pace: &Pace,
) -> Result<(f64, Option<[f64; 3]>), String> {
    let mut load = pinned(PROCESSORS.1);
    load.arg(&tools.sockeye).args(["bench", "--json", "--server-pid", &server.pid()]);
    load.args(["--connections", &cell.connections.to_string()]);
    load.args(["--depth", &cell.depth.to_string(), "--size", &cell.size.to_string()]);
    load.args(["--warm-up", &milliseconds(pace.warm_up)]);
    load.args(["--duration", &milliseconds(pace.measured)]);
    match cell.matter {
        Matter::Binary => {}
        Matter::Text => drop(load.arg("--text")),
        Matter::Utf8 => drop(load.arg("--utf8")),
    }
    let said = run(load.arg(format!("ws://127.0.0.1:{}/", server.port)))?;
    let said: serde_json::Value =
        serde_json::from_str(&said).map_err(|error| format!("the load's result: {error}"))?;
    let rate = said["echoes_per_server_cpu_second"].as_f64();
    let rate = rate.ok_or("the load tells no processor time of the server")?;
    let nanoseconds = |name: &str| said["latency"][name].as_f64().unwrap_or(f64::NAN);
    Ok((rate, Some(["p50_ns", "p99_ns", "p99_9_ns"].map(nanoseconds))))
}

fn milliseconds(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}
