//! One connection's life, as phases that own their data.
//!
//! ```text
//!  accept ──▶ Request ──upgrade──▶ WebSocket ──closing handshake──▶ Draining ──▶ Vacant
//!               ▲  │     (Waiting)   ▲                                 ▲
//!     keep-alive│  ▼                 │                                 │
//!            Exchange ───────────────│──── last response, refusal ─────┘
//!                                    │
//!  connect ──▶ Dialing ──▶ Answer ───┘            loss, abort, deadline: any ──▶ Vacant
//!             Attempts (Tunnel)
//! ```

use crate::cold::Leftover;
use crate::connect::{Answering, Asked, Dial};
use crate::handshake::{PartialHead, Waiting};
use crate::http::Exchange;
use crate::message::{By, Cause, Closed};
use crate::slots::{ConnId, Flags, Slot};
use crate::state::{Registration, State};
use crate::wheel::Deadline;
use sockeye_proto::{
    CloseCode, CloseFrame, DeflateAgreed, Event, FrameHeader, History, Opcode, Reader, Violation,
    WholeMessage,
};

pub(crate) enum Phase {
    /// No connection; the next vacant slot.
    Vacant { next: u32 },
    /// Client: look-up, then TCP connects, each in a slot of its own.
    Dialing(Box<Dial>),
    /// One of those TCP connects; or the time before the first. No connection to anybody else.
    Attempt { of: ConnId },
    /// Client: a proxy is being asked for a tunnel.
    Tunnel(Box<Asked>),
    /// Client: the request is out, the answer's head is awaited.
    Answer(Box<Answering>),
    /// Server: a request head is awaited, of which a part may have come.
    Request(Option<Box<PartialHead>>),
    /// Server: a request is being answered.
    Exchange(Box<Exchange>),
    /// Server: the application has put off its answer to a handshake.
    Waiting(Box<Waiting>),
    /// The opening handshake is done.
    WebSocket(Ws),
    /// Nothing more is said; when the tail is out comes our FIN, and until the peer's FIN its
    /// input is read and dropped, so that no reset overtakes our last words.
    Draining,
}

impl Phase {
    pub(crate) fn is_vacant(&self) -> bool {
        matches!(self, Self::Vacant { .. })
    }

    /// Whether it is what others take for a connection.
    pub(crate) fn is_connection(&self) -> bool {
        !matches!(self, Self::Vacant { .. } | Self::Attempt { .. })
    }

    pub(crate) fn is_draining(&self) -> bool {
        matches!(self, Self::Draining)
    }
}

/// An open or closing WebSocket.
pub(crate) struct Ws {
    pub(crate) reader: Reader,
    /// Set by the first Close frame in either direction.
    pub(crate) closing: Option<Box<Closing>>,
    pub(crate) deflation: Deflation,
}

/// Whether and how what we send is compressed.
pub(crate) enum Deflation {
    Off,
    /// With the compressor of this window that all connections share.
    Shared {
        window_bits: u8,
    },
    /// With the same, shown first what was sent before: held from the first message on.
    Own {
        window_bits: u8,
        history: Option<Box<History>>,
    },
}

impl Ws {
    pub(crate) fn new(agreed: Option<DeflateAgreed>) -> Self {
        let reader = agreed.as_ref().map_or_else(Reader::new, Reader::with_deflate);
        let deflation = match agreed {
            None => Deflation::Off,
            Some(DeflateAgreed { window_bits, context_takeover: true, .. }) => {
                Deflation::Own { window_bits, history: None }
            }
            Some(DeflateAgreed { window_bits, .. }) => Deflation::Shared { window_bits },
        };
        Self { reader, closing: None, deflation }
    }

    /// Whether what we send may be compressed.
    pub(crate) fn deflates(&self) -> bool {
        !matches!(self.deflation, Deflation::Off)
    }
}

