//! One message to many connections.

use crate::play::{Play, Trace};
use crate::world::{World, in_every_mode};
use crate::writability::{narrow, narrow_client};
use sockeye::{
    Action, Builder, CloseCode, Connections, Context, Key, Limits, Message, SendError, Shared,
};
use sockeye_testkit::{Peer, idle};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::thread::spawn;
use std::time::Duration;

/// Sends what `notice` makes of each notice to all connections of the protocol.
pub(crate) fn broadcast(
    trace: &Trace,
    mut send: impl FnMut(Connections<'_>, sockeye::ConnId, &str) + 'static,
) -> (Builder, Key<Play>) {
    let mut builder = Context::builder();
    let key = Rc::new(Cell::new(None));
    let its_key = Rc::clone(&key);
    let play = Play::new(trace).on_notice(move |connections, notice| {
        let key: Key<Play> = its_key.get().expect("it is registered");
        connections.of(key.id()).for_each(|id| send(connections, id, &notice));
    });
    let registered = builder.register(play);
    key.set(Some(registered));
    (builder, registered)
}

#[test]
fn one_stalled_receiver_of_a_broadcast_costs_the_others_nothing() {
    in_every_mode(|mode| {
        let refused = Rc::new(Cell::new(0));
        let count = Rc::clone(&refused);
        let shared: RefCell<Option<Shared>> = RefCell::default();
        let (builder, key) = broadcast(&Trace::default(), move |connections, id, notice| {
            let mut shared = shared.borrow_mut();
            let message = shared.get_or_insert_with(|| Shared::new("x".repeat(1000)));
            if notice == "text" {
                connections.send(id, "the end").unwrap_or_default();
            } else if let Err(error) = connections.send_shared(id, message) {
                assert_eq!(error, SendError::Full);
                count.set(count.get() + 1);
            }
        });
        let world = World::new(mode, narrow(builder));
        let mut stalled = narrow_client(&world);
        let mut others: Vec<Peer> = (0..10).map(|_| world.client()).collect();
        let mut sent = 0;
        while refused.get() < 100 {
            world.handle.post(key, "go".into()).expect("the box is not full");
            world.pump();
            others.iter_mut().for_each(|peer| peer.expect_text(&"x".repeat(1000)));
            sent += 1;
            assert!(sent < 20_000, "the queue of one never fills up");
        }
        world.handle.post(key, "text".into()).expect("the box is not full");
        others.iter_mut().for_each(|peer| peer.expect_text("the end"));
        let queued = world.connections(|all| {
            all.all().into_iter().filter_map(|id| Some(all.info(id)?.queued)).collect::<Vec<_>>()
        });
        let most = *queued.iter().max().expect("there are connections");
        assert!(most <= (64 << 10) + 1100, "{most} bytes wait");
        assert_eq!(queued.iter().filter(|&&queued| queued > 0).count(), 1);
        for _ in 0..(sent - refused.get()) {
            stalled.expect_text(&"x".repeat(1000)); // whole messages, whatever was refused
        }
        world.handle.post(key, "text".into()).expect("the box is not full");
        stalled.expect_text("the end");
    });
}

#[test]
fn a_shared_message_reaches_clients_of_any_number_whole() {
    in_every_mode(|mode| {
        let text = "schön".repeat(20_000);
        let message = Shared::new(Message::text(text.clone()));
        assert_eq!(message.as_bytes(), text.as_bytes());
        let (builder, key) = broadcast(&Trace::default(), move |connections, id, _| {
            connections.send_shared(id, &message).expect("the queue is empty");
        });
        let world = World::new(mode, builder);
        let mut peers: Vec<Peer> = (0..10).map(|_| world.client()).collect();
        world.handle.post(key, "go".into()).expect("the box is not full");
        peers.iter_mut().for_each(|peer| peer.expect_text(&text));
    });
}

#[test]
fn what_a_callback_sends_to_many_and_then_does_with_them_keeps_its_order() {
    for io_uring in [true, false] {
        in_every_mode(|mode| {
            let shared = Shared::new("to all");
            let mut count = 0;
            let (builder, key) = broadcast(&Trace::default(), move |connections, id, _| {
                connections.send_shared(id, &shared).expect("the queue is empty");
                match count % 4 {
                    0 => {
                        connections.send(id, "to you").expect("room");
                        assert!(!connections.is_choked(id), "its socket takes it");
                        connections.send_shared(id, &shared).expect("room");
                    }
                    1 => connections.close(id, CloseCode::NORMAL, "bye"),
                    2 => connections.abort(id),
                    _ => {}
                }
                count += 1;
            });
            let world = World::new(mode, builder.io_uring(io_uring));
            let mut peers: Vec<Peer> = (0..150).map(|_| world.client()).collect();
            world.handle.post(key, "go".into()).expect("the box is not full");
            for (i, peer) in peers.iter_mut().enumerate() {
                peer.expect_text("to all");
                match i % 4 {
                    0 => {
                        peer.expect_text("to you");
                        peer.expect_text("to all");
                    }
                    1 => assert_eq!(peer.expect_close(1000), "bye"),
                    2 => drop(peer.expect_end()),
                    _ => {}
                }
            }
        });
    }
}

/// Nothing else happens there, so what did not leave at once would not leave at all.
#[test]
fn what_a_timer_sends_to_others_leaves_before_the_loop_waits_again() {
    let (tell, told) = channel();
    let server = spawn(move || {
        let shared = Shared::new("to all");
        let play = Play::new(&Trace::default())
            .on_open(|conn| {
                if conn.connections().all().len() == 3 {
                    conn.set_timer(Duration::from_millis(20));
                }
                Action::Continue
            })
            .on_timer(move |conn| {
                let (all, own) = (conn.connections(), conn.id());
                let others = all.all().into_iter().filter(|id| *id != own);
                others.for_each(|id| all.send_shared(id, &shared).expect("room"));
                Action::Continue
            });
        let limits = Limits { ping_after: Duration::from_secs(3600), ..Limits::default() };
        let builder = Context::builder().limits(limits).protocol(play);
        let mut context = builder.build().expect("a context");
        let address = context.listen("127.0.0.1:0").expect("a port");
        tell.send((address, context.handle())).expect("they wait");
        context.run().expect("the loop goes on");
    });
    let (address, handle) = told.recv().expect("an address");
    let mut peers: Vec<Peer> = (0..3).map(|_| Peer::connect(address, idle())).collect();
    peers.iter_mut().for_each(|peer| drop(peer.upgrade("/", &[])));
    peers[..2].iter_mut().for_each(|peer| peer.expect_text("to all"));
    handle.shutdown();
    drop(peers);
    server.join().expect("it ends");
}
