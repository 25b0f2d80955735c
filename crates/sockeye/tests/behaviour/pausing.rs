//! Reading that stops and goes on, with everything still there and in order.

use crate::play::{Play, Trace};
use crate::world::{World, in_every_mode};
use sockeye::{Action, Context};
use sockeye_testkit::{Frame, Peer};
use std::time::Duration;

fn pausing(trace: &Trace) -> Play {
    Play::new(trace).on_receive(|conn, _| {
        conn.pause();
        Action::Continue
    })
}

fn numbered(count: usize) -> Vec<u8> {
    (0..count).flat_map(|i| Frame::text(&format!("{i}")).masked()).collect()
}

fn received(trace: &Trace) -> Vec<String> {
    trace.take().into_iter().filter(|line| line.starts_with("receive#0")).collect()
}

#[test]
fn a_connection_paused_in_the_middle_of_a_burst_keeps_the_rest_in_order() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = World::new(mode, Context::builder().protocol(pausing(&trace)));
        let mut peer = world.client();
        let bytes = numbered(10);
        peer.send(&bytes[..bytes.len() - 3]);
        for i in 0..9 {
            world.pump();
            assert_eq!(received(&trace), [format!("receive#0 {i}")], "one each time");
            assert_eq!(world.turns_while_idle(), 0, "a paused connection makes no work");
            world.connections(|all| all.resume(all.all()[0]));
        }
        world.pump();
        assert_eq!(received(&trace), [""; 0]);
        peer.send(&bytes[bytes.len() - 3..]);
        world.pump();
        assert_eq!(received(&trace), ["receive#0 9"]);
    });
}

#[test]
fn nothing_is_read_from_a_paused_connection() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = World::new(mode, Context::builder().protocol(Play::new(&trace)));
        let mut peer = world.client();
        let before = world.connections(|all| {
            all.pause(all.all()[0]);
            all.info(all.all()[0]).expect("it is open").bytes_in
        });
        world.pump();
        peer.send(Frame::ping("unheard").masked());
        peer.expect_silence();
        world.connections(|all| {
            assert_eq!(all.info(all.all()[0]).expect("it is open").bytes_in, before);
            all.resume(all.all()[0]);
        });
        peer.expect_message(sockeye_testkit::Opcode::Pong, b"unheard");
    });
}

#[test]
fn another_connections_callback_can_pause_and_resume() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let play = Play::new(&trace).on_receive(|conn, message| {
            let (all, first) = (conn.connections(), conn.connections().all()[0]);
            match message.as_text() {
                Some("pause") => all.pause(first),
                Some("resume") => all.resume(first),
                Some(_) | None => return conn.reply(message),
            }
            conn.reply("done")
        });
        let world = World::new(mode, Context::builder().protocol(play));
        let (mut paused, mut other) = (world.client(), world.client());
        other.send_frame(&Frame::text("pause"));
        other.expect_text("done");
        paused.send_frames(&[Frame::text("a"), Frame::text("b")]);
        paused.expect_silence();
        other.send_frame(&Frame::text("resume"));
        other.expect_text("done");
        paused.expect_text("a");
        paused.expect_text("b");
    });
}

#[test]
fn a_connection_can_pause_and_resume_itself_in_one_callback() {
    in_every_mode(|mode| {
        let play = Play::new(&Trace::default()).on_receive(|conn, message| {
            conn.pause();
            conn.resume();
            conn.reply(message)
        });
        let world = World::new(mode, Context::builder().protocol(play));
        let mut peer = world.client();
        peer.send(numbered(100));
        (0..100).for_each(|i| peer.expect_text(&format!("{i}")));
    });
}

#[test]
fn a_timer_can_resume() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let play = pausing(&trace)
            .on_open(|conn| {
                conn.set_timer(Duration::from_secs(1));
                Action::Continue
            })
            .on_timer(|conn| {
                conn.resume();
                conn.set_timer(Duration::from_secs(1));
                Action::Continue
            });
        let world = World::new(mode, Context::builder().protocol(play));
        let mut peer = world.client();
        peer.send(numbered(3));
        for i in 0..3 {
            world.pump();
            assert_eq!(received(&trace), [format!("receive#0 {i}")]);
            world.wind(Duration::from_secs(1));
        }
    });
}

#[test]
fn what_is_fed_comes_after_what_is_kept_and_before_what_is_still_to_be_read() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = World::new(mode, Context::builder().protocol(pausing(&trace)));
        let mut peer = world.client();
        peer.send(numbered(3));
        world.pump();
        peer.send(Frame::text("from the socket").masked());
        world.connections(|all| {
            let fed = Frame::text("fed").masked();
            all.feed(all.all()[0], &fed[..4]);
            all.feed(all.all()[0], &fed[4..]);
        });
        for _ in 0..5 {
            world.pump();
            world.connections(|all| all.resume(all.all()[0]));
        }
        let lines = ["0", "1", "2", "fed", "from the socket"];
        assert_eq!(received(&trace), lines.map(|line| format!("receive#0 {line}")));
    });
}

#[test]
fn an_open_connection_can_be_fed() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = World::new(mode, Context::builder().protocol(Play::new(&trace)));
        let mut peer = world.client();
        world.connections(|all| all.feed(all.all()[0], &Frame::text("fed").masked()));
        peer.expect_text("fed");
        peer.send_frame(&Frame::text("read"));
        peer.expect_text("read");
    });
}

#[test]
fn a_close_ends_a_paused_connection() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = World::new(mode, Context::builder().protocol(pausing(&trace)));
        let mut peer = world.client();
        peer.send(numbered(3));
        world.pump();
        world.connections(|all| {
            all.close(all.all()[0], sockeye::CloseCode::GOING_AWAY, "");
        });
        peer.close_answer(1001, "");
        assert_eq!(received(&trace), ["receive#0 0"], "what was kept is dropped");
    });
}

#[test]
fn a_reset_ends_a_paused_connection() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = World::new(mode, Context::builder().protocol(pausing(&trace)));
        let mut peer: Peer = world.client();
        peer.send(numbered(3));
        world.pump();
        sockeye_sys::set_linger_zero(std::os::fd::AsFd::as_fd(peer.stream())).expect("a socket");
        drop(peer);
        world.until("the reset", || trace.count("closed#0") == 1);
        world.until_connections(0);
    });
}
