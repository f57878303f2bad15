//! The agent, asked by D-Bus.

use std::time::Duration;

use serde_json::Value as Json;
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};
use zbus::message::Type;
use zbus::wire::Structure;
use zbus::{Connection, MatchRule, Message, MessageStream};

use crate::backend::bus::{self, to_json};
use crate::service::{AGENT, NAME, PATH, Values};

/// The bus itself, as a service.
const BUS: &str = "org.freedesktop.DBus";
/// The interface that every D-Bus object has, to be asked whether it is there.
const PEER: &str = "org.freedesktop.DBus.Peer";

/// How long the bus may take to be connected to, or to let somebody hear signals.
const CONNECTING: Duration = Duration::from_secs(10);
/// How long the agent may take to answer.
const ANSWERING: Duration = Duration::from_secs(80);
/// How long an answer is waited for until the agent is asked whether it is there, and again after each time.
const PULSE: Duration = Duration::from_secs(5);
/// How long the agent may take to say that it is there: it does so whatever else it does, unless it hangs.
const BEATING: Duration = Duration::from_secs(10);
/// How long it may take to answer that a change is made: programs make it.
const CHANGING: Duration = Duration::from_secs(600);

/// Why the agent did not answer, or did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// There is no bus.
    #[error("there is no message bus to ask the agent by ({0}): `systemctl status dbus`")]
    NoBus(String),
    /// Nobody has the agent's name.
    #[error("the agent does not run, or is not on the message bus: `systemctl status omadmd`")]
    NoAgent,
    /// The bus lets the caller ask for nothing.
    #[error(
        "the message bus lets only root and members of {0} ask that: use `sudo`, or `sudo usermod -aG omadm-admin $USER` and \
         log in again"
    )]
    Denied(&'static str),
    /// The agent does not answer.
    #[error("the agent does not answer: `systemctl status omadmd`, `journalctl -u omadmd`")]
    Late,
    /// The agent refuses, with this error.
    #[error("{why}")]
    Refused {
        /// The last part of the error's name.
        name: String,
        /// What the agent says.
        why: String,
    },
}

impl AskError {
    /// The name of the error for programs.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::NoBus(_) => "NoBus",
            Self::NoAgent => "NoAgent",
            Self::Denied(_) => "AccessDenied",
            Self::Late => "Late",
            Self::Refused { name, .. } => name,
        }
    }
}

/// The agent, and the connection to ask it by.
pub(super) struct Client {
    pub(super) runtime: Runtime,
    pub(super) connection: Connection,
}

