//! The session as a pure state machine (TS 5.2): events in, one action out.
//!
//! It owns the order of commands, END, CONT, results and retries of packages. A package is encoded once and
//! kept until it was answered, so a retry after a lost response sends the same results again and executes
//! nothing twice.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::package::{
    self, Alert, Command, Encoded, Package1, Package2, Package3, Part, Profile, Status, Verb,
};

use crate::base::backoff;
use crate::command::Done;
use crate::transport::{Remedy, is_temporary};

const RETRY_BASE: Duration = Duration::from_secs(1);
const RETRY_MOST: Duration = Duration::from_secs(60);
/// The longest `Retry-After` that a session waits out: a server that asks for more patience gets it, but in another
/// session.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(120);
/// The largest package in bytes that is kept besides, to be sent with fewer alerts.
const MOST_RESENDABLE: usize = 1 << 20;

/// The limits of a session.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// The most times that one package is sent again.
    pub retries: u32,
    /// The most packages that are sent.
    pub packages: u32,
    /// The most alerts that the server takes in one package, as far as is known.
    pub alerts: usize,
    /// Whether the server has refused a package with the first alert alone, in the session before.
    pub refuses_first: bool,
}

/// An event that the driver tells the machine.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The server answered the package.
    Answered(PackageAnswer),
    /// The package could not be delivered, or its answer not read.
    Undelivered {
        /// Why it was not delivered.
        why: String,
        /// The remedy, if there is one.
        remedy: Remedy,
    },
    /// The command of the last [`Action::Execute`] is done.
    Executed(Done),
    /// The consequences of the last [`Action::Deliver`] are done.
    Delivered,
    /// The alerts that were asked for are these.
    Gathered(Vec<Alert>),
    /// The time of the last [`Action::Wait`] is over.
    Waited,
}

/// An HTTP response to a package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The Content-Type.
    pub content_type: Option<String>,
    /// The body of the response.
    pub body: Vec<u8>,
    /// The Retry-After, as a duration from now.
    pub retry_after: Option<Duration>,
    /// Where the server sends the agent instead, as it may be told.
    pub location: Option<String>,
}

/// The action that the machine asks of the driver.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Post a package.
    Post {
        /// The absolute URI to post it to.
        uri: String,
        /// The package, #1 or #3.
        package: Arc<Encoded>,
    },
    /// Execute a command.
    Execute {
        /// The position of the command in its Package#2, from 1.
        position: usize,
        /// The command.
        command: Command,
        /// The media types that the server takes MO data in, `SessionInfo.AcceptMO` of that Package#2.
        accept_mo: Option<Arc<[String]>>,
        /// The ServerURIs of its CONTs, to which its results may go.
        leads_to: Arc<[String]>,
    },
    /// Deliver what the last package carried: it was answered, so that the server has its alerts, and its statuses of
    /// EXECs.
    Deliver {
        /// The server's statuses of the alerts, by position; perhaps of the first ones only.
        results: Vec<u16>,
        /// The number of gathered alerts that the package carried: of a package that is refused, half of them stay
        /// behind.
        carried: usize,
        /// Whether the first of them alone was refused, and the package without it was not.
        undeliverable: bool,
    },
    /// Gather the alerts that were raised meanwhile.
    Gather {
        /// The most alerts to gather.
        most: usize,
    },
    /// Wait for this long.
    Wait(Duration),
    /// Finish the session, which is over.
    Finish(Outcome),
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The session was completed, by END, or because the server had no more commands.
    Completed,
    /// The session failed.
    Failed {
        /// Why it failed.
        failure: SessionFailure,
        /// Whether another session should be tried.
        again: Again,
    },
}

impl Outcome {
    /// Whether the agent's own end broke it off.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        matches!(self, Self::Failed { failure: SessionFailure::Stopped, .. })
    }
}

/// Whether a failed session is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// No further session is tried: it would fail again.
    Never,
    /// A further session is tried when the schedule allows.
    Later,
    /// A further session is tried, but not before this time has passed.
    After(Duration),
}

/// So many attempts, in words.
fn tried(attempts: &u32) -> String {
    format!("{attempts} attempt{}", if *attempts == 1 { "" } else { "s" })
}

