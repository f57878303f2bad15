//! The size of a transaction: what it adds to the store, and takes from it.

use super::alert_counts::CountChanges;

/// The growth of the tables of nodes and instances, in bytes; and the alerts that come and go.
#[derive(Default, PartialEq)]
pub(super) struct Size {
    pub(super) added: u64,
    pub(super) removed: u64,
    pub(super) alerts: CountChanges,
}

/// The bytes that a record counts for in the quota.
pub(super) fn size(key: &[u8], record: &[u8]) -> u64 {
    // The sum of two lengths in memory.
    u64::try_from(key.len() + record.len()).unwrap_or(u64::MAX)
}
