//! `sockeye bench`, against echo servers that count.

use crate::namespace::{self, Namespace};
use crate::run::{PROGRAM, Patient, Peer, Program, Server, run};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tungstenite::{Message, accept};

/// A server of tungstenite's for some connections, each on a thread that gives what `serve` does.
pub(crate) struct Host<T> {
    pub(crate) url: String,
    threads: JoinHandle<Vec<T>>,
}

impl<T: Send + 'static> Host<T> {
    pub(crate) fn new(
        connections: usize,
        serve: impl Fn(Peer) -> T + Send + Clone + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/path", listener.local_addr().unwrap());
        let threads = thread::spawn(move || {
            let one = |_| {
                let stream = Patient::new(listener.accept().unwrap().0);
                let serve = serve.clone();
                thread::spawn(move || serve(accept(stream).expect("a handshake")))
            };
            let all: Vec<_> = (0..connections).map(one).collect();
            all.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        Self { url, threads }
    }

    /// What became of each connection.
    pub(crate) fn results(self) -> Vec<T> {
        self.threads.join().unwrap()
    }
}

/// Echoes to the end; the messages that came.
fn echo(mut peer: Peer) -> Vec<Message> {
    let mut came = Vec::new();
    while let Ok(message) = peer.read() {
        if !message.is_close() {
            peer.send(message.clone()).unwrap();
            came.push(message);
        }
    }
    came
}

/// Runs it to its end, which is a success and has nothing to say on stderr: the result.
fn measure(url: &str, options: &[&str]) -> Value {
    let patient = ["bench", url, "--json", "--timeout", "60s"];
    let (status, stdout, stderr) = run(&[&patient, options].concat());
    assert_eq!((status, &*stderr), (Some(0), ""), "{stdout}");
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    serde_json::from_str(&stdout).expect("JSON")
}

/// A whole number of the result.
pub(crate) fn count(result: &Value, pointer: &str) -> u64 {
    let value = result.pointer(pointer).and_then(Value::as_u64);
    value.unwrap_or_else(|| panic!("no {pointer} in {result}"))
}

/// A file that goes with the test.
struct Scrap(PathBuf);

impl Scrap {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("sockeye-bench-{name}-{}", std::process::id())))
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scrap {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A line of `--raw`: connection, message, sent, latency.
type Sample = [u64; 4];

fn samples(path: &Path) -> Vec<Sample> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("connection,message,sent_ns,latency_ns"));
    let numbers = |line: &str| -> Vec<u64> {
        line.split(',').map(|number| number.parse().unwrap()).collect()
    };
    lines.map(|line| numbers(line).try_into().unwrap()).collect()
}

#[test]
fn its_counts_are_those_of_a_server_that_counts() {
    let server = Host::new(3, |peer| echo(peer).len() as u64);
    let options = ["--connections", "3", "--depth", "5", "--count", "1000", "--size", "200"];
    let result = measure(&server.url, &options);
    assert_eq!(server.results().iter().sum::<u64>(), 1000);
    for pointer in ["/messages/sent", "/messages/echoed", "/window/echoes", "/latency/samples"] {
        assert_eq!(count(&result, pointer), 1000, "{pointer}");
    }
    assert_eq!(result["complete"], true);
}

#[test]
fn what_is_sent_to_warm_up_is_not_measured_but_counted() {
    let server = Host::new(1, |peer| echo(peer).len() as u64);
    let result = measure(&server.url, &["--count", "1000", "--warm-up", "50ms"]);
    let [all] = server.results()[..] else { panic!("one connection") };
    assert_eq!(count(&result, "/messages/sent"), all);
    assert_eq!(count(&result, "/messages/echoed"), all);
    assert!(all > 1000, "{all}");
    assert_eq!(count(&result, "/window/echoes"), 1000);
    assert_eq!(count(&result, "/latency/samples"), 1000);
}

#[test]
fn its_counts_are_those_of_echo_to_the_byte() {
    let bytes_of = |messages: u64| {
        let mut server = Server::start(&["echo", "--log", "info"], "ws");
        let url = format!("ws://{}", server.address);
        let options = ["--count", &messages.to_string(), "--size", "300", "--depth", "8"];
        assert_eq!(count(&measure(&url, &options), "/messages/echoed"), messages);
        server.program.signal(Signal::TERM);
        let (_, log) = server.program.verdict();
        let line = log.lines().find(|line| line.contains(" bytes in")).expect(&log);
        let words: Vec<&str> = line.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        let before = |word: &str, back: usize| -> u64 {
            let at = words.iter().position(|&other| other == word).expect(line);
            words[at - back].parse().expect(line)
        };
        (before("in", 2), before("out", 1))
    };
    let (few, many) = (bytes_of(10), bytes_of(2010));
    // A header of four bytes, and four of the mask on the way in.
    assert_eq!((many.0 - few.0, many.1 - few.1), (2000 * 308, 2000 * 304));
}

