//! Timers, and what silence leads to.

use crate::play::{Play, Trace};
use crate::world::{Mode, World, in_every_mode};
use crate::writability::{narrow, narrow_client};
use sockeye::{Action, Context, Limits};
use sockeye_testkit::{Frame, Opcode, Peer, idle};
use std::rc::Rc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Sets its timer to as many seconds as it is told, or clears it.
fn alarm_clock(trace: &Trace) -> Play {
    Play::new(trace).on_receive(|conn, message| {
        match message.as_text().and_then(|text| text.parse().ok()) {
            Some(seconds) => conn.set_timer(Duration::from_secs(seconds)),
            None => conn.clear_timer(),
        }
        conn.reply("done")
    })
}

fn tell(peer: &mut Peer, text: &str) {
    peer.send_frame(&Frame::text(text));
    peer.expect_text("done");
}

#[test]
fn a_timer_fires_once_at_its_time() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = World::new(mode, Context::builder().protocol(alarm_clock(&trace)));
        let mut peer = world.client();
        tell(&mut peer, "10");
        world.wind(9 * SECOND);
        assert_eq!(trace.count("timer"), 0);
        world.wind(SECOND);
        assert_eq!(trace.count("timer"), 1);
        world.wind(15 * SECOND);
        assert_eq!(trace.count("timer"), 1);
    });
}

/// By the clock of the system: `run` waits without an end for what is due as in the turn before.
#[test]
fn what_is_due_is_done_however_many_turns_before_waited_for_it() {
    let play = Play::new(&Trace::default())
        .on_receive(|conn, message| {
            if let Some(millis) = message.as_text().and_then(|text| text.parse().ok()) {
                conn.set_timer(Duration::from_millis(millis));
            }
            conn.reply("done")
        })
        .on_timer(|conn| conn.reply("rung"));
    let mut context = Context::builder().protocol(play).build().expect("a context");
    let address = context.listen("127.0.0.1:0").expect("a listener");
    let handle = context.handle();
    let peer = std::thread::spawn(move || {
        let _shutdown = OnDrop(|| handle.shutdown()); // also if something is not as expected
        let mut peer = Peer::connect(address, idle());
        peer.upgrade("/", &[]);
        for millis in ["300", "100", "300"] {
            tell(&mut peer, "3600000");
            tell(&mut peer, "the same is due as before");
            tell(&mut peer, "still");
            tell(&mut peer, millis); // something is due sooner
            tell(&mut peer, "still");
            tell(&mut peer, "still");
            peer.expect_text("rung");
            tell(&mut peer, millis);
            peer.expect_text("rung");
        }
    });
    context.run().expect("it ends in good order");
    peer.join().expect("the timer fires");
}

/// Does something when it goes.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        self.0();
    }
}

#[test]
fn a_timer_set_again_is_replaced_and_one_taken_back_does_not_fire() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = World::new(mode, Context::builder().protocol(alarm_clock(&trace)));
        let mut peer = world.client();
        tell(&mut peer, "2");
        tell(&mut peer, "5");
        world.wind(4 * SECOND);
        assert_eq!(trace.count("timer"), 0);
        tell(&mut peer, "1"); // the same moment as before
        tell(&mut peer, "1");
        world.wind(SECOND);
        assert_eq!(trace.count("timer"), 1);
        tell(&mut peer, "3");
        tell(&mut peer, "clear");
        world.wind(5 * SECOND);
        assert_eq!(trace.count("timer"), 1);
    });
}

#[test]
fn timers_fire_in_the_order_of_their_times() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = World::new(mode, Context::builder().protocol(alarm_clock(&trace)));
        let mut peers: Vec<Peer> = (0..50).map(|_| world.client()).collect();
        for (i, peer) in (0_u64..).zip(&mut peers) {
            tell(peer, &(i * 29 % 25 + 1).to_string());
        }
        trace.take();
        world.wind(12 * SECOND);
        let early = trace.take();
        world.wind(14 * SECOND);
        let late = trace.take();
        let seconds = |line: &String| {
            let number = line.strip_prefix("timer#").expect("only timers fire");
            number.parse::<u64>().expect("a number") * 29 % 25 + 1
        };
        let fired: Vec<u64> = early.iter().chain(&late).map(seconds).collect();
        assert!(fired.is_sorted(), "{fired:?}");
        assert_eq!((early.len(), late.len()), (24, 26));
    });
}

#[test]
fn a_timer_set_to_zero_in_itself_starves_nobody() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let play = Play::new(&trace)
            .on_open(|conn| {
                conn.set_timer(Duration::ZERO);
                Action::Continue
            })
            .on_timer(|conn| {
                conn.set_timer(Duration::ZERO);
                Action::Continue
            });
        let world = World::new(mode, Context::builder().protocol(play));
        let (mut one, mut other) = (world.client(), world.client());
        for peer in [&mut one, &mut other, &mut world.client()] {
            peer.send_frame(&Frame::text("heard"));
            peer.expect_text("heard");
        }
        let fired = [trace.count("timer#0"), trace.count("timer#1")];
        assert!(fired.iter().all(|&count| count > 2), "{fired:?}");
    });
}

#[test]
fn a_timer_of_a_connection_that_ended_does_not_fire_for_the_next_in_its_place() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = World::new(mode, Context::builder().protocol(alarm_clock(&trace)));
        let mut peer = world.client();
        tell(&mut peer, "3");
        peer.close(1000, "");
        drop(peer);
        world.until_connections(0);
        let _next = world.client();
        world.wind(5 * SECOND);
        assert_eq!(trace.count("timer"), 0);
    });
}

