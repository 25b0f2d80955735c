//! How long something lasts, for people.

use std::fmt;
use std::time::Duration;

/// A duration as text: `1.5s`, `20ms`. As its `Debug` has it, in a fifth of the code.
pub struct Lasting(pub Duration);

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.subsec_nanos();
        let (whole, part, digits, unit) = match (self.0.as_secs(), nanos) {
            (0, 0..1_000) => (nanos.into(), 0, 0, "ns"),
            (0, 1_000..1_000_000) => ((nanos / 1_000).into(), nanos % 1_000, 3, "µs"),
            (0, 1_000_000..) => ((nanos / 1_000_000).into(), nanos % 1_000_000, 6, "ms"),
            (seconds, _) => (seconds, nanos, 9, "s"),
        };
        write!(f, "{whole}")?;
        if part != 0 {
            let part = format!("{part:0digits$}");
            write!(f, ".{}", part.trim_end_matches('0'))?;
        }
        f.write_str(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_that_of_debug() {
        for nanos in [0, 1, 999, 1_000, 1_050, 999_999, 1_000_000, 20_000_000, 1_500_000_001] {
            let duration = Duration::from_nanos(nanos);
            assert_eq!(Lasting(duration).to_string(), format!("{duration:?}"));
        }
        for duration in [Duration::from_secs(90), Duration::from_millis(90_040), Duration::MAX] {
            assert_eq!(Lasting(duration).to_string(), format!("{duration:?}"));
        }
    }
}
