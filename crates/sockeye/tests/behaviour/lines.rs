//! What the log says: a line for each connection, never more than so many, and none that a peer
//! has written; and what held the loop up.

use crate::play::{Play, Trace};
use crate::site::Site;
use crate::world::{CAN_NEST, Host, Mode, World, in_every_mode};
use sockeye::log::{self, Levels, Record, Value};
use sockeye::{Action, Builder, CloseCode, Connect, Context, Limits, Response, TcpKeepalive};
use sockeye_testkit::{Clock, Frame, Peer, accept_upgrade, upgrade_request};
use std::cell::RefCell;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Once;
use std::time::Duration;

/// An offer of compression.
const DEFLATE: (&str, &str) = ("Sec-WebSocket-Extensions", "permessage-deflate");

thread_local! {
    /// What was logged on this thread, which is one test's.
    static SAID: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Debug)]
struct Line {
    level: Levels,
    text: String,
    fields: Vec<(&'static str, String)>,
}

impl Line {
    fn field(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(known, _)| *known == name);
        &found.unwrap_or_else(|| panic!("no {name} in {self:?}")).1
    }
}

/// Turns every level on. Other tests of this process do not mind.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_emitter(|record: &Record<'_>| {
            let fields = record.fields().iter().map(|field| {
                let value = match field.value {
                    Value::Text(text) => text.to_owned(),
                    Value::Number(number) => number.to_string(),
                    Value::Flag(flag) => flag.to_string(),
                };
                (field.name, value)
            });
            let text = record.text().to_owned();
            let line = Line { level: record.level(), text, fields: fields.collect() };
            SAID.with_borrow_mut(|said| said.push(line));
        });
        log::set_levels(Levels::from_bits(u32::MAX));
    });
    SAID.take();
}

/// The lines of one level since the last time.
fn said(level: Levels) -> Vec<Line> {
    SAID.with_borrow_mut(|said| said.extract_if(.., |line| line.level == level).collect())
}

fn texts(level: Levels) -> Vec<String> {
    said(level).into_iter().map(|line| line.text).collect()
}

fn only(level: Levels) -> Line {
    let lines = said(level);
    let [line] = &lines[..] else { panic!("not one line: {lines:#?}") };
    line.clone()
}

fn world(mode: Mode, play: Play, limits: Limits) -> Rc<World> {
    listen();
    World::new(mode, Context::builder().protocol(play).limits(limits))
}

fn echo(mode: Mode) -> Rc<World> {
    world(mode, Play::new(&Trace::default()), Limits::default())
}

fn reset(peer: Peer) {
    sockeye_sys::set_linger_zero(peer.stream().as_fd()).expect("it is a socket");
}

#[test]
fn a_websocket_that_ends_has_one_line_with_all_of_it() {
    in_every_mode(|mode| {
        let world = echo(mode);
        let mut peer = world.client();
        let (from, id) = (peer.address(), "0.0");
        let hello = upgrade_request("/", &[]).len();
        peer.send_frame(&Frame::text("12345"));
        peer.expect_text("12345");
        world.wind(Duration::from_millis(1_250));
        peer.close(1000, "done");
        drop(peer);
        world.until_connections(0);
        let line = only(Levels::INFO);
        let bytes_in = hello + (6 + 5) + (6 + 2 + 4);
        let bytes_out: usize = line.field("bytes_out").parse().expect("a number");
        assert!(bytes_out > 7 + 8 + 100, "frames and the answer's head: {line:?}");
        assert_eq!(
            line.text,
            format!(
                "connection {id} from {from}, protocol \"play\", closed by peer: closing \
                 handshake, code 1000 normal closure, reason \"done\"; {bytes_in} bytes in, \
                 {bytes_out} out, 1.250 s"
            )
        );
        for (name, value) in [
            ("event", "closed"),
            ("connection", id),
            ("peer", &from.to_string()),
            ("protocol", "play"),
            ("by", "peer"),
            ("cause", "closing handshake"),
            ("code", "1000"),
            ("reason", "done"),
            ("clean", "true"),
            ("bytes_in", &bytes_in.to_string()),
            ("duration_ms", "1250"),
        ] {
            assert_eq!(line.field(name), value);
        }
    });
}