#[test]
fn its_figures_are_those_of_its_raw_samples() {
    let server = Server::echo();
    let url = format!("ws://{}", server.address);
    let raw = Scrap::new("raw");
    let options = ["--connections", "4", "--depth", "3", "--duration", "300ms", "--raw"];
    let result = measure(&url, &[&options[..], &[raw.path()]].concat());
    let samples = samples(&raw.0);
    assert_eq!(count(&result, "/latency/samples"), samples.len() as u64);
    let mut sorted: Vec<u64> = samples.iter().map(|sample| sample[3]).collect();
    sorted.sort_unstable();
    let mean = sorted.iter().sum::<u64>() as f64 / sorted.len() as f64;
    let told = result["latency"]["mean_ns"].as_f64().unwrap();
    assert!((told - mean).abs() < 1e-6 * mean, "{told} {mean}");
    assert_eq!(count(&result, "/latency/min_ns"), sorted[0]);
    assert_eq!(count(&result, "/latency/max_ns"), *sorted.last().unwrap());
    let check = |share: f64, told: u64| {
        let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
        let exact = sorted[rank - 1];
        assert!(told.abs_diff(exact) <= exact / 1000, "{share}: {told}, {exact} of the samples");
    };
    for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999)] {
        check(share, count(&result, &format!("/latency/{name}_ns")));
    }
    let points = result["percentiles"].as_array().unwrap();
    assert!(points.len() > 10);
    for point in points {
        check(point["percentile"].as_f64().unwrap() / 100.0, point["ns"].as_u64().unwrap());
    }
}

#[test]
fn its_histogram_and_intervals_add_up() {
    let server = Server::echo();
    let url = format!("ws://{}", server.address);
    let raw = Scrap::new("classes");
    let options = ["--connections", "2", "--depth", "2", "--duration", "300ms", "--raw"];
    let result = measure(&url, &[&options[..], &[raw.path()]].concat());
    let latencies: Vec<u64> = samples(&raw.0).iter().map(|sample| sample[3]).collect();
    let within = |from: f64, to: f64| {
        let between = |&&ns: &&u64| (ns as f64) > from && (ns as f64) <= to;
        latencies.iter().filter(between).count() as u64
    };
    let mut sum = 0;
    for class in result["histogram"].as_array().unwrap() {
        let [from, to, count] = ["from_ns", "to_ns", "count"].map(|name| class[name].as_u64());
        let (from, to, count) = (from.unwrap() as f64, to.unwrap() as f64, count.unwrap());
        // Latencies have three significant digits; at an edge they may fall to either side.
        assert!(count >= within(from * 1.001, to * 0.999), "{class}");
        assert!(count <= within(from * 0.999, to * 1.001), "{class}");
        sum += count;
    }
    assert_eq!(sum, latencies.len() as u64);
    let intervals = result["throughput"].as_array().unwrap();
    let echoes = intervals.iter().map(|interval| interval["echoes"].as_u64().unwrap());
    assert_eq!(echoes.sum::<u64>(), count(&result, "/window/echoes"));
    let speed = result["window"]["echoes_per_second"].as_f64().unwrap();
    let seconds = result["window"]["seconds"].as_f64().unwrap();
    assert_eq!(seconds, 0.3);
    assert!((speed * seconds - count(&result, "/window/echoes") as f64).abs() < 0.001);
}

#[test]
fn messages_are_of_the_kind_and_size_asked_for_and_all_different() {
    for (options, text, ascii) in [
        (&["--size", "40"][..], false, false),
        (&["--size", "40", "--text"], true, true),
        (&["--size", "40", "--utf8"], true, false),
    ] {
        let server = Host::new(2, echo);
        let more = ["--connections", "2", "--count", "60", "--depth", "3"];
        measure(&server.url, &[options, &more].concat());
        let mut all = server.results().concat();
        assert_eq!(all.len(), 60);
        for message in &all {
            assert_eq!((message.is_text(), message.len()), (text, 40), "{options:?}");
            let bytes = message.clone().into_data();
            assert_eq!(bytes.is_ascii(), ascii, "{options:?}");
        }
        all.sort_by_key(|message| message.clone().into_data());
        all.dedup();
        assert_eq!(all.len(), 60, "{options:?}");
    }
}

