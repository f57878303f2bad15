//! Windows of EXECs: days of the week and a span of the day, in local time, in which one may begin.

use std::fmt;
use std::str::FromStr;

use crate::base::wall_time::WallTime;

/// A window of days and a span: `Mon..Fri 02:00-04:00`. One that ends earlier than it begins ends on the day after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    text: String,
    /// The days on which it begins, Monday first.
    days: [bool; 7],
    /// The minute of the day at which it begins, from midnight.
    begin: u16,
    end: u16,
}

const DAY: u16 = 24 * 60;
const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Window {
    /// The time when the window opens next, in seconds since 1970, and what a clock on the wall shows then; `now` where
    /// it is open. `wall_time` is what such a clock shows at a time: on the days when it is put back or forward, too.
    pub fn opens(&self, now: i64, wall_time: impl Fn(i64) -> WallTime) -> Option<(i64, WallTime)> {
        const MINUTE: i64 = 60;
        // A week, and the hours that a day may lack.
        let minutes = 0..8 * i64::from(DAY);
        let begin = now - now.rem_euclid(MINUTE);
        let opening = minutes.map(|minute| (begin + minute * MINUTE).max(now)).map(|at| (at, wall_time(at)));
        opening.into_iter().find(|(_, shown)| self.is_open(*shown))
    }

    /// Whether the window is open.
    #[must_use]
    pub fn is_open(&self, WallTime { weekday, minute }: WallTime) -> bool {
        let begins = |day: usize| self.days.get(day % 7).copied().unwrap_or_default();
        let (today, yesterday) = (begins(weekday), begins(weekday + 6));
        if self.begin < self.end {
            return today && (self.begin..self.end).contains(&minute);
        }
        (today && minute >= self.begin) || (yesterday && minute < self.end)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let mut words = text.split_whitespace();
            let (first, second) = (words.next()?, words.next());
            let (days, span) = match second {
                Some(span) => (days(first)?, span),
                None => ([true; 7], first),
            };
            let (begin, end) = span.split_once('-')?;
            let (begin, end) = (minute(begin)?, minute(end)?);
            let fits = words.next().is_none() && begin != end && begin < DAY;
            fits.then(|| Self { text: text.to_owned(), days, begin, end })
        };
        read().ok_or_else(|| {
            format!(
                "expected days and a span such as \"Mon..Fri 02:00-04:00\" or \"22:30-05:00\", found {text:?}"
            )
        })
    }
}

/// Reads days: `Mon..Fri`, `Sat,Sun`, `Mon..Wed,Fri`; `Fri..Mon` goes over the week's end.
fn days(text: &str) -> Option<[bool; 7]> {
    let day = |name: &str| NAMES.iter().position(|known| known.eq_ignore_ascii_case(name));
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once("..").unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let count = (last + 7 - first) % 7;
        for offset in 0..=count {
            *days.get_mut((first + offset) % 7)? = true;
        }
    }
    Some(days)
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| {
        let is_two = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| is_two)
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let total = hour * 60 + minute;
    (hour <= 24 && minute < 60 && total <= DAY).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_open(window: &str, weekday: usize, hour: u16, minute: u16) -> bool {
        window.parse::<Window>().unwrap().is_open(WallTime { weekday, minute: hour * 60 + minute })
    }

    #[test]
    fn days_and_a_span() {
        assert!(is_open("Mon..Fri 02:00-04:00", 0, 2, 0) && is_open("Mon..Fri 02:00-04:00", 4, 3, 59));
        for (weekday, hour, minute) in [(0, 1, 59), (0, 4, 0), (5, 3, 0), (6, 3, 0)] {
            assert!(!is_open("Mon..Fri 02:00-04:00", weekday, hour, minute), "{weekday} {hour}:{minute}");
        }
        assert!(is_open("sat,Sun 00:00-24:00", 6, 23, 59) && !is_open("sat,Sun 00:00-24:00", 0, 0, 0));
        assert!(is_open("12:00-12:01", 3, 12, 0) && !is_open("12:00-12:01", 3, 12, 1));
        assert!(is_open("Fri..Mon 00:00-01:00", 6, 0, 0) && !is_open("Fri..Mon 00:00-01:00", 1, 0, 0));
    }

    #[test]
    fn the_next_opening_is_found_to_the_minute() {
        let utc = |seconds: i64| crate::base::wall_time::Zone::of(&[]).at(seconds);
        let opens = |window: &str, now| window.parse::<Window>().unwrap().opens(now, utc).unwrap().0;
        // 1970 began on a Thursday.
        assert_eq!(opens("02:00-04:00", 30), 2 * 3600);
        assert_eq!(opens("02:00-04:00", 2 * 3600 + 1), 2 * 3600 + 1, "it is open");
        assert_eq!(opens("02:00-04:00", 4 * 3600), 26 * 3600);
        assert_eq!(opens("Wed 02:00-04:00", 30), 6 * 24 * 3600 + 2 * 3600);
        assert_eq!(opens("Thu 00:00-00:01", 60), 7 * 24 * 3600);
    }

    #[test]
    fn a_span_over_midnight_belongs_to_the_day_on_which_it_begins() {
        assert!(is_open("Fri 22:00-02:00", 4, 22, 0) && is_open("Fri 22:00-02:00", 5, 1, 59));
        for (weekday, hour) in [(4, 1), (5, 2), (5, 22), (3, 23)] {
            assert!(!is_open("Fri 22:00-02:00", weekday, hour, 0), "{weekday} {hour}");
        }
        assert!(is_open("Sun 22:00-02:00", 0, 1, 0), "the week's end is none");
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for wrong in [
            "",
            "Mon",
            "Mon..Fri",
            "02:00",
            "02:00-02:00",
            "2:00-4:00",
            "02:00-25:00",
            "24:00-01:00",
            "Mon 02:60-03:00",
            "Mon..Fry 02:00-04:00",
            "Mon, 02:00-04:00",
            "Mon 02:00-04:00 UTC",
            "02:00-00:00x",
            "+2:00-04:00",
        ] {
            assert!(wrong.parse::<Window>().is_err(), "{wrong:?}");
        }
    }
}
