//! What a foreign loop is told to watch: counted change by change, by a host that believes nothing
//! but the changes.

use crate::play::{Play, Trace};
use mio::unix::SourceFd;
use mio::{Events, Poll, Token};
use sockeye::{Action, Change, Context, External, Handle, Interest, Limits, Readiness};
use sockeye_testkit::{Clock, Frame, Peer};
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::Duration;

/// A change, without the number of the descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Watch(Interest),
    Forget,
}

use Told::{Forget, Watch};

const READ: Told = Watch(Interest::READ);
const WRITE: Told = Watch(Interest::WRITE);
const NONE: Told = Watch(Interest::NONE);

/// A host over mio. It never calls `tick` nor `watched`, and takes one event of each wait.
struct Mock {
    context: Context<External>,
    poll: Poll,
    watched: HashMap<RawFd, Interest>,
    /// All changes since the last look.
    told: Vec<(RawFd, Told)>,
    waits: usize,
}

impl Mock {
    fn apply(&mut self) {
        for change in self.context.changes() {
            let registry = self.poll.registry();
            match change {
                Change::Watch(fd, interest) => {
                    self.told.push((fd, Watch(interest)));
                    let before = self.watched.insert(fd, interest);
                    assert_ne!(before, Some(interest), "{change:?} is redundant");
                    // The kernel checks what is claimed: that it is new, that it is known.
                    let mut source = SourceFd(&fd);
                    match (before.and_then(wanted), wanted(interest)) {
                        (None, Some(wish)) => registry.register(&mut source, token(fd), wish),
                        (Some(_), Some(wish)) => registry.reregister(&mut source, token(fd), wish),
                        (Some(_), None) => registry.deregister(&mut source),
                        (None, None) => Ok(()),
                    }
                    .unwrap_or_else(|error| panic!("{change:?}: {error}"));
                }
                Change::Forget(fd) => {
                    self.told.push((fd, Forget));
                    let before = self.watched.remove(&fd).expect("it was watched");
                    if wanted(before).is_some() {
                        let open = registry.deregister(&mut SourceFd(&fd));
                        open.expect("it stays open until it has been forgotten");
                    }
                }
            }
        }
    }

    /// Waits, and handles one event. Whether there was one.
    fn turn(&mut self) -> bool {
        self.apply();
        let mut events = Events::with_capacity(64);
        self.poll.poll(&mut events, Some(Duration::ZERO)).expect("a wait");
        let found: Vec<RawFd> = events.iter().map(|event| event.token().0 as RawFd).collect();
        self.waits += 1;
        let Some(event) = events.iter().nth(self.waits % found.len().max(1)) else { return false };
        let readiness = Readiness {
            readable: event.is_readable(),
            writable: event.is_writable(),
            hangup: event.is_error(),
        };
        let fd = event.token().0 as RawFd;
        assert!(self.watched.contains_key(&fd), "an event of a descriptor that was forgotten");
        self.context.ready(fd, readiness).expect("the loop goes on");
        self.apply();
        for fd in found {
            // mio tells of edges: what is registered again is looked at again.
            if let Some(wish) = self.watched.get(&fd).copied().and_then(wanted) {
                let again = self.poll.registry().reregister(&mut SourceFd(&fd), token(fd), wish);
                again.expect("it is watched, so it is open");
            }
        }
        true
    }
}

fn wanted(interest: Interest) -> Option<mio::Interest> {
    let readable = interest.is_readable().then_some(mio::Interest::READABLE);
    let writable = interest.is_writable().then_some(mio::Interest::WRITABLE);
    match (readable, writable) {
        (Some(readable), Some(writable)) => Some(readable.add(writable)),
        (one, other) => one.or(other),
    }
}

fn token(fd: RawFd) -> Token {
    Token(fd as usize)
}

/// A server in such a host.
struct World {
    mock: Rc<RefCell<Mock>>,
    address: SocketAddr,
    handle: Handle,
    clock: Clock,
}

impl World {
    fn new(play: Play) -> Self {
        let clock = Clock::new();
        let builder = Context::builder().protocol(play).clock(clock.reading());
        let limits = Limits { ping_after: Duration::from_secs(30), ..Limits::default() };
        let mut context =
            crate::writability::narrow(builder.limits(limits)).build_external().expect("a context");
        let address = context.listen("127.0.0.1:0").expect("a listener");
        let handle = context.handle();
        let poll = Poll::new().expect("a poll");
        let (watched, told) = (HashMap::new(), Vec::new());
        let mock = Mock { context, poll, watched, told, waits: 0 };
        let world = Self { mock: Rc::new(RefCell::new(mock)), address, handle, clock };
        world.settle();
        assert_eq!(world.told(), [READ, READ], "the context's own descriptor and the listener");
        world
    }

    /// Turns until nothing is reported.
    fn settle(&self) {
        while self.mock.borrow_mut().turn() {}
    }

    /// What was told since the last look, once nothing more happens.
    fn told(&self) -> Vec<Told> {
        self.settle();
        self.mock.borrow_mut().told.drain(..).map(|(_, told)| told).collect()
    }

