//! `sockeye bench tcp://…`, against servers that send bytes back, and some that do not quite.

use crate::bench::count;
use crate::run::run;
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

/// A server for some connections, each on a thread that does `serve`; what the threads give.
fn host<T: Send + 'static>(
    connections: usize,
    serve: impl Fn(TcpStream) -> T + Send + Clone + 'static,
) -> (String, JoinHandle<Vec<T>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let all = thread::spawn(move || {
        let one = |_| {
            let (stream, serve) = (listener.accept().unwrap().0, serve.clone());
            thread::spawn(move || serve(stream))
        };
        let threads: Vec<_> = (0..connections).map(one).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    (url, all)
}

/// What `read` gives until the stream's end, which the other end may bring about suddenly.
fn some(stream: &mut TcpStream, buffer: &mut [u8]) -> usize {
    match stream.read(buffer) {
        Ok(n) => n,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
        Err(error) => panic!("{error}"),
    }
}

/// Sends everything back, in pieces of at most so many bytes; all that came.
fn echo(mut stream: TcpStream, piece: usize) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), vec![0; piece]);
    loop {
        let n = some(&mut stream, &mut buffer);
        if n == 0 || stream.write_all(&buffer[..n]).is_err() {
            return all;
        }
        all.extend_from_slice(&buffer[..n]);
    }
}

