//! `omadmctl session start SERVER`: a session, followed stage by stage.

use std::future::poll_fn;
use std::io::{self, Write};
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream as _;
use serde_json::{Value as Json, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use zbus::{Message, MessageStream};

use super::agent::told;
use super::client::{AskError, Client, values};
use super::hint;
use super::status;
use super::table::{Paper, Tone};
use super::terminal::{self, Terminal};

/// How long nothing may be heard until it is looked why.
const QUIET: Duration = Duration::from_secs(3);
/// The longest time without a word of what is still waited for.
const OFTEN: Duration = Duration::from_secs(30);

/// The stage of a session that is to be tried again.
const AGAIN: &str = "again";

/// What is heard of a session.
enum Heard {
    /// It has reached a stage: the session's id, the stage, what is said of it.
    Stage(String, String, String),
    /// It is over: the session's id, and how it ended.
    Ended(String, String),
}

/// A session that is followed.
struct Follower<'a, O, E> {
    client: &'a Client,
    server: &'a str,
    as_json: bool,
    paper: Paper,
    terminal: &'a mut Terminal<O, E>,
    /// The agent's name on the bus in the life that was asked for the session.
    owner: Option<String>,
    /// The ids of sessions that ran before.
    others: Vec<String>,
    /// The id of the session, once it has begun.
    id: String,
    /// How often in a row the agent knew nothing of it.
    misses: u8,
    /// The stage that was reached last.
    stage: String,
    has_said_why: bool,
    /// The session that ran before, whose end is waited for, if one did.
    before: Option<String>,
    /// That the account is used as it was, and why, if so.
    stale: Option<String>,
    /// How many seconds something has to be waited for until that is told, again.
    patience: u64,
}

/// Starts a session, and follows it to its end; returns whether it was completed.
pub(super) fn start<O: Write, E: Write>(
    server: &str,
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    let client = match Client::connect() {
        Ok(client) => client,
        Err(error) => return told(&error, as_json, terminal),
    };
    let mut follower = Follower {
        client: &client,
        server,
        as_json,
        paper: Paper::stdout(),
        terminal,
        owner: None,
        others: Vec::new(),
        id: String::new(),
        misses: 0,
        stage: String::new(),
        has_said_why: false,
        before: None,
        stale: None,
        patience: 0,
    };
    client.runtime.block_on(follower.follow())
}

/// Tests the way to an account's server; returns whether it answers.
pub(super) fn test<O: Write, E: Write>(
    server: &str,
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    let tested = Client::connect().and_then(|client| client.json("TestAccount", "s", json!([server])));
    let tested = match tested {
        Ok(tested) => tested,
        Err(error) => return told(&error, as_json, terminal),
    };
    let why = tested.get("why").and_then(Json::as_str);
    let hint = why.and_then(hint::of_failure);
    if as_json {
        let mut members = tested.clone();
        if let (Some(members), Some(hint)) = (members.as_object_mut(), hint) {
            members.insert("lookAt".to_owned(), hint.into());
        }
        return terminal.answer(why.is_none(), members);
    }
    let (paper, out) = (Paper::stdout(), &mut terminal.out);
    if let Some(stale) = status::stale(&tested) {
        paper.line(out, "account", &stale, Tone::Bad)?;
    }
    for stage in tested.get("stages").and_then(Json::as_array).into_iter().flatten() {
        let text = |name: &str| stage.get(name).and_then(Json::as_str).unwrap_or_default();
        paper.line(out, text("stage"), text("what"), Tone::Plain)?;
    }
    match why {
        None => paper.line(out, "end", "the server answers", Tone::Good)?,
        Some(why) => paper.line(out, "end", why, Tone::Bad)?,
    }
    if let Some(hint) = hint {
        paper.line(out, "look at", &hint, Tone::Plain)?;
    }
    out.flush()?;
    Ok(why.is_none())
}

