//! Through a proxy.

use super::{Ask, ConnectError, Step};
use crate::conn::Phase;
use crate::dispatch::Next;
use crate::engine::Engine;
use crate::log::note;
use crate::message::{By, Cause};
use crate::slots::ConnId;
use crate::state::State;
use crate::tls::{ClientTls, TlsName};
use crate::wheel::Deadline;
use sockeye_proto::proxy::{Proxy, Tunnel};
use std::io;
use std::mem;
use std::time::Duration;

/// What a proxy is told, and will be.
pub(crate) struct Tunnelling {
    pub(super) tunnel: Tunnel,
    /// What it is told first.
    pub(super) first: Vec<u8>,
    pub(super) proxy: Proxy,
    /// TLS with the proxy itself.
    pub(super) security: Option<(ClientTls, TlsName)>,
}

/// The client's phase in which a proxy is asked for a tunnel.
pub(crate) struct Asked {
    tunnelling: Tunnelling,
    ask: Ask,
}

impl State {
    /// TCP to the proxy is open.
    pub(super) fn ask_proxy(&mut self, id: ConnId, mut tunnelling: Tunnelling, ask: Ask) {
        note!(CLIENT, "connection {id}: asks proxy {} for a tunnel", tunnelling.proxy);
        let first = mem::take(&mut tunnelling.first);
        let security = tunnelling.security.take();
        let Some(slot) = self.slots.get_mut(id) else { return };
        slot.phase = Phase::Tunnel(Box::new(Asked { tunnelling, ask }));
        self.arm(id, Deadline::Proxy);
        match security {
            None => self.put(id, &[], &first),
            Some((tls, name)) => {
                if let Err(error) = self.secure_client(id, &tls, name, first) {
                    self.doom(id, By::Us, Cause::Tls(error));
                }
            }
        }
        self.review(id);
    }

    /// TLS with the proxy is agreed on, if that is what was.
    pub(super) fn note_proxy_secured(&mut self, id: ConnId) {
        if self.tunnelling(id).is_some() {
            note!(CLIENT, "connection {id}: agreed on TLS with the proxy");
        }
    }

    /// Why a connection in `Tunnel` came to nothing.
    pub(crate) fn tunnel_error(&mut self, id: ConnId, error: ConnectError) -> ConnectError {
        match self.tunnelling(id) {
            Some(asked) => error.of_proxy(&asked.tunnelling.proxy),
            None => error,
        }
    }

    pub(crate) fn tunnel_timed_out(&mut self, id: ConnId, after: Duration) -> ConnectError {
        self.tunnel_error(id, ConnectError::TimedOut { step: Step::Proxy, after })
    }

    fn tunnelling(&mut self, id: ConnId) -> Option<&mut Asked> {
        let Phase::Tunnel(asked) = &mut self.slots.get_mut(id)?.phase else { return None };
        Some(asked)
    }
}

impl Engine {
    /// What a proxy says.
    #[inline(never)]
    pub(crate) fn tunnel_input(&mut self, id: ConnId, rest: &mut &mut [u8]) -> Next {
        let state = self.core.state.get_mut();
        let Some(asked) = state.tunnelling(id) else { return Next::GoOn };
        let (mut input, mut out): (&[u8], _) = (rest, Vec::new());
        let result = asked.tunnelling.tunnel.receive(&mut input, &mut out);
        let error = match result {
            Ok(false) => {
                state.put(id, &[], &out);
                *rest = &mut [];
                return Next::GoOn;
            }
            Ok(true) if input.is_empty() => {
                *rest = &mut [];
                state.tunnel_open(id);
                return Next::GoOn;
            }
            // Nobody has been asked anything yet, so it is no answer.
            Ok(true) => ConnectError::Lost {
                step: Step::Proxy,
                error: io::Error::new(io::ErrorKind::InvalidData, "bytes came behind its answer"),
            },
            Err(error) => ConnectError::Tunnel(error),
        };
        *rest = &mut [];
        let error = state.tunnel_error(id, error);
        self.connect_failed(id, error);
        Next::GoOn
    }
}

impl State {
    fn tunnel_open(&mut self, id: ConnId) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        if let Phase::Tunnel(asked) = mem::replace(&mut slot.phase, Phase::Draining) {
            note!(CLIENT, "connection {id}: the proxy gives a tunnel");
            self.send_request(id, asked.ask);
        }
    }
}
