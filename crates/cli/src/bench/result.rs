//! The result of a run, as `--json` prints it; terminal and report show the same.

use super::run::Run;
use super::samples::Samples;
use super::usage::{self, Cpu};
use crate::args::{BenchArgs, Matter};
use serde::Serialize;

/// Everything there is to tell. Sizes and speeds count payloads only, and one way.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) sockeye: &'static str,
    pub(super) url: String,
    pub(super) options: Options,
    /// Whether the run was not ended early.
    pub(super) complete: bool,
    pub(super) messages: Messages,
    pub(super) window: Window,
    pub(super) latency: Latency,
    /// Latencies in classes, from the smallest to the greatest there was.
    pub(super) histogram: Vec<Class>,
    /// Latencies by the share of messages that do not exceed them.
    pub(super) percentiles: Vec<Point>,
    /// Echoes by time.
    pub(super) throughput: Vec<Interval>,
    /// Processor time within the window: of the processes named by `--server-pid`, and ours.
    pub(super) servers: Vec<Process>,
    pub(super) client: Process,
    /// Echoes per second of the servers' processor time.
    pub(super) echoes_per_server_cpu_second: Option<f64>,
    /// What crossed the wire within the window, heads included, for each echo; unless connections
    /// came and went.
    pub(super) wire_bytes_per_echo: Option<Directions>,
}

/// Bytes per echo, as this end sees them.
#[derive(Debug, Serialize)]
pub(super) struct Directions {
    pub(super) sent: f64,
    pub(super) received: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Options {
    /// What counts as an echo: an echo, a delivery to one receiver, or a handshake.
    pub(super) counted: &'static str,
    pub(super) connections: u32,
    pub(super) idle: u32,
    /// Echoes after which a connection is replaced.
    pub(super) churn: Option<u64>,
    pub(super) size: usize,
    pub(super) depth: u32,
    pub(super) matter: &'static str,
    pub(super) compressed: bool,
    pub(super) context_takeover: bool,
    pub(super) rate: Option<u64>,
    pub(super) warm_up_seconds: f64,
}

/// Messages of the whole run, warm-up included.
#[derive(Debug, Serialize)]
pub(super) struct Messages {
    pub(super) sent: u64,
    pub(super) echoed: u64,
    /// What the rate asked for, and there was no time left to send.
    pub(super) behind: u64,
}

/// What came within the measured time, whenever it was sent.
#[derive(Debug, Serialize)]
pub(super) struct Window {
    pub(super) seconds: f64,
    pub(super) echoes: u64,
    pub(super) echoes_per_second: f64,
    pub(super) bytes_per_second: f64,
}

/// Latencies of the messages sent within the measured time, whenever their echoes came.
#[derive(Debug, Serialize)]
pub(super) struct Latency {
    pub(super) samples: u64,
    /// Whether they count from when messages should have been sent.
    pub(super) corrected: bool,
    pub(super) min_ns: u64,
    pub(super) mean_ns: f64,
    pub(super) stddev_ns: f64,
    pub(super) p50_ns: u64,
    pub(super) p90_ns: u64,
    pub(super) p99_ns: u64,
    pub(super) p99_9_ns: u64,
    pub(super) max_ns: u64,
}

/// Latencies from above `from_ns` up to `to_ns`.
#[derive(Debug, Serialize)]
pub(super) struct Class {
    pub(super) from_ns: u64,
    pub(super) to_ns: u64,
    pub(super) count: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Point {
    pub(super) percentile: f64,
    pub(super) ns: u64,
}

/// Seconds since the start of the measured time.
#[derive(Debug, Serialize)]
pub(super) struct Interval {
    pub(super) from_seconds: f64,
    pub(super) to_seconds: f64,
    pub(super) echoes: u64,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) user_seconds: f64,
    pub(super) system_seconds: f64,
    /// Both, counted finer than each.
    pub(super) cpu_seconds: f64,
    /// Resident memory before the first connection, and at the end of the window.
    pub(super) resident_bytes_before: Option<u64>,
    pub(super) resident_bytes: Option<u64>,
}

/// What processes have used, and how many echoes had come, at two moments.
#[derive(Default)]
pub(super) struct Usage {
    pub(super) servers: Vec<Process>,
    pub(super) client: Process,
    pub(super) echoes: u64,
    pub(super) wire: Wire,
}

/// Bytes that sockets took and gave.
#[derive(Clone, Copy, Default)]
pub(super) struct Wire {
    pub(super) sent: u64,
    pub(super) received: u64,
}

impl Usage {
    pub(super) fn since(self, before: &Self) -> Self {
        let servers = self.servers.iter().zip(&before.servers);
        Self {
            servers: servers.map(|(after, before)| after.since(before)).collect(),
            client: self.client.since(&before.client),
            echoes: self.echoes - before.echoes,
            wire: Wire {
                sent: self.wire.sent.saturating_sub(before.wire.sent),
                received: self.wire.received.saturating_sub(before.wire.received),
            },
        }
    }
}

impl Process {
    pub(super) fn new(pid: u32, Cpu { user, system, total }: Cpu) -> Self {
        Self {
            pid,
            user_seconds: user,
            system_seconds: system,
            cpu_seconds: total,
            resident_bytes_before: None,
            resident_bytes: usage::resident(pid),
        }
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            pid: self.pid,
            user_seconds: self.user_seconds - before.user_seconds,
            system_seconds: self.system_seconds - before.system_seconds,
            cpu_seconds: self.cpu_seconds - before.cpu_seconds,
            ..*self
        }
    }
}

