//! What a descriptor is watched for, and what was found.

use std::ops::BitOr;

/// What a descriptor is watched for. Errors and hang-ups are reported whatever the interest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interest {
    readable: bool,
    writable: bool,
}

impl Interest {
    /// Nothing but errors and hang-ups.
    pub const NONE: Self = Self { readable: false, writable: false };
    /// Data to read, a connection to accept, or the end of the peer's stream.
    pub const READ: Self = Self { readable: true, writable: false };
    /// Room to write, or the end of a connect.
    pub const WRITE: Self = Self { readable: false, writable: true };
    /// Both.
    pub const READ_WRITE: Self = Self { readable: true, writable: true };

    /// Whether reading is of interest.
    pub const fn is_readable(self) -> bool {
        self.readable
    }

    /// Whether writing is of interest.
    pub const fn is_writable(self) -> bool {
        self.writable
    }

    /// This interest and `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self {
            readable: self.readable || other.readable,
            writable: self.writable || other.writable,
        }
    }

    /// This interest less `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self {
            readable: self.readable && !other.readable,
            writable: self.writable && !other.writable,
        }
    }
}

impl BitOr for Interest {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

/// What a descriptor was found ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Readiness {
    /// A read will not block: there is data, a connection to accept, or the end of the stream.
    pub readable: bool,
    /// A write will not block, or a connect has ended, well or not.
    pub writable: bool,
    /// An error is pending, or both directions are closed. Reported even if not asked for.
    pub hangup: bool,
}

impl Readiness {
    /// Ready for reading only.
    pub const READABLE: Self = Self { readable: true, writable: false, hangup: false };
    /// Ready for writing only.
    pub const WRITABLE: Self = Self { readable: false, writable: true, hangup: false };
    /// Failed or hung up, and nothing else.
    pub const HANGUP: Self = Self { readable: false, writable: false, hangup: true };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interests_add_and_subtract() {
        assert_eq!(Interest::READ | Interest::WRITE, Interest::READ_WRITE);
        assert_eq!(Interest::READ_WRITE.without(Interest::READ), Interest::WRITE);
        assert_eq!(Interest::READ.without(Interest::READ_WRITE), Interest::NONE);
        assert_eq!(Interest::NONE.with(Interest::READ), Interest::READ);
        assert_eq!(Interest::default(), Interest::NONE);
        assert!(Interest::READ.is_readable() && !Interest::READ.is_writable());
        assert!(Interest::WRITE.is_writable() && !Interest::WRITE.is_readable());
    }
}
