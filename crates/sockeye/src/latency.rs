//! What holds the loop up: callbacks and system calls, measured only while `LATENCY` is on.

use crate::builder::Clock;
use crate::log::{self, Field, Levels, Value};
use crate::slots::ConnId;
use crate::state::{Core, ProtocolId};
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Whose callbacks those of HTTP are.
const HTTP: &str = "the HTTP handler";

/// Measures what the loop runs, by the context's clock.
pub(crate) struct Latency {
    clock: Clock,
    /// What takes so long is told of.
    threshold: Duration,
    /// What took longest.
    worst: RefCell<Option<(Duration, Culprit)>>,
}

/// What may hold the loop up.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Culprit {
    /// The name of a callback or system call.
    name: &'static str,
    /// Whose callback it is.
    whose: Option<String>,
    connection: Option<ConnId>,
}

impl Latency {
    pub(crate) fn new(clock: Clock, threshold: Duration) -> Self {
        Self { clock, threshold, worst: RefCell::default() }
    }

    /// Makes a system call.
    pub(crate) fn call<R>(
        &self,
        name: &'static str,
        connection: Option<ConnId>,
        make: impl FnOnce() -> R,
    ) -> R {
        let begun = is_measured().then(|| self.now());
        let result = make();
        if let Some(begun) = begun {
            self.call_took(begun, name, connection);
        }
        result
    }

    // What is measured rarely stays out of what is inlined everywhere.
    #[cold]
    fn now(&self) -> Instant {
        (self.clock)()
    }

    #[cold]
    fn call_took(&self, begun: Instant, name: &'static str, connection: Option<ConnId>) {
        self.end(begun, || Culprit { name, whose: None, connection });
    }

    /// Asks the accept filter, which belongs to no protocol.
    pub(crate) fn filter(&self, ask: impl FnOnce() -> bool) -> bool {
        let begun = is_measured().then(|| (self.clock)());
        let answer = ask();
        if let Some(begun) = begun {
            let (name, whose) = ("accept_filter", Some("the context".to_owned()));
            self.end(begun, || Culprit { name, whose, connection: None });
        }
        answer
    }

    /// Says what took longest of all that was measured.
    pub(crate) fn report(&self) {
        let Some((took, culprit)) = self.worst.borrow_mut().take() else { return };
        culprit.emit("longest", took, format_args!("longest: {culprit} took {took:?}"));
    }

    fn end(&self, begun: Instant, culprit: impl FnOnce() -> Culprit) {
        let took = (self.clock)().saturating_duration_since(begun);
        let is_worst = self.worst.borrow().as_ref().is_none_or(|(worst, _)| took > *worst);
        if !is_worst && took < self.threshold {
            return;
        }
        let culprit = culprit();
        if took >= self.threshold {
            culprit.emit("latency", took, format_args!("{culprit} held the loop for {took:?}"));
        }
        if is_worst {
            self.worst.replace(Some((took, culprit)));
        }
    }
}

impl Core {
    /// Runs a callback: of a protocol, or without one of the HTTP handler.
    pub(crate) fn callback<R>(
        &self,
        name: &'static str,
        whose: Option<ProtocolId>,
        connection: Option<ConnId>,
        run: impl FnOnce() -> R,
    ) -> R {
        let begun = is_measured().then(|| self.callback_begins());
        let result = run();
        if let Some(begun) = begun {
            self.callback_took(begun, name, whose, connection);
        }
        result
    }

    #[cold]
    fn callback_begins(&self) -> Instant {
        self.state.borrow().latency.now()
    }

    #[cold]
    fn callback_took(
        &self,
        begun: Instant,
        name: &'static str,
        whose: Option<ProtocolId>,
        connection: Option<ConnId>,
    ) {
        let latency = Rc::clone(&self.state.borrow().latency);
        latency.end(begun, || {
            let protocol = whose.map(|id| &self.registrations[usize::from(id.0)].name);
            let whose = protocol.map_or_else(|| HTTP.to_owned(), |name| format!("{name:?}"));
            Culprit { name, whose: Some(whose), connection }
        });
    }
}

fn is_measured() -> bool {
    log::is_on(Levels::LATENCY)
}

impl Culprit {
    fn emit(&self, event: &str, took: Duration, message: fmt::Arguments<'_>) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let kind = if self.whose.is_some() { "callback" } else { "system_call" };
        let id = self.connection.map(|id| id.to_string());
        let text = |name, text| Field { name, value: Value::Text(text) };
        let mut fields = vec![
            text("event", event),
            text(kind, self.name),
            Field { name: "duration_us", value: Value::Number(micros) },
        ];
        fields.extend(self.whose.as_deref().map(|whose| text("of", whose)));
        fields.extend(id.as_deref().map(|id| text("connection", id)));
        log::emit_with(Levels::LATENCY, message, &fields);
    }
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.whose {
            Some(whose) => write!(f, "callback {} of {whose}", self.name)?,
            None => write!(f, "system call {}", self.name)?,
        }
        match self.connection {
            Some(id) => write!(f, " on connection {id}"),
            None => Ok(()),
        }
    }
}
