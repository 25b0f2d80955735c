//! Unix sockets that listen, and who is at the other end of one.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{
    AtFlags, CWD, FileType, FlockOperation, Gid, Mode, OFlags, Stat, Uid, chmod, chownat, flock,
    lstat, open, unlink,
};
use rustix::io::Errno;
use rustix::net::{AddressFamily, bind};

use super::address::Address;
use super::descriptor::stream_socket;
use super::listen::ListenOptions;
use crate::absolute;
use crate::daemon::forks;
use crate::error::context;
use crate::fault::{self, Call};

/// Whose the file of a Unix socket is, and who may connect to it: what needs write permission.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketFileOptions {
    /// The permissions, as `0o660`; without it 0777 less the umask.
    pub mode: Option<u32>,
    /// The user it belongs to; without it the one who makes it.
    pub owner: Option<u32>,
    /// The group it belongs to; without it that of the one who makes it, or the directory's.
    pub group: Option<u32>,
}

/// The file of a Unix socket that listens; dropping it removes the file, if it is still there. It
/// must go before the socket does, which keeps the file's number from coming to mean another.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
    /// [`forks`] of the process that removes it.
    owner: u32,
}

/// How long, and how often, another process that makes a socket in the directory is waited for:
/// one second.
const TURN: Duration = Duration::from_millis(5);
const TURNS: usize = 200;

/// Listens at a path. A socket that is there already is removed if nobody listens at it; nothing
/// else ever is. Owner and permissions are in place before anybody can connect.
///
/// # Errors
///
/// With the path in the text. `AddrInUse` if somebody listens there, or if there is something else
/// than a socket, or what the path has met.
pub fn listen_unix(
    path: &Path,
    file: &SocketFileOptions,
    options: &ListenOptions,
) -> io::Result<(OwnedFd, SocketFile)> {
    at_path(path, file, options)
        .map_err(|error| context(format_args!("listen on unix:{}", path.display()), error))
}

/// Listens at a name in Linux's own name space. Who is on this machine may connect.
///
/// # Errors
///
/// With the name in the text: `AddrInUse`, `Unsupported` on other systems.
pub fn listen_abstract(name: &[u8], options: &ListenOptions) -> io::Result<OwnedFd> {
    let address = Address::Abstract(name.to_vec());
    let open = || {
        let socket = bound(&address)?;
        start(&socket, options)?;
        Ok(socket)
    };
    open().map_err(|error| context(format_args!("listen on {address}"), error))
}

fn at_path(
    path: &Path,
    file: &SocketFileOptions,
    options: &ListenOptions,
) -> io::Result<(OwnedFd, SocketFile)> {
    let path = absolute(path)?;
    let address = Address::Path(path.clone());
    // One at a time, from the look at what is there to the moment others see somebody listen.
    let turn = take_turn(&path);
    let socket = match bound(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            remove_stale(&path, &address)?;
            bound(&address)?
        }
        result => result?,
    };
    let at = lstat(&path)?;
    let guard = SocketFile { path, identity: identity(&at), owner: forks() };
    give(&guard.path, file)?;
    start(&socket, options)?;
    drop(turn);
    Ok((socket, guard))
}

/// Who may connect; nobody can yet.
fn give(path: &Path, file: &SocketFileOptions) -> io::Result<()> {
    if file.owner.is_some() || file.group.is_some() {
        let (owner, group) = (file.owner.map(Uid::from_raw), file.group.map(Gid::from_raw));
        chownat(CWD, path, owner, group, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| context("give it to its owner", errno.into()))?;
    }
    if let Some(mode) = file.mode {
        chmod(path, Mode::from_raw_mode(mode))
            .map_err(|errno| context("set its permissions", errno.into()))?;
    }
    Ok(())
}

fn bound(address: &Address) -> io::Result<OwnedFd> {
    let name = address.to_unix()?;
    fault::check(Call::Socket)?;
    let socket = stream_socket(AddressFamily::UNIX)?;
    bind(&socket, &name)?;
    Ok(socket)
}

fn start(socket: &OwnedFd, options: &ListenOptions) -> io::Result<()> {
    fault::check(Call::Listen)?;
    Ok(rustix::net::listen(socket, i32::try_from(options.backlog).unwrap_or(i32::MAX))?)
}

/// Removes a socket that nobody listens at.
fn remove_stale(path: &Path, address: &Address) -> io::Result<()> {
    let in_use = |why: &str| Err(io::Error::new(io::ErrorKind::AddrInUse, why));
    let at = match lstat(path) {
        Ok(at) => at,
        Err(Errno::NOENT) => return Ok(()), // its listener has just removed it
        Err(errno) => return Err(errno.into()),
    };
    if !FileType::from_raw_mode(at.st_mode).is_socket() {
        return in_use("there is a file that is not a socket, which is left alone");
    }
    let probe = stream_socket(AddressFamily::UNIX)?;
    match rustix::net::connect(&probe, &address.to_unix()?) {
        Err(Errno::CONNREFUSED) => Ok(unlink(path)?),
        Err(Errno::NOENT) => Ok(()),
        Ok(()) | Err(Errno::AGAIN | Errno::INPROGRESS) => in_use("another process listens there"),
        Err(Errno::PROTOTYPE) => in_use("there is a socket of another type, which is left alone"),
        Err(errno) => Err(context("see whether somebody listens there", errno.into())),
    }
}

/// A lock of the directory, which this crate's listeners take in turn. Not having it is no reason
/// to fail: anybody who may read the directory could hold it for ever.
fn take_turn(path: &Path) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let path = path.as_os_str().as_bytes();
    let slash = path.iter().rposition(|&byte| byte == b'/')?;
    let directory = open(path.get(..=slash)?, flags, Mode::empty()).ok()?;
    for _ in 0..TURNS {
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(directory),
            Err(Errno::AGAIN | Errno::INTR) => std::thread::sleep(TURN),
            Err(_) => return None,
        }
    }
    None
}

// The types differ from system to system.
#[allow(clippy::unnecessary_cast, reason = "they are u64 on some systems only")]
fn identity(at: &Stat) -> (u64, u64) {
    (at.st_dev as u64, at.st_ino as u64)
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = |at: &Stat| identity(at) == self.identity;
        if self.owner == forks() && lstat(&self.path).as_ref().is_ok_and(ours) {
            // After a change of user the directory may not be ours to change. What stays is a
            // socket at which nobody listens, for the next to remove.
            let _ = unlink(&self.path);
        }
    }
}

/// Who has connected to a Unix socket, or who listened at it, as the kernel has seen it then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Credentials {
    /// The process; none if it is not in this process's name space, or the system does not tell.
    pub pid: Option<u32>,
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// Who is at the other end of a Unix socket. Linux only: elsewhere `Unsupported`.
///
/// # Errors
///
/// If `fd` is no connected Unix socket.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn peer_credentials(fd: BorrowedFd<'_>) -> io::Result<Credentials> {
    use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
    if super::address::local_addr(fd)?.ip().is_some() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no Unix socket"));
    }
    let found = getsockopt(&fd, PeerCredentials)?;
    let pid = u32::try_from(found.pid()).ok().filter(|&pid| pid != 0);
    Ok(Credentials { pid, uid: found.uid(), gid: found.gid() })
}

/// Who is at the other end of a Unix socket. Linux only: elsewhere `Unsupported`.
///
/// # Errors
///
/// `Unsupported`.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn peer_credentials(_: BorrowedFd<'_>) -> io::Result<Credentials> {
    Err(io::ErrorKind::Unsupported.into())
}
