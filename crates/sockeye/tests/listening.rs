//! Places to listen at: every kind is listened at, connected to, and spoken over.

use sockeye::{
    Action, Address, Conn, Connect, Connections, Context, Handshake, Key, Listen, Message,
    Protocol, Reject, Role,
};
use std::cell::RefCell;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What happened, in order.
type Trace = Rc<RefCell<Vec<String>>>;

/// The client says hello, the server says it back, the client takes note and closes.
struct Hello(Trace);

impl Protocol for Hello {
    type Session = Role;
    type Notice = ();

    fn name(&self) -> &str {
        "hello"
    }

    fn upgrade(&mut self, hello: &Handshake<'_>) -> Result<Role, Reject> {
        if hello.role() == Role::Server {
            let peer = hello.peer().expect("the server sees a peer");
            let who = hello.connections().peer_credentials(hello.id());
            let who = who.map(|who| who.pid == Some(std::process::id()));
            let kind = if peer.is_unix() { peer.to_string() } else { "ip".into() };
            self.0.borrow_mut().push(format!("from {kind} {who:?}"));
        }
        Ok(hello.role())
    }

    fn open(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        if *conn.session == Role::Client {
            conn.send("hello").expect("it is open");
        }
        Action::Continue
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        if *conn.session == Role::Server {
            return conn.reply(message);
        }
        self.0.borrow_mut().push("answered".into());
        Action::close(sockeye::CloseCode::NORMAL, "")
    }

    fn connect_failed(
        &mut self,
        _: Connections<'_>,
        _: sockeye::ConnId,
        error: sockeye::ConnectError,
    ) {
        self.0.borrow_mut().push(error.to_string());
    }
}

struct World {
    context: Context,
    key: Key<Hello>,
    trace: Trace,
}

impl World {
    fn new() -> Self {
        Self::with(Context::builder())
    }

    fn with(mut builder: sockeye::Builder) -> Self {
        let trace = Trace::default();
        let key = builder.register(Hello(trace.clone()));
        Self { context: builder.build().expect("a context"), key, trace }
    }

    /// What one connection to `address` gives, from its beginning to its end.
    fn say_hello(&mut self, address: &Address) -> Vec<String> {
        self.connect(Connect::to("ws://localhost/").expect("a URL").via(address.clone()))
    }

    fn connect(&mut self, connect: Connect) -> Vec<String> {
        self.context.connections().connect(&connect, self.key.id()).expect("it begins");
        let began = Instant::now();
        while !self.context.connections().is_empty() {
            self.context.service(Duration::from_millis(5)).expect("the loop goes on");
            assert!(began.elapsed() < Duration::from_secs(60), "{:?}", self.trace);
        }
        self.trace.take()
    }
}

/// A directory that goes with the test.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let name = format!("sockeye-listening-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a directory");
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a server says of a Unix peer: Linux knows whose process it is.
const UNIX: &str =
    if cfg!(target_os = "linux") { "from unix: Some(true)" } else { "from unix: None" };

#[test]
fn a_unix_socket_serves_with_the_permissions_asked_for_and_goes_with_the_context() {
    let place = Place::new("unix");
    let path = place.path("socket");
    let mut world = World::new();
    let at = world.context.listen_at(&Listen::unix(&path).mode(0o620).backlog(7)).unwrap();
    assert_eq!(at, [Address::Path(path.clone())]);
    let meta = fs::symlink_metadata(&path).unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.permissions().mode() & 0o7777, 0o620);
    assert_eq!(world.say_hello(&at[0]), [UNIX, "answered"]);
    // Another finds it in use, and does no harm.
    let error = World::new().context.listen_at(&Listen::unix(&path)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(world.say_hello(&at[0]), [UNIX, "answered"]);
    drop(world);
    assert!(!path.exists());
}

#[test]
fn a_shutdown_removes_the_file_before_the_last_connection_has_ended() {
    let place = Place::new("shutdown");
    let path = place.path("socket");
    let mut world = World::new();
    world.context.listen_at(&Listen::unix(&path)).unwrap();
    world.context.handle().shutdown();
    world.context.run().unwrap();
    assert!(!path.exists());
}

