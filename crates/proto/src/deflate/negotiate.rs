//! Which parameters both ends use (RFC 7692 §5 and §7.1).

use std::fmt;

/// The name of the extension.
const NAME: &str = "permessage-deflate";

/// What this end wants of permessage-deflate.
///
/// All connections of a context share one compressor, and without context takeover one inflater, so
/// that a connection costs nothing between messages. With context takeover a connection holds
/// [`history`](Self::history) of what it was sent, and an inflater of its own for what comes, each
/// from the first compressed message on. The compressor grows with the largest message it was
/// given. Measured sizes after 1 MiB, in bytes on the heap (64-bit):
///
/// | compressor: window, memory level | bytes | | inflater | bytes |
/// |---|---|---|---|---|
/// | 15, 8 (default) | 278,928 | | any window | about 48,000 |
/// | 15, 9 | 474,000 | | | |
/// | 12, 8 | 221,584 | | | |
/// | 12, 5 | 42,896 | | | |
/// | 9, 8 | 214,416 | | | |
/// | 9, 1 | 5,008 | | | |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeflateOptions {
    /// Effort of compressing, 1 to 9: at how many places is looked for what came before, 2 to 2048.
    /// From 4 on it is also looked whether more is to be had a byte later.
    pub level: u8,
    /// Memory for compressing, 1 to 9: hashes of 7 bits more, and blocks of 64 literals and matches
    /// times 2 to the power of it.
    pub memory_level: u8,
    /// Window of what this end sends: 2^8 to 2^15 bytes, here 8 to 15.
    pub window_bits: u8,
    /// Let messages sent refer to those before them: better compression, and a
    /// [`history`](Self::history) for each connection.
    pub context_takeover: bool,
    /// With [`context_takeover`](Self::context_takeover): how far back messages refer, in bytes of
    /// the messages before; no farther than the window reaches. As much is held for each
    /// connection, and looked through once more for each message. 2048 by default: of 1 KiB of
    /// JSON it makes 256 bytes, without it 350, with all of a full window 249.
    pub history: usize,
    /// The window asked of the peer, 8 to 15. Not every peer can do 8, which takes nothing from
    /// this end: any window is understood.
    pub peer_window_bits: u8,
    /// Let the peer keep its window between messages: an inflater for each connection.
    pub peer_context_takeover: bool,
    /// Messages of fewer bytes are sent uncompressed, and so are those that do not become shorter.
    /// 0: every message with content is compressed.
    pub threshold: usize,
}

impl Default for DeflateOptions {
    /// No context takeover in either direction, full windows.
    fn default() -> Self {
        Self {
            level: 6,
            memory_level: 8,
            window_bits: 15,
            context_takeover: false,
            history: 2048,
            peer_window_bits: 15,
            peer_context_takeover: false,
            threshold: 128,
        }
    }
}

/// What both ends agreed on, as this end needs it. What the peer's window is does not matter: the
/// largest is always understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateAgreed {
    /// Window of what this end sends, 8 to 15.
    pub window_bits: u8,
    /// This end keeps its window between messages.
    pub context_takeover: bool,
    /// The peer keeps its window between messages.
    pub peer_context_takeover: bool,
}

/// A server's answer that does not fit what was offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadExtension(String);

impl fmt::Display for BadExtension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server's extensions {:?} do not fit what was offered", self.0)
    }
}

impl std::error::Error for BadExtension {}

/// The parameters of one offer or answer.
#[derive(Default)]
struct Parameters {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// Present, and with which value.
    client_max_window_bits: Option<Option<u8>>,
}

impl DeflateOptions {
    /// Context takeover in both directions.
    pub fn with_context_takeover() -> Self {
        Self { context_takeover: true, peer_context_takeover: true, ..Self::default() }
    }

    /// These options with every number brought into its range.
    pub fn in_range(&self) -> Self {
        Self {
            level: self.level.clamp(1, 9),
            memory_level: self.memory_level.clamp(1, 9),
            window_bits: self.window_bits.clamp(8, 15),
            peer_window_bits: self.peer_window_bits.clamp(8, 15),
            history: self.history.min(1 << self.window_bits.clamp(8, 15)),
            ..self.clone()
        }
    }

