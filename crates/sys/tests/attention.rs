//! The one descriptor that an external loop watches.

mod support;

use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use sockeye_sys::{Attention, Interest, Poller, Readiness, Waker};
use support::{LONG, SHORT, ready_within, wait, wait_for};

/// Whether it is readable now.
fn readable(attention: &Attention) -> bool {
    ready_within(attention.as_fd(), Interest::READ, Duration::ZERO).is_some()
}

/// Whether it becomes readable before long enough to tell that it does not.
fn becomes_readable(attention: &Attention) -> bool {
    ready_within(attention.as_fd(), Interest::READ, SHORT).is_some()
}

#[test]
fn a_waker_goes_anywhere() {
    fn anywhere<T: Send + Sync + Clone + 'static>() {}
    anywhere::<Waker>();
}

#[test]
fn it_is_readable_from_a_wake_up_until_it_is_drained() {
    let mut attention = Attention::new().unwrap();
    assert!(!becomes_readable(&attention));
    attention.drain().expect("draining nothing is fine");

    attention.waker().wake().unwrap();
    assert_eq!(wait_for(attention.as_fd(), Interest::READ), Readiness::READABLE);
    assert!(readable(&attention), "still");
    attention.drain().unwrap();
    assert!(!becomes_readable(&attention));

    attention.raise().unwrap();
    assert!(readable(&attention));
    attention.drain().unwrap();
    assert!(!readable(&attention));
}

#[test]
fn any_number_of_wake_ups_are_one_and_none_blocks() {
    let mut attention = Attention::new().unwrap();
    let waker = attention.waker();
    for _ in 0..100_000 {
        waker.wake().unwrap();
    }
    assert!(readable(&attention));
    attention.drain().unwrap();
    assert!(!readable(&attention));
}

#[test]
fn another_thread_ends_a_wait() {
    let attention = Attention::new().unwrap();
    let mut poller = Poller::new().unwrap();
    poller.add(attention.as_fd(), 9, Interest::READ).unwrap();
    let waker = attention.waker();
    let thread = thread::spawn(move || {
        thread::sleep(SHORT);
        waker.clone().wake().unwrap();
    });
    assert_eq!(wait(&mut poller, LONG), [(9, Readiness::READABLE)]);
    thread.join().unwrap();
}

#[test]
fn no_wake_up_is_lost_to_a_drain() {
    const WORK: u32 = 2_000;
    let mut attention = Attention::new().unwrap();
    let waker = attention.waker();
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        for item in 0..WORK {
            sender.send(item).unwrap();
            waker.wake().unwrap();
        }
    });
    let mut done = 0;
    while done < WORK {
        wait_for(attention.as_fd(), Interest::READ);
        attention.drain().unwrap();
        // Setting and stopping an alarm takes nothing back but the alarm.
        attention.set_alarm(Some(Duration::ZERO)).unwrap();
        attention.set_alarm(None).unwrap();
        done += u32::try_from(receiver.try_iter().count()).unwrap();
    }
    thread.join().unwrap();
}

#[test]
fn an_alarm_rings_in_time_and_once() {
    let mut attention = Attention::new().unwrap();
    for after in [Duration::from_micros(1500), Duration::from_millis(40)] {
        let start = Instant::now();
        attention.set_alarm(Some(after)).unwrap();
        wait_for(attention.as_fd(), Interest::READ);
        assert!(start.elapsed() >= after, "{after:?} rang after {:?}", start.elapsed());
        assert!(readable(&attention), "until it is drained");
        attention.drain().unwrap();
        assert!(!becomes_readable(&attention), "and not again");
    }
}

#[test]
fn zero_rings_at_once() {
    let mut attention = Attention::new().unwrap();
    attention.set_alarm(Some(Duration::ZERO)).unwrap();
    wait_for(attention.as_fd(), Interest::READ);
    attention.drain().unwrap();
    assert!(!readable(&attention));
}

#[test]
fn a_stopped_alarm_does_not_ring() {
    let mut attention = Attention::new().unwrap();
    attention.set_alarm(None).expect("stopping none is fine");
    attention.set_alarm(Some(SHORT / 2)).unwrap();
    attention.set_alarm(None).unwrap();
    assert!(!becomes_readable(&attention));
}

#[test]
fn setting_an_alarm_takes_back_one_that_rang_but_no_wake_up() {
    let mut attention = Attention::new().unwrap();
    for next in [None, Some(Duration::MAX)] {
        attention.set_alarm(Some(Duration::from_millis(1))).unwrap();
        wait_for(attention.as_fd(), Interest::READ);
        attention.set_alarm(next).unwrap();
        assert!(!readable(&attention));

        attention.set_alarm(Some(Duration::ZERO)).unwrap();
        attention.raise().unwrap();
        attention.set_alarm(next).unwrap();
        assert!(readable(&attention));
        attention.drain().unwrap();
        assert!(!readable(&attention));
    }
}

#[test]
fn a_later_alarm_replaces_an_earlier_one_and_the_other_way_round() {
    let mut attention = Attention::new().unwrap();
    attention.set_alarm(Some(SHORT / 2)).unwrap();
    attention.set_alarm(Some(LONG * 10)).unwrap();
    assert!(!becomes_readable(&attention));
    attention.set_alarm(Some(SHORT / 2)).unwrap();
    wait_for(attention.as_fd(), Interest::READ);
}

#[test]
fn draining_a_wake_up_keeps_the_alarm_to_come() {
    let mut attention = Attention::new().unwrap();
    attention.set_alarm(Some(SHORT * 10)).unwrap();
    attention.raise().unwrap();
    attention.drain().unwrap();
    assert!(!readable(&attention));
    wait_for(attention.as_fd(), Interest::READ);
}

#[test]
fn a_waker_may_outlive_it() {
    let attention = Attention::new().unwrap();
    let waker = attention.waker();
    drop(attention);
    waker.wake().unwrap();
}

#[test]
fn it_goes_away_at_once_even_with_an_alarm_to_come() {
    let start = Instant::now();
    let mut attention = Attention::new().unwrap();
    attention.set_alarm(Some(LONG * 10)).unwrap();
    drop(attention);
    assert!(start.elapsed() < LONG);
}

/// The deepest nesting there is: a host's loop, its own set in it, a context's set, this.
#[cfg(all(any(target_os = "linux", target_os = "android"), not(sockeye_poll_backend)))]
#[test]
fn it_can_be_watched_through_sets_within_sets() {
    let attention = Attention::new().unwrap();
    let [mut context, mut own, mut host] = [(); 3].map(|()| Poller::new().unwrap());
    context.add(attention.as_fd(), 0, Interest::READ).unwrap();
    own.add(context.as_fd(), 0, Interest::READ).unwrap();
    host.add(own.as_fd(), 0, Interest::READ).unwrap();
    assert_eq!(wait(&mut host, Duration::ZERO), []);
    attention.raise().unwrap();
    assert_eq!(wait(&mut host, LONG), [(0, Readiness::READABLE)]);
}