impl<O: Write, E: Write> Follower<'_, O, E> {
    async fn follow(&mut self) -> io::Result<bool> {
        let mut signals = match self.begin().await {
            Ok(signals) => signals,
            Err(error) => return told(&error, self.as_json, self.terminal),
        };
        // Without a hand on it, an interrupt ends this as it would any program.
        let Ok(mut interrupts) = signal(SignalKind::interrupt()) else {
            return self.until_the_end(&mut signals).await;
        };
        tokio::select! {
            ended = self.until_the_end(&mut signals) => ended,
            _ = interrupts.recv() => {
                let server = self.server;
                let why = format!(
                    "interrupted: the session is held all the same: `omadmctl session list` says whether it runs, \
                     `omadmctl status {server}` how it ended"
                );
                self.terminal.fail("Interrupted", &why, self.as_json)
            }
        }
    }

    /// Follows the session that was asked for to its end.
    async fn until_the_end(&mut self, signals: &mut MessageStream) -> io::Result<bool> {
        if let Some(stale) = self.stale.take() {
            self.say("account", &stale, Tone::Bad)?;
        }
        if let Some(before) = self.before.take() {
            self.has_said_why = true;
            self.say("waits for", &before, Tone::Plain)?;
        }
        loop {
            let next = poll_fn(|context| Pin::new(&mut *signals).poll_next(context));
            match timeout(QUIET, next).await {
                Ok(Some(Ok(message))) => {
                    if let Some(outcome) = self.heard(&message)? {
                        return self.end(&outcome).await;
                    }
                }
                Ok(_) => return told(&AskError::NoAgent, self.as_json, self.terminal),
                // The agent may be gone, or the session not have begun.
                Err(_) => {
                    if let Err(error) = self.look().await? {
                        return told(&error, self.as_json, self.terminal);
                    }
                }
            }
        }
    }

    /// Asks for the session, after its signals.
    async fn begin(&mut self) -> Result<MessageStream, AskError> {
        let signals = self.client.signals(Some(self.server)).await?;
        self.owner = self.client.owner().await;
        let status = self.status().await?;
        self.others = ids(&status);
        self.before = status::in_the_way(&status, self.server).map(|(_, what)| what);
        self.stale = account(&status, self.server).and_then(status::stale);
        self.client.call("StartSession", "s", json!([self.server])).await?;
        Ok(signals)
    }

    async fn status(&self) -> Result<Json, AskError> {
        let answer = self.client.call("Status", "", json!([])).await?;
        let text = answer.first().and_then(Json::as_str).unwrap_or_default();
        Ok(serde_json::from_str(text).unwrap_or_default())
    }

    /// Takes a signal; returns how the session ended, when it is over.
    fn heard(&mut self, message: &Message) -> io::Result<Option<String>> {
        match of_signal(message) {
            Some(Heard::Stage(id, ..) | Heard::Ended(id, _)) if self.others.contains(&id) => Ok(None),
            Some(Heard::Stage(id, stage, what)) => {
                (self.id, self.patience) = (id, 0);
                self.say(&stage, &what, Tone::Plain)?;
                if let Some(hint) = hint::of_command(&what) {
                    self.say("look at", &hint, Tone::Plain)?;
                }
                self.stage = stage;
                Ok(None)
            }
            // Another one may have been running.
            Some(Heard::Ended(id, outcome)) if id == self.id => Ok(Some(outcome)),
            _ => Ok(None),
        }
    }

    /// Says how the session ended, and how many of its commands failed; returns whether it was completed.
    async fn end(&mut self, outcome: &str) -> io::Result<bool> {
        let is_well = outcome == "completed";
        let hint = hint::of_failure(outcome).filter(|_| !is_well);
        // Who does not say it, has said what matters.
        let status = self.status().await.unwrap_or_default();
        let known = account(&status, self.server).unwrap_or(&Json::Null);
        if self.as_json {
            let Self { server, id, .. } = self;
            let (all, failed) = (known.get("lastCommands"), known.get("lastCommandsFailed"));
            let mut end = json!({
                "server": server, "session": id, "stage": "end", "what": outcome, "lookAt": hint,
                "commands": all, "commandsFailed": failed,
            });
            let (Some(members), false) = (end.as_object_mut(), is_well) else {
                return self.terminal.answer(is_well, end);
            };
            for name in ["nextTry", "nextCause", "waitsFor"] {
                members.insert(name.to_owned(), known.get(name).cloned().unwrap_or_default());
            }
            return self.terminal.answer(is_well, end);
        }
        let failed = status::failed_commands(known);
        let tone = match (is_well, &failed) {
            (true, None) => Tone::Good,
            (true, Some(_)) => Tone::Plain,
            (false, _) => Tone::Bad,
        };
        self.say("end", &format!("{outcome}{}", failed.unwrap_or_default()), tone)?;
        if let Some(hint) = hint {
            self.say("look at", &hint, Tone::Plain)?;
        }
        if !is_well && known.is_object() {
            let next = status::next(self.server, known, status::now());
            self.say("next", &next, Tone::Plain)?;
        }
        Ok(is_well)
    }

    /// Looks what a session waits for that has not begun, and says so once; and what one waits for that has begun, after
    /// longer and longer times, half a minute at the most. One that the agent no longer knows has ended, though nothing was
    /// heard of that.
    async fn look(&mut self) -> io::Result<Result<(), AskError>> {
        if self.client.owner().await.is_some_and(|owner| self.owner.as_ref() != Some(&owner)) {
            return Ok(Err(gone("the agent was started anew, and the session is not known any more")));
        }
        let status = match self.status().await {
            Ok(status) => status,
            Err(error) => return Ok(Err(error)),
        };
        let account = account(&status, self.server);
        // Between two attempts none runs.
        let is_awaited = self.id.is_empty() || self.stage == AGAIN;
        let is_known = if is_awaited { account.is_some() } else { ids(&status).contains(&self.id) };
        // Its end may be on its way here.
        self.misses = if is_known { 0 } else { self.misses.saturating_add(1) };
        if self.misses > 1 {
            let why = match account {
                None => "there is no account any more with this server id",
                Some(_) => "the session is over, and how it ended was not heard: `omadmctl status` says it",
            };
            return Ok(Err(gone(why)));
        }
        let waits = account.and_then(|account| account.get("waitsFor"));
        if let Some(waits) = waits.and_then(Json::as_str).filter(|_| self.id.is_empty() && !self.has_said_why)
        {
            self.has_said_why = true;
            let before = status::in_the_way(&status, self.server).filter(|(id, _)| self.others.contains(id));
            self.say("waits for", before.as_ref().map_or(waits, |(_, before)| before), Tone::Plain)?;
        }
        let session = sessions(&status).find(|session| session.get("id").is_some_and(|id| *id == *self.id));
        // When it is tried again was told.
        if let Some((what, seconds)) = session.and_then(status::waits).filter(|_| self.stage != AGAIN)
            && seconds >= self.patience
        {
            self.patience = (2 * seconds).min(seconds + OFTEN.as_secs()).max(QUIET.as_secs());
            self.say("waits for", &format!("{what}, for {seconds} s"), Tone::Plain)?;
        }
        Ok(Ok(()))
    }

    fn say(&mut self, stage: &str, what: &str, tone: Tone) -> io::Result<()> {
        if self.as_json {
            let Self { server, id, .. } = self;
            let said = json!({ "version": 1, "server": server, "session": id, "stage": stage, "what": what });
            writeln!(self.terminal.out, "{}", terminal::line(&said))?;
        } else {
            self.paper.line(&mut self.terminal.out, stage, what, tone)?;
        }
        self.terminal.out.flush()
    }
}

/// The sessions that run.
fn sessions(status: &Json) -> impl Iterator<Item = &Json> {
    status.get("sessions").and_then(Json::as_array).into_iter().flatten()
}

/// The ids of the sessions that run.
fn ids(status: &Json) -> Vec<String> {
    sessions(status).filter_map(|session| session.get("id")?.as_str().map(str::to_owned)).collect()
}

/// What is known of a server.
fn account<'s>(status: &'s Json, server: &str) -> Option<&'s Json> {
    status.get("servers")?.get(server)
}

fn gone(why: &str) -> AskError {
    AskError::Refused { name: "SessionGone".to_owned(), why: why.to_owned() }
}

fn of_signal(message: &Message) -> Option<Heard> {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let header = message.header();
    match (header.member()?.as_str(), values(message).as_slice()) {
        ("SessionProgress", [_, id, stage, what]) => Some(Heard::Stage(text(id), text(stage), text(what))),
        ("SessionEnded", [_, id, outcome]) => Some(Heard::Ended(text(id), text(outcome))),
        _ => None,
    }
}
