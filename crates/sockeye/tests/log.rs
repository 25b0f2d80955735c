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

/// A logger of the `log` crate.
struct Facade(Mutex<Vec<String>>);

static FACADE: Facade = Facade(Mutex::new(Vec::new()));

impl ::log::Log for Facade {
    fn enabled(&self, _: &::log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &::log::Record<'_>) {
        let (level, target) = (record.level(), record.target());
        self.0.lock().unwrap().push(format!("{level} {target} {}", record.args()));
    }

    fn flush(&self) {}
}

/// What happens before a program has set an emitter.
fn without_an_emitter_the_log_crate_gets_the_messages() {
    ::log::set_logger(&FACADE).expect("it is the first");
    ::log::set_max_level(::log::LevelFilter::Info);
    say("a\nb");
    log::emit(Levels::WARN, format_args!("c"));
    log::emit(Levels::INFO, format_args!("off")); // for the library
    let got = std::mem::take(&mut *FACADE.0.lock().unwrap());
    assert_eq!(got, ["INFO sockeye a\\nb", "WARN sockeye c"]);
}

#[test]
fn emitters_can_neither_hang_nor_break_who_logs() {
    panic::set_hook(Box::new(|_| {})); // the panics below are meant
    without_an_emitter_the_log_crate_gets_the_messages();
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
