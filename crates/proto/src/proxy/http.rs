//! A tunnel by HTTP's `CONNECT`.

use super::tunnel::{Asking, BadTunnel, TunnelError};
use super::url::{Proxy, bracketed};
use crate::base64;
use crate::http::syntax::quoted;
use crate::http::{HeadLimits, HeadScanner, ResponseHead};

/// What a proxy's answer may cost, all its heads together.
const LIMITS: HeadLimits = HeadLimits { bytes: 16 << 10, headers: 100 };

/// The most interim answers (RFC 9110 §15.2) before the one that counts.
const INTERIM: u8 = 8;

/// The request is out, an answer is awaited.
#[derive(Default)]
struct Connect {
    scanner: HeadScanner,
    head: Vec<u8>,
    interim: u8,
}

/// Writes the request. Host and credentials have been checked: no byte ends a line.
pub(super) fn begin(
    proxy: &Proxy,
    host: &str,
    port: u16,
    out: &mut Vec<u8>,
) -> Result<Box<dyn Asking>, BadTunnel> {
    let host = bracketed(host);
    let request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
    out.extend_from_slice(request.as_bytes());
    if let Some((user, password)) = &proxy.userinfo {
        let secret = format!("{user}:{password}"); // RFC 7617 §2
        out.extend_from_slice(b"Proxy-Authorization: Basic ");
        let at = out.len();
        out.resize(at + secret.len().div_ceil(3) * 4, 0);
        base64::encode(secret.as_bytes(), &mut out[at..]);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    Ok(Box::new(Connect::default()))
}

impl Asking for Connect {
    fn receive(&mut self, input: &mut &[u8], _: &mut Vec<u8>) -> Result<bool, TunnelError> {
        while !input.is_empty() {
            let end = self.scanner.feed(input, &LIMITS).map_err(TunnelError::Head)?;
            let (part, rest) = input.split_at(end.unwrap_or(input.len()));
            self.head.extend_from_slice(part);
            *input = rest;
            if end.is_some() && self.answer()? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Connect {
    /// A whole head has come.
    fn answer(&mut self) -> Result<bool, TunnelError> {
        let head = ResponseHead::parse(&self.head, &LIMITS).map_err(TunnelError::Head)?;
        match head.status {
            100..200 if self.interim < INTERIM => {
                *self = Self { interim: self.interim + 1, ..Self::default() };
                Ok(false)
            }
            200..300 => Ok(true), // RFC 9110 §9.3.6: what follows is the tunnel
            status => {
                let challenge = head.headers.get_all("Proxy-Authenticate").next();
                Err(TunnelError::Status {
                    status,
                    reason: head.reason.to_owned(),
                    challenge: challenge.map(quoted),
                })
            }
        }
    }
}
