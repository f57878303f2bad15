//! Calls: which there are, and what each asks for.

use serde_json::Value as Json;

use super::refusal::Refusal;
use super::{AGENT, LOG_CONTROL, LOG_PATH, PATH, PUSH};

/// A request that the agent's loop answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A session with this server is to begin.
    StartSession(String),
    /// An application lacks the configuration of an object (TS 10.1); at whose wish it asks.
    Configuration {
        /// The MOID.
        moid: String,
        /// `User` or `Device`.
        initiated_by: String,
    },
    /// Something happened on the device (TS 5.3). What is empty is not said.
    Alert {
        /// The alert's type.
        kind: String,
        /// The ClientURI where it happened.
        source: String,
        /// The object that it is about.
        target: String,
        /// The importance.
        mark: String,
        /// The MIME type of the data.
        mime: String,
        /// The data: a JSON object, or text.
        data: String,
    },
    /// The alerts that wait for servers are asked for.
    ListAlerts,
    /// The alerts that wait for this server are to be forgotten.
    DropAlerts(String),
    /// The management objects that are served are asked for.
    ListObjects,
    /// The nodes at a ClientURI are to be read, as the local operator.
    Get(String),
    /// The nodes at and below a ClientURI are to be shown to the local operator, each with its value or the reason
    /// why it has none; all of them where that is empty.
    Tree(String),
    /// A node is to be written, on the word of the local operator.
    Set {
        /// The ClientURI.
        client_uri: String,
        /// The value of a leaf as text, or a document.
        value: String,
        /// Whether it is only to be checked.
        is_dry: bool,
    },
    /// A node is to be executed, on the word of the local operator.
    Exec {
        /// The ClientURI.
        client_uri: String,
        /// Whether it is only to be checked.
        is_dry: bool,
    },
    /// The way to this account's server is to be tested, without a session.
    TestAccount(String),
    /// The configuration is to be read again.
    Reload,
    /// All that `omadmctl status` shows is asked for.
    Status,
    /// This property is asked for; none: all of them.
    Property(Option<&'static str>),
    /// A push client got a registration id, or lost it (TS D.2.2).
    Registration {
        /// The account.
        server: String,
        /// The id.
        id: String,
        /// Whether the client got it, or lost it.
        register: bool,
    },
    /// A push message came: the base64 of a Package#0 (TS D.2.5).
    Deliver(String),
}

impl Request {
    /// Whether applications may ask for it as well, and not the operator alone: `packaging/dbus` has the policy.
    pub(super) fn is_of_applications(&self) -> bool {
        matches!(
            self,
            Self::Configuration { .. } | Self::Alert { .. } | Self::Registration { .. } | Self::Deliver(_)
        )
    }
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// The agent's loop answers.
    Loop(Request),
    /// The object is described.
    Introspect(String),
    /// The caller hears that the agent is there.
    Ping,
    /// The machine's id is asked for.
    MachineId,
    /// The properties of an interface without any are asked for.
    NoProperties,
    /// This property of the log is asked for; none: all of them.
    Log(Option<&'static str>),
    /// The level of the log becomes another one.
    SetLogLevel(String),
}

/// A method: its interface, its name, and the types of what it takes.
pub(super) type Method = (&'static str, &'static str, &'static str);

pub(super) const INTROSPECTABLE: &str = "org.freedesktop.DBus.Introspectable";
pub(super) const PEER: &str = "org.freedesktop.DBus.Peer";
pub(super) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// All methods. Those of D-Bus itself are at every object.
pub(super) const METHODS: [Method; 22] = [
    (AGENT, "StartSession", "s"),
    (AGENT, "RequestConfiguration", "ss"),
    (AGENT, "RaiseAlert", "ssssss"),
    (AGENT, "ListAlerts", ""),
    (AGENT, "DropAlerts", "s"),
    (AGENT, "ListObjects", ""),
    (AGENT, "Get", "s"),
    (AGENT, "Tree", "s"),
    (AGENT, "Set", "ssb"),
    (AGENT, "Exec", "sb"),
    (AGENT, "TestAccount", "s"),
    (AGENT, "Reload", ""),
    (AGENT, "Status", ""),
    (PUSH, "Register", "ss"),
    (PUSH, "Unregister", "ss"),
    (PUSH, "Deliver", "s"),
    (INTROSPECTABLE, "Introspect", ""),
    (PEER, "Ping", ""),
    (PEER, "GetMachineId", ""),
    (PROPERTIES, "Get", "ss"),
    (PROPERTIES, "GetAll", "s"),
    (PROPERTIES, "Set", "ssv"),
];

/// A property: its name, and the type of its value.
pub(super) type Property = (&'static str, &'static str);

/// The properties of the agent.
pub(super) const AGENTS: [Property; 4] =
    [("DeviceId", "s"), ("Servers", "a{sa{sv}}"), ("Sessions", "aa{sv}"), ("PendingAlerts", "a{st}")];
/// The properties of the log.
pub(super) const LOGS: [Property; 3] = [("LogLevel", "s"), ("LogTarget", "s"), ("SyslogIdentifier", "s")];

/// A call as it came: to which object, and what of it.
pub(super) struct Called<'a> {
    pub(super) path: &'a str,
    /// The interface; none: whichever has the method.
    pub(super) interface: Option<&'a str>,
    pub(super) member: &'a str,
    /// The types of the arguments, as D-Bus writes them.
    pub(super) kinds: &'a str,
}

impl Called<'_> {
    /// The method that is called.
    pub(super) fn method(&self) -> Result<Method, Refusal> {
        let has = |interface: &str| match self.path {
            PATH => [AGENT, PUSH].contains(&interface),
            LOG_PATH => interface == LOG_CONTROL,
            _ => false,
        };
        let is_object = [PATH, LOG_PATH].contains(&self.path) || is_above(self.path);
        if !is_object {
            return Err(Refusal::standard("UnknownObject", format!("there is no object {}", self.path)));
        }
        let is_here = |interface: &str| {
            let is_general = interface == INTROSPECTABLE || interface == PEER;
            is_general || has(interface) || (interface == PROPERTIES && !is_above(self.path))
        };
        if let Some(interface) = self.interface
            && !is_here(interface)
        {
            return Err(Refusal::standard("UnknownInterface", format!("{} has no {interface}", self.path)));
        }
        let is_it = |(interface, name, _): &&Method| {
            *name == self.member
                && is_here(interface)
                && self.interface.is_none_or(|asked| asked == *interface)
        };
        let unknown = || Refusal::standard("UnknownMethod", format!("there is no method {}", self.member));
        let method = METHODS.iter().find(is_it).copied().ok_or_else(unknown)?;
        if method.2 != self.kinds {
            let why = format!("{} takes ({}), and is given ({})", method.1, method.2, self.kinds);
            return Err(Refusal::standard("InvalidArgs", why));
        }
        Ok(method)
    }

