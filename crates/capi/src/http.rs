//! Serving files (manual, "Serving http files").

use crate::call;
use crate::context::Ctx;
use crate::level::{Level, Reason};
use crate::log::say;
use crate::panic::export;
use crate::write::bytes;
use crate::wsi::{Kind, Wsi};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::retry_on_intr;
use sockeye::{ConnId, SendError};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::fs::File;
use std::io::{self, Read};
use std::ptr::{null, null_mut};

/// A file is sent in pieces of this many bytes.
const PIECE: usize = 4096;

/// A file under way.
pub(crate) struct Transfer {
    file: File,
    /// Bytes that were announced and are still to be sent.
    left: u64,
}

/// What of the head of a file's answer comes from the program.
struct Extra<'e> {
    content_type: &'e CStr,
    /// Whole header lines.
    other: &'e [u8],
}

/// What sending a piece came to.
enum Step {
    /// The whole file has been handed to the socket.
    Done,
    /// There is more, and room for it.
    More,
    /// There is more, and no room.
    Choked,
}

impl Ctx {
    /// Answers with a file. Negative or positive: end the connection.
    fn serve_file(&self, wsi: &Wsi, conn: ConnId, path: &CStr, headers: &Extra<'_>) -> c_int {
        let (file, len) = match open(path) {
            Ok(opened) => opened,
            Err(error) => {
                say!(INFO, "unable to open '{}': {error}", path.to_string_lossy());
                let answer = "HTTP/1.0 400 Bad\r\nServer: libwebsockets\r\n\r\n";
                // If it cannot be sent the connection has ended, as it is going to.
                let _ = self.send_raw(conn, answer.as_bytes());
                return -1;
            }
        };
        let mut head = b"HTTP/1.0 200 OK\r\nServer: libwebsockets\r\nContent-Type: ".to_vec();
        head.extend_from_slice(headers.content_type.to_bytes());
        head.extend_from_slice(format!("\r\nContent-Length: {len}\r\n").as_bytes());
        head.extend_from_slice(headers.other);
        head.extend_from_slice(b"\r\n");
        if self.send_raw(conn, &head).is_err() {
            return -1;
        }
        *wsi.file.borrow_mut() = Some(Transfer { file, left: len });
        self.transfer_asked_for(wsi)
    }

    /// [`transfer`](Self::transfer) in a call of the program's: from 1.23 on that is told of the
    /// file's end by a positive number.
    fn transfer_asked_for(&self, wsi: &Wsi) -> c_int {
        let result = self.transfer(wsi);
        let is_done = wsi.file.borrow().is_none();
        if result == 0 && is_done && self.level >= Level::V123 { 1 } else { result }
    }

    /// Sends of the file what the socket takes, and says so at its end.
    pub(crate) fn transfer(&self, wsi: &Wsi) -> c_int {
        let Some(conn) = wsi.conn.get() else { return 1 };
        loop {
            match self.send_piece(wsi, conn) {
                Ok(Step::More) => {}
                Ok(Step::Done) => {
                    drop(wsi.file.take());
                    return self.call_own(wsi, Reason::HttpFileCompletion, (null_mut(), 0));
                }
                Ok(Step::Choked) => {
                    say!(NOTICE, "choked before able to send whole file (post)");
                    self.ask_writable(wsi);
                    return 0;
                }
                Err(error) => {
                    say!(INFO, "file transfer ended: {error}");
                    drop(wsi.file.take());
                    return -1;
                }
            }
        }
    }

    fn send_piece(&self, wsi: &Wsi, conn: ConnId) -> io::Result<Step> {
        if self.with(|connections| connections.is_choked(conn)).unwrap_or(true) {
            return Ok(Step::Choked);
        }
        let mut transfer = wsi.file.borrow_mut();
        let Some(Transfer { file, left }) = transfer.as_mut() else { return Ok(Step::Done) };
        if *left == 0 {
            return Ok(Step::Done);
        }
        let mut piece = [0; PIECE];
        let wanted = usize::try_from(*left).unwrap_or(PIECE).min(PIECE);
        let n = file.read(&mut piece[..wanted])?;
        if n == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file has become shorter",
            ));
        }
        *left -= n as u64;
        self.send_raw(conn, &piece[..n]).map_err(io::Error::other)?;
        Ok(Step::More)
    }

    pub(crate) fn send_raw(&self, conn: ConnId, bytes: &[u8]) -> Result<(), SendError> {
        self.with(|connections| connections.send_raw(conn, bytes)).unwrap_or(Err(SendError::Closed))
    }
}