#[test]
fn every_byte_that_reached_the_peer_is_counted() {
    in_every_mode(|mode| {
        let world = echo(mode);
        let mut peer = world.peer();
        peer.send(upgrade_request("/", &[]));
        peer.send_frame(&Frame::binary(vec![7; 300_000]));
        peer.send_frame(&Frame::close(1000, "bye"));
        let received = peer.expect_rest().len();
        drop(peer);
        world.until_connections(0);
        assert_eq!(only(Levels::INFO).field("bytes_out"), received.to_string());
    });
}

#[test]
fn a_peer_cannot_write_lines_of_the_log() {
    in_every_mode(|mode| {
        let world = echo(mode);
        let reason = "a\r\n[1:0000] ERR: root \x1b[2J\u{9b}1m\u{2028}\u{202e}";
        world.client().close(1000, reason);
        world.until_connections(0);
        let line = only(Levels::INFO);
        assert_eq!(line.field("reason"), reason, "emitters of fields escape by themselves");
        assert!(
            !line.text.contains(|char: char| char.is_control() || char >= '\u{80}'),
            "{line:?}"
        );
        assert!(line.text.contains(r"reason "), "{line:?}");
        assert!(line.text.contains(r"a\r\n[1:0000] ERR: root \u{1b}[2J"), "{line:?}");
    });
}

#[test]
fn a_connection_that_broke_still_has_a_name() {
    in_every_mode(|mode| {
        let world = echo(mode);
        let peer = world.client();
        let from = peer.address().to_string();
        reset(peer);
        world.until_connections(0);
        let line = only(Levels::INFO);
        assert_eq!((line.field("peer"), line.field("by")), (from.as_str(), "peer"));
        assert_eq!(line.field("cause"), "connection broke: connection reset");
        assert!(line.fields.iter().all(|(name, _)| *name != "code"), "there was none: {line:?}");
    });
}

#[test]
fn the_line_says_who_closed_and_with_what() {
    in_every_mode(|mode| {
        let play = Play::new(&Trace::default())
            .on_receive(|_, _| Action::close(CloseCode::POLICY_VIOLATION, "not here"));
        let world = world(mode, play, Limits::default());
        let mut peer = world.client();
        peer.send_frame(&Frame::text("x"));
        peer.close_answer(1008, "not here");
        drop(peer);
        world.until_connections(0);
        let line = only(Levels::INFO);
        let told = ["by", "code", "reason"].map(|name| line.field(name));
        assert_eq!(told, ["us", "1008", "not here"]);
    });
}

#[test]
fn a_connection_of_http_has_its_line_too() {
    in_every_mode(|mode| {
        listen();
        let site = Site::new(&Trace::default()).on_request(|_, _| Response::text("hi").into());
        let world = World::new(mode, Context::builder().http(site));
        let mut peer = world.peer();
        let from = peer.address();
        let request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        for _ in 0..2 {
            peer.send(request);
            peer.expect_response();
        }
        peer.finish();
        peer.expect_eof();
        world.until_connections(0);
        let line = only(Levels::INFO);
        let (start, bytes) = (format!(" from {from}, ended without"), 2 * request.len());
        assert!(line.text.contains(&start), "{line:?}");
        assert_eq!(line.field("bytes_in"), bytes.to_string());
    });
}

#[test]
fn a_refusal_has_one_line_with_peer_status_and_reason() {
    in_every_mode(|mode| {
        let world = echo(mode);
        let mut peer = world.peer();
        let from = peer.address();
        peer.send(upgrade_request("/", &[("Origin", "http://evil.example")]));
        assert_eq!(peer.expect_response().status(), 403);
        drop(peer);
        world.until_connections(0);
        let line = only(Levels::NOTICE);
        let start = format!(" from {from}, refused: 403 Forbidden: ");
        assert!(line.text.contains(&start) && line.text.contains("evil.example"), "{line:?}");
        assert_eq!((line.field("status"), line.field("event")), ("403", "refused"));
        assert_eq!(line.field("peer"), from.to_string());
    });
}

#[test]
fn a_connection_turned_away_by_the_accept_filter_has_a_line() {
    in_every_mode(|mode| {
        listen();
        let builder = Context::builder().protocol(Play::new(&Trace::default()));
        let world = World::new(mode, builder.accept_filter(|_, _| false));
        let mut peer = world.peer();
        peer.expect_end();
        let expected = format!("connection from {}, refused by the accept filter", peer.address());
        assert_eq!(texts(Levels::NOTICE), [expected]);
        assert!(said(Levels::INFO).is_empty());
    });
}

