use proptest::prelude::*;

use super::*;
use crate::notification::outgoing::OutgoingNotification;
use crate::notification::wsp::Push;

const NOW: u64 = 1_800_000_000;
const MAX_AGE: u64 = 300;
const WINDOW: u64 = 86_400;

fn gate() -> Gate {
    gate_with(false)
}

fn gate_with(accept_bare: bool) -> Gate {
    let (max_age, replay_window) = (Duration::from_secs(MAX_AGE), Duration::from_secs(WINDOW));
    Gate::new(Policy { accept_bare, max_age, replay_window })
}

fn verifier(server_id: &str, secret: Option<&str>) -> Verifier {
    let secret = secret.map(|secret| Secret::new(secret.into()));
    Verifier {
        server_id: server_id.into(),
        require_digest: secret.is_some(),
        secret,
        secret_file: None,
        data: None,
    }
}

/// Account `acme` with the secret `key`.
fn acme() -> Vec<Verifier> {
    vec![verifier("acme", Some("key"))]
}

fn relaxed() -> Vec<Verifier> {
    vec![Verifier { require_digest: false, ..verifier("acme", Some("key")) }]
}

fn clock(now: u64) -> ClockReading {
    ClockReading { now, synchronised: true }
}

fn unset(now: u64) -> ClockReading {
    ClockReading { now, synchronised: false }
}

fn from_acme(id: u16) -> OutgoingNotification {
    OutgoingNotification { server_id: Some("acme".into()), id: Some(id), ..OutgoingNotification::default() }
}

fn plain(outgoing: &OutgoingNotification) -> Vec<u8> {
    Push::default().wrap(&outgoing.encode().unwrap())
}

fn signed(outgoing: &OutgoingNotification, secret: &str, time: u64) -> Vec<u8> {
    Push::default().wrap(&outgoing.sign(secret.as_bytes(), b"", Some(time)).unwrap())
}

fn reason(result: Result<Admitted, Rejected>) -> &'static str {
    result.map_or_else(|rejected| rejected.reason(), |_| "admitted")
}

#[test]
fn the_configuration_is_the_policy() {
    let seconds = Duration::from_secs;
    let settings = crate::config::Notification {
        listen: Vec::new(),
        accept_bare: true,
        max_age: seconds(10),
        replay_window: seconds(100),
    };
    let mut gate = Gate::new(Policy::from(&settings));
    let bare = |id, time| from_acme(id).sign(b"key", b"", Some(time)).unwrap();
    assert_eq!(reason(gate.admit(&bare(1, NOW - 11), &acme(), clock(NOW))), "stale");
    assert_eq!(reason(gate.admit(&bare(1, NOW - 10), &acme(), clock(NOW))), "admitted");
    assert_eq!(reason(gate.admit(&bare(1, NOW + 100), &acme(), clock(NOW + 100))), "duplicate");
    assert_eq!(reason(gate.admit(&bare(1, NOW + 101), &acme(), clock(NOW + 101))), "admitted");
}

#[test]
fn admits_what_is_signed_fresh_and_new() {
    let sent = OutgoingNotification {
        preferred: vec![ConnectionType::Wireline, ConnectionType::Wireline, ConnectionType::AnyAvailable],
        req_mos: true,
        requested: vec![(1, b"cv".to_vec())],
        ..from_acme(7)
    };
    let admitted = gate().admit(&signed(&sent, "key", NOW), &acme(), clock(NOW)).unwrap();
    let trigger = Trigger {
        server_id: "acme".into(),
        notification_id: Some(7),
        preferred: vec![ConnectionType::Wireline, ConnectionType::AnyAvailable],
        req_mos: true,
        requested: vec![(1, b"cv".to_vec())],
    };
    let remember = Some(Remembered { server_id: "acme".into(), id: 7, time: NOW });
    assert_eq!(admitted, Admitted { trigger, remember, forget: vec![] });
}