/// Why a session failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SessionFailure {
    /// The first package could not be made.
    #[error("{0}")]
    NotBegun(String),
    /// The agent itself is at fault.
    #[error("internal error: {0}")]
    Internal(String),
    /// The server can't be reached, or its answers don't arrive.
    #[error("no answer after {}: {why}", tried(.attempts))]
    Unreachable {
        /// The number of times that the package was sent.
        attempts: u32,
        /// The last reason.
        why: String,
    },
    /// The server, or a proxy before it, answers that it is not available.
    #[error("no answer after {}: {why}", tried(.attempts))]
    Unavailable {
        /// The number of times that the package was sent.
        attempts: u32,
        /// The last reason.
        why: String,
    },
    /// The server can be reached, but not be talked to.
    #[error("{0}")]
    Transport(String),
    /// The server answered with an HTTP status that ends the session.
    #[error("the server answered with HTTP status {0}")]
    Http(u16),
    /// The server answered that it is elsewhere: a package goes nowhere but where the account says.
    #[error(
        "the server answered with HTTP status {status}: go to {to}; that is not done: packages go where the account says"
    )]
    Moved {
        /// The HTTP status.
        status: u16,
        /// Where it sends the agent.
        to: String,
    },
    /// The server, of the approved enabler, refused a package that has alerts, perhaps for them.
    #[error(
        "the server answered with HTTP status {status} to a package with alerts: the next has {most} at most"
    )]
    RefusedAlerts {
        /// The HTTP status.
        status: u16,
        /// The most alerts of the next package.
        most: usize,
    },
    /// The server sent a Package#2 that can't be read.
    #[error("Package#2: {0}")]
    Package(String),
    /// The agent ends.
    #[error("the agent stops")]
    Stopped,
    /// The server does not come to an end.
    #[error("no END after {0} packages")]
    Endless(u32),
}

