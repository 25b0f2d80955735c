//! Times on the command line.

use std::time::Duration;

/// What is said of text that is no time.
const FORM: &str = "a time is a whole number and ms, s, m or h, as in 1500ms, 30s, 2m or 1h";

/// Reads a time such as `30s`; a number without a unit counts seconds.
pub(super) fn time(text: &str) -> Result<Duration, &'static str> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| FORM)?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "" | "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => return Err(FORM),
    };
    milliseconds.map(Duration::from_millis).ok_or("it is too long")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_are_whole_numbers() {
        let ms = Duration::from_millis;
        for (text, expected) in
            [("1500ms", 1500), ("30s", 30_000), ("30", 30_000), ("2m", 120_000), ("1h", 3_600_000)]
        {
            assert_eq!(time(text), Ok(ms(expected)), "{text}");
        }
        for text in ["", "s", "-1s", "+1s", "1.5s", "1 s", "1d", "99999999999999999999s", "é"] {
            assert_eq!(time(text), Err(FORM), "{text}");
        }
        assert_eq!(time("18446744073709551615h"), Err("it is too long"));
    }
}
