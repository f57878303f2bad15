//! The agent on the message bus: the name `org.omadm.Agent1`, for the device's own programs and its operator.
//!
//! One connection of its own, with the name. A task of it reads calls ([`link`]): which there are, and what they take,
//! is in [`call`]; what D-Bus itself asks of every object, and the level of the log, is answered there. All else goes
//! to the agent's loop, as a [`Call`] that is answered when it is done. Who may call what is the bus's to decide, by
//! the policy file that the package brings.
//!
//! A bus that goes away is looked for with growing pauses; after some minutes, as where there never was one, only when
//! the agent is awake anyway.

mod call;
mod caller;
mod introspection;
mod link;
mod log_control;
mod refusal;
mod values;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

pub use call::Request;
pub use caller::{Answer, Caller};
pub use link::Call;
pub use refusal::Refusal;
pub use values::{PropertyValue, Values};

use crate::base;
use crate::base::Progress;
use crate::base::waking;
use call::{AGENTS, PROPERTIES};
use link::{Link, LinkError};

/// The name on the bus.
pub const NAME: &str = "org.omadm.Agent1";
/// The path of the object that is the agent.
pub const PATH: &str = "/org/omadm/Agent1";
/// The interface of the agent.
pub const AGENT: &str = "org.omadm.Agent1";
/// The interface for push clients.
pub const PUSH: &str = "org.omadm.Agent1.Push";
const LOG_PATH: &str = "/org/freedesktop/LogControl1";
const LOG_CONTROL: &str = "org.freedesktop.LogControl1";

/// The first pause before the bus is looked for again; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// So often it is looked for with a timer; then at most each [`RARELY`], and never to wake the agent.
const WITH_TIMER: u32 = 9;
const RARELY: Duration = Duration::from_secs(60);
/// How long the start of the agent waits for the name, so that who waits for the agent can call it.
const AT_START: Duration = Duration::from_millis(200);

/// How long the end of the agent waits until answers are written.
const AT_END: Duration = Duration::from_millis(200);

/// The agent's name on the bus, and who calls it.
pub struct Service {
    address: String,
    link: Option<Link>,
    connecting: JoinSet<Result<Link, LinkError>>,
    /// The attempts that failed in a row.
    failures: u32,
    /// The time of the next attempt, at the earliest.
    next: Option<Instant>,
    /// Whether it was logged that the name was lost, or can't be had.
    is_missed: bool,
    /// The properties that have changed since that was told.
    changed: BTreeSet<&'static str>,
    /// The tasks that answer calls; each ends with the properties that it has changed.
    answering: JoinSet<&'static [&'static str]>,
}

