//! Dates (RFC 9110 §5.6.7), as seconds since the beginning of 1970, leap seconds not counted.

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY: u64 = 24 * 60 * 60;
/// The last second that has a year of four digits: the end of 9999.
const LAST: u64 = 253_402_300_799;
/// From the first of March of the year 0 to the beginning of 1970.
const DAYS_BEFORE_1970: u64 = 719_468;

/// A moment as HTTP writes it, `Sun, 06 Nov 1994 08:49:37 GMT`. What is after the year 9999 is
/// written as its end.
pub fn date(seconds: u64) -> String {
    let seconds = seconds.min(LAST);
    let (days, time) = (seconds / DAY, seconds % DAY);
    // Years that begin in March, so that the day leap years add is their last.
    let since = days + DAYS_BEFORE_1970;
    let (era, of_era) = (since / 146_097, since % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 2) } else { (year + 1, month - 10) };
    format!(
        "{}, {day:02} {} {} {:02}:{:02}:{:02} GMT",
        WEEKDAYS[(days % 7 + 4) as usize % 7],
        MONTHS[month as usize],
        era * 400 + year,
        time / 3600,
        time / 60 % 60,
        time % 60,
    )
}

/// Reads a date in each of the three ways that there have been, all of which a recipient must
/// take. Of two digits for a year, 70 and more are of the twentieth century. Which day of the week
/// it was is not looked at, and nothing before 1970 is a date here.
pub fn parse_date(text: &str) -> Option<u64> {
    let mut words = text.split([' ', '-']).filter(|word| !word.is_empty());
    let weekday = words.next()?;
    let (day, month, time, year);
    if weekday.ends_with(',') {
        (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
        words.next().filter(|zone| *zone == "GMT")?;
    } else {
        (month, day, time, year) = (words.next()?, words.next()?, words.next()?, words.next()?);
    }
    if words.next().is_some() || !WEEKDAYS.iter().any(|begin| weekday.starts_with(begin)) {
        return None;
    }
    let month = MONTHS.iter().position(|name| *name == month)? as u64;
    let year = match (year.len(), number(year)?) {
        (2, year) if year < 70 => year + 2000,
        (2, year) => year + 1900,
        (4, year) if year >= 1970 => year,
        _ => return None,
    };
    let day = number(day).filter(|day| (1..=length(year, month)).contains(day))?;
    let mut time = time.split(':').map(number);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    if time.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(days(year, month, day) * DAY + hour * 3600 + minute * 60 + second)
}

/// One or more digits, few enough for any year.
fn number(digits: &str) -> Option<u64> {
    let is_number = digits.len() <= 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

/// How many days a month has, where January is 0.
fn length(year: u64, month: u64) -> u64 {
    match month {
        1 if is_leap(year) => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// From 1970 to a day.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 1 { (year, month - 2) } else { (year - 1, month + 10) };
    let leap_days = year / 4 - year / 100 + year / 400;
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - DAYS_BEFORE_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_in_three_ways_and_written_in_one() {
        let (imf, rfc850, asctime) = (
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        );
        for text in [imf, rfc850, asctime] {
            assert_eq!(parse_date(text), Some(784_111_777), "{text}");
        }
        assert_eq!(date(784_111_777), imf);
        assert_eq!(date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(date(4_107_542_399), "Sun, 28 Feb 2100 23:59:59 GMT");
        assert_eq!(date(4_107_542_400), "Mon, 01 Mar 2100 00:00:00 GMT");
        assert_eq!(date(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(parse_date("Friday, 01-Jan-70 00:00:00 GMT"), Some(0));
        assert_eq!(parse_date("Tuesday, 01-Jan-30 00:00:00 GMT"), Some(1_893_456_000));
    }

    #[test]
    fn every_day_is_read_as_it_was_written_and_follows_the_one_before() {
        let mut weekdays = WEEKDAYS.iter().cycle().skip(4);
        for day in 0..200_000 {
            let text = date(day * DAY + day % DAY);
            assert_eq!(parse_date(&text), Some(day * DAY + day % DAY), "{text}");
            assert!(text.starts_with(weekdays.next().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for wrong in [
            "",
            "0",
            "Sun",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 08:49:37 GMT GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37:00 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:00 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Tue, 29 Feb 2100 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 06 Nov 194 08:49:37 GMT",
            "Sun, 06 Nov 11994 08:49:37 GMT",
            "Son, 06 Nov 1994 08:49:37 GMT",
            "Sun Nov 6 08:49:37",
        ] {
            assert_eq!(parse_date(wrong), None, "{wrong:?}");
        }
    }
}
