//! The character classes of RFC 9110 §5, shared by everything that reads or writes a head.

/// A token: method, field name, subprotocol name (RFC 9110 §5.6.2).
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Bytes that may stand in a field value: visible, space, tab and 8-bit ones (RFC 9110 §5.5).
pub(crate) fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// A field value that cannot end its line.
pub(crate) fn is_field_value(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| is_value_byte(byte))
}

/// Names with commas between them, as in a field that is a list.
pub fn listed(names: &[&str]) -> String {
    let mut list = String::new();
    for (at, name) in names.iter().enumerate() {
        list += if at == 0 { "" } else { ", " };
        list += name;
    }
    list
}

/// Without the optional whitespace around it (RFC 9110 §5.6.3: space and tab, nothing else).
pub(crate) fn trim_ows(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// `1*DIGIT`, overflow refused: no sign, no space, no hex, no list (RFC 9110 §8.6).
pub(crate) fn parse_decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0u64, |value, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// A peer's text made fit for one line of an error message: escaped and cut short.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    const SHOWN: usize = 120;
    let dots = if bytes.len() > SHOWN { "…" } else { "" };
    format!("\"{}{dots}\"", bytes[..bytes.len().min(SHOWN)].escape_ascii())
}
