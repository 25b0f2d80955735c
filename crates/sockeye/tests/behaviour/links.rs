//! Connections that are opened again: when, when not, and that nothing is lost on the way.

use crate::world::{Mode, World, in_every_mode};
use sockeye::{
    Action, Closed, Conn, ConnId, Connect, ConnectError, Connections, Context, Handshake, Jitter,
    Key, LinkId, LinkUp, Message, Outage, Protocol, Reconnect, Reject, Retry, Why,
};
use sockeye_testkit::{Frame, Listening, Opcode, Peer, Port, accept_upgrade};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// What the application knows.
#[derive(Default)]
struct Desk {
    /// Sent and not acknowledged, by number.
    open: BTreeMap<u32, String>,
    acknowledged: BTreeSet<u32>,
    ups: Vec<(u32, u32, Option<String>)>,
    downs: Vec<String>,
    plan: Option<Duration>,
    failed: u32,
    closed: u32,
    link: Option<LinkId>,
    /// What `link_down` decides.
    retry: Option<Retry>,
}

/// An application that has its messages acknowledged, and sends them again on a new connection.
#[derive(Clone, Default)]
struct Keeper(Rc<RefCell<Desk>>);

impl Keeper {
    fn say(&self, all: &Connections<'_>, key: Key<Keeper>, number: u32) {
        self.0.borrow_mut().open.insert(number, format!("message {number}"));
        let _ = all.post(key, ());
    }
}

impl Protocol for Keeper {
    type Session = ();
    type Notice = ();

    fn name(&self) -> &str {
        "keeper"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
        Ok(())
    }

    fn link_up(&mut self, conn: &mut Conn<'_, Self>, up: &LinkUp<'_>) -> Action {
        let mut desk = self.0.borrow_mut();
        assert_eq!(conn.connections().link(conn.id()), Some(up.link));
        assert_eq!(conn.connections().linked(up.link), Some(conn.id()));
        desk.ups.push((up.opened, up.failures, up.last.map(str::to_owned)));
        desk.open.values().for_each(|message| conn.send(message.as_str()).expect("it is open"));
        Action::Continue
    }

    fn link_down(&mut self, _: Connections<'_>, outage: &Outage<'_>) -> Retry {
        let mut desk = self.0.borrow_mut();
        assert!(desk.link.is_none_or(|link| link == outage.link));
        desk.link = Some(outage.link);
        desk.downs.push(outage.why.to_string());
        desk.plan = outage.plan;
        if let Why::Closed(_) = outage.why {
            assert!(outage.opened > 0);
        }
        desk.retry.unwrap_or(Retry::AsPlanned)
    }

    fn receive(&mut self, _: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        let text = message.as_text().expect("text");
        let number =
            text.strip_prefix("got ").expect("an acknowledgement").parse().expect("a number");
        let mut desk = self.0.borrow_mut();
        desk.open.remove(&number);
        desk.acknowledged.insert(number);
        Action::Continue
    }

    fn notified(&mut self, all: Connections<'_>, (): ()) {
        let newest = self.0.borrow().open.values().next_back().cloned();
        let link = self.0.borrow().link;
        let to = link.and_then(|link| all.linked(link)).or_else(|| all.all().first().copied());
        if let (Some(to), Some(newest)) = (to, newest) {
            // Refused unless it is open; then `link_up` will send it.
            let _ = all.send_frame(to, Opcode::Text, true, newest.as_bytes());
        }
    }

    fn closed(&mut self, _: Connections<'_>, _: ConnId, (): (), _: Closed) {
        self.0.borrow_mut().closed += 1;
    }

    fn connect_failed(&mut self, _: Connections<'_>, _: ConnId, _: ConnectError) {
        self.0.borrow_mut().failed += 1;
    }
}

struct Clients {
    world: Rc<World>,
    key: Key<Keeper>,
    keeper: Keeper,
    port: Port,
}

