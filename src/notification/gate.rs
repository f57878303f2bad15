//! The gate, which decides who may start a session: from a datagram to a [`Trigger`], or to the reason it was dropped
//! (TS 5.2.1.2).
//!
//! What stands between the network and a session, in this order: the push and the package must be well formed,
//! the server known, the digest right, the time fresh, the id new.
//!
//! # Replays
//! The digest covers time and id. While its time is fresh, a copy is caught by its id; an id outlives the
//! freshness of its notification whatever the clock does, because it is remembered at the later of the
//! notification's time and ours, for longer than a notification stays fresh. Three things stay open, all of them
//! the sender's choice: without NOTIFICATION-ID a copy counts again while it is fresh; an approved digest
//! without TIMESTAMP is fresh for ever, and its id is new again when the window has passed; without a
//! digest nothing is known at all.
//!
//! # Clocks that aren't set
//! A clock that isn't synchronised runs late, if it runs: it says which notifications are too old, but not which
//! are of the future, so those are let in. Only a server that holds the secret can write such a time. The worst
//! that a wrong one does is to keep its own id taken until the clock is synchronised; ids of the far future are
//! forgotten then, when freshness again refuses what they stood for.

use std::time::Duration;

use thiserror::Error;

use super::Trigger;
pub(crate) use super::clock::ClockReading;
use super::memory::IdMemory;
use super::package::{self, Malformed, Package0};
use super::wsp::{self, NotPush};
use crate::base::Secret;
use crate::bearer::ConnectionType;
use crate::config::Account;
use crate::package::Profile;
use crate::uri::ServerId;

/// The longest datagram that is looked at, in bytes. All that the standard options can hold fits, an option of full
/// length that nobody knows yet as well; 31 of those would be 127 KB, more than UDP carries.
pub(crate) const MAX_DATAGRAM: usize = 16 << 10;

/// The settings that the gate follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Whether a Package#0 without a WAP push around it is let in.
    pub accept_bare: bool,
    /// How far a notification's time may be from ours.
    pub max_age: Duration,
    /// How long a NOTIFICATION-ID is remembered; taken as twice `max_age` where it is less.
    pub replay_window: Duration,
}

impl From<&crate::config::Notification> for Policy {
    fn from(settings: &crate::config::Notification) -> Self {
        let &crate::config::Notification { accept_bare, max_age, replay_window, .. } = settings;
        Self { accept_bare, max_age, replay_window }
    }
}

/// The part of an account by which its notifications are verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verifier {
    /// The server of the account.
    pub server_id: ServerId,
    /// The secret that the account's digests are made with; none: a digest can't be checked.
    pub secret: Option<Secret>,
    /// The file of the secret, for messages; none where a server or a bootstrap set it.
    pub secret_file: Option<String>,
    /// The approved profile's authentication data.
    pub data: Option<Secret>,
    /// Whether a notification without a digest is dropped.
    pub require_digest: bool,
}

impl From<&Account> for Verifier {
    fn from(account: &Account) -> Self {
        let auth = account.notification.as_ref();
        Self {
            server_id: account.server_id.clone(),
            secret: auth.map(|auth| auth.secret.clone()),
            secret_file: auth.and_then(|auth| auth.secret_file.clone()),
            data: auth.and_then(|auth| auth.data.clone()),
            require_digest: auth.is_some_and(|auth| auth.require_digest),
        }
    }
}

impl Verifier {
    fn verifies(&self, digest: package::Digest<'_>, profile: Option<Profile>) -> bool {
        let data = self.data.as_ref().filter(|_| profile == Some(Profile::Approved));
        let data = data.map(Secret::expose).unwrap_or_default();
        self.secret.as_ref().is_some_and(|secret| digest.verify(secret.expose(), data))
    }
}

/// A NOTIFICATION-ID that a digest has verified: to be on disk before the session starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// The server of the notification.
    pub server_id: ServerId,
    /// The NOTIFICATION-ID.
    pub id: u16,
    /// The time from which the replay window counts: POSIX seconds, the later of the notification's time and ours.
    pub time: u64,
}

/// A notification that may start a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// The trigger: what the notification asks for.
    pub trigger: Trigger,
    /// The id that must be on disk before the session starts.
    pub remember: Option<Remembered>,
    /// The ids of the same server that need not be on disk any more.
    pub forget: Vec<u16>,
}

