//! Reaching the loop from other threads, and ending it.

use crate::play::{Play, Trace};
use crate::world::{Mode, World, in_every_mode};
use sockeye::{Action, ConnId, Context, Limits, Opcode, PostError};
use sockeye_testkit::{Frame, Peer, idle, upgrade_request};
use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

#[test]
fn what_other_threads_post_arrives_in_the_order_of_each() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let mut builder = Context::builder();
        let key = builder.register(Play::new(&trace));
        let world = World::new(mode, builder);
        let post = |name: &'static str| {
            let handle = world.handle.clone();
            thread::spawn(move || {
                for i in 0..100 {
                    handle.post(key, format!("{name}{i}")).expect("the box is not full");
                }
            })
        };
        let threads = [post("a"), post("b")];
        world.until("200 notices", || trace.count("notified") == 200);
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        let lines = trace.take();
        for name in ["a", "b"] {
            let start = format!("notified {name}");
            let numbers = lines.iter().filter_map(|line| line.strip_prefix(&start));
            let numbers: Vec<usize> = numbers.map(|number| number.parse().unwrap()).collect();
            assert!(numbers.is_sorted() && numbers.len() == 100, "{numbers:?}");
        }
    });
}

#[test]
fn a_post_wakes_a_loop_that_waits_for_nothing_else() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let mut builder = Context::builder();
        let key = builder.register(Play::new(&trace));
        let world = World::new(mode, builder);
        world.pump();
        let handle = world.handle.clone();
        let thread = thread::spawn(move || handle.post(key, "wake up".into()));
        while trace.count("notified") == 0 {
            world.turn_within(Duration::from_secs(20)); // would be long, if nothing woke it
        }
        thread.join().expect("no panic").expect("the box is not full");
        assert_eq!(world.turns_while_idle(), 0);
    });
}

#[test]
fn posts_beyond_the_limit_are_refused_until_the_box_is_emptied() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let limits = Limits { notices: 3, ..Limits::default() };
        let mut builder = Context::builder().limits(limits);
        let key = builder.register(Play::new(&trace));
        let world = World::new(mode, builder);
        let post = || world.handle.post(key, "x".into());
        assert_eq!([post(), post(), post()], [Ok(()); 3]);
        assert_eq!(post(), Err(PostError::Full));
        world.pump();
        assert_eq!(trace.count("notified"), 3);
        assert_eq!(post(), Ok(()));
        world.handle.shutdown(); // always fits
    });
}

#[test]
fn posts_to_a_context_that_is_gone_or_another_are_refused() {
    let mut builder = Context::builder();
    let key = builder.register(Play::new(&Trace::default()));
    let context = builder.build().expect("a context");
    let other = Context::builder().protocol(Play::new(&Trace::default()));
    let other = other.build().expect("a context");
    let (handle, other_handle) = (context.handle(), other.handle());
    assert_eq!(other_handle.post(key, "x".into()), Err(PostError::WrongContext));
    assert_eq!(handle.post(key, "x".into()), Ok(()));
    drop(context);
    assert_eq!(handle.post(key, "x".into()), Err(PostError::Gone));
    assert_eq!(handle.request_writable_all(key), Err(PostError::Gone));
    assert_eq!(handle.request_writable(ConnId::from_u64(0)), Err(PostError::Gone));
    handle.wake();
    handle.shutdown();
}

#[test]
fn a_notice_whose_end_posts_again_does_not_block_the_end_of_the_context() {
    struct Chatty(sockeye::Handle, Rc<Cell<()>>);
    // What a notice owns may want to post when it is dropped with the context.
    struct Farewell(Option<sockeye::Handle>);
    impl Drop for Farewell {
        fn drop(&mut self) {
            if let Some(handle) = &self.0 {
                assert!(handle.request_writable(ConnId::from_u64(0)).is_err());
            }
        }
    }
    impl sockeye::Protocol for Chatty {
        type Session = ();
        type Notice = Farewell;
        fn name(&self) -> &str {
            "chatty"
        }
        fn upgrade(&mut self, _: &sockeye::Handshake<'_>) -> Result<(), sockeye::Reject> {
            let _ = (&self.0, &self.1);
            Ok(())
        }
        fn receive(&mut self, _: &mut sockeye::Conn<'_, Self>, _: sockeye::Message<'_>) -> Action {
            Action::Continue
        }
    }
    let other = Context::builder().build().expect("a context");
    let mut builder = Context::builder();
    let key = builder.register(Chatty(other.handle(), Rc::default()));
    let context = builder.build().expect("a context");
    let handle = context.handle();
    handle.post(key, Farewell(Some(handle.clone()))).unwrap_or_else(|_| panic!("there is room"));
    drop(context);
}

