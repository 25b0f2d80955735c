//! The little of X.509 that messages to people need: names, dates, the parts a signature covers.
//!
//! Whether a certificate is to be trusted is never decided here.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const BIT_STRING: u8 = 0x03;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`: the version, which old certificates lack.
const VERSION: u8 = 0xa0;

/// Parts of a certificate (RFC 5280 §4.1).
pub(crate) struct Parts<'d> {
    /// What is signed, header included.
    pub(crate) signed: &'d [u8],
    /// Contents of the algorithm that signed it.
    pub(crate) algorithm: &'d [u8],
    pub(crate) signature: &'d [u8],
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
}

impl<'d> Parts<'d> {
    pub(crate) fn of(certificate: &'d [u8]) -> Option<Self> {
        let mut rest = certificate;
        let mut outer = element(&mut rest, SEQUENCE)?;
        let before = outer;
        let mut inner = element(&mut outer, SEQUENCE)?;
        let signed = &before[..before.len() - outer.len()];
        let algorithm = element(&mut outer, SEQUENCE)?;
        let (&unused_bits, signature) = element(&mut outer, BIT_STRING)?.split_first()?;
        if unused_bits != 0 {
            return None;
        }
        if inner.first() == Some(&VERSION) {
            any(&mut inner)?;
        }
        any(&mut inner)?; // serial number
        any(&mut inner)?; // algorithm
        any(&mut inner)?; // issuer
        let mut validity = element(&mut inner, SEQUENCE)?;
        let (not_before, not_after) = (time(&mut validity)?, time(&mut validity)?);
        Some(Self { signed, algorithm, signature, not_before, not_after })
    }
}

/// The names that people read, by their object identifiers (RFC 4519).
const ATTRIBUTES: [(&[u8], &str); 6] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 6], "C"),
];

/// A distinguished name as people write it, `CN=alice, O=Example`; the parts that have no short
/// name are left out. `name` is with or without the header of its sequence.
pub(crate) fn name(name: &[u8]) -> String {
    let mut rest = name;
    let mut sets = match element(&mut rest, SEQUENCE) {
        Some(sets) if rest.is_empty() => sets,
        _ => name,
    };
    let mut parts = Vec::new();
    while let Some(mut set) = element(&mut sets, SET) {
        while let Some(mut pair) = element(&mut set, SEQUENCE) {
            let Some((_, oid)) = any(&mut pair) else { continue };
            let Some((kind, value)) = any(&mut pair) else { continue };
            let known = ATTRIBUTES.iter().find(|(known, _)| *known == oid);
            if let Some((_, short)) = known {
                parts.push(format!("{short}={}", text(kind, value)));
            }
        }
    }
    parts.join(", ")
}

/// The common name in a distinguished name.
pub(crate) fn common_name(distinguished: &[u8]) -> Option<String> {
    let all = name(distinguished);
    let found = all.split(", ").find_map(|part| part.strip_prefix("CN="));
    found.map(str::to_owned)
}

/// A string of whatever kind; what could confuse a terminal, or a list of names, becomes `?`.
fn text(kind: u8, value: &[u8]) -> String {
    const BMP_STRING: u8 = 0x1e;
    const T61_STRING: u8 = 0x14;
    let decoded: String = match kind {
        BMP_STRING => {
            let units: Vec<u16> =
                value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16_lossy(&units)
        }
        T61_STRING => value.iter().map(|&byte| char::from(byte)).collect(),
        _ => String::from_utf8_lossy(value).into_owned(),
    };
    let harmless = |c: char| if c.is_control() || c == ',' { '?' } else { c };
    decoded.chars().take(128).map(harmless).collect()
}

/// The contents of the next element, which must have this tag.
fn element<'d>(input: &mut &'d [u8], tag: u8) -> Option<&'d [u8]> {
    let before = *input;
    match any(input) {
        Some((found, contents)) if found == tag => Some(contents),
        Some(_) | None => {
            *input = before;
            None
        }
    }
}

/// The next element: tag and contents.
fn any<'d>(input: &mut &'d [u8]) -> Option<(u8, &'d [u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let len = match first {
        0..=0x7f => usize::from(first),
        0x81..=0x83 => {
            let (bytes, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
            rest = after;
            bytes.iter().fold(0, |len, &byte| len << 8 | usize::from(byte))
        }
        _ => return None, // no certificate is longer than 16 MiB
    };
    let (contents, rest) = rest.split_at_checked(len)?;
    *input = rest;
    Some((tag, contents))
}

