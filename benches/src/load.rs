//! The load: `sockeye bench`.

use crate::cells::{AT_ONCE, BROADCAST_BYTES, Cell, Kind, Matter, RECEIVERS, Wire};
use crate::make::Tools;
use crate::peers::Peer;
use crate::server::{LOAD, Running, pinned};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long a measurement takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// What the load tells.
#[derive(Debug)]
pub(crate) struct Told {
    /// Messages, deliveries or handshakes.
    pub(crate) count: f64,
    /// The same per second of the server's processor time.
    pub(crate) rate: f64,
    /// In nanoseconds: of half, of 99 % and of 99.9 % of the messages.
    pub(crate) latency: Option<[f64; 3]>,
    /// Bytes per message from the server.
    pub(crate) wire: Option<f64>,
    /// Resident memory of the server before the first connection, and at the end.
    pub(crate) memory: Option<[f64; 2]>,
}

/// How long or how much is measured.
pub(crate) enum Until {
    Time(Pace),
    /// So many, however long it takes; nothing before that.
    Count(u64),
}

/// Options of `sockeye bench` for this kind of load.
fn options(cell: &Cell) -> Vec<String> {
    let mut options = Vec::new();
    let mut option = |name: &str, value: u32| options.extend([name.to_owned(), value.to_string()]);
    match cell.kind {
        Kind::Echo { matter, size, connections, depth, idle } => {
            option("--connections", connections);
            option("--depth", depth);
            option("--size", size);
            option("--idle", idle);
            match matter {
                Matter::Binary => {}
                Matter::Text => options.push("--text".to_owned()),
                Matter::Utf8 => options.push("--utf8".to_owned()),
                Matter::Records => options.push("--records".to_owned()),
            }
        }
        Kind::Broadcast { gathered } => {
            option("--connections", RECEIVERS);
            option("--depth", gathered);
            option("--size", BROADCAST_BYTES);
            options.push("--broadcast".to_owned());
        }
        Kind::Handshakes => {
            option("--connections", AT_ONCE);
            option("--churn", 0);
        }
        Kind::Memory { connections } => option("--idle", connections - 1),
        Kind::Churn { .. } => {
            option("--connections", AT_ONCE);
            option("--churn", 1);
            // Each of them has its own ports.
            options
                .extend(["--source", "127.0.0.2,127.0.0.3,127.0.0.4,127.0.0.5"].map(str::to_owned));
        }
    }
    match cell.wire {
        Wire::Plain => {}
        Wire::Shared => options.push("--deflate".to_owned()),
        Wire::Own => options.extend(["--deflate", "--context-takeover"].map(str::to_owned)),
        Wire::Tls => options.push("--insecure".to_owned()),
    }
    options
}

/// Has a server do this; one that does not speak WebSocket gets the same frames by TCP alone.
pub(crate) fn run(
    tools: &Tools,
    peer: Peer,
    server: &Running,
    server_pid: u32,
    cell: &Cell,
    until: &Until,
) -> Result<Told, String> {
    let scheme = match cell.wire {
        _ if !peer.speaks() => "tcp",
        Wire::Tls => "wss",
        Wire::Plain | Wire::Shared | Wire::Own => "ws",
    };
    let mut load = pinned(LOAD);
    load.arg(&tools.sockeye).args(["bench", "--json", "--timeout", "60s"]);
    load.args(["--server-pid", &server_pid.to_string()]).args(options(cell));
    match until {
        Until::Time(pace) => {
            load.args(["--warm-up", &milliseconds(pace.warm_up)]);
            load.args(["--duration", &milliseconds(pace.measured)]);
        }
        Until::Count(count) => drop(load.args(["--count", &count.to_string()])),
    }
    let path = if peer.speaks() { "/" } else { "" };
    let said = first_line(load.arg(format!("{scheme}://127.0.0.1:{}{path}", server.port)))?;
    let said: Value =
        serde_json::from_str(&said).map_err(|error| format!("the load's result: {error}"))?;
    let number = |pointer: &str| said.pointer(pointer).and_then(Value::as_f64);
    let rate = number("/echoes_per_server_cpu_second");
    let latency = ["p50_ns", "p99_ns", "p99_9_ns"].map(|name| number(&format!("/latency/{name}")));
    let memory = ["/servers/0/resident_bytes_before", "/servers/0/resident_bytes"].map(number);
    Ok(Told {
        count: number("/messages/echoed").unwrap_or(f64::NAN),
        rate: rate.ok_or("the load tells no processor time of the server")?,
        latency: all(latency),
        wire: number("/wire_bytes_per_echo/received"),
        memory: all(memory),
    })
}

/// All of them, or nothing.
pub(crate) fn all<const N: usize>(values: [Option<f64>; N]) -> Option<[f64; N]> {
    let all: Vec<f64> = values.into_iter().flatten().collect();
    all.try_into().ok()
}

/// The result; the load is not waited for while it closes its connections.
fn first_line(command: &mut Command) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("cannot start the load: {error}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut line).map_err(failed)?;
    }
    if line.is_empty() {
        let mut errors = String::new();
        if let Some(mut stderr) = child.stderr.take() {
            stderr.read_to_string(&mut errors).map_err(failed)?;
        }
        let _ = child.wait();
        return Err(errors.trim().to_owned());
    }
    let _ = child.kill(); // it may have ended by itself
    let _ = child.wait();
    Ok(line)
}

fn milliseconds(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::CELLS;

    #[test]
    fn every_kind_of_load_has_its_options() {
        let of = |name: &str| {
            let cell = CELLS.iter().find(|cell| cell.name() == name).unwrap();
            options(cell).join(" ")
        };
        assert_eq!(of("text-1k-64x16"), "--connections 64 --depth 16 --size 1024 --idle 0 --text");
        assert_eq!(of("handshakes-tls"), "--connections 64 --churn 0 --insecure");
        assert_eq!(of("memory-shared"), "--idle 18999 --deflate");
        assert_eq!(of("broadcast-16"), "--connections 1000 --depth 16 --size 100 --broadcast");
        assert!(of("binary-20-64x1-idle").contains("--idle 10000"));
        assert!(of("records-1k-64x1-own").ends_with("--records --deflate --context-takeover"));
    }
}
