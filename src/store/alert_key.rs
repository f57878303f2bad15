//! Keys of table `alerts`: the queue, and the alert's number in it. A queue's name is the server id; where its alerts
//! go to an URI that the server has named, [`SEPARATOR`] and that URI follow.

/// The end of the server id in a queue's name. It stands in no server id: those are visible characters.
pub(crate) const SEPARATOR: char = '\u{1}';

/// The account that a queue is of.
pub(super) fn account_of(queue: &str) -> &str {
    queue.split(SEPARATOR).next().unwrap_or_default()
}

/// The key of one alert.
pub(super) fn alert_key(queue: &str, number: u64) -> Vec<u8> {
    let mut key = queue.as_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

pub(super) fn alert_range(queue: &str) -> (Vec<u8>, Vec<u8>) {
    (alert_key(queue, 0), alert_key(queue, u64::MAX))
}

pub(super) fn alert_queue(key: &[u8]) -> Option<&str> {
    let (queue, _) = key.split_last_chunk::<8>()?;
    std::str::from_utf8(queue.strip_suffix(&[0])?).ok()
}

pub(super) fn alert_number(key: &[u8]) -> Option<u64> {
    key.last_chunk().map(|number| u64::from_be_bytes(*number))
}