/// RFC 5280 §4.1.2.5: seconds, and `Z`.
fn time(input: &mut &[u8]) -> Option<SystemTime> {
    let (tag, value) = any(input)?;
    let digits = value.strip_suffix(b"Z")?;
    let number = |range: std::ops::Range<usize>| {
        let digits = digits.get(range)?;
        let all = digits.iter().all(u8::is_ascii_digit);
        all.then(|| digits.iter().fold(0, |n, &digit| n * 10 + u64::from(digit - b'0')))
    };
    let (year, rest) = match tag {
        UTC_TIME => {
            let year = number(0..2)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, 2)
        }
        GENERALIZED_TIME => (number(0..4)?, 4),
        _ => return None,
    };
    let part = |i: usize| number(rest + 2 * i..rest + 2 * i + 2);
    let (month, day) = (part(0)?, part(1)?);
    let (hour, minute, second) = (part(2)?, part(3)?, part(4)?);
    let whole = digits.len() == rest + 10;
    if !whole || !(1..=12).contains(&month) || !(1..=31).contains(&day) || year < 1970 {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Days from the epoch to a date of the Gregorian calendar from 1970 on.
fn days(year: u64, month: u64, day: u64) -> u64 {
    // Years that begin in March, so that the day leap years add is their last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let in_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + leap_days + in_year - 719_468
}

/// Fuzz target: any bytes are taken for a certificate and for a name, or not.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzz(data: &[u8]) {
    if let Some(parts) = Parts::of(data) {
        assert!(parts.signed.len() + parts.signature.len() < data.len());
        let _ = super::hint::date(parts.not_after);
    }
    assert!(!name(data).chars().any(char::is_control));
    let _ = common_name(data);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(tag: u8, value: &str) -> Option<u64> {
        let mut bytes = vec![tag, value.len() as u8];
        bytes.extend_from_slice(value.as_bytes());
        let time = time(&mut &bytes[..])?;
        Some(time.duration_since(UNIX_EPOCH).unwrap().as_secs())
    }

    #[test]
    fn dates_are_read_as_they_are_meant() {
        assert_eq!(at(UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(at(UTC_TIME, "260704123456Z"), Some(1_783_168_496));
        assert_eq!(at(GENERALIZED_TIME, "20000229235959Z"), Some(951_868_799));
        assert_eq!(at(GENERALIZED_TIME, "20500101000000Z"), Some(2_524_608_000));
        assert_eq!(at(GENERALIZED_TIME, "99991231235959Z"), Some(253_402_300_799));
        for wrong in
            ["2607041234Z", "260704123456", "261304123456Z", "26070a123456Z", "690101000000Z0"]
        {
            assert_eq!(at(UTC_TIME, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_are_written_as_people_do_and_cannot_lie() {
        let pair = |oid: &[u8], kind: u8, value: &[u8]| {
            let mut pair = vec![6, oid.len() as u8];
            pair.extend_from_slice(oid);
            pair.extend_from_slice(&[kind, value.len() as u8]);
            pair.extend_from_slice(value);
            let mut set = vec![SET, pair.len() as u8 + 2, SEQUENCE, pair.len() as u8];
            set.extend(pair);
            set
        };
        let mut sets = pair(&[0x55, 4, 10], 0x0c, b"A\nB, CN=root");
        sets.extend(pair(&[0x55, 4, 3], 0x1e, &[0, b'b', 0, b'o']));
        sets.extend(pair(&[0x55, 4, 5], 0x13, b"serial"));
        assert_eq!(name(&sets), "O=A?B? CN=root, CN=bo");
        let mut whole = vec![SEQUENCE, sets.len() as u8];
        whole.extend(&sets);
        assert_eq!(name(&whole), name(&sets));
        assert_eq!(common_name(&whole).as_deref(), Some("bo"));
        assert_eq!(name(b"\x30\x84"), "");
    }

    #[test]
    fn every_prefix_of_a_certificate_is_refused_without_a_panic() {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        assert!(Parts::of(&der).is_some());
        assert!((0..der.len()).all(|end| Parts::of(&der[..end]).is_none()));
    }
}