#[test]
fn finds_the_account_and_requires_its_digest() {
    let two = [verifier("acme", Some("key")), verifier("other", None)];
    let admit = |datagram: &[u8], verifiers: &[Verifier]| gate().admit(datagram, verifiers, clock(NOW));
    let anonymous = OutgoingNotification { server_id: None, ..from_acme(1) };
    let stranger = OutgoingNotification { server_id: Some("evil".into()), ..from_acme(1) };
    let other = OutgoingNotification { server_id: Some("other".into()), ..from_acme(1) };

    assert_eq!(reason(admit(&signed(&from_acme(1), "guess", NOW), &two)), "wrong-digest");
    assert_eq!(reason(admit(&signed(&stranger, "key", NOW), &two)), "unknown-server");
    assert_eq!(reason(admit(&plain(&from_acme(1)), &two)), "no-digest");
    assert_eq!(reason(admit(&plain(&from_acme(1)), &relaxed())), "admitted");
    assert_eq!(reason(admit(&signed(&from_acme(1), "guess", NOW), &relaxed())), "wrong-digest");
    assert_eq!(reason(admit(&plain(&other), &two)), "admitted");
    assert_eq!(reason(admit(&signed(&other, "key", NOW), &two)), "no-secret");

    // Without a server id, the account is the one whose secret it is, or the only one.
    assert_eq!(admit(&signed(&anonymous, "key", NOW), &two).unwrap().trigger.server_id, "acme");
    assert_eq!(reason(admit(&signed(&anonymous, "guess", NOW), &two)), "wrong-digest");
    assert_eq!(reason(admit(&signed(&anonymous, "key", NOW), &two[1..])), "no-secret");
    assert_eq!(reason(admit(&plain(&anonymous), &two)), "no-server");
    assert_eq!(reason(admit(&plain(&anonymous), &[])), "no-server");
    assert_eq!(reason(admit(&plain(&anonymous), &acme())), "no-digest");
    assert_eq!(admit(&plain(&anonymous), &two[1..]).unwrap().trigger.server_id, "other");
}

#[test]
fn an_account_without_secret_never_verifies_an_empty_one() {
    let datagram = signed(&OutgoingNotification { server_id: None, ..from_acme(1) }, "", NOW);
    let two = [verifier("acme", Some("key")), verifier("other", None)];
    assert_eq!(reason(gate().admit(&datagram, &two, clock(NOW))), "wrong-digest");
}

#[test]
fn the_authentication_data_is_the_approved_profiles() {
    let verifiers = [Verifier { data: Some(Secret::new(b"data".to_vec())), ..verifier("acme", Some("key")) }];
    let admit = |outgoing: &OutgoingNotification, data: &[u8], time: Option<u64>| {
        let package = outgoing.sign(b"key", data, time).unwrap();
        reason(gate().admit(&Push::default().wrap(&package), &verifiers, clock(NOW)))
    };
    let approved = OutgoingNotification { profile: Profile::Approved, ..from_acme(1) };
    assert_eq!(admit(&approved, b"data", Some(NOW)), "admitted");
    assert_eq!(admit(&approved, b"", Some(NOW)), "wrong-digest");
    assert_eq!(admit(&approved, b"data", Some(NOW - MAX_AGE - 1)), "stale");
    assert_eq!(admit(&approved, b"data", None), "admitted");
    assert_eq!(admit(&from_acme(1), b"", Some(NOW)), "admitted");
    assert_eq!(admit(&from_acme(1), b"data", Some(NOW)), "wrong-digest");
}

#[test]
fn drops_what_is_old_or_of_the_future() {
    let sent_at = |time, clock| reason(gate().admit(&signed(&from_acme(1), "key", time), &acme(), clock));
    assert_eq!(sent_at(NOW - MAX_AGE, clock(NOW)), "admitted");
    assert_eq!(sent_at(NOW - MAX_AGE - 1, clock(NOW)), "stale");
    assert_eq!(sent_at(NOW - MAX_AGE - 1, unset(NOW)), "stale");
    assert_eq!(sent_at(NOW + MAX_AGE, clock(NOW)), "admitted");
    assert_eq!(sent_at(NOW + MAX_AGE + 1, clock(NOW)), "future");
    assert_eq!(sent_at(NOW + MAX_AGE + 1, unset(NOW)), "admitted");
    assert_eq!(sent_at(0, clock(NOW)), "stale");
}

#[test]
fn a_forger_learns_nothing_about_time_or_ids() {
    let mut gate = gate();
    gate.admit(&signed(&from_acme(1), "key", NOW), &acme(), clock(NOW)).unwrap();
    for time in [0, NOW, NOW + WINDOW] {
        assert_eq!(
            reason(gate.admit(&signed(&from_acme(1), "guess", time), &acme(), clock(NOW))),
            "wrong-digest"
        );
    }
}

#[test]
fn drops_duplicates_within_the_window() {
    let mut gate = gate();
    let mut at = |id, now| reason(gate.admit(&signed(&from_acme(id), "key", now), &acme(), clock(now)));
    assert_eq!(at(1, NOW), "admitted");
    assert_eq!(at(1, NOW + 1), "duplicate");
    assert_eq!(at(2, NOW + 1), "admitted");
    assert_eq!(at(1, NOW + WINDOW), "duplicate");
    assert_eq!(at(1, NOW + WINDOW + 1), "admitted");
    assert_eq!(at(1, NOW + WINDOW + 2), "duplicate");
}

