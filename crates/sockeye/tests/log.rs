//! Emitters that misbehave. The log is the process's, so one test tells it all.

use sockeye::log::{self, Emit, Levels, Record};
use std::fmt;
use std::panic;
use std::sync::{Arc, Mutex};

/// Keeps what it gets; of some messages it does worse.
#[derive(Default)]
struct Wild {
    seen: Mutex<Vec<String>>,
}

impl Wild {
    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

impl Emit for Wild {
    fn emit(&self, record: &Record<'_>) {
        self.seen.lock().unwrap().push(record.text().to_owned());
        match record.text() {
            "log" => log::emit(Levels::ERR, format_args!("from within")),
            "panic" => panic!("as ordered"),
            "replace" => log::set_emitter(|_: &Record<'_>| {}),
            _ => {}
        }
    }
}

/// Logs when it is dropped, which is when it is replaced.
struct Talkative(Arc<Wild>);

impl Emit for Talkative {
    fn emit(&self, record: &Record<'_>) {
        self.0.emit(record);
    }
}

impl Drop for Talkative {
    fn drop(&mut self) {
        log::emit(Levels::ERR, format_args!("dropped"));
    }
}

/// Fails when it is shown.
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("as ordered")
    }
}

fn say(text: &str) {
    log::emit(Levels::NOTICE, format_args!("{text}"));
}

#[test]
fn emitters_can_neither_hang_nor_break_who_logs() {
    panic::set_hook(Box::new(|_| {})); // the panics below are meant
    let wild = Arc::new(Wild::default());
    log::set_emitter(Arc::clone(&wild));

    say("log");
    say("next");
    assert_eq!(wild.seen(), ["log", "next"], "what an emitter logs is dropped");

    say("panic");
    say("next");
    assert_eq!(wild.seen(), ["panic", "next"], "a panic ends with the message");
    log::emit(Levels::ERR, format_args!("{Unspeakable}"));
    say("next");
    assert_eq!(wild.seen(), ["next"]);

    log::emit(Levels::INFO, format_args!("{Unspeakable}"));
    assert_eq!(wild.seen(), [""; 0], "a level that is off formats nothing");
    log::set_levels(Levels::INFO);
    log::emit(Levels::INFO, format_args!("on"));
    say("off");
    assert_eq!(wild.seen(), ["on"]);
    log::set_levels(Levels::DEFAULT);

    let other = Arc::new(Wild::default());
    log::set_emitter(Talkative(Arc::clone(&other)));
    log::set_emitter(Arc::clone(&wild));
    assert_eq!((wild.seen().concat().as_str(), other.seen().len()), ("dropped", 0));

    say("replace");
    say("to the new one");
    assert_eq!(wild.seen(), ["replace"]);
}
