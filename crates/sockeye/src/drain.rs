//! Ending without a rush: WebSockets are told to go away one after the other, over a given time.

use crate::engine::{Engine, Kind};
use crate::log::note;
use crate::message::{By, Cause};
use crate::slots::{ConnId, Flags};
use crate::state::State;
use crate::wheel::Deadline;
use sockeye_proto::CloseCode;
use sockeye_proto::handshake::Refusal;
use sockeye_sys::Lasting;
use std::mem;
use std::time::Duration;

/// In so many steps at most; more are not any gentler, and each looks at all that are left.
const STEPS: usize = 256;

/// A drain that goes on.
pub(crate) struct Drain {
    /// WebSockets that were open when it began and have not been told yet, the oldest slot last.
    left: Vec<ConnId>,
    /// How many there were.
    total: usize,
    /// Loop nanoseconds at which it began, and how many it takes.
    began: u64,
    over: u64,
    /// Steps done, of how many. Invariant: `step < steps`.
    step: usize,
    steps: usize,
    /// Does the steps that are due: [`Engine::drain_on`], which only programs that drain have.
    pub(crate) go_on: fn(&mut Engine, Drain),
}

impl Drain {
    fn new(left: Vec<ConnId>, now: u64, over: Duration) -> Self {
        let total = left.len();
        let over = u64::try_from(over.as_nanos()).unwrap_or(u64::MAX);
        let (steps, go_on) = (total.clamp(1, STEPS), Engine::drain_on as fn(&mut Engine, Self));
        Self { left, total, began: now, over, step: 0, steps, go_on }
    }

    /// Loop nanoseconds at which step number `step` is due.
    fn due(&self, step: usize) -> u64 {
        let part = u128::from(self.over) * step as u128 / self.steps as u128;
        self.began.saturating_add(part as u64) // a part of `over`, so it fits
    }

    /// Loop nanoseconds at which there is something to do.
    pub(crate) fn next(&self) -> u64 {
        self.due(self.step + 1)
    }

    /// Loop nanoseconds at which it is over.
    fn end(&self) -> u64 {
        self.due(self.steps)
    }

    /// How many may be left once the steps up to now are done. Those that have ended by themselves
    /// count as well.
    fn may_be_left(&self) -> usize {
        let to_come = self.steps - self.step;
        (self.total as u128 * to_come as u128 / self.steps as u128) as usize
    }
}

impl Engine {
    /// Stops accepting, and begins to end what there is.
    pub(crate) fn drain_over(&mut self, over: Duration) {
        let state = self.core.state.get_mut();
        let now = state.nanos();
        if mem::replace(&mut state.stopping, true) {
            let sooner = |old: &Drain| Drain::new(Vec::new(), now, over).end() < old.end();
            if let Some(old) = state.draining.take_if(|old| sooner(old)) {
                state.draining = Some(Drain::new(old.left, now, over));
            }
            return;
        }
        self.listeners.close_all(state);
        let ids = state.slots.ids();
        note!(NOTICE, "draining {} connections over {}", ids.len(), Lasting(over));
        let mut left = Vec::new();
        for id in ids {
            match self.kind(id) {
                Kind::WebSocket if self.core.state.get_mut().is_open(id) => left.push(id),
                Kind::Request => self.core.state.get_mut().hang_up_if_idle(id),
                Kind::Waiting => self.refuse_waiting(id),
                Kind::Dialing | Kind::Tunnel | Kind::Answer => {
                    self.core.state.get_mut().doom(id, By::Us, Cause::Aborted);
                }
                Kind::WebSocket | Kind::Exchange | Kind::Draining | Kind::Attempt | Kind::Gone => {}
            }
        }
        left.reverse();
        self.settle();
        self.drain_on(Drain::new(left, now, over));
    }