#[test]
fn timers_and_deadlines_of_real_time_are_kept() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let play = Play::new(&trace).on_open(|conn| {
            conn.set_timer(Duration::from_millis(20));
            Action::Continue
        });
        let limits = Limits { ping_after: Duration::from_millis(100), ..Limits::default() };
        let world = World::in_real_time(mode, Context::builder().protocol(play).limits(limits));
        let mut peer = world.client();
        world.until("the timer", || trace.count("timer") == 1);
        peer.expect_message(Opcode::Ping, b"");
    });
}

fn echo(mode: Mode) -> (Rc<World>, Trace) {
    let trace = Trace::default();
    (World::new(mode, Context::builder().protocol(Play::new(&trace))), trace)
}

#[test]
fn a_silent_connection_is_pinged_after_30_seconds_and_cut_after_20_more() {
    in_every_mode(|mode| {
        let (world, trace) = echo(mode);
        let mut peer = world.client();
        world.wind(Duration::from_millis(29_900));
        peer.expect_silence();
        world.wind(Duration::from_millis(300));
        peer.expect_message(Opcode::Ping, b"");
        world.wind(Duration::from_millis(19_700));
        peer.expect_silence();
        world.wind(Duration::from_millis(500));
        peer.expect_end();
        assert_eq!(trace.last("closed"), "closed#0 closed by us: no pong within 20s, not clean");
    });
}

#[test]
fn a_pong_and_any_other_byte_count_as_signs_of_life() {
    in_every_mode(|mode| {
        let (world, trace) = echo(mode);
        let mut peer = world.client();
        let half_a_frame = Frame::text("half").masked();
        let signs = [Frame::pong("").masked(), half_a_frame[..2].to_vec()];
        for sign in signs.iter().chain([&half_a_frame[2..].to_vec()]) {
            world.wind(31 * SECOND);
            peer.expect_message(Opcode::Ping, b"");
            world.wind(19 * SECOND);
            peer.send(sign);
            world.pump();
            world.wind(2 * SECOND);
        }
        peer.expect_text("half");
        assert_eq!(trace.count("closed"), 0);
    });
}

#[test]
fn a_connection_in_use_is_not_pinged() {
    in_every_mode(|mode| {
        let (world, _) = echo(mode);
        let mut peer = world.client();
        for _ in 0..10 {
            world.wind(29 * SECOND);
            peer.send_frame(&Frame::text("x"));
            peer.expect_text("x");
        }
    });
}

#[test]
fn a_paused_connection_is_not_cut_for_an_answer_nobody_reads() {
    in_every_mode(|mode| {
        let (world, trace) = echo(mode);
        let mut peer = world.client();
        world.connections(|all| all.pause(all.all()[0]));
        world.wind(31 * SECOND);
        world.wind(31 * SECOND);
        world.wind(31 * SECOND);
        peer.expect_silence();
        world.connections(|all| all.resume(all.all()[0]));
        peer.send_frame(&Frame::text("x"));
        peer.expect_text("x");
        world.wind(31 * SECOND);
        peer.expect_message(Opcode::Ping, b"");
        world.connections(|all| all.pause(all.all()[0])); // between ping and pong
        peer.send_frame(&Frame::pong(""));
        world.wind(21 * SECOND);
        world.wind(31 * SECOND);
        assert_eq!(trace.count("closed"), 0);
        world.connections(|all| all.resume(all.all()[0]));
        peer.send_frame(&Frame::text("x"));
        peer.expect_text("x");
    });
}

#[test]
fn a_peer_that_takes_nothing_is_cut() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let play = Play::new(&trace).on_receive(|conn, _| conn.reply(vec![0; 3_000_000]));
        let world = World::new(mode, narrow(Context::builder().protocol(play)));
        let mut peer = narrow_client(&world);
        peer.send_frame(&Frame::text("go"));
        world.pump();
        world.wind(31 * SECOND);
        assert_eq!(trace.count("closed"), 0);
        world.wind(21 * SECOND);
        let closed = "closed#0 closed by us: peer took nothing for 20s, not clean";
        assert_eq!(trace.last("closed"), closed);
    });
}

#[test]
fn a_peer_that_takes_a_little_now_and_then_is_not_cut() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let play = Play::new(&trace).on_receive(|conn, _| conn.reply(vec![0; 3_000_000]));
        let world = World::new(mode, narrow(Context::builder().protocol(play)));
        let mut peer = narrow_client(&world);
        peer.send_frame(&Frame::text("go"));
        world.pump();
        for _ in 0..10 {
            world.wind(15 * SECOND);
            peer.expect_bytes(100_000);
            world.pump();
        }
        assert_eq!(trace.count("closed"), 0);
    });
}

#[test]
fn an_idle_loop_does_not_spin() {
    in_every_mode(|mode| {
        let (world, _) = echo(mode);
        assert_eq!(world.turns_while_idle(), 0, "with nobody there");
        let _peers: Vec<Peer> = (0..10).map(|_| world.client()).collect();
        let _silent = world.peer();
        assert_eq!(world.turns_while_idle(), 0, "with idle connections");
    });
}

#[test]
fn a_heartbeat_beats_at_its_interval_and_missed_beats_are_not_made_up_for() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let beats = trace.clone();
        let builder = Context::builder().protocol(Play::new(&trace));
        let world = World::new(mode, builder.heartbeat(2 * SECOND, move || beats.note("beat")));
        world.pump();
        assert_eq!(trace.count("beat"), 1, "as soon as the loop turns");
        world.wind(SECOND);
        assert_eq!(trace.count("beat"), 1);
        for count in 2..5 {
            world.wind(2 * SECOND);
            assert_eq!(trace.count("beat"), count);
        }
        world.wind(60 * SECOND);
        assert_eq!(trace.count("beat"), 5);
        assert_eq!(world.turns_while_idle(), 0);
    });
}
