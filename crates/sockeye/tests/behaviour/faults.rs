//! The system runs out of things, or does half of what it is asked.

use crate::play::{Play, Trace};
use crate::world::{CAN_NEST, Mode, World, in_every_mode};
use sockeye::{Action, Context, Limits, Response};
use sockeye_sys::fault::{self, Call, Fault, errno};
use sockeye_testkit::{Frame, Peer, upgrade_request};
use std::rc::Rc;
use std::time::Duration;

fn echo(mode: Mode) -> (Rc<World>, Trace) {
    let trace = Trace::default();
    (World::new(mode, Context::builder().protocol(Play::new(&trace))), trace)
}

fn round_trip(peer: &mut Peer) {
    peer.send_frame(&Frame::text("there and back"));
    peer.expect_text("there and back");
}

#[test]
fn at_the_connection_limit_accepting_pauses_and_resumes_when_one_ends() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let limits = Limits { connections: Some(3), ..Limits::default() };
        let builder = Context::builder().protocol(Play::new(&trace)).limits(limits);
        let world = World::new(mode, builder);
        let mut peers: Vec<Peer> = (0..3).map(|_| world.client()).collect();
        let mut waiting: Vec<Peer> = (0..2).map(|_| world.peer()).collect();
        for peer in &mut waiting {
            peer.send(upgrade_request("/", &[]));
            peer.expect_silence();
        }
        assert_eq!(world.connections(|all| all.len()), 3);
        assert_eq!(world.turns_while_idle(), 0, "whoever waits makes no work");
        peers.iter_mut().for_each(round_trip);
        for mut late in waiting {
            drop(peers.remove(0));
            assert_eq!(late.expect_head().status(), 101);
            round_trip(&mut late);
            peers.push(late);
        }
        assert_eq!(world.connections(|all| all.accepted()), 5);
    });
}

#[test]
fn without_descriptors_accepting_pauses_until_one_is_free_or_a_second_has_passed() {
    in_every_mode(|mode| {
        let others = [errno::NFILE, errno::NOBUFS, errno::NOMEM];
        let others = others.into_iter().filter(|_| mode == Mode::BuiltIn);
        for number in others.chain([errno::MFILE]) {
            let (world, _) = echo(mode);
            let mut first = world.client();
            fault::plan(Call::Accept, 0, Fault::Errno(number));
            let mut second = world.peer();
            second.send(upgrade_request("/", &[]));
            second.expect_silence();
            assert_eq!(fault::unmet(), 0);
            assert_eq!(world.turns_while_idle(), 0, "whoever waits makes no work");
            round_trip(&mut first);
            world.wind(Duration::from_millis(900));
            second.expect_silence();
            world.wind(Duration::from_millis(200));
            assert_eq!(second.expect_head().status(), 101);
            fault::plan(Call::Accept, 0, Fault::Errno(number));
            let mut third = world.peer();
            third.send(upgrade_request("/", &[]));
            third.expect_silence();
            first.close(1000, "");
            drop(first);
            assert_eq!(third.expect_head().status(), 101);
        }
    });
}

#[test]
fn a_connection_that_is_gone_before_it_is_accepted_hurts_no_other() {
    in_every_mode(|mode| {
        let (world, _) = echo(mode);
        fault::plan(Call::Accept, 0, Fault::Errno(errno::CONNABORTED));
        round_trip(&mut world.client());
        assert_eq!(fault::unmet(), 0);
    });
}

#[test]
fn sends_that_take_little_lose_nothing() {
    in_every_mode(|mode| {
        let (world, _) = echo(mode);
        let mut peer = world.client();
        let text = "x".repeat(40_000);
        for most in [1, 3, 1000] {
            fault::repeat(Call::Send, Fault::Short(most));
            let frames = [Frame::text("hello"), Frame::ping("p"), Frame::text(&text)];
            peer.send_frames(&frames);
            peer.expect_text("hello");
            peer.expect_message(sockeye_testkit::Opcode::Pong, b"p");
            peer.expect_text(&text);
            fault::clear();
        }
    });
}

