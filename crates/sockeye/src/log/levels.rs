//! Log levels as a bit set, numbered as the manual does.

use std::fmt;

/// A set of log levels.
///
/// ```
/// use sockeye::log::Levels;
///
/// let levels: Levels = "notice,info".parse().unwrap();
/// assert!(levels.contains(Levels::INFO) && !levels.contains(Levels::ERR));
/// assert_eq!(Levels::from_bits(7), Levels::ERR | Levels::WARN | Levels::NOTICE);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels(u32);

impl Levels {
    /// Something failed.
    pub const ERR: Self = Self(1);
    /// Something is odd.
    pub const WARN: Self = Self(2);
    /// Worth knowing in normal operation; each request and handshake refused.
    pub const NOTICE: Self = Self(4);
    /// A line for each connection that ends.
    pub const INFO: Self = Self(8);
    /// Details for whoever works on the library.
    pub const DEBUG: Self = Self(16);
    /// What the parser of frames finds, an event a line.
    pub const PARSER: Self = Self(32);
    /// Heads of requests and answers; of what lets one in, as cookies, only the length.
    pub const HEADER: Self = Self(64);
    /// Extensions agreed to.
    pub const EXT: Self = Self(128);
    /// The client's steps: addresses tried, requests sent.
    pub const CLIENT: Self = Self(256);
    /// Callbacks, system calls and what TLS takes, where they hold the loop up for
    /// [`Limits::latency`](crate::Limits::latency) or longer, and the longest of all at the end.
    pub const LATENCY: Self = Self(512);
    /// `ERR | WARN | NOTICE`, as in the manual.
    pub const DEFAULT: Self = Self(7);

    const NAMES: [(&'static str, Self); 10] = [
        ("err", Self::ERR),
        ("warn", Self::WARN),
        ("notice", Self::NOTICE),
        ("info", Self::INFO),
        ("debug", Self::DEBUG),
        ("parser", Self::PARSER),
        ("header", Self::HEADER),
        ("ext", Self::EXT),
        ("client", Self::CLIENT),
        ("latency", Self::LATENCY),
    ];

    /// The levels whose bits are set, numbered as the manual does; unknown bits are dropped.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & 0x3ff)
    }

    /// The bits.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether all of `other` is in here.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The name of a single level, in capitals, as the manual's emitter prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ERR => "ERR",
            Self::WARN => "WARN",
            Self::NOTICE => "NOTICE",
            Self::INFO => "INFO",
            Self::DEBUG => "DEBUG",
            Self::PARSER => "PARSER",
            Self::HEADER => "HEADER",
            Self::EXT => "EXTENSION",
            Self::CLIENT => "CLIENT",
            Self::LATENCY => "LATENCY",
            Self(_) => "",
        }
    }
}

impl std::ops::BitOr for Levels {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A level name that does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownLevel(String);

impl fmt::Display for UnknownLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Levels::NAMES.map(|(name, _)| name).join(", ");
        write!(f, "unknown log level {:?}; there are {names}, all and none", self.0)
    }
}

impl std::error::Error for UnknownLevel {}

impl std::str::FromStr for Levels {
    type Err = UnknownLevel;

    /// Names separated by commas; `all` and `none` are names too.
    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        text.split(',').map(str::trim_ascii).try_fold(Self(0), |levels, name| match name {
            "all" => Ok(Self::from_bits(u32::MAX)),
            "none" | "" => Ok(levels),
            _ => Self::NAMES
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|&(_, level)| levels | level)
                .ok_or_else(|| UnknownLevel(name.to_owned())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_numbers_and_mistakes() {
        assert_eq!("warn, INFO".parse(), Ok(Levels::WARN | Levels::INFO));
        assert_eq!("all".parse(), Ok(Levels::from_bits(1023)));
        assert_eq!("none".parse(), Ok(Levels(0)));
        let error = "notice,loud".parse::<Levels>().unwrap_err().to_string();
        assert!(error.contains("\"loud\"") && error.contains("latency"), "{error}");
    }
}