/// Why a datagram was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Rejected {
    /// The datagram has more than [`MAX_DATAGRAM`] bytes.
    #[error("the datagram is longer than {MAX_DATAGRAM} bytes")]
    TooLong,
    /// The datagram is no WAP push for the DM client.
    #[error(transparent)]
    NotPush(#[from] NotPush),
    /// The content is no Package#0.
    #[error("the notification is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// No account has the notification's SERVER-ID.
    #[error("no account has this server id")]
    UnknownServer,
    /// The notification has neither SERVER-ID nor digest, and there isn't exactly one account.
    #[error("nothing says which account the notification is for")]
    NoServer,
    /// The account requires a digest, and the notification has none.
    #[error("the account requires a digest")]
    NoDigest,
    /// The notification has a digest, and there is no secret to check it with.
    #[error("there is no secret to check the digest with")]
    NoSecret,
    /// The digest of the notification is wrong.
    #[error("the digest is wrong")]
    WrongDigest,
    /// The notification was sent longer ago than max-age.
    #[error("the notification is too old")]
    Stale,
    /// The notification was sent further in the future than max-age, by a clock that is synchronised.
    #[error("the notification is from the future")]
    Future,
    /// The NOTIFICATION-ID was seen within the replay window.
    #[error("the notification's id was seen before")]
    Duplicate,
}

impl Rejected {
    /// The accounts that the journal names: those that the datagram may have been for; and, where the digest is wrong,
    /// the file of the secret. A datagram without SERVER-ID may be for many: the first few.
    pub(crate) fn concerned(&self, candidates: &[Verifier]) -> Vec<String> {
        const MOST: usize = 4;
        let of_digest = match self {
            Self::WrongDigest => true,
            Self::NoDigest | Self::NoSecret | Self::Stale | Self::Future | Self::Duplicate => false,
            Self::TooLong | Self::NotPush(_) | Self::Malformed(_) | Self::UnknownServer | Self::NoServer => {
                return Vec::new();
            }
        };
        let named = |verifier: &Verifier| match (of_digest, &verifier.secret_file) {
            (false, _) => verifier.server_id.to_string(),
            (true, Some(file)) => format!("{}, secret in {file}", verifier.server_id),
            (true, None) => format!("{}, secret set by its server", verifier.server_id),
        };
        let tried = |verifier: &&Verifier| !of_digest || verifier.secret.is_some();
        candidates.iter().filter(tried).take(MOST).map(named).collect()
    }

    /// The name under which such rejections are counted, which stays the same.
    #[must_use]
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::TooLong => "too-long",
            Self::NotPush(cause) => cause.reason(),
            Self::Malformed(cause) => cause.reason(),
            Self::UnknownServer => "unknown-server",
            Self::NoServer => "no-server",
            Self::NoDigest => "no-digest",
            Self::NoSecret => "no-secret",
            Self::WrongDigest => "wrong-digest",
            Self::Stale => "stale",
            Self::Future => "future",
            Self::Duplicate => "duplicate",
        }
    }
}

/// The gate: decides about datagrams, and remembers the ids it let in.
#[derive(Debug)]
pub(crate) struct Gate {
    policy: Policy,
    /// The ids that a digest verified.
    verified: IdMemory<VERIFIED_IDS>,
    /// The ids that anybody may have sent. They are apart, so that nobody can use up an id that a server is going to
    /// sign, and never go to disk, so that nobody can wear it out.
    unverified: IdMemory<UNVERIFIED_IDS>,
}

/// The most verified ids kept for each server: one every 85 seconds for a day. The oldest goes first; it could be
/// replayed only if a server sent more than these within max-age.
const VERIFIED_IDS: usize = 1024;
const UNVERIFIED_IDS: usize = 128;

impl Gate {
    /// Makes a gate that remembers nothing yet.
    #[must_use]
    pub(crate) fn new(policy: Policy) -> Self {
        let window = policy.replay_window.max(policy.max_age.saturating_mul(2)).as_secs();
        Self { policy, verified: IdMemory::new(window), unverified: IdMemory::new(window) }
    }

    /// Takes other settings; what is remembered stays.
    pub(crate) fn set_policy(&mut self, policy: Policy) {
        let Self { verified, unverified, .. } = std::mem::replace(self, Self::new(policy));
        self.verified.adopt(verified);
        self.unverified.adopt(unverified);
    }

    /// Takes back an id that was on disk.
    pub(crate) fn restore(&mut self, remembered: Remembered) {
        let Remembered { server_id, id, time } = remembered;
        self.verified.restore(server_id, id, time);
    }

    /// Decides about one datagram. `verifiers` has one member for each account.
    ///
    /// # Errors
    /// The reason to drop it: count it ([`Tally`](super::tally::Tally)), never answer it.
    pub(crate) fn admit(
        &mut self,
        datagram: &[u8],
        verifiers: &[Verifier],
        clock: ClockReading,
    ) -> Result<Admitted, Rejected> {
        let package = self.open(datagram)?;
        self.judge(&package, verifiers, clock)
    }

