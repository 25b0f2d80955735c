//! What measuring costs while nobody asks for it. The levels are the process's, so this is a
//! process of its own.

use sockeye::log::{self, Levels, Record};
use sockeye::{Action, Conn, Context, Handshake, Message, Protocol, Reject};
use sockeye_testkit::{Frame, Peer};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

struct Echo;

impl Protocol for Echo {
    type Session = ();
    type Notice = ();

    fn name(&self) -> &str {
        "echo"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
        Ok(())
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        conn.reply(message)
    }
}

const MESSAGES: usize = 100;

/// How often the clock was read in the turn that echoed a hundred messages.
fn readings() -> usize {
    let read = Rc::new(Cell::new(0));
    let reading = Rc::clone(&read);
    let clock = move || {
        reading.set(reading.get() + 1);
        Instant::now()
    };
    let mut context = Context::builder().protocol(Echo).clock(clock).build().expect("a context");
    let address = context.listen("127.0.0.1:0").expect("a listener");
    let context = Rc::new(RefCell::new(context));
    let turned = Rc::clone(&context);
    let turn = move || {
        turned.borrow_mut().service(Duration::ZERO).expect("the loop goes on");
    };
    let mut peer = Peer::connect(address, Rc::new(turn));
    peer.upgrade("/", &[]);
    let frames: Vec<u8> = (0..MESSAGES).flat_map(|_| peer.encode(&Frame::text("x"))).collect();
    assert_eq!(peer.send_without_turns(&frames), frames.len());
    read.set(0);
    let mut turns = 0;
    while peer.waiting() < MESSAGES * 3 {
        context.borrow_mut().service(Duration::ZERO).expect("the loop goes on");
        turns += 1;
    }
    assert!(turns < MESSAGES, "many messages come in one read: {turns} turns");
    read.get() / turns
}

#[test]
fn a_level_that_is_off_reads_no_clock() {
    log::set_emitter(|_: &Record<'_>| {});
    assert_eq!(readings(), 1, "once a turn");
    log::set_levels(Levels::LATENCY);
    assert!(readings() > MESSAGES, "each callback is measured");
}
