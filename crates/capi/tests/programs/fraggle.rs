//! Messages of many fragments, from a C server to a C client and to a scripted one.

use crate::build::compiled;
use crate::run::{Running, Server};
use std::path::PathBuf;
use std::process::Command;

fn program(options: &[&str]) -> PathBuf {
    compiled("programs/test-fraggle.c", "gcc", options)
}

fn starts(options: &[&str]) -> Server {
    Server::start(&program(options), &["-p", "PORT", "-i", "127.0.0.1"])
}

#[test]
fn what_arrives_adds_up_between_two_c_programs() {
    for options in [&["-std=gnu99"][..], &["-std=gnu99", "-DOFFER_COMPRESSION"]] {
        let mut server = starts(options);
        let port = server.port.to_string();
        let mut client =
            Running::of(Command::new(program(options)).args(["-p", &port, "-c", "127.0.0.1"]));
        for _ in 0..3 {
            client.expect("EOM received");
        }
        assert!(!client.said.iter().any(|line| line.contains("ERROR")), "{:?}", client.said);
        drop(client);
        let said = server.program.expect_status(0);
        assert!(said.contains("Spamming session over") && said.contains("Terminating..."));
    }
}

#[test]
fn the_sum_is_that_of_the_fragments() {
    let server = starts(&["-std=gnu99"]);
    let mut peer = server.peer();
    peer.upgrade("/", &[("Sec-WebSocket-Protocol", "fraggle-protocol")]);
    let mut sum = 0_u32;
    loop {
        let frame = peer.expect_frame();
        assert!(frame.payload.len() <= 8000);
        sum = frame.payload.iter().fold(sum, |sum, &byte| sum.wrapping_add(byte.into()));
        if frame.fin {
            break;
        }
    }
    assert_eq!(peer.expect_frame().payload, sum.to_be_bytes());
}

#[test]
fn a_client_needs_an_address_and_somebody_there() {
    let program = program(&["-std=gnu99"]);
    Running::of(Command::new(&program).arg("-c")).expect_status(1);
    let port = crate::run::free_port().to_string();
    let said =
        Running::of(Command::new(&program).args(["-p", &port, "-c", "127.0.0.1"])).expect_status(1);
    assert!(said.contains("Client connect to server failed"), "{said}");
}
