//! What other loops may rely on.

use crate::play::{Play, Trace};
use crate::site::Site;
use crate::world::{Host, Mode, World, in_every_mode};
use sockeye::{Action, Change, Context, Interest, Limits, Readiness};
use sockeye_testkit::{Clock, Frame, Opcode, Peer, idle, upgrade_request};
use std::cell::RefCell;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

fn external(trace: &Trace) -> (Context<sockeye::External>, std::net::SocketAddr) {
    let builder = Context::builder().protocol(Play::new(trace));
    let mut context = builder.build_external().expect("a context");
    let address = context.listen("127.0.0.1:0").expect("a listener");
    (context, address)
}

/// What gives a host its turns.
fn turns_of(host: &Rc<RefCell<Host>>) -> Rc<dyn Fn()> {
    let host = Rc::clone(host);
    Rc::new(move || {
        host.borrow_mut().turn(Duration::ZERO);
    })
}

/// The descriptors that the context watches besides those known.
fn newly_watched(context: &mut Context<sockeye::External>) -> Vec<(RawFd, Interest)> {
    let watched = |change| match change {
        Change::Watch(fd, interest) => (fd, interest),
        Change::Forget(_) => panic!("nothing is to be forgotten"),
    };
    context.changes().map(watched).collect()
}

#[test]
fn a_forgotten_descriptor_stays_open_until_it_has_been_forgotten() {
    let (mut context, address) = external(&Trace::default());
    let first = newly_watched(&mut context);
    assert_eq!(first.len(), 2, "the context's own and the listener");
    let listener = first[1].0;
    let mut peer = Peer::connect(address, idle());
    context.ready(listener, Readiness::READABLE).expect("the loop goes on");
    let [(fd, Interest::READ)] = newly_watched(&mut context)[..] else {
        panic!("one connection to be watched for reading");
    };
    let all = context.connections();
    all.abort(all.all()[0]);
    context.tick(Instant::now()).expect("the loop goes on");
    assert_eq!(context.connections().len(), 0);
    peer.expect_silence(); // its socket is still open
    let mut second = Peer::connect(address, idle());
    context.ready(listener, Readiness::READABLE).expect("the loop goes on");
    context.ready(fd, Readiness::READABLE).expect("a late event does no harm");
    let mut changes = context.changes();
    assert_eq!(changes.next(), Some(Change::Forget(fd)));
    peer.expect_silence();
    let next = changes.next();
    assert!(matches!(next, Some(Change::Watch(other, _)) if other != fd), "{next:?}");
    assert_eq!(changes.next(), None);
    peer.expect_eof();
    second.expect_silence();
}

#[test]
fn descriptors_that_are_not_watched_and_readiness_that_is_not_true_do_no_harm() {
    let trace = Trace::default();
    let (mut context, address) = external(&trace);
    let clock = Clock::new();
    let all = Readiness { readable: true, writable: true, hangup: false };
    context.ready(9999, all).expect("the loop goes on");
    context.ready(-1, all).expect("the loop goes on");
    let host = Rc::new(RefCell::new(Host::new(context, Mode::External, clock.reading())));
    let turns: Rc<dyn Fn()> = {
        let host = Rc::clone(&host);
        Rc::new(move || {
            let mut host = host.borrow_mut();
            host.turn(Duration::ZERO);
            let fds: Vec<RawFd> = {
                use std::os::fd::AsRawFd;
                host.context.watched().into_iter().map(|(fd, _)| fd.as_raw_fd()).collect()
            };
            for fd in fds {
                host.context.ready(fd, all).expect("the loop goes on");
                host.apply_changes();
            }
        })
    };
    let mut peer = Peer::connect(address, turns);
    peer.dribble(upgrade_request("/", &[]));
    assert_eq!(peer.expect_head().status(), 101);
    peer.dribble(Frame::text("hi").masked());
    peer.expect_text("hi");
    peer.close(1000, "");
    assert_eq!(trace.count("closed"), 1);
}

#[test]
fn write_interest_is_there_only_while_something_waits() {
    let trace = Trace::default();
    let play = Play::new(&trace).on_receive(|conn, _| conn.reply("x".repeat(3_000_000)));
    let builder = crate::writability::narrow(Context::builder().protocol(play));
    let mut context = builder.build_external().expect("a context");
    let address = context.listen("127.0.0.1:0").expect("a listener");
    let clock = Clock::new();
    let host = Rc::new(RefCell::new(Host::new(context, Mode::External, clock.reading())));
    let turns = turns_of(&host);
    let interests = || {
        let mut host = host.borrow_mut();
        host.apply_changes();
        let watched = host.context.watched();
        watched.into_iter().map(|(_, interest)| interest).collect::<Vec<_>>()
    };
    let mut peer = Peer::connect(address, turns);
    peer.upgrade("/", &[]);
    assert!(interests().iter().all(|interest| *interest == Interest::READ));
    peer.send_frame(&Frame::text("go"));
    peer.expect_bytes(1);
    assert_eq!(interests().iter().filter(|i| **i == Interest::WRITE).count(), 1, "and no reads");
    peer.expect_bytes(3_000_009);
    assert!(interests().iter().all(|interest| *interest == Interest::READ));
}

