//! User timers: a heap, and where in it the timer of each slot is.

use crate::dense::Dense;

/// One timer per slot at most.
#[derive(Default)]
pub(crate) struct Timers {
    /// Nanoseconds of loop time and the slot; none before that at half its index.
    heap: Vec<(u64, u32)>,
    /// By slot, its index in the heap.
    places: Dense<usize>,
}

impl Timers {
    /// The timer that runs out first: when, and of which slot.
    pub(crate) fn first(&self) -> Option<(u64, u32)> {
        self.heap.first().copied()
    }

    /// Sets the timer of a slot, in the place of one that is set.
    pub(crate) fn set(&mut self, slot: u32, at: u64) {
        let place = match self.places.get(slot as usize) {
            Some(&place) => place,
            None => {
                self.heap.push((at, slot));
                self.heap.len() - 1
            }
        };
        self.heap[place].0 = at;
        self.settle(place);
    }

    /// Takes the timer of a slot off, if there is one.
    pub(crate) fn remove(&mut self, slot: u32) {
        let Some(place) = self.places.remove(slot as usize) else { return };
        self.heap.swap_remove(place);
        if place < self.heap.len() {
            self.settle(place);
        }
    }

    /// Brings what is at `place`, which may be too early or too late there, where it belongs.
    fn settle(&mut self, mut place: usize) {
        while place > 0 && self.heap[place] < self.heap[(place - 1) / 2] {
            place = self.swap(place, (place - 1) / 2);
        }
        loop {
            let children = 2 * place + 1..(2 * place + 3).min(self.heap.len());
            let Some(least) = children.min_by_key(|child| self.heap[*child]) else { break };
            if self.heap[place] <= self.heap[least] {
                break;
            }
            place = self.swap(place, least);
        }
        self.places.insert(self.heap[place].1 as usize, place);
    }

    /// Swaps two places and returns the second.
    fn swap(&mut self, place: usize, with: usize) -> usize {
        self.heap.swap(place, with);
        self.places.insert(self.heap[place].1 as usize, place);
        with
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn timers_run_out_in_their_order_whatever_was_set_and_removed() {
        let (mut timers, mut model) = (Timers::default(), BTreeMap::new());
        let mut state = 7_u64;
        for step in 0..60_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (slot, at) = ((state >> 40) as u32 % 300, state >> 20 & 0xfff);
            match state >> 60 {
                0..8 => {
                    timers.set(slot, at);
                    model.insert(slot, at);
                }
                8..14 => {
                    timers.remove(slot);
                    model.remove(&slot);
                }
                _ => {
                    let first = model.iter().map(|(slot, at)| (*at, *slot)).min();
                    assert_eq!(timers.first(), first, "step {step}");
                    if let Some((_, slot)) = first {
                        timers.remove(slot);
                        model.remove(&slot);
                    }
                }
            }
            assert_eq!(timers.heap.len(), model.len());
        }
    }
}