#[test]
#[cfg(target_os = "linux")]
fn an_abstract_name_serves() {
    let mut world = World::new();
    let name = format!("sockeye-listening-{}", std::process::id());
    let at = world.context.listen_at(&Listen::abstract_name(name.clone())).unwrap();
    assert_eq!(at, [Address::Abstract(name.clone().into())]);
    assert_eq!(world.say_hello(&at[0]), [UNIX, "answered"]);
    assert_eq!(at[0].to_string(), format!("unix:@{name}"));
}

#[test]
fn several_listeners_serve_side_by_side() {
    let place = Place::new("several");
    let mut world = World::new();
    let mut all = Vec::new();
    let v4 = "127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap();
    for listen in [Listen::at(v4), Listen::at(v4), Listen::unix(place.path("socket"))] {
        all.extend(world.context.listen_at(&listen).unwrap());
    }
    match world.context.listen("[::1]:0") {
        Ok(v6) => all.push(v6.into()),
        Err(error) => println!("no IPv6 here: {error}"),
    }
    assert_eq!(world.context.addresses(), all);
    for address in all {
        let from = if address.is_unix() { UNIX } else { "from ip None" };
        assert_eq!(world.say_hello(&address), [from, "answered"], "{address}");
    }
}

#[test]
fn an_interface_is_listened_at_with_one_port_for_all_its_addresses() {
    let mut world = World::new();
    let at = world.context.listen_at(&Listen::interface(LOOPBACK, 0)).unwrap();
    let addresses: Vec<_> = at.iter().filter_map(Address::ip).collect();
    assert!(addresses[0].ip().is_loopback() && addresses[0].is_ipv4(), "{addresses:?}");
    assert!(addresses.iter().all(|address| address.port() == addresses[0].port()));
    assert_ne!(addresses[0].port(), 0);
    for address in &at {
        assert_eq!(world.say_hello(address), ["from ip None", "answered"], "{address}");
    }
    let error = world.context.listen_at(&Listen::interface("nonesuch", 0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("nonesuch") && error.to_string().contains(LOOPBACK));
}

const LOOPBACK: &str = if cfg!(target_os = "linux") { "lo" } else { "lo0" };

#[test]
fn sockets_made_elsewhere_are_taken_over_if_they_listen() {
    let place = Place::new("elsewhere");
    let mut world = World::new();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = UnixListener::bind(place.path("socket")).unwrap();
    let tcp = world.context.listen_on(tcp).unwrap();
    let unix = world.context.listen_on(unix).unwrap();
    assert_eq!(world.say_hello(&tcp), ["from ip None", "answered"]);
    assert_eq!(world.say_hello(&unix), [UNIX, "answered"]);

    let (stream, _other) = UnixStream::pair().unwrap();
    refused(world.context.listen_on(stream), "does not listen");
    refused(world.context.listen_on(UdpSocket::bind("127.0.0.1:0").unwrap()), "datagram");
    refused(world.context.listen_on(fs::File::open("/dev/null").unwrap()), "no socket");
    // Whose file it is, is for whoever has made it to say.
    drop(world);
    assert!(place.path("socket").exists());
}

#[test]
fn the_word_of_a_proxy_behind_a_unix_socket_counts_only_if_that_is_said() {
    let place = Place::new("proxy");
    for trusted in [false, true] {
        let mut world = World::with(Context::builder().trusted_unix_proxies(trusted));
        let at = world.context.listen_at(&Listen::unix(place.path("socket"))).unwrap();
        let connect = Connect::to("ws://localhost/").unwrap().via(at[0].clone());
        let connect = connect.origin("https://example.com");
        let trace = world.connect(connect.header("X-Forwarded-Host", "example.com"));
        if trusted {
            assert_eq!(trace, [UNIX, "answered"]);
        } else {
            assert!(trace.len() == 1 && trace[0].contains("403"), "{trace:?}");
        }
    }
}

fn refused(result: io::Result<Address>, why: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains(why), "{error}");
}

#[test]
fn a_unix_socket_that_is_not_there_is_named_when_connecting() {
    let mut world = World::new();
    let trace = world.say_hello(&Address::Path(Path::new("/nowhere/socket").into()));
    assert_eq!(trace.len(), 1);
    assert!(trace[0].contains("unix:/nowhere/socket"), "{trace:?}");
}
