//! The schedule of telling servers their registration ids. Pure: `now` is passed in, what is due comes out.
//!
//! The newest word of the push client counts for each server. What was told stays in the store, so that a power cut
//! loses nothing, and so that an account whose registration address changes is told of the id again.

use std::time::{Duration, Instant};

use crate::base::OrderedMap;
use crate::base::{Backoff, Failures};
use crate::store::records::Registration;
use crate::uri::ServerId;

const AGAIN: Backoff = Backoff { base: Duration::from_secs(30), most: Duration::from_secs(3600) };
/// How long until something that the server refused is tried again: an id that nobody knows wakes nobody.
const REFUSED_AGAIN: Duration = Duration::from_secs(24 * 3600);

/// A registration or unregistration that a server is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The server that is to be told.
    pub server_id: ServerId,
    /// Whether it registers; else it unregisters.
    pub register: bool,
    /// The registration id.
    pub id: String,
}

/// The outcome of an attempt to tell a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TellResult {
    /// The server has been told.
    Done,
    /// The attempt failed; trying again can help, after this time at the least.
    Failed {
        /// Why it failed.
        why: String,
        /// The `Retry-After` of the answer.
        least: Option<Duration>,
    },
    /// The server refuses, or the agent's own rules do.
    Refused(String),
}

/// The registrations of all servers, and when each is told.
#[derive(Debug, Default)]
pub(crate) struct Bridge {
    due_tasks: OrderedMap<ServerId, DueTask>,
}

#[derive(Debug)]
struct DueTask {
    task: Task,
    due: Option<Instant>,
    running: bool,
    failures: Failures,
}

impl Bridge {
    /// Takes the push client's newest word. What was to be told before is forgotten.
    pub(crate) fn ask(&mut self, task: Task, now: Instant) {
        let running = self.due_tasks.get(&task.server_id).is_some_and(|due_task| due_task.running);
        let due_task = DueTask { task, due: Some(now), running, failures: Failures::default() };
        self.due_tasks.insert(due_task.task.server_id.clone(), due_task);
    }

    /// Whether this very task is under way or waiting.
    #[must_use]
    pub(crate) fn has(&self, task: &Task) -> bool {
        self.due_tasks.get(&task.server_id).is_some_and(|due_task| due_task.task == *task)
    }

    /// The tasks to be sent now; each counts as running until [`Bridge::ended`].
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Task> {
        let mut tasks = Vec::new();
        for due_task in self.due_tasks.values_mut() {
            if !due_task.running && due_task.due.take_if(|due| *due <= now).is_some() {
                due_task.running = true;
                tasks.push(due_task.task.clone());
            }
        }
        tasks
    }

    /// Notes the end of an attempt. Returns whether that does what the push client wants, and how long until the next
    /// attempt. `random` is uniform over all u32.
    pub(crate) fn ended(
        &mut self,
        task: &Task,
        outcome: &TellResult,
        now: Instant,
        random: u32,
    ) -> (bool, Option<Duration>) {
        let Some(due_task) = self.due_tasks.get_mut(&task.server_id) else { return (false, None) };
        due_task.running = false;
        if due_task.task != *task {
            // The push client has said something else meanwhile.
            return (false, None);
        }
        let wait = match outcome {
            TellResult::Done => {
                self.due_tasks.remove(&task.server_id);
                return (true, None);
            }
            TellResult::Failed { least, .. } => {
                due_task.failures.add(AGAIN, least.map(|least| least.min(REFUSED_AGAIN)), random)
            }
            TellResult::Refused(_) => due_task.failures.add(
                Backoff { base: AGAIN.most, most: AGAIN.most },
                Some(REFUSED_AGAIN),
                random,
            ),
        };
        due_task.due = Some(now + wait);
        (false, Some(wait))
    }

    /// Forgets servers whose account is gone.
    pub(crate) fn keep(&mut self, known: impl Fn(&ServerId) -> bool) {
        self.due_tasks.retain(|server_id, _| known(server_id));
    }