#[test]
fn what_goes_out_are_frames_of_a_client_and_every_one_is_counted() {
    let heads: [(&str, usize, &[u8]); 4] = [
        ("0", 0, &[0x82, 0x80]),
        ("20", 20, &[0x82, 0x80 | 20]),
        ("1k", 1024, &[0x82, 0x80 | 126, 4, 0]),
        ("64k", 65_536, &[0x82, 0x80 | 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ];
    for (size, bytes, head) in heads {
        for piece in [if bytes < 2000 { 1 } else { 777 }, 100_000] {
            let (url, server) = host(3, move |stream| echo(stream, piece));
            let options = ["--connections", "2", "--idle", "1", "--depth", "4", "--json"];
            let more = ["--size", size, "--count", "50", "--timeout", "60s"];
            let (status, stdout, stderr) = run(&[&["bench", &url], &options[..], &more].concat());
            assert_eq!((status, &*stderr), (Some(0), ""), "{stdout}");
            let result: Value = serde_json::from_str(&stdout).expect("JSON");
            assert_eq!(count(&result, "/messages/echoed"), 50);
            assert_eq!(count(&result, "/latency/samples"), 50);
            let came = server.join().unwrap();
            let frame = head.len() + 4 + bytes;
            assert_eq!(came.iter().map(Vec::len).sum::<usize>(), 50 * frame);
            let keys: Vec<&[u8]> = came.iter().flat_map(|all| all.chunks(frame)).collect();
            assert!(keys.iter().all(|frame| frame.starts_with(head)));
            let mut keys: Vec<_> = keys.iter().map(|f| &f[head.len()..head.len() + 4]).collect();
            keys.sort_unstable();
            keys.dedup();
            assert!(keys.len() > 45, "masks repeat: {keys:?}");
        }
    }
}

#[test]
fn a_rate_and_a_time_are_kept_to() {
    let (url, _server) = host(2, |stream| echo(stream, 4096));
    let options = ["--connections", "2", "--rate", "500", "--duration", "200ms", "--text"];
    let more = ["--warm-up", "0s", "--json", "--timeout", "60s"];
    let (status, stdout, stderr) = run(&[&["bench", &url], &options[..], &more].concat());
    assert_eq!((status, &*stderr), (Some(0), ""), "{stdout}");
    let result: Value = serde_json::from_str(&stdout).expect("JSON");
    let (sent, behind) = (count(&result, "/messages/sent"), count(&result, "/messages/behind"));
    assert_eq!(sent + behind, 100);
    assert!(sent > 0);
    assert_eq!(result.pointer("/latency/corrected"), Some(&Value::Bool(true)));
}

/// What it says of a server that does something with the third message of 30 bytes, 4 on their
/// way at a time, instead of sending it back.
fn said_of(instead: fn(&mut TcpStream, &mut [u8])) -> (Option<i32>, String) {
    const FRAME: usize = 2 + 4 + 30;
    let (url, _server) = host(1, move |mut stream| {
        let mut third = [0; FRAME];
        for _ in 0..2 {
            stream.read_exact(&mut third).unwrap();
            stream.write_all(&third).unwrap();
        }
        stream.read_exact(&mut third).unwrap();
        instead(&mut stream, &mut third);
        while some(&mut stream, &mut [0; 4096]) > 0 {}
    });
    let options = ["--size", "30", "--depth", "4", "--count", "100", "--timeout", "3s"];
    let (status, stdout, stderr) = run(&[&["bench", &url], &options[..]].concat());
    assert_eq!(stdout, "");
    let line = stderr.strip_prefix(&format!("sockeye: {url}: ")).expect(&stderr);
    assert_eq!(line.lines().count(), 1, "{stderr}");
    (status, line.trim_end().to_owned())
}

#[test]
fn what_comes_back_wrong_is_named() {
    type Instead = fn(&mut TcpStream, &mut [u8]);
    let wrongs: [(Instead, i32, &str); 6] = [
        (
            |stream, third| {
                third[6 + 9] ^= 1;
                stream.write_all(third).unwrap();
            },
            1,
            "message 3 of connection 1 came back changed, from byte 10 on",
        ),
        (
            |stream, third| {
                third[1] ^= 0x80;
                stream.write_all(third).unwrap();
            },
            1,
            "the frame of message 3 of connection 1 came back changed, from byte 2 on",
        ),
        (
            |stream, third| {
                third[5] ^= 1;
                stream.write_all(third).unwrap();
            },
            1,
            "the frame of message 3 of connection 1 came back changed, from byte 6 on",
        ),
        (
            |stream, _| stream.shutdown(Shutdown::Write).unwrap(),
            4,
            "connection 1: it was lost: the server ended it",
        ),
        (
            |stream, third| stream.write_all(&third[..20]).unwrap(),
            1,
            "message 3 of connection 1 was not echoed within 3s",
        ),
        (
            |stream, third| stream.write_all(&[&third[..], &third[..2], b"?"].concat()).unwrap(),
            1,
            "the frame of message 4 of connection 1 came back changed, from byte 3 on",
        ),
    ];
    for (instead, status, expected) in wrongs {
        assert_eq!(said_of(instead), (Some(status), expected.to_owned()));
    }
}

#[test]
fn a_server_that_sends_more_than_it_got_is_no_echo_server() {
    let (url, _server) = host(1, |mut stream| {
        let mut frame = [0; 2 + 4 + 30];
        stream.read_exact(&mut frame).unwrap();
        stream.write_all(&[&frame[..], b"and more"].concat()).unwrap();
        while some(&mut stream, &mut [0; 4096]) > 0 {}
    });
    let (status, _, stderr) = run(&["bench", &url, "--size", "30", "--count", "100"]);
    let line = format!(
        "sockeye: {url}: connection 1: a message came unasked, after 1 echoes; this is no echo \
         server\n"
    );
    assert_eq!((status, stderr), (Some(1), line));
}

#[test]
fn what_cannot_be_asked_of_bytes_alone_is_said() {
    for option in [&["--deflate"][..], &["--broadcast"], &["--churn", "0"], &["--insecure"]] {
        let (status, _, stderr) = run(&[&["bench", "tcp://127.0.0.1:9"], option].concat());
        let expected = format!(
            "sockeye: tcp://127.0.0.1:9: bytes go to tcp:// as they are, without a handshake, so \
             there is nothing for {} to do; leave it out, or take ws://\n",
            option[0]
        );
        assert_eq!((status, stderr), (Some(2), expected));
    }
    let (status, _, stderr) = run(&["bench", "tcp://127.0.0.1:9/path"]);
    assert_eq!(status, Some(2));
    assert!(stderr.contains("tcp:// takes the form tcp://host:port"), "{stderr}");
    let (status, _, stderr) = run(&["ping", "tcp://127.0.0.1:9"]);
    assert_eq!(status, Some(2), "{stderr}");
}

#[test]
fn where_nobody_listens_there_is_nothing_to_measure() {
    let reserved = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let url = format!("tcp://{address}");
    let (status, _, stderr) = run(&["bench", &url, "--connections", "2"]);
    assert_eq!(status, Some(1));
    let start = format!("sockeye: {url}: connection 1 of 2: cannot connect: {address}: ");
    assert!(stderr.starts_with(&start), "{stderr}");
}
