//! Many connections, most of them silent: they are watched by epoll(7).

use crate::build::{compiled, has, program};
use crate::run::{PATIENCE, Server};
use sockeye_testkit::{Frame, Peer};
use std::fs;
use std::time::Instant;

/// How many are watched by that, if they come one by one.
const MANY: usize = 150;

/// How many sets of epoll(7) the server has open.
fn sets(server: &Server) -> usize {
    let fds = fs::read_dir(format!("/proc/{}/fd", server.program.id())).unwrap();
    let targets = fds.flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
    targets.filter(|target| target.as_os_str() == "anon_inode:[eventpoll]").count()
}

fn peers(server: &Server, count: usize) -> Vec<Peer> {
    let upgraded = |_| {
        let mut peer = server.peer();
        peer.upgrade("/", &[]);
        peer
    };
    (0..count).map(upgraded).collect()
}

/// Everyone gets an answer, and that to their own message.
fn echo(peers: &mut [Peer]) {
    for (i, peer) in peers.iter_mut().enumerate() {
        peer.send_frame(&Frame::text(&format!("message {i}")));
    }
    for (i, peer) in peers.iter_mut().enumerate() {
        peer.expect_text(&format!("message {i}"));
    }
}

/// Few, many, few and many again.
fn crowd_comes_and_goes(server: &Server) {
    let mut few = peers(server, 5);
    echo(&mut few);
    let sets_of_few = sets(server);
    for _ in 0..2 {
        let mut many = peers(server, MANY);
        assert_eq!(sets(server), sets_of_few + 1, "epoll(7) is there");
        echo(&mut many);
        echo(&mut few);
        echo(&mut many);
        many.into_iter().rev().step_by(2).for_each(|mut peer| peer.close(1000, "enough"));
        let began = Instant::now();
        while sets(server) > sets_of_few {
            echo(&mut few);
            assert!(began.elapsed() < PATIENCE, "it is there still");
        }
        echo(&mut few);
    }
}

#[test]
fn many_connections_are_served_and_so_are_few_after_them() {
    let server = Server::start(&program("programs/echo-server.c"), &["PORT"]);
    crowd_comes_and_goes(&server);
    server.stop();
}

/// They are asked for POLLOUT with each message.
#[test]
fn many_connections_write_when_they_are_writable() {
    let server = Server::start(&program("programs/test-echo.c"), &["-p", "PORT"]);
    crowd_comes_and_goes(&server);
    server.stop();
}

#[test]
fn valgrind_finds_nothing_where_many_are_watched() {
    if !has("valgrind") {
        return;
    }
    let program = compiled("programs/echo-server.c", "gcc", &["-g"]);
    let leaks = "--errors-for-leak-kinds=definite,indirect";
    let valgrind = ["--quiet", "--error-exitcode=99", "--leak-check=full", leaks];
    let arguments = [&valgrind[..], &[program.to_str().unwrap(), "PORT"]].concat();
    let server = Server::start("valgrind".as_ref(), &arguments);
    crowd_comes_and_goes(&server);
    server.stop();
}
