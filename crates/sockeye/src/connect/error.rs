//! Why a connection was not opened: which step failed, and how.

use crate::log::is_harmful;
use crate::tls::TlsError;
use sockeye_proto::BadExtension;
use sockeye_proto::handshake::{BadRequest, Mismatch};
use sockeye_proto::http::{HeadError, parse_date, reason_phrase};
use sockeye_proto::proxy::{BadProxy, BadTunnel, Proxy, TunnelError};
use sockeye_proto::uri::UrlError;
use sockeye_sys::{Address, Lasting};
use std::fmt;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Which step of opening a connection failed, and how. Its text is one line, whatever the other
/// end sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is no WebSocket URL.
    Url(UrlError),
    /// The address is `wss://`, and this build has no TLS.
    NoTls,
    /// A string of the request is not allowed in it.
    Request(BadRequest),
    /// What is said to be a proxy is none that can be used.
    BadProxy {
        /// The variable of the environment that says so.
        variable: Option<&'static str>,
        /// What is wrong with it.
        error: BadProxy,
    },
    /// The proxy cannot be asked for this.
    BadTunnel(BadTunnel),
    /// A protocol is not registered with this context.
    NoSuchProtocol,
    /// [`Limits::connections`](crate::Limits::connections) are in use.
    TooManyConnections,
    /// The context is shutting down.
    ShuttingDown,
    /// A name could not be looked up.
    LookUp {
        /// The name.
        host: String,
        /// What the system says.
        error: io::Error,
    },
    /// No address could be connected to; what each said, in the order of their failing. Those that
    /// had not answered at the deadline are of the kind `TimedOut`.
    Tcp(Vec<(Address, io::Error)>),
    /// The proxy refused a tunnel; inside [`Proxy`](Self::Proxy).
    Tunnel(TunnelError),
    /// Up to the tunnel's end it is the proxy that could not be looked up, connected to, waited
    /// for or talked into it.
    Proxy {
        /// Which it was.
        proxy: Proxy,
        /// What went wrong with it.
        error: Box<ConnectError>,
    },
    /// The deadline of a step passed.
    TimedOut {
        /// The step.
        step: Step,
        /// The deadline: [`Limits::connect`](crate::Limits::connect),
        /// [`proxy`](crate::Limits::proxy) or [`handshake`](crate::Limits::handshake).
        after: Duration,
    },
    /// TLS could not be set up or agreed on.
    Tls(TlsError),
    /// The connection broke, or ended, in this step.
    Lost {
        /// The step.
        step: Step,
        /// How.
        error: io::Error,
    },
    /// The server's answer is no HTTP.
    Head(HeadError),
    /// The server answered in HTTP, with another status than 101.
    Status(Box<HttpAnswer>),
    /// The server's answer is not the one the handshake asks for.
    Answer(Mismatch),
    /// The server's answer does not fit the extensions that were offered.
    Extension(BadExtension),
    /// Our protocol's [`upgrade`](crate::Protocol::upgrade) turned the answer down.
    Rejected(crate::Reject),
    /// The connection was aborted before it was open.
    Aborted,
}

/// A step of opening a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Looking up the name, of the server or of the proxy.
    LookUp,
    /// Connecting by TCP.
    Tcp,
    /// Asking the proxy for a tunnel.
    Proxy,
    /// Agreeing on TLS; counted to the handshake's deadline.
    Tls,
    /// The opening handshake.
    Handshake,
}

impl ConnectError {
    /// Whose fault it is: this proxy's.
    pub(super) fn of_proxy(self, proxy: &Proxy) -> Self {
        Self::Proxy { proxy: proxy.clone(), error: Box::new(self) }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, why): (&str, &dyn fmt::Display) = match self {
            Self::Url(error) => ("bad address: ", error),
            Self::NoTls => ("bad address: wss:// needs TLS, which this build has not", &""),
            Self::Request(error) => ("bad request: ", error),
            Self::BadProxy { variable: None, error } => ("bad proxy: ", error),
            Self::BadProxy { variable: Some(variable), error } => {
                return write!(f, "bad proxy in the environment, {variable}: {error}");
            }
            Self::BadTunnel(error) => ("", error),
            Self::NoSuchProtocol => ("the protocol is not registered", &""),
            Self::TooManyConnections => ("too many connections", &""),
            Self::ShuttingDown => ("the context is shutting down", &""),
            Self::LookUp { host, error } => {
                return write!(f, "name look-up of {host} failed: {error}");
            }
            Self::Tcp(tries) => return tcp(f, tries),
            Self::Tunnel(error) => ("", error),
            Self::Proxy { proxy, error } => return write!(f, "proxy {proxy}: {error}"),
            Self::TimedOut { step, after } => {
                let late = match step {
                    Step::LookUp => "name look-up without an answer for ",
                    Step::Tcp => "no connection within ",
                    Step::Proxy => "no tunnel within ",
                    Step::Tls => "TLS was not agreed on within ",
                    Step::Handshake => "the server did not answer the handshake within ",
                };
                (late, &Lasting(*after))
            }
            Self::Tls(error) => ("", error),
            Self::Lost { step, error } => {
                let lost = match step {
                    Step::Proxy => "connection lost before there was a tunnel: ",
                    Step::Tls => "connection lost while TLS was being agreed on: ",
                    Step::LookUp | Step::Tcp | Step::Handshake => {
                        "connection lost during the handshake: "
                    }
                };
                (lost, error)
            }
            Self::Head(error) => ("the server's answer is no HTTP: ", error),
            Self::Status(answer) => ("the server refused the handshake: ", answer),
            Self::Answer(mismatch) => ("the server refused the handshake: ", mismatch),
            Self::Extension(error) => ("", error),
            Self::Rejected(reject) => ("answer turned down: ", reject),
            Self::Aborted => ("aborted", &""),
        };
        f.write_str(what)?;
        why.fmt(f)
    }
}

