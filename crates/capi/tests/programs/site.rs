//! The manual's test server, in the library's loop and in its own: files, counter, mirror, and the
//! requests of an attacker.

use crate::build::{compiled, profile};
use crate::certs::{Twist, self_signed};
use crate::run::{Running, Server, free_port};
use sockeye_testkit::Frame;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

const PAGE: &str = "<html>the page</html>\n";

/// A directory with the files that the server serves.
pub(crate) fn data() -> &'static PathBuf {
    static DATA: OnceLock<PathBuf> = OnceLock::new();
    DATA.get_or_init(|| {
        let share = profile().join("c-programs/share");
        let files = share.join("libwebsockets-test-server");
        std::fs::create_dir_all(&files).unwrap();
        std::fs::write(files.join("test.html"), PAGE).unwrap();
        std::fs::write(files.join("favicon.ico"), "icon").unwrap();
        std::fs::write(files.join("libwebsockets.org-logo.png"), "logo").unwrap();
        std::fs::write(files.join("leaf.jpg"), leaf()).unwrap();
        let alone = self_signed(&["localhost", "127.0.0.1"], "test server", Twist::None);
        std::fs::write(files.join("libwebsockets-test-server.pem"), alone.pem).unwrap();
        std::fs::write(files.join("libwebsockets-test-server.key.pem"), alone.key).unwrap();
        share
    })
}

/// More than sockets hold.
pub(crate) fn leaf() -> Vec<u8> {
    (0..8_000_000_u32).map(|i| (i * 7 % 253) as u8).collect()
}

pub(crate) fn program(mode: &str, compiler: &str, standard: &str) -> PathBuf {
    let datadir = format!("-DINSTALL_DATADIR=\"{}\"", data().display());
    let mut options = vec![standard, &datadir];
    if mode == "external" {
        options.push("-DEXTERNAL_POLL");
    }
    compiled("programs/test-server.c", compiler, &options)
}

/// The test server, in the library's loop or with `external` in its own.
pub(crate) fn server(mode: &str) -> Server {
    let arguments = ["-p", "PORT", "-i", "127.0.0.1", "-d31"];
    Server::start(&program(mode, "gcc", "-std=gnu99"), &arguments)
}

fn in_both_loops(test: impl Fn(&str, Server)) {
    for mode in ["built-in", "external"] {
        println!("loop: {mode}"); // shown if the test fails
        test(mode, server(mode));
    }
}

#[test]
fn files_come_whole_and_only_those_that_are_listed() {
    in_both_loops(|_, server| {
        for (uri, mime, body) in [
            ("/favicon.ico", "image/x-icon", &b"icon"[..]),
            ("/libwebsockets.org-logo.png", "image/png", b"logo"),
            ("/", "text/html", PAGE.as_bytes()),
            ("/../../../../etc/passwd", "text/html", PAGE.as_bytes()),
            ("/leaf.jpg", "image-jpeg", &leaf()),
        ] {
            let mut peer = server.peer();
            peer.send(format!("GET {uri} HTTP/1.1\r\nHost: a\r\n\r\n"));
            let (answer, _) = peer.expect_rest_and_end();
            let head = format!(
                "HTTP/1.0 200 OK\r\nServer: libwebsockets\r\nContent-Type: {mime}\r\n\
                 Content-Length: {}\r\n\r\n",
                body.len()
            );
            assert!(answer.starts_with(head.as_bytes()), "{uri}");
            assert!(&answer[head.len()..] == body, "{uri}: {} bytes", answer.len());
        }
        assert!(server.stop().contains("libwebsockets-test-server exited cleanly"));
    });
}

#[test]
fn the_counter_counts_and_begins_anew_when_told() {
    in_both_loops(|_, server| {
        let mut peer = server.peer();
        peer.upgrade("/", &[("Sec-WebSocket-Protocol", "dumb-increment-protocol")]);
        for number in ["0", "1", "2"] {
            peer.expect_text(number);
        }
        peer.send_frame(&Frame::text("reset\n"));
        while peer.expect_frame().payload != b"0" {}
        peer.expect_text("1");
        let said = server.stop();
        assert!(said.contains("    Host = localhost"), "{said}");
    });
}

#[test]
fn what_one_draws_all_see() {
    in_both_loops(|_, server| {
        let mirror = [("Sec-WebSocket-Protocol", "lws-mirror-protocol")];
        let mut peers = [server.peer(), server.peer(), server.peer()];
        peers.iter_mut().for_each(|peer| drop(peer.upgrade("/", &mirror)));
        for n in 0..500 {
            let line = format!("d #00ff00 {n} 0 1 1;");
            peers[n % 3].send_frame(&Frame::text(&line));
            peers.iter_mut().for_each(|peer| peer.expect_text(&line));
        }
        assert!(server.stop().contains("mirror protocol cleaning up"));
    });
}

#[test]
fn the_requests_of_an_attacker_are_survived() {
    in_both_loops(|_, server| {
        let noise = |len: u32| (0..len).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8);
        let mut requests: Vec<Vec<u8>> = vec![
            b"not GET\r\n\r\n".to_vec(),
            noise(80).collect(),
            noise(655_360).collect(),
            b"GET nonsense\x01\x02\r\n\r\n".to_vec(),
            b"GET  HTTP/1.1\r\n\r\n".to_vec(),
            b"GET blah HTTP/1.1\r\nGET blah HTTP/1.1\r\n\r\n".to_vec(),
        ];
        requests.push([b"GET / HTTP/1.1\r\n", &[b'a'; 20_000][..], b": b\r\n\r\n"].concat());
        requests.push([b"GET /", &[b'a'; 70_000][..], b" HTTP/1.1\r\n\r\n"].concat());
        for request in requests {
            let mut peer = server.peer();
            let _ = peer.try_send(&request); // it may hang up before all has come
            peer.finish();
            peer.expect_rest_and_end();
        }
        for request in [
            "GET blah HTTP/1.1\r\n\r\nIllegalnonsense",
            "GET ../../../../etc/passwd HTTP/1.1\r\n\r\n",
        ] {
            let mut peer = server.peer();
            peer.send(request);
            let (answer, _) = peer.expect_rest_and_end();
            assert!(answer.ends_with(PAGE.as_bytes()), "{}", answer.escape_ascii());
        }
        server.stop();
    });
}

#[test]
fn it_is_cxx_as_well() {
    let arguments = ["-p", "PORT", "-i", "127.0.0.1", "-c"];
    let server = Server::start(&program("built-in", "g++", "-std=c++98"), &arguments);
    let mut peer = server.peer();
    peer.upgrade("/", &[("Sec-WebSocket-Protocol", "dumb-increment-protocol")]);
    for number in 0..50 {
        peer.expect_text(&number.to_string());
    }
    peer.expect_eof(); // -c: no Close frame
    server.stop();
}

#[test]
fn its_statuses_are_the_manuals() {
    let program = program("built-in", "gcc", "-std=gnu99");
    Running::of(Command::new(&program).arg("-h")).expect_status(1);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut second = Running::of(Command::new(&program).args(["-p", &port, "-i", "127.0.0.1"]));
    let said = second.expect_status(255);
    assert!(said.contains("ERROR on binding to port") && said.contains("init failed"), "{said}");
    let port = free_port().to_string();
    let nowhere = ["-p", &port, "-i", "no-such-interface"];
    Running::of(Command::new(&program).args(nowhere)).expect_status(255);
}
