//! Calls that fail on order.

mod support;

use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use sockeye_sys::fault::{self, Call, Fault, errno};
use sockeye_sys::{
    AcceptFailure, Attention, Events, Interest, ListenOptions, Poller, SendBatch, accept, connect,
    listen, recv, send, send_vectored,
};
use support::{LONG, LOOPBACK, listener, pair, recv_exactly, wait_for};

/// Forgets the plans of a test when it ends, however it ends.
struct Plans;

impl Drop for Plans {
    fn drop(&mut self) {
        fault::clear();
    }
}

#[test]
fn the_planned_call_fails_and_the_others_do_not() {
    let _plans = Plans;
    let (client, server) = pair();
    fault::plan(Call::Send, 1, Fault::Errno(errno::PIPE));
    assert_eq!(send(client.as_fd(), b"a").unwrap(), 1);
    let error = send(client.as_fd(), b"b").unwrap_err();
    assert_eq!(
        (error.kind(), error.raw_os_error()),
        (io::ErrorKind::BrokenPipe, Some(errno::PIPE))
    );
    assert_eq!(send(client.as_fd(), b"c").unwrap(), 1);
    assert_eq!(recv_exactly(server.as_fd(), 2), b"ac");
    assert_eq!(fault::unmet(), 0);
}

#[test]
fn one_of_several_sends_at_once_fails_and_the_others_do_not() {
    let _plans = Plans;
    let pairs = [pair(), pair(), pair()];
    let outputs = || pairs.iter().map(|(ours, _)| (ours.as_fd(), &b"text"[..]));
    fault::plan(Call::Send, 1, Fault::Errno(errno::PIPE));
    fault::plan(Call::Send, 1, Fault::Error(io::ErrorKind::WouldBlock));
    let mut batch = SendBatch::new(true);
    let results: Vec<_> = batch.send(outputs()).flatten().collect();
    if results.is_empty() {
        return; // there is no such call here
    }
    assert_eq!(*results[0].as_ref().unwrap(), 4);
    assert_eq!(results[1].as_ref().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(results[2].as_ref().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!(recv_exactly(pairs[0].1.as_fd(), 4), b"text");
    for (_, theirs) in &pairs[1..] {
        let nothing = recv(theirs.as_fd(), &mut [0; 8]).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    }
}

#[test]
fn plans_that_are_due_together_come_one_after_the_other() {
    let _plans = Plans;
    let (client, _server) = pair();
    fault::plan(Call::Recv, 0, Fault::Error(io::ErrorKind::ConnectionReset));
    fault::plan(Call::Recv, 0, Fault::Error(io::ErrorKind::TimedOut));
    let kind = || recv(client.as_fd(), &mut [0; 8]).unwrap_err().kind();
    assert_eq!(kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(fault::unmet(), 1);
    assert_eq!(kind(), io::ErrorKind::TimedOut);
    assert_eq!(kind(), io::ErrorKind::WouldBlock, "the socket's own answer");
}

#[test]
fn repeated_faults_last_until_they_are_cleared() {
    let _plans = Plans;
    let (client, server) = pair();
    fault::repeat(Call::Send, Fault::Error(io::ErrorKind::WouldBlock));
    for _ in 0..3 {
        let error = send(client.as_fd(), b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
    fault::clear();
    send(client.as_fd(), b"x").unwrap();
    assert_eq!(recv_exactly(server.as_fd(), 1), b"x");
}

#[test]
fn a_cycle_of_faults_begins_anew() {
    let _plans = Plans;
    let (client, server) = pair();
    send(client.as_fd(), b"abcdefgh").unwrap();
    wait_for(server.as_fd(), Interest::READ);
    fault::plan(Call::Recv, 1, Fault::Error(io::ErrorKind::WouldBlock));
    fault::cycle(Call::Recv, vec![Fault::Short(1), Fault::Short(2)]);
    let sizes: Vec<_> = (0..6).map(|_| recv(server.as_fd(), &mut [0; 8]).ok()).collect();
    assert_eq!(sizes, [Some(1), None, Some(2), Some(1), Some(2), Some(1)]);
    fault::clear();
    assert_eq!(recv(server.as_fd(), &mut [0; 8]).unwrap(), 1);
}

#[test]
fn short_calls_move_a_part() {
    let _plans = Plans;
    let (client, server) = pair();
    fault::plan(Call::Send, 0, Fault::Short(2));
    assert_eq!(send(client.as_fd(), b"abc").unwrap(), 2);
    fault::plan(Call::Send, 0, Fault::Short(3));
    let slices = [b"cd".as_slice(), b"efg"].map(IoSlice::new);
    assert_eq!(send_vectored(client.as_fd(), &slices).unwrap(), 3);
    fault::plan(Call::Send, 0, Fault::Short(100));
    assert_eq!(send_vectored(client.as_fd(), &slices[1..]).unwrap(), 3);
    wait_for(server.as_fd(), Interest::READ);

    let mut buf = [0; 8];
    fault::plan(Call::Recv, 0, Fault::Short(1));
    assert_eq!(recv(server.as_fd(), &mut buf).unwrap(), 1);
    assert_eq!(buf[0], b'a');
    fault::plan(Call::Recv, 0, Fault::Short(0));
    assert_eq!(recv(server.as_fd(), &mut buf).unwrap(), 0, "as at the end of the stream");
    assert_eq!(recv_exactly(server.as_fd(), 7), b"bcdeefg");
}

#[test]
fn interrupted_calls_are_made_again() {
    let _plans = Plans;
    let (listener, addr) = listener();
    let (client, _) = connect(&addr).unwrap();
    wait_for(listener.as_fd(), Interest::READ);
    let attention = Attention::new().unwrap();
    for call in [Call::Accept, Call::Send, Call::Recv, Call::Wake] {
        fault::plan(call, 0, Fault::Errno(errno::INTR));
    }
    let (server, _) = accept(listener.as_fd()).unwrap();
    assert_eq!(send(server.as_fd(), b"x").unwrap(), 1);
    wait_for(client.as_fd(), Interest::READ);
    assert_eq!(recv(client.as_fd(), &mut [0; 8]).unwrap(), 1);
    attention.waker().wake().unwrap();
    wait_for(attention.as_fd(), Interest::READ);
    assert_eq!(fault::unmet(), 0);
}

#[test]
fn an_interrupted_wait_finds_nothing() {
    let _plans = Plans;
    let (client, _server) = pair();
    let mut poller = Poller::new().unwrap();
    poller.add(client.as_fd(), 1, Interest::WRITE).unwrap();
    let mut events = Events::new();
    poller.wait(&mut events, Some(LONG)).unwrap();
    assert_eq!(events.len(), 1);
    fault::plan(Call::Wait, 0, Fault::Errno(errno::INTR));
    poller.wait(&mut events, Some(LONG)).unwrap();
    assert!(events.is_empty());
    fault::plan(Call::Wait, 0, Fault::Errno(errno::NOMEM));
    assert_eq!(
        poller.wait(&mut events, Some(LONG)).unwrap_err().raw_os_error(),
        Some(errno::NOMEM)
    );
}

#[test]
fn every_other_call_can_fail_too() {
    let _plans = Plans;
    let (listener, addr) = listener();
    let fails = |call| fault::plan(call, 0, Fault::Errno(errno::MFILE));

    for call in [Call::Socket, Call::Connect] {
        fails(call);
        assert_eq!(connect(&addr).unwrap_err().raw_os_error(), Some(errno::MFILE));
    }
    for call in [Call::Socket, Call::Listen] {
        fails(call);
        let error = listen(LOOPBACK, &ListenOptions::default()).unwrap_err();
        assert!(error.to_string().starts_with("listen on 127.0.0.1:0: "), "{error}");
    }
    fails(Call::Accept);
    let error = accept(listener.as_fd()).unwrap_err();
    assert_eq!(AcceptFailure::of(&error), AcceptFailure::Exhausted);

    let mut poller = Poller::new().unwrap();
    fails(Call::Watch);
    poller.add(listener.as_fd(), 0, Interest::READ).unwrap_err();
    poller.add(listener.as_fd(), 0, Interest::READ).unwrap();
    fails(Call::Watch);
    poller.modify(listener.as_fd(), 0, Interest::READ).unwrap_err();

    let attention = Attention::new().unwrap();
    fails(Call::Wake);
    attention.raise().unwrap_err();
    assert_eq!(fault::unmet(), 0);
}

#[test]
fn a_wake_up_that_finds_the_channel_full_has_succeeded() {
    let _plans = Plans;
    let attention = Attention::new().unwrap();
    fault::plan(Call::Wake, 0, Fault::Errno(errno::AGAIN));
    attention.waker().wake().unwrap();
    assert_eq!(fault::unmet(), 0);
}

#[test]
fn plans_are_of_one_thread() {
    let _plans = Plans;
    fault::repeat(Call::Wake, Fault::Error(io::ErrorKind::Other));
    let attention = Attention::new().unwrap();
    let waker = attention.waker();
    thread::spawn(move || waker.wake().expect("not planned here")).join().unwrap();
    wait_for(attention.as_fd(), Interest::READ);
    attention.raise().unwrap_err();
}

#[test]
fn a_short_fault_lets_calls_pass_that_move_nothing() {
    let _plans = Plans;
    let mut poller = Poller::new().unwrap();
    fault::plan(Call::Wait, 0, Fault::Short(1));
    poller.wait(&mut Events::new(), Some(Duration::ZERO)).unwrap();
    assert_eq!(fault::unmet(), 0);
}
