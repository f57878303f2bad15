//! Sessions without a notification: at boot, first contact (TS 8.1), and every so often.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::agent_state::{AgentState, Peer};
use crate::alert::{self, Destination};
use crate::base::Random;
use crate::config::Account;
use crate::session::{Cause, SessionRequest};
use crate::uri::ServerId;

/// How long until a first contact that the server refused is tried again.
const FIRST_CONTACT_AGAIN: Duration = Duration::from_secs(3600);

/// A session that is asked for, with the time when it is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) request: SessionRequest,
    pub(super) at: Instant,
}

/// The sessions that are due because the agent started.
pub(super) fn at_start(agent_state: &AgentState, now: Instant, random: &mut dyn Random) -> Vec<Due> {
    let mut due: Vec<Due> = agent_state
        .peers
        .iter()
        .filter_map(|peer| of_account(agent_state, peer, true, now, random))
        .collect();
    due.extend(elsewhere(agent_state, |_| true, now));
    due
}

/// The sessions for alerts that wait for an URI which one of these servers has named: the power went before they were
/// delivered, or the account was not there.
fn elsewhere(agent_state: &AgentState, of: impl Fn(&ServerId) -> bool, now: Instant) -> Vec<Due> {
    let destinations = alert::destinations(&agent_state.store).unwrap_or_default();
    let mine = |destination: &&Destination| {
        destination.uri.is_some()
            && agent_state.peer(&destination.server_id).is_some()
            && of(&destination.server_id)
    };
    destinations
        .iter()
        .filter(mine)
        .map(|destination| Due { request: SessionRequest::to(destination, Cause::Alert), at: now })
        .collect()
}

/// The sessions that are due because a reload brought accounts that were not there before, or another schedule for
/// those that were.
pub(super) fn of_changes(
    before: &AgentState,
    agent_state: &AgentState,
    now: Instant,
    random: &mut dyn Random,
) -> Vec<Due> {
    let due = |peer: &Arc<Peer>| match before.peer(&peer.account.server_id) {
        None => of_account(agent_state, peer, false, now, random),
        Some(old) if old.account.schedule != peer.account.schedule => every(peer, now, random),
        Some(_) => None,
    };
    // Those that a bootstrap has just brought have their first session in `brought`.
    let others = |due: &Due| due.request.cause != Cause::Bootstrap;
    let own = agent_state.peers.iter().filter_map(due).filter(others);
    own.chain(elsewhere(agent_state, |server_id| before.peer(server_id).is_none(), now)).collect()
}

/// A session with each account that a bootstrap has brought, at once.
pub(super) fn brought(agent_state: &AgentState, server_ids: &[ServerId], now: Instant) -> Vec<Due> {
    let mine =
        |peer: &&Arc<Peer>| peer.account.is_bootstrapped() && server_ids.contains(&peer.account.server_id);
    agent_state.peers.iter().filter(mine).map(|peer| due(peer, Cause::Bootstrap, now)).collect()
}

/// The cause of the first session with an account, which tells its server that the device has it (TS 8.1, TS 8.2).
fn first_contact(account: &Account) -> Cause {
    if account.is_bootstrapped() { Cause::Bootstrap } else { Cause::FirstContact }
}

fn of_account(
    agent_state: &AgentState,
    peer: &Peer,
    boot: bool,
    now: Instant,
    random: &mut dyn Random,
) -> Option<Due> {
    let Account { server_id, schedule, .. } = &*peer.account;
    let contact = agent_state.store.snapshot().and_then(|snapshot| snapshot.contact(server_id));
    let first = schedule.first_contact && contact.is_ok_and(|contact| contact.is_none());
    let alerts = || alert::is_waiting(&agent_state.store, &Destination::of(server_id)).unwrap_or_default();
    let cause = match boot {
        _ if first => first_contact(&peer.account),
        true if schedule.at_boot => Cause::Boot,
        // The power went before they were delivered.
        _ if alerts() => Cause::Alert,
        _ => return every(peer, now, random),
    };
    Some(due(peer, cause, now + jitter(schedule.jitter, random)))
}

