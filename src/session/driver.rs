//! The driver: gives a session machine its connection, its tree and its time.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use tokio::sync::watch;

use super::alert_bound::AlertBound;
use super::machine::{Again, Event, Outcome, PackageAnswer, SessionFailure, SessionLimits, SessionMachine};
use super::outage::Outage;
use super::queue::SessionRequest;
use super::requested;
use crate::agent_state::{AgentState, Parameters, Peer};
use crate::alert::{Destination, OutgoingAlerts};
use crate::backend::Bus;
use crate::base;
use crate::base::journal::id;
use crate::base::waking;
use crate::base::yielding::Yielder;
use crate::base::{Progress, Random, stopped};
use crate::bearer::{Choice, ConnectionType};
use crate::command::{self, Allowance, CommandContext, DataBudget, Report, Share, Whose};
use crate::connectivity::{self, Carrier, Resolved};
use crate::exec::{AfterSession, ExecSlots, Finished, SessionExecs};
use crate::package::{self, Command, Encoded, Package1, Profile, Reason, Verb};
use crate::session::machine::Action;
use crate::store::{Change, StoreError};
use crate::transport::{
    Binding, Connection, PeerRole, Remedy, Request, Standing, TlsSettingsError, is_temporary, location,
    retry_after, server_time,
};
use crate::tree::{Principal, SessionFacts, TreeError};
use crate::uri::Moid;
use crate::uri::ServerId;
use crate::uri::server::{ServerUriError, shown};

/// A session that is to be held, with all that it is made of.
pub struct Session {
    /// The agent state as it is when the session begins.
    pub agent_state: Arc<AgentState>,
    /// The peer: the server's account and its connections.
    pub peer: Arc<Peer>,
    /// The request for the session: why, and what the notification asks for.
    pub request: SessionRequest,
    /// The network that its sockets are bound to: the bearer that the notification prefers (TS 5.2.1.2
    /// PREFERRED-CON-TYPE), which was up when the queue began it.
    pub binding: Binding,
    /// The session's id in the journal.
    pub id: String,
    /// The slots of what EXEC and SHOW have running.
    pub exec_slots: ExecSlots,
    /// The budget of data that all sessions may keep together.
    pub budget: DataBudget,
    /// The outage of its destination, if that does not answer.
    pub outage: Arc<Outage>,
    /// What sessions before it have learnt of the alerts that the server takes.
    pub alert_bound: AlertBound,
    /// Who follows how far it comes.
    pub progress: Progress,
    /// Turns true when the agent ends.
    pub stopping: watch::Receiver<bool>,
}

/// A session that is over.
#[derive(Debug, PartialEq)]
pub struct Ended {
    /// The outcome of the session.
    pub outcome: Outcome,
    /// The changes that follow from it, to be committed.
    pub pending: Vec<Change>,
    /// The EXECs whose result no answered package has carried.
    pub untold: Vec<Finished>,
    /// Whether alerts wait that the server has not heard of.
    pub alerts_left: bool,
    /// What the session has learnt of the alerts that the server takes.
    pub alert_bound: AlertBound,
    /// The server's time, in seconds since 1970, where an answer gave it.
    pub server_time: Option<u64>,
    /// The interfaces that its last answer came by: that of the socket, and those below it. None: not known.
    pub interfaces: Vec<String>,
    /// The commands that were executed, but for END.
    pub commands: Commands,
}

/// How many commands of a session were executed, and how many of them failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    /// The number of all commands.
    pub all: u32,
    /// The number of those whose status is that of a failure.
    pub failed: u32,
}

impl From<Outcome> for Ended {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            pending: Vec::new(),
            untold: Vec::new(),
            alerts_left: false,
            alert_bound: AlertBound::default(),
            server_time: None,
            interfaces: Vec::new(),
            commands: Commands::default(),
        }
    }
}

