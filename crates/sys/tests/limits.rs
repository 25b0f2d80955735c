//! Limits of the process: one test, because they are the process's and not a thread's.

mod support;

use std::fs::File;
use std::os::fd::AsFd;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sockeye_sys::{
    AcceptFailure, Interest, accept, connect, descriptor_limits, open_descriptors,
    raise_descriptor_limit,
};
use support::{listener, wait_for};

fn limit_to(soft: u64) {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(soft), ..limit }).expect("lower the limit");
}

#[test]
fn descriptors_are_counted_limited_and_run_out() {
    let before = open_descriptors().unwrap();
    let files: Vec<_> = (0..5).map(|_| File::open("/dev/null").unwrap()).collect();
    assert_eq!(open_descriptors().unwrap(), before + 5);
    drop(files);
    assert_eq!(open_descriptors().unwrap(), before);

    let (_, hard) = descriptor_limits().unwrap();
    limit_to(100);
    assert_eq!(descriptor_limits().unwrap(), (100, hard));

    let (listener, addr) = listener();
    let (client, _) = connect(&addr).unwrap();
    wait_for(listener.as_fd(), Interest::READ);
    let mut files = Vec::new();
    let full = loop {
        match File::open("/dev/null") {
            Ok(file) => files.push(file),
            Err(error) => break error,
        }
    };
    assert_eq!(AcceptFailure::of(&full), AcceptFailure::Exhausted);
    assert_eq!(open_descriptors().unwrap(), 100, "counted without a descriptor to spare");
    let exhausted = accept(listener.as_fd()).unwrap_err();
    assert_eq!(AcceptFailure::of(&exhausted), AcceptFailure::Exhausted);

    files.pop();
    accept(listener.as_fd()).expect("the connection waited");
    drop(client);

    assert_eq!(raise_descriptor_limit().unwrap(), hard);
    assert_eq!(descriptor_limits().unwrap(), (hard, hard));
    assert_eq!(raise_descriptor_limit().unwrap(), hard, "there is nothing to raise");
}
