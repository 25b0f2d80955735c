//! A tunnel by SOCKS 5 (RFC 1928), with name and password if asked for (RFC 1929).

use std::net::IpAddr;

use super::tunnel::{Asking, BadTunnel, TunnelError};
use super::url::Proxy;
use crate::ip::parse_ip;

const VERSION: u8 = 5;
/// The version of the negotiation of RFC 1929.
const LOGIN_VERSION: u8 = 1;
const NO_LOGIN: u8 = 0;
const BY_PASSWORD: u8 = 2;
const NONE_ACCEPTABLE: u8 = 0xff;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// A tunnel that is being asked for.
///
/// ```text
/// Method ──▶ (Login) ──▶ Reply ──▶ Address ──▶ open
/// ```
struct Socks {
    step: Step,
    /// The part of the present step that has come: at most 257 bytes.
    came: Vec<u8>,
    /// What goes out when it is asked for.
    login: Option<Vec<u8>>,
    request: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// How to log in: version, method.
    Method,
    /// Whether the login is accepted: version, status.
    Login,
    /// What became of the request: version, reply.
    Reply,
    /// The rest of the reply: reserved, kind of address, address, port.
    Address,
}

/// Writes the greeting.
pub(super) fn begin(
    proxy: &Proxy,
    host: &str,
    port: u16,
    out: &mut Vec<u8>,
) -> Result<Box<dyn Asking>, BadTunnel> {
    let userinfo = proxy.userinfo.as_ref();
    let login = userinfo.map(|(user, password)| login(user, password)).transpose()?;
    let request = request(host, port)?;
    let methods: &[u8] = if login.is_some() { &[NO_LOGIN, BY_PASSWORD] } else { &[NO_LOGIN] };
    out.extend_from_slice(&[VERSION, methods.len() as u8]);
    out.extend_from_slice(methods);
    Ok(Box::new(Socks { step: Step::Method, came: Vec::new(), login, request }))
}

impl Asking for Socks {
    fn receive(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Result<bool, TunnelError> {
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            self.came.push(byte);
            if self.came.len() == 1 {
                self.check_first(byte)?;
            }
            if self.came.len() == self.needed()? {
                let open = self.step(out)?;
                self.came.clear();
                if open {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

impl Socks {
    /// What is no SOCKS is noticed with its first byte.
    fn check_first(&self, byte: u8) -> Result<(), TunnelError> {
        let expected = match self.step {
            Step::Method | Step::Reply => VERSION,
            Step::Login => LOGIN_VERSION,
            Step::Address => return Ok(()), // reserved
        };
        if byte == expected { Ok(()) } else { Err(TunnelError::NotSocks(byte)) }
    }

    /// How long the present step's message is, as far as that is known.
    fn needed(&self) -> Result<usize, TunnelError> {
        if self.step != Step::Address {
            return Ok(2);
        }
        match self.came.get(1..) {
            Some([IPV4, ..]) => Ok(2 + 4 + 2),
            Some([IPV6, ..]) => Ok(2 + 16 + 2),
            Some([NAME]) => Ok(3),
            Some([NAME, length, ..]) => Ok(3 + usize::from(*length) + 2),
            Some([kind, ..]) => Err(TunnelError::AddressKind(*kind)),
            Some([]) | None => Ok(2),
        }
    }

    fn step(&mut self, out: &mut Vec<u8>) -> Result<bool, TunnelError> {
        let (step, code) = (self.step, self.came.get(1).copied().unwrap_or_default());
        self.step = match (step, code) {
            (Step::Method, NO_LOGIN) => {
                out.extend_from_slice(&self.request);
                Step::Reply
            }
            (Step::Method, BY_PASSWORD) if self.login.is_some() => {
                out.extend_from_slice(self.login.as_deref().unwrap_or_default());
                Step::Login
            }
            (Step::Method, NONE_ACCEPTABLE) => {
                return Err(TunnelError::NoLogin { offered: self.login.is_some() });
            }
            (Step::Method, other) => return Err(TunnelError::Method(other)),
            (Step::Login, 0) => {
                out.extend_from_slice(&self.request);
                Step::Reply
            }
            (Step::Login, _) => return Err(TunnelError::LoginRefused),
            (Step::Reply, 0) => Step::Address,
            (Step::Reply, code) => return Err(TunnelError::Reply(code)),
            (Step::Address, _) => return Ok(true),
        };
        Ok(false)
    }
}

/// RFC 1929 §2.
fn login(user: &str, password: &str) -> Result<Vec<u8>, BadTunnel> {
    let length = |text: &str| {
        u8::try_from(text.len()).ok().filter(|&length| length > 0).ok_or(BadTunnel::Login)
    };
    let mut login = vec![LOGIN_VERSION, length(user)?];
    login.extend_from_slice(user.as_bytes());
    login.push(length(password)?);
    login.extend_from_slice(password.as_bytes());
    Ok(login)
}

/// RFC 1928 §4.
fn request(host: &str, port: u16) -> Result<Vec<u8>, BadTunnel> {
    let mut request = vec![VERSION, CONNECT, 0];
    match parse_ip(host) {
        Some(IpAddr::V4(address)) => {
            request.push(IPV4);
            request.extend_from_slice(&address.octets());
        }
        Some(IpAddr::V6(address)) => {
            request.push(IPV6);
            request.extend_from_slice(&address.octets());
        }
        None => {
            let length = u8::try_from(host.len()).map_err(|_| BadTunnel::Host)?;
            request.extend_from_slice(&[NAME, length]);
            request.extend_from_slice(host.as_bytes());
        }
    }
    request.extend_from_slice(&port.to_be_bytes());
    Ok(request)
}