impl Outcome {
    pub(super) fn new(args: &BenchArgs, run: &Run, usage: Usage, complete: bool) -> Self {
        let (schedule, samples) = (&run.schedule, &run.samples);
        let (sent, echoed) = run.totals();
        let echoes = samples.series.total();
        let window = schedule.end().saturating_sub(schedule.start()).max(1);
        let seconds = seconds(window);
        let echoes_per_second = echoes as f64 / seconds;
        let servers_total: f64 = usage.servers.iter().map(|server| server.cpu_seconds).sum();
        let per_echo = |bytes: u64| bytes as f64 / usage.echoes as f64;
        let on_the_wire = usage.echoes > 0 && !run.replaces();
        Self {
            sockeye: env!("CARGO_PKG_VERSION"),
            url: args.request.url.clone(),
            options: Options::new(args),
            complete,
            messages: Messages { sent, echoed, behind: schedule.behind(sent) },
            window: Window {
                seconds,
                echoes,
                echoes_per_second,
                bytes_per_second: echoes_per_second * args.size as f64,
            },
            latency: Latency::new(samples, schedule.corrects()),
            histogram: histogram(samples),
            percentiles: percentiles(samples),
            throughput: throughput(samples, window),
            echoes_per_server_cpu_second: (servers_total > 0.0)
                .then(|| usage.echoes as f64 / servers_total),
            wire_bytes_per_echo: on_the_wire.then(|| Directions {
                sent: per_echo(usage.wire.sent),
                received: per_echo(usage.wire.received),
            }),
            servers: usage.servers,
            client: usage.client,
        }
    }
}

impl Options {
    fn new(args: &BenchArgs) -> Self {
        Self {
            counted: match args.churn {
                Some(0) => "handshakes",
                _ if args.broadcast => "deliveries",
                _ => "echoes",
            },
            connections: args.connections,
            idle: args.idle,
            churn: args.churn,
            size: args.size,
            depth: args.depth,
            matter: match args.matter() {
                Matter::Binary => "binary",
                Matter::Text => "text",
                Matter::Utf8 => "utf8",
                Matter::Records => "records",
            },
            compressed: args.deflate,
            context_takeover: args.deflate_options().is_some_and(|o| o.context_takeover),
            rate: args.rate,
            warm_up_seconds: args.warm_up().as_secs_f64(),
        }
    }
}

impl Latency {
    fn new(samples: &Samples, corrected: bool) -> Self {
        Self {
            samples: samples.count(),
            corrected,
            min_ns: samples.min(),
            mean_ns: samples.mean(),
            stddev_ns: samples.latencies.stdev(),
            p50_ns: samples.quantile(0.5),
            p90_ns: samples.quantile(0.9),
            p99_ns: samples.quantile(0.99),
            p99_9_ns: samples.quantile(0.999),
            max_ns: samples.max,
        }
    }
}

/// The classes of a decade, coarse to fine, in tenths: rounded powers of roots of ten.
const SERIES: [&[u64]; 4] = [
    &[10, 12, 15, 18, 22, 27, 33, 39, 47, 56, 68, 82],
    &[10, 15, 22, 33, 47, 68],
    &[10, 22, 47],
    &[10],
];
/// The most classes, if the coarsest series does not have more.
const CLASSES: usize = 24;

/// Latencies by classes; the finest that are not too many.
fn histogram(samples: &Samples) -> Vec<Class> {
    let mut classes = Vec::new();
    for series in SERIES {
        classes = empty_classes(series, samples.min(), samples.max);
        if classes.len() <= CLASSES {
            break;
        }
    }
    let mut class = 0;
    for cell in samples.latencies.iter_recorded() {
        let ns = cell.value_iterated_to().min(samples.max);
        while classes.get(class).is_some_and(|class| class.to_ns < ns) {
            class += 1;
        }
        if let Some(class) = classes.get_mut(class) {
            class.count += cell.count_since_last_iteration();
        }
    }
    classes
}

fn empty_classes(series: &[u64], min: u64, max: u64) -> Vec<Class> {
    let edges = (0..11).flat_map(|decade| series.iter().map(move |s| s * 10_u64.pow(decade)));
    let edges: Vec<u64> = [0].into_iter().chain(edges).chain([u64::MAX]).collect();
    let class = |pair: &[u64]| Class { from_ns: pair[0], to_ns: pair[1], count: 0 };
    let between = |class: &Class| class.to_ns >= min && class.from_ns < max;
    edges.windows(2).map(class).filter(between).collect()
}

/// The percentiles whose latencies make a curve: ever closer to 100, while there are samples for.
fn percentiles(samples: &Samples) -> Vec<Point> {
    let mut all = vec![0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0];
    let mut rest = 10.0;
    while samples.count() as f64 * rest / 100.0 >= 1.0 {
        all.extend([100.0 - rest, 100.0 - rest / 2.0, 100.0 - rest / 4.0]);
        rest /= 10.0;
    }
    all.push(100.0);
    all.into_iter()
        .map(|percentile| Point { percentile, ns: samples.quantile(percentile / 100.0) })
        .collect()
}

fn throughput(samples: &Samples, window: u64) -> Vec<Interval> {
    samples
        .series
        .intervals(window)
        .map(|(from, to, echoes)| Interval {
            from_seconds: seconds(from),
            to_seconds: seconds(to),
            echoes,
        })
        .collect()
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}