#[test]
fn a_connection_that_could_not_be_opened_has_a_line() {
    in_every_mode(|mode| {
        listen();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let to = listener.local_addr().expect("an address");
        let mut builder = Context::builder();
        let key = builder.register(Play::new(&Trace::default()));
        let world = World::new(mode, builder);
        let connect = Connect::to(&format!("ws://{to}/")).expect("an address");
        world.connections(|all| all.connect(&connect, key.id())).expect("it begins");
        let mut peer = Peer::accept(&listener, world.turns());
        peer.expect_head();
        peer.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        world.until_connections(0);
        let line = only(Levels::INFO);
        assert!(
            line.text.contains(&format!(" to {to}, ")) && line.text.contains("404"),
            "{line:?}"
        );
    });
}

#[test]
fn a_connection_that_was_opened_has_a_line_at_its_end() {
    in_every_mode(|mode| {
        listen();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let to: SocketAddr = listener.local_addr().expect("an address");
        let mut builder = Context::builder();
        let key = builder.register(Play::new(&Trace::default()));
        let world = World::new(mode, builder);
        let connect = Connect::to(&format!("ws://{to}/")).expect("an address");
        world.connections(|all| all.connect(&connect, key.id())).expect("it begins");
        let mut peer = Peer::accept(&listener, world.turns());
        accept_upgrade(&mut peer);
        reset(peer);
        world.until_connections(0);
        let line = only(Levels::INFO);
        assert!(line.text.contains(&format!(" to {to}, protocol \"play\"")), "{line:?}");
    });
}

#[test]
fn a_second_has_so_many_lines_about_ended_connections_and_a_count_of_the_others() {
    in_every_mode(|mode| {
        let limits = Limits { ended_lines: 3, ..Limits::default() };
        let world = world(mode, Play::new(&Trace::default()), limits);
        for _ in 0..10 {
            world.client().close(1000, "");
        }
        world.until_connections(0);
        assert_eq!(said(Levels::INFO).len(), 3);
        world.wind(Duration::from_millis(999));
        assert!(said(Levels::INFO).is_empty(), "the second is not over");
        world.wind(Duration::from_millis(1));
        let line = only(Levels::INFO);
        assert_eq!(line.text, "7 more lines about ended connections suppressed");
        assert_eq!((line.field("count"), line.field("kind")), ("7", "ended"));
        world.client().close(1000, "");
        world.until_connections(0);
        assert_eq!(said(Levels::INFO).len(), 1, "a new second");
    });
}

#[test]
fn connections_that_come_and_go_at_the_limit_are_one_line_a_second() {
    in_every_mode(|mode| {
        let limits = Limits { connections: Some(1), ..Limits::default() };
        let world = world(mode, Play::new(&Trace::default()), limits);
        for _ in 0..5 {
            let mut peer = world.client();
            let next = world.peer();
            world.pump();
            peer.close(1000, "");
            drop((peer, next));
            world.until_connections(0);
        }
        assert_eq!(texts(Levels::WARN), ["accepting pauses: 1 connections are the limit"]);
        world.wind(Duration::from_secs(1));
        let lines = texts(Levels::WARN);
        let counts = |line: &String| line.ends_with("lines about pauses in accepting suppressed");
        assert!(lines.first().is_some_and(counts), "{lines:?}");
    });
}

#[test]
fn sockets_that_do_not_take_their_tcp_options_are_one_line_a_second() {
    in_every_mode(|mode| {
        listen();
        let builder = Context::builder().protocol(Play::new(&Trace::default()));
        let world = World::new(mode, builder.tcp_keepalive(TcpKeepalive::default()));
        let no_socket = || OwnedFd::from(std::io::pipe().expect("a pipe").0);
        for _ in 0..5 {
            world.connections(|all| all.adopt(no_socket())).expect("it is taken over");
        }
        let line = only(Levels::WARN);
        assert!(line.text.starts_with("a socket does not take its TCP options: "), "{}", line.text);
        world.wind(Duration::from_secs(1));
        let lines = texts(Levels::WARN);
        assert_eq!(lines, ["4 more lines about refused TCP options suppressed"]);
    });
}

