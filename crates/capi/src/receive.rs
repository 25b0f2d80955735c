//! Received data, cut into the pieces that RECEIVE gets.
//!
//! A piece ends with its frame, or when it has exactly as many bytes as the protocol's
//! `rx_buffer_size`. What comes compressed is inflated to the frame's end first, so that what
//! remains of the frame is known. A program that stops receiving in the middle gets the rest when
//! it goes on.

use crate::abi::{POST_PADDING, PRE_PADDING};
use crate::bridge::Verdict;
use crate::context::Ctx;
use crate::level::Reason;
use crate::wsi::{PieceInfo, Wsi};
use sockeye::{Chunk, MessageKind};
use std::mem;

/// What `rx_buffer_size` 0 stands for.
const RX_DEFAULT: usize = 4096;

/// The most bytes that one compressed frame may inflate to.
pub(crate) const INFLATED_MAX: usize = 1 << 20;

/// The most room that a context keeps for pieces to come.
const SPARE_MAX: usize = 64 << 10;

/// What has come and was not delivered yet.
#[derive(Default)]
pub(crate) struct Rx {
    /// Bytes of a piece that is not full, with room for the padding before and after it.
    piece: Vec<u8>,
    /// Bytes of a compressed frame that has not ended.
    inflated: Vec<u8>,
    /// What came after the piece in which the program stopped receiving.
    held: Option<Held>,
    /// A part of the message has been delivered.
    inside: bool,
}

struct Held {
    payload: Vec<u8>,
    frame: Frame,
}

/// What is known of the frame that payload belongs to.
#[derive(Clone, Copy)]
struct Frame {
    /// Bytes of it that are still to come after the payload.
    remaining: usize,
    /// The payload ends the message.
    is_final: bool,
    is_binary: bool,
    reserved: u8,
}

impl Ctx {
    /// A chunk came. The connection is paused while something is held, so none comes then.
    pub(crate) fn received(&self, wsi: &Wsi, chunk: &Chunk<'_>) -> Verdict {
        let mut frame = Frame {
            remaining: usize::try_from(chunk.remaining()).unwrap_or(usize::MAX),
            is_final: chunk.is_final(),
            is_binary: chunk.kind() == MessageKind::Binary,
            reserved: 0,
        };
        if !chunk.is_compressed() {
            return self.cut(wsi, chunk.payload(), frame);
        }
        let mut rx = wsi.rx.borrow_mut();
        if rx.inflated.len() + chunk.payload().len() > INFLATED_MAX {
            return Verdict::TooBig;
        }
        rx.inflated.extend_from_slice(chunk.payload());
        if frame.remaining > 0 {
            return Verdict::GoOn;
        }
        frame.reserved = if rx.inside { 0 } else { 0x40 };
        let payload = mem::take(&mut rx.inflated);
        drop(rx);
        self.cut(wsi, &payload, frame)
    }

    /// The program receives again: delivers what was held for it.
    pub(crate) fn go_on_receiving(&self, wsi: &Wsi) -> Verdict {
        if wsi.rx_stopped.get() {
            return Verdict::GoOn;
        }
        let held = wsi.rx.borrow_mut().held.take();
        match held {
            Some(Held { payload, frame }) => self.cut(wsi, &payload, frame),
            None => Verdict::GoOn,
        }
    }

    fn cut(&self, wsi: &Wsi, mut payload: &[u8], frame: Frame) -> Verdict {
        let size = match self.protocols[wsi.protocol.get()].rx_size {
            0 => RX_DEFAULT,
            size => size,
        };
        loop {
            let mut rx = wsi.rx.borrow_mut();
            let filled = rx.piece.len().saturating_sub(PRE_PADDING);
            let (now, rest) = payload.split_at(payload.len().min(size - filled));
            let ends = rest.is_empty() && frame.remaining == 0;
            // An empty frame says something only if it ends a message that has begun.
            let counts = filled + now.len() > 0 || (frame.is_final && rx.inside);
            if rx.piece.is_empty() {
                rx.piece = self.spare.take();
                rx.piece.reserve(PRE_PADDING + now.len() + POST_PADDING);
                rx.piece.extend_from_slice(&[0; PRE_PADDING]);
            }
            rx.piece.extend_from_slice(now);
            payload = rest;
            if !counts || !(ends || filled + now.len() == size) {
                return Verdict::GoOn;
            }
            let is_final = ends && frame.is_final;
            rx.inside = !is_final;
            let piece = mem::take(&mut rx.piece);
            drop(rx);
            let info = PieceInfo {
                remaining: payload.len().saturating_add(frame.remaining),
                is_final,
                is_binary: frame.is_binary,
                reserved: frame.reserved,
            };
            if self.deliver(wsi, piece, info) < 0 {
                return Verdict::End;
            }
            if payload.is_empty() {
                return Verdict::GoOn;
            }
            if wsi.rx_stopped.get() {
                wsi.rx.borrow_mut().held = Some(Held { payload: payload.to_vec(), frame });
                return Verdict::GoOn;
            }
        }
    }

    fn deliver(&self, wsi: &Wsi, mut piece: Vec<u8>, info: PieceInfo) -> i32 {
        let len = piece.len() - PRE_PADDING;
        piece.extend_from_slice(&[0; POST_PADDING]);
        wsi.piece.set(info);
        // From the start of all of it: the padding is the program's to write to as well.
        let input = piece.as_mut_ptr().wrapping_add(PRE_PADDING);
        let client = wsi.is_client.get();
        let reason = if client { Reason::ClientReceive } else { Reason::Receive };
        let result = self.call_own(wsi, reason, (input.cast(), len));
        if piece.capacity() <= SPARE_MAX {
            piece.clear();
            self.spare.set(piece); // the next piece uses its room
        }
        if client { 0 } else { result } // manual: ignored on a client
    }
}

impl Wsi {
    /// Whether something was received that the program has not got yet.
    pub(crate) fn holds_input(&self) -> bool {
        self.rx.borrow().held.is_some()
    }
}
