//! Where connections live: fixed pages of slots, addressed by generation-checked ids.

use crate::cold::Cold;
use crate::conn::Phase;
use crate::wheel::Link;
use sockeye_sys::Interest;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Names a connection, and never another one: the slot may be used again, its generation may not.
///
/// Everything that takes an id treats that of an ended connection as a no-op.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl ConnId {
    /// The id as one number, for logs and for callers that can keep only an integer.
    pub const fn as_u64(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// The id that [`as_u64`](Self::as_u64) gave; of any other number, an id of no connection.
    pub const fn from_u64(number: u64) -> Self {
        Self { index: number as u32, generation: (number >> 32) as u32 }
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

/// The end of an index-linked list.
pub(crate) const NIL: u32 = u32::MAX;

/// No registration yet.
pub(crate) const UNBOUND: u16 = u16::MAX;

/// One connection. Everything most connections do not need most of the time is in `cold`.
pub(crate) struct Slot {
    pub(crate) phase: Phase,
    pub(crate) cold: Option<Box<Cold>>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) link: Link,
    pub(crate) generation: u32,
    pub(crate) fd: Option<OwnedFd>,
    /// Loop milliseconds at which the connection began.
    pub(crate) began: u32,
    /// Loop milliseconds of the last byte in, or out from the tail.
    pub(crate) stamp: u32,
    /// Where the session lies in its registration's store.
    pub(crate) session: u32,
    /// Where this connection stands in `State::members[protocol]`.
    pub(crate) member: u32,
    /// Index of the registration, or [`UNBOUND`].
    pub(crate) protocol: u16,
    pub(crate) flags: Flags,
    /// What the poller was last told.
    pub(crate) registered: Option<Interest>,
}

/// Facts about a connection that are one bit each.
#[derive(Clone, Copy, Default)]
pub(crate) struct Flags(u32);

impl Flags {
    /// This end opened the connection: it masks.
    pub(crate) const CLIENT: Self = Self(1);
    /// A `writable` callback was asked for.
    pub(crate) const WANTS: Self = Self(1 << 1);
    /// A permit of this connection exists.
    pub(crate) const PERMIT: Self = Self(1 << 2);
    /// The application paused reading.
    pub(crate) const PAUSED: Self = Self(1 << 3);
    /// The send queue is over its limit: reading is paused until it is empty.
    pub(crate) const FULL: Self = Self(1 << 4);
    /// The connection is in `State::dirty`.
    pub(crate) const DIRTY: Self = Self(1 << 5);
    /// The connection is in `State::doomed`.
    pub(crate) const DOOMED: Self = Self(1 << 6);
    /// The connection is in `State::changed`.
    pub(crate) const CHANGED: Self = Self(1 << 7);
    /// The connection is in `State::resumed`: input was kept back for it.
    pub(crate) const RESUMED: Self = Self(1 << 8);
    /// A session exists, so `closed` is owed.
    pub(crate) const SESSION: Self = Self(1 << 9);
    /// Our Close frame is out or queued.
    pub(crate) const CLOSE_SENT: Self = Self(1 << 10);
    /// A message is being sent in parts.
    pub(crate) const IN_PARTS: Self = Self(1 << 13);
    /// The connection is in `State::wants`.
    pub(crate) const IN_WANTS: Self = Self(1 << 14);
    /// Its bytes are records of TLS.
    pub(crate) const TLS: Self = Self(1 << 15);
    /// Our FIN is sent.
    pub(crate) const FIN_SENT: Self = Self(1 << 12);
    /// The peer's FIN has been read.
    pub(crate) const EOF: Self = Self(1 << 11);

    /// What we send may be compressed.
    pub(crate) const DEFLATES: Self = Self(1 << 16);
    /// Output of a turn of this connection is held in the cork.
    pub(crate) const HELD: Self = Self(1 << 17);

    /// What keeps a message from the short way in.
    pub(crate) const HELD_BACK: Self =
        Self(Self::DOOMED.0 | Self::CLOSE_SENT.0 | Self::PAUSED.0 | Self::FULL.0);
    /// What keeps a message from the short ways out.
    pub(crate) const HINDERED: Self =
        Self(Self::DOOMED.0 | Self::CLOSE_SENT.0 | Self::IN_PARTS.0 | Self::DEFLATES.0);
    /// What keeps a message from that of servers.
    pub(crate) const UNUSUAL: Self = Self(Self::CLIENT.0 | Self::HINDERED.0);

    /// What keeps a member of a protocol from the short way to its `writable`: it has asked, or is
    /// closing.
    pub(crate) const UNASKABLE: Self =
        Self(Self::WANTS.0 | Self::IN_WANTS.0 | Self::DOOMED.0 | Self::CLOSE_SENT.0);
    /// Its end has begun.
    pub(crate) const ENDING: Self = Self(Self::DOOMED.0 | Self::CLOSE_SENT.0);

    /// What keeps the output of a turn from being held: its end is near, or it goes another way.
    pub(crate) const NOT_HELD: Self =
        Self(Self::DOOMED.0 | Self::CLOSE_SENT.0 | Self::TLS.0 | Self::HELD.0);

    /// Whether one of these is set.
    pub(crate) fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    pub(crate) fn set(&mut self, flag: Self) {
        self.0 |= flag.0;
    }

    pub(crate) fn clear(&mut self, flag: Self) {
        self.0 &= !flag.0;
    }

    /// Sets the flag; whether it was clear before.
    pub(crate) fn newly(&mut self, flag: Self) -> bool {
        let was = self.has(flag);
        self.set(flag);
        !was
    }
}

impl Slot {
    fn vacant(next: u32) -> Self {
        Self {
            phase: Phase::Vacant { next },
            cold: None,
            bytes_in: 0,
            bytes_out: 0,
            link: Link::default(),
            generation: 0,
            fd: None,
            began: 0,
            stamp: 0,
            session: NIL,
            member: NIL,
            protocol: UNBOUND,
            flags: Flags::default(),
            registered: None,
        }
    }

    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(AsFd::as_fd)
    }

    pub(crate) fn is_client(&self) -> bool {
        self.flags.has(Flags::CLIENT)
    }

    /// Bytes that wait for the socket.
    pub(crate) fn queued(&self) -> usize {
        self.cold.as_ref().map_or(0, |cold| cold.tail.bytes())
    }

    /// Those that count against the limit of the send queue.
    pub(crate) fn counted(&self) -> usize {
        self.cold.as_ref().map_or(0, |cold| cold.tail.counted())
    }

    pub(crate) fn cold(&mut self) -> &mut Cold {
        self.cold.get_or_insert_default()
    }

    /// Gives the cold part back if nothing is left in it.
    pub(crate) fn shed(&mut self) {
        if self.cold.as_ref().is_some_and(|cold| cold.is_empty()) {
            self.cold = None;
        }
    }
}