#[test]
fn messages_of_every_size_are_measured() {
    let server = Server::echo();
    let url = format!("ws://{}", server.address);
    for size in ["0", "1", "7", "125", "126", "65535", "64k", "1M", "5M"] {
        for kind in [&[][..], &["--text"], &["--utf8"], &["--deflate", "--text"]] {
            if size.ends_with('M') && kind.contains(&"--deflate") {
                continue; // compressing so much takes long without optimisation
            }
            let options = ["--size", size, "--count", "9", "--depth", "4"];
            let result = measure(&url, &[&options, kind].concat());
            assert_eq!(count(&result, "/messages/echoed"), 9, "{size} {kind:?}");
        }
    }
}

#[test]
fn at_a_rate_latencies_count_from_when_messages_were_due() {
    const STALL: Duration = Duration::from_millis(200);
    // It holds the first echo back, and so all that comes after it.
    let server = Host::new(1, |mut peer: Peer| {
        let first = peer.read().unwrap();
        let until = Instant::now() + STALL;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            thread::sleep(left);
        }
        peer.send(first).unwrap();
        echo(peer).len() as u64 + 1
    });
    let raw = Scrap::new("rate");
    let options = ["--rate", "1000", "--count", "300", "--raw", raw.path()];
    let result = measure(&server.url, &options);
    assert_eq!(server.results(), [300]);
    assert_eq!(result["latency"]["corrected"], true);
    let samples = samples(&raw.0);
    assert_eq!(samples.len(), 300);
    for (number, &[_, message, sent, latency]) in samples.iter().enumerate() {
        let number = number as u64;
        assert_eq!((message, sent), (number + 1, number * 1_000_000));
        let stalled = STALL.as_nanos() as u64;
        assert!(latency >= stalled.saturating_sub(sent), "message {message}: {latency} ns");
    }
}

#[test]
fn at_a_rate_all_connections_take_turns() {
    let server = Host::new(3, |peer| echo(peer).len());
    let options = ["--rate", "5000", "--count", "301", "--connections", "3", "--depth", "100"];
    let result = measure(&server.url, &options);
    let mut counts = server.results();
    counts.sort_unstable();
    assert_eq!(counts, [100, 100, 101]);
    assert_eq!(count(&result, "/messages/behind"), 0);
}

#[test]
fn compression_is_what_was_asked_for() {
    let bytes_in = |options: &[&str]| {
        let mut server = Server::start(&["echo", "--log", "info"], "ws");
        let url = format!("ws://{}", server.address);
        let count = ["--count", "100", "--size", "4k", "--text"];
        let result = measure(&url, &[&count, options].concat());
        assert_eq!(result["options"]["compressed"], options.contains(&"--deflate"));
        server.program.signal(Signal::TERM);
        let (_, log) = server.program.verdict();
        let (before, _) = log.split_once(" bytes in").expect(&log);
        before.rsplit(' ').next().unwrap().parse::<u64>().expect(&log)
    };
    let size = 100 * 4096;
    assert!(bytes_in(&[]) > size && bytes_in(&["--no-deflate"]) > size);
    let compressed = bytes_in(&["--deflate"]);
    assert!(compressed < size / 2, "{compressed}");

    let server = Server::start(&["echo", "--no-deflate"], "ws");
    let url = format!("ws://{}", server.address);
    let (status, stdout, stderr) = run(&["bench", &url, "--deflate", "--count", "1"]);
    assert_eq!((status, &*stdout, stderr.lines().count()), (Some(1), "", 1), "{stderr}");
    assert!(stderr.contains("--deflate"), "{stderr}");
}

#[test]
fn a_broadcast_is_counted_when_it_has_come_everywhere() {
    let server = Server::serve();
    let url = format!("ws://{}", server.address);
    let options = ["--subprotocol", "lws-mirror-protocol", "--broadcast", "--connections", "5"];
    let more = ["--depth", "3", "--duration", "200ms", "--warm-up", "0ms"];
    let result = measure(&url, &[&options[..], &more].concat());
    let sent = count(&result, "/messages/sent");
    assert!(sent > 0 && sent.is_multiple_of(3), "{sent}");
    assert_eq!(count(&result, "/messages/echoed"), 5 * sent);
    assert_eq!(result["options"]["counted"], "deliveries");

    // A server that sends to nobody but the sender is no broadcaster.
    let server = Server::echo();
    let url = format!("ws://{}", server.address);
    let options = ["--broadcast", "--connections", "2", "--timeout", "300ms"];
    let (status, stdout, stderr) = run(&[&["bench", &*url], &options[..]].concat());
    assert_eq!((status, &*stdout), (Some(1), ""), "{stderr}");
    assert!(stderr.contains("message 1 of connection 1 was not "), "{stderr}");
}