/// A file that can be served, and its length.
fn open(path: &CStr) -> io::Result<(File, u64)> {
    let file = open_to_read(path)?;
    let about = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(about.st_mode).is_file() {
        Ok((file, about.st_size as u64))
    } else {
        Err(io::ErrorKind::IsADirectory.into())
    }
}

/// A file at a path of C's, to read; `File::open` would copy the path.
pub(crate) fn open_to_read(path: &CStr) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?.into())
}

/// What `libwebsockets_serve_http_file` is given at any level.
struct FileAnswer {
    file: *const c_char,
    content_type: *const c_char,
    other: *const c_char,
    /// `None`: `other` ends with a zero.
    other_len: Option<c_int>,
}

/// # Safety
///
/// All are NULL or what the header says.
unsafe fn serve(context: *mut c_void, wsi: *mut c_void, answer: &FileAnswer) -> c_int {
    let function = "libwebsockets_serve_http_file";
    let FileAnswer { file, content_type, other, other_len } = *answer;
    if file.is_null() || content_type.is_null() {
        say!(ERR, "{function}: file and content type are needed, NULL was given");
        return -1;
    }
    // SAFETY: by the caller's word.
    let (file, content_type) = unsafe { (CStr::from_ptr(file), CStr::from_ptr(content_type)) };
    let other = match other_len {
        _ if other.is_null() => Some(&[][..]),
        // SAFETY: by the caller's word.
        None => Some(unsafe { CStr::from_ptr(other) }.to_bytes()),
        Some(len) => usize::try_from(len).ok().and_then(|len| bytes(function, other.cast(), len)),
    };
    let Some(other) = other else { return -1 };
    let Some((used, wsi)) = call::wsi_in(function, context, wsi) else { return -1 };
    let ctx = used.ctx();
    let usable = ctx.is_usable(&wsi) && wsi.kind.get() == Kind::Http;
    let Some(conn) = wsi.conn.get().filter(|_| usable) else {
        say!(ERR, "{function}: the connection is not at an HTTP request");
        return -1;
    };
    let result = ctx.serve_file(&wsi, conn, file, &Extra { content_type, other });
    ctx.drain();
    result
}

export! {
    /// Answers an HTTP request with a file.
    fn libwebsockets_serve_http_file(
        context: *mut c_void,
        wsi: *mut c_void,
        file: *const c_char,
        content_type: *const c_char,
    ) -> c_int {
        let answer = FileAnswer { file, content_type, other: null(), other_len: None };
        // SAFETY: what the header asks of the caller.
        unsafe { serve(context, wsi, &answer) }
    } else -1;

    /// The same for programs of 1.3: with more headers, whole lines of them.
    fn libwebsockets_serve_http_file_130(
        context: *mut c_void,
        wsi: *mut c_void,
        file: *const c_char,
        content_type: *const c_char,
        other: *const c_char,
    ) -> c_int {
        // SAFETY: as above.
        unsafe { serve(context, wsi, &FileAnswer { file, content_type, other, other_len: None }) }
    } else -1;

    /// The same for programs of 1.4, which say how long the headers are.
    fn libwebsockets_serve_http_file_140(
        context: *mut c_void,
        wsi: *mut c_void,
        file: *const c_char,
        content_type: *const c_char,
        other: *const c_char,
        other_len: c_int,
    ) -> c_int {
        let other_len = Some(other_len);
        // SAFETY: as above.
        unsafe { serve(context, wsi, &FileAnswer { file, content_type, other, other_len }) }
    } else -1;

    /// Goes on with a file by hand.
    fn libwebsockets_serve_http_file_fragment(
        context: *mut c_void,
        wsi: *mut c_void,
    ) -> c_int {
        let function = "libwebsockets_serve_http_file_fragment";
        let Some((used, wsi)) = call::wsi_in(function, context, wsi) else { return 1 };
        if wsi.file.borrow().is_none() || !used.ctx().is_usable(&wsi) {
            say!(ERR, "{function}: no file is under way on this connection");
            return 1;
        }
        used.ctx().transfer_asked_for(&wsi)
    } else 1;
}
