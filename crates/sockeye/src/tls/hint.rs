//! What the callbacks that rustls makes while it takes records learn, and its results do not say.
//!
//! They run on the thread that drives the connection, inside the call that drives it; so a cell of
//! that thread hands over what they saw: the name a client asked for, and what is wrong with a
//! certificate.

use std::cell::RefCell;
use std::time::SystemTime;

#[derive(Default)]
pub(crate) struct Seen {
    /// The name that the client asked for.
    pub(crate) server_name: Option<String>,
    /// The certificate that was not accepted.
    pub(crate) certificate: Option<Shown>,
}

/// What a message tells of a certificate.
pub(crate) struct Shown {
    pub(crate) subject: String,
    pub(crate) issuer: String,
    pub(crate) self_signed: bool,
}

thread_local! {
    static SEEN: RefCell<Seen> = RefCell::default();
}

pub(crate) fn server_name(name: Option<&str>) {
    SEEN.with_borrow_mut(|seen| seen.server_name = name.map(str::to_owned));
}

pub(crate) fn certificate(shown: Shown) {
    SEEN.with_borrow_mut(|seen| seen.certificate = Some(shown));
}

/// What has been seen since it was taken last.
pub(crate) fn take() -> Seen {
    SEEN.take()
}

/// A date for people.
pub(crate) fn date(time: SystemTime) -> String {
    let since = time.duration_since(std::time::UNIX_EPOCH);
    sockeye_proto::http::date(since.map_or(0, |since| since.as_secs()))
}
