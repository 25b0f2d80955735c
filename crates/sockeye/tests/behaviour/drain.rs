//! Ending without a rush.

use crate::http::{ask, get};
use crate::play::{Play, Trace};
use crate::site::Site;
use crate::world::{Mode, World, in_every_mode};
use sockeye::{Action, Answer, CloseCode, Context, Limits, Reject, Response};
use sockeye_testkit::{Frame, Peer, upgrade_request};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn no_pings() -> Limits {
    Limits { ping_after: Duration::MAX, ..Limits::default() }
}

/// A server of both kinds with ten clients.
fn ten_clients(mode: Mode, trace: &Trace) -> (Rc<World>, Vec<Peer>) {
    let builder = Context::builder().protocol(Play::new(trace)).http(Site::new(trace));
    let world = World::new(mode, builder.limits(no_pings()));
    let peers = (0..10).map(|_| world.client()).collect();
    (world, peers)
}

/// How many of the clients have been told to go; each has been told so in one way only.
fn told(peers: &mut [Peer]) -> usize {
    peers.iter_mut().filter_map(|peer| (peer.waiting() > 0).then(|| peer.expect_frame())).fold(
        0,
        |count, frame| {
            assert_eq!(frame.close_code(), Some((1001, "going away".into())));
            count + 1
        },
    )
}

#[test]
fn clients_are_sent_away_one_by_one_over_the_time_and_served_until_then() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let (world, mut peers) = ten_clients(mode, &trace);
        world.handle.drain(10 * SECOND);
        world.pump();
        assert!(std::net::TcpStream::connect(world.address).is_err(), "nobody listens");
        for gone in 0..10 {
            assert_eq!(told(&mut peers[gone..]), 0);
            for peer in &mut peers[gone..] {
                peer.send_frame(&Frame::text("still served"));
                peer.expect_text("still served");
            }
            world.wind(SECOND);
            peers[gone].close_answer(1001, "going away");
            assert!(!world.is_finished() || gone == 9);
        }
        drop(peers);
        world.until_connections(0);
        assert!(world.is_finished());
        assert_eq!(trace.count("closed#"), 10);
    });
}

#[test]
fn who_leaves_by_themselves_counts() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let (world, mut peers) = ten_clients(mode, &trace);
        world.handle.drain(10 * SECOND);
        world.pump();
        for mut peer in peers.drain(4..8) {
            peer.close(1000, "");
        }
        for seconds in 1..=10_usize {
            world.wind(SECOND);
            let expected = usize::from(seconds > 4);
            assert_eq!(told(&mut peers), expected, "in second {seconds}");
        }
    });
}

#[test]
fn a_shutdown_or_a_shorter_drain_ends_a_drain_sooner() {
    in_every_mode(|mode| {
        let (world, mut peers) = ten_clients(mode, &Trace::default());
        world.handle.drain(1000 * SECOND);
        world.pump();
        world.handle.drain(2000 * SECOND); // would end later
        world.pump();
        world.wind(100 * SECOND / 2);
        assert_eq!(told(&mut peers), 0);
        world.handle.drain(10 * SECOND);
        world.pump();
        world.wind(3 * SECOND);
        assert_eq!(told(&mut peers), 3);
        world.handle.shutdown();
        world.pump();
        assert_eq!(told(&mut peers), 7);
    });
}

#[test]
fn a_drain_in_no_time_or_of_nobody_is_a_shutdown() {
    in_every_mode(|mode| {
        let (world, mut peers) = ten_clients(mode, &Trace::default());
        world.handle.drain(Duration::ZERO);
        world.pump();
        assert_eq!(told(&mut peers), 10);
        let world = World::new(mode, Context::builder());
        world.handle.drain(1000 * SECOND);
        world.pump();
        assert!(world.is_finished());
        let world = World::new(mode, Context::builder().protocol(Play::new(&Trace::default())));
        let _peer = world.client();
        world.handle.drain(Duration::MAX);
        world.pump();
        assert_eq!(world.turns_while_idle(), 0);
    });
}

#[test]
fn more_clients_than_steps_are_sent_away_in_even_lots() {
    let play = Play::new(&Trace::default());
    let world = World::new(Mode::BuiltIn, Context::builder().protocol(play).limits(no_pings()));
    let mut peers: Vec<Peer> = (0..600).map(|_| world.client()).collect();
    world.handle.drain(256 * SECOND);
    world.pump();
    let mut sum = 0;
    for _ in 0..256 {
        world.wind(SECOND);
        let next = 600.min(sum + 4);
        let more = told(&mut peers[sum..next]);
        assert!((2..=3).contains(&more), "{more} at once");
        sum += more;
    }
    assert_eq!(sum, 600);
}

