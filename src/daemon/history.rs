//! What the agent remembers of sessions since it started: those that run, and how the last one with each server ended.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};

use crate::alert::Destination;
use crate::base::{Progress, waking};
use crate::session::{Cause, Commands, Ended, Outcome};
use crate::uri::ServerId;

/// A session that runs.
struct Running {
    id: String,
    cause: Cause,
    began: Moment,
    /// What it waits for.
    progress: Progress,
}

/// When a session began, or ended.
#[derive(Clone, Copy)]
struct Moment {
    /// In seconds since 1970.
    on_the_wall: u64,
    /// Since the machine's boot, by a clock that nobody sets, where there is one.
    uptime: Option<Duration>,
}

/// The last session with a server.
struct Last {
    id: String,
    /// When it began, where that is known.
    began: Option<Moment>,
    /// The interfaces that its last answer came by.
    interfaces: Vec<String>,
    commands: Commands,
    ended: Moment,
    /// How it ended: nothing where it was completed.
    failure: Option<String>,
    /// When a session with the server was last completed, in seconds since 1970.
    completed: Option<u64>,
}

/// The sessions that run, and the last ones.
#[derive(Default)]
pub(super) struct History {
    running: Vec<(Destination, Running)>,
    last: Vec<(ServerId, Last)>,
}

impl Moment {
    fn now() -> Self {
        Self { on_the_wall: now(), uptime: waking::booted() }
    }

    /// The uptime in whole milliseconds: finer than what the kernel tells programs of it.
    fn uptime(self) -> Option<u64> {
        u64::try_from(self.uptime?.as_millis()).ok()
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// How a session ended, in a word or a sentence.
pub(super) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Completed => "completed".to_owned(),
        Outcome::Failed { failure, .. } => format!("failed: {failure}"),
    }
}

/// Takes what is known of `key` out of a short list.
fn take<K: PartialEq, V>(list: &mut Vec<(K, V)>, key: &K) -> Option<V> {
    let at = list.iter().position(|(known, _)| known == key)?;
    Some(list.remove(at).1)
}

impl History {
    /// Notes that a session has begun.
    pub(super) fn began(&mut self, destination: &Destination, id: &str, cause: Cause, progress: Progress) {
        take(&mut self.running, destination);
        let began = Moment::now();
        self.running.push((destination.clone(), Running { id: id.to_owned(), cause, began, progress }));
    }

    /// Notes how a session ended; returns its id.
    pub(super) fn ended(&mut self, destination: &Destination, ended: &Ended) -> String {
        let running = take(&mut self.running, destination);
        let (id, began) = running.map(|running| (running.id, running.began)).unzip();
        let id: String = id.unwrap_or_default();
        // What was posted elsewhere is not the server's.
        if destination.uri.is_none() {
            let before = take(&mut self.last, &destination.server_id).and_then(|last| last.completed);
            let (failure, completed) = match &ended.outcome {
                Outcome::Completed => (None, Some(now())),
                Outcome::Failed { failure, .. } => (Some(failure.to_string()), before),
            };
            let interfaces = ended.interfaces.clone();
            let (id, commands) = (id.clone(), ended.commands);
            let last = Last { id, began, interfaces, commands, ended: Moment::now(), failure, completed };
            self.last.push((destination.server_id.clone(), last));
        }
        id
    }

    /// Forgets servers whose account is gone.
    pub(super) fn keep(&mut self, known: impl Fn(&ServerId) -> bool) {
        self.last.retain(|(server_id, _)| known(server_id));
    }

    /// Whether a session with this server runs.
    pub(super) fn runs(&self, server_id: &ServerId) -> bool {
        let destination = Destination::of(server_id);
        self.running.iter().any(|(running, _)| *running == destination)
    }

    /// The sessions that run, for programs.
    pub(super) fn sessions(&self) -> Json {
        let session = |(destination, running): &(Destination, Running)| {
            let (waits_for, since) = running.progress.waits_for().unzip();
            let since = since.map(|since| waking::now().saturating_duration_since(since).as_secs());
            json!({
                "server": destination.server_id.as_str(),
                "waitsFor": waits_for,
                "waitsSince": since.map(|since| now().saturating_sub(since)),
                "reportTo": destination.uri,
                "id": running.id,
                "cause": running.cause.name(),
                "began": running.began.on_the_wall,
            })
        };
        self.running.iter().map(session).collect()
    }

    /// The servers with whom the last session failed, in a line.
    pub(super) fn failed(&self) -> String {
        let failed = self.last.iter().filter(|(_, last)| last.failure.is_some());
        failed.map(|(server_id, _)| server_id.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The last session with a server, for programs: null where there was none.
    pub(super) fn last(&self, server_id: &ServerId) -> Json {
        let last = self.last.iter().find(|(known, _)| known == server_id);
        last.map_or(Json::Null, |(_, last)| {
            json!({
                "id": last.id,
                "began": last.began.map(|began| began.on_the_wall),
                "beganUptime": last.began.and_then(Moment::uptime),
                "interfaces": last.interfaces,
                "commands": last.commands.all,
                "failedCommands": last.commands.failed,
                "ended": last.ended.on_the_wall,
                "endedUptime": last.ended.uptime(),
                "outcome": if last.failure.is_none() { "completed" } else { "failed" },
                "why": last.failure,
                "completed": last.completed,
            })
        })
    }
}
