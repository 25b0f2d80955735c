//! Sending, and asking for writability and reading.

use crate::bell;
use crate::call;
use crate::context::Ctx;
use crate::ids::{Refusal, complain, shared_of_wsi, use_context_of};
use crate::log::say;
use crate::panic::export;
use crate::wsi::{Kind, Wsi};
use sockeye::{Message, Opcode, SendError};
use std::ffi::{c_int, c_void};
use std::time::Duration;

const HTTP: c_int = 3;
/// The last of an answer, and its head: bytes of HTTP like others. Since 1.4.
const HTTP_FINAL: c_int = 7;
const HTTP_HEADERS: c_int = 8;
const CLOSE: c_int = 4;
const NO_FIN: c_int = 0x40;
/// The bits of `enum libwebsocket_write_protocol` that say what to write.
const MODE: c_int = 0x0f;

/// The longest payload of a control frame (RFC 6455 §5.5).
const CONTROL_MAX: usize = 125;

fn opcode(mode: c_int) -> Option<Opcode> {
    Some(match mode {
        0 => Opcode::Text,
        1 => Opcode::Binary,
        2 => Opcode::Continuation,
        CLOSE => Opcode::Close,
        5 => Opcode::Ping,
        6 => Opcode::Pong,
        _ => return None,
    })
}

fn is_http(mode: c_int) -> bool {
    matches!(mode, HTTP | HTTP_FINAL | HTTP_HEADERS)
}

impl Ctx {
    /// Sends, and says what the program gets: how many bytes were taken, or -1.
    fn write(&self, wsi: &Wsi, payload: &[u8], how: c_int) -> c_int {
        if payload.is_empty() && how & MODE != CLOSE {
            say!(WARN, "zero length libwebsocket_write attempt");
            return 0;
        }
        let Some(conn) = wsi.conn.get().filter(|_| self.is_usable(wsi)) else { return -1 };
        let is_open = wsi.kind.get() == Kind::Open;
        let sent = self.with(|connections| {
            let sent = match opcode(how & MODE) {
                None if is_http(how & MODE) => connections.send_raw(conn, payload),
                Some(opcode) if is_open => {
                    if opcode.is_control() && payload.len() > CONTROL_MAX {
                        return None;
                    }
                    let fin = how & NO_FIN == 0;
                    match self.whole_text(opcode, fin, payload) {
                        Some(message) => connections.send(conn, message),
                        None => connections.send_frame(conn, opcode, fin, payload),
                    }
                }
                Some(_) | None => Err(SendError::Closed),
            };
            if sent.is_ok() && !self.is_inside() {
                connections.is_choked(conn); // nothing else would send it before the next turn
            }
            Some(sent)
        });
        let result = match sent {
            Some(Some(Ok(()))) => payload.len() as c_int, // `bytes` has bounded it
            Some(Some(Err(error))) => {
                say!(DEBUG, "libwebsocket_write: {error}");
                -1
            }
            Some(None) => {
                say!(ERR, "libwebsocket_write: a control frame holds {CONTROL_MAX} bytes at most");
                -1
            }
            None => {
                say!(ERR, "libwebsocket_write: not possible in FILTER_NETWORK_CONNECTION");
                -1
            }
        };
        self.drain();
        result
    }

    /// A message that Sockeye may compress: a whole one, where that was agreed on at all.
    fn whole_text<'p>(&self, opcode: Opcode, fin: bool, payload: &'p [u8]) -> Option<Message<'p>> {
        match opcode {
            Opcode::Text if fin && self.compresses => {
                std::str::from_utf8(payload).ok().map(Message::text)
            }
            Opcode::Binary if fin && self.compresses => Some(Message::binary(payload)),
            Opcode::Text
            | Opcode::Binary
            | Opcode::Continuation
            | Opcode::Close
            | Opcode::Ping
            | Opcode::Pong => None,
        }
    }

    /// One WRITEABLE callback, when the socket can take data.
    pub(crate) fn ask_writable(&self, wsi: &Wsi) {
        let Some(conn) = wsi.conn.get() else {
            wsi.wants.set(true);
            return self.tell_wish_to_write(wsi);
        };
        match wsi.kind.get() {
            Kind::Open | Kind::Http => {
                self.with(|connections| connections.request_writable(conn));
            }
            // It is asked for again when the handshake is done.
            Kind::Connecting | Kind::Upgrading => wsi.wants.set(true),
            Kind::Attention | Kind::Listener | Kind::Closed => return,
        }
        self.tell_wish_to_write(wsi);
        self.drain();
    }

    /// Stops or resumes receiving.
    pub(crate) fn flow(&self, wsi: &Wsi, receive: bool) {
        wsi.rx_stopped.set(!receive);
        let holds = wsi.holds_input();
        if let Some(conn) = wsi.conn.get() {
            self.with(|connections| match (receive, holds) {
                (false, _) => connections.pause(conn),
                (true, false) => connections.resume(conn),
                (true, true) => connections.set_timer(conn, Some(Duration::ZERO)),
            });
        }
        self.drain();
    }

    /// While input is held nothing more is read, whatever the program has said about it since.
    pub(crate) fn hold_back(&self, wsi: &Wsi) {
        let Some(conn) = wsi.conn.get() else { return };
        let (holds, stopped) = (wsi.holds_input(), wsi.rx_stopped.get());
        self.with(|connections| match (holds, stopped) {
            (true, true) => connections.pause(conn),
            (true, false) => {
                connections.pause(conn);
                connections.set_timer(conn, Some(Duration::ZERO));
            }
            (false, true) => {}
            (false, false) => connections.resume(conn),
        });
    }
}

