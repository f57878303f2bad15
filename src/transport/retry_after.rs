//! The response headers `Retry-After` (RFC 9110 10.2.3), `Date` (6.6.1) and `Location` (10.2.2).

use std::time::{Duration, SystemTime};

use hyper::HeaderMap;
use hyper::header::{DATE, HeaderName, LOCATION, RETRY_AFTER};

use crate::uri::server::shown;

/// The longest time that a server makes a gateway wait.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How long the server asks to be left alone, at most a day; `None` where it says nothing readable.
///
/// A date is measured against the response's own `Date` where it has one, for a gateway's clock may be wrong,
/// and else against `now`.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.parse().map_or(LONGEST, Duration::from_secs).min(LONGEST));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let now = date(headers, DATE).unwrap_or(now);
    Some(until.duration_since(now).unwrap_or(Duration::ZERO).min(LONGEST))
}

/// The server's time as its answer gives it, in seconds since 1970; `None` where it says nothing readable.
#[must_use]
pub fn server_time(headers: &HeaderMap) -> Option<u64> {
    let since = date(headers, DATE)?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

/// Where the server sends whoever asks instead, without what may hold secrets; `None` where it says nothing readable.
#[must_use]
pub fn location(headers: &HeaderMap) -> Option<String> {
    /// The longest that a message shows.
    const LONGEST: usize = 200;
    let text = headers.get(LOCATION)?.to_str().ok()?;
    Some(shown(text).chars().take(LONGEST).collect::<String>()).filter(|text| !text.is_empty())
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The RFC's own example, 1994-11-06 08:49:37 UTC.
    const EXAMPLE: Duration = Duration::from_secs(784_111_777);

    fn after(text: &str, date: Option<&str>, now: Duration) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, text.parse().unwrap());
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        retry_after(&headers, SystemTime::UNIX_EPOCH + now).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_are_bounded_even_beyond_u64() {
        let now = Duration::ZERO;
        assert_eq!(after("120", None, now), Some(120));
        assert_eq!(after(" 0 ", None, now), Some(0));
        assert_eq!(after("999999999", None, now), Some(86_400));
        assert_eq!(after("99999999999999999999999999", None, now), Some(86_400));
        for bad in ["", "-1", "+5", "1.5", "soon"] {
            assert_eq!(after(bad, None, now), None, "{bad}");
        }
    }

    #[test]
    fn a_server_tells_its_time_or_nothing() {
        let time = |date: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(DATE, date.parse().unwrap());
            server_time(&headers)
        };
        assert_eq!(time("Sun, 06 Nov 1994 08:49:37 GMT"), Some(EXAMPLE.as_secs()));
        assert_eq!(time("soon"), None);
        assert_eq!(server_time(&HeaderMap::new()), None);
    }

    #[test]
    fn a_date_counts_from_the_servers_clock_first() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(after(date, None, EXAMPLE - Duration::from_secs(30)), Some(30));
        assert_eq!(after(date, None, EXAMPLE + Duration::from_secs(30)), Some(0));
        assert_eq!(after(date, None, Duration::ZERO), Some(86_400));
        assert_eq!(after(date, Some("Sun, 06 Nov 1994 08:48:37 GMT"), Duration::ZERO), Some(60));
    }
}