/// How long a server may take over a package: the TS sets no limit (TS 5.1.1). A connection that has died is noticed
/// sooner.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// The driver of a session under way.
struct Driver<'a> {
    session: &'a Session,
    connection: Connection,
    parameters: Parameters,
    facts: SessionFacts,
    /// The interfaces that carry it, which are as old as the facts.
    interfaces: Vec<String>,
    /// The socket whose bearer is in the facts: so long as it is the same, so is its bearer.
    seen_on: Option<SocketAddr>,
    execs: SessionExecs,
    alerts: OutgoingAlerts,
    /// The MOS list in the package on its way, where it is another one than before.
    mos_sent: Option<Vec<Moid>>,
    /// The report of the commands being executed.
    report: Report,
    /// The share of the package that is being made: what its GETs may bring.
    budget: Share,
    /// The allowance of the package being executed: what it may still cost.
    allowance: Allowance,
    /// Whether the last package went to an origin that is not the account's.
    is_abroad: bool,
    /// Why the package was not answered, where that is to be logged.
    unanswered: Option<String>,
    server_time: Option<u64>,
    commands: Commands,
    stopping: watch::Receiver<bool>,
}

/// The body of a package, sent without a copy: it may be large, and is kept for another try.
struct PackageBody(Arc<Encoded>);

impl AsRef<[u8]> for PackageBody {
    fn as_ref(&self) -> &[u8] {
        &self.0.body
    }
}