#[test]
fn connections_are_replaced_after_so_many_echoes() {
    let server = Host::new(3, |peer| echo(peer).len());
    let result = measure(&server.url, &["--churn", "2", "--count", "6"]);
    assert_eq!(server.results(), [2, 2, 2]);
    assert_eq!(count(&result, "/messages/echoed"), 6);
    assert!(result["wire_bytes_per_echo"].is_null());
}

#[test]
fn handshakes_alone_are_counted() {
    let server = Host::new(6, |peer| echo(peer).len()); // one more, which was open before
    let result = measure(&server.url, &["--churn", "0", "--count", "5"]);
    assert_eq!(server.results(), [0; 6]);
    for pointer in ["/messages/sent", "/messages/echoed", "/window/echoes", "/latency/samples"] {
        assert_eq!(count(&result, pointer), 5, "{pointer}");
    }
    assert_eq!(result["options"]["counted"], "handshakes");
}

#[test]
fn idle_connections_are_open_and_silent() {
    let server = Host::new(5, |peer| echo(peer).len());
    let result = measure(&server.url, &["--connections", "2", "--idle", "3", "--count", "10"]);
    let mut counts = server.results();
    counts.sort_unstable();
    assert_eq!((&counts[..3], counts[3] + counts[4]), (&[0, 0, 0][..], 10));
    assert_eq!(count(&result, "/options/idle"), 3);
}

#[test]
fn bytes_on_the_wire_are_told() {
    let server = Server::start(&["echo", "--context-takeover"], "ws");
    let url = format!("ws://{}", server.address);
    let wire = |options: &[&str]| {
        let result = measure(&url, &[&["--count", "500", "--size", "1000"], options].concat());
        let bytes = |way: &str| result["wire_bytes_per_echo"][way].as_f64().unwrap();
        (bytes("sent"), bytes("received"))
    };
    assert_eq!(wire(&[]), (1008.0, 1004.0)); // a header of four bytes, and four of the mask
    let alone = wire(&["--records", "--deflate"]);
    let together = wire(&["--records", "--deflate", "--context-takeover"]);
    assert!(alone.0 < 500.0 && alone.1 < 500.0, "{alone:?}");
    assert!(together.0 < 0.9 * alone.0 && together.1 < 0.9 * alone.1, "{alone:?} {together:?}");
}

#[test]
fn a_server_compresses_with_the_window_memory_and_effort_asked_for() {
    let received = |options: &[&str]| {
        let echo = [&["echo", "--context-takeover"], options].concat();
        let server = Server::start(&echo, "ws");
        let more = ["--count", "200", "--size", "4k", "--text", "--deflate", "--context-takeover"];
        let result = measure(&format!("ws://{}", server.address), &more);
        result["wire_bytes_per_echo"]["received"].as_f64().unwrap()
    };
    let default = received(&[]);
    for options in [["--window-bits", "9"], ["--memory-level", "1"], ["--effort", "1"]] {
        let more = received(&options);
        assert!(more > 1.01 * default, "{options:?}: {more} bytes, and {default} by default");
    }
}

#[test]
fn the_processor_time_of_the_server_is_told() {
    let server = Server::echo();
    let (url, pid) = (format!("ws://{}", server.address), server.program.id().to_string());
    let options = ["--count", "3000", "--depth", "16", "--size", "16k", "--server-pid", &pid];
    let result = measure(&url, &options);
    let [process] = &result["servers"].as_array().unwrap()[..] else { panic!("{result}") };
    assert_eq!(process["pid"].to_string(), pid);
    let seconds = |name: &str| process[name].as_f64().unwrap();
    // Whole ticks of 10 ms: as sums of floats 0.05 + 0.01 would be more than 0.06.
    let of_ticks = |name: &str| (seconds(name) * 100.0).round();
    let total = of_ticks("user_seconds") + of_ticks("system_seconds");
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks = |at: usize| fields.split(' ').nth(at).unwrap().parse::<f64>().unwrap();
    let all = ticks(11) + ticks(12);
    assert!(total > 0.0 && total <= all, "{total} of {all} ticks");
    let exact = seconds("cpu_seconds");
    assert!((exact * 100.0 - total).abs() <= 2.5, "a tick at both ends: {exact} s, {total} ticks");
    let efficiency = result["echoes_per_server_cpu_second"].as_f64().unwrap();
    assert!((efficiency * exact - 3000.0).abs() < 1.0);
    assert!(count(process, "/resident_bytes") >= count(process, "/resident_bytes_before"));
    assert!(count(process, "/resident_bytes_before") > 100_000);
}

