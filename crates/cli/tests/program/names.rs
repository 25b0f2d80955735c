//! Names that are looked up, and all that a name server can say to that: in a network of the test's
//! own, with a name server of its own.

use crate::namespace::{self, Namespace};
use crate::run::{PROGRAM, Program};
use crate::scratch::Scratch;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::{self, File};
use std::io::{BufRead, Read};
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::thread;

/// A network with these files in `/etc`, to be kept as long as it is used.
fn place(files: &[(&str, &str)]) -> Result<(Namespace, Scratch), String> {
    let (place, scratch) = (Namespace::new(&["--mount"])?, Scratch::new());
    place.run("ip", &["link", "set", "lo", "up"])?;
    for (name, content) in files {
        fs::write(scratch.path(name), content).map_err(|error| error.to_string())?;
        place.run("mount", &["--bind", &scratch.name(name), &format!("/etc/{name}")])?;
    }
    Ok((place, scratch))
}

/// By name servers only, of which there is one on this machine.
const FILES: [(&str, &str); 2] = [
    ("nsswitch.conf", "hosts: dns\n"),
    ("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"),
];

/// Answers by the first label of a name, on a thread that is in the network.
fn serve_names(place: &Namespace) {
    let network = File::open(format!("/proc/{}/ns/net", place.id())).unwrap();
    let (ready, started) = mpsc::channel();
    thread::spawn(move || {
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
        ready.send(()).unwrap();
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            let _ = socket.send_to(&answer(&query[..length]), from); // or it has given up
        }
    });
    started.recv().unwrap();
}

/// RFC 1035 §4.1: the question is sent back, with a code and perhaps one address.
fn answer(query: &[u8]) -> Vec<u8> {
    let label = &query[13..13 + usize::from(query[12])];
    let end = 12 + query[12..].iter().position(|&byte| byte == 0).unwrap() + 5;
    let wants_four = query[end - 4..end] == [0, 1, 0, 1];
    let code = match label {
        b"missing" => 3,
        b"broken" => 2,
        b"refused" => 5,
        _ => 0,
    };
    let found = label == b"here" && wants_four;
    let head = [query[0], query[1], 0x81, 0x80 | code, 0, 1, 0, found.into(), 0, 0, 0, 0];
    let record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1];
    let record = if found { &record[..] } else { &[] };
    [&head, &query[12..end], record].concat()
}

/// Connects in the network: exit status, and what is said.
fn connect(place: &Namespace, url: &str) -> (Option<i32>, String) {
    let mut program = Program::spawn(place.command(PROGRAM, &["connect", url, "--linger", "0"]));
    program.say_no_more();
    program.verdict()
}

#[test]
fn what_the_name_server_says_is_told_apart() {
    let Some((place, _files)) = namespace::or_skip(place(&FILES)) else { return };
    let mut server = Program::spawn(place.command(PROGRAM, &["echo", "--port", "9001"]));
    let mut said = server.stdout();
    said.read_line(&mut String::new()).unwrap();
    let silent = "no name server gives an answer at present; it may be another time";
    let expect = |name: &str, why: &str| {
        let (status, said) = connect(&place, &format!("ws://{name}.example:9001/"));
        let expected = format!(
            "sockeye: ws://{name}.example:9001/: name look-up of {name}.example failed: {why}\n"
        );
        assert_eq!((status, said), (Some(1), expected));
    };
    expect("nobody-listens", silent);
    serve_names(&place);
    expect("missing", "there is no such name");
    expect("empty", "the name has no address");
    expect("broken", silent);
    expect("refused", silent);
    assert_eq!(connect(&place, "ws://here.example:9001/"), (Some(0), String::new()));
    drop(server);
    let _ = said.read_to_end(&mut Vec::new());
}
