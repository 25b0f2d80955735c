//! Deadlines of fixed length: a timing wheel whose lists run through the slots themselves.
//!
//! Activity on a connection only stamps its slot. When its bucket comes round, the engine looks
//! at the stamp and arms the deadline again if it has moved. Arming, disarming and expiry are
//! O(1), and a connection pays 16 bytes whichever deadline it is under.

use crate::slots::{NIL, Slots};
use std::cell::Cell;
use std::time::Duration;

/// Milliseconds of loop time per bucket: how late a deadline may come.
const TICK: u32 = 64;
const BUCKETS: usize = 1024;
/// Milliseconds the wheel moves on at once at most: about 12 days.
const LONGEST_STEP: u32 = 1 << 30;

/// What a connection is waiting for. One at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Deadline {
    #[default]
    None,
    /// Name look-up and TCP connect.
    Connect,
    /// The tunnel that a proxy was asked for.
    Proxy,
    /// The opening handshake, or a request head.
    Handshake,
    /// The next request on a kept-alive connection.
    KeepAlive,
    /// Progress of a request body or a response.
    Exchange,
    /// Silence on an open WebSocket: time to ping.
    Idle,
    /// The answer to that ping, or any other sign of life.
    Pong,
    /// The peer's Close frame.
    Close,
    /// The peer's FIN.
    Drain,
}

/// A slot's place in the wheel.
pub(crate) struct Link {
    prev: u32,
    next: u32,
    /// Loop milliseconds, wrapping.
    due: u32,
    bucket: u16,
    pub(crate) kind: Deadline,
}

impl Default for Link {
    fn default() -> Self {
        Self { prev: NIL, next: NIL, due: 0, bucket: 0, kind: Deadline::None }
    }
}