#[test]
fn the_deadline_is_that_of_the_next_timer_and_is_kept() {
    let trace = Trace::default();
    let play = Play::new(&trace).on_open(|conn| {
        conn.set_timer(Duration::from_secs(7));
        Action::Continue
    });
    let clock = Clock::new();
    let builder = Context::builder().protocol(play).clock(clock.reading());
    let mut context = builder.build_external().expect("a context");
    let address = context.listen("127.0.0.1:0").expect("a listener");
    let host = Rc::new(RefCell::new(Host::new(context, Mode::External, clock.reading())));
    host.borrow_mut().turn(Duration::ZERO);
    host.borrow_mut().turn(Duration::ZERO);
    assert_eq!(host.borrow().context.deadline(), None, "nothing is due ever");
    let turns = turns_of(&host);
    let mut peer = Peer::connect(address, turns);
    peer.upgrade("/", &[]);
    host.borrow_mut().turn(Duration::ZERO);
    let deadline = host.borrow().context.deadline().expect("a timer is set");
    assert_eq!(deadline - clock.now(), Duration::from_secs(7));
    let just_before = deadline - Duration::from_nanos(1);
    host.borrow_mut().context.tick(just_before).expect("the loop goes on");
    assert_eq!(trace.count("timer"), 0);
    host.borrow_mut().context.tick(deadline).expect("the loop goes on");
    assert_eq!(trace.count("timer"), 1);
}

#[test]
fn what_came_in_time_counts_though_the_host_tells_of_the_time_first() {
    let trace = Trace::default();
    let clock = Clock::new();
    let builder = Context::builder().protocol(Play::new(&trace)).http(Site::new(&trace));
    let mut context = builder.clock(clock.reading()).build_external().expect("a context");
    let address = context.listen("127.0.0.1:0").expect("a listener");
    let host = Rc::new(RefCell::new(Host::new(context, Mode::External, clock.reading())));
    let mut pinged = Peer::connect(address, turns_of(&host));
    pinged.upgrade("/", &[]);
    let mut shaking = Peer::connect(address, turns_of(&host));
    let mut kept = Peer::connect(address, turns_of(&host));
    crate::http::ask(&mut kept, &crate::http::get("/one"), "GET /one");
    let tick_first = |seconds| {
        clock.wind(Duration::from_secs(seconds));
        host.borrow_mut().context.tick(clock.now()).expect("the loop goes on");
    };

    shaking.send_without_turns(upgrade_request("/", &[]).as_bytes());
    tick_first(11);
    assert_eq!(shaking.expect_head().status(), 101);
    tick_first(20);
    pinged.expect_message(Opcode::Ping, b"");
    pinged.send_without_turns(&Frame::pong("").masked());
    tick_first(25);
    pinged.send_frame(&Frame::text("still there"));
    pinged.expect_text("still there");
    kept.send_without_turns(crate::http::get("/two").as_bytes());
    tick_first(5);
    assert_eq!(kept.expect_response().text(), "GET /two");
    kept.send_without_turns(&crate::http::get("/three").as_bytes()[..10]);
    tick_first(61);
    kept.send_without_turns(&crate::http::get("/three").as_bytes()[10..]);
    tick_first(9);
    assert_eq!(kept.expect_response().text(), "GET /three");
    tick_first(61);
    kept.expect_end();
}

#[test]
fn the_context_is_readable_from_a_post_until_it_has_been_heard() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let mut builder = Context::builder();
        let key = builder.register(Play::new(&trace));
        let world = World::new(mode, builder);
        assert_eq!(world.turns_while_idle(), 0);
        let handle = world.handle.clone();
        thread::spawn(move || handle.post(key, "x".into())).join().expect("no panic").unwrap();
        world.turn_within(Duration::from_secs(20));
        world.until("the notice", || trace.count("notified") == 1);
        assert_eq!(world.turns_while_idle(), 0);
        world.handle.wake();
        world.turn_within(Duration::from_secs(20));
        assert_eq!(world.turns_while_idle(), 0);
    });
}