    /// Decides about a Package#0 that came by itself, in a push message (TS D.2.5).
    ///
    /// # Errors
    /// As [`Gate::admit`].
    pub(crate) fn admit_package(
        &mut self,
        package: &[u8],
        verifiers: &[Verifier],
        clock: ClockReading,
    ) -> Result<Admitted, Rejected> {
        if package.len() > MAX_DATAGRAM {
            return Err(Rejected::TooLong);
        }
        self.judge(&package::decode(package)?, verifiers, clock)
    }

    /// The accounts that a datagram may be for.
    pub(crate) fn candidates<'v>(&self, datagram: &[u8], verifiers: &'v [Verifier]) -> &'v [Verifier] {
        self.open(datagram).map_or(&[], |package| candidates(&package, verifiers).unwrap_or_default())
    }

    fn judge(
        &mut self,
        package: &Package0<'_>,
        verifiers: &[Verifier],
        clock: ClockReading,
    ) -> Result<Admitted, Rejected> {
        let verifier = authenticate(package, verifiers)?;
        self.check_age(package.time, clock)?;
        let verified = package.digest.is_some();
        let server_id = &verifier.server_id;
        let (mut remember, mut forget) = (None, Vec::new());
        if let Some(id) = package.id {
            if verified {
                let time = clock.now.max(package.time.unwrap_or_default());
                forget = self.verified.admit(server_id, id, time, clock).ok_or(Rejected::Duplicate)?;
                remember = Some(Remembered { server_id: server_id.clone(), id, time });
            } else {
                self.unverified.admit(server_id, id, clock.now, clock).ok_or(Rejected::Duplicate)?;
            }
        }
        Ok(Admitted { trigger: trigger(package, server_id), remember, forget })
    }

    fn open<'a>(&self, datagram: &'a [u8]) -> Result<Package0<'a>, Rejected> {
        if datagram.len() > MAX_DATAGRAM {
            return Err(Rejected::TooLong);
        }
        match wsp::unwrap(datagram) {
            Ok(body) => Ok(package::decode(body)?),
            // The first octets of a push may be those of a bare notification too, and the other way round.
            Err(not_push) if self.policy.accept_bare => match (package::decode(datagram), not_push) {
                (Err(malformed), NotPush::PduType(_) | NotPush::Truncated) => Err(malformed.into()),
                (bare, _) => bare.map_err(|_| not_push.into()),
            },
            Err(not_push) => Err(not_push.into()),
        }
    }

    /// Checks the time of a notification, if it has one, against max-age.
    fn check_age(&self, time: Option<u64>, clock: ClockReading) -> Result<(), Rejected> {
        let Some(time) = time else { return Ok(()) };
        let max_age = self.policy.max_age.as_secs();
        if clock.now.saturating_sub(time) > max_age {
            return Err(Rejected::Stale);
        }
        if clock.synchronised && time.saturating_sub(clock.now) > max_age {
            return Err(Rejected::Future);
        }
        Ok(())
    }
}

/// Finds the account that a notification is for, and verifies its digest if it has one.
fn authenticate<'v>(package: &Package0<'_>, verifiers: &'v [Verifier]) -> Result<&'v Verifier, Rejected> {
    let candidates = candidates(package, verifiers).ok_or(Rejected::UnknownServer)?;
    let Some(digest) = package.digest else {
        let [only] = candidates else { return Err(Rejected::NoServer) };
        return if only.require_digest { Err(Rejected::NoDigest) } else { Ok(only) };
    };
    if candidates.iter().all(|verifier| verifier.secret.is_none()) {
        return Err(Rejected::NoSecret);
    }
    let verifying = candidates.iter().find(|verifier| verifier.verifies(digest, package.profile));
    verifying.ok_or(Rejected::WrongDigest)
}

/// The account that a Package#0 names, or all where it names none; none where there is no such account.
pub(crate) fn candidates<'v>(package: &Package0<'_>, verifiers: &'v [Verifier]) -> Option<&'v [Verifier]> {
    let Some(server_id) = package.server_id else { return Some(verifiers) };
    let named = verifiers.iter().position(|verifier| verifier.server_id == server_id)?;
    verifiers.get(named..=named)
}

fn trigger(package: &Package0<'_>, server_id: &ServerId) -> Trigger {
    let mut preferred: Vec<ConnectionType> = Vec::new();
    for connection in package.preferred {
        if !preferred.contains(&connection) {
            preferred.push(connection);
        }
    }
    Trigger {
        server_id: server_id.to_owned(),
        notification_id: package.id,
        preferred,
        req_mos: package.req_mos,
        requested: package.requested.map(|(index, validator)| (index, validator.to_vec())).collect(),
    }
}

#[cfg(test)]
mod tests;
