//! The levels of the API: which release's numbers and structs a context speaks.
//!
//! A program chooses when it is compiled; the header then names the version of
//! `libwebsocket_create_context` that belongs to its level, and the context remembers it. What is
//! not told apart by a context has a version for each level too.

use crate::abi::{Callback, ContextHandle};
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::mem::{offset_of, size_of};

/// `SOCKEYE_LWS_LEVEL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// 120, the manual's.
    Manual,
    V123,
    V130,
    V140,
}

impl Level {
    /// What there is to know of an entry of a protocol array.
    pub(crate) const fn entry(self) -> Entry {
        match self {
            Self::Manual => Entry {
                size: size_of::<Protocols120>(),
                owner: offset_of!(Protocols120, owning_server),
                index: offset_of!(Protocols120, protocol_index),
            },
            Self::V123 | Self::V130 => Entry {
                size: size_of::<Protocols123>(),
                owner: offset_of!(Protocols123, owning_server),
                index: offset_of!(Protocols123, protocol_index),
            },
            Self::V140 => Entry {
                size: size_of::<Protocols140>(),
                owner: offset_of!(Protocols140, owning_server),
                index: offset_of!(Protocols140, protocol_index),
            },
        }
    }

    /// `CONTEXT_PORT_NO_LISTEN`.
    pub(crate) const fn no_listen(self) -> c_int {
        match self {
            Self::Manual | Self::V123 => 0,
            Self::V130 | Self::V140 => -1,
        }
    }
}

/// How an entry of a protocol array lies in memory. All begin like [`Protocols`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) size: usize,
    /// Where `owning_server` stands.
    pub(crate) owner: usize,
    /// Where `protocol_index` stands.
    pub(crate) index: usize,
}

/// How `struct libwebsocket_protocols` begins at every level.
#[repr(C)]
pub(crate) struct Protocols {
    pub(crate) name: *const c_char,
    pub(crate) callback: Option<Callback>,
    pub(crate) per_session_data_size: usize,
    pub(crate) rx_buffer_size: usize,
}

#[repr(C)]
struct Protocols120 {
    head: Protocols,
    owning_server: ContextHandle,
    protocol_index: c_int,
}

#[repr(C)]
struct Protocols123 {
    head: Protocols,
    no_buffer_all_partial_tx: c_int,
    owning_server: ContextHandle,
    protocol_index: c_int,
}

#[repr(C)]
struct Protocols140 {
    head: Protocols,
    id: c_uint,
    user: *mut c_void,
    owning_server: ContextHandle,
    protocol_index: c_int,
}

/// Why a context calls back. Not every level has every reason, nor by the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Established,
    ClientConnectionError,
    ClientFilterPreEstablish,
    ClientEstablished,
    Closed,
    ClosedHttp,
    Receive,
    ClientReceive,
    ClientReceivePong,
    ClientWriteable,
    ServerWriteable,
    Http,
    HttpBody,
    HttpBodyCompletion,
    HttpFileCompletion,
    HttpWriteable,
    FilterNetworkConnection,
    FilterHttpConnection,
    ServerNewClientInstantiated,
    FilterProtocolConnection,
    OpensslLoadExtraClientVerifyCerts,
    OpensslLoadExtraServerVerifyCerts,
    OpensslPerformClientCertVerification,
    ClientAppendHandshakeHeader,
    ConfirmExtensionOkay,
    ClientConfirmExtensionSupported,
    ProtocolInit,
    ProtocolDestroy,
    WsiCreate,
    WsiDestroy,
    GetThreadId,
    AddPollFd,
    DelPollFd,
    /// From 1.3 on one reason stands for this and the next.
    SetModePollFd,
    ClearModePollFd,
    LockPoll,
    UnlockPoll,
}

/// A number for what a level does not have.
const NONE: c_int = -1;

impl Reason {
    /// Whether it still comes when the program has destroyed the context.
    pub(crate) fn is_of_the_end(self) -> bool {
        use Reason::{Closed, ClosedHttp, DelPollFd, LockPoll, UnlockPoll, WsiDestroy};
        let of_connection =
            matches!(self, Closed | ClosedHttp | DelPollFd | LockPoll | UnlockPoll | WsiDestroy);
        of_connection || self == Self::ProtocolDestroy
    }

    /// Its number at a level, if that has it: `enum libwebsocket_callback_reasons`.
    pub(crate) fn number(self, level: Level) -> Option<c_int> {
        let [manual, v123, since_v130] = self.numbers();
        let number = match level {
            Level::Manual => manual,
            Level::V123 => v123,
            Level::V130 | Level::V140 => since_v130,
        };
        (number != NONE).then_some(number)
    }

    /// Its number at the manual's level, at 1.23, and from 1.3 on.
    const fn numbers(self) -> [c_int; 3] {
        match self {
            Self::Established => [0, 0, 0],
            Self::ClientConnectionError => [1, 1, 1],
            Self::ClientFilterPreEstablish => [2, 2, 2],
            Self::ClientEstablished => [3, 3, 3],
            Self::Closed => [4, 4, 4],
            Self::ClosedHttp => [NONE, 5, 5],
            Self::Receive => [5, 6, 6],
            Self::ClientReceive => [6, 7, 7],
            Self::ClientReceivePong => [7, 8, 8],
            Self::ClientWriteable => [8, 9, 9],
            Self::ServerWriteable => [9, 10, 10],
            Self::Http => [10, 11, 11],
            Self::HttpBody => [NONE, NONE, 12],
            Self::HttpBodyCompletion => [NONE, NONE, 13],
            Self::HttpFileCompletion => [11, 12, 14],
            Self::HttpWriteable => [12, 13, 15],
            Self::FilterNetworkConnection => [13, 14, 16],
            Self::FilterHttpConnection => [NONE, NONE, 17],
            Self::ServerNewClientInstantiated => [NONE, NONE, 18],
            Self::FilterProtocolConnection => [14, 15, 19],
            Self::OpensslLoadExtraClientVerifyCerts => [15, 16, 20],
            Self::OpensslLoadExtraServerVerifyCerts => [16, 17, 21],
            Self::OpensslPerformClientCertVerification => [17, 18, 22],
            Self::ClientAppendHandshakeHeader => [18, 19, 23],
            Self::ConfirmExtensionOkay => [19, 20, 24],
            Self::ClientConfirmExtensionSupported => [20, 21, 25],
            Self::ProtocolInit => [21, 22, 26],
            Self::ProtocolDestroy => [22, 23, 27],
            Self::WsiCreate => [NONE, NONE, 28],
            Self::WsiDestroy => [NONE, NONE, 29],
            Self::GetThreadId => [NONE, NONE, 30],
            Self::AddPollFd => [23, 24, 31],
            Self::DelPollFd => [24, 25, 32],
            Self::SetModePollFd => [25, 26, 33],
            Self::ClearModePollFd => [26, 27, 33],
            Self::LockPoll => [NONE, NONE, 34],
            Self::UnlockPoll => [NONE, NONE, 35],
        }
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    #[test]
    fn entries_of_protocol_arrays_lie_as_in_their_release() {
        let entry = |size, owner, index| Entry { size, owner, index };
        assert_eq!(Level::Manual.entry(), entry(48, 32, 40));
        assert_eq!(Level::V123.entry(), entry(56, 40, 48));
        assert_eq!(Level::V130.entry(), entry(56, 40, 48));
        assert_eq!(Level::V140.entry(), entry(64, 48, 56));
    }
}
