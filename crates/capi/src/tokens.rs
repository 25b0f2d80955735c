//! Headers by number (manual, "Header availability"). Each level has numbers of its own.

mod tables;

use crate::call;
use crate::context::Ctx;
use crate::level::Level;
use crate::log::say;
use crate::panic::export;
use crate::wsi::{Stash, Wsi};
use sockeye::Headers;
use std::ffi::{CStr, CString, c_char, c_int, c_uchar, c_void};
use std::ptr::null;
use tables::{MANUAL, V130, V140};

/// What a token holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// The target of a request of this method, which has a space behind it.
    Uri(&'static CStr),
    /// A header, whose name has a colon behind it.
    Header(&'static CStr),
    /// What follows the `?` of a request's target.
    Args,
    /// The rest of an answer's first line.
    Status,
    /// What a client connection was asked for with.
    Asked(Ask),
    /// Of HTTP/2, which is not spoken.
    Pseudo(&'static CStr),
    /// Nothing, ever.
    Never,
}

/// An argument of the connect call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Protocols,
    Address,
    Uri,
    Host,
    Origin,
}

/// The tokens of a level, by number.
pub(crate) fn of_level(level: Level) -> &'static [Token] {
    match level {
        Level::Manual | Level::V123 => &MANUAL,
        Level::V130 => &V130,
        Level::V140 => &V140,
    }
}

/// The head of the handshake or request that a callback runs for, or of an answer.
pub(crate) struct Head {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    status: &'static str,
    stash: Option<Box<Stash>>,
}

impl Head {
    pub(crate) fn of_request(method: &str, target: &str, headers: &Headers<'_>) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: copied(headers),
            status: "",
            stash: None,
        }
    }

    pub(crate) fn of_answer(headers: &Headers<'_>, stash: &Option<Box<Stash>>) -> Self {
        Self {
            method: String::new(),
            target: String::new(),
            headers: copied(headers),
            status: "101 Switching Protocols",
            stash: stash.clone(),
        }
    }

    /// What a token holds; nothing: it is not there.
    fn value(&self, token: Token, level: Level) -> Vec<u8> {
        match token {
            Token::Uri(name) if is_method(name, &self.method) => self.uri(level).into(),
            Token::Args => self.target.split_once('?').map_or("", |(_, args)| args).into(),
            Token::Header(name) => {
                let value = self.header(&name.to_bytes()[..name.count_bytes() - 1]);
                if value.is_empty() && name == c"origin:" {
                    return self.header(b"sec-websocket-origin");
                }
                value
            }
            Token::Status => self.status.into(),
            Token::Asked(what) => self.stash.as_ref().map_or_else(Vec::new, |s| s.value(what)),
            Token::Uri(_) | Token::Pseudo(_) | Token::Never => Vec::new(),
        }
    }

    /// The target of the request, from 1.3 on without what follows the `?`.
    pub(crate) fn uri(&self, level: Level) -> &str {
        match self.target.split_once('?') {
            Some((uri, _)) if level >= Level::V130 => uri,
            Some(_) | None => &self.target,
        }
    }

    /// All values of a header, with a space between.
    fn header(&self, name: &[u8]) -> Vec<u8> {
        let same = |(of, _): &&(String, Vec<u8>)| of.as_bytes().eq_ignore_ascii_case(name);
        let mut all = Vec::new();
        for (i, (_, value)) in self.headers.iter().filter(same).enumerate() {
            all.extend_from_slice(if i == 0 { b"" } else { b" " });
            all.extend_from_slice(value);
        }
        all
    }
}

/// Whether the token of a request line's beginning, as `get `, is that of a method.
fn is_method(name: &CStr, method: &str) -> bool {
    name.to_bytes().trim_ascii_end().eq_ignore_ascii_case(method.as_bytes())
}

fn copied(headers: &Headers<'_>) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|header| (header.name.to_owned(), header.value.to_vec())).collect()
}

impl Stash {
    fn value(&self, what: Ask) -> Vec<u8> {
        let optional = |text: &Option<CString>| {
            text.as_ref().map_or_else(Vec::new, |text| text.as_bytes().to_vec())
        };
        match what {
            Ask::Protocols => optional(&self.protocols),
            Ask::Address => self.address.as_bytes().to_vec(),
            Ask::Uri => self.uri.as_bytes().to_vec(),
            Ask::Host => self.host.as_bytes().to_vec(),
            Ask::Origin => optional(&self.origin),
        }
    }
}

impl Ctx {
    /// Has the head at hand for the header functions while `call` runs, if its headers are within
    /// the program's limits.
    pub(crate) fn with_head<R>(
        &self,
        wsi: &Wsi,
        head: Head,
        call: impl FnOnce() -> R,
    ) -> Result<R, &'static str> {
        let tokens = of_level(self.level).iter().zip(&self.token_limits);
        for (&token, &limit) in tokens.filter(|(_, limit)| **limit > 0) {
            if head.value(token, self.level).len() > usize::from(limit) {
                return Err("a header is longer than token_limits allow");
            }
        }
        *self.head.borrow_mut() = Some((wsi.handle, head));
        let result = call();
        drop(self.head.take());
        Ok(result)
    }
}

/// What a token of a connection holds, if its headers are at hand.
fn token(function: &'static str, wsi: *mut c_void, token: c_int) -> Option<Vec<u8>> {
    let (used, wsi) = call::wsi(function, wsi)?;
    let level = used.ctx().level;
    let token = *of_level(level).get(usize::try_from(token).ok()?)?;
    let head = used.ctx().head.borrow();
    let (_, head) = head.as_ref().filter(|(of, _)| *of == wsi.handle)?;
    Some(head.value(token, level))
}

export! {
    /// How long a header is; 0 if it is not there.
    fn lws_hdr_total_length(wsi: *mut c_void, h: c_int) -> c_int {
        token("lws_hdr_total_length", wsi, h).map_or(0, |value| value.len() as c_int)
    } else 0;

    /// Copies a header and a zero behind it; its length, or -1 if `len` is too little.
    fn lws_hdr_copy(wsi: *mut c_void, dest: *mut c_char, len: c_int, h: c_int) -> c_int {
        let value = token("lws_hdr_copy", wsi, h).unwrap_or_default();
        let room = usize::try_from(len).unwrap_or(0);
        if value.len() >= room {
            return if value.is_empty() { 0 } else { -1 };
        }
        if dest.is_null() {
            say!(ERR, "lws_hdr_copy: the destination is NULL");
            return -1;
        }
        // SAFETY: the caller says that `len` bytes are there; it is more than the value has.
        unsafe {
            std::ptr::copy_nonoverlapping(value.as_ptr(), dest.cast(), value.len());
            *dest.add(value.len()) = 0;
        }
        value.len() as c_int
    } else 0;

    /// How a token of 1.4 is spelled, colon included; NULL if it is no header's.
    fn lws_token_to_string(token: c_int) -> *const c_uchar {
        spelling(token).map_or(null(), |name| name.as_ptr().cast())
    } else null();
}

/// How a token of 1.4 is spelled in a head.
pub(crate) fn spelling(token: c_int) -> Option<&'static CStr> {
    match of_level(Level::V140).get(usize::try_from(token).ok()?)? {
        Token::Uri(name) | Token::Header(name) | Token::Pseudo(name) => Some(name),
        Token::Status => Some(c"http/1.1 "),
        Token::Args | Token::Asked(_) | Token::Never => None,
    }
}
