//! The buffer a [`Poller`](super::Poller) fills.

use std::fmt;

use super::backend::{RawEvent, decode};
use crate::Readiness;

/// Room for the answers of one wait, kept and filled again by the next.
pub struct Events {
    /// INVARIANT: its capacity is at least one and never changes: a poller fills what room there
    /// is.
    pub(super) list: Vec<RawEvent>,
}

impl Events {
    /// How many events [`Events::new`] has room for: enough that a busy loop seldom waits twice
    /// for what one wait could have told, and small enough to stay in the cache.
    pub const DEFAULT_CAPACITY: usize = 1024;

    /// Room for [`Events::DEFAULT_CAPACITY`] events.
    pub fn new() -> Self {
        Self::with_capacity(Self::DEFAULT_CAPACITY)
    }

    /// Room for at least `capacity` events, and at least for one.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { list: Vec::with_capacity(capacity.max(1)) }
    }

    /// The descriptors found ready, each by the token it was added with.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Readiness)> + '_ {
        self.list.iter().map(decode)
    }

    /// How many descriptors were found ready.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether none was found ready.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