/// What looking for a frame gave.
pub(crate) enum Look<'b> {
    Event {
        event: Result<Event<'b>, Violation>,
        /// Our Close frame is out: only the peer's is of interest.
        closing: bool,
    },
    /// Nothing is looked at before reading goes on.
    Held,
    /// Nothing is looked at ever again.
    Shut,
}

/// How the closing handshake began.
pub(crate) struct Closing {
    pub(crate) by: By,
    pub(crate) code: Option<CloseCode>,
    pub(crate) reason: String,
    pub(crate) cause: Cause,
    /// The other side's Close frame has gone or come too.
    pub(crate) clean: bool,
}

impl Slot {
    /// Whether the connection is an open WebSocket that is not closing.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        let Phase::WebSocket(ws) = &self.phase else { return false };
        ws.closing.is_none() && !self.flags.has(Flags::ENDING)
    }
}

impl State {
    /// Whether the connection is an open WebSocket that is not closing.
    pub(crate) fn is_open(&self, id: ConnId) -> bool {
        self.slots.get(id).is_some_and(Slot::is_open)
    }

    /// Whether the socket can take data now: nothing waits before it.
    pub(crate) fn is_clear(&self, id: ConnId) -> bool {
        self.turn == Some(id)
            && self.slots.get(id).is_some_and(|slot| slot.is_open() && slot.queued() == 0)
    }