/// The program's bytes, if they can be.
pub(crate) fn bytes<'p>(function: &str, start: *const u8, len: usize) -> Option<&'p [u8]> {
    if len == 0 {
        return Some(&[]);
    }
    if start.is_null() || len > c_int::MAX as usize {
        say!(ERR, "{function}: {len} bytes at {start:?} cannot be sent");
        return None;
    }
    // SAFETY: the caller of the export says that they are there, and changes none meanwhile.
    Some(unsafe { std::slice::from_raw_parts(start, len) })
}

export! {
    /// Sends a frame, or bytes of HTTP. Never touches a byte outside the buffer, nor one in it.
    fn libwebsocket_write(
        wsi: *mut c_void,
        buf: *mut u8,
        len: usize,
        protocol: c_int,
    ) -> c_int {
        let Some(payload) = bytes("libwebsocket_write", buf, len) else { return -1 };
        let Some((used, wsi)) = call::wsi("libwebsocket_write", wsi) else { return -1 };
        used.ctx().write(&wsi, payload, protocol)
    } else -1;

    /// Asks for one WRITEABLE callback. Any thread may call it.
    fn libwebsocket_callback_on_writable(context: *mut c_void, wsi: *mut c_void) -> c_int {
        let function = "libwebsocket_callback_on_writable";
        let refusal = match use_context_of(wsi) {
            Ok(used) if used.ctx().handle == context => match used.ctx().wsi(wsi) {
                Some(wsi) if used.ctx().is_usable(&wsi) || wsi.kind.get() == Kind::Connecting => {
                    used.ctx().ask_writable(&wsi);
                    return 1;
                }
                Some(_) | None => Refusal::Unknown,
            },
            Ok(_) => Refusal::Unknown,
            Err(Refusal::ForeignThread) => match shared_of_wsi(wsi) {
                Ok(shared) if shared.handle == context.addr() => {
                    return bell::ask_from_elsewhere(&shared, wsi);
                }
                Ok(_) => Refusal::Unknown,
                Err(refusal) => refusal,
            },
            Err(refusal) => refusal,
        };
        complain(function, refusal);
        -1
    } else -1;

    /// Stops receiving (0) or goes on.
    fn libwebsocket_rx_flow_control(wsi: *mut c_void, enable: c_int) -> c_int {
        if let Some((used, wsi)) = call::wsi("libwebsocket_rx_flow_control", wsi)
            && !used.ctx().is_dying()
        {
            used.ctx().flow(&wsi, enable != 0);
        }
        0
    } else 0;

    /// Whether data sent now would have to wait. Sends what waits first.
    fn lws_send_pipe_choked(wsi: *mut c_void) -> c_int {
        let Some((used, wsi)) = call::wsi("lws_send_pipe_choked", wsi) else { return 1 };
        let ctx = used.ctx();
        let Some(conn) = wsi.conn.get().filter(|_| ctx.is_usable(&wsi)) else { return 1 };
        let choked = ctx.with(|connections| connections.is_choked(conn));
        ctx.drain();
        c_int::from(choked.unwrap_or(true))
    } else 1;

    /// Feeds bytes to a connection as if its peer had sent them.
    fn libwebsocket_read(
        context: *mut c_void,
        wsi: *mut c_void,
        buf: *mut u8,
        len: usize,
    ) -> c_int {
        let function = "libwebsocket_read";
        let Some(fed) = bytes(function, buf, len) else { return -1 };
        let Some((used, found)) = call::wsi_in(function, context, wsi) else { return -1 };
        let ctx = used.ctx();
        let Some(conn) = found.conn.get().filter(|_| ctx.is_usable(&found)) else { return -1 };
        ctx.with(|connections| connections.feed(conn, fed));
        if !ctx.is_inside() && ctx.turn(|engine| engine.tick(std::time::Instant::now())).is_err() {
            return -1;
        }
        if ctx.wsi(wsi).is_some() { 0 } else { -1 }
    } else -1;
}
