//! The right to send: evidence that nothing waits on a connection.

use crate::log::note;
use crate::message::{Message, Shared};
use crate::slots::{ConnId, Flags};
use crate::state::{Core, State};
use crate::transport::SendError;
use sockeye_proto::MessageKind;
use std::fmt;

/// Evidence that the socket can take data now. Sending consumes it and gives it back while that
/// still holds, so a loop ends by itself when the pipe is choked:
///
/// ```
/// # use sockeye::*;
/// # struct Numbers;
/// # impl Protocol for Numbers {
/// #     type Session = u64;
/// #     type Notice = ();
/// #     fn name(&self) -> &str { "numbers" }
/// #     fn upgrade(&mut self, _: &Handshake<'_>) -> Result<u64, Reject> { Ok(0) }
/// #     fn receive(&mut self, _: &mut Conn<'_, Self>, _: Message<'_>) -> Action {
/// #         Action::Continue
/// #     }
/// fn writable(&mut self, conn: &mut Conn<'_, Self>, permit: Permit<'_>) -> Action {
///     let mut permit = Some(permit);
///     while let Some(ready) = permit {
///         *conn.session += 1;
///         permit = ready.send(conn.session.to_string());
///     }
///     conn.request_writable();
///     Action::Continue
/// }
/// # }
/// ```
#[must_use = "a permit that is dropped sends nothing"]
pub struct Permit<'c> {
    core: &'c Core,
    id: ConnId,
}

impl<'c> Permit<'c> {
    pub(crate) fn issue(core: &'c Core, id: ConnId) -> Option<Self> {
        let mut state = core.state.borrow_mut();
        if !state.is_clear(id) {
            return None;
        }
        state.slots.at_mut(id.index).flags.newly(Flags::PERMIT).then(|| Self { core, id })
    }

    /// Sends a message. Gives the permit back unless the socket is choked now. Inside a message
    /// that is sent in parts it sends nothing, and says so in the log.
    pub fn send<'m>(self, message: impl Into<Message<'m>>) -> Option<Self> {
        let message = message.into();
        self.complain(self.send_by(|state| state.send_message(self.id, &message)));
        self.still_clear()
    }

    /// Sends a message that was framed before.
    pub fn send_shared(self, message: &Shared) -> Option<Self> {
        if self.core.state.borrow_mut().cork_shared(self.id, message) {
            return Some(self); // nothing waits: the connection is as clear as before
        }
        self.complain(self.send_by(|state| state.send_shared(self.id, message)));
        self.still_clear()
    }

    /// Sends by the permit: what waits then is bounded by it, and not by the send queue.
    fn send_by<R>(&self, send: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.core.state.borrow_mut();
        state.by_permit = true;
        let result = send(&mut state);
        state.by_permit = false;
        result
    }

    /// The queue is empty, so it admits a message, unless the callback has asked for the
    /// connection's end since the permit was issued.
    fn complain(&self, result: Result<(), SendError>) {
        if result == Err(SendError::Unfinished) {
            note!(ERR, "connection {}: a message was not sent: {}", self.id, SendError::Unfinished);
        }
    }

    /// Sends a message in parts, one frame each, uncompressed: the first part begins it, the one
    /// with `last` ends it, and further permits may lie between. Until then other messages of
    /// this connection are refused with [`SendError::Unfinished`]; pings and pongs are not. The
    /// `kind` of the first part counts.
    pub fn send_part(self, kind: MessageKind, part: &[u8], last: bool) -> Option<Self> {
        self.send_by(|state| state.send_part(self.id, kind, part, last));
        self.still_clear()
    }

    fn still_clear(self) -> Option<Self> {
        let clear = self.core.state.borrow().is_clear(self.id);
        clear.then_some(self)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if let Some(slot) = self.core.state.borrow_mut().slots.get_mut(self.id) {
            slot.flags.clear(Flags::PERMIT);
        }
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({})", self.id)
    }
}
