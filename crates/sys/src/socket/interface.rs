//! Network interfaces by name.

use std::io;
use std::net::SocketAddr;

use nix::ifaddrs::getifaddrs;

/// The addresses that the network interface `name` has, each with this port: first IPv4, then
/// IPv6, in the system's order.
///
/// # Errors
///
/// `NotFound` if there is no such interface, naming those that there are; `AddrNotAvailable` if
/// it has no address.
pub fn interface_addresses(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let mut names = Vec::new();
    let mut found = Vec::new();
    for entry in getifaddrs()? {
        let address = entry.address.as_ref().and_then(|address| {
            let v4 = address.as_sockaddr_in().map(|&v4| SocketAddr::V4(v4.into()));
            v4.or_else(|| address.as_sockaddr_in6().map(|&v6| SocketAddr::V6(v6.into())))
        });
        if entry.interface_name == name {
            found.extend(address);
        }
        if !names.contains(&entry.interface_name) {
            names.push(entry.interface_name);
        }
    }
    if !names.iter().any(|known| known == name) {
        let mut why = format!("there is no network interface {name:?}; there are: ");
        for (at, name) in names.iter().enumerate() {
            why += if at == 0 { "" } else { ", " };
            why += name;
        }
        return Err(io::Error::new(io::ErrorKind::NotFound, why));
    }
    for address in &mut found {
        address.set_port(port);
    }
    let (mut found, v6): (Vec<_>, Vec<_>) = found.into_iter().partition(SocketAddr::is_ipv4);
    found.extend(v6);
    if found.is_empty() {
        let why = format!("the network interface {name:?} has no IP address");
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, why));
    }
    Ok(found)
}
