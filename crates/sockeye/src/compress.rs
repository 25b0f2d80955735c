//! permessage-deflate on the way out: what is compressed, and with whose compressor.

use crate::conn::{Deflation, Phase, Ws};
use crate::message::{Shared, data_header};
use crate::slots::ConnId;
use crate::state::State;
use bytes::Bytes;
use sockeye_proto::{Deflaters, FrameHeader, RSV1, push_frame};

impl Ws {
    /// The payload compressed, if that was agreed and pays.
    pub(crate) fn deflate<'d>(
        &mut self,
        deflaters: &'d mut Deflaters,
        payload: &[u8],
    ) -> Option<&'d [u8]> {
        match &mut self.deflation {
            Deflation::Off => None,
            Deflation::Shared { window_bits } => deflaters.compress(*window_bits, None, payload),
            Deflation::Own { window_bits, history } => {
                deflaters.compress(*window_bits, Some(history.get_or_insert_default()), payload)
            }
        }
    }
}

/// The window for which a [`Shared`] message is compressed once; others are rare.
const SHARED_WINDOW: u8 = 15;

impl State {
    /// The frame that a shared message goes to this connection as, if it can share one.
    pub(crate) fn shared_frame(&mut self, id: ConnId, shared: &Shared) -> Option<Bytes> {
        let slot = self.slots.get(id)?;
        let Phase::WebSocket(ws) = &slot.phase else { return None };
        match ws.deflation {
            _ if slot.is_client() => None,
            Deflation::Off => Some(shared.frame.clone()),
            Deflation::Shared { window_bits: SHARED_WINDOW } => {
                let deflaters = self.deflaters.as_mut()?;
                let small = shared.deflated.get_or_init(|| deflated_frame(deflaters, shared));
                Some(small.as_ref().unwrap_or(&shared.frame).clone())
            }
            Deflation::Shared { .. } | Deflation::Own { .. } => None,
        }
    }
}

fn deflated_frame(deflaters: &mut Deflaters, shared: &Shared) -> Option<Bytes> {
    let small = deflaters.compress(SHARED_WINDOW, None, shared.as_bytes())?;
    let header = FrameHeader { reserved: RSV1, ..data_header(shared.kind, None) };
    let mut frame = Vec::with_capacity(small.len() + 10);
    push_frame(&mut frame, header, small);
    Some(frame.into())
}
