//! Close codes and the payload of a Close frame (RFC 6455 §5.5.1, §7.4).

use crate::utf8::InvalidUtf8;
use std::fmt;

/// A status code that may stand in a Close frame.
///
/// The codes that RFC 6455 §7.4.1 reserves for reports (1005, 1006, 1015) and all unassigned ones
/// cannot be constructed, so they cannot be sent.
///
/// ```
/// use sockeye_proto::CloseCode;
///
/// assert_eq!(CloseCode::new(4000).unwrap().as_u16(), 4000);
/// assert!(CloseCode::new(1006).is_none());
/// assert_eq!(CloseCode::NORMAL.to_string(), "1000 normal closure");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server goes down, or the page was left.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a kind of data that cannot be accepted.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1007: a message's content does not fit its type, as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: a message broke a policy of the receiver.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message is too big to process.
    pub const TOO_BIG: Self = Self(1009);
    /// 1010: the client wanted an extension that the server did not grant.
    pub const EXTENSION_REQUIRED: Self = Self(1010);
    /// 1011: the server met an unexpected condition.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the server restarts (IANA registry).
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the server is overloaded; try again later (IANA registry).
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got a bad answer from behind it (IANA registry).
    pub const BAD_GATEWAY: Self = Self(1014);

    /// The code of this number, if it may stand in a Close frame: 1000–1003, 1007–1014, and
    /// 3000–4999 for libraries and applications.
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number.
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// What the code says, in words: by RFC 6455 §7.4.1 and the registry of IANA.
    pub const fn meaning(self) -> &'static str {
        match self.0 {
            1000 => "normal closure",
            1001 => "going away",
            1002 => "protocol error",
            1003 => "unsupported data",
            1007 => "invalid payload",
            1008 => "policy violation",
            1009 => "message too big",
            1010 => "extension required",
            1011 => "internal error",
            1012 => "service restart",
            1013 => "try again later",
            1014 => "bad gateway",
            3000 => "unauthorized",
            3003 => "forbidden",
            3008 => "timeout",
            3001..=3002 | 3004..=3007 | 3009..=3999 => "registered by a library",
            _ => "of the application",
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.meaning())
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

/// What a Close frame says: nothing, or a code and a reason of at most 123 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloseFrame {
    /// The status code; `None` if the frame was empty.
    pub code: Option<CloseCode>,
    /// The reason; empty without a code.
    pub reason: String,
}

/// Why the payload of a Close frame was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadClose {
    /// One byte: half a code.
    HalfACode,
    /// A code that must not be on the wire.
    Code(u16),
    /// A reason that is not UTF-8.
    Reason,
}

impl CloseFrame {
    /// The longest reason that fits beside the code in a control frame (§5.5).
    pub const REASON_MAX: usize = 123;

    /// Takes the payload of a Close frame apart (§5.5.1).
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, BadClose> {
        match payload {
            [] => Ok(Self::default()),
            [_] => Err(BadClose::HalfACode),
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                let code = CloseCode::new(code).ok_or(BadClose::Code(code))?;
                let reason = std::str::from_utf8(reason).map_err(|_| InvalidUtf8);
                let reason = reason.map_err(|InvalidUtf8| BadClose::Reason)?.to_owned();
                Ok(Self { code: Some(code), reason })
            }
        }
    }

    /// Puts the payload into `out` and returns its length. A reason that is too long is cut at a
    /// character's edge.
    pub fn encode(code: CloseCode, reason: &str, out: &mut [u8; 125]) -> usize {
        let reason = &reason.as_bytes()[..reason.floor_char_boundary(Self::REASON_MAX)];
        out[..2].copy_from_slice(&code.0.to_be_bytes());
        out[2..2 + reason.len()].copy_from_slice(reason);
        2 + reason.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_must_not_be_sent_cannot_be_made() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
            assert_eq!(CloseCode::new(code), None, "{code}");
        }
        for code in [1000, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999] {
            assert_eq!(CloseCode::new(code).map(CloseCode::as_u16), Some(code));
        }
    }

    #[test]
    fn codes_say_what_they_mean() {
        let said = |code| CloseCode::new(code).map(|code| code.to_string());
        for (code, meaning) in [
            (1000, "normal closure"),
            (1012, "service restart"),
            (3000, "unauthorized"),
            (3001, "registered by a library"),
            (3003, "forbidden"),
            (3008, "timeout"),
            (4000, "of the application"),
        ] {
            assert_eq!(said(code), Some(format!("{code} {meaning}")));
        }
    }

    #[test]
    fn payloads_are_checked() {
        assert_eq!(CloseFrame::parse(b""), Ok(CloseFrame::default()));
        assert_eq!(CloseFrame::parse(b"\x03"), Err(BadClose::HalfACode));
        assert_eq!(CloseFrame::parse(b"\x03\xee"), Err(BadClose::Code(1006)));
        assert_eq!(CloseFrame::parse(b"\x03\xe8\xff"), Err(BadClose::Reason));
        let bye = CloseFrame { code: Some(CloseCode::NORMAL), reason: "bye".into() };
        assert_eq!(CloseFrame::parse(b"\x03\xe8bye"), Ok(bye));
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let mut out = [0; 125];
        let reason = "é".repeat(62);
        assert_eq!(CloseFrame::encode(CloseCode::NORMAL, &reason, &mut out), 2 + 122);
        assert!(std::str::from_utf8(&out[2..124]).is_ok());
    }
}