#[test]
fn without_an_id_nothing_is_a_duplicate() {
    let mut gate = gate();
    let datagram = signed(&OutgoingNotification { id: None, ..from_acme(0) }, "key", NOW);
    for _ in 0..2 {
        let admitted = gate.admit(&datagram, &acme(), clock(NOW)).unwrap();
        assert_eq!((admitted.trigger.notification_id, admitted.remember), (None, None));
    }
}

#[test]
fn ids_of_different_servers_are_different() {
    let verifiers = [verifier("acme", Some("key")), verifier("other", Some("other"))];
    let other = OutgoingNotification { server_id: Some("other".into()), ..from_acme(1) };
    let mut gate = gate();
    assert_eq!(reason(gate.admit(&signed(&from_acme(1), "key", NOW), &verifiers, clock(NOW))), "admitted");
    assert_eq!(reason(gate.admit(&signed(&other, "other", NOW), &verifiers, clock(NOW))), "admitted");
}

#[test]
fn what_was_restored_is_a_duplicate() {
    let datagram = signed(&from_acme(1), "key", NOW);
    let remembered = gate().admit(&datagram, &acme(), clock(NOW)).unwrap().remember.unwrap();
    let mut restarted = gate();
    restarted.restore(remembered);
    assert_eq!(reason(restarted.admit(&datagram, &acme(), clock(NOW + 1))), "duplicate");
}

#[test]
fn other_settings_keep_what_is_remembered() {
    let datagram = signed(&from_acme(1), "key", NOW);
    let mut gate = gate();
    gate.admit(&datagram, &acme(), clock(NOW)).unwrap();
    gate.set_policy(gate_with(true).policy);
    assert_eq!(reason(gate.admit(&datagram, &acme(), clock(NOW))), "duplicate");
}

#[test]
fn nobody_uses_up_an_id_without_the_secret() {
    let mut gate = gate();
    for id in 0..=u16::MAX {
        let forged = gate.admit(&plain(&from_acme(id)), &relaxed(), clock(NOW)).unwrap();
        assert_eq!(forged.remember, None);
    }
    assert_eq!(reason(gate.admit(&plain(&from_acme(u16::MAX)), &relaxed(), clock(NOW))), "duplicate");
    assert_eq!(
        reason(gate.admit(&signed(&from_acme(u16::MAX), "key", NOW), &relaxed(), clock(NOW))),
        "admitted"
    );
}

#[test]
fn memory_is_bounded_and_says_what_it_forgets() {
    let mut gate = gate();
    let mut on_disk = crate::base::OrderedSet::new();
    for id in 0..5000_u16 {
        let now = NOW + u64::from(id);
        let admitted = gate.admit(&signed(&from_acme(id), "key", now), &acme(), clock(now)).unwrap();
        for id in admitted.forget {
            assert!(on_disk.remove(&id));
        }
        on_disk.insert(admitted.remember.unwrap().id);
        assert!(on_disk.len() <= VERIFIED_IDS);
    }
    assert!(on_disk.iter().copied().eq(5000 - 1024..5000));
    // When the window has passed, all the rest goes; not the id that is used again.
    let later = NOW + 2 * WINDOW;
    let admitted = gate.admit(&signed(&from_acme(4999), "key", later), &acme(), clock(later)).unwrap();
    assert_eq!(admitted.forget.len(), VERIFIED_IDS - 1);
    assert!(!admitted.forget.contains(&4999));
}

#[test]
fn a_clock_that_jumps_to_the_present_opens_no_door() {
    // Booted with a clock that runs a year late, then set: what came in before is still a duplicate.
    let datagram = signed(&from_acme(1), "key", NOW);
    let mut gate = gate();
    assert_eq!(reason(gate.admit(&datagram, &acme(), unset(NOW - 365 * 86_400))), "admitted");
    assert_eq!(reason(gate.admit(&datagram, &acme(), unset(NOW - 365 * 86_400))), "duplicate");
    assert_eq!(reason(gate.admit(&datagram, &acme(), clock(NOW))), "duplicate");
    assert_eq!(reason(gate.admit(&datagram, &acme(), clock(NOW + MAX_AGE))), "duplicate");
    assert_eq!(reason(gate.admit(&datagram, &acme(), clock(NOW + MAX_AGE + 1))), "stale");
}

#[test]
fn a_time_in_the_far_future_takes_its_id_only_until_the_clock_is_set() {
    let mut gate = gate();
    let far = signed(&from_acme(1), "key", u32::MAX.into());
    assert_eq!(reason(gate.admit(&far, &acme(), unset(NOW))), "admitted");
    assert_eq!(reason(gate.admit(&signed(&from_acme(1), "key", NOW), &acme(), unset(NOW))), "duplicate");
    assert_eq!(reason(gate.admit(&far, &acme(), clock(NOW))), "future");
    assert_eq!(reason(gate.admit(&signed(&from_acme(1), "key", NOW), &acme(), clock(NOW))), "admitted");
}