#[test]
fn what_waits_for_a_slow_client_goes_before_its_close() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let play = Play::new(&trace).on_receive(|conn, _| conn.reply("x".repeat(3_000_000)));
        let builder = crate::writability::narrow(Context::builder().protocol(play));
        let world = World::new(mode, builder);
        let mut slow = crate::writability::narrow_client(&world);
        slow.send_without_turns(&Frame::text("go").masked());
        world.until("its request", || trace.count("receive") == 1);
        world.handle.drain(SECOND);
        world.pump();
        world.wind(SECOND);
        slow.expect_text(&"x".repeat(3_000_000));
        slow.close_answer(1001, "going away");
    });
}

#[test]
fn idle_http_connections_end_at_once_and_begun_requests_are_answered_with_close() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let later = Rc::new(RefCell::new(Vec::new()));
        let ids = Rc::clone(&later);
        let site = Site::new(&trace).on_request(move |conn, request| {
            if request.path() == "/later" {
                ids.borrow_mut().push(conn.id());
                return Answer::Later;
            }
            Response::text(request.path()).into()
        });
        let builder = Context::builder().protocol(Play::new(&trace)).http(site);
        let world = World::new(mode, builder);
        let mut idle = world.peer();
        ask(&mut idle, &get("/a"), "/a");
        let mut begun = world.peer();
        begun.send(&get("/begun")[..12]);
        let mut running = world.peer();
        running.send(get("/later"));
        world.until("the request", || later.borrow().len() == 1);
        let mut silent = world.peer();
        let mut shaking = world.peer();
        world.until_connections(5);
        world.handle.drain(10 * SECOND);
        world.pump();

        idle.expect_eof();
        begun.send(&get("/begun")[12..]);
        silent.send(get("/first"));
        let id = later.borrow()[0];
        world.connections(|all| all.respond(id, Response::text("/later")).expect("it is awaited"));
        for (peer, text) in
            [(&mut begun, "/begun"), (&mut silent, "/first"), (&mut running, "/later")]
        {
            let response = peer.expect_response();
            assert_eq!(response.head.header("Connection"), Some("close"), "{text}");
            assert_eq!(response.text(), text);
            peer.expect_eof();
        }
        shaking.send(upgrade_request("/", &[]));
        assert_eq!(shaking.expect_response().status(), 503);
        drop((begun, silent, running, shaking, idle));
        world.until_connections(0);
        assert!(world.is_finished());
    });
}

#[test]
fn a_response_without_end_is_cut_when_the_time_is_over() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let site = Site::new(&trace)
            .on_request(|_, _| Response::new(200).stream(None).into())
            .on_writable(|conn, permit| {
                let _ = permit.send(b"more");
                if conn.session.is_empty() {
                    conn.session.push(1);
                    conn.request_writable();
                }
                Action::Continue
            });
        let limits = Limits { exchange: 1000 * SECOND, ..Limits::default() };
        let world = World::new(mode, Context::builder().http(site).limits(limits));
        let mut peer = world.peer();
        peer.send(get("/"));
        peer.expect_head();
        world.handle.drain(10 * SECOND);
        world.pump();
        world.wind(9 * SECOND);
        assert!(!world.is_finished());
        world.wind(SECOND);
        peer.expect_rest_and_end();
        world.until_connections(0);
        assert!(world.is_finished());
    });
}

#[test]
fn a_handshake_whose_answer_is_put_off_is_refused() {
    in_every_mode(|mode| {
        let waiting = Rc::new(Cell::new(false));
        let (trace, heard) = (Trace::default(), Rc::clone(&waiting));
        let play = Play::new(&trace).on_upgrade(move |_| {
            heard.set(true);
            Err(Reject::later())
        });
        let world = World::new(mode, Context::builder().protocol(play));
        let mut peer = world.peer();
        peer.send(upgrade_request("/", &[]));
        world.until("the handshake", || waiting.get());
        world.handle.drain(10 * SECOND);
        assert_eq!(peer.expect_response().status(), 503);
    });
}

#[test]
fn a_connection_that_closes_already_is_left_to_its_deadline() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let play = Play::new(&trace)
            .on_receive(|_, _| Action::close(CloseCode::POLICY_VIOLATION, "enough"));
        let world = World::new(mode, Context::builder().protocol(play));
        let mut peer = world.client();
        peer.send_frame(&Frame::text("go"));
        assert_eq!(peer.expect_close(1008), "enough");
        world.handle.drain(SECOND);
        world.pump();
        world.wind(SECOND);
        peer.expect_silence();
        world.wind(6 * SECOND);
        peer.expect_end();
        world.until_connections(0);
        assert!(world.is_finished());
    });
}