    /// What becomes of the call with these arguments.
    pub(super) fn route(&self, arguments: &[Json]) -> Result<Route, Refusal> {
        let (interface, name, _) = self.method()?;
        // Whoever does not say so clearly wants nothing done.
        let is_dry = arguments.last().is_none_or(|last| *last != Json::Bool(false));
        let mut texts = arguments.iter().map(|argument| argument.as_str().unwrap_or_default().to_owned());
        let mut next = || texts.next().unwrap_or_default();
        Ok(Route::Loop(match (interface, name) {
            (AGENT, "StartSession") => Request::StartSession(next()),
            (AGENT, "RequestConfiguration") => Request::Configuration { moid: next(), initiated_by: next() },
            (AGENT, "RaiseAlert") => Request::Alert {
                kind: next(),
                source: next(),
                target: next(),
                mark: next(),
                mime: next(),
                data: next(),
            },
            (AGENT, "ListAlerts") => Request::ListAlerts,
            (AGENT, "DropAlerts") => Request::DropAlerts(next()),
            (AGENT, "ListObjects") => Request::ListObjects,
            (AGENT, "Get") => Request::Get(next()),
            (AGENT, "Tree") => Request::Tree(next()),
            (AGENT, "Set") => Request::Set { client_uri: next(), value: next(), is_dry },
            (AGENT, "Exec") => Request::Exec { client_uri: next(), is_dry },
            (AGENT, "TestAccount") => Request::TestAccount(next()),
            (AGENT, "Reload") => Request::Reload,
            (AGENT, "Status") => Request::Status,
            (PUSH, "Deliver") => Request::Deliver(next()),
            (PUSH, _) => Request::Registration { server: next(), id: next(), register: name == "Register" },
            (PROPERTIES, "Set") => return self.set(&next(), &next(), arguments.get(2)),
            (PROPERTIES, _) => return self.get(&next(), (name == "Get").then(next)),
            (INTROSPECTABLE, _) => return Ok(Route::Introspect(self.path.to_owned())),
            (_, "Ping") => return Ok(Route::Ping),
            _ => return Ok(Route::MachineId),
        }))
    }

    /// A property, or all of them.
    fn get(&self, interface: &str, name: Option<String>) -> Result<Route, Refusal> {
        let find = |known: &[Property]| match &name {
            None => Ok(None),
            Some(name) => {
                let found = known.iter().find(|(known, _)| known == name);
                found.map(|(known, _)| Some(*known)).ok_or_else(|| unknown(name))
            }
        };
        match (self.path, interface) {
            (PATH, AGENT) => find(&AGENTS).map(|name| Route::Loop(Request::Property(name))),
            (LOG_PATH, LOG_CONTROL) => find(&LOGS).map(Route::Log),
            _ if name.is_none() => Ok(Route::NoProperties),
            _ => Err(unknown(&name.unwrap_or_default())),
        }
    }

    /// Only the level of the log can be another one.
    fn set(&self, interface: &str, name: &str, value: Option<&Json>) -> Result<Route, Refusal> {
        match (self.path, interface, name) {
            (LOG_PATH, LOG_CONTROL, "LogLevel") => {
                Ok(Route::SetLogLevel(value.and_then(Json::as_str).unwrap_or_default().to_owned()))
            }
            _ => {
                self.get(interface, Some(name.to_owned()))?;
                Err(Refusal::standard("PropertyReadOnly", format!("{name} can't be set")))
            }
        }
    }
}

fn unknown(property: &str) -> Refusal {
    Refusal::standard("UnknownProperty", format!("there is no property {property}"))
}

/// Whether one of the objects is below this path.
pub(super) fn is_above(path: &str) -> bool {
    [PATH, LOG_PATH]
        .iter()
        .any(|object| path == "/" || object.strip_prefix(path).is_some_and(|below| below.starts_with('/')))
}

#[cfg(test)]
mod tests;