#[test]
fn a_short_window_is_no_hole() {
    let max_age = Duration::from_secs(MAX_AGE);
    let mut gate = Gate::new(Policy { accept_bare: false, max_age, replay_window: Duration::ZERO });
    let datagram = signed(&from_acme(1), "key", NOW + MAX_AGE);
    assert_eq!(reason(gate.admit(&datagram, &acme(), clock(NOW))), "admitted");
    assert_eq!(reason(gate.admit(&datagram, &acme(), clock(NOW + 2 * MAX_AGE))), "duplicate");
}

#[test]
fn bare_notifications_only_where_allowed() {
    let bare = from_acme(1).sign(b"key", b"", Some(NOW)).unwrap();
    assert_eq!(reason(gate().admit(&bare, &acme(), clock(NOW))), "not-a-push");
    assert_eq!(reason(gate_with(true).admit(&bare, &acme(), clock(NOW))), "admitted");
    assert_eq!(
        reason(gate_with(true).admit(&signed(&from_acme(1), "key", NOW), &acme(), clock(NOW))),
        "admitted"
    );

    // A bare one whose reserved bits look like the PDU type.
    let unsigned = [0x20, 0x06];
    let only = [verifier("other", None)];
    assert_eq!(reason(gate_with(true).admit(&unsigned, &only, clock(NOW))), "admitted");
    // The reason is that of the form it has.
    assert_eq!(reason(gate_with(true).admit(&bare[..9], &acme(), clock(NOW))), "truncated");
    let other = b"\x01\x06\x03\xc4\xaf\x84";
    assert_eq!(reason(gate_with(true).admit(other, &acme(), clock(NOW))), "push-content-type");
}

/// Seven times what a notification usually has, and legal: TS 7.1.1 counts up to 31 options.
#[test]
fn as_many_validators_as_the_header_can_count_are_taken() {
    let requested = (0..28).map(|index| (index, vec![b'v'; 254])).collect();
    let full = signed(&OutgoingNotification { requested, ..from_acme(7) }, "key", NOW);
    assert_eq!(reason(gate().admit(&full, &acme(), clock(NOW))), "admitted");
}

#[test]
fn what_is_too_long_is_not_looked_at() {
    let long = [signed(&from_acme(7), "key", NOW), vec![0; MAX_DATAGRAM]].concat();
    assert_eq!(reason(gate().admit(&long, &acme(), clock(NOW))), "too-long");
}

proptest! {
    #[test]
    fn noise_is_never_admitted(datagram in proptest::collection::vec(any::<u8>(), 0..200), bare in any::<bool>()) {
        prop_assert!(gate_with(bare).admit(&datagram, &acme(), clock(NOW)).is_err());
    }

    #[test]
    fn a_changed_package_is_never_admitted(at in 6usize..56, flip in 1u8.., approved in any::<bool>(), bare in any::<bool>()) {
        let profile = if approved { Profile::Approved } else { Profile::Draft };
        let mut datagram = signed(&OutgoingNotification { profile, ..from_acme(7) }, "key", NOW);
        prop_assume!(at < datagram.len());
        datagram[at] ^= flip;
        prop_assert!(gate_with(bare).admit(&datagram, &acme(), clock(NOW)).is_err());
    }

    #[test]
    fn no_part_is_admitted(length in 0usize..56, bare in any::<bool>()) {
        let datagram = signed(&from_acme(7), "key", NOW);
        prop_assume!(length < datagram.len());
        prop_assert!(gate_with(bare).admit(&datagram[..length], &acme(), clock(NOW)).is_err());
    }

    /// The clock may do what it likes, and the agent restart: a captured notification counts once.
    #[test]
    fn a_copy_is_never_admitted(steps in proptest::collection::vec((0..4 * WINDOW, any::<bool>(), any::<bool>()), 1..20)) {
        let datagram = signed(&from_acme(7), "key", NOW);
        let (mut gate, mut disk, mut admitted) = (gate(), None, 0);
        for (offset, synchronised, restart) in steps {
            if restart {
                gate = gate_with(false);
                disk.clone().into_iter().for_each(|remembered| gate.restore(remembered));
            }
            let now = NOW - 2 * WINDOW + offset;
            // A synchronised clock is right: it can't say "long before" of a time that lies in the past.
            let clock = ClockReading { now: if synchronised { now.max(NOW) } else { now }, synchronised };
            if let Ok(Admitted { remember, .. }) = gate.admit(&datagram, &acme(), clock) {
                admitted += 1;
                disk = remember;
            }
        }
        prop_assert!(admitted <= 1, "{}", admitted);
    }
}
