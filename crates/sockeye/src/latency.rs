//! What holds the loop up: callbacks, system calls and TLS, measured only while `LATENCY` is on.

use crate::builder::Clock;
use crate::log::{self, Field, Levels, Value};
use crate::slots::ConnId;
use crate::state::{Core, ProtocolId};
use sockeye_sys::Lasting;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Whose callbacks those of HTTP are.
const HTTP: &str = "the HTTP handler";
/// Whose those are that belong to neither.
const CONTEXT: &str = "the context";

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
    name: &'static str,
    kind: Kind,
    connection: Option<ConnId>,
}

/// What has the name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    SystemCall,
    /// A callback of this protocol or handler.
    Callback(String),
    /// Work of TLS.
    Tls,
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
        if is_measured()
            && let Some(begun) = begun
        {
            self.took(begun, name, Kind::SystemCall, connection);
        }
        result
    }

    /// Does what TLS takes: a `"handshake"`, `"decryption"`, `"encryption"`.
    pub(crate) fn tls<R>(
        &self,
        name: &'static str,
        connection: ConnId,
        work: impl FnOnce() -> R,
    ) -> R {
        let begun = is_measured().then(|| self.now());
        let result = work();
        if let Some(begun) = begun {
            self.took(begun, name, Kind::Tls, Some(connection));
        }
        result
    }

    // What is measured rarely stays out of what is inlined everywhere.
    #[cold]
    fn now(&self) -> Instant {
        (self.clock)()
    }

    #[cold]
    fn took(&self, begun: Instant, name: &'static str, kind: Kind, connection: Option<ConnId>) {
        self.end(begun, || Culprit { name, kind, connection });
    }

    /// Runs a callback that belongs to no protocol.
    pub(crate) fn of_context<R>(&self, name: &'static str, run: impl FnOnce() -> R) -> R {
        let begun = is_measured().then(|| self.now());
        let result = run();
        if let Some(begun) = begun {
            self.took(begun, name, Kind::Callback(CONTEXT.to_owned()), None);
        }
        result
    }

    /// Says what took longest of all that was measured.
    pub(crate) fn report(&self) {
        let Some((took, culprit)) = self.worst.borrow_mut().take() else { return };
        culprit.emit("longest", took, format_args!("longest: {culprit} took {}", Lasting(took)));
    }

    fn end(&self, begun: Instant, culprit: impl FnOnce() -> Culprit) {
        let took = (self.clock)().saturating_duration_since(begun);
        let is_worst = self.worst.borrow().as_ref().is_none_or(|(worst, _)| took > *worst);
        if !is_worst && took < self.threshold {
            return;
        }
        let culprit = culprit();
        if took >= self.threshold {
            let what = format_args!("{culprit} held the loop for {}", Lasting(took));
            culprit.emit("latency", took, what);
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
        if is_measured()
            && let Some(begun) = begun
        {
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
            Culprit { name, kind: Kind::Callback(whose), connection }
        });
    }
}

/// Asked before and after: what is known to be measured would be compiled once more for that case,
/// and so could not be a part of its caller.
fn is_measured() -> bool {
    log::is_on(Levels::LATENCY)
}

impl Culprit {
    fn emit(&self, event: &str, took: Duration, message: fmt::Arguments<'_>) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let (kind, whose) = match &self.kind {
            Kind::SystemCall => ("system_call", None),
            Kind::Callback(whose) => ("callback", Some(whose.as_str())),
            Kind::Tls => ("tls", None),
        };
        let id = self.connection.map(|id| id.to_string());
        let text = |name, text| Field { name, value: Value::Text(text) };
        let mut fields = vec![
            text("event", event),
            text(kind, self.name),
            Field { name: "duration_us", value: Value::Number(micros) },
        ];
        if let Some(whose) = whose {
            fields.push(text("of", whose));
        }
        if let Some(id) = &id {
            fields.push(text("connection", id));
        }
        log::emit_with(Levels::LATENCY, message, &fields);
    }
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::SystemCall => write!(f, "system call {}", self.name)?,
            Kind::Callback(whose) => write!(f, "callback {} of {whose}", self.name)?,
            Kind::Tls => write!(f, "TLS {}", self.name)?,
        }
        match self.connection {
            Some(id) => write!(f, " on connection {id}"),
            None => Ok(()),
        }
    }
}