const PAGE: usize = 128;

/// All slots, in pages that never move, so that growth copies nothing and wastes at most a page.
pub(crate) struct Slots {
    pages: Vec<Box<[Slot; PAGE]>>,
    /// The first vacant slot; the others follow through `Phase::Vacant`.
    free: u32,
    live: usize,
}

impl Slots {
    pub(crate) fn new() -> Self {
        Self { pages: Vec::new(), free: NIL, live: 0 }
    }

    /// How many connections there are.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    pub(crate) fn insert(&mut self, phase: Phase, fd: Option<OwnedFd>) -> ConnId {
        if self.free == NIL {
            self.add_page();
        }
        let index = self.free;
        let slot = self.at_mut(index);
        let generation = slot.generation;
        if let Phase::Vacant { next } = slot.phase {
            *slot = Slot { phase, fd, generation, ..Slot::vacant(NIL) };
            self.free = next;
        }
        self.live += 1;
        ConnId { index, generation }
    }

    /// Frees the slot; from here on `id` is stale.
    pub(crate) fn remove(&mut self, id: ConnId) {
        if self.get(id).is_none() {
            return;
        }
        let next = self.free;
        let slot = self.at_mut(id.index);
        *slot = Slot { generation: id.generation.wrapping_add(1), ..Slot::vacant(next) };
        self.free = id.index;
        self.live -= 1;
    }

    pub(crate) fn get(&self, id: ConnId) -> Option<&Slot> {
        let slot = self.pages.get(id.index as usize / PAGE)?.get(id.index as usize % PAGE)?;
        (slot.generation == id.generation && !slot.phase.is_vacant()).then_some(slot)
    }

    pub(crate) fn get_mut(&mut self, id: ConnId) -> Option<&mut Slot> {
        let page = self.pages.get_mut(id.index as usize / PAGE)?;
        let slot = page.get_mut(id.index as usize % PAGE)?;
        (slot.generation == id.generation && !slot.phase.is_vacant()).then_some(slot)
    }

    /// The slot at an index that a list of ours holds, so it exists.
    pub(crate) fn at(&self, index: u32) -> &Slot {
        &self.pages[index as usize / PAGE][index as usize % PAGE]
    }

    /// See [`at`](Self::at).
    pub(crate) fn at_mut(&mut self, index: u32) -> &mut Slot {
        &mut self.pages[index as usize / PAGE][index as usize % PAGE]
    }

    /// The id of the connection at an index that a list of ours holds.
    pub(crate) fn id_at(&self, index: u32) -> ConnId {
        ConnId { index, generation: self.at(index).generation }
    }

    /// All live connections, in no particular order.
    pub(crate) fn ids(&self) -> Vec<ConnId> {
        let (mut ids, mut index) = (Vec::with_capacity(self.live), 0);
        for page in &self.pages {
            for slot in page.iter() {
                if slot.phase.is_connection() {
                    ids.push(ConnId { index, generation: slot.generation });
                }
                index += 1;
            }
        }
        ids
    }

    /// The descriptors that the poller was told of, and for what.
    pub(crate) fn watched(&self) -> impl Iterator<Item = (BorrowedFd<'_>, Interest)> {
        let slots = self.pages.iter().flat_map(|page| page.iter());
        slots.filter_map(|slot| Some((slot.fd()?, slot.registered?)))
    }

    fn add_page(&mut self) {
        let start = (self.pages.len() * PAGE) as u32;
        let next = |i: u32| if i + 1 < PAGE as u32 { start + i + 1 } else { NIL };
        self.pages.push(Box::new(std::array::from_fn(|i| Slot::vacant(next(i as u32)))));
        self.free = start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(slots: &mut Slots) -> ConnId {
        slots.insert(Phase::Draining, None)
    }

    #[test]
    fn a_slot_used_again_does_not_answer_to_the_old_id() {
        let mut slots = Slots::new();
        let old = insert(&mut slots);
        slots.remove(old);
        slots.remove(old);
        let new = insert(&mut slots);
        assert_eq!(new.index, old.index);
        assert!(slots.get(old).is_none());
        assert!(slots.get(new).is_some());
        assert_eq!(slots.live(), 1);
        assert!(slots.get(ConnId::from_u64(u64::MAX)).is_none());
    }

    #[test]
    fn pages_fill_up_and_indices_stay_distinct() {
        let mut slots = Slots::new();
        let ids: Vec<ConnId> = (0..1000).map(|_| insert(&mut slots)).collect();
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), 1000);
        assert_eq!(slots.ids().len(), 1000);
        ids.iter().for_each(|&id| slots.remove(id));
        assert_eq!((slots.live(), slots.ids().len()), (0, 0));
    }

    #[test]
    fn an_idle_connection_holds_at_most_160_bytes() {
        assert!(size_of::<Slot>() <= 144, "{} bytes a slot", size_of::<Slot>());
    }
}
