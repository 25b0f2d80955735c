//! Sending on several sockets by one system call.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use sockeye_sys::SendBatch;

/// Sockets to send on, and those that hear of it.
fn pairs(count: usize) -> Vec<(UnixStream, UnixStream)> {
    let pair = || {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        (ours, theirs)
    };
    (0..count).map(|_| pair()).collect()
}

fn send(
    batch: &mut SendBatch,
    pairs: &[(UnixStream, UnixStream)],
    outputs: &[&[u8]],
) -> Vec<Option<io::Result<usize>>> {
    let fds = pairs.iter().map(|(ours, _)| ours.as_fd());
    batch.send(fds.zip(outputs.iter().copied())).collect()
}

fn heard(mut socket: &UnixStream) -> Vec<u8> {
    let (mut heard, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = socket.read(&mut piece) {
        heard.extend_from_slice(&piece[..n]);
    }
    heard
}

/// Whether the kernel has given this process a ring.
fn has_ring() -> bool {
    let Ok(fds) = fs::read_dir("/proc/self/fd") else { return false };
    let mut targets = fds.flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
    targets.any(|target| target.as_os_str() == "anon_inode:[io_uring]")
}

#[test]
fn every_socket_gets_its_own_and_only_what_has_been_sent() {
    let pairs = pairs(SendBatch::MOST + 3);
    let texts: Vec<String> = (0..pairs.len()).map(|i| format!("for {i}")).collect();
    let outputs: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
    let mut batch = SendBatch::new(true);
    for _ in 0..3 {
        let results = send(&mut batch, &pairs, &outputs);
        for (i, ((_, theirs), text)) in pairs.iter().zip(&texts).enumerate() {
            match results.get(i) {
                Some(Some(result)) => {
                    assert_eq!(*result.as_ref().unwrap(), text.len());
                    assert_eq!(heard(theirs), text.as_bytes());
                }
                Some(None) | None => assert_eq!(heard(theirs), b"", "it was said not to be sent"),
            }
        }
        let sent = results.iter().flatten().count();
        assert_eq!(sent, if has_ring() { SendBatch::MOST } else { 0 });
    }
}

#[test]
fn each_result_is_what_the_socket_said() {
    let mut pairs = pairs(4);
    drop(std::mem::replace(&mut pairs[1].1, UnixStream::pair().unwrap().0));
    while sockeye_sys::send(pairs[2].0.as_fd(), &[0; 4096]).is_ok() {}
    let long = vec![7; 8 << 20];
    let mut batch = SendBatch::new(true);
    let results = send(&mut batch, &pairs, &[b"all", b"none is there", b"no room", &long]);
    let mut results = results.into_iter().flatten();
    let Some(all) = results.next() else {
        return assert!(!has_ring());
    };
    assert_eq!(all.unwrap(), 3);
    assert_eq!(results.next().unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(results.next().unwrap().unwrap_err().kind(), ErrorKind::WouldBlock);
    let some = results.next().unwrap().unwrap();
    assert!(some > 0 && some < long.len(), "{some} bytes");
    assert_eq!(heard(&pairs[3].1).len(), some);
}

#[test]
fn nothing_is_sent_where_it_is_not_allowed() {
    let pairs = pairs(2);
    let mut batch = SendBatch::new(false);
    assert!(send(&mut batch, &pairs, &[b"one", b"two"]).iter().flatten().next().is_none());
    assert!(batch.nothing().next().is_none());
    assert_eq!(heard(&pairs[0].1), b"");
}
