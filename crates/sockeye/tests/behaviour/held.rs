//! Short answers leave when all descriptors that were ready have had their turns, and before
//! anything else happens to their connection.

use crate::play::{Play, Trace};
use crate::world::{Mode, World};
use sockeye::{Action, CloseCode, ConnId, Connections, Context};
use sockeye_testkit::{End, Frame, Peer};
use std::cell::{Cell, RefCell};
use std::net::TcpStream;
use std::rc::Rc;

/// What the second connection's callback does to the first.
type Deed = fn(Connections<'_>, ConnId);

/// An echo on two connections; what the second receives is not answered, but has the deed done.
/// Both have sent when the server looks, the first before the second.
fn with_deed(deed: Deed) -> (Peer, Peer) {
    let first: Rc<Cell<Option<ConnId>>> = Rc::default();
    let play = Play::new(&Trace::default()).on_receive(move |conn, message| {
        if *conn.session == 0 {
            first.set(Some(conn.id()));
            return conn.reply(message);
        }
        deed(conn.connections(), first.get().expect("it came first"));
        Action::Continue
    });
    let world = World::new(Mode::BuiltIn, Context::builder().protocol(play));
    let mut peers = [world.client(), world.client()];
    send_at_once(&mut peers, &["question", "now"]);
    world.pump();
    peers.into()
}

/// Has peers say something before the server gets a turn.
fn send_at_once(peers: &mut [Peer], texts: &[&str]) {
    for (peer, text) in peers.iter_mut().zip(texts) {
        let bytes = peer.encode(&Frame::text(text));
        assert_eq!(peer.send_without_turns(&bytes), bytes.len());
    }
}

#[test]
fn what_others_send_there_comes_after_the_answer() {
    let (mut first, _) = with_deed(|all, first| {
        all.send(first, "an interjection").expect("it is open");
        all.send(first, "another").expect("it is open");
    });
    first.expect_text("question");
    first.expect_text("an interjection");
    first.expect_text("another");
}

#[test]
fn a_close_by_another_comes_after_the_answer() {
    let (mut first, _) = with_deed(|all, first| all.close(first, CloseCode::NORMAL, ""));
    first.expect_text("question");
    first.expect_close(1000);
}

#[test]
fn an_abort_by_another_comes_after_the_answer() {
    let (mut first, _) = with_deed(|all, first| all.abort(first));
    first.expect_text("question");
    assert!(matches!(first.expect_end(), End::Eof | End::Reset));
}

#[test]
fn asking_whether_it_is_choked_sends_the_answer_first() {
    // What has come at the first peer before and after the question.
    thread_local!(static SEEN: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) });
    thread_local!(static FIRST: RefCell<Option<TcpStream>> = const { RefCell::new(None) });
    let look = || {
        let waiting = FIRST.with_borrow(|first| {
            let stream = first.as_ref().expect("it is set below");
            stream.peek(&mut [0; 100]).unwrap_or(0)
        });
        SEEN.with_borrow_mut(|seen| seen.push(waiting));
    };
    let play = Play::new(&Trace::default()).on_receive(move |conn, message| {
        if *conn.session == 0 {
            return conn.reply(message);
        }
        look();
        let all = conn.connections();
        assert!(!all.is_choked(all.all()[0]));
        look();
        Action::Continue
    });
    let world = World::new(Mode::BuiltIn, Context::builder().protocol(play));
    let mut peers = [world.client(), world.client()];
    FIRST.set(Some(peers[0].stream().try_clone().expect("a descriptor")));
    send_at_once(&mut peers, &["question", "now"]);
    world.pump();
    assert_eq!(SEEN.take(), [0, 2 + "question".len()], "held until it was asked for");
    peers[0].expect_text("question");
}
