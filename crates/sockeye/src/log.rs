//! Log levels and the emitter (manual, "Debug logging").
//!
//! Levels are a bit set, as in the manual. Without an emitter of its own a program gets the
//! messages through the `log` crate; a level that is off costs one load.

use std::fmt;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU32, Ordering};

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
    /// Worth knowing in normal operation.
    pub const NOTICE: Self = Self(4);
    /// One line per connection and handshake.
    pub const INFO: Self = Self(8);
    /// Details for whoever works on the library.
    pub const DEBUG: Self = Self(16);
    /// The parsers.
    pub const PARSER: Self = Self(32);
    /// HTTP headers.
    pub const HEADER: Self = Self(64);
    /// Extensions.
    pub const EXT: Self = Self(128);
    /// The client role.
    pub const CLIENT: Self = Self(256);
    /// What holds the loop up.
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
        text.split(',').map(str::trim).try_fold(Self(0), |levels, name| match name {
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

/// Takes one message: its level and its text, without a newline.
pub type Emitter = Box<dyn Fn(Levels, &fmt::Arguments<'_>) + Send + Sync>;

static LEVELS: AtomicU32 = AtomicU32::new(Levels::DEFAULT.0);
static EMITTER: RwLock<Option<Emitter>> = RwLock::new(None);

/// Chooses which levels are emitted, for the whole process.
pub fn set_levels(levels: Levels) {
    LEVELS.store(levels.0, Ordering::Relaxed);
}

/// Which levels are emitted.
pub fn levels() -> Levels {
    Levels(LEVELS.load(Ordering::Relaxed))
}

/// Sends messages to `emitter` instead of the `log` crate, for the whole process.
pub fn set_emitter(emitter: Emitter) {
    // A poisoned lock means that an emitter panicked while replacing itself: the value is whole.
    *EMITTER.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(emitter);
}

/// Emits a message if its level is on.
pub fn emit(level: Levels, message: fmt::Arguments<'_>) {
    if LEVELS.load(Ordering::Relaxed) & level.0 == 0 {
        return;
    }
    let emitter = EMITTER.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    match &*emitter {
        Some(emit) => emit(level, &message),
        None => ::log::log!(target: "sockeye", facade_level(level), "{message}"),
    }
}

fn facade_level(level: Levels) -> ::log::Level {
    match level {
        Levels::ERR => ::log::Level::Error,
        Levels::WARN => ::log::Level::Warn,
        Levels::NOTICE | Levels::INFO => ::log::Level::Info,
        Levels::DEBUG => ::log::Level::Debug,
        Levels(_) => ::log::Level::Trace,
    }
}

/// The library's own shorthand: `note!(WARN, "…")`.
macro_rules! note {
    ($level:ident, $($message:tt)*) => {
        $crate::log::emit($crate::log::Levels::$level, format_args!($($message)*))
    };
}
pub(crate) use note;

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