    /// Does the steps that are due.
    fn drain_on(&mut self, mut drain: Drain) {
        let state = self.core.state.get_mut();
        let now = state.nanos();
        while drain.step < drain.steps && drain.next() <= now {
            drain.step += 1;
        }
        drain.left.retain(|&id| state.is_open(id));
        let many = drain.left.len().saturating_sub(drain.may_be_left());
        for id in drain.left.split_off(drain.left.len() - many).into_iter().rev() {
            self.send_away(id);
        }
        if drain.step < drain.steps {
            self.core.state.get_mut().draining = Some(drain);
        } else {
            self.cut_the_rest();
        }
        self.settle();
    }

    /// Ends a drain before its time. Whether there was one.
    pub(crate) fn hurry(&mut self) -> bool {
        let Some(drain) = self.core.state.get_mut().draining.take() else { return false };
        for id in drain.left.into_iter().rev() {
            self.send_away(id);
        }
        self.cut_the_rest();
        self.settle();
        true
    }

    /// Closes a WebSocket with 1001; what waits for its socket goes first.
    pub(crate) fn send_away(&mut self, id: ConnId) {
        let state = self.core.state.get_mut();
        if state.begin_turn(id) {
            let code = Some(CloseCode::GOING_AWAY);
            state.close_websocket(id, By::Us, code, "going away", Cause::Close);
            self.end_turn(id);
        }
    }

    fn refuse_waiting(&mut self, id: ConnId) {
        let state = self.core.state.get_mut();
        if state.begin_turn(id) {
            self.upgrade_abandoned(id);
            let state = self.core.state.get_mut();
            state.refuse(id, &Refusal::new(503, "The server is shutting down."));
            self.end_turn(id);
        }
    }

    /// Requests and responses had all the time of the drain; WebSockets have been told, and have
    /// [`Limits::close_within`](crate::Limits::close_within) to answer.
    fn cut_the_rest(&mut self) {
        let ids = self.core.state.get_mut().slots.ids();
        for id in ids {
            match self.kind(id) {
                Kind::Request | Kind::Exchange | Kind::Waiting => {
                    self.core.state.get_mut().doom(id, By::Us, Cause::Aborted);
                }
                Kind::WebSocket
                | Kind::Dialing
                | Kind::Attempt
                | Kind::Tunnel
                | Kind::Answer
                | Kind::Draining
                | Kind::Gone => {}
            }
        }
    }
}

impl State {
    /// Ends a kept-alive connection that waits for its next request. One whose first request has
    /// not come yet is served.
    fn hang_up_if_idle(&mut self, id: ConnId) {
        if let Some(slot) = self.slots.get(id)
            && slot.link.kind == Deadline::KeepAlive
            && !slot.flags.has(Flags::DOOMED)
        {
            self.doom(id, By::Us, Cause::Aborted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(total: u32, over: Duration) -> Drain {
        let id = |index| ConnId { index, generation: 0 };
        Drain::new((0..total).map(id).collect(), 1000, over)
    }

    #[test]
    fn steps_are_even_and_the_last_is_at_the_end() {
        for total in [0, 1, 2, 3, 10, 255, 256, 257, 1000, 100_000] {
            let mut drain = drain(total, Duration::from_nanos(1_000_000));
            let mut before = (drain.began, total as usize);
            let mut longest = 0;
            while drain.step < drain.steps {
                let due = drain.next();
                longest = longest.max(due - before.0);
                drain.step += 1;
                let told = before.1 - drain.may_be_left();
                assert!(
                    told <= (total as usize).div_ceil(drain.steps),
                    "{told} of {total} at once"
                );
                before = (due, drain.may_be_left());
            }
            assert_eq!(before, (1_001_000, 0));
            assert!(longest <= 1_000_000_u64.div_ceil(drain.steps as u64), "{total}: {longest}");
        }
    }

    #[test]
    fn a_drain_without_end_does_not_overflow() {
        let drain = drain(3, Duration::MAX);
        assert!(drain.next() > u64::MAX / 4);
        assert_eq!(drain.end(), u64::MAX);
    }
}