/// Why a session did not get as far as its first package.
#[derive(Debug, thiserror::Error)]
enum PrepareError {
    /// The tree does not say what the first package needs: the DevID, for one.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The account's TLS settings make no client.
    #[error(transparent)]
    Tls(#[from] TlsSettingsError),
    /// The account's `server-uri` leads nowhere on this device.
    #[error("server-uri: {0}")]
    ServerUri(#[from] ServerUriError),
}

impl From<PrepareError> for Ended {
    fn from(error: PrepareError) -> Self {
        let again = match error {
            PrepareError::Tree(_) | PrepareError::Store(_) => Again::Later,
            // It takes another account to mend these.
            PrepareError::Tls(_) | PrepareError::ServerUri(_) => Again::Never,
        };
        Outcome::Failed { failure: SessionFailure::NotBegun(error.to_string()), again }.into()
    }
}

impl Session {
    /// Runs the session to its end, or until the agent ends and no command is being executed.
    pub async fn run(&self, random: &mut dyn Random) -> Ended {
        let (ended, uri) = self.drive(random).await.unwrap_or_else(|error| (error.into(), String::new()));
        let (server_id, id) = (self.server_id(), self.id.as_str());
        match &ended.outcome {
            Outcome::Completed => log::info!(
                MESSAGE_ID = id::SESSION_ENDED, OMADM_SERVER_ID = server_id, OMADM_SESSION_ID = id;
                "{server_id}: session {id} ended well"
            ),
            outcome if outcome.is_stopped() => log::info!(
                OMADM_SERVER_ID = server_id, OMADM_SESSION_ID = id;
                "{server_id}: session {id} is broken off: the agent stops"
            ),
            Outcome::Failed { failure, .. } => {
                let mut why = failure.to_string();
                if let SessionFailure::Http(_)
                | SessionFailure::Moved { .. }
                | SessionFailure::RefusedAlerts { .. } = failure
                {
                    why = format!("{why} ({})", shown(&uri));
                }
                log::warn!(
                    MESSAGE_ID = id::SESSION_FAILED, OMADM_SERVER_ID = server_id, OMADM_SESSION_ID = id;
                    "{server_id}: session {id} failed: {why}"
                );
            }
        }
        ended
    }

    fn server_id(&self) -> &ServerId {
        &self.peer.account.server_id
    }

    /// Runs the session; also returns where the last package went.
    async fn drive(&self, random: &mut dyn Random) -> Result<(Ended, String), PrepareError> {
        let mut stopping = self.stopping.clone();
        let (mut driver, uri, package1) = tokio::select! {
            prepared = self.prepare() => prepared?,
            () = stopped(&mut stopping) => return Ok((STOPPED.into(), String::new())),
        };
        let settings = &self.agent_state.settings.session;
        let limits = SessionLimits {
            retries: settings.retries,
            packages: settings.max_packages,
            alerts: self.alert_bound.most,
            // Another one may be the first by now.
            refuses_first: self.alert_bound.refused.is_some()
                && self.alert_bound.refused == driver.alerts.first(),
        };
        let profile = self.peer.account.profile;
        let (mut machine, mut action) = SessionMachine::start(profile, limits, random.next(), uri, package1);
        // From a Package#2 until its commands are executed: what it says may be what ends the agent.
        let mut risk = None;
        let mut yielder = Yielder::default();
        let outcome = loop {
            yielder.pause().await;
            self.tell_wait(&action, &machine);
            let performed = match action {
                // What the server has heard it has heard, and what is over is over.
                Action::Deliver { .. } | Action::Finish(_) => driver.perform(action).await,
                // The server has ended it: nothing is left to wait for.
                Action::Execute { ref command, .. } if command.verb == Verb::End => {
                    driver.perform(action).await
                }
                _ if *stopping.borrow() => break STOPPED,
                // A change that has begun is not broken off: it is made whole or not at all. What such a command does
                // before is its own to break off.
                Action::Execute { ref command, .. } if command::may_change(&command.verb) => {
                    driver.perform(action).await
                }
                other => tokio::select! {
                    performed = driver.perform(other) => performed,
                    () = stopped(&mut stopping) => break STOPPED,
                },
            };
            let event = match performed {
                ControlFlow::Continue(event) => event,
                ControlFlow::Break(outcome) => break outcome,
            };
            if let Event::Answered(PackageAnswer { status: 200..300, body, .. }) = &event
                && !body.is_empty()
            {
                risk = Some(
                    self.agent_state.crash_guard.begin(&risk_of_session(&self.request.destination())).await,
                );
            }
            let is_answer = matches!(event, Event::Answered(_));
            action = machine.handle(event, random.next_u32());
            driver.say_unanswered(&action, machine.attempts());
            match action {
                Action::Post { .. } | Action::Wait(_) => risk = None,
                // It took the package.
                _ if is_answer => driver.begin_package(),
                _ => {}
            }
        };
        drop(risk);
        Ok((driver.close(outcome, machine.alert_bound()), machine.uri().to_owned()))
    }

    /// Prepares the driver, the address of the session, and its Package#1.
    async fn prepare(&self) -> Result<(Driver<'_>, String, Package1), PrepareError> {
        let Self { agent_state, peer, .. } = self;
        let account = &peer.account;
        self.progress.waits(format_args!("what the first package says of the device"));
        let principal = Principal { account, session: SessionFacts::default() };
        let parameters = Parameters::of(&agent_state.tree, &agent_state.settings, &principal).await?;
        let client = peer.client(&parameters)?;
        let uri = match &self.request.at {
            Some(uri) => uri.clone(),
            None => parameters.expand(&account.server_uri)?.to_string(),
        };
        let mut alerts = OutgoingAlerts::new(self.request.destination());
        let mos = self.request.trigger.req_mos.then(|| agent_state.tree.supported(&principal));
        let mos = mos.transpose()?;
        let mos_before = agent_state.store.snapshot()?.mos_sent(&account.server_id)?;
        let asked = &self.request.trigger.requested;
        let bus = &agent_state.tree.machine().bus;
        let mut connection =
            client.connection(self.binding.clone()).with_names(Resolved::new(Arc::clone(bus)));
        connection.follow(&self.progress);
        self.progress.waits(format_args!(""));
        // What carries the session is seen by its socket. Without one, the first package will tell why there is none.
        let (facts, interfaces) = match uri.parse() {
            Ok(uri)
                if requested::is_of_session(&mos_before, asked) && connection.open_to(&uri).await.is_ok() =>
            {
                facts(&connection, &parameters, bus).await
            }
            _ => Default::default(),
        };
        let seen_on = facts.bearer.and(connection.local_address());
        let principal = Principal { account, session: facts };
        let requested = requested::answer(&agent_state.tree, &principal, &mos_before, asked).await?;
        // An index of a later notification counts in this list, once the server has it.
        let moids = mos.as_ref().map(|mos| mos.iter().map(|mo| mo.moid.clone()).collect::<Vec<_>>());
        let package1 = Package1 {
            mos,
            alerts: alerts.gather(&agent_state.store, self.alert_bound.most)?,
            requested,
            reasons: self.reasons()?,
        };
        let driver = Driver {
            session: self,
            connection,
            parameters,
            facts,
            interfaces,
            seen_on,
            execs: SessionExecs::new(Arc::clone(&agent_state.store), self.exec_slots.clone()),
            alerts,
            mos_sent: moids.filter(|moids| *moids != mos_before),
            report: Report::default(),
            budget: self.budget.share(agent_state.settings.session.max_data),
            allowance: Allowance::default(),
            is_abroad: false,
            unanswered: None,
            server_time: None,
            commands: Commands::default(),
            stopping: self.stopping.clone(),
        };
        Ok((driver, uri, package1))
    }

    /// Notes what the action will wait for.
    fn tell_wait(&self, action: &Action, machine: &SessionMachine) {
        let progress = &self.progress;
        let (failed, most) = machine.attempts();
        match action {
            Action::Post { .. } => {
                let (package, attempt) = (machine.sent(), failed + 1);
                progress.waits(format_args!(
                    "the server's answer to package {package}, attempt {attempt} of {most}, {} min at the most",
                    PATIENCE.as_secs() / 60
                ));
            }
            Action::Wait(_) => progress.waits(format_args!("the next attempt, {} of {most}", failed + 1)),
            Action::Execute { command, .. } => {
                progress.waits(format_args!("the end of {}", shown_command(command)));
            }
            Action::Deliver { .. } | Action::Gather { .. } | Action::Finish(_) => {}
        }
    }

    /// The reasons why the session is held. Of a bootstrap the server hears in the first session, also where a
    /// notification was faster than the device.
    fn reasons(&self) -> Result<Vec<Reason>, StoreError> {
        let SessionRequest { cause, at, trigger } = &self.request;
        let new = at.is_none() && self.agent_state.store.snapshot()?.contact(&trigger.server_id)?.is_none();
        Ok(match cause {
            cause if cause.is_notification() && new && self.peer.account.schedule.first_contact => {
                vec![Reason::Server(trigger.notification_id), Reason::Bootstrap]
            }
            cause if cause.is_notification() => vec![Reason::Server(trigger.notification_id)],
            _ if new => vec![Reason::Bootstrap],
            _ => vec![Reason::Client],
        })
    }
}

const STOPPED: Outcome = Outcome::Failed { failure: SessionFailure::Stopped, again: Again::Never };

impl Driver<'_> {
    /// Performs an action, and returns what came of it, or how the session ended.
    async fn perform(&mut self, action: Action) -> ControlFlow<Outcome, Event> {
        ControlFlow::Continue(match action {
            Action::Post { uri, package } => self.post(&uri, package).await,
            Action::Execute { command, accept_mo, position, leads_to } => {
                if position == 1 {
                    self.facts.abroad = self.is_abroad || self.leads_abroad(&leads_to);
                }
                // An EXEC takes it along in its own commit, and after END comes the session's.
                if !matches!(command.verb, Verb::Exec | Verb::End) {
                    self.execs.commit_pending().await;
                }
                let mut context = CommandContext {
                    settings: &self.session.agent_state.settings,
                    tree: &self.session.agent_state.tree,
                    store: &self.session.agent_state.store,
                    session_id: &self.session.id,
                    principal: Principal { account: &self.session.peer.account, session: self.facts },
                    connection: &mut self.connection,
                    parameters: &self.parameters,
                    accept_mo: accept_mo.as_deref(),
                    budget: &mut self.budget,
                    execs: &mut self.execs,
                    allowance: &mut self.allowance,
                    stopping: self.stopping.clone(),
                };
                let done = command::execute(&command, &mut context, &mut self.report).await;
                let status = done.status.code;
                if command.verb != Verb::End {
                    self.commands.all += 1;
                    self.commands.failed += u32::from(status >= 400);
                }
                let why = self.report.take_why().map_or_else(String::new, |why| format!(": {why}"));
                let told = shown_command(&command);
                self.session.progress.tell("command", format_args!("{told}: {status}{why}"));
                Event::Executed(done)
            }
            Action::Deliver { results, carried, undeliverable } => {
                self.execs.told(self.alerts.answered(&results, carried, undeliverable));
                Event::Delivered
            }
            Action::Gather { most } => {
                self.finish_report();
                // What the package says of an EXEC is on disk before anybody hears it.
                self.execs.commit_pending().await;
                Event::Gathered(self.alerts.gather(&self.session.agent_state.store, most).unwrap_or_else(
                    |error| {
                        log::error!(
                            "{}: queued alerts can't be read from the store, and are not sent: {error}",
                            self.session.server_id()
                        );
                        Vec::new()
                    },
                ))
            }
            Action::Wait(time) => {
                waking::sleep(time).await;
                Event::Waited
            }
            Action::Finish(outcome) => return ControlFlow::Break(outcome),
        })
    }

    /// Posts a package (TS 5.2.2, 5.2.4).
    async fn post(&mut self, uri: &str, package: Arc<Encoded>) -> Event {
        let to = uri;
        let undelivered = |why: String, remedy| Event::Undelivered { why, remedy };
        let Ok(uri) = uri.parse() else {
            return undelivered("the URI is malformed".to_owned(), Remedy::None);
        };
        let mut request = Request { role: PeerRole::Server, ..Request::new(Method::POST, uri) };
        request.headers.push((ACCEPT, HeaderValue::from_static(package::REQUEST)));
        let values = [
            (CONTENT_TYPE, package.content_type.as_str()),
            (HeaderName::from_static("omadm-devid"), self.parameters.dev_id()),
        ];
        for (name, value) in values {
            match HeaderValue::try_from(value) {
                Ok(value) => request.headers.push((name, value)),
                Err(_) => return undelivered(format!("{name} can't be a header"), Remedy::None),
            }
        }
        request.body = Bytes::from_owner(PackageBody(package));
        request.max_body = self.session.agent_state.settings.session.max_package;
        request.idle = PATIENCE;
        // It is the same package again: no server has two answers to it, and no command comes of it twice.
        request.repeatable = true;
        // Whoever is told of an EXEC's end, and is not the account's, has nothing to command.
        self.is_abroad =
            self.connection.admit(&request.uri).is_ok_and(|standing| standing == Standing::Foreign);
        let deaf = self.session.request.at.is_some() && self.is_abroad;
        let (progress, size) = (&self.session.progress, request.body.len());
        match self.connection.send(&request).await {
            Ok(response) => {
                let (status, answer) = (response.status, response.body.len());
                let retry_after = retry_after(&response.headers, SystemTime::now());
                let pause = retry_after.map_or_else(String::new, |pause| {
                    format!(": it asks for a pause of {} s (Retry-After)", pause.as_secs())
                });
                progress.tell(
                    "package",
                    format_args!(
                        "{size} bytes sent, answered with HTTP status {status}, {answer} bytes{pause}"
                    ),
                );
                let socket = self.connection.local_address();
                if socket.is_none() || socket != self.seen_on {
                    let bus = &self.session.agent_state.tree.machine().bus;
                    (self.facts, self.interfaces) = facts(&self.connection, &self.parameters, bus).await;
                    self.seen_on = socket;
                }
                // Nobody listens to what a deaf one is told. To everybody else an empty 200 is no answer.
                let status = match response.status {
                    200..300 if deaf => 204,
                    status => status,
                };
                let is_answer = match status {
                    status if is_temporary(status) => false,
                    200..300 => status == 204 || !response.body.is_empty(),
                    _ => true,
                };
                match is_answer {
                    true => self.is_answered(),
                    false => self.not_answered(format!("HTTP status {status} ({})", shown(to))),
                }
                if is_answer && (200..300).contains(&status) {
                    self.server_time = server_time(&response.headers).or(self.server_time);
                    self.remember_mos().await;
                }
                Event::Answered(PackageAnswer {
                    status,
                    content_type: response
                        .headers
                        .get(CONTENT_TYPE)
                        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
                    retry_after,
                    location: location(&response.headers),
                    body: if deaf { Vec::new() } else { response.body.to_vec() },
                })
            }
            Err(error) => {
                let remedy = error.remedy();
                progress.tell("package", format_args!("not answered: {error}"));
                self.not_answered(error.to_string());
                if remedy == Remedy::Retry {
                    self.choose_again().await;
                }
                undelivered(error.to_string(), remedy)
            }
        }
    }

    /// Looks for another link, as what the session is bound to may be down: its next attempt goes over the best that is
    /// up of those that the notification prefers. Where none is, it stays with the one it has.
    async fn choose_again(&mut self) {
        let Binding::Interface(bound) = self.connection.binding().clone() else { return };
        let bus = &self.session.agent_state.tree.machine().bus;
        let binding = match connectivity::choose(&self.session.request.trigger.preferred, bus).await {
            Choice::Bound(id) => Binding::Interface(id.name),
            Choice::Any => Binding::Any,
            Choice::Wait | Choice::Unknown => return,
        };
        if binding != Binding::Interface(bound.clone()) {
            let server_id = self.session.server_id();
            let next = match &binding {
                Binding::Interface(name) => name.as_str(),
                Binding::Any => "whatever link is up",
            };
            log::info!(
                OMADM_SERVER_ID = server_id, OMADM_SESSION_ID = self.session.id.as_str();
                "{server_id}: the link {bound} is down: the session goes on over {next}"
            );
            self.connection.rebind(binding);
        }
    }

    /// Begins the next package, as the one before was answered, and is not kept any more: it has all the room, and
    /// time.
    fn begin_package(&mut self) {
        self.budget = self.session.budget.share(self.session.agent_state.settings.session.max_data);
        self.allowance = Allowance::default();
    }

    /// Notes why a package was not answered, which is logged once, until a package is answered again.
    fn not_answered(&mut self, why: String) {
        self.unanswered = self.session.outage.failed(waking::now()).then_some(why);
    }

    /// Says that a package was not answered, where it is sent again: to whoever follows the session each time, and once
    /// in the journal. Else the session ends, and says why.
    fn say_unanswered(&mut self, action: &Action, (attempt, most): (u32, u32)) {
        let Action::Wait(time) = action else { return drop(self.unanswered.take()) };
        let seconds = time.as_millis().div_ceil(1000);
        self.session
            .progress
            .tell("again", format_args!("attempt {attempt} of {most} failed, the next in {seconds} s"));
        let Some(why) = self.unanswered.take() else { return };
        let server_id = self.session.server_id();
        log::warn!(
            OMADM_SERVER_ID = server_id, OMADM_SESSION_ID = self.session.id.as_str();
            "{server_id}: package not answered: {why}; attempt {attempt} of {most}, the next in {seconds} s"
        );
    }

    fn is_answered(&self) {
        if let Some((failures, time)) = self.session.outage.answered(waking::now()) {
            let server_id = self.session.server_id();
            log::info!(
                OMADM_SERVER_ID = server_id, OMADM_SESSION_ID = self.session.id.as_str();
                "{server_id}: reachable again after {failures} failure{}, {} s",
                if failures == 1 { "" } else { "s" }, time.as_secs()
            );
        }
    }

    /// Whether one of these ServerURIs is of an origin that is not the account's.
    fn leads_abroad(&self, uris: &[String]) -> bool {
        uris.iter().any(|uri| {
            self.parameters.expand(uri).is_ok_and(|uri| {
                self.connection.admit(&uri).is_ok_and(|standing| standing == Standing::Foreign)
            })
        })
    }

    /// Ends the report of a package whose commands were all executed, or no more of them will be.
    fn finish_report(&mut self) {
        let whose = Whose { server_id: self.session.server_id(), session_id: &self.session.id };
        self.report.finish(whose);
    }

    /// Remembers the MOS list that the server has, in which indices count from now on.
    async fn remember_mos(&mut self) {
        let Some(moids) = self.mos_sent.take() else { return };
        let server_id = self.session.server_id().clone();
        let store = &self.session.agent_state.store;
        if let Err(error) = store.commit(vec![Change::MosSent(server_id, moids)]).await {
            log::error!(
                "{}: the MOS list that was sent could not be stored: {error}; Requested-MO-CV goes by the one before",
                self.session.server_id()
            );
        }
    }

    /// Closes the session. Where the server wants no results of what it commanded last, END among it, there is nothing
    /// to tell.
    fn close(mut self, outcome: Outcome, (most, refused_alone): (usize, bool)) -> Ended {
        self.finish_report();
        drop(self.connection);
        let Session { agent_state, peer, exec_slots, .. } = self.session;
        if outcome == Outcome::Completed {
            self.execs.told(None);
        }
        // What waited for the end of the session keeps nobody waiting. Where the agent ends as well, it waits on.
        let waiting = self.execs.take_waiting();
        if !waiting.is_empty() && outcome != STOPPED {
            let after = AfterSession {
                agent_state: Arc::clone(agent_state),
                account: Arc::clone(&peer.account),
                session: self.facts,
                exec_slots: exec_slots.clone(),
                stopping: self.stopping,
            };
            base::spawn(after.run(waiting));
        }
        let alerts_left = self.alerts.are_left(&agent_state.store).unwrap_or_default();
        // What the draft's servers take is tried anew in each session; and so where all that waited was taken.
        let is_learnt =
            peer.account.profile == Profile::Approved && (outcome != Outcome::Completed || alerts_left);
        let refused = if refused_alone { self.alerts.first() } else { None };
        let alert_bound = if is_learnt { AlertBound { most, refused } } else { AlertBound::default() };
        let (mut pending, untold) = self.execs.close();
        pending.extend(self.alerts.rest());
        let (server_time, interfaces, commands) = (self.server_time, self.interfaces, self.commands);
        Ended { outcome, pending, untold, alerts_left, alert_bound, server_time, interfaces, commands }
    }
}

/// A command, as people are told of it: its verb, and its first parameter.
fn shown_command(command: &Command) -> String {
    let first = command.parameters.iter().flatten().next().map_or("", String::as_str);
    let space = if first.is_empty() { "" } else { " " };
    format!("{}{space}{first}", command.verb.name())
}

/// The facts of the session, and the interfaces that carry it: its bearer is that of the socket in use.
async fn facts(connection: &Connection, parameters: &Parameters, bus: &Bus) -> (SessionFacts, Vec<String>) {
    let Some(address) = connection.local_address() else { return Default::default() };
    let Carrier { link, interfaces } = connectivity::carrying(address.ip(), bus).await;
    // The modem's own word, else that of `[subscriber]`.
    let roaming = link.roaming.or_else(|| parameters.roams());
    let roaming = roaming.filter(|_| link.kind == Some(ConnectionType::Mobile));
    (SessionFacts { bearer: link.kind, roaming, ..SessionFacts::default() }, interfaces)
}

/// The name by which the crash guard knows the risky part of a session with this destination.
#[must_use]
pub fn risk_of_session(destination: &Destination) -> String {
    format!("session {}", destination.key())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_without_a_name_may_get_one_and_a_server_uri_stays_as_it_is() {
        let nameless = TreeError::Unavailable { node: "urn:x//DevID".into(), why: "no identifier".into() };
        let outcome = |error: PrepareError| Ended::from(error).outcome;
        let failed =
            |why: &str, again| Outcome::Failed { failure: SessionFailure::NotBegun(why.to_owned()), again };
        assert_eq!(
            outcome(nameless.into()),
            failed("urn:x//DevID: unavailable: no identifier", Again::Later)
        );
        let why = "server-uri: ServerURI is too long";
        assert_eq!(outcome(ServerUriError::TooLong.into()), failed(why, Again::Never));
    }
}
