//! Nobody gets more turns than others, however much they ask for.

use crate::play::{Play, Trace};
use crate::site::Site;
use crate::world::{Mode, World, in_every_mode};
use sockeye::{Action, Context, Response};
use sockeye_testkit::{Frame, Peer};

/// How often `writable` was called of each of so many connections.
fn calls(trace: &Trace, connections: usize) -> Vec<usize> {
    let mut calls = vec![0; connections];
    for line in trace.take() {
        if let Some(number) = line.strip_prefix("writable#") {
            calls[number.parse::<usize>().expect("a number")] += 1;
        }
    }
    calls
}

#[test]
fn connections_that_always_ask_for_writable_get_it_equally_often() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let play = Play::new(&trace)
            .on_open(|conn| {
                conn.request_writable();
                Action::Continue
            })
            .on_writable(|conn, permit| {
                if conn.session.is_multiple_of(3) {
                    let _ = permit.send("some have something to say"); // others only ask
                }
                conn.request_writable();
                conn.request_writable();
                Action::Continue
            });
        let world = World::new(mode, Context::builder().protocol(play));
        let mut peers: Vec<Peer> = (0..20).map(|_| world.client()).collect();
        calls(&trace, 20);
        for _ in 0..50 {
            world.turn();
        }
        let calls = calls(&trace, 20);
        let (least, most) = (calls.iter().min(), calls.iter().max());
        assert_eq!(least, most, "{calls:?}");
        assert!(least >= Some(&50), "at least once in each turn: {calls:?}");
        for peer in peers.iter_mut().step_by(3) {
            peer.expect_text("some have something to say");
        }
    });
}

#[test]
fn writable_is_served_in_the_order_in_which_it_was_asked_for() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = World::new(mode, Context::builder().protocol(Play::new(&trace)));
        let _peers: Vec<Peer> = (0..10).map(|_| world.client()).collect();
        world.pump();
        trace.take();
        let order = [7, 2, 9, 0, 1, 8, 3, 5, 4, 6];
        world.connections(|all| {
            let ids = all.all();
            for which in order.into_iter().chain(order) {
                all.request_writable(ids[which]);
            }
        });
        world.until("all of them", || trace.count("writable") == 10);
        let expected = order.map(|which| format!("writable#{which}"));
        assert_eq!(trace.take(), expected);
    });
}

#[test]
fn a_peer_that_sends_without_end_is_read_piece_by_piece_between_others() {
    let trace = Trace::default();
    let play = Play::new(&trace).on_receive(|_, _| Action::Continue);
    let world = World::new(Mode::BuiltIn, Context::builder().protocol(play));
    let (mut greedy, mut modest) = (world.client(), world.client());
    let flood = Frame::text("more").masked().repeat(400_000);
    let sent = greedy.send_without_turns(&flood);
    assert!(sent > 1 << 20, "sockets hold only {sent} bytes");
    modest.send_without_turns(&Frame::text("me too").masked());
    trace.take();
    while trace.count("receive#1 me too") == 0 {
        world.turn();
    }
    let before = trace.count("receive#0") * Frame::text("more").masked().len();
    assert!(before < sent / 2, "{before} of {sent} bytes were served first");
}

#[test]
fn requests_without_end_on_one_connection_do_not_keep_others_from_their_answers() {
    let trace = Trace::default();
    let site = Site::new(&trace).on_request(|_, request| Response::text(request.path()).into());
    let world = World::new(Mode::BuiltIn, Context::builder().http(site));
    let (mut greedy, mut modest) = (world.peer(), world.peer());
    world.until_connections(2);
    let flood = crate::http::get("/more").repeat(20_000);
    let sent = greedy.send_without_turns(flood.as_bytes());
    assert!(sent > 256 << 10, "sockets hold only {sent} bytes");
    modest.send_without_turns(crate::http::get("/me-too").as_bytes());
    while trace.count("request GET /me-too") == 0 {
        world.turn();
    }
    let before = trace.count("request GET /more") * crate::http::get("/more").len();
    assert!(before < sent / 2, "{before} of {sent} bytes were served first");
}