impl Clients {
    fn new(mode: Mode) -> (Self, Listening) {
        let port = Port::reserve();
        let listener = port.listen();
        let keeper = Keeper::default();
        let mut builder = Context::builder();
        let key = builder.register(keeper.clone());
        (Self { world: World::new(mode, builder), key, keeper, port }, listener)
    }

    fn connect(&self, policy: Reconnect) -> ConnId {
        let connect = Connect::to(&format!("ws://{}/", self.port.address)).expect("an address");
        let connect = connect.reconnect(policy);
        let begun = self.world.connections(|all| all.connect(&connect, self.key.id()));
        begun.expect("it begins")
    }

    fn desk<R>(&self, look: impl FnOnce(&mut Desk) -> R) -> R {
        look(&mut self.keeper.0.borrow_mut())
    }

    fn downs(&self) -> usize {
        self.desk(|desk| desk.downs.len())
    }

    fn until_down(&self, count: usize) {
        self.world.until("an outage", || self.downs() == count);
    }

    fn accept(&self, listener: &TcpListener) -> Peer {
        Peer::accept(listener, self.world.turns())
    }
}

fn expect_nobody(listener: &TcpListener) {
    listener.set_nonblocking(true).expect("it can be non-blocking");
    assert_eq!(listener.accept().expect_err("nobody connects").kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_link_is_opened_again_after_the_planned_delay_and_not_before() {
    in_every_mode(|mode| {
        let (clients, listener) = Clients::new(mode);
        let first = clients.connect(Reconnect { jitter: Jitter::None, ..Reconnect::default() });
        accept_upgrade(&mut clients.accept(&listener)); // and drops it
        clients.until_down(1);
        for (attempt, seconds) in [(1, 1), (2, 2), (3, 4)] {
            assert_eq!(clients.desk(|desk| desk.plan), Some(Duration::from_secs(seconds)));
            let next = clients.world.connections(|all| all.all());
            assert!(next.len() == 1 && next[0] != first, "{next:?}");
            clients.world.wind(Duration::from_secs(seconds) - MS);
            expect_nobody(&listener);
            clients.world.wind(2 * MS);
            let mut server = clients.accept(&listener);
            server.expect_head();
            drop(server); // in the middle of the handshake
            clients.until_down(attempt + 1);
        }
        assert_eq!(clients.desk(|desk| (desk.closed, desk.failed, desk.ups.len())), (1, 3, 1));
        clients.world.wind(Duration::from_secs(8));
        let mut server = clients.accept(&listener);
        accept_upgrade(&mut server);
        clients.world.until("it is up", || clients.desk(|desk| desk.ups.len()) == 2);
        let (opened, failures, last) = clients.desk(|desk| desk.ups[1].clone());
        assert_eq!((opened, failures), (1, 4));
        assert!(last.expect("a reason").contains("connection lost during the handshake"));
        // After ten seconds it is stable: the next failure is the first.
        clients.world.wind(Duration::from_secs(11));
        drop(server);
        clients.until_down(5);
        assert_eq!(clients.desk(|desk| desk.plan), Some(Duration::from_secs(1)));
    });
}

/// What a link plans after this answer to its first handshake.
fn plan_after(mode: Mode, answer: &str) -> Option<Duration> {
    let (clients, listener) = Clients::new(mode);
    clients.connect(Reconnect { jitter: Jitter::None, ..Reconnect::default() });
    let mut server = clients.accept(&listener);
    server.expect_head();
    server.send(format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n"));
    clients.until_down(1);
    let plan = clients.desk(|desk| desk.plan);
    let left = clients.world.connections(|all| all.len());
    assert_eq!(left, usize::from(plan.is_some()), "{answer}");
    plan
}

#[test]
fn answers_decide_whether_and_when_a_link_is_opened_again() {
    in_every_mode(|mode| {
        let second = Some(Duration::from_secs(1));
        for (answer, plan) in [
            ("503 No\r\nRetry-After: 9", Some(Duration::from_secs(9))),
            ("429 No\r\nRetry-After: 0", second),
            ("503 No", second),
            ("404 No\r\nRetry-After: 9", None),
            ("401 No", None),
            ("200 OK", None),
            ("301 No", None),
        ] {
            assert_eq!(plan_after(mode, answer), plan, "{answer}");
        }
    });
}

#[test]
fn close_codes_decide_whether_a_link_is_opened_again() {
    in_every_mode(|mode| {
        for (code, again) in
            [(1000, false), (1001, true), (1008, false), (1012, true), (4000, false)]
        {
            let (clients, listener) = Clients::new(mode);
            clients.connect(Reconnect::default());
            let mut server = clients.accept(&listener);
            accept_upgrade(&mut server);
            server.send_frame(&Frame::close(code, ""));
            server.expect_close(code);
            server.finish();
            clients.until_down(1);
            clients.world.until_connections(usize::from(again));
        }
    });
}

#[test]
fn the_application_has_the_last_word() {
    in_every_mode(|mode| {
        let (clients, listener) = Clients::new(mode);
        clients.connect(Reconnect::default());
        clients.desk(|desk| desk.retry = Some(Retry::After(Duration::from_secs(77))));
        let mut server = clients.accept(&listener);
        server.expect_head();
        server.send("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
        clients.until_down(1);
        clients.world.wind(Duration::from_secs(76));
        expect_nobody(&listener);
        clients.world.wind(Duration::from_secs(2));
        let mut server = clients.accept(&listener);
        server.expect_head();
        clients.desk(|desk| desk.retry = Some(Retry::Never));
        drop(server);
        clients.until_down(2);
        clients.world.until_connections(0);
    });
}

#[test]
fn a_link_ends_with_its_attempts_an_abort_or_a_close_by_this_end() {
    in_every_mode(|mode| {
        let (clients, listener) = Clients::new(mode);
        drop(listener);
        clients.connect(Reconnect { attempts: Some(2), ..Reconnect::default() });
        for count in 1..=3 {
            clients.until_down(count);
            clients.world.wind(Duration::from_secs(5));
        }
        clients.world.until_connections(0);
        assert_eq!(clients.desk(|desk| (desk.downs.len(), desk.plan)), (3, None));

        let (clients, listener) = Clients::new(mode);
        clients.connect(Reconnect::default());
        drop(clients.accept(&listener));
        clients.until_down(1);
        clients.world.connections(|all| {
            let waits = clients.desk(|desk| desk.link).and_then(|link| all.linked(link));
            all.abort(waits.expect("it waits"));
        });
        clients.world.until_connections(0);
        assert_eq!(clients.desk(|desk| desk.downs.clone())[1..], ["aborted"]);

        let (clients, listener) = Clients::new(mode);
        let id = clients.connect(Reconnect::default());
        let mut server = clients.accept(&listener);
        accept_upgrade(&mut server);
        clients.world.until("it is up", || clients.desk(|desk| desk.ups.len()) == 1);
        clients.world.connections(|all| all.close(id, sockeye::CloseCode::NORMAL, ""));
        server.expect_close(1000);
        server.send_frame(&Frame::close(1000, ""));
        server.finish();
        clients.world.until_connections(0);
        assert_eq!(clients.desk(|desk| (desk.downs.len(), desk.plan)), (1, None));
    });
}

#[test]
fn a_shutdown_ends_links_that_wait() {
    in_every_mode(|mode| {
        let (clients, listener) = Clients::new(mode);
        clients.connect(Reconnect::default());
        drop(clients.accept(&listener));
        clients.until_down(1);
        clients.world.handle.shutdown();
        clients.world.until("its end", || clients.world.is_finished());
        assert_eq!(clients.downs(), 2);
    });
}

/// A generator of its own, so that a failure can be repeated.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % most
    }
}

/// One life of a server: it takes a connection unless it dies before, reads and acknowledges so
/// many messages, of which the last may go unacknowledged, and dies.
struct Life {
    handshake: u64,
    messages: u64,
    last_unanswered: bool,
}

#[test]
fn a_client_survives_fifty_restarts_and_loses_nothing_that_was_acknowledged() {
    in_every_mode(|mode| {
        let (clients, first) = Clients::new(mode);
        let mut chance = Chance(11);
        clients.connect(Reconnect { jitter: Jitter::Seeded(5), ..Reconnect::default() });
        let (mut received, mut number) = (BTreeSet::new(), 0);
        let mut listener = Some(first);
        for _ in 0..50 {
            let server = listener.take().unwrap_or_else(|| clients.port.listen());
            let life = Life {
                handshake: chance.below(4),
                messages: chance.below(5),
                last_unanswered: chance.below(2) == 0,
            };
            let before = clients.downs();
            live(&clients, &server, &life, &mut number, &mut received);
            drop(server);
            clients.until_down(before + 1);
            // Down for a while: each attempt finds the port refused, none comes before its time.
            for down in 0..chance.below(3) as usize {
                let plan = clients.desk(|desk| desk.plan).expect("it goes on");
                clients.world.wind(plan.saturating_sub(MS));
                if plan > MS {
                    assert_eq!(clients.downs(), before + 1 + down, "tried before its time");
                }
                clients.world.wind(2 * MS);
                clients.until_down(before + 2 + down);
            }
            let plan = clients.desk(|desk| desk.plan).expect("it goes on");
            assert!(plan <= Duration::from_secs(30), "{plan:?}");
            listener = Some(clients.port.listen());
            clients.world.wind(plan + MS);
        }
        let server = listener.expect("the last");
        let mut peer = clients.accept(&server);
        accept_upgrade(&mut peer);
        let waiting = clients.desk(|desk| desk.open.len());
        for _ in 0..waiting {
            take(&mut peer, true, &mut received);
        }
        clients.world.until("all is acknowledged", || clients.desk(|desk| desk.open.is_empty()));
        clients.desk(|desk| {
            assert!(number > 40, "{number} messages");
            assert_eq!(desk.acknowledged, (1..=number).collect());
            assert!(desk.acknowledged.is_subset(&received), "an acknowledged message was lost");
        });
    });
}

fn live(
    clients: &Clients,
    listener: &TcpListener,
    life: &Life,
    number: &mut u32,
    received: &mut BTreeSet<u32>,
) {
    let mut peer = clients.accept(listener);
    match life.handshake {
        0 => return, // dies before it has read anything
        1 => {
            peer.expect_head();
            return;
        }
        _ => accept_upgrade(&mut peer),
    };
    let ups = clients.desk(|desk| desk.ups.len());
    let up = || clients.desk(|desk| desk.ups.len()) > ups || peer_is_up(clients);
    clients.world.until("it is up", up);
    let waiting = clients.desk(|desk| desk.open.len());
    for _ in 0..waiting {
        take(&mut peer, true, received);
    }
    for message in 0..life.messages {
        *number += 1;
        clients.world.connections(|all| clients.keeper.say(&all, clients.key, *number));
        let answered = message + 1 < life.messages || !life.last_unanswered;
        take(&mut peer, answered, received);
    }
    if life.last_unanswered {
        *number += 1; // said while the server dies
        clients.world.connections(|all| clients.keeper.say(&all, clients.key, *number));
    }
    clients.world.pump();
}

/// Whether the last thing that has happened to the link is that it came up.
fn peer_is_up(clients: &Clients) -> bool {
    clients.world.connections(|all| all.count(clients.key.id())) == 1
}

/// Takes the next message, and acknowledges it or not.
fn take(peer: &mut Peer, answered: bool, received: &mut BTreeSet<u32>) {
    let frame = peer.expect_frame();
    let text = String::from_utf8(frame.payload).expect("text");
    let number = text.strip_prefix("message ").expect("a message").parse().expect("a number");
    received.insert(number);
    if answered {
        peer.send_frame(&Frame::text(&format!("got {number}")));
    }
}
