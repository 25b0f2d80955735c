//! What becomes of a connection whose deadline has passed.

use crate::conn::Phase;
use crate::connect::ConnectError;
use crate::engine::{Engine, Kind};
use crate::message::{By, Cause};
use crate::slots::{ConnId, Flags};
use crate::wheel::Deadline;
use sockeye_proto::Opcode;
use sockeye_proto::handshake::Refusal;
use sockeye_sys::Lasting;
use std::time::Duration;

impl Engine {
    /// A deadline has passed, unless the connection has shown life since it was armed.
    pub(crate) fn expire(&mut self, id: ConnId, kind: Deadline) {
        if self.came_after_all(id, kind) {
            return;
        }
        let is_answer = self.kind(id) == Kind::Answer;
        let is_waiting = self.kind(id) == Kind::Waiting;
        let state = self.core.state.get_mut();
        let limit = state.deadline_length(kind);
        let silence = state.silence(id);
        match kind {
            Deadline::None => {}
            Deadline::Connect => {
                let error = state.dial_timed_out(id, limit);
                self.connect_failed(id, error);
            }
            Deadline::Proxy => {
                let error = state.tunnel_timed_out(id, limit);
                self.connect_failed(id, error);
            }
            Deadline::Handshake if is_answer => {
                let error = ConnectError::TimedOut { step: state.answer_step(id), after: limit };
                let error = state.answer_error(id, error);
                self.connect_failed(id, error);
            }
            Deadline::Handshake if is_waiting => {
                self.upgrade_abandoned(id);
                let state = self.core.state.get_mut();
                state.refuse(id, &crate::Reject::later().into_refusal());
            }
            Deadline::Handshake => self.request_timed_out(id, limit),
            Deadline::KeepAlive => {
                state.say_goodbye(id);
                state.doom(id, By::Us, Cause::Stalled(limit));
            }
            Deadline::Exchange if silence < limit => {
                state.arm_after(id, Deadline::Exchange, limit - silence);
            }
            Deadline::Exchange => self.exchange_timed_out(id, limit),
            Deadline::Idle if silence < limit => {
                state.arm_after(id, Deadline::Idle, limit - silence);
            }
            Deadline::Idle => self.ping_or_wait(id),
            Deadline::Pong if silence < limit => {
                let idle = state.limits.ping_after.saturating_sub(silence);
                state.arm_after(id, Deadline::Idle, idle);
            }
            Deadline::Pong => {
                let slot = state.slots.get(id);
                let stalled = slot.is_some_and(|slot| slot.queued() > 0);
                if !stalled && slot.is_some_and(|slot| slot.flags.has(Flags::PAUSED)) {
                    return state.arm(id, Deadline::Idle); // the answer may wait to be read
                }
                let cause = if stalled { Cause::Stalled(limit) } else { Cause::PongMissing(limit) };
                state.doom(id, By::Us, cause);
            }
            Deadline::Close => state.doom(id, By::Us, Cause::CloseUnanswered(limit)),
            Deadline::Drain => state.remove(id),
        }
    }

    /// Whether what a deadline waits for has come, and has only not been looked at: a foreign loop
    /// may tell of the time before it tells of sockets.
    fn came_after_all(&mut self, id: ConnId, kind: Deadline) -> bool {
        match kind {
            Deadline::Proxy
            | Deadline::Handshake
            | Deadline::KeepAlive
            | Deadline::Exchange
            | Deadline::Pong
            | Deadline::Close => self.socket_readable(id, false),
            Deadline::None | Deadline::Connect | Deadline::Idle | Deadline::Drain => return false,
        }
        let state = self.core.state.get_mut();
        let Some(slot) = state.slots.get(id) else { return true };
        if kind == Deadline::KeepAlive && matches!(slot.phase, Phase::Request(Some(_))) {
            state.arm(id, Deadline::Handshake); // a request has begun
            return true;
        }
        slot.link.kind != Deadline::None || slot.flags.has(Flags::DOOMED)
    }

    /// An open WebSocket has been silent: pings it, so that a dead peer is noticed.
    fn ping_or_wait(&mut self, id: ConnId) {
        let state = self.core.state.get_mut();
        let Some(slot) = state.slots.get(id) else { return };
        if slot.queued() > 0 {
            // It has our bytes to take before a ping: any progress will do.
            state.arm(id, Deadline::Pong);
        } else if slot.flags.has(Flags::PAUSED) {
            state.arm(id, Deadline::Idle); // an answer would not be read
        } else {
            state.send_control(id, Opcode::Ping, b"");
            state.arm(id, Deadline::Pong);
        }
    }

    fn request_timed_out(&mut self, id: ConnId, limit: Duration) {
        let state = self.core.state.get_mut();
        let head = state.slots.get(id).map(|slot| &slot.phase);
        let begun = matches!(head, Some(Phase::Request(Some(_))));
        if begun {
            let why = format!("The request was not complete within {}.", Lasting(limit));
            self.refuse(id, &Refusal::new(408, why));
        } else {
            state.doom(id, By::Us, Cause::Stalled(limit));
        }
    }
}
