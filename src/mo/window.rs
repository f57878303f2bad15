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
    /// it is open; none where it does not open within two weeks. `wall_time` is what such a clock shows at a time: on
    /// the days when it is put back or forward, too.
    pub fn opens(&self, now: i64, wall_time: impl Fn(i64) -> WallTime) -> Option<(i64, WallTime)> {
        const MINUTE: i64 = 60;
        // The hour of the one day in a week may be the one that is left out in spring.
        let minutes = 0..15 * i64::from(DAY);
        let begin = now - now.rem_euclid(MINUTE);
        let opening = minutes.map(|minute| (begin + minute * MINUTE).max(now)).map(|at| (at, wall_time(at)));
        opening.into_iter().find(|(_, shown)| self.is_open(*shown))
    }

    /// Whether the window is open all the time, and so is none.
    #[must_use]
    pub fn is_always(&self) -> bool {
        self.begin == 0 && self.end == DAY && self.days.iter().all(|day| *day)
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
    use crate::base::wall_time::Zone;

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
        let utc = |seconds: i64| Zone::of(&[]).at(seconds);
        let opens = |window: &str, now| window.parse::<Window>().unwrap().opens(now, utc).unwrap().0;
        // 1970 began on a Thursday.
        assert_eq!(opens("02:00-04:00", 30), 2 * 3600);
        assert_eq!(opens("02:00-04:00", 2 * 3600 + 1), 2 * 3600 + 1, "it is open");
        assert_eq!(opens("02:00-04:00", 4 * 3600), 26 * 3600);
        assert_eq!(opens("Wed 02:00-04:00", 30), 6 * 24 * 3600 + 2 * 3600);
        assert_eq!(opens("Thu 00:00-00:01", 60), 7 * 24 * 3600);
    }

    #[test]
    fn an_hour_that_is_left_out_in_spring_is_waited_for_until_the_week_after() {
        let berlin = Zone::of_rule("CET-1CEST,M3.5.0,M10.5.0/3");
        let window: Window = "Sun 02:00-03:00".parse().unwrap();
        // Sunday 2026-03-22, 03:00: the window has just closed, and on the 29th no clock shows what it asks for.
        let closed = 1_774_144_800;
        for hours in 0..7 * 24 {
            let opens = window.opens(closed + hours * 3600, |seconds| berlin.at(seconds)).map(|(at, _)| at);
            // 2026-04-05T02:00:00+02:00
            assert_eq!(opens, Some(1_775_347_200), "{hours} h later");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_the_zone_a_window_opens_when_it_is_open_and_no_sooner(
            at in 1_767_225_600i64..1_798_761_600,
            zone in 0usize..4,
            begin in 0u16..1439,
            length in 1u16..1439,
            day in 0usize..7,
        ) {
            let zone = Zone::of_rule(
                ["CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,M3.2.0,M11.1.0", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "UTC0"][zone],
            );
            let end = (begin + length) % DAY;
            let shown = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
            let window: Window = format!("{} {}-{}", NAMES[day], shown(begin), shown(end)).parse().unwrap();
            let (opens, opens_at) = window.opens(at, |seconds| zone.at(seconds)).unwrap();
            proptest::prop_assert!(window.is_open(opens_at) && zone.at(opens) == opens_at);
            proptest::prop_assert!(opens == at || !window.is_open(zone.at(at)));
            proptest::prop_assert!(opens == at || !window.is_open(zone.at(opens - 60)));
        }
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
