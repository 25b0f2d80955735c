//! The result of a run, as `--json` prints it; terminal and report show the same.

use super::cpu::Cpu;
use super::run::Run;
use super::samples::Samples;
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
}

#[derive(Debug, Serialize)]
pub(super) struct Options {
    pub(super) connections: u32,
    pub(super) size: usize,
    pub(super) depth: u32,
    pub(super) matter: &'static str,
    pub(super) compressed: bool,
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
}

/// What processes have used, and how many echoes had come, at two moments.
#[derive(Default)]
pub(super) struct Usage {
    pub(super) servers: Vec<Process>,
    pub(super) client: Process,
    pub(super) echoes: u64,
}

impl Usage {
    pub(super) fn since(self, before: &Self) -> Self {
        let servers = self.servers.iter().zip(&before.servers);
        Self {
            servers: servers.map(|(after, before)| after.since(before)).collect(),
            client: self.client.since(&before.client),
            echoes: self.echoes - before.echoes,
        }
    }
}

impl Process {
    pub(super) fn new(pid: u32, Cpu { user, system }: Cpu) -> Self {
        Self { pid, user_seconds: user, system_seconds: system }
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            pid: self.pid,
            user_seconds: self.user_seconds - before.user_seconds,
            system_seconds: self.system_seconds - before.system_seconds,
        }
    }

    pub(super) fn total(&self) -> f64 {
        self.user_seconds + self.system_seconds
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
        let servers_total: f64 = usage.servers.iter().map(Process::total).sum();
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
            servers: usage.servers,
            client: usage.client,
        }
    }
}

impl Options {
    fn new(args: &BenchArgs) -> Self {
        Self {
            connections: args.connections,
            size: args.size,
            depth: args.depth,
            matter: match args.matter() {
                Matter::Binary => "binary",
                Matter::Text => "text",
                Matter::Utf8 => "utf8",
            },
            compressed: args.deflate,
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
            min_ns: samples.min,
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
        classes = empty_classes(series, samples.min, samples.max);
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
