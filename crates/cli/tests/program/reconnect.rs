//! `sockeye connect --reconnect`, against a server that is started again and again.

use crate::run::{Patient, Program, command, read_head, run};
use sockeye_testkit::{Port, output};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use tungstenite::Message;

/// One life of a server: reads so many messages, whatever else was said to it, echoes them but for
/// the last ones, and is gone without a word.
fn live(listener: &TcpListener, messages: usize, echoed: usize, received: &mut BTreeSet<String>) {
    let (stream, _) = listener.accept().unwrap();
    let breaks = stream.try_clone().unwrap();
    if messages == 0 {
        return; // before the handshake
    }
    let Ok(mut client) = tungstenite::accept(Patient::new(stream)) else { return };
    for number in 0..messages {
        let message = loop {
            match client.read() {
                Ok(message) if message.is_text() => break message,
                Ok(_) => {}
                Err(_) => return,
            }
        };
        let text = message.to_text().unwrap().to_owned();
        received.insert(text.clone());
        if number < echoed {
            client.send(Message::text(text)).unwrap();
        }
    }
    let _ = breaks.shutdown(std::net::Shutdown::Both);
}

#[test]
fn a_client_survives_fifty_restarts_of_its_server() {
    const LIVES: u64 = 50;
    let port = Port::reserve();
    let listener = port.listen();
    let url = format!("ws://{}/", port.address);
    let mut program =
        Program::start(&["connect", &url, "--reconnect", "--reconnect-delay", "30ms"]);
    let lines = BufReader::new(program.stderr()).lines();
    let complaints = thread::spawn(move || lines.map(Result::unwrap).collect::<Vec<_>>());
    let (say, said) = mpsc::channel::<String>();
    let echoes = program.stdout();
    let speaker = thread::spawn(move || {
        for line in said {
            program.say(line.as_bytes());
        }
        program.say_no_more();
        program
    });
    let (mut received, mut number, mut chance) = (BTreeSet::new(), 0, 7_u64);
    let mut listener = Some(listener);
    for _ in 0..LIVES {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let messages = (chance >> 33) % 4;
        for _ in 0..messages {
            number += 1;
            say.send(format!("line {number}\n")).unwrap();
        }
        let server = listener.take().unwrap_or_else(|| port.listen());
        let read = (chance >> 36) % (messages + 1);
        let echoed = (chance >> 40) % (read + 1);
        live(&server, read as usize, echoed as usize, &mut received);
        drop(server);
        thread::sleep(Duration::from_millis((chance >> 50) % 40)); // how long it is down
    }
    // The last one answers everything, and the closing handshake.
    let server = port.listen();
    say.send("last\n".to_owned()).unwrap();
    drop(say);
    let mut client = tungstenite::accept(Patient::new(server.accept().unwrap().0)).unwrap();
    while let Ok(message) = client.read() {
        if message.is_text() {
            received.insert(message.to_text().unwrap().to_owned());
            client.send(message).unwrap();
        }
    }
    let mut program = speaker.join().unwrap();
    assert_eq!(program.wait().code(), Some(0));
    let all: BTreeSet<String> =
        (1..=number).map(|number| format!("line {number}")).chain(["last".to_owned()]).collect();
    assert_eq!(received, all, "every line has arrived at one of the servers");
    let echoes: BTreeSet<String> = echoes.lines().map(Result::unwrap).collect();
    assert!(echoes.is_subset(&received) && echoes.contains("last"));
    let complaints = complaints.join().unwrap();
    assert!(complaints.len() as u64 >= LIVES, "{complaints:#?}");
    let form = |line: &String| {
        line.starts_with(&format!("sockeye: {url}: ")) && line.contains("; trying again in ")
    };
    assert!(complaints.iter().all(form), "{complaints:#?}");
}

#[test]
fn what_will_not_get_better_is_not_tried_again() {
    let (status, _, said) = run(&["connect", "wss://127.0.0.1:1/x y", "--reconnect"]);
    assert_eq!((status, said.lines().count()), (Some(2), 1), "{said}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let refuses = thread::spawn(move || {
        let mut stream = Patient::new(listener.accept().unwrap().0);
        read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let output = output(&mut command(&["connect", &url, "--reconnect"]));
    let expected =
        format!("sockeye: {url}: the server refused the handshake: it answered 403 No, not 101\n");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
    refuses.join().unwrap();
}
