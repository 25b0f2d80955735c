//! `--listen` and its companions.

use crate::run::{Program, Server, command, frame, hello, read_frame, read_head, run};
use crate::scratch::{Process, Scratch};
use rustix::process::Signal;
use sockeye_testkit::output;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

/// A server and where it says that it listens.
pub(crate) fn start(args: &[&str], places: usize) -> (Program, Vec<String>) {
    let mut program = Program::start(args);
    let mut place = || {
        let line = program.line();
        let place = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}"));
        place.trim_end().to_owned()
    };
    let places = (0..places).map(|_| place()).collect();
    (program, places)
}

/// Says something to an echo server over any stream, and hears it.
pub(crate) fn echo_over(mut stream: impl Read + Write) {
    let host: SocketAddr = "127.0.0.1:80".parse().unwrap();
    stream.write_all(hello(host, "any").as_bytes()).unwrap();
    let head = read_head(&mut stream);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    stream.write_all(&frame(0x81, b"hello")).unwrap();
    assert_eq!(read_frame(&mut stream), (0x81, b"hello".to_vec()));
}

pub(crate) fn unix(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

#[test]
fn it_listens_at_every_place_named() {
    let scratch = Scratch::new();
    let socket = format!("unix:{}", scratch.name("socket"));
    let name = format!("unix:@sockeye-{}", std::process::id());
    let args = ["echo", "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"];
    let (mut program, places) =
        start(&[&args[..], &["--listen", &socket, "--listen", &name]].concat(), 4);
    for place in &places[..2] {
        echo_over(TcpStream::connect(place.strip_prefix("ws://").unwrap()).unwrap());
    }
    assert_eq!(places[2..], [socket, name.clone()]);
    echo_over(unix(&scratch.path("socket")));
    let abstract_name = name.strip_prefix("unix:@").unwrap();
    let address = {
        use std::os::linux::net::SocketAddrExt;
        std::os::unix::net::SocketAddr::from_abstract_name(abstract_name).unwrap()
    };
    echo_over(UnixStream::connect_addr(&address).unwrap());
    program.signal(Signal::TERM);
    assert_eq!(program.verdict(), (Some(0), String::new()));
    assert!(!scratch.path("socket").exists(), "it is removed at the end");
}

#[test]
fn a_unix_socket_has_the_permissions_and_the_owner_asked_for() {
    let scratch = Scratch::new();
    let path = scratch.path("socket");
    let own = fs::metadata(scratch.path(".")).unwrap();
    // Only root can give it to another.
    let (owner, group) = if own.uid() == 0 { (65_534, 65_533) } else { (own.uid(), own.gid()) };
    let listen = format!("unix:{}", path.display());
    let (owner_text, group_text) = (owner.to_string(), group.to_string());
    let args = ["echo", "--listen", &listen, "--socket-mode", "620"];
    let whose = ["--socket-owner", &owner_text, "--socket-group", &group_text];
    let (_program, _) = start(&[&args[..], &whose[..]].concat(), 1);
    let file = fs::metadata(&path).unwrap();
    assert_eq!((file.permissions().mode() & 0o7777, file.uid(), file.gid()), (0o620, owner, group));
    echo_over(unix(&path));
}

#[test]
fn a_stale_socket_is_replaced_and_nothing_else_ever_is() {
    let scratch = Scratch::new();
    let listen = |name: &str| format!("unix:{}", scratch.name(name));
    // Left behind by one that was killed.
    let mut killed = start(&["echo", "--listen", &listen("stale")], 1).0;
    killed.signal(Signal::KILL);
    killed.wait();
    assert!(scratch.path("stale").exists());
    let (_program, _) = start(&["echo", "--listen", &listen("stale")], 1);
    echo_over(unix(&scratch.path("stale")));

    let busy = UnixListener::bind(scratch.path("busy")).unwrap();
    fs::write(scratch.path("file"), "precious").unwrap();
    for (name, why) in [
        ("busy", "another process listens"),
        ("file", "not a socket"),
        ("stale", "another process listens"),
    ] {
        let (status, stdout, said) = run(&["echo", "--listen", &listen(name)]);
        assert_eq!((status, &*stdout, said.lines().count()), (Some(1), "", 1), "{said}");
        assert!(said.contains(&listen(name)) && said.contains(why), "{said}");
        assert!(said.contains("--listen"), "{said}");
    }
    assert_eq!(fs::read_to_string(scratch.path("file")).unwrap(), "precious");
    // The first is the probe of the program above.
    busy.accept().unwrap();
    let _ours = unix(&scratch.path("busy"));
    busy.accept().expect("it was left alone");
    echo_over(unix(&scratch.path("stale")));
}

#[test]
fn of_simultaneous_starts_at_a_stale_socket_one_listens() {
    let scratch = Scratch::new();
    drop(UnixListener::bind(scratch.path("socket")).unwrap());
    let listen = format!("unix:{}", scratch.name("socket"));
    let mut starts: Vec<Program> =
        (0..6).map(|_| Program::start(&["echo", "--listen", &listen])).collect();
    let mut listening = 0;
    for start in &mut starts {
        listening += usize::from(start.line().starts_with("listening"));
    }
    assert_eq!(listening, 1);
    echo_over(unix(&scratch.path("socket")));
}

#[test]
fn an_interface_is_named() {
    let (_program, places) = start(&["echo", "--interface", "lo", "--port", "0"], 1);
    let address = places[0].strip_prefix("ws://127.0.0.1:").expect("IPv4 comes first");
    echo_over(TcpStream::connect(format!("127.0.0.1:{address}")).unwrap());
    let (status, _, said) = run(&["echo", "--interface", "nonesuch"]);
    assert_eq!((status, said.lines().count()), (Some(1), 1), "{said}");
    for part in ["\"nonesuch\"", "lo", "--interface"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn ipv6_is_ipv6_and_ipv4_is_beside_it() {
    let Ok(free) = TcpListener::bind("[::1]:0") else { return println!("skipped: no IPv6 here") };
    let port = free.local_addr().unwrap().port();
    drop(free);
    let (v6, v4) = (format!("[::]:{port}"), format!("0.0.0.0:{port}"));
    // Both at one port, which could not be if the first took IPv4 as well.
    let (_program, places) = start(&["echo", "--listen", &v6, "--listen", &v4], 2);
    assert_eq!(places, [format!("ws://{v6}"), format!("ws://{v4}")]);
    echo_over(TcpStream::connect(format!("[::1]:{port}")).unwrap());
    echo_over(TcpStream::connect(format!("127.0.0.1:{port}")).unwrap());
}

#[test]
fn wrong_places_are_explained() {
    let wrong: [(&[&str], &str, &str); 9] = [
        (&["--listen", "localhost"], "--listen", "unix:/path/to/socket"),
        (&["--listen", "unix:"], "--listen", "unix:@name"),
        (&["--listen", "127.0.0.1:0", "--port", "0"], "--listen", "--port"),
        (&["--listen", "127.0.0.1:0", "--interface", "lo"], "--listen", "--interface"),
        (&["--interface", "lo", "--bind", "::1"], "--interface", "--bind"),
        (&["--listen", "unix:x", "--socket-mode", "rw"], "--socket-mode", "octal"),
        (&["--listen", "unix:x", "--socket-owner", "no-such"], "--socket-owner", "\"no-such\""),
        (&["--listen", "unix:@x", "--socket-mode", "600"], "--socket-mode", "unix:/path"),
        (&["--socket-group", "0"], "--listen", "unix:/path/to/socket"),
    ];
    for (args, option, right) in wrong {
        let (status, stdout, said) = run(&[&["echo"], args].concat());
        assert_eq!((status, &*stdout), (Some(2), ""), "{args:?}: {said}");
        assert!(said.contains(option) && said.contains(right), "{args:?}: {said}");
    }
}

#[test]
fn a_relative_path_is_meant_from_where_it_was_started() {
    let scratch = Scratch::new();
    let args = ["echo", "--daemonize", "--lock", "lock", "--listen", "unix:socket"];
    let output = output(command(&args).current_dir(scratch.path(".")));
    assert!(output.status.success(), "{output:?}");
    let server = Process::named_in(&scratch.path("lock"));
    echo_over(unix(&scratch.path("socket")));
    server.signal(Signal::TERM);
    server.wait();
    assert!(!scratch.path("socket").exists() && !scratch.path("lock").exists());
}

#[test]
fn the_client_connects_via_a_unix_socket_and_the_log_says_who_it_was() {
    let scratch = Scratch::new();
    let listen = format!("unix:{}", scratch.name("socket"));
    let (mut program, _) = start(&["echo", "--listen", &listen, "--log", "info"], 1);
    let mut client = Program::start(&["connect", "ws://localhost/", "--via", &listen, "--count=1"]);
    client.say(b"hello\n");
    assert_eq!(client.line(), "hello\n");
    let id = client.id();
    assert_eq!(client.verdict(), (Some(0), String::new()));
    program.signal(Signal::TERM);
    let (status, log) = program.verdict();
    assert_eq!(status, Some(0));
    let user = rustix::process::geteuid().as_raw();
    let who = format!("from unix: of user {user}, process {id}");
    assert!(log.contains(&who), "{log}");

    let (status, _, said) =
        run(&["connect", "ws://localhost/", "--via", &format!("{listen}-missing")]);
    assert_eq!(status, Some(1));
    assert!(said.contains(&format!("{listen}-missing")), "{said}");
    let (status, _, said) = run(&["connect", "ws://localhost/", "--via", "/run/socket"]);
    assert_eq!(status, Some(2));
    assert!(said.contains("--via") && said.contains("unix:/path/to/socket"), "{said}");
}

#[test]
fn port_and_bind_mean_what_they_meant() {
    let server = Server::start(&["echo", "--bind", "127.0.0.2"], "ws");
    assert_eq!(server.address.ip().to_string(), "127.0.0.2");
    echo_over(TcpStream::connect(server.address).unwrap());
}