#[test]
fn other_threads_can_ask_for_writable() {
    in_every_mode(|mode| {
        let (trace, ids) = (Trace::default(), Rc::new(Cell::new(None)));
        let first = Rc::clone(&ids);
        let mut builder = Context::builder();
        let key = builder.register(
            Play::new(&trace)
                .on_open(move |conn| {
                    first.set(first.get().or(Some(conn.id())));
                    Action::Continue
                })
                .on_writable(|_, permit| {
                    let _ = permit.send("now");
                    Action::Continue
                }),
        );
        let world = World::new(mode, builder);
        let (mut one, mut other) = (world.client(), world.client());
        let (handle, id) = (world.handle.clone(), ids.get().expect("it is open"));
        let ask = thread::spawn(move || handle.request_writable(id));
        one.expect_text("now");
        ask.join().expect("no panic").expect("the box is not full");
        other.expect_silence();
        let handle = world.handle.clone();
        let ask = thread::spawn(move || handle.request_writable_all(key));
        one.expect_text("now");
        other.expect_text("now");
        ask.join().expect("no panic").expect("the box is not full");
        assert_eq!(trace.count("writable"), 3);
    });
}

#[test]
fn a_callback_can_post_to_its_own_protocol_and_to_others() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let mut builder = Context::builder();
        let other = builder.register_at("/other", Play::named("other", &trace));
        let key = Rc::new(Cell::new(None));
        let its_key = Rc::clone(&key);
        let notes = trace.clone();
        let play = Play::new(&trace).on_receive(move |conn, _| {
            conn.connections().post(other, "to the other".into()).expect("there is room");
            let own = Option::expect(its_key.get(), "it is registered");
            conn.connections().post(own, "to myself".into()).expect("there is room");
            notes.note("posted");
            Action::Continue
        });
        key.set(Some(builder.register(play)));
        let world = World::new(mode, builder);
        world.client().send_frame(&Frame::text("go"));
        world.until("both", || trace.count("notified") == 2);
        let expected = ["posted", "notified to the other", "notified to myself"];
        assert_eq!(trace.take()[2..5], expected, "after the callback, not in it");
    });
}

#[test]
fn a_shutdown_closes_everything_each_in_its_way() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = World::new(mode, Context::builder().protocol(Play::new(&trace)));
        let (mut open, mut stubborn) = (world.client(), world.client());
        let mut half = world.peer();
        half.send(&upgrade_request("/", &[])[..20]);
        let mut silent = world.peer();
        world.until_connections(4);
        world.handle.shutdown();
        half.expect_end();
        silent.expect_end();
        open.close_answer(1001, "going away");
        drop(open);
        stubborn.expect_close(1001);
        assert!(std::net::TcpStream::connect(world.address).is_err(), "nobody listens");
        world.until_connections(1);
        assert!(!world.is_finished());
        world.wind(Duration::from_secs(6));
        stubborn.expect_end();
        assert!(world.is_finished());
        assert_eq!(trace.count("closed"), 2);
    });
}

#[test]
fn run_returns_when_the_last_connection_has_ended_after_a_shutdown() {
    let mut context =
        Context::builder().protocol(Play::new(&Trace::default())).build().expect("a context");
    let address = context.listen("127.0.0.1:0").expect("a listener");
    let handle = context.handle();
    let client = thread::spawn(move || {
        let mut peer = Peer::connect(address, idle());
        peer.upgrade("/", &[]);
        peer.send_frame(&Frame::text("served by run"));
        peer.expect_text("served by run");
        handle.shutdown();
        peer.close_answer(1001, "going away");
    });
    context.run().expect("it ends in good order");
    client.join().expect("no panic");
    assert!(context.is_finished());
    assert!(context.addresses().is_empty());
}

#[test]
fn after_a_shutdown_nothing_begins() {
    let trace = Trace::default();
    let mut builder = Context::builder();
    let key = builder.register(Play::new(&trace));
    let world = World::new(Mode::BuiltIn, builder);
    let mut late = world.client();
    world.handle.shutdown();
    world.pump();
    world.connections(|all| {
        let connect = sockeye::Connect::to("ws://127.0.0.1:1/").expect("an address");
        let refused = all.connect(&connect, key.id());
        assert!(matches!(refused, Err(sockeye::ConnectError::ShuttingDown)), "{refused:?}");
    });
    late.close_answer(1001, "going away");
}

#[test]
fn a_descriptor_of_the_application_s_is_served_by_the_loop_until_its_callback_has_enough() {
    let trace = Trace::default();
    let mut context = Context::builder().protocol(Play::new(&trace)).build().expect("a context");
    let address = context.listen("127.0.0.1:0").expect("a listener");
    let (mut far, near) = UnixStream::pair().expect("a pair");
    let mut reader = near.try_clone().expect("a second descriptor");
    context
        .watch(near, move |_, connections| {
            let mut byte = [0];
            reader.read_exact(&mut byte).expect("it is readable");
            for id in connections.all() {
                connections.send(id, &byte[..]).expect("it is open");
            }
            if byte == *b"!" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .expect("it can be polled");
    let context = Rc::new(RefCell::new(context));
    let turns = Rc::clone(&context);
    let turn = move || {
        let short = Duration::from_millis(1);
        turns.borrow_mut().service(short).expect("the loop goes on");
    };
    let mut peer = Peer::connect(address, Rc::new(turn));
    peer.upgrade("/", &[]);
    for byte in [b"a", b"b", b"!"] {
        far.write_all(byte).expect("the other end is open");
        peer.expect_message(Opcode::Binary, byte);
    }
    assert_eq!(far.read(&mut [0]).expect("an end"), 0, "both descriptors are closed");
    peer.send_frame(&Frame::text("the loop goes on"));
    peer.expect_text("the loop goes on");
}
