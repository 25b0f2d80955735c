//! `lws-status`.

use crate::run::{Peer, Server, text};
use serde_json::{Value, json};

fn report(client: &mut Peer) -> Value {
    serde_json::from_str(&text(client)).expect("JSON")
}

/// Reads reports until one counts this many connections.
fn report_of(client: &mut Peer, connections: usize) -> Value {
    loop {
        let report = report(client);
        if report["connections"] == connections {
            return report;
        }
    }
}

#[test]
fn the_first_report_says_who_is_there() {
    let server = Server::serve();
    let _counter = server.open("dumb-increment-protocol");
    let mut status = server.open("lws-status");
    let report = report_of(&mut status, 2);
    let expected = json!({"dumb-increment-protocol": 1, "lws-mirror-protocol": 0, "lws-status": 1});
    assert_eq!(report["protocols"], expected);
    assert_eq!(report["accepted"], 2);
    assert!(report["uptime_s"].is_u64());
    let list = report["list"].as_array().unwrap();
    let lines: Vec<_> = list.iter().map(|line| (&line["protocol"], &line["you"])).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines.contains(&(&json!("dumb-increment-protocol"), &json!(false))));
    assert!(lines.contains(&(&json!("lws-status"), &json!(true))));
    assert!(list.iter().all(|line| line["id"].is_string() && line["age_s"].is_u64()));
    assert_ne!(list[0]["id"], list[1]["id"]);
}

#[test]
fn every_coming_and_going_is_told_to_all() {
    let server = Server::serve();
    let mut both = [(); 2].map(|()| server.open("lws-status"));
    for status in &mut both {
        report_of(status, 2);
    }
    let mirror = server.open("lws-mirror-protocol");
    for status in &mut both {
        assert_eq!(report_of(status, 3)["protocols"]["lws-mirror-protocol"], 1);
    }
    drop(mirror);
    for status in &mut both {
        assert_eq!(report_of(status, 2)["protocols"]["lws-mirror-protocol"], 0);
    }
    let [mut left, gone] = both;
    drop(gone);
    assert_eq!(report_of(&mut left, 1)["list"].as_array().unwrap().len(), 1);
}

#[test]
fn all_who_come_in_a_burst_learn_of_the_last_of_them() {
    let server = Server::serve();
    let mut crowd: Vec<Peer> = (0..20).map(|_| server.open("lws-status")).collect();
    for status in &mut crowd {
        report_of(status, 20);
    }
}

#[test]
fn requests_for_the_page_are_no_connections() {
    let server = Server::serve();
    let _open = server.tcp();
    let mut status = server.open("lws-status");
    let report = report(&mut status);
    assert_eq!((&report["connections"], &report["accepted"]), (&json!(1), &json!(2)));
}

#[test]
fn the_list_is_bounded_and_has_the_reader_in_it() {
    let server = Server::serve();
    let crowd: Vec<Peer> = (0..120).map(|_| server.open("lws-mirror-protocol")).collect();
    let mut status = server.open("lws-status");
    let report = report_of(&mut status, crowd.len() + 1);
    let list = report["list"].as_array().unwrap();
    assert_eq!(list.len(), 100);
    assert_eq!(list.iter().filter(|line| line["you"] == true).count(), 1);
}

#[test]
fn no_report_says_where_anybody_is() {
    let server = Server::serve();
    let mut status = server.open("lws-status");
    assert!(!text(&mut status).contains("127.0.0.1"));
}
