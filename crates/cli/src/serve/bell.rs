//! How the protocols tell the status that a connection opened or closed.

use super::status::Status;
use sockeye::{Connections, Key};
use std::cell::OnceCell;
use std::rc::Rc;

/// Shared by the protocols that ring it; hung up once the one that listens is registered.
#[derive(Clone, Default)]
pub(crate) struct Bell {
    status: Rc<OnceCell<Key<Status>>>,
}

impl Bell {
    /// From now on `status` hears it.
    pub(crate) fn hang(&self, status: Key<Status>) {
        let _ = self.status.set(status); // the first one stays
    }

    /// Says that the number of connections has changed.
    pub(crate) fn ring(&self, connections: Connections<'_>) {
        if let Some(&status) = self.status.get() {
            // If the letter box is full, an earlier ring lies in it and will do.
            let _ = connections.post(status, ());
        }
    }
}
