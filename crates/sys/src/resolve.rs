//! Name look-up by the system's resolver, which waits.

use nix::libc;
use nix::sys::socket::{SockaddrLike, SockaddrStorage};
use std::ffi::{CStr, CString};
use std::io;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
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
        if info.ai_addr.is_null() {
            continue; // none is known to do so
        }
        // SAFETY: the address is not null, and valid for the length that stands beside it.
        let address =
            unsafe { SockaddrStorage::from_raw(info.ai_addr.cast_const(), Some(info.ai_addrlen)) };
        if let Some(mut address) = address.and_then(ip) {
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

fn ip(address: SockaddrStorage) -> Option<SocketAddr> {
    let four = address.as_sockaddr_in().map(|four| SocketAddr::V4(SocketAddrV4::from(*four)));
    four.or_else(|| address.as_sockaddr_in6().map(|six| SocketAddrV6::from(*six).into()))
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
