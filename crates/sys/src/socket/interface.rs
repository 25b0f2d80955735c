//! Network interfaces by name.

use crate::resolve::ip;
use nix::libc;
use std::ffi::CStr;
use std::io;
use std::net::SocketAddr;
use std::ptr;

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
    let mut list = ptr::null_mut();
    // SAFETY: where the list begins is written there if the call succeeds.
    if unsafe { libc::getifaddrs(&mut list) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let list = List(list);
    let mut entry = list.0;
    // SAFETY: `entry` is null or points to an element of the list, which lives as long as `list`.
    while let Some(interface) = unsafe { entry.as_ref() } {
        entry = interface.ifa_next;
        // SAFETY: every element has a name that ends with a NUL.
        let its = unsafe { CStr::from_ptr(interface.ifa_name) }.to_string_lossy();
        if *its == *name {
            // SAFETY: it is null, or an address that is as long as its family says.
            found.extend(unsafe { ip(interface.ifa_addr) });
        }
        if !names.iter().any(|known| *known == *its) {
            names.push(its.into_owned());
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

/// What `getifaddrs` gave, freed once.
struct List(*mut libc::ifaddrs);

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: it came from `getifaddrs`, and nothing of it is kept.
        unsafe { libc::freeifaddrs(self.0) }
    }
}