#[test]
fn what_is_asked_between_callbacks_is_done_without_further_events() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let play = Play::new(&trace).on_writable(|_, permit| {
            let _ = permit.send("writable");
            Action::Continue
        });
        let world = World::in_real_time(mode, Context::builder().protocol(play));
        let mut peer = world.client();
        let with_it = |deed: &dyn Fn(sockeye::Connections<'_>, sockeye::ConnId)| {
            world.pump();
            world.connections(|all| deed(all, all.all()[0]));
        };
        with_it(&|all, id| all.send(id, "sent").expect("the queue is empty"));
        peer.expect_text("sent");
        with_it(&|all, id| all.request_writable(id));
        peer.expect_text("writable");
        with_it(&|all, id| all.send_frame(id, Opcode::Ping, true, b"p").expect("it is open"));
        peer.expect_message(Opcode::Ping, b"p");
        with_it(&|all, id| all.set_timer(id, Some(Duration::from_millis(10))));
        world.until("the timer", || trace.count("timer") == 1);
        with_it(&|all, id| all.feed(id, &Frame::text("fed").masked()));
        peer.expect_text("fed");
        with_it(&|all, id| all.pause(id));
        peer.send(Frame::text("later").masked());
        peer.expect_silence();
        with_it(&|all, id| all.resume(id));
        peer.expect_text("later");
        with_it(&|all, id| all.abort(id));
        peer.expect_end();
    });
}

#[test]
fn a_limit_of_time_that_never_ends_is_no_deadline_now() {
    in_every_mode(|mode| {
        let forever = Duration::MAX;
        let limits = Limits {
            handshake: forever,
            ping_after: forever,
            pong_within: forever,
            close_within: forever,
            keep_alive: forever,
            ..Limits::default()
        };
        let trace = Trace::default();
        let play = Play::new(&trace).on_open(|conn| {
            conn.set_timer(Duration::MAX);
            Action::Continue
        });
        let world = World::new(mode, Context::builder().protocol(play).limits(limits));
        let mut peer = world.client();
        let _silent = world.peer();
        world.wind(Duration::from_secs(1_000_000));
        assert_eq!(world.turns_while_idle(), 0);
        peer.send_frame(&Frame::text("still there"));
        peer.expect_text("still there");
        assert_eq!(trace.count("timer"), 0);
    });
}

#[test]
fn a_clock_that_jumps_far_ahead_or_stands_still_does_no_harm() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = World::new(mode, Context::builder().protocol(Play::new(&trace)));
        for days in [1, 25, 50, 400] {
            let mut peer = world.client();
            peer.send_frame(&Frame::text("before"));
            peer.expect_text("before");
            world.wind(Duration::from_secs(days * 86_400));
            peer.expect_message(Opcode::Ping, b"");
            peer.send_frame(&Frame::pong(""));
            peer.send_frame(&Frame::text("after"));
            peer.expect_text("after");
            peer.close(1000, "");
        }
        assert_eq!(trace.count("closed by us"), 0);
    });
}

#[cfg(all(target_os = "linux", not(sockeye_poll_backend)))]
mod as_a_descriptor {
    use super::*;
    use crate::world::is_readable;
    use sockeye::Turn;

    /// That it is readable exactly when service would do something.
    fn agree(context: &mut Context, what: &str) {
        for _ in 0..100 {
            let readable = is_readable(context, Duration::ZERO);
            let turn = context.service(Duration::ZERO).expect("the loop goes on");
            if !readable {
                assert_eq!(turn, Turn::Idle, "{what}");
                return;
            }
        }
        panic!("{what}: readable without end");
    }

    #[test]
    fn a_context_is_readable_exactly_when_service_would_do_something() {
        let trace = Trace::default();
        let play = Play::new(&trace).on_open(|conn| {
            conn.set_timer(Duration::from_millis(30));
            Action::Continue
        });
        let mut builder = Context::builder();
        let key = builder.register(play);
        let mut context = builder.build().expect("a context");
        let long = Duration::from_secs(20);
        assert!(is_readable(&context, long), "it sets its alarm first");
        agree(&mut context, "at first");
        let address = context.listen("127.0.0.1:0").expect("a listener");
        assert!(is_readable(&context, long), "a listener to be watched");
        agree(&mut context, "listening");
        let mut peer = Peer::connect(address, idle());
        assert!(is_readable(&context, long), "a connection to be accepted");
        agree(&mut context, "accepted");
        peer.send(upgrade_request("/", &[]));
        assert!(is_readable(&context, long), "a handshake");
        agree(&mut context, "open");
        assert_eq!(trace.count("timer"), 0);
        assert!(is_readable(&context, long), "a timer");
        while trace.count("timer") == 0 {
            context.service(Duration::ZERO).expect("the loop goes on");
        }
        agree(&mut context, "after the timer");
        let handle = context.handle();
        thread::spawn(move || handle.post(key, "x".into())).join().expect("no panic").unwrap();
        assert!(is_readable(&context, long), "a post");
        agree(&mut context, "after the post");
        assert_eq!(trace.count("notified"), 1);
        let all = context.connections();
        all.request_writable(all.all()[0]);
        assert!(is_readable(&context, long), "a writable");
        agree(&mut context, "after the writable");
        assert_eq!(trace.count("writable"), 1);
    }
}