    /// The time when a task is due next.
    #[must_use]
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        self.due_tasks.values().filter(|due_task| !due_task.running).filter_map(|due_task| due_task.due).min()
    }
}

impl Registration {
    /// The task that is still open, given where the account would have the server told now.
    #[must_use]
    pub fn open(&self, server_id: &ServerId, address: &str) -> Option<Task> {
        let told = self.told.as_deref();
        // Who was told that the device is gone need not be told again, wherever that would be now.
        let is_done = if self.register { told == Some(address) } else { told.is_some() };
        let Self { register, id, .. } = self.clone();
        (!is_done).then(|| Task { server_id: server_id.to_owned(), register, id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str, register: bool) -> Task {
        Task { server_id: "a".into(), register, id: id.into() }
    }

    fn failed(least: Option<u64>) -> TellResult {
        TellResult::Failed { why: String::new(), least: least.map(Duration::from_secs) }
    }

    #[test]
    fn one_attempt_at_a_time_and_the_newest_word_counts() {
        let now = Instant::now();
        let mut bridge = Bridge::default();
        bridge.ask(task("1", true), now);
        assert_eq!(bridge.due(now), [task("1", true)]);
        bridge.ask(task("2", true), now);
        bridge.ask(task("2", false), now);
        assert_eq!((bridge.due(now), bridge.next_wake()), (vec![], None));
        assert_eq!(bridge.ended(&task("1", true), &TellResult::Done, now, 0), (false, None));
        assert_eq!(bridge.next_wake(), Some(now));
        assert_eq!(bridge.due(now), [task("2", false)]);
        assert_eq!(bridge.ended(&task("2", false), &TellResult::Done, now, 0), (true, None));
        assert_eq!(bridge.next_wake(), None);
    }

    #[test]
    fn a_failure_is_repeated_with_backoff_and_retry_after_is_honoured() {
        let now = Instant::now();
        let mut bridge = Bridge::default();
        bridge.ask(task("1", true), now);
        bridge.due(now);
        let (_, wait) = bridge.ended(&task("1", true), &failed(None), now, u32::MAX);
        assert_eq!(wait, Some(Duration::from_millis(29_999)));
        let later = now + Duration::from_secs(30);
        assert_eq!(bridge.due(later), [task("1", true)]);
        let (_, wait) = bridge.ended(&task("1", true), &failed(Some(600)), later, u32::MAX);
        assert_eq!(wait, Some(Duration::from_millis(659_999)), "failures add up");
        bridge.due(later + Duration::from_secs(3600));
        let (_, wait) = bridge.ended(&task("1", true), &TellResult::Refused(String::new()), later, 0);
        assert_eq!(wait, Some(REFUSED_AGAIN), "an id that no server knows is worth a try a day");
    }

    #[test]
    fn an_account_that_is_gone_is_told_nothing() {
        let now = Instant::now();
        let mut bridge = Bridge::default();
        bridge.ask(task("1", true), now);
        bridge.keep(|_| false);
        assert_eq!((bridge.due(now), bridge.next_wake()), (vec![], None));
        bridge.ask(task("1", true), now);
        assert_eq!(bridge.due(now).len(), 1);
        bridge.keep(|_| false);
        assert_eq!(bridge.ended(&task("1", true), &failed(None), now, 0), (false, None));
        assert_eq!(bridge.next_wake(), None, "what was under way then is not tried again");
    }

    #[test]
    fn a_registration_is_repeated_where_its_address_has_changed() {
        let standing = |register, told: Option<&str>| Registration {
            register,
            id: "1".into(),
            told: told.map(str::to_owned),
        };
        assert_eq!(standing(true, None).open(&"a".into(), "x"), Some(task("1", true)));
        assert_eq!(standing(true, Some("x")).open(&"a".into(), "x"), None);
        assert_eq!(standing(true, Some("x")).open(&"a".into(), "y"), Some(task("1", true)));
        assert_eq!(standing(false, None).open(&"a".into(), "y"), Some(task("1", false)));
        assert_eq!(standing(false, Some("x")).open(&"a".into(), "y"), None);
    }
}