#[test]
fn a_count_that_is_owed_wakes_the_loop() {
    listen();
    let clock = Clock::new();
    let limits = Limits { ended_lines: 0, ..Limits::default() };
    let builder = Context::builder().protocol(Play::new(&Trace::default())).limits(limits);
    let mut context = builder.clock(clock.reading()).build_external().expect("a context");
    let address = context.listen("127.0.0.1:0").expect("a listener");
    let host = Rc::new(RefCell::new(Host::new(context, Mode::External, clock.reading())));
    let turned = Rc::clone(&host);
    let turn = move || {
        turned.borrow_mut().turn(Duration::ZERO);
    };
    let mut peer = Peer::connect(address, Rc::new(turn));
    peer.upgrade("/", &[]);
    reset(peer);
    while !host.borrow_mut().context.connections().is_empty() {
        host.borrow_mut().turn(Duration::from_millis(5));
    }
    let deadline = host.borrow().context.deadline();
    assert_eq!(deadline, Some(clock.now() + Duration::from_secs(1)));
    clock.wind(Duration::from_secs(1));
    host.borrow_mut().turn(Duration::ZERO);
    assert_eq!(texts(Levels::INFO), ["1 more lines about ended connections suppressed"]);
    assert_eq!(host.borrow().context.deadline(), None);
}

#[test]
fn by_default_a_second_has_ten_lines_about_refusals_and_a_hundred_about_ends() {
    let world = echo(Mode::BuiltIn);
    for _ in 0..101 {
        let mut peer = world.peer();
        peer.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(peer.expect_response().status(), 426);
    }
    world.until_connections(0);
    assert_eq!((said(Levels::NOTICE).len(), said(Levels::INFO).len()), (10, 100));
    drop(world);
    let count = "91 more lines about refused connections suppressed";
    assert_eq!(texts(Levels::NOTICE), [count], "a context that ends keeps nothing back");
    assert_eq!(texts(Levels::INFO), ["1 more lines about ended connections suppressed"]);
}

#[test]
fn the_talkative_levels_tell_of_heads_extensions_and_frames_but_no_secrets() {
    in_every_mode(|mode| {
        let world = echo(mode);
        let mut peer = world.peer();
        let headers = [("Cookie", "s3cret"), ("X-Odd", "a\u{9b}b"), DEFLATE];
        peer.upgrade("/p", &headers);
        peer.send_frame(&Frame::text("12345"));
        peer.expect_text("12345");
        peer.send_frame(&Frame::ping("x"));
        assert_eq!(peer.expect_frame(), Frame::pong("x"));
        peer.close(1000, "");
        let heads = texts(Levels::HEADER);
        for line in ["GET /p", "Cookie: (6 bytes)", r"X-Odd: a\xc2\x9bb", "Upgrade: websocket"] {
            assert!(heads.contains(&format!("connection 0.0: {line}")), "{line}: {heads:#?}");
        }
        assert!(!heads.concat().contains("s3cret"), "{heads:#?}");
        let agreed = texts(Levels::EXT);
        assert!(agreed.len() == 1 && agreed[0].contains(DEFLATE.1), "{agreed:?}");
        let events = texts(Levels::PARSER);
        for line in ["Text message, 5 bytes", "Ping, 1 bytes", "Close, code 1000 normal closure"] {
            assert!(events.contains(&format!("connection 0.0: {line}")), "{line}: {events:#?}");
        }
    });
}

#[test]
fn the_level_of_clients_tells_each_step() {
    in_every_mode(|mode| {
        listen();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let to: SocketAddr = listener.local_addr().expect("an address");
        let mut builder = Context::builder();
        let key = builder.register(Play::new(&Trace::default()));
        let world = World::new(mode, builder);
        let connect = Connect::to(&format!("ws://{to}/p")).expect("an address");
        let connect = connect.header("Authorization", "s3cret");
        world.connections(|all| all.connect(&connect, key.id())).expect("it begins");
        let mut peer = Peer::accept(&listener, world.turns());
        accept_upgrade(&mut peer);
        world.pump();
        let steps = texts(Levels::CLIENT);
        let steps: Vec<_> = steps.iter().filter_map(|line| line.split_once(": ")).collect();
        let steps: Vec<&str> = steps.into_iter().map(|(_, step)| step).collect();
        let expected = ["tries {}", "connected to {}", "asks {} for /p"];
        assert_eq!(steps, expected.map(|step| step.replace("{}", &to.to_string())));
        let heads = texts(Levels::HEADER);
        for line in
            ["sends GET /p HTTP/1.1", "sends Authorization: (6 bytes)", "101 Switching Protocols"]
        {
            assert!(heads.iter().any(|head| head.ends_with(&format!(": {line}"))), "{heads:?}");
        }
        assert!(!heads.concat().contains("s3cret"), "{heads:#?}");
    });
}

