//! Moving bytes.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, sendmsg, shutdown};

use crate::error::retry;
use crate::fault::{self, Call};

/// How many slices one call takes (`IOV_MAX`, the same on every system known).
const MOST_SLICES: usize = 1024;

/// A peer that is gone shall be an error, not a signal. Where the flag is missing the socket has
/// been told so when it was made.
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: SendFlags = SendFlags::empty();

/// Receives what has arrived, at most what `buf` takes. 0 is the end of the stream, unless `buf`
/// is empty.
///
/// # Errors
///
/// `WouldBlock` if nothing has arrived; else whatever the connection has met.
pub fn recv(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    retry(|| {
        let most = fault::limit(Call::Recv, buf.len())?;
        if most == 0 {
            return Ok(0);
        }
        Ok(rustix::net::recv(fd, &mut buf[..most], RecvFlags::empty())?.0)
    })
}

/// Sends what the socket takes of `buf`, and returns how much that was.
///
/// # Errors
///
/// `WouldBlock` if it takes nothing now; else whatever the connection has met.
pub fn send(fd: BorrowedFd<'_>, buf: &[u8]) -> io::Result<usize> {
    retry(|| {
        let most = fault::limit(Call::Send, buf.len())?;
        Ok(rustix::net::send(fd, &buf[..most], NO_SIGNAL)?)
    })
}

/// Sends what the socket takes of `bufs`, one after the other, and returns how many bytes that
/// was. Of more than 1024 slices it sends the first 1024 at most.
///
/// # Errors
///
/// As for [`send`].
pub fn send_vectored(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let bufs = &bufs[..bufs.len().min(MOST_SLICES)];
    retry(|| {
        let most = fault::limit(Call::Send, usize::MAX)?;
        if most < usize::MAX {
            return Ok(rustix::net::send(fd, &start_of(bufs, most), NO_SIGNAL)?);
        }
        Ok(sendmsg(fd, bufs, &mut SendAncillaryBuffer::default(), NO_SIGNAL)?)
    })
}

/// At most `most` bytes of `bufs` in one piece, for a send that a fault has shortened.
fn start_of(bufs: &[IoSlice<'_>], most: usize) -> Vec<u8> {
    bufs.iter().flat_map(|buf| buf.iter().copied()).take(most).collect()
}

/// Tells the peer that no more bytes will come; it may still send.
///
/// # Errors
///
/// `NotConnected` if the connection has ended.
pub fn shutdown_write(fd: BorrowedFd<'_>) -> io::Result<()> {
    Ok(shutdown(fd, Shutdown::Write)?)
}
