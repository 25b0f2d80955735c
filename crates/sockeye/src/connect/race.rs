//! The order in which addresses are tried (RFC 8305 §4).

use sockeye_sys::Address;
use std::net::SocketAddr;

/// No more addresses of a name are tried.
const MOST: usize = 64;

/// The addresses of a name, in the system's order (RFC 6724) but for the families, which come in
/// turn: the first one's first. None comes twice.
pub(super) fn interleaved(addresses: &[SocketAddr]) -> Vec<Address> {
    let mut distinct: Vec<SocketAddr> = Vec::new();
    for address in addresses.iter().take(MOST) {
        if !distinct.contains(address) {
            distinct.push(*address);
        }
    }
    let mut order = Vec::new();
    let mut is_six = distinct.first().is_some_and(SocketAddr::is_ipv6);
    while !distinct.is_empty() {
        let next = distinct.iter().position(|address| address.is_ipv6() == is_six).unwrap_or(0);
        order.push(distinct.remove(next).into());
        is_six = !is_six;
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(all: &[&str]) -> String {
        let all = all.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 1));
        let order = interleaved(&all.collect::<Vec<_>>());
        order.iter().map(|at| at.ip().unwrap().ip().to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn families_come_in_turn_and_the_systems_order_is_kept_within() {
        assert_eq!(
            order(&["::1", "::2", "::3", "0.0.0.1", "0.0.0.2"]),
            "::1 0.0.0.1 ::2 0.0.0.2 ::3"
        );
        assert_eq!(order(&["0.0.0.1", "0.0.0.2", "::1"]), "0.0.0.1 ::1 0.0.0.2");
        assert_eq!(order(&["::1", "::1", "::2"]), "::1 ::2");
        assert_eq!(order(&[]), "");
        let many: Vec<String> = (0..100).map(|i| format!("10.0.0.{i}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(order(&many).split(' ').count(), MOST);
    }
}