    /// Server: takes the first offer it can, and says what to answer. `offers` are the elements
    /// of `Sec-WebSocket-Extensions` in the client's order.
    ///
    /// An offer with an unknown, repeated or malformed parameter is declined.
    pub fn accept<'o>(
        &self,
        offers: impl IntoIterator<Item = &'o str>,
    ) -> Option<(DeflateAgreed, String)> {
        offers.into_iter().find_map(|offer| {
            let offer = Parameters::parse(offer, true)?;
            let window_bits = offer.server_max_window_bits.unwrap_or(15).min(self.window_bits);
            let agreed = DeflateAgreed {
                window_bits,
                context_takeover: self.context_takeover && !offer.server_no_context_takeover,
                peer_context_takeover: self.peer_context_takeover
                    && !offer.client_no_context_takeover,
            };
            Some((agreed, self.answer(&offer, &agreed)))
        })
    }

    fn answer(&self, offer: &Parameters, agreed: &DeflateAgreed) -> String {
        let mut answer = NAME.to_owned();
        if !agreed.context_takeover {
            answer.push_str("; server_no_context_takeover");
        }
        if !agreed.peer_context_takeover {
            answer.push_str("; client_no_context_takeover");
        }
        if offer.server_max_window_bits.is_some() || agreed.window_bits < 15 {
            answer.push_str(&format!("; server_max_window_bits={}", agreed.window_bits));
        }
        if let Some(offered) = offer.client_max_window_bits
            && self.peer_window_bits < 15
        {
            let bits = offered.unwrap_or(15).min(self.peer_window_bits);
            answer.push_str(&format!("; client_max_window_bits={bits}"));
        }
        answer
    }

    /// Client: what to put into `Sec-WebSocket-Extensions`.
    pub fn offer(&self) -> String {
        let mut offer = NAME.to_owned();
        if !self.peer_context_takeover {
            offer.push_str("; server_no_context_takeover");
        }
        if !self.context_takeover {
            offer.push_str("; client_no_context_takeover");
        }
        if self.peer_window_bits < 15 {
            offer.push_str(&format!("; server_max_window_bits={}", self.peer_window_bits));
        }
        offer.push_str("; client_max_window_bits");
        if self.window_bits < 15 {
            offer.push_str(&format!("={}", self.window_bits));
        }
        offer
    }

    /// Client: checks the server's answer to [`offer`](Self::offer).
    pub fn check(&self, answer: &str) -> Result<DeflateAgreed, BadExtension> {
        let bad = || BadExtension(answer.to_owned());
        let given = Parameters::parse(answer, false).ok_or_else(bad)?;
        if !self.peer_context_takeover && !given.server_no_context_takeover {
            return Err(bad());
        }
        Ok(DeflateAgreed {
            window_bits: given.client_max_window_bits.flatten().unwrap_or(15).min(self.window_bits),
            context_takeover: self.context_takeover && !given.client_no_context_takeover,
            peer_context_takeover: !given.server_no_context_takeover,
        })
    }
}

impl Parameters {
    /// Reads one element of the header; `None` if it is not this extension, or malformed.
    fn parse(element: &str, is_offer: bool) -> Option<Self> {
        let mut parts = element.split(';').map(|part| part.trim_matches([' ', '\t']));
        if parts.next() != Some(NAME) {
            return None;
        }
        let mut found = Self::default();
        for part in parts {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => {
                    (name.trim_ascii_end(), Some(window_bits(value.trim_ascii_start())?))
                }
                None => (part, None),
            };
            let is_new = match (name, value) {
                ("server_no_context_takeover", None) => {
                    !std::mem::replace(&mut found.server_no_context_takeover, true)
                }
                ("client_no_context_takeover", None) => {
                    !std::mem::replace(&mut found.client_no_context_takeover, true)
                }
                ("server_max_window_bits", Some(bits)) => {
                    found.server_max_window_bits.replace(bits).is_none()
                }
                ("client_max_window_bits", value) if is_offer || value.is_some() => {
                    found.client_max_window_bits.replace(value).is_none()
                }
                _ => false,
            };
            if !is_new {
                return None;
            }
        }
        Some(found)
    }
}