#[test]
fn sends_that_take_nothing_now_are_made_again_when_the_socket_is_ready() {
    in_every_mode(|mode| {
        let (world, _) = echo(mode);
        let mut peer = world.client();
        for nth in 0..3 {
            fault::plan(Call::Send, 0, Fault::Short(1 + nth));
            fault::plan(Call::Send, 0, Fault::Errno(errno::AGAIN));
            fault::plan(Call::Send, 1, Fault::Errno(errno::INTR));
            round_trip(&mut peer);
            world.pump();
            assert_eq!(world.turns_while_idle(), 0, "no write interest is left");
            fault::clear();
        }
    });
}

#[test]
fn reads_that_give_little_lose_nothing() {
    in_every_mode(|mode| {
        let (world, _) = echo(mode);
        let mut peer = world.peer();
        fault::repeat(Call::Recv, Fault::Short(1));
        peer.upgrade("/", &[]);
        round_trip(&mut peer);
        peer.close(1000, "bit by bit");
        fault::clear();
    });
}

#[test]
fn a_send_or_read_that_fails_ends_its_connection_and_no_other() {
    in_every_mode(|mode| {
        for call in [Call::Send, Call::Recv] {
            for number in [errno::CONNRESET, errno::PIPE, errno::TIMEDOUT] {
                let (world, trace) = echo(mode);
                let (mut honest, mut broken) = (world.client(), world.client());
                fault::plan(call, 0, Fault::Errno(number));
                broken.send_frame(&Frame::text("x"));
                broken.expect_end();
                round_trip(&mut honest);
                let closed = trace.last("closed#1");
                assert!(closed.contains("closed by peer: connection broke"), "{closed}");
                assert_eq!(trace.count("closed"), 1);
            }
        }
    });
}

#[test]
fn a_broadcast_in_which_a_send_fails_reaches_all_others() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let play = Play::new(&trace).on_receive(|conn, message| {
            let all = conn.connections();
            for id in all.all() {
                let _ = all.send(id, message.as_text().unwrap_or_default());
            }
            Action::Continue
        });
        let world = World::new(mode, Context::builder().protocol(play));
        let mut peers: Vec<Peer> = (0..5).map(|_| world.client()).collect();
        world.pump();
        fault::plan(Call::Send, 2, Fault::Errno(errno::CONNRESET));
        peers[0].send_frame(&Frame::text("to all"));
        world.until("the end of one", || trace.count("closed") == 1);
        let ended = trace.last("closed");
        let unlucky = ended.as_bytes()["closed#".len()] - b'0';
        for (i, peer) in (0..).zip(&mut peers) {
            if i == unlucky {
                peer.expect_end();
            } else {
                peer.expect_text("to all");
            }
        }
    });
}

#[test]
fn a_socket_that_cannot_be_watched_ends_its_connection_and_no_other() {
    let modes = [Mode::BuiltIn, Mode::Nested];
    for mode in modes.into_iter().filter(|&mode| mode == Mode::BuiltIn || CAN_NEST) {
        let (world, trace) = echo(mode);
        let mut honest = world.client();
        round_trip(&mut honest);
        fault::plan(Call::Watch, u32::from(mode == Mode::Nested), Fault::Errno(errno::NOSPC));
        let mut unlucky = world.peer();
        unlucky.expect_end();
        fault::clear();
        round_trip(&mut honest);
        round_trip(&mut world.client());
        assert_eq!(trace.count("closed"), 0, "it was none yet");
    }
}

#[test]
fn a_response_is_sent_once_even_if_it_takes_many_sends() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let site = crate::site::Site::new(&trace)
            .on_request(|_, _| Response::text("x".repeat(30_000)).into());
        let world = World::new(mode, Context::builder().http(site));
        let mut peer = world.peer();
        fault::repeat(Call::Send, Fault::Short(999));
        fault::plan(Call::Send, 5, Fault::Errno(errno::AGAIN));
        peer.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(2));
        for _ in 0..2 {
            assert_eq!(peer.expect_response().body.len(), 30_000);
        }
        fault::clear();
        world.pump();
        assert_eq!(trace.count("sent"), 2);
    });
}

#[test]
fn a_socket_of_ones_own_can_be_adopted() {
    in_every_mode(|mode| {
        let (world, _) = echo(mode);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("an address");
        let mut peer = Peer::connect(address, world.turns());
        let (socket, _) = listener.accept().expect("it waits");
        world.connections(|all| all.adopt(socket.into())).expect("there is room");
        peer.upgrade("/", &[]);
        round_trip(&mut peer);
    });
}
