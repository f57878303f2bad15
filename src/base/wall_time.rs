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
    /// The time zone that a POSIX `TZ` string describes.
    #[cfg(test)]
    pub(crate) fn posix(text: &str) -> Self {
        Self(TimeZone::from_posix_tz(text).unwrap())
    }

    /// Reads the time zone from the content of `/etc/localtime` (RFC 9636); UTC where that is none.
    #[must_use]
    pub fn of(localtime: &[u8]) -> Self {
        Self(TimeZone::from_tz_data(localtime).unwrap_or_else(|_| TimeZone::utc()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weekday_and_the_minute() {
        let utc = Zone::of(b"");
        assert_eq!(utc.at(0), WallTime { weekday: 3, minute: 0 });
        assert_eq!(utc.at(-60), WallTime { weekday: 2, minute: 24 * 60 - 1 });
        // 2026-11-30T02:03:04Z
        assert_eq!(utc.at(1_796_004_184), WallTime { weekday: 0, minute: 123 });
        let berlin = Zone::posix("CET-1CEST,M3.5.0,M10.5.0/3");
        assert_eq!(berlin.at(1_796_004_184), WallTime { weekday: 0, minute: 183 });
        // 2026-06-28T22:30:00Z: summer, and the next day already
        assert_eq!(berlin.at(1_782_685_800), WallTime { weekday: 0, minute: 30 });
    }
}
