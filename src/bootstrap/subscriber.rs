//! The subscriber: whom the device belongs to, known by a hash of the SIM's IMSI; that is never stored or logged
//! itself.

use sha2::{Digest as _, Sha256};

use crate::store::AccountChange;

/// The tag of a subscriber, by which he is remembered: a salt, and a hash with it. IMSIs are few enough to be tried one
/// by one: the salt is what keeps one device's record from telling of another's.
pub(super) type SubscriberTag = (u64, u64);

/// Whether the SIM is that of somebody else than at the last bootstrap. Without a SIM nobody else has come.
pub(super) fn changed(known: Option<SubscriberTag>, imsi: Option<&str>) -> bool {
    match (known, imsi) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some((salt, tag)), Some(imsi)) => hash(salt, imsi) != tag,
    }
}

/// The change that remembers a subscriber.
pub(super) fn remember(salt: u64, imsi: &str) -> AccountChange {
    AccountChange::Subscriber { salt, tag: hash(salt, imsi) }
}

fn hash(salt: u64, imsi: &str) -> u64 {
    let digest = Sha256::new().chain_update(salt.to_be_bytes()).chain_update(imsi).finalize();
    digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_sim_is_another_subscriber_and_no_sim_is_nobody() {
        let AccountChange::Subscriber { salt, tag } = remember(7, "262011234567890") else { panic!() };
        let known = Some((salt, tag));
        assert!(!changed(known, Some("262011234567890")));
        assert!(changed(known, Some("262011234567891")));
        assert!(!changed(known, None), "a modem that is not up yet");
        assert!(
            changed(None, Some("262011234567890")),
            "the first SIM of a device that was bootstrapped without"
        );
        assert!(!changed(None, None));
        assert_ne!(remember(7, "1"), remember(8, "1"));
    }
}