impl SessionFailure {
    /// Whether it was the way to the server that failed, not the server: another way may help.
    #[must_use]
    pub fn is_of_the_way(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// The machine of a session in progress.
#[derive(Debug)]
pub struct SessionMachine {
    profile: Profile,
    limits: SessionLimits,
    /// The number that makes multipart boundaries unlike those of other sessions.
    nonce: u64,
    uri: String,
    package: Arc<Encoded>,
    sent: u32,
    attempt: u32,
    /// Whether the package carries what is kept until it was answered.
    needs_deliver: bool,
    /// The source of the package, if it has alerts: refused, it is sent with fewer of them.
    resendable: Option<Resendable>,
    /// The number of alerts that the package carries.
    carried: usize,
    /// The most alerts that the server takes in one package, as far as is known.
    most_alerts: usize,
    /// Whether the server has refused a package with one alert.
    was_refused_alone: bool,
    /// The Package#2 in answer to it; none: there was none.
    package2: Option<Package2>,
    run: Run,
}

/// The source that a package was encoded from.
#[derive(Debug)]
enum Resendable {
    First(Package1),
    Further(Package3),
}

impl Resendable {
    fn alerts(&mut self) -> &mut Vec<Alert> {
        match self {
            Self::First(package) => &mut package.alerts,
            Self::Further(package) => &mut package.alerts,
        }
    }
}

/// The run of a Package#2 that is being executed.
#[derive(Debug, Default)]
struct Run {
    commands: VecDeque<Command>,
    accept_mo: Option<Arc<[String]>>,
    leads_to: Arc<[String]>,
    statuses: Vec<Status>,
    parts: Vec<Part>,
    data: usize,
    executes: bool,
    end: bool,
    continue_at: Option<String>,
}

impl SessionMachine {
    /// Starts a session: the first action posts `package1` to `uri`.
    #[must_use]
    pub fn start(
        profile: Profile,
        limits: SessionLimits,
        nonce: u64,
        uri: String,
        mut package1: Package1,
    ) -> (Self, Action) {
        let needs_deliver = !package1.alerts.is_empty();
        if limits.refuses_first {
            package1.alerts.clear();
        }
        let package = Arc::new(package::encode1(profile, &package1));
        let mut machine = Self {
            profile,
            limits,
            nonce,
            uri,
            package,
            sent: 0,
            attempt: 0,
            needs_deliver,
            carried: package1.alerts.len(),
            resendable: (!package1.alerts.is_empty()).then_some(Resendable::First(package1)),
            most_alerts: limits.alerts,
            was_refused_alone: limits.refuses_first && needs_deliver,
            package2: None,
            run: Run::default(),
        };
        let action = machine.post();
        (machine, action)
    }

    /// Takes an event and returns the next action. `random` is uniform over all u32.
    #[must_use]
    pub fn handle(&mut self, event: Event, random: u32) -> Action {
        match event {
            Event::Answered(answer) => self.answered(&answer, random),
            Event::Undelivered { why, remedy: Remedy::Retry } => {
                self.retry(|attempts| SessionFailure::Unreachable { attempts, why }, None, random)
            }
            Event::Undelivered { why, remedy: Remedy::Later } => {
                fail(SessionFailure::Transport(why), Again::Later)
            }
            Event::Undelivered { why, remedy: Remedy::None } => {
                fail(SessionFailure::Transport(why), Again::Never)
            }
            Event::Delivered => self.go_on(),
            Event::Executed(done) => self.executed(done),
            Event::Gathered(alerts) => self.respond(alerts),
            Event::Waited => self.resend(),
        }
    }

    /// The URI that packages go to.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The number of packages that were sent, the one included that is on its way; sent again, it is the same.
    #[must_use]
    pub fn sent(&self) -> u32 {
        self.sent
    }

    /// The number of times that the package which waits to be sent again was sent, and how often it may be sent in all.
    #[must_use]
    pub fn attempts(&self) -> (u32, u32) {
        (self.attempt, self.limits.retries.saturating_add(1))
    }

    /// The most alerts that the server takes in one package, and whether it has refused one with the first of them alone:
    /// what the next session has to know.
    #[must_use]
    pub fn alert_bound(&self) -> (usize, bool) {
        (self.most_alerts, self.was_refused_alone)
    }

    fn post(&mut self) -> Action {
        if self.sent == self.limits.packages {
            return fail(SessionFailure::Endless(self.sent), Again::Never);
        }
        self.sent += 1;
        self.attempt = 0;
        self.resend()
    }

    fn resend(&self) -> Action {
        Action::Post { uri: self.uri.clone(), package: Arc::clone(&self.package) }
    }

    fn answered(&mut self, answer: &PackageAnswer, random: u32) -> Action {
        match answer.status {
            204 => self.delivered(None),
            // Whoever has no commands says 204. This may be a proxy's, or of a server that is half up.
            status @ 200..=299 if answer.body.is_empty() => self.unavailable(
                status,
                format!("there is none: HTTP status {status} without a body"),
                answer,
                random,
            ),
            // What can't be read need not come from the server: it may have heard nothing.
            200..=299 => match package::decode(answer.content_type.as_deref(), &answer.body) {
                Ok(package2) => self.delivered(Some(package2)),
                Err(error) => fail(SessionFailure::Package(error.to_string()), Again::Never),
            },
            status if is_temporary(status) => {
                self.unavailable(status, format!("HTTP status {status}"), answer, random)
            }
            status @ (400 | 413) if self.has_alerts() => self.with_fewer_alerts(status, answer.retry_after),
            status => {
                // It was not for the alerts.
                (self.most_alerts, self.was_refused_alone) = (usize::MAX, false);
                let failure = match &answer.location {
                    Some(to) if (300..400).contains(&status) => {
                        SessionFailure::Moved { status, to: to.clone() }
                    }
                    _ => SessionFailure::Http(status),
                };
                fail(failure, Again::Never)
            }
        }
    }

    fn has_alerts(&mut self) -> bool {
        self.resendable.as_mut().is_some_and(|kept| !kept.alerts().is_empty())
    }

    /// Sends a refused package with fewer alerts, as it may be refused for them: they must not keep the server from
    /// managing the device. Half of them stay behind, at last all; they ride in another one. The approved enabler breaks the
    /// session off: there it is the next session's package that has fewer.
    fn with_fewer_alerts(&mut self, status: u16, retry_after: Option<Duration>) -> Action {
        let Some(kept) = &mut self.resendable else { return self.resend() };
        let alerts = kept.alerts();
        self.was_refused_alone = alerts.len() == 1;
        alerts.truncate(alerts.len() / 2);
        self.carried = alerts.len();
        self.most_alerts = self.carried.max(1);
        if self.profile == Profile::Approved {
            let failure = SessionFailure::RefusedAlerts { status, most: self.carried };
            return fail(failure, retry_after.map_or(Again::Later, Again::After));
        }
        self.package = Arc::new(match kept {
            Resendable::First(package) => package::encode1(self.profile, package),
            Resendable::Further(package) => package::encode3(self.profile, package, self.nonce),
        });
        self.attempt = 0;
        self.resend()
    }

    /// Waits or ends the session, as the server has nothing to say for now. The approved enabler has the schedule try
    /// later.
    fn unavailable(&mut self, status: u16, why: String, answer: &PackageAnswer, random: u32) -> Action {
        match self.profile {
            Profile::Draft => self.retry(
                |attempts| SessionFailure::Unavailable { attempts, why },
                answer.retry_after,
                random,
            ),
            Profile::Approved => {
                let failure =
                    if status < 300 { SessionFailure::Package(why) } else { SessionFailure::Http(status) };
                fail(failure, answer.retry_after.map_or(Again::Later, Again::After))
            }
        }
    }

    fn delivered(&mut self, package2: Option<Package2>) -> Action {
        let results =
            package2.as_ref().map(|package2| package::alert_results(self.profile, package2).to_vec());
        self.package2 = package2;
        // What was answered takes no room while the next one is made.
        (self.package, self.resendable) = (Arc::default(), None);
        let carried = self.carried;
        let undeliverable = std::mem::take(&mut self.was_refused_alone) && carried == 0;
        match std::mem::take(&mut self.needs_deliver) {
            true => Action::Deliver { results: results.unwrap_or_default(), carried, undeliverable },
            false => self.go_on(),
        }
    }

    fn go_on(&mut self) -> Action {
        match self.package2.take() {
            Some(package2) => self.begin(package2),
            None => Action::Finish(Outcome::Completed),
        }
    }

    fn retry(
        &mut self,
        failure: impl FnOnce(u32) -> SessionFailure,
        retry_after: Option<Duration>,
        random: u32,
    ) -> Action {
        let attempts = self.attempt + 1;
        if self.attempt == self.limits.retries {
            let again = retry_after.map_or(Again::Later, Again::After);
            return fail(failure(attempts), again);
        }
        let least = retry_after.unwrap_or_default();
        if least > LONGEST_RETRY_AFTER {
            return fail(failure(attempts), Again::After(least));
        }
        let wait = least + backoff(self.attempt, RETRY_BASE, RETRY_MOST, random);
        self.attempt += 1;
        Action::Wait(wait)
    }

    fn begin(&mut self, package2: Package2) -> Action {
        self.run = Run {
            end: package2.commands.iter().any(is_end),
            executes: package2.commands.iter().any(|command| command.verb == Verb::Exec),
            leads_to: leads_to(&package2.commands),
            commands: package2.commands.into(),
            accept_mo: package2.accept_mo.map(Into::into),
            ..Run::default()
        };
        self.next_command()
    }

    fn next_command(&mut self) -> Action {
        match self.run.commands.pop_front() {
            Some(command) => Action::Execute {
                position: self.run.statuses.len() + 1,
                command,
                accept_mo: self.run.accept_mo.clone(),
                leads_to: Arc::clone(&self.run.leads_to),
            },
            None if self.run.end => Action::Finish(Outcome::Completed),
            None => Action::Gather { most: self.most_alerts },
        }
    }

    fn executed(&mut self, done: Done) -> Action {
        // The results of a package with END are not sent (TS 5.4.9).
        if let Some((content_type, body)) = done.data
            && !self.run.end
        {
            self.run.data += body.len();
            let position = self.run.statuses.len() + 1;
            self.run.parts.push(Part { position, content_type, body });
        }
        self.run.statuses.push(done.status);
        if done.continue_at.is_some() {
            self.run.continue_at = done.continue_at;
        }
        self.next_command()
    }

    fn respond(&mut self, alerts: Vec<Alert>) -> Action {
        let run = std::mem::take(&mut self.run);
        if let Some(uri) = run.continue_at {
            self.uri = uri;
        }
        let has_alerts = !alerts.is_empty();
        self.needs_deliver = run.executes || has_alerts;
        let package3 = Package3 { statuses: run.statuses, parts: run.parts, alerts };
        self.package = Arc::new(package::encode3(self.profile, &package3, self.nonce));
        self.carried = package3.alerts.len();
        self.resendable =
            (has_alerts && run.data <= MOST_RESENDABLE).then_some(Resendable::Further(package3));
        self.post()
    }
}

fn leads_to(commands: &[Command]) -> Arc<[String]> {
    let conts = commands.iter().filter(|command| command.verb == Verb::Cont);
    conts.filter_map(|command| command.parameters.as_ref()?.first().cloned()).collect()
}

/// Whether a command is END, which has no parameters; with some it is a malformed command like any other.
fn is_end(command: &Command) -> bool {
    command.verb == Verb::End && command.parameters.as_ref().is_some_and(Vec::is_empty)
}

fn fail(failure: SessionFailure, again: Again) -> Action {
    Action::Finish(Outcome::Failed { failure, again })
}

#[cfg(test)]
mod tests;
