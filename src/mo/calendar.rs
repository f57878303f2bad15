//! Dates and times as ISO 8601 writes them, which is what `date` and `time` leaves hold.

use crate::ddf::Format;

/// Whether `text` is a date (`2026-02-28`, `20260228`) or a time (`23:59:59`, `235959`, with a fraction and a zone
/// where wanted), whichever `format` is.
#[must_use]
pub(crate) fn is_one(format: Format, text: &str) -> bool {
    match format {
        Format::Date => is_date(text.as_bytes()),
        Format::Time => is_time(text.as_bytes()),
        _ => false,
    }
}

/// The text of a moment, given in seconds since 1970, in UTC: a date (`2026-02-28`), a time (`23:59:59Z`), or for all
/// other formats both with a `T` between them. None outside of the years 0 to 9999. Parts of a second are dropped.
#[must_use]
pub(crate) fn utc(seconds: f64, format: Format) -> Option<String> {
    const DAY: i64 = 24 * 60 * 60;
    // The ends of the years 0 and 9999; beyond them a f64 could be no i64 either.
    if !(-62_167_219_200.0..253_402_300_800.0).contains(&seconds) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is within the bounds above")]
    let seconds = seconds.floor() as i64;
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let time = format!("{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60);
    // The calendar repeats every 400 years; years begin in March, so that the odd day is a year's last.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, after) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let date = format!("{:04}-{month:02}-{day:02}", era * 400 + year + after);
    Some(match format {
        Format::Date => date,
        Format::Time => time,
        _ => format!("{date}T{time}"),
    })
}

fn is_date(text: &[u8]) -> bool {
    let Some([year, month, day]) = fields(text, [4, 2, 2], b'-') else { return false };
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

fn is_time(text: &[u8]) -> bool {
    let zone = text.iter().position(|byte| matches!(byte, b'Z' | b'+' | b'-'));
    let (text, zone) = text.split_at(zone.unwrap_or(text.len()));
    let fraction = text.iter().position(|byte| matches!(byte, b'.' | b','));
    let (whole, fraction) = text.split_at(fraction.unwrap_or(text.len()));
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let Some([hour, minute, second]) = fields(whole, [2, 2, 2], b':') else { return false };
    // A leap second; and midnight at the end of a day.
    let is_clock = (hour < 24 && minute < 60 && second <= 60) || (hour, minute, second) == (24, 0, 0);
    is_clock && fraction.split_first().is_none_or(|(_, rest)| digits(rest)) && is_zone(zone)
}

fn is_zone(text: &[u8]) -> bool {
    match text {
        [] | [b'Z'] => true,
        [b'+' | b'-', offset @ ..] => {
            let hours = fields(offset, [2], b':').map(|[hour]| [hour, 0]);
            hours
                .or_else(|| fields(offset, [2, 2], b':'))
                .is_some_and(|[hour, minute]| hour < 24 && minute < 60)
        }
        _ => false,
    }
}

/// Reads numbers of these widths, all with `separator` between them or all without.
fn fields<const N: usize>(text: &[u8], widths: [usize; N], separator: u8) -> Option<[u32; N]> {
    let separated = text.contains(&separator);
    let mut rest = text;
    let mut numbers = [0; N];
    for (index, (number, width)) in numbers.iter_mut().zip(widths).enumerate() {
        if separated && index > 0 {
            rest = rest.strip_prefix(&[separator])?;
        }
        let (digits, after) = rest.split_at_checked(width)?;
        for digit in digits {
            *number = *number * 10 + char::from(*digit).to_digit(10)?;
        }
        rest = after;
    }
    rest.is_empty().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_days_of_the_calendar() {
        for right in ["2026-02-28", "20260228", "2024-02-29", "2000-02-29", "0000-12-31"] {
            assert!(is_one(Format::Date, right), "{right}");
        }
        for wrong in [
            "",
            "2026",
            "2026-2-28",
            "2026-02-29",
            "1900-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "2026-0228",
            "20260-228",
            "2026-02-28Z",
            "28-02-2026",
            "yesterday",
            "２０２６0228",
            " 20260228",
        ] {
            assert!(!is_one(Format::Date, wrong), "{wrong}");
        }
    }

    #[test]
    fn times_are_of_the_day() {
        for right in [
            "00:00:00",
            "235959",
            "23:59:60",
            "24:00:00",
            "12:00:00Z",
            "12:00:00.125",
            "120000,5+0100",
            "12:00:00-03:30",
            "12:00:00+01",
        ] {
            assert!(is_one(Format::Time, right), "{right}");
        }
        for wrong in [
            "",
            "12:00",
            "24:00:01",
            "12:60:00",
            "12:00:61",
            "1:00:00",
            "12:0000",
            "12:00:00.",
            "12:00:00z",
            "12:00:00+24:00",
            "12:00:00+1",
            "12:00:00Z1",
            "12:00:00+",
            "noon",
        ] {
            assert!(!is_one(Format::Time, wrong), "{wrong}");
        }
    }
}
