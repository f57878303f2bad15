//! Usage: what an account's connections have cost since the agent started, and what was seen on them.

use std::sync::atomic::Ordering;

use crate::base::AtomicU64;

/// The usage of an account's connections, whichever client they are of.
#[derive(Debug, Default)]
pub struct Usage {
    /// The bytes that were sent, with TLS and without what TCP and IP add.
    pub sent: AtomicU64,
    /// The bytes that were received.
    pub received: AtomicU64,
    /// The end of the certificate that its server showed last, in seconds since 1970; 0: none was seen.
    pub valid_until: AtomicU64,
}

impl Usage {
    /// One of its figures; none where it is 0.
    #[must_use]
    pub fn figure(count: &AtomicU64) -> Option<u64> {
        Some(count.load(Ordering::Relaxed)).filter(|count| *count > 0)
    }
}