    /// The short way of [`look`](Self::look) for what most input is: a whole message at its start,
    /// while nothing keeps it from the application. `None`, and nothing done, if this may be
    /// anything else.
    pub(crate) fn whole_message<'b>(
        &mut self,
        id: ConnId,
        registration: &Registration,
        input: &mut &'b mut [u8],
    ) -> Option<Result<WholeMessage<'b>, Violation>> {
        let slot = self.slots.get_mut(id)?;
        if slot.flags.has(Flags::HELD_BACK) {
            return None;
        }
        let rules = if slot.is_client() { &registration.client } else { &registration.server };
        let Phase::WebSocket(ws) = &mut slot.phase else { return None };
        ws.reader.whole_message(rules, input)
    }

    /// Looks for the next event in `input`, by the rules of the connection's protocol.
    pub(crate) fn look<'b>(
        &mut self,
        id: ConnId,
        registration: &Registration,
        input: &mut &'b mut [u8],
    ) -> Look<'b> {
        let Some(slot) = self.slots.get_mut(id) else { return Look::Shut };
        let closing = slot.flags.has(Flags::CLOSE_SENT);
        if slot.flags.has(Flags::DOOMED) {
            return Look::Shut;
        } else if !closing && slot.holds_back() {
            return Look::Held;
        }
        let rules = if slot.is_client() { &registration.client } else { &registration.server };
        let Phase::WebSocket(ws) = &mut slot.phase else { return Look::Shut };
        Look::Event { event: ws.reader.next(rules, &mut self.inflaters, input), closing }
    }

    pub(crate) fn ws_mut(&mut self, id: ConnId) -> Option<&mut Ws> {
        let Phase::WebSocket(ws) = &mut self.slots.get_mut(id)?.phase else { return None };
        Some(ws)
    }

    /// Sends our Close frame, unless the connection is closing already, and waits for the peer's.
    pub(crate) fn close_websocket(
        &mut self,
        id: ConnId,
        by: By,
        code: Option<CloseCode>,
        reason: &str,
        cause: Cause,
    ) {
        let Some(ws) = self.ws_mut(id) else { return };
        if ws.closing.is_some() {
            return;
        }
        let reason = &reason[..reason.floor_char_boundary(CloseFrame::REASON_MAX)];
        ws.closing =
            Some(Box::new(Closing { by, code, reason: reason.to_owned(), cause, clean: false }));
        self.send_close(id, code, reason);
        self.arm(id, Deadline::Close);
        self.resume(id); // whatever held reading back: the answer must be read
    }

    /// Takes note of the peer's Close frame and answers it; the WebSocket is at its end.
    pub(crate) fn peer_closed(&mut self, id: ConnId, frame: CloseFrame) {
        let Some(ws) = self.ws_mut(id) else { return };
        if let Some(closing) = &mut ws.closing {
            closing.clean = true;
            return;
        }
        let CloseFrame { code, reason } = frame;
        let (by, cause, answer) = (By::Peer, Cause::Close, reason.clone());
        ws.closing = Some(Box::new(Closing { by, code, reason, cause, clean: true }));
        self.send_close(id, code, &answer);
    }

    fn send_close(&mut self, id: ConnId, code: Option<CloseCode>, reason: &str) {
        if let Some(slot) = self.slots.get_mut(id)
            && slot.flags.newly(Flags::CLOSE_SENT)
        {
            let mut payload = [0; 125];
            let len = code.map_or(0, |code| CloseFrame::encode(code, reason, &mut payload));
            self.send_control(id, Opcode::Close, &payload[..len]);
        }
    }

    /// Sends a control frame, whatever the queue holds. If that is too much, reading pauses, so
    /// that a flood of pings cannot grow it.
    pub(crate) fn send_control(&mut self, id: ConnId, opcode: Opcode, payload: &[u8]) {
        let header = FrameHeader { fin: true, reserved: 0, opcode, mask: None, len: 0 };
        self.send_frame(id, header, payload);
        let limit = self.limits.queue_bytes;
        if let Some(slot) = self.slots.get_mut(id)
            && slot.counted() >= limit
        {
            slot.flags.set(Flags::FULL);
            self.review(id);
        }
    }

    /// How a WebSocket that ends for `cause` has ended, all told.
    pub(crate) fn ending(&mut self, id: ConnId, by: By, cause: Cause) -> Closed {
        let closing = self.ws_mut(id).and_then(|ws| ws.closing.take());
        match closing.map(|closing| *closing) {
            Some(Closing { by, code, reason, cause: first, clean }) => {
                // A deadline that ran out on our Close frame says more than "we closed".
                let cause = match cause {
                    Cause::CloseUnanswered(_) => cause,
                    Cause::Close
                    | Cause::Violation(_)
                    | Cause::Vanished
                    | Cause::Broken(_)
                    | Cause::Tls(_)
                    | Cause::PongMissing(_)
                    | Cause::Stalled(_)
                    | Cause::QueueFull
                    | Cause::Aborted => first,
                };
                Closed { code, reason, clean, by, cause }
            }
            None => Closed { code: None, reason: String::new(), clean: false, by, cause },
        }
    }

    /// Says nothing more on this connection. Lets the tail out, sends FIN and waits for the
    /// peer's.
    pub(crate) fn drain(&mut self, id: ConnId) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        slot.phase = Phase::Draining;
        slot.flags.clear(Flags::WANTS);
        if let Some(cold) = &mut slot.cold {
            cold.leftover = Leftover::default();
        }
        self.set_timer(id, None);
        self.arm(id, Deadline::Drain);
        self.review(id);
    }

    /// In `Draining`: says goodbye and sends FIN once the tail is out, and ends the connection once
    /// both FINs are.
    ///
    /// A client leaves the first FIN to the server (RFC 6455 §7.1.1).
    pub(crate) fn drained(&mut self, id: ConnId) {
        let waits = |slot: &Slot| !slot.phase.is_draining() || slot.queued() > 0;
        if self.slots.get(id).is_none_or(waits) {
            return;
        }
        self.say_goodbye(id);
        let Some(slot) = self.slots.get_mut(id).filter(|slot| !waits(slot)) else { return };
        if slot.flags.has(Flags::EOF) {
            self.remove(id);
        } else if !slot.is_client()
            && slot.flags.newly(Flags::FIN_SENT)
            && let Some(fd) = slot.fd()
            && self.latency.call("shutdown", Some(id), || sockeye_sys::shutdown_write(fd)).is_err()
        {
            self.remove(id); // the connection is gone already
        }
    }
}