    fn peer(&self) -> Peer {
        let mock = Rc::clone(&self.mock);
        let turns = move || while mock.borrow_mut().turn() {};
        Peer::connect(self.address, Rc::new(turns))
    }

    fn client(&self) -> Peer {
        let mut peer = self.peer();
        peer.upgrade("/", &[]);
        assert_eq!(self.told(), [READ], "watched once for all of the handshake");
        peer
    }

    fn until(&self, what: &str, so: impl Fn() -> bool) {
        let began = std::time::Instant::now();
        while !so() {
            self.mock.borrow_mut().turn();
            assert!(began.elapsed() < Duration::from_secs(60), "{what}: in vain");
        }
    }
}

#[test]
fn a_connection_that_is_not_choked_is_told_of_twice_in_its_life() {
    let trace = Trace::default();
    let play = Play::new(&trace).on_writable(|_, permit| {
        let _ = permit.send("writable");
        Action::Continue
    });
    let world = World::new(play);
    let mut peer = world.client();
    for _ in 0..10 {
        peer.send_frame(&Frame::text("echo"));
        peer.expect_text("echo");
    }
    {
        let mut mock = world.mock.borrow_mut();
        let all = mock.context.connections();
        let id = all.all()[0];
        all.request_writable(id);
        all.send(id, "aside").expect("the queue is empty");
    }
    peer.expect_text("aside");
    peer.expect_text("writable");
    world.clock.wind(Duration::from_secs(31)); // a ping is due
    world.handle.wake();
    peer.expect_message(sockeye::Opcode::Ping, b"");
    assert_eq!(world.told(), []);
    peer.close(1000, "");
    drop(peer);
    world.until("its end", || trace.count("closed") == 1);
    assert_eq!(world.told(), [Forget]);
}

#[test]
fn write_interest_begins_with_the_choke_and_ends_with_it_once_each() {
    let trace = Trace::default();
    let play = Play::new(&trace).on_receive(|conn, _| conn.reply("x".repeat(3_000_000)));
    let world = World::new(play);
    let mut peer = world.client();
    peer.send_frame(&Frame::text("go"));
    world.until("the message", || trace.count("receive") == 1);
    assert_eq!(world.told(), [WRITE], "and reading pauses, for the queue is full");
    peer.expect_text(&"x".repeat(3_000_000));
    assert_eq!(world.told(), [READ]);
}

#[test]
fn pausing_and_resuming_change_read_interest_once_each() {
    let trace = Trace::default();
    let play = Play::new(&trace).on_receive(|conn, _| {
        conn.pause();
        conn.pause();
        Action::Continue
    });
    let world = World::new(play);
    let mut peer = world.client();
    peer.send_frame(&Frame::text("one"));
    world.until("the message", || trace.count("receive") == 1);
    assert_eq!(world.told(), [NONE]);
    peer.send(Frame::text("two").masked());
    assert_eq!(world.told(), []);
    {
        let mut mock = world.mock.borrow_mut();
        let all = mock.context.connections();
        let id = all.all()[0];
        all.resume(id);
        all.resume(id);
        all.pause(id);
        all.resume(id); // only the outcome counts
    }
    world.until("the second", || trace.count("receive") == 2);
    assert_eq!(world.told(), [READ, NONE]);
}

#[test]
fn every_way_to_end_is_told_by_one_forget() {
    type End = fn(&World, Peer);
    let ends: [(&str, End); 4] = [
        ("closing handshake", |_, mut peer| peer.close(1000, "")),
        ("FIN", |_, peer| drop(peer)),
        ("abort", |world, _peer| {
            let mut mock = world.mock.borrow_mut();
            let all = mock.context.connections();
            all.abort(all.all()[0]);
            drop(mock);
            world.settle();
        }),
        ("deadline", |world, _peer| {
            for _ in 0..2 {
                world.clock.wind(Duration::from_secs(31));
                world.handle.wake();
                world.settle();
            }
        }),
    ];
    for (name, end) in ends {
        println!("by {name}");
        let trace = Trace::default();
        let world = World::new(Play::new(&trace));
        let peer = world.client();
        end(&world, peer);
        world.until("its end", || trace.count("closed") == 1);
        let told = world.told();
        assert_eq!(told.last(), Some(&Forget));
        assert!(told[..told.len() - 1].iter().all(|told| *told == NONE), "{told:?}");
        assert_eq!(world.mock.borrow().watched.len(), 2);
    }
}

#[test]
fn a_shutdown_forgets_the_listener_and_every_connection() {
    let trace = Trace::default();
    let world = World::new(Play::new(&trace));
    let mut peers: Vec<Peer> = (0..20).map(|_| world.client()).collect();
    world.handle.shutdown();
    peers.iter_mut().for_each(|peer| peer.close_answer(1001, "going away"));
    drop(peers);
    world.until("the end", || world.mock.borrow().context.is_finished());
    assert_eq!(world.told(), [Forget; 21]);
    assert_eq!(world.mock.borrow().watched.len(), 1, "the context's own");
}
