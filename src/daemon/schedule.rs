//! Sessions without a notification: at boot, first contact (TS 8.1), and every so often.

use std::time::{Duration, Instant};

use crate::notification::Trigger;
use crate::session::{Cause, Random, Ticket};
use crate::world::{Peer, World};

/// A first contact that the server refused is tried again after this time.
const FIRST_CONTACT_AGAIN: Duration = Duration::from_secs(3600);

type Due = (Ticket, Instant);

/// What is due because the agent started.
pub(super) fn at_start(world: &World, now: Instant, random: &mut dyn Random) -> Vec<Due> {
    world.peers.iter().filter_map(|peer| of_account(world, peer, true, now, random)).collect()
}

/// What is due because a reload brought accounts that were not there before.
pub(super) fn of_new_accounts(
    before: &World,
    world: &World,
    now: Instant,
    random: &mut dyn Random,
) -> Vec<Due> {
    let new = world.peers.iter().filter(|peer| before.peer(&peer.account.server_id).is_none());
    new.filter_map(|peer| of_account(world, peer, false, now, random)).collect()
}

fn of_account(world: &World, peer: &Peer, boot: bool, now: Instant, random: &mut dyn Random) -> Option<Due> {
    let account = &peer.account;
    let schedule = &account.schedule;
    let contact = world.store.snapshot().and_then(|snapshot| snapshot.contact(&account.server_id));
    let first = schedule.first_contact && contact.is_ok_and(|contact| contact.is_none());
    if first || (boot && schedule.at_boot) {
        return Some((ticket(peer, Cause::Boot), now + jitter(schedule.jitter, random)));
    }
    every(peer, now, random)
}

/// What comes after a session: the next scheduled one. A first contact that failed for good is repeated: the
/// server must hear of the device once.
pub(super) fn after_session(
    peer: &Peer,
    first_contact_failed: bool,
    now: Instant,
    random: &mut dyn Random,
) -> Option<Due> {
    if first_contact_failed && peer.account.schedule.first_contact {
        let wait = FIRST_CONTACT_AGAIN + jitter(FIRST_CONTACT_AGAIN, random);
        return Some((ticket(peer, Cause::Boot), now + wait));
    }
    every(peer, now, random)
}

fn every(peer: &Peer, now: Instant, random: &mut dyn Random) -> Option<Due> {
    let schedule = &peer.account.schedule;
    let at = now.checked_add(schedule.every?)?.checked_add(jitter(schedule.jitter, random))?;
    Some((ticket(peer, Cause::Schedule), at))
}

fn ticket(peer: &Peer, cause: Cause) -> Ticket {
    let trigger = Trigger { server_id: peer.account.server_id.clone(), ..Trigger::default() };
    Ticket { trigger, cause }
}

/// A random part of `most`.
fn jitter(most: Duration, random: &mut dyn Random) -> Duration {
    most.mul_f64(f64::from(random.next_u32()) / f64::from(u32::MAX))
}