pub(crate) struct Wheel {
    heads: Box<[u32; BUCKETS]>,
    /// One bit per bucket that is not empty.
    occupied: [u64; BUCKETS / 64],
    /// The last tick whose bucket was emptied.
    tick: u32,
    /// The next tick whose bucket is not empty, if it was looked for since any of this changed.
    sought: Cell<Option<Option<u32>>>,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        let (heads, occupied) = (Box::new([NIL; BUCKETS]), [0; BUCKETS / 64]);
        Self { heads, occupied, tick: 0, sought: Cell::new(None) }
    }

    /// Puts the connection under a deadline `after` from `now`, instead of the one it had.
    pub(crate) fn arm(
        &mut self,
        slots: &mut Slots,
        index: u32,
        kind: Deadline,
        now: u32,
        after: Duration,
    ) {
        let after = u32::try_from(after.as_millis()).unwrap_or(u32::MAX).min(i32::MAX as u32);
        self.disarm(slots, index);
        let link = &mut slots.at_mut(index).link;
        link.kind = kind;
        link.due = now.wrapping_add(after);
        self.insert(slots, index, now);
    }

    pub(crate) fn disarm(&mut self, slots: &mut Slots, index: u32) {
        let link = &mut slots.at_mut(index).link;
        if link.kind == Deadline::None {
            return;
        }
        let (prev, next, bucket) = (link.prev, link.next, usize::from(link.bucket));
        *link = Link::default();
        if next != NIL {
            slots.at_mut(next).link.prev = prev;
        }
        if prev != NIL {
            slots.at_mut(prev).link.next = next;
        } else {
            self.heads[bucket] = next;
            if next == NIL {
                self.vacate(bucket);
            }
        }
    }

    /// Whether the wheel has yet to be moved on to `now`.
    pub(crate) fn is_behind(&self, now: u32) -> bool {
        now / TICK != self.tick
    }

    /// Moves the wheel on to `now` and gathers the connections whose deadline has passed; they
    /// are disarmed, their `kind` is given.
    pub(crate) fn advance(
        &mut self,
        slots: &mut Slots,
        now: u32,
        expired: &mut Vec<(u32, Deadline)>,
    ) {
        // Half the range of `now` is the past: what has lain there for longer would look like the
        // future, so a sleep of weeks is made in steps.
        let mut at = self.tick.wrapping_mul(TICK);
        while now.wrapping_sub(at) > LONGEST_STEP + TICK {
            at = at.wrapping_add(LONGEST_STEP);
            self.advance_to(slots, at, expired);
        }
        self.advance_to(slots, now, expired);
    }

    fn advance_to(&mut self, slots: &mut Slots, now: u32, expired: &mut Vec<(u32, Deadline)>) {
        let target = now / TICK;
        // After a long sleep each bucket is looked at once, not once per tick slept.
        let steps = target.wrapping_sub(self.tick).min(BUCKETS as u32);
        for step in (0..steps).rev() {
            let tick = target.wrapping_sub(step);
            self.tick = tick;
            self.sought.set(None);
            self.empty_bucket(slots, tick as usize % BUCKETS, now, expired);
        }
    }

    /// Milliseconds from `now` until a bucket comes round that may hold a passed deadline.
    pub(crate) fn next(&self, now: u32) -> Option<u32> {
        let tick = self.sought.get().unwrap_or_else(|| {
            let found = self.seek();
            self.sought.set(Some(found));
            found
        })?;
        let elapsed = now.wrapping_sub(self.tick.wrapping_mul(TICK));
        Some(tick.wrapping_sub(self.tick).wrapping_mul(TICK).saturating_sub(elapsed))
    }

    /// The next tick whose bucket is not empty.
    fn seek(&self) -> Option<u32> {
        let first = self.tick.wrapping_add(1) as usize % BUCKETS;
        let word = |i: usize| self.occupied[i % self.occupied.len()];
        let start = first / 64;
        let masked = word(start) & (u64::MAX << (first % 64));
        let mut found = (masked != 0).then(|| start * 64 + masked.trailing_zeros() as usize);
        for i in start + 1..=start + self.occupied.len() {
            if found.is_some() {
                break;
            }
            let bits = word(i);
            found = (bits != 0).then(|| i * 64 + bits.trailing_zeros() as usize);
        }
        let ahead = (found? + BUCKETS - first) % BUCKETS;
        Some(self.tick.wrapping_add(1).wrapping_add(ahead as u32))
    }

    fn vacate(&mut self, bucket: usize) {
        self.occupied[bucket / 64] &= !(1 << (bucket % 64));
        self.sought.set(None);
    }

    fn empty_bucket(
        &mut self,
        slots: &mut Slots,
        bucket: usize,
        now: u32,
        expired: &mut Vec<(u32, Deadline)>,
    ) {
        let mut index = self.heads[bucket];
        self.heads[bucket] = NIL;
        self.vacate(bucket);
        while index != NIL {
            let link = &mut slots.at_mut(index).link;
            let next = link.next;
            if now.wrapping_sub(link.due) <= i32::MAX as u32 {
                expired.push((index, link.kind));
                *link = Link::default();
            } else {
                self.insert(slots, index, now); // further away than one turn of the wheel
            }
            index = next;
        }
    }

    /// Links a slot whose `due` is set into its bucket, or into the furthest one.
    fn insert(&mut self, slots: &mut Slots, index: u32, now: u32) {
        let due = slots.at(index).link.due;
        let ahead = due.wrapping_sub(now).div_ceil(TICK).saturating_add(1).min(BUCKETS as u32 - 1);
        let tick = (now / TICK).max(self.tick).wrapping_add(ahead);
        let bucket = tick as usize % BUCKETS;
        let next = self.heads[bucket];
        if next != NIL {
            slots.at_mut(next).link.prev = index;
        }
        let link = &mut slots.at_mut(index).link;
        (link.prev, link.next, link.bucket) = (NIL, next, bucket as u16);
        self.heads[bucket] = index;
        self.occupied[bucket / 64] |= 1 << (bucket % 64);
        self.sought.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::Phase;

    struct World {
        wheel: Wheel,
        slots: Slots,
        now: u32,
    }

    impl World {
        fn new() -> Self {
            Self { wheel: Wheel::new(), slots: Slots::new(), now: 0 }
        }

        fn arm(&mut self, ms: u64) -> u32 {
            let index = self.slots.insert(Phase::Draining, None).index;
            let after = Duration::from_millis(ms);
            self.wheel.arm(&mut self.slots, index, Deadline::Idle, self.now, after);
            index
        }

        fn advance(&mut self, to: u32) -> Vec<u32> {
            self.now = to;
            let mut expired = Vec::new();
            self.wheel.advance(&mut self.slots, to, &mut expired);
            expired.into_iter().map(|(index, _)| index).collect()
        }
    }

    #[test]
    fn no_deadline_comes_early_and_none_later_than_three_ticks() {
        for ms in [0, 1, 63, 64, 65, 999, 10_000, 65_535, 65_536, 65_537, 300_000] {
            let mut world = World::new();
            world.advance(12_345);
            let index = world.arm(ms);
            let mut steps = 0;
            loop {
                let sleep = world.wheel.next(world.now).expect("something is armed");
                let expired = world.advance(world.now + sleep.max(1));
                steps += 1;
                assert!(steps < 20, "{ms}: too many wake-ups");
                let waited = u64::from(world.now - 12_345);
                if expired == [index] {
                    assert!(waited >= ms && waited <= ms + 3 * u64::from(TICK), "{ms}: {waited}");
                    break;
                }
            }
            assert_eq!(world.wheel.next(world.now), None);
        }
    }

    #[test]
    fn a_long_sleep_expires_everything_once() {
        let mut world = World::new();
        let armed: Vec<u32> = (0..500).map(|i| world.arm(i * 331)).collect();
        let mut expired = world.advance(10_000_000);
        expired.sort_unstable();
        assert_eq!(expired, armed);
        assert!(world.advance(20_000_000).is_empty());
    }

    #[test]
    fn a_sleep_of_weeks_expires_everything() {
        for days in [24, 25, 30, 49] {
            let mut world = World::new();
            let armed = world.arm(30_000);
            assert_eq!(world.advance(days * 86_400_000), [armed], "{days} days");
        }
    }

    #[test]
    fn disarming_any_of_a_bucket_leaves_the_others() {
        let mut world = World::new();
        let armed: Vec<u32> = (0..5).map(|_| world.arm(1000)).collect();
        for gone in [2, 0, 4] {
            world.wheel.disarm(&mut world.slots, armed[gone]);
        }
        let mut expired = world.advance(2000);
        expired.sort_unstable();
        assert_eq!(expired, [armed[1], armed[3]]);
    }

    #[test]
    fn loop_time_may_wrap() {
        let mut world = World::new();
        let start = u32::MAX - 500;
        world.advance(start);
        let index = world.arm(1000);
        assert!(world.advance(start.wrapping_add(900)).is_empty());
        assert_eq!(world.advance(start.wrapping_add(1200)), [index]);
    }
}