impl Client {
    /// Connects to the system's bus.
    ///
    /// # Errors
    /// [`AskError::NoBus`]
    pub(super) fn connect() -> Result<Self, AskError> {
        let no_bus = |why: String| AskError::NoBus(why);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| no_bus(error.to_string()))?;
        let connected = runtime.block_on(async { timeout(CONNECTING, bus::builder("system").build()).await });
        let connection = match connected {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(no_bus(error.to_string())),
            Err(_) => return Err(no_bus("it does not answer".to_owned())),
        };
        Ok(Self { runtime, connection })
    }

    /// Calls a method of the agent's with arguments of these types; returns what it answers.
    ///
    /// # Errors
    /// [`AskError`]
    pub(super) fn ask(
        &self,
        method: &str,
        kinds: &'static str,
        arguments: Json,
    ) -> Result<Vec<Json>, AskError> {
        self.runtime.block_on(self.call(method, kinds, arguments))
    }

    /// Calls a method that answers with JSON.
    ///
    /// # Errors
    /// [`AskError`]
    pub(super) fn json(&self, method: &str, kinds: &'static str, arguments: Json) -> Result<Json, AskError> {
        let answer = self.ask(method, kinds, arguments)?;
        let text = answer.first().and_then(Json::as_str).unwrap_or_default();
        let odd =
            |error: serde_json::Error| AskError::Refused { name: "Odd".to_owned(), why: error.to_string() };
        serde_json::from_str(text).map_err(odd)
    }

    /// The agent's signals from now on; with `about`, those that begin with it.
    ///
    /// # Errors
    /// [`AskError::NoBus`]
    pub(super) async fn signals(&self, about: Option<&str>) -> Result<MessageStream, AskError> {
        let listening = async {
            let mut rule = MatchRule::builder().msg_type(Type::Signal).sender(NAME).interface(AGENT);
            if let Some(about) = about {
                rule = rule.add_arg(about);
            }
            MessageStream::for_match_rule(rule.build()?.into_owned(), &self.connection, None).await
        };
        let listening = timeout(CONNECTING, listening).await;
        let listening = listening.map_err(|_| AskError::NoBus("it does not answer".to_owned()))?;
        listening.map_err(|error: zbus::Error| AskError::NoBus(error.to_string()))
    }

    /// The bus's own name for the agent, another one after each of its starts; none: it is not there.
    pub(super) async fn owner(&self) -> Option<String> {
        let asked = self.connection.call_method(Some(BUS), "/", Some(BUS), "GetNameOwner", &NAME);
        timeout(CONNECTING, asked).await.ok()?.ok()?.body().deserialize().ok()
    }

    /// Returns when the agent, or the bus, no longer says that it is there.
    async fn silence(&self) {
        loop {
            sleep(PULSE).await;
            let ping = self.connection.call_method(Some(NAME), PATH, Some(PEER), "Ping", &());
            // An error is an answer as well: what it means, the call itself hears.
            if timeout(BEATING, ping).await.is_err() {
                return;
            }
        }
    }

    /// Calls a method as [`Client::ask`] does.
    pub(super) async fn call(
        &self,
        method: &str,
        kinds: &'static str,
        arguments: Json,
    ) -> Result<Vec<Json>, AskError> {
        let Self { connection, .. } = self;
        let body = Values::Of(kinds, arguments).body();
        let call = async {
            match &body {
                Some(body) => connection.call_method(Some(NAME), PATH, Some(AGENT), method, body).await,
                None => connection.call_method(Some(NAME), PATH, Some(AGENT), method, &()).await,
            }
        };
        let patience = if matches!(method, "Set" | "Exec") { CHANGING } else { ANSWERING };
        let call = async {
            tokio::select! {
                answer = call => Some(answer),
                () = self.silence() => None,
            }
        };
        match timeout(patience, call).await.ok().flatten() {
            Some(Ok(reply)) => Ok(values(&reply)),
            Some(Err(error)) => Err(match refused(&error) {
                AskError::Denied(_) if matches!(method, "RaiseAlert" | "RequestConfiguration") => {
                    AskError::Denied("the groups omadm-admin and omadm-app")
                }
                error => error,
            }),
            None => Err(AskError::Late),
        }
    }
}

/// Why a node has no value, without its own name before it.
pub(super) fn reason<'a>(uri: &str, why: &'a str) -> &'a str {
    why.strip_prefix(uri).and_then(|why| why.strip_prefix(": ")).unwrap_or(why)
}

/// The values of a message.
pub(super) fn values(message: &Message) -> Vec<Json> {
    let body = message.body();
    let values: zbus::Result<Structure<'_>> = body.deserialize();
    values.map(|values| values.fields().iter().map(to_json).collect()).unwrap_or_default()
}

fn refused(error: &zbus::Error) -> AskError {
    let (name, why) = match error {
        zbus::Error::MethodError(name, why, _) => (name.to_string(), why.clone().unwrap_or_default()),
        zbus::Error::FDO(error) => {
            let error: &dyn zbus::DBusError = &**error;
            (error.name().to_string(), error.description().unwrap_or_default().to_owned())
        }
        other => (String::new(), other.to_string()),
    };
    match name.rsplit('.').next().unwrap_or_default() {
        "ServiceUnknown" | "NameHasNoOwner" => AskError::NoAgent,
        "AccessDenied" => AskError::Denied("the group omadm-admin"),
        "NoReply" => AskError::Late,
        last => AskError::Refused { name: last.to_owned(), why },
    }
}
