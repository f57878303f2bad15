//! Wall-clock time: the time of the week that a clock on the wall shows.

use tz::TimeZone;

/// A moment as a clock on the wall shows it, to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallTime {
    /// The day of the week; 0 is Monday.
    pub weekday: usize,
    /// The minute of the day, from midnight.
    pub minute: u16,
}

/// The time zone of the machine.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// Reads the time zone from the content of `/etc/localtime` (RFC 9636); UTC where that is none.
    #[must_use]
    pub fn of(localtime: &[u8]) -> Self {
        Self(TimeZone::from_tz_data(localtime).unwrap_or_else(|_| TimeZone::utc()))
    }

    /// The time zone that a rule describes, in the form of the variable `TZ` of POSIX, with the hours beyond a day that
    /// RFC 9636 3.3.1 adds; UTC where it is none.
    #[must_use]
    pub fn of_rule(text: &str) -> Self {
        Self::of(&file_of(text.trim()))
    }

    /// The time on the wall in this zone, so many seconds after 1970 began.
    #[must_use]
    pub fn at(&self, seconds: i64) -> WallTime {
        const DAY: i64 = 24 * 60 * 60;
        let offset = self.0.find_local_time_type(seconds).map_or(0, tz::LocalTimeType::ut_offset);
        let local = seconds.saturating_add(offset.into());
        // 1970 began on a Thursday.
        let weekday = (local.div_euclid(DAY) + 3).rem_euclid(7);
        let minute = local.rem_euclid(DAY) / 60;
        WallTime {
            weekday: usize::try_from(weekday).unwrap_or(0),
            minute: u16::try_from(minute).unwrap_or(0),
        }
    }
}

/// A time zone's file that has nothing but a rule (RFC 9636 3): two blocks, of 32 and of 64 bits, each with the one type
/// that there has to be, and the rule as its footer.
fn file_of(rule: &str) -> Vec<u8> {
    let mut file = Vec::new();
    for _ in 0..2 {
        file.extend(b"TZif3");
        file.extend([0; 15]);
        // No leap seconds and no transitions; one type, UTC, and the four bytes of its name.
        file.extend([0, 0, 0, 0, 1, 4_u32].map(u32::to_be_bytes).concat());
        file.extend([0; 6]);
        file.extend(b"UTC\0");
    }
    file.extend([b"\n".as_slice(), rule.as_bytes(), b"\n"].concat());
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_may_have_hours_beyond_a_day_and_what_is_none_is_utc() {
        // 2026-03-27, the Friday after March's fourth Thursday, 00:30 and 02:30 in Israel: two o'clock is three.
        let israel = Zone::of_rule("IST-2IDT,M3.4.4/26,M10.5.0\n");
        assert_eq!(israel.at(1_774_564_200), WallTime { weekday: 4, minute: 30 });
        assert_eq!(israel.at(1_774_571_400), WallTime { weekday: 4, minute: 210 });
        assert_eq!(Zone::of_rule("<+0530>-5:30").at(0), WallTime { weekday: 3, minute: 330 });
        for none in ["", "UTC", "GMT0", "nonsense", "CET-1\nCEST"] {
            assert_eq!(Zone::of_rule(none).at(0), WallTime { weekday: 3, minute: 0 }, "{none:?}");
        }
    }

    #[test]
    fn the_weekday_and_the_minute() {
        let utc = Zone::of(b"");
        assert_eq!(utc.at(0), WallTime { weekday: 3, minute: 0 });
        assert_eq!(utc.at(-60), WallTime { weekday: 2, minute: 24 * 60 - 1 });
        // 2026-11-30T02:03:04Z
        assert_eq!(utc.at(1_796_004_184), WallTime { weekday: 0, minute: 123 });
        let berlin = Zone::of_rule("CET-1CEST,M3.5.0,M10.5.0/3");
        assert_eq!(berlin.at(1_796_004_184), WallTime { weekday: 0, minute: 183 });
        // 2026-06-28T22:30:00Z: summer, and the next day already
        assert_eq!(berlin.at(1_782_685_800), WallTime { weekday: 0, minute: 30 });
    }
}
