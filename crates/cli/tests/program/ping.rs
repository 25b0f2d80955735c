//! `sockeye ping`, against tungstenite, which answers pings, and peers that do it otherwise.

use crate::run::{Patient, Peer, Program, Server, command, read_head, run, say, text, unread};
use rustix::process::Signal;
use sockeye_testkit::{Port, finish};
use std::io::{BufRead, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use tungstenite::{Message, accept};

/// Something at the other end of `sockeye ping`, on a thread of its own.
struct Host<T> {
    url: String,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> Host<T> {
    fn new(serve: impl FnOnce(Peer) -> T + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let thread = thread::spawn(move || {
            let stream = Patient::new(listener.accept().unwrap().0);
            serve(accept(stream).expect("a handshake"))
        });
        Self { url, thread }
    }

    /// `HOST:PORT`.
    fn address(&self) -> &str {
        self.url.trim_start_matches("ws://").trim_end_matches('/')
    }
}

/// Answers pings to the end; their payloads.
fn answer(mut peer: Peer) -> Vec<Vec<u8>> {
    let mut came = Vec::new();
    while let Ok(message) = peer.read() {
        if let Message::Ping(payload) = message {
            came.push(payload.to_vec());
        }
    }
    came
}

/// The next ping, unanswered: its payload. What answers it is up to the caller.
fn ping_of(peer: &mut Peer) -> Vec<u8> {
    let stream = peer.get_mut();
    let mut header = [0; 6];
    stream.read_exact(&mut header).unwrap();
    assert_eq!((header[0], header[1] & 0x80), (0x89, 0x80), "a masked Ping");
    let mut payload = vec![0; usize::from(header[1] & 0x7f)];
    stream.read_exact(&mut payload).unwrap();
    for (i, byte) in payload.iter_mut().enumerate() {
        *byte ^= header[2 + i % 4];
    }
    payload
}

fn pong(peer: &mut Peer, payload: &[u8]) {
    let header = [0x8a, payload.len() as u8];
    peer.get_mut().write_all(&[&header, payload].concat()).unwrap();
}

/// The last lines: the one about counts without its time, and the one about times.
fn statistics(stdout: &str, url: &str) -> (String, Option<[f64; 4]>) {
    let (_, statistics) =
        stdout.split_once(&format!("--- {url} ping statistics ---\n")).expect(stdout);
    let mut lines = statistics.lines();
    let counts = lines.next().expect("counts");
    let (counts, time) = counts.rsplit_once(", time ").expect(counts);
    assert!(time.strip_suffix(" ms").is_some_and(|ms| ms.parse::<u64>().is_ok()), "{time}");
    let times = lines.next().map(|line| {
        let times = line.strip_prefix("rtt min/avg/max/mdev = ").expect(line);
        let times = times.strip_suffix(" ms").expect(line).split('/');
        let times: Vec<f64> = times.map(|time| time.parse().expect(line)).collect();
        times.try_into().expect("four times")
    });
    assert_eq!(lines.next(), None);
    (counts.to_owned(), times)
}

#[test]
fn there_is_a_line_for_each_reply_and_statistics() {
    let host = Host::new(answer);
    let (url, address) = (host.url.clone(), host.address().to_owned());
    let (status, stdout, stderr) = run(&["ping", &url, "-c", "4", "-i", "0.01"]);
    assert_eq!((status, &*stderr), (Some(0), ""));
    let mut lines = stdout.lines();
    let first = format!("PING {url} ({address}): 64 bytes of payload");
    assert_eq!(lines.next(), Some(&*first));
    let mut times = Vec::new();
    for seq in 1..=4 {
        let line = lines.next().expect("a line for each reply");
        let start = format!("64 bytes from {address}: seq={seq} time=");
        let time = line.strip_prefix(&start).and_then(|rest| rest.strip_suffix(" ms"));
        times.push(time.expect(line).parse::<f64>().expect(line));
    }
    let (counts, told) = statistics(&stdout, &url);
    assert_eq!(counts, "4 sent, 4 received, 0% loss");
    let [min, avg, max, mdev] = told.expect("times");
    // Lines have three digits.
    let near = |told: f64, exact: f64| (told - exact).abs() <= exact * 0.01 + 0.001;
    assert!(near(min, times.iter().copied().fold(f64::MAX, f64::min)), "{stdout}");
    assert!(near(max, times.iter().copied().fold(0.0, f64::max)), "{stdout}");
    let mean = times.iter().sum::<f64>() / 4.0;
    assert!(near(avg, mean), "{stdout}");
    let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / 4.0;
    assert!((mdev - variance.sqrt()).abs() <= mean * 0.02 + 0.001, "{stdout}");
    assert_eq!(host.thread.join().unwrap().len(), 4);
}

#[test]
fn payloads_are_numbered_and_as_long_as_asked_for() {
    for size in ["8", "64", "125"] {
        let host = Host::new(answer);
        let (status, stdout, _) = run(&["ping", &host.url, "-c", "3", "-f", "-s", size]);
        assert_eq!(status, Some(0), "{stdout}");
        let came = host.thread.join().unwrap();
        assert_eq!(came.len(), 3);
        for (payload, number) in came.iter().zip(1_u64..) {
            assert_eq!(payload.len().to_string(), size);
            assert_eq!(payload[..8], number.to_be_bytes());
        }
    }
}

#[test]
fn quiet_is_the_statistics_only() {
    let host = Host::new(answer);
    let (status, stdout, stderr) = run(&["ping", &host.url, "-q", "-c", "3", "-i", "1ms"]);
    assert_eq!((status, &*stderr), (Some(0), ""));
    assert_eq!(stdout.lines().count(), 4, "{stdout}");
    assert_eq!(statistics(&stdout, &host.url).0, "3 sent, 3 received, 0% loss");
}

#[test]
fn a_flood_into_a_pipe_has_no_dots() {
    let host = Host::new(answer);
    let (status, stdout, stderr) = run(&["ping", &host.url, "-f", "-c", "500"]);
    assert_eq!((status, &*stderr), (Some(0), ""));
    assert!(!stdout.contains('\u{8}') && stdout.lines().count() == 4, "{stdout}");
    assert_eq!(statistics(&stdout, &host.url).0, "500 sent, 500 received, 0% loss");
    assert_eq!(host.thread.join().unwrap().len(), 500);
}

#[test]
fn lines_leave_at_once_though_stdout_is_a_pipe() {
    let (answered, wait) = mpsc::channel::<()>();
    let host = Host::new(move |mut peer| {
        let first = ping_of(&mut peer);
        pong(&mut peer, &first);
        wait.recv().unwrap(); // the second is answered when the line of the first has come
        let second = ping_of(&mut peer);
        pong(&mut peer, &second);
        while peer.read().is_ok() {}
    });
    let mut program = Program::start(&["ping", &host.url, "-c", "2", "-i", "1ms", "-W", "60s"]);
    let mut stdout = program.stdout();
    let mut lines = String::new();
    stdout.read_line(&mut lines).unwrap();
    stdout.read_line(&mut lines).unwrap();
    assert!(lines.contains("seq=1 time="), "{lines}");
    answered.send(()).unwrap();
    stdout.read_to_string(&mut lines).unwrap();
    assert!(lines.contains("seq=2 time="), "{lines}");
    assert_eq!(program.verdict(), (Some(0), String::new()));
}

#[test]
fn pings_without_reply_are_lost_in_time() {
    let host = Host::new(|mut peer| {
        let [_, second] = [(); 2].map(|()| ping_of(&mut peer));
        pong(&mut peer, &second);
        while peer.read().is_ok() {}
    });
    let options = ["-c", "2", "-i", "1ms", "-W", "2s"];
    let (status, stdout, stderr) = run(&[&["ping", &host.url], &options[..]].concat());
    assert_eq!((status, &*stderr), (Some(0), ""), "{stdout}");
    assert!(stdout.contains("\nno reply to seq=1 within 2s\n"), "{stdout}");
    assert!(stdout.contains("seq=2 time="), "{stdout}");
    assert_eq!(statistics(&stdout, &host.url).0, "2 sent, 1 received, 50% loss");
}

#[test]
fn no_reply_at_all_is_status_1() {
    let host = Host::new(|mut peer: Peer| {
        for _ in 0..2 {
            ping_of(&mut peer);
        }
        while peer.read().is_ok() {}
    });
    let mut silent = Program::start(&["ping", &host.url, "-c", "2", "-i", "1ms", "-W", "50ms"]);
    let mut stdout = String::new();
    silent.stdout().read_to_string(&mut stdout).unwrap();
    assert_eq!(silent.verdict(), (Some(1), String::new()), "{stdout}");
    let (counts, times) = statistics(&stdout, &host.url);
    assert_eq!((&*counts, times), ("2 sent, 0 received, 100% loss", None));
}

#[test]
fn replies_that_are_odd_are_told_and_not_counted() {
    let host = Host::new(|mut peer| {
        let [first, second] = [(); 2].map(|()| ping_of(&mut peer));
        let changed = [&first[..63], b"!"].concat();
        for payload in [&changed[..], &first, &first, b"", b"unasked", &[0xff; 64], &second] {
            pong(&mut peer, payload);
        }
        while peer.read().is_ok() {}
    });
    let options = ["-c", "2", "-i", "1ms", "-W", "60s"];
    let (status, stdout, _) = run(&[&["ping", &host.url], &options[..]].concat());
    assert_eq!(status, Some(0), "{stdout}");
    assert!(stdout.contains("seq=1 (changed)\n"), "{stdout}");
    assert!(stdout.contains("seq=1 (late or twice)\n"), "{stdout}");
    assert_eq!(stdout.matches("seq=1 time=").count(), 1, "{stdout}");
    let (counts, _) = statistics(&stdout, &host.url);
    assert_eq!(counts, "2 sent, 2 received, +1 late or twice, +1 changed, 0% loss");
}

#[test]
fn a_signal_ends_it_with_statistics() {
    for signal in [Signal::INT, Signal::TERM] {
        let (tell, told) = mpsc::channel();
        let host = Host::new(move |mut peer: Peer| {
            let mut count = 0;
            while let Ok(message) = peer.read() {
                if message.is_ping() {
                    count += 1;
                    if count == 5 {
                        tell.send(()).unwrap();
                    }
                }
            }
            count
        });
        let mut program = Program::start(&["ping", &host.url, "-i", "2ms"]);
        let mut stdout = program.stdout();
        told.recv().unwrap();
        program.signal(signal);
        let mut printed = String::new();
        stdout.read_to_string(&mut printed).unwrap();
        assert_eq!(program.verdict(), (Some(0), String::new()));
        let replies = printed.matches(" time=").count();
        let sent = host.thread.join().unwrap();
        let (counts, _) = statistics(&printed, &host.url);
        let expected = format!("{sent} sent, {replies} received, ");
        assert!(counts.starts_with(&expected), "{expected}: {printed}");
        assert!(replies > 0, "{printed}");
    }
}

#[test]
fn a_signal_before_any_reply_is_status_1_and_before_the_connection_130() {
    let (tell, told) = mpsc::channel();
    let host = Host::new(move |mut peer| {
        ping_of(&mut peer);
        tell.send(()).unwrap();
        let mut header = [0; 2];
        peer.get_mut().read_exact(&mut header).unwrap();
        header[0]
    });
    let mut program = Program::start(&["ping", &host.url]);
    told.recv().unwrap();
    program.signal(Signal::INT);
    assert_eq!(host.thread.join().unwrap(), 0x88, "a Close frame");
    assert_eq!(program.verdict(), (Some(1), String::new()));

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let mut program = Program::start(&["ping", &url]);
    let _stream: TcpStream = listener.accept().unwrap().0;
    program.signal(Signal::INT);
    let (status, stderr) = program.verdict();
    assert_eq!((status, stderr.lines().count()), (Some(130), 1), "{stderr}");
}

#[test]
fn through_the_mirror_messages_come_back_and_leave_nothing() {
    let server = Server::serve();
    let url = format!("ws://{}/", server.address);
    let mut artist = server.open("lws-mirror-protocol");
    say(&mut artist, "s a.1 #000 2 1 1;");
    assert_eq!(text(&mut artist), "s a.1 #000 2 1 1;");
    for size in ["18", "64", "4096"] {
        let options = ["--mirror", "-c", "3", "-i", "1ms", "-s", size];
        let (status, stdout, stderr) = run(&[&["ping", &url], &options[..]].concat());
        assert_eq!((status, &*stderr), (Some(0), ""), "{stdout}");
        assert_eq!(stdout.matches(&format!("\n{size} bytes from ")).count(), 3, "{stdout}");
        assert_eq!(statistics(&stdout, &url).0, "3 sent, 3 received, 0% loss");
        for number in 1..=3_u64 {
            let Message::Binary(payload) = artist.read().unwrap() else { panic!("not binary") };
            assert_eq!(payload.len().to_string(), size);
            assert_eq!(payload[..2], *b"p ");
            assert_eq!(payload[10..18], number.to_be_bytes());
        }
    }
    let mut newcomer = server.open("lws-mirror-protocol");
    say(&mut newcomer, "p me;");
    assert_eq!([(); 2].map(|()| text(&mut newcomer)), ["s a.1 #000 2 1 1;", "p me;"]);
}

#[test]
fn two_at_the_mirror_do_not_take_each_others_messages() {
    let server = Server::serve();
    let url = format!("ws://{}/", server.address);
    let args = ["ping", &url, "--mirror", "-f", "-c", "300", "-q"];
    let both = [(); 2].map(|()| Program::start(&args));
    for mut program in both {
        let mut stdout = String::new();
        program.stdout().read_to_string(&mut stdout).unwrap();
        assert_eq!(program.verdict(), (Some(0), String::new()));
        assert_eq!(statistics(&stdout, &url).0, "300 sent, 300 received, 0% loss");
    }
}

#[test]
fn what_is_no_ping_is_status_2() {
    let port = Port::reserve();
    let (listener, url) = (port.listen(), format!("ws://{}/", port.address));
    let mut program = Program::start(&["ping", &url]);
    let mut stream = Patient::new(listener.accept().unwrap().0);
    read_head(&mut stream);
    stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").unwrap();
    let (status, stderr) = program.verdict();
    assert_eq!((status, stderr.lines().count()), (Some(2), 1), "{stderr}");
    assert!(stderr.contains("404"), "{stderr}");
    drop(listener);
    let (status, stdout, stderr) = run(&["ping", &url]);
    assert_eq!((status, &*stdout, stderr.lines().count()), (Some(2), "", 1), "{stderr}");
    assert!(stderr.contains("could not connect"), "{stderr}");
}

#[test]
fn a_connection_that_is_lost_is_told_after_the_statistics() {
    let host = Host::new(|mut peer| {
        let first = ping_of(&mut peer);
        pong(&mut peer, &first);
        ping_of(&mut peer);
    });
    let (status, stdout, stderr) = run(&["ping", &host.url, "-i", "1ms"]);
    assert_eq!((status, stderr.lines().count()), (Some(2), 1), "{stderr}");
    assert!(stderr.contains("end of stream") || stderr.contains("reset"), "{stderr}");
    assert!(statistics(&stdout, &host.url).0.contains(" 1 received, "), "{stdout}");
}

#[test]
fn wrong_usage_is_one_line_with_status_2() {
    for (options, named) in [
        (&["-s", "126"][..], "8 to 125"),
        (&["-s", "17", "--mirror"], "18 to 4096"),
        (&["-s", "4097"], "--size"),
        (&["-c", "0"], "--count"),
        (&["-i", "soon"], "--interval"),
        (&["-W", "0"], "--timeout"),
        (&["-f", "-i", "1"], "--flood"),
        (&["--mirror", "--subprotocol", "x"], "--subprotocol"),
    ] {
        let (status, stdout, stderr) = run(&[&["ping", "ws://127.0.0.1:9/"], options].concat());
        assert_eq!((status, &*stdout, stderr.lines().count()), (Some(2), "", 1), "{stderr}");
        assert!(stderr.contains(named), "{stderr}");
    }
}

#[test]
fn a_stdout_that_nobody_reads_ends_it_quietly() {
    let host = Host::new(answer);
    let mut ping = command(&["ping", &host.url, "-i", "1ms"]);
    let output = finish(ping.stdout(unread()).stderr(Stdio::piped()).spawn().unwrap());
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]));
}

#[test]
fn through_tls_it_is_the_same() {
    let server = Server::start(&["echo", "--tls-self-signed"], "wss");
    let url = format!("wss://{}", server.address);
    let (status, stdout, stderr) = run(&["ping", &url, "--insecure", "-c", "3", "-i", "1ms"]);
    assert_eq!((status, &*stderr), (Some(0), ""), "{stdout}");
    assert_eq!(statistics(&stdout, &url).0, "3 sent, 3 received, 0% loss");
    let (status, _, stderr) = run(&["ping", &url, "-c", "1"]);
    assert_eq!((status, stderr.lines().count()), (Some(2), 1), "{stderr}");
}