#[test]
fn a_callback_that_holds_the_loop_is_named_and_the_longest_is_told_at_the_end() {
    in_every_mode(|mode| {
        listen();
        let trace = Trace::default();
        let held = Rc::new(RefCell::new(Vec::<u64>::new()));
        let (winding, clock) = (Rc::clone(&held), Rc::new(RefCell::new(None)));
        let wound: Rc<RefCell<Option<Clock>>> = Rc::clone(&clock);
        let play = Play::new(&trace).on_receive(move |conn, message| {
            let by = winding.borrow_mut().remove(0);
            wound.borrow().as_ref().expect("it is set").wind(Duration::from_millis(by));
            conn.reply(message)
        });
        let world = World::new(mode, Context::builder().protocol(play));
        *clock.borrow_mut() = Some(world.clock.clone());
        let mut peer = world.client();
        held.borrow_mut().extend([49, 50, 72, 3]);
        for _ in 0..4 {
            peer.send_frame(&Frame::text("x"));
            peer.expect_text("x");
        }
        let culprit = "callback receive of \"play\" on connection 0.0";
        assert_eq!(
            texts(Levels::LATENCY),
            [50, 72].map(|ms| format!("{culprit} held the loop for {ms}ms"))
        );
        drop((peer, world));
        let line = only(Levels::LATENCY);
        assert_eq!(line.text, format!("longest: {culprit} took 72ms"));
        assert_eq!((line.field("callback"), line.field("duration_us")), ("receive", "72000"));
    });
}

/// A context whose clock goes on by 60 ms at each look, so that everything takes too long: where it
/// listens, and what gives it its turns.
pub(crate) fn in_haste(
    builder: Builder,
    listens: impl FnOnce(&mut Context) -> SocketAddr,
) -> (SocketAddr, Rc<dyn Fn()>) {
    listen();
    let start = std::time::Instant::now();
    let looks = std::cell::Cell::new(0);
    let clock = move || {
        looks.set(looks.get() + 1);
        start + Duration::from_millis(60 * looks.get())
    };
    let limits = Limits { handshake: Duration::MAX, ..Limits::default() };
    let mut context = builder.limits(limits).clock(clock).build().expect("a context");
    let address = listens(&mut context);
    let context = RefCell::new(context);
    let turn = move || {
        context.borrow_mut().service(Duration::ZERO).expect("the loop goes on");
    };
    (address, Rc::new(turn))
}

/// What held the loop up, of one kind.
pub(crate) fn held_up(kind: &str) -> Vec<String> {
    let lines = SAID.with_borrow(|said| said.clone());
    let of_kind = |line: &Line| {
        let is_held = line.level == Levels::LATENCY && line.field("event") == "latency";
        let found = line.fields.iter().find(|(name, _)| is_held && *name == kind)?;
        assert_eq!(line.field("duration_us"), "60000", "{}", line.text);
        Some(format!("{} | {}", found.1, line.text))
    };
    lines.iter().filter_map(of_kind).collect()
}

#[test]
fn system_calls_that_hold_the_loop_are_named() {
    let builder = Context::builder().protocol(Play::new(&Trace::default()));
    let (address, turn) =
        in_haste(builder, |context| context.listen("127.0.0.1:0").expect("a listener"));
    let mut peer = Peer::connect(address, Rc::clone(&turn));
    peer.upgrade("/", &[]);
    for callback in ["upgrade", "open"] {
        let text = format!(
            "{callback} | callback {callback} of \"play\" on connection 0.0 held the loop for 60ms"
        );
        let said = held_up("callback");
        assert!(said.contains(&text), "{callback}: {said:#?}");
    }
    peer.close(1000, "");
    drop(peer);
    turn(); // the peer's FIN
    turn(); // where a descriptor is forgotten before it is closed
    let said = held_up("system_call");
    let watching = CAN_NEST.then_some("epoll_ctl on connection 0.0");
    let calls = ["accept", "recv on connection 0.0", "send on connection 0.0"];
    let close = if CAN_NEST { "close on connection 0.0" } else { "close" };
    let at_the_end = ["shutdown on connection 0.0", close];
    for call in calls.into_iter().chain(at_the_end).chain(watching) {
        let name = call.split(' ').next().unwrap_or(call);
        let text = format!("{name} | system call {call} held the loop for 60ms");
        assert!(said.contains(&text), "no {call}: {said:#?}");
    }
}
