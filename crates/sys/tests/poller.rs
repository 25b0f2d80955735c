//! What a poller reports, and when.

mod support;

use std::collections::HashSet;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use sockeye_sys::{Events, Interest, Poller, Readiness, recv, send, set_linger_zero};
use support::{LONG, SHORT, pair, wait};

#[test]
fn the_backend_is_the_one_that_was_asked_for() {
    let linux = cfg!(any(target_os = "linux", target_os = "android"));
    let expected = if linux && cfg!(not(sockeye_poll_backend)) { "epoll" } else { "poll" };
    assert_eq!(Poller::NAME, expected);
}

#[test]
fn readable_is_reported_by_every_wait_until_it_is_read() {
    let (client, server) = pair();
    let mut poller = Poller::new().unwrap();
    poller.add(server.as_fd(), u64::MAX, Interest::READ).unwrap();
    assert_eq!(wait(&mut poller, SHORT), []);

    send(client.as_fd(), b"x").unwrap();
    assert_eq!(wait(&mut poller, LONG), [(u64::MAX, Readiness::READABLE)]);
    assert_eq!(wait(&mut poller, LONG), [(u64::MAX, Readiness::READABLE)]);

    assert_eq!(recv(server.as_fd(), &mut [0; 8]).unwrap(), 1);
    assert_eq!(wait(&mut poller, SHORT), []);
}

#[test]
fn only_what_is_of_interest_is_reported() {
    let (client, server) = pair();
    send(client.as_fd(), b"x").unwrap();
    let both = Readiness { readable: true, writable: true, hangup: false };
    let mut poller = Poller::new().unwrap();
    poller.add(server.as_fd(), 1, Interest::READ_WRITE).unwrap();
    support::wait_for(server.as_fd(), Interest::READ);
    assert_eq!(wait(&mut poller, LONG), [(1, both)]);

    poller.modify(server.as_fd(), 2, Interest::WRITE).unwrap();
    assert_eq!(wait(&mut poller, LONG), [(2, Readiness::WRITABLE)]);
    poller.modify(server.as_fd(), 3, Interest::READ).unwrap();
    assert_eq!(wait(&mut poller, LONG), [(3, Readiness::READABLE)]);
    poller.modify(server.as_fd(), 4, Interest::NONE).unwrap();
    assert_eq!(wait(&mut poller, SHORT), []);
}

#[test]
fn a_reset_is_reported_without_interest() {
    let (client, server) = pair();
    let mut poller = Poller::new().unwrap();
    poller.add(server.as_fd(), 7, Interest::NONE).unwrap();
    assert_eq!(wait(&mut poller, SHORT), []);

    set_linger_zero(client.as_fd()).unwrap();
    drop(client);
    assert_eq!(wait(&mut poller, LONG), [(7, Readiness::HANGUP)]);
}

#[test]
fn the_end_of_the_peers_stream_is_readable_and_no_hang_up() {
    let (client, server) = pair();
    let mut poller = Poller::new().unwrap();
    poller.add(server.as_fd(), 7, Interest::READ).unwrap();
    drop(client);
    assert_eq!(wait(&mut poller, LONG), [(7, Readiness::READABLE)]);
    assert_eq!(recv(server.as_fd(), &mut [0; 8]).unwrap(), 0);
}

#[test]
fn what_is_removed_is_reported_no_more_and_may_be_added_again() {
    let (client, server) = pair();
    send(client.as_fd(), b"x").unwrap();
    let mut poller = Poller::new().unwrap();
    poller.add(server.as_fd(), 1, Interest::READ).unwrap();
    assert_eq!(wait(&mut poller, LONG), [(1, Readiness::READABLE)]);

    poller.remove(server.as_fd()).unwrap();
    assert_eq!(wait(&mut poller, SHORT), []);
    poller.remove(server.as_fd()).expect("removing the unknown is fine");

    poller.add(server.as_fd(), 2, Interest::READ).unwrap();
    assert_eq!(wait(&mut poller, LONG), [(2, Readiness::READABLE)]);
}

#[test]
fn adding_twice_and_changing_the_unknown_are_errors() {
    let (client, server) = pair();
    let mut poller = Poller::new().unwrap();
    poller.add(server.as_fd(), 1, Interest::READ).unwrap();
    let twice = poller.add(server.as_fd(), 2, Interest::READ).unwrap_err();
    assert_eq!(twice.kind(), io::ErrorKind::AlreadyExists);
    let unknown = poller.modify(client.as_fd(), 2, Interest::READ).unwrap_err();
    assert_eq!(unknown.kind(), io::ErrorKind::NotFound);
}