fn tcp(f: &mut fmt::Formatter<'_>, tries: &[(Address, io::Error)]) -> fmt::Result {
    if tries.is_empty() {
        return f.write_str("could not connect: there is no address");
    }
    f.write_str("could not connect")?;
    for (i, (address, error)) in tries.iter().enumerate() {
        write!(f, "{} to {address}: {error}", if i == 0 { "" } else { "," })?;
    }
    Ok(())
}

impl std::error::Error for ConnectError {}

/// A server's answer to a handshake that is not 101.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The reason phrase beside it; what is usual if there was none.
    pub reason: String,
    /// Where a redirection leads to. It is not followed.
    pub location: Option<String>,
    /// When the server wants to be asked again, in its words (`Retry-After`).
    pub retry_after: Option<String>,
    /// The first bytes of the body, [`BODY_BYTES`](Self::BODY_BYTES) at most, as far as they came
    /// within [`BODY_WITHIN`](Self::BODY_WITHIN) of the head.
    pub body: Vec<u8>,
}

impl HttpAnswer {
    /// How much of a body is kept.
    pub const BODY_BYTES: usize = 1024;
    /// How long a body is waited for.
    pub const BODY_WITHIN: Duration = Duration::from_secs(1);
    /// How many characters of a text by the server its [`Display`](fmt::Display) shows.
    const SHOWN: usize = 200;

    /// How long it is from now until the server wants to be asked again: seconds, or a date
    /// (RFC 9110 §10.2.3). `None` if it does not say so, or says neither.
    pub fn retry_delay(&self) -> Option<Duration> {
        let when = self.retry_after.as_deref()?;
        if is_digits(when) {
            return when.parse().ok().map(Duration::from_secs);
        }
        let date = UNIX_EPOCH + Duration::from_secs(parse_date(when)?);
        Some(date.duration_since(SystemTime::now()).unwrap_or_default())
    }

    pub(super) fn reason(status: u16, sent: &str) -> String {
        if sent.is_empty() { reason_phrase(status).to_owned() } else { sent.to_owned() }
    }
}

impl fmt::Display for HttpAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it answered {} {}, not 101", self.status, shown(&self.reason))?;
        if let Some(location) = &self.location {
            write!(f, ", and sends on to {}", shown(location))?;
        }
        if let Some(after) = &self.retry_after {
            let unit = if is_digits(after) { "s" } else { "" };
            write!(f, ", and wants to be asked again after {}{unit}", shown(after))?;
        }
        let body = String::from_utf8_lossy(&self.body);
        let body = body.trim_ascii();
        if body.is_empty() { Ok(()) } else { write!(f, "; it says \"{}\"", shown(body)) }
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A server's text made fit for one line, and cut short.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, char) in text.chars().enumerate() {
        if count == HttpAnswer::SHOWN {
            shown.push('…');
            break;
        }
        if is_harmful(char) || matches!(char, '"' | '\\') {
            shown.extend(char.escape_default());
        } else {
            shown.push(char);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockeye_proto::http::date;

    #[test]
    fn a_time_to_ask_again_is_a_number_or_a_date() {
        let retry_after = |when: &str| {
            let (status, reason) = (503, String::new());
            let (location, retry_after, body) = (None, Some(when.to_owned()), Vec::new());
            HttpAnswer { status, reason, location, retry_after, body }.retry_delay()
        };
        assert_eq!(retry_after("120"), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let later = now.as_secs() + 3600;
        let after = retry_after(&date(later)).expect("a date");
        assert!((Duration::from_secs(3500)..=Duration::from_secs(3600)).contains(&after));
        for wrong in ["", "-1", "soon", "99999999999999999999"] {
            assert_eq!(retry_after(wrong), None, "{wrong:?}");
        }
    }
}
