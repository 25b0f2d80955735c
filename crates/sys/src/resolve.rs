//! Name look-up by the system's resolver, which waits.

use nix::libc;
use std::ffi::{CStr, CString};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ptr;

/// The addresses of a host, each with this port, in the order of the system's preference (RFC
/// 6724).
///
/// # Errors
///
/// Of the kind `NotFound` if there is no such name or it has no address, of the kind
/// `NetworkUnreachable` if there is no answer at present; and what else the system says.
pub fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let name = CString::new(host)?;
    // SAFETY: all bytes zero is a value of this plain structure of C: no flags, any family.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_socktype = libc::SOCK_STREAM;
    let mut list = ptr::null_mut();
    // SAFETY: `name` ends with a NUL and `hints` is initialised, both outlive the call; there is no
    // service; `list` is written to only if the call succeeds.
    let result = unsafe { libc::getaddrinfo(name.as_ptr(), ptr::null(), &hints, &mut list) };
    if result != 0 {
        return Err(failure(result, io::Error::last_os_error()));
    }
    let list = List(list);
    let mut found = Vec::new();
    let mut entry = list.0;
    // SAFETY: `entry` is null or points to an element of the list, which lives as long as `list`.
    while let Some(info) = unsafe { entry.as_ref() } {
        entry = info.ai_next;
        // SAFETY: the address is null, or one that is as long as its family says.
        if let Some(mut address) = unsafe { ip(info.ai_addr) } {
            address.set_port(port);
            found.push(address);
        }
    }
    Ok(found)
}

/// What `getaddrinfo` gave, freed once.
struct List(*mut libc::addrinfo);

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: it came from `getaddrinfo`, and nothing of it is kept.
        unsafe { libc::freeaddrinfo(self.0) }
    }
}

/// An address of IPv4 or IPv6, if it is one.
///
/// # Safety
///
/// `address` is null, or points to an address that has as many bytes as its family says.
pub(crate) unsafe fn ip(address: *const libc::sockaddr) -> Option<SocketAddr> {
    // SAFETY: it is null or points to an address, which begins with its family.
    let family = i32::from(unsafe { address.as_ref() }?.sa_family);
    if family == libc::AF_INET {
        // SAFETY: this is what the family says; it may stand anywhere.
        let four = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
        let ip = Ipv4Addr::from_bits(u32::from_be(four.sin_addr.s_addr));
        return Some(SocketAddr::from((ip, u16::from_be(four.sin_port))));
    }
    if family == libc::AF_INET6 {
        // SAFETY: this is what the family says; it may stand anywhere.
        let six = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
        let (ip, port) = (Ipv6Addr::from(six.sin6_addr.s6_addr), u16::from_be(six.sin6_port));
        return Some(SocketAddrV6::new(ip, port, six.sin6_flowinfo, six.sin6_scope_id).into());
    }
    None
}

/// What a result means that is not 0.
fn failure(result: libc::c_int, system: io::Error) -> io::Error {
    let (kind, text) = match result {
        libc::EAI_NONAME => (io::ErrorKind::NotFound, "there is no such name"),
        #[cfg(target_os = "linux")]
        libc::EAI_NODATA => (io::ErrorKind::NotFound, "the name has no address"),
        libc::EAI_AGAIN => (
            io::ErrorKind::NetworkUnreachable,
            "no name server gives an answer at present; it may be another time",
        ),
        libc::EAI_FAIL => (io::ErrorKind::Other, "the name server cannot answer"),
        libc::EAI_MEMORY => (io::ErrorKind::OutOfMemory, "no memory for it"),
        libc::EAI_SYSTEM => return system,
        other => {
            // SAFETY: it takes any number, and gives text that ends with a NUL and stays.
            let text = unsafe { CStr::from_ptr(libc::gai_strerror(other)) };
            return io::Error::other(text.to_string_lossy().into_owned());
        }
    };
    io::Error::new(kind, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_the_port_asked_for() {
        assert_eq!(look_up("127.0.0.1", 80).unwrap(), ["127.0.0.1:80".parse().unwrap()]);
        assert_eq!(look_up("::1", 443).unwrap(), ["[::1]:443".parse().unwrap()]);
        let local = look_up("localhost", 7681).unwrap();
        assert!(!local.is_empty());
        assert!(local.iter().all(|at| at.ip().is_loopback() && at.port() == 7681), "{local:?}");
    }

    #[test]
    fn addresses_of_c_keep_all_their_parts() {
        // SAFETY: all bytes zero is a value of this plain structure of C.
        let mut six: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
        (six.sin6_family, six.sin6_port) = (libc::AF_INET6 as _, 443_u16.to_be());
        (six.sin6_addr.s6_addr, six.sin6_scope_id) = (Ipv6Addr::LOCALHOST.octets(), 7);
        // SAFETY: it is as long as its family says.
        assert_eq!(unsafe { ip((&raw const six).cast()) }.unwrap().to_string(), "[::1%7]:443");
        six.sin6_family = libc::AF_UNIX as _;
        // SAFETY: it is of a family that is not looked into.
        assert_eq!(unsafe { ip((&raw const six).cast()) }, None);
        // SAFETY: it is null.
        assert_eq!(unsafe { ip(ptr::null()) }, None);
    }

    #[test]
    fn what_cannot_be_a_name_is_an_error() {
        assert_eq!(look_up("a\0b", 1).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(look_up("", 1).is_err());
    }

    #[test]
    fn failures_are_told_apart() {
        let of = |result| failure(result, io::Error::from_raw_os_error(libc::EMFILE)).to_string();
        let all = [
            libc::EAI_NONAME,
            libc::EAI_AGAIN,
            libc::EAI_FAIL,
            libc::EAI_MEMORY,
            libc::EAI_SYSTEM,
            libc::EAI_FAMILY,
        ];
        let told: std::collections::BTreeSet<String> = all.map(of).into_iter().collect();
        assert_eq!(told.len(), all.len(), "{told:?}");
    }
}