#[test]
fn tokens_stay_with_their_descriptors_through_removals() {
    let pairs: Vec<_> = (0..40).map(|_| pair()).collect();
    let mut poller = Poller::new().unwrap();
    for (token, (_, server)) in (0..).zip(&pairs) {
        poller.add(server.as_fd(), token, Interest::READ).unwrap();
    }
    for (_, server) in pairs.iter().step_by(3) {
        poller.remove(server.as_fd()).unwrap();
    }
    let kept = || (0..40).zip(&pairs).filter(|(token, _)| token % 3 != 0);
    for (token, (client, server)) in kept() {
        send(client.as_fd(), b"x").unwrap();
        assert_eq!(wait(&mut poller, LONG), [(token, Readiness::READABLE)]);
        poller.modify(server.as_fd(), token + 100, Interest::READ).expect("still watched");
        assert_eq!(wait(&mut poller, LONG), [(token + 100, Readiness::READABLE)]);
        recv(server.as_fd(), &mut [0; 8]).unwrap();
    }
    for (_, (client, server)) in kept() {
        poller.remove(server.as_fd()).unwrap();
        send(client.as_fd(), b"x").unwrap();
    }
    assert_eq!(wait(&mut poller, SHORT), []);
}

#[test]
fn with_more_ready_than_room_none_is_passed_over() {
    let pairs: Vec<_> = (0..9).map(|_| pair()).collect();
    let mut poller = Poller::new().unwrap();
    for (token, (client, _)) in (0..).zip(&pairs) {
        poller.add(client.as_fd(), token, Interest::WRITE).unwrap();
    }
    let mut events = Events::with_capacity(2);
    let mut seen = HashSet::new();
    for _ in 0..5 {
        poller.wait(&mut events, Some(LONG)).unwrap();
        assert_eq!(events.len(), 2);
        seen.extend(events.iter().map(|(token, _)| token));
    }
    assert_eq!(seen.len(), pairs.len());
}

#[test]
fn a_wait_replaces_what_the_last_one_found() {
    let (client, server) = pair();
    let mut poller = Poller::new().unwrap();
    let mut events = Events::with_capacity(0);
    poller.add(client.as_fd(), 1, Interest::WRITE).unwrap();
    poller.wait(&mut events, Some(LONG)).unwrap();
    assert_eq!((events.len(), events.is_empty()), (1, false));

    poller.modify(client.as_fd(), 1, Interest::READ).unwrap();
    poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
    assert_eq!((events.len(), events.is_empty()), (0, true));
    drop(server);
}

#[test]
fn a_wait_lasts_as_long_as_it_should() {
    let (client, _server) = pair();
    let mut poller = Poller::new().unwrap();
    poller.add(client.as_fd(), 1, Interest::READ).unwrap();
    for limit in [Duration::from_micros(300), Duration::from_micros(20_100)] {
        let start = Instant::now();
        assert_eq!(wait(&mut poller, limit), []);
        assert!(start.elapsed() >= limit, "{limit:?} ended after {:?}", start.elapsed());
        assert!(start.elapsed() < LONG);
    }
    let start = Instant::now();
    assert_eq!(wait(&mut poller, Duration::ZERO), []);
    assert!(start.elapsed() < LONG);
}

#[test]
fn endless_waits_end_when_something_is_ready() {
    let (client, _server) = pair();
    let mut poller = Poller::new().unwrap();
    poller.add(client.as_fd(), 1, Interest::WRITE).unwrap();
    let mut events = Events::default();
    for limit in [None, Some(Duration::MAX)] {
        poller.wait(&mut events, limit).unwrap();
        assert_eq!(events.len(), 1);
    }
}

#[test]
fn a_descriptor_closed_against_the_contract_does_not_spin() {
    let (client, server) = pair();
    // A number so high that no other test of this process gets it meanwhile.
    let high = rustix::io::fcntl_dupfd_cloexec(&client, 240).unwrap();
    drop(client);
    let mut poller = Poller::new().unwrap();
    poller.add(high.as_fd(), 1, Interest::WRITE).unwrap();
    drop(high);
    assert_eq!(wait(&mut poller, SHORT), []);
    let start = Instant::now();
    assert_eq!(wait(&mut poller, SHORT), []);
    assert!(start.elapsed() >= SHORT, "the second wait still found the closed descriptor");
    drop(server);
}

#[cfg(all(any(target_os = "linux", target_os = "android"), not(sockeye_poll_backend)))]
#[test]
fn an_epoll_set_is_readable_while_something_in_it_is_ready() {
    let (client, server) = pair();
    let mut inner = Poller::new().unwrap();
    inner.add(server.as_fd(), 1, Interest::READ).unwrap();
    let mut outer = Poller::new().unwrap();
    outer.add(inner.as_fd(), 2, Interest::READ).unwrap();
    assert_eq!(wait(&mut outer, SHORT), []);
    send(client.as_fd(), b"x").unwrap();
    assert_eq!(wait(&mut outer, LONG), [(2, Readiness::READABLE)]);
    recv(server.as_fd(), &mut [0; 8]).unwrap();
    assert_eq!(wait(&mut outer, SHORT), []);
}