impl Service {
    /// Makes the component, with no connection yet. `address` is `system`, or a D-Bus address.
    #[must_use]
    pub fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            link: None,
            connecting: JoinSet::new(),
            failures: 0,
            next: Some(waking::now()),
            is_missed: false,
            changed: BTreeSet::new(),
            answering: JoinSet::new(),
        }
    }

    /// Takes the name at the start, if the bus is there and quick.
    pub async fn begin(&mut self) {
        self.start_due(&self.address.clone(), waking::now());
        let connected = tokio::time::timeout(AT_START, self.connecting.join_next()).await;
        if let Ok(Some(Ok(connected))) = connected {
            self.connected(connected);
        }
    }

    /// Looks for the bus, where it is time to, and tells of properties that have changed.
    pub fn start_due(&mut self, address: &str, now: Instant) {
        if self.address != address {
            *self = Self::new(address);
        }
        if self.link.is_none() && self.connecting.is_empty() && self.next.is_none_or(|next| next <= now) {
            base::spawn_in(&mut self.connecting, Link::connect(self.address.clone()));
        }
        let changed = std::mem::take(&mut self.changed);
        if let Some(link) = self.link.as_ref().filter(|_| !changed.is_empty()) {
            let values = Values::Of("sa{sv}as", json!([AGENT, {}, changed]));
            link::signal(PROPERTIES, "PropertiesChanged", values, link.out());
        }
    }

    /// The time when the bus is looked for next.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        let waits = self.link.is_none() && self.connecting.is_empty();
        self.next.filter(|_| waits && self.is_missed && self.failures < WITH_TIMER)
    }

    /// Waits for a call; none where the connection came or went.
    pub async fn next_event(&mut self) -> Option<Call> {
        if let Some(link) = &mut self.link {
            let call = tokio::select! {
                call = link.next_call() => call,
                Some(answered) = self.answering.join_next() => {
                    self.changed.extend(answered.unwrap_or_default());
                    return None;
                }
            };
            if call.is_none() {
                self.link = None;
                self.lost("the bus has ended the connection");
            }
            return call;
        }
        match self.connecting.join_next().await {
            Some(Ok(connected)) => self.connected(connected),
            Some(Err(error)) => self.lost(&error.to_string()),
            None => std::future::pending().await,
        }
        None
    }

    /// Stops: who was answered hears so, within bounds.
    pub async fn stop(&mut self) {
        if let Some(link) = self.link.take() {
            let _ = tokio::time::timeout(AT_END, link.stop()).await;
        }
        self.connecting.shutdown().await;
    }

    /// Has a task answer a call; where the answer is no refusal, these properties have changed.
    pub fn answer_by(
        &mut self,
        answer: impl Future<Output = Answer> + Send + 'static,
        caller: Caller,
        properties: &'static [&'static str],
    ) {
        base::spawn_in(&mut self.answering, async move {
            let answer = answer.await;
            let changed: &[_] = if answer.is_ok() { properties } else { &[] };
            caller.answer(answer);
            changed
        });
    }

    /// Tells that a session is over.
    pub fn session_ended(&self, server: &str, session: &str, outcome: &str) {
        self.signal("SessionEnded", Values::Of("sss", json!([server, session, outcome])));
    }

    /// The progress of a session, told stage by stage.
    #[must_use]
    pub fn progress(&self, server: &str, session: &str) -> Progress {
        let Some(link) = &self.link else { return Progress::default() };
        let (out, server, session) = (link.out().clone(), server.to_owned(), session.to_owned());
        Progress::new(move |stage, what| {
            let values = Values::Of("ssss", json!([server, session, stage, what]));
            link::signal(AGENT, "SessionProgress", values, &out);
        })
    }

    /// Tells that an EXEC is over.
    pub fn exec_finished(&self, client_uri: &str, status: u16) {
        self.signal("ExecFinished", Values::Of("su", json!([client_uri, status])));
    }

    /// Notes that these properties have changed. They are told of together, when the loop has come round.
    pub fn changed(&mut self, properties: impl IntoIterator<Item = &'static str>) {
        self.changed.extend(properties);
    }

    fn signal(&self, member: &str, values: Values) {
        if let Some(link) = &self.link {
            link::signal(AGENT, member, values, link.out());
        }
    }

    fn connected(&mut self, connected: Result<Link, LinkError>) {
        match connected {
            Ok(link) => {
                self.link = Some(link);
                (self.failures, self.next) = (0, None);
                if std::mem::take(&mut self.is_missed) {
                    log::info!("D-Bus: {NAME} can be called again");
                }
            }
            // A machine without a bus is none that lacks one.
            Err(error) if is_absent(&error) => self.failed(),
            Err(error) => self.lost(&error.to_string()),
        }
    }

    fn lost(&mut self, why: &str) {
        if !std::mem::replace(&mut self.is_missed, true) {
            log::warn!(
                "D-Bus: {NAME} can't be called: {why}: omadmctl and applications can't ask until it can be"
            );
        }
        self.failed();
    }

    fn failed(&mut self) {
        let pause = FIRST_PAUSE * 2_u32.saturating_pow(self.failures.min(WITH_TIMER));
        self.failures = self.failures.saturating_add(1);
        self.next = Some(waking::now() + pause.min(RARELY));
    }
}

/// Whether there is no bus at all.
fn is_absent(error: &LinkError) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};
    matches!(error, LinkError::Bus(zbus::Error::Connection(error, _)) if matches!(error.kind(), NotFound | ConnectionRefused))
}

/// The value of a property of the agent, of the type that the interface says.
#[must_use]
pub fn property(name: &str, json: serde_json::Value) -> Option<PropertyValue> {
    let (_, kind) = AGENTS.iter().find(|(known, _)| *known == name)?;
    Some(PropertyValue { kind, json })
}

/// The names of the agent's properties.
pub fn properties() -> impl Iterator<Item = &'static str> {
    AGENTS.iter().map(|(name, _)| *name)
}
