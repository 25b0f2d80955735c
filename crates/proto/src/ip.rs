//! IP addresses as they are written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reads an IP address, as `str::parse` does in five times the code: IPv4 as four numbers without
/// leading zeros, IPv6 as RFC 4291 §2.2 has it, without brackets and zone.
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return parse_v6(text).map(IpAddr::V6);
    }
    parse_v4(text).map(IpAddr::V4)
}

fn parse_v4(text: &str) -> Option<Ipv4Addr> {
    let mut parts = text.split('.');
    let mut octets = [0; 4];
    for octet in &mut octets {
        let part = parts.next()?;
        let has_sign_or_zero = part.starts_with(['+', '0']) && part != "0";
        *octet = part.parse().ok().filter(|_| !has_sign_or_zero)?;
    }
    if parts.next().is_none() { Some(octets.into()) } else { None }
}

pub(crate) fn parse_v6(text: &str) -> Option<Ipv6Addr> {
    let zeros = text.as_bytes().windows(2).position(|two| two == b"::");
    let (head, tail) = text.split_at(zeros.unwrap_or(0));
    let (mut groups, mut end) = ([0; 8], [0; 8]);
    // An IPv4 address may stand at the end only.
    let begun = if head.is_empty() { 0 } else { read_groups(head, false, &mut groups)? };
    let tail = tail.strip_prefix("::").unwrap_or(tail);
    let ended = if tail.is_empty() { 0 } else { read_groups(tail, true, &mut end)? };
    let fits = if zeros.is_some() { begun + ended < 8 } else { ended == 8 };
    if !fits {
        return None;
    }
    groups[8 - ended..].copy_from_slice(&end[..ended]);
    Some(groups.into())
}

/// Reads groups into the first of eight places; how many there are.
fn read_groups(text: &str, may_end_as_v4: bool, groups: &mut [u16; 8]) -> Option<usize> {
    let mut count = 0;
    let mut parts = text.split(':');
    while let Some(part) = parts.next() {
        if let Some(v4) = parse_v4(part) {
            let [a, b, c, d] = v4.octets();
            let two = groups.get_mut(count..count + 2)?;
            two.copy_from_slice(&[u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]);
            let is_last = parts.next().is_none();
            return if may_end_as_v4 && is_last { Some(count + 2) } else { None };
        }
        let fits = part.len() <= 4 && !part.starts_with('+');
        *groups.get_mut(count)? = u16::from_str_radix(part, 16).ok().filter(|_| fits)?;
        count += 1;
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_std_reads_is_read_and_nothing_else() {
        for text in [
            "0.0.0.0",
            "255.255.255.255",
            "256.1.1.1",
            "1.2.3",
            "1.2.3.4.5",
            "01.2.3.4",
            "+1.2.3.4",
            "1.2.3.",
            "1..2.3",
            "",
            ".",
            ":",
            "::",
            ":::",
            "::1",
            "1::",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "1:2:3:4::5:6:7:8",
            "1::2::3",
            "::ffff:1.2.3.4",
            "1.2.3.4::",
            "::1.2.3.4:5",
            "1:2:3:4:5:6:1.2.3.4",
            "1:2:3:4:5:6:7:1.2.3.4",
            "12345::",
            "+1::",
            "::+1",
            "g::",
            "FE80::a",
            "fe80::1%eth0",
            "[::1]",
            "1:2:3:4:5:6:7:8:9",
            " ::1",
            "::1 ",
            "1:2:3:4:5:6:7:",
            ":1:2:3:4:5:6:7",
            "1.2.3.4:1::1.2.3.4",
            "::1.2.3.4:1.2.3.4",
        ] {
            assert_eq!(parse_ip(text), text.parse().ok(), "{text}");
        }
        // Every way of putting together a few of what addresses are made of.
        let pieces = ["", ":", "::", "0", "a", "00ff", "10", ".", "1.2.3.4", "1:2:3:4:5:6"];
        for mut number in 0..pieces.len().pow(5) {
            let mut text = String::new();
            for _ in 0..5 {
                text += pieces[number % pieces.len()];
                number /= pieces.len();
            }
            assert_eq!(parse_ip(&text), text.parse().ok(), "{text}");
        }
    }
}