/// A decimal number from 8 to 15 without leading zeros (§7.1.2), as a token or quoted.
fn window_bits(value: &str) -> Option<u8> {
    let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match quoted.unwrap_or(value) {
        "8" => Some(8),
        "9" => Some(9),
        "10" => Some(10),
        "11" => Some(11),
        "12" => Some(12),
        "13" => Some(13),
        "14" => Some(14),
        "15" => Some(15),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takeover() -> DeflateOptions {
        DeflateOptions::with_context_takeover()
    }

    #[test]
    fn a_server_answers_what_was_offered_and_nothing_else() {
        let plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        let (agreed, answer) = DeflateOptions::default().accept(["permessage-deflate"]).unwrap();
        assert_eq!(answer, plain);
        assert!(!agreed.context_takeover && !agreed.peer_context_takeover);
        let (agreed, answer) =
            takeover().accept(["permessage-deflate; client_max_window_bits"]).unwrap();
        assert_eq!(answer, "permessage-deflate");
        assert!(agreed.context_takeover && agreed.peer_context_takeover);
        let small = DeflateOptions { peer_window_bits: 10, window_bits: 11, ..takeover() };
        let offer =
            "permessage-deflate;server_max_window_bits=\"12\" ; client_max_window_bits = 13";
        let (agreed, answer) = small.accept([offer]).unwrap();
        assert_eq!(
            answer,
            "permessage-deflate; server_max_window_bits=11; client_max_window_bits=10"
        );
        assert_eq!(agreed.window_bits, 11);
    }

    #[test]
    fn every_value_of_every_parameter() {
        for bits in 0..=300 {
            let offer = format!("permessage-deflate; server_max_window_bits={bits}");
            let accepted = takeover().accept([offer.as_str()]);
            let answered = accepted.map(|(agreed, answer)| {
                assert_eq!(answer, offer);
                i32::from(agreed.window_bits)
            });
            assert_eq!(answered, (8..=15).contains(&bits).then_some(bits), "{offer}");
            let offer = format!("permessage-deflate; client_max_window_bits={bits}");
            assert_eq!(takeover().accept([offer.as_str()]).is_some(), (8..=15).contains(&bits));
            let answer = format!("permessage-deflate; client_max_window_bits={bits}");
            let checked = takeover().check(&answer).map(|agreed| i32::from(agreed.window_bits));
            match bits {
                8..=15 => assert_eq!(checked, Ok(bits)),
                _ => assert!(checked.is_err(), "{answer}"),
            }
        }
    }

    #[test]
    fn malformed_repeated_and_unknown_parameters_decline_that_offer_alone() {
        for bad in [
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=08",
            "permessage-deflate; server_max_window_bits=abc",
            "permessage-deflate; server_max_window_bits=",
            "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; mystery",
            "permessage-deflate;",
            "permessage-deflate; server_max_window_bits=\"9",
            "x-webkit-deflate-frame",
            "",
        ] {
            assert_eq!(takeover().accept([bad]), None, "{bad}");
            let (_, answer) = takeover().accept([bad, "permessage-deflate"]).unwrap();
            assert_eq!(answer, "permessage-deflate", "{bad}");
        }
    }

    #[test]
    fn a_client_checks_the_answer_to_the_letter() {
        let options = DeflateOptions::default();
        assert!(options.check("permessage-deflate").is_err(), "it must agree to no takeover");
        let answer = "permessage-deflate; server_no_context_takeover";
        let agreed = options.check(answer).unwrap();
        assert_eq!(
            agreed,
            DeflateAgreed {
                window_bits: 15,
                context_takeover: false,
                peer_context_takeover: false
            }
        );
        assert!(options.check("permessage-deflate; client_max_window_bits").is_err());
        assert!(takeover().check("permessage-deflate, permessage-deflate").is_err());
        let (_, answer) = options.accept([options.offer().as_str()]).unwrap();
        assert_eq!(options.check(&answer), Ok(agreed));
    }
}
