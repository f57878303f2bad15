//! Keys of table `alerts`: the queue, and the alert's number in it.

/// Of one alert.
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