#[test]
fn people_are_told_the_same_in_words() {
    let server = Server::echo();
    let url = format!("ws://{}", server.address);
    let (status, stdout, stderr) = run(&["bench", &url, "--count", "1234", "--depth", "2"]);
    assert_eq!((status, &*stderr), (Some(0), ""));
    for words in [&*url, "1,234 echoes", "messages/s", "p50", "p99.9", "max", "≤", "##"] {
        assert!(stdout.contains(words), "{words}: {stdout}");
    }
}

#[test]
fn through_tls_it_is_the_same() {
    let server = Server::start(&["echo", "--tls-self-signed"], "wss");
    let url = format!("wss://{}", server.address);
    for size in ["32", "1M"] {
        let options = ["--insecure", "--connections", "3", "--depth", "4", "--count", "30"];
        let result = measure(&url, &[&options, &["--size", size][..]].concat());
        assert_eq!(count(&result, "/messages/echoed"), 30, "{size}");
    }
    let (status, stdout, stderr) = run(&["bench", &url]);
    assert_eq!((status, &*stdout, stderr.lines().count()), (Some(1), "", 1), "{stderr}");
    assert!(stderr.contains("signed by itself"), "{stderr}");
}

#[test]
fn connections_leave_from_the_sources_in_turn() {
    let from = |peer: Peer| {
        let from = peer.get_ref().0.peer_addr().unwrap().ip().to_string();
        echo(peer);
        from
    };
    let host = Host::new(5, from);
    let options = ["--connections", "5", "--count", "50", "--source", "127.0.0.2,127.0.0.3"];
    assert_eq!(count(&measure(&host.url, &options), "/messages/sent"), 50);
    let mut sources = host.results();
    sources.sort();
    let (two, three) = ("127.0.0.2", "127.0.0.3");
    assert_eq!(sources, [two, two, two, three, three]);
}

#[test]
fn a_source_that_cannot_be_left_from_is_one_clear_line() {
    for (source, status, named) in [
        ("192.0.2.1", 1, "it cannot leave from 192.0.2.1: "),
        ("::1", 1, "::1, which it was to leave from, is of another family"),
        ("127.0.0.2,here", 2, "it takes IP addresses with commas between"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let (was, stdout, stderr) = run(&["bench", &url, "--source", source]);
        assert_eq!((was, &*stdout, stderr.lines().count()), (Some(status), "", 1), "{stderr}");
        assert!(stderr.contains(named), "{stderr}");
    }
}

/// Ten ports for each address, and forty connections.
#[test]
fn more_sources_have_ports_for_more_connections() {
    let Some(place) = namespace::or_skip(Namespace::new(&[])) else { return };
    place.run("ip", &["link", "set", "lo", "up"]).unwrap();
    let range = "echo 40000 40009 > /proc/sys/net/ipv4/ip_local_port_range";
    place.run("sh", &["-c", range]).unwrap();
    let mut server = Program::spawn(place.command(PROGRAM, &["echo", "--port", "9001"]));
    let mut said = server.stdout();
    said.read_line(&mut String::new()).unwrap();
    let bench = |sources: &[&str]| {
        let args = ["bench", "ws://127.0.0.1:9001", "--connections", "40", "--count", "400"];
        let mut program = Program::spawn(place.command(PROGRAM, &[&args, sources].concat()));
        let mut told = String::new();
        program.stdout().read_to_string(&mut told).unwrap();
        let (status, stderr) = program.verdict();
        (status, told, stderr)
    };
    let four = "127.0.0.2,127.0.0.3,127.0.0.4,127.0.0.5";
    let (status, _, stderr) = bench(&["--source", four]);
    assert_eq!((status, &*stderr), (Some(0), ""));
    let (status, _, stderr) = bench(&[]);
    assert_eq!(status, Some(1));
    assert!(stderr.contains("no port left") && stderr.contains("--source"), "{stderr}");
}