/// The next scheduled session after one that is over. A first contact that failed for good is repeated: the server must
/// hear of the device once.
pub(super) fn after_session(
    peer: &Peer,
    first_contact_failed: bool,
    now: Instant,
    random: &mut dyn Random,
) -> Option<Due> {
    if first_contact_failed && peer.account.schedule.first_contact {
        let wait = FIRST_CONTACT_AGAIN + jitter(FIRST_CONTACT_AGAIN, random);
        return Some(due(peer, first_contact(&peer.account), now + wait));
    }
    every(peer, now, random)
}

fn every(peer: &Peer, now: Instant, random: &mut dyn Random) -> Option<Due> {
    let schedule = &peer.account.schedule;
    let at = now.checked_add(schedule.every?)?.checked_add(jitter(schedule.jitter, random))?;
    Some(due(peer, Cause::Schedule, at))
}

fn due(peer: &Peer, cause: Cause, at: Instant) -> Due {
    Due { request: SessionRequest::plain(&peer.account.server_id, cause), at }
}

/// A random part of the time `most`.
pub(super) fn jitter(most: Duration, random: &mut dyn Random) -> Duration {
    most.mul_f64(f64::from(random.next_u32()) / f64::from(u32::MAX))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::agent_state::Surroundings;
    use crate::backend::{Bus, Machine};
    use crate::config::{Schedule, Settings};
    use crate::package::Alert;
    use crate::store::{Change, Store};
    use crate::tree::Tree;

    pub(in crate::daemon) struct Half;

    impl Random for Half {
        fn next(&mut self) -> u64 {
            1 << 63
        }

        fn fork(&mut self) -> Box<dyn Random> {
            Box::new(Self)
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);
    pub(in crate::daemon) const QUIET: Schedule =
        Schedule { at_boot: false, first_contact: false, every: None, jitter: HOUR };

    pub(in crate::daemon) fn agent_state(store: &Arc<Store>, schedules: &[(&str, Schedule)]) -> AgentState {
        let settings = Arc::new(Settings::default());
        let account = |(server_id, schedule): &(&str, Schedule)| {
            Arc::new(Account {
                file: format!("{server_id}.toml").into(),
                server_id: (*server_id).into(),
                server_uri: "https://a.example/".into(),
                schedule: schedule.clone(),
                ..Account::nobodys("")
            })
        };
        let accounts: Vec<_> = schedules.iter().map(account).collect();
        let peer = |account: &Arc<Account>| {
            Arc::new(Peer::new(Arc::clone(account), Arc::clone(&settings), Surroundings::default()))
        };
        let peers = accounts.iter().map(peer).collect();
        let machine = Arc::new(Machine::new("/".into(), Bus::none()));
        let tree = Tree::new(Vec::new(), accounts, Arc::clone(store), machine, Instant::now());
        let (settings, store, tree) = (Arc::clone(&settings), Arc::clone(store), Arc::new(tree));
        AgentState {
            settings,
            peers,
            tree,
            store,
            crash_guard: Arc::default(),
            is_sound: true,
            has_all_objects: true,
            is_owned: true,
            folders: Vec::new(),
            problems: crate::spanned::Problems::default(),
        }
    }

    /// The server, cause and delay of each session that is due.
    fn shown(due: Vec<Due>, now: Instant) -> Vec<(String, Cause, Duration)> {
        due.into_iter()
            .map(|Due { request, at }| (request.trigger.server_id.into(), request.cause, rounded(at - now)))
            .collect()
    }

    fn rounded(time: Duration) -> Duration {
        Duration::from_millis(u64::try_from((time + Duration::from_micros(500)).as_millis()).unwrap())
    }

    fn store(folder: &tempfile::TempDir) -> Arc<Store> {
        Store::open(folder.path()).unwrap().store
    }

    #[test]
    fn the_first_contact_is_made_once_whatever_at_boot_says() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        let now = Instant::now();
        let agent_state =
            agent_state(&store, &[("a", Schedule { first_contact: true, ..QUIET }), ("b", QUIET)]);
        let due = shown(at_start(&agent_state, now, &mut Half), now);
        assert_eq!(
            due,
            [("a".to_owned(), Cause::FirstContact, HOUR / 2)],
            "late by a random part of the jitter"
        );
        store.commit_blocking(&[Change::Contact("a".into(), 1)]).unwrap();
        assert_eq!(at_start(&agent_state, now, &mut Half), []);
    }

    #[test]
    fn alerts_left_over_by_a_power_cut_are_reason_enough() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        let now = Instant::now();
        let agent_state = agent_state(&store, &[("a", QUIET), ("b", QUIET)]);
        let alert = Alert {
            alert_type: "urn:x".into(),
            mime_type: None,
            source_uri: None,
            target_uri: None,
            mark: None,
            data: None,
        };
        store
            .commit_blocking(&alert::keep(&store, &Destination::of(&"b".into()), &alert).unwrap().changes)
            .unwrap();
        let due = shown(at_start(&agent_state, now, &mut Half), now);
        assert_eq!(due, [("b".to_owned(), Cause::Alert, HOUR / 2)]);
    }

    #[test]
    fn a_reload_schedules_what_is_new() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        let now = Instant::now();
        let hourly = Schedule { every: Some(HOUR), ..QUIET };
        let boots = Schedule { at_boot: true, ..QUIET };
        let before = agent_state(&store, &[("changed", QUIET), ("same", hourly.clone())]);
        let new = Schedule { first_contact: true, ..QUIET };
        let after = [("changed", hourly.clone()), ("new", new), ("same", hourly), ("started", boots)];
        let due = shown(of_changes(&before, &agent_state(&store, &after), now, &mut Half), now);
        let expected = [
            ("changed".to_owned(), Cause::Schedule, HOUR * 3 / 2),
            ("new".to_owned(), Cause::FirstContact, HOUR / 2),
        ];
        assert_eq!(due, expected, "a reload is no boot");
    }

    #[test]
    fn after_a_session_comes_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        let now = Instant::now();
        let hourly = Schedule { every: Some(HOUR), first_contact: true, ..QUIET };
        let agent_state = agent_state(&store, &[("hourly", hourly), ("quiet", QUIET)]);
        let [hourly, quiet] = agent_state.peers.as_slice() else { panic!() };
        let due =
            |peer, failed| shown(after_session(peer, failed, now, &mut Half).into_iter().collect(), now);
        assert_eq!(due(hourly, false), [("hourly".to_owned(), Cause::Schedule, HOUR * 3 / 2)]);
        assert_eq!(due(hourly, true), [("hourly".to_owned(), Cause::FirstContact, HOUR * 3 / 2)]);
        assert_eq!(due(quiet, false), []);
        assert_eq!(due(quiet, true), [], "nobody asked for a first contact");
    }

    #[test]
    fn jitter_reaches_from_nothing_to_all_of_it() {
        struct Fixed(u64);
        impl Random for Fixed {
            fn next(&mut self) -> u64 {
                self.0
            }
            fn fork(&mut self) -> Box<dyn Random> {
                Box::new(Self(self.0))
            }
        }
        assert_eq!(jitter(HOUR, &mut Fixed(0)), Duration::ZERO);
        assert_eq!(jitter(HOUR, &mut Fixed(u64::MAX)), HOUR);
        assert_eq!(jitter(Duration::ZERO, &mut Fixed(u64::MAX)), Duration::ZERO);
        let longest = Duration::from_millis(u64::MAX);
        assert!(jitter(longest, &mut Fixed(u64::MAX)) <= longest + HOUR, "the longest that can be written");
    }
}
