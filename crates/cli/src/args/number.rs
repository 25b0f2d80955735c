//! Numbers on the command line.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Reads whole numbers of a range.
pub(super) fn number<T: FromStr + PartialOrd + Display + Clone>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        Ok(_) | Err(_) => {
            Err(format!("it takes a whole number from {} to {}", range.start(), range.end()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_outside_the_range_are_told_the_range() {
        let parse = number(1..=9_u16);
        assert_eq!((parse("1"), parse("9")), (Ok(1), Ok(9)));
        for wrong in ["0", "10", "", "x", "-1", "1.5", "70000"] {
            assert_eq!(parse(wrong).unwrap_err(), "it takes a whole number from 1 to 9");
        }
    }
}
