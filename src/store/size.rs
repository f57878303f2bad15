//! What a transaction adds to the store, and takes from it.

use super::alert_counts::CountChanges;

/// How the tables of nodes and instances grow, in bytes; and what comes and goes of the alerts.
#[derive(Default, PartialEq)]
pub(super) struct Size {
    pub(super) added: u64,
    pub(super) removed: u64,
    pub(super) alerts: CountChanges,
}

/// What a record counts for in the quota.
pub(super) fn size(key: &[u8], record: &[u8]) -> u64 {
    // The sum of two lengths in memory.
    u64::try_from(key.len() + record.len()).unwrap_or(u64::MAX)
}
