//! What TCP itself is told to find out about peers that are gone. That it does find out is tested
//! with the program, over a link that goes down.

use crate::play::{Play, Trace};
use crate::world::{Mode, World, in_every_mode};
use sockeye::{Action, Builder, Connect, Context, Limits, TcpKeepalive};
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

/// Probes once an hour, which no system does by itself.
const HOURLY: TcpKeepalive =
    TcpKeepalive { time: Duration::from_secs(3600), probes: 5, interval: Duration::from_secs(30) };

/// A server that opens a connection to itself, so that both ends are ours.
fn both_ends(mode: Mode, builder: impl FnOnce(Builder) -> Builder) -> Rc<World> {
    let trace = Trace::default();
    let mut opening = builder(Context::builder());
    let key = opening.register(Play::new(&trace));
    let world = World::new(mode, opening);
    let url = format!("ws://{}/", world.address);
    world.connections(|all| {
        all.connect(&Connect::to(&url).expect("a URL"), key.id()).expect("there is room");
    });
    world.until("both ends", || trace.count("open") == 2);
    world
}

/// What the kernel's list of sockets says of the timers of those that have this port at one end:
/// which timer is the next, and in how many hundredths of a second it fires.
#[cfg(target_os = "linux")]
fn timers(world: &World) -> Vec<(u8, u64)> {
    let port = format!(":{:04X}", world.address.port());
    let sockets = std::fs::read_to_string("/proc/net/tcp").expect("a list of sockets");
    let established = sockets.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let ours = fields[1].ends_with(&port) || fields[2].ends_with(&port);
        (ours && fields[3] == "01").then(|| fields[5].to_owned())
    });
    let timer = |field: String| {
        let (kind, when) = field.split_once(':').expect("a timer");
        (kind.parse().expect("a kind"), u64::from_str_radix(when, 16).expect("a time"))
    };
    established.map(timer).collect()
}

/// What that list calls the timer of keepalive.
#[cfg(target_os = "linux")]
const KEEPALIVE: u8 = 2;

#[cfg(target_os = "linux")]
#[test]
fn both_roles_are_told_the_time_and_nobody_is_unless_asked() {
    in_every_mode(|mode| {
        let world = both_ends(mode, |builder| builder.tcp_keepalive(HOURLY));
        let is_hourly = |&(kind, when): &(u8, u64)| {
            let hour = if cfg!(sockeye_keepalive_switch) { 720_000 } else { 360_000 };
            kind == KEEPALIVE && when > hour / 2 && when <= hour
        };
        let all = || {
            let timers = timers(&world);
            timers.len() == 2 && timers.iter().all(is_hourly)
        };
        world.until("the timer of keepalive at both ends", all); // acknowledgements come first
        let world = both_ends(mode, |builder| builder);
        let none = || timers(&world).iter().all(|&(kind, _)| kind == 0);
        world.until("no timer", none);
    });
}

/// What the sockets of a context were told: no waiting for more to send, keepalive, and how long
/// what was sent may stay unacknowledged.
#[cfg(target_os = "linux")]
fn told(context: &mut Context) -> Vec<(bool, bool, u32)> {
    use rustix::net::sockopt;
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
    let this = pidfd_open(getpid(), PidfdFlags::empty()).expect("this process");
    let all = context.connections();
    let options = |id| {
        let fd = all.fd(id).expect("a socket");
        // A duplicate of our own, by a call that needs no `unsafe`.
        let fd = pidfd_getfd(&this, fd, PidfdGetfdFlags::empty()).expect("a descriptor");
        (
            sockopt::tcp_nodelay(&fd).expect("TCP"),
            sockopt::socket_keepalive(&fd).expect("TCP"),
            sockopt::tcp_user_timeout(&fd).expect("TCP"),
        )
    };
    all.all().into_iter().map(options).collect()
}

/// Whoever made the listener: where connections take over its options, and where each is told.
#[cfg(target_os = "linux")]
#[test]
fn every_accepted_connection_has_the_options_of_its_context() {
    for made_elsewhere in [false, true] {
        for (builder, expected) in [
            (Context::builder(), (true, false, 0)),
            (
                Context::builder()
                    .tcp_keepalive(HOURLY)
                    .tcp_user_timeout(Duration::from_millis(7654)),
                (true, true, 7654),
            ),
        ] {
            let mut context = builder.build().expect("a context");
            let address = if made_elsewhere {
                let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
                let address = context.listen_on(listener).expect("it listens");
                address.ip().expect("an IP address")
            } else {
                context.listen("127.0.0.1:0").expect("a listener")
            };
            let clients = [(); 3].map(|()| std::net::TcpStream::connect(address).expect("a peer"));
            while context.connections().len() < clients.len() {
                context.service(None).expect("the loop goes on");
            }
            assert_eq!(told(&mut context), [expected; 3], "made elsewhere: {made_elsewhere}");
        }
    }
}

#[test]
fn values_that_no_system_takes_are_an_error_that_names_them() {
    let zero = Duration::ZERO;
    let days = Duration::from_secs(25 * 86_400);
    let cases: [(Builder, &str); 6] = [
        (Context::builder().tcp_keepalive(TcpKeepalive { time: zero, ..HOURLY }), "time"),
        (Context::builder().tcp_keepalive(TcpKeepalive { interval: days, ..HOURLY }), "interval"),
        (Context::builder().tcp_keepalive(TcpKeepalive { probes: 0, ..HOURLY }), "probes"),
        (Context::builder().tcp_keepalive(TcpKeepalive { probes: 128, ..HOURLY }), "127"),
        (Context::builder().tcp_user_timeout(zero), "user timeout"),
        (Context::builder().tcp_user_timeout(days), "24 days"),
    ];
    for (builder, named) in cases {
        let error = builder.build().expect_err(named);
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_choked_pipe_that_never_drains_is_ended_by_the_user_timeout() {
    let trace = Trace::default();
    let never = Duration::MAX;
    let play = Play::new(&trace)
        .on_open(|conn| {
            conn.request_writable();
            Action::Continue
        })
        .on_writable(|conn, permit| {
            let mut permit = Some(permit);
            while let Some(clear) = permit.take() {
                permit = clear.send(vec![b'x'; 4096]);
            }
            conn.request_writable();
            Action::Continue
        });
    let builder = Context::builder()
        .protocol(play)
        .limits(Limits { ping_after: never, pong_within: never, ..Limits::default() })
        .tcp_user_timeout(Duration::from_millis(500));
    let world = World::in_real_time(Mode::BuiltIn, crate::writability::narrow(builder));
    let deaf = crate::writability::narrow_client(&world);
    world.until("the end of it", || trace.count("closed") == 1);
    let end = trace.last("closed");
    assert_eq!(end, "closed#0 closed by peer: connection broke: timed out, not clean");
    drop(deaf);
}
