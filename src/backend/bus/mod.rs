//! D-Bus: an object's properties are read and set, its methods called, its kind listed.
//!
//! One connection, made when first needed and made anew after the bus was restarted. Nothing is cached, and signals
//! come only of what alarms and subscriptions wait for (`watch`): at rest the bus has no other reason to wake the
//! agent.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use zbus::wire::DynamicType;
use zbus::{Connection, DBusError, Message, connection};

use crate::backend::answer::Answer;
use crate::backend::error::BackendError;
use crate::base::OrderedMap;

mod convert;
mod doubt;
mod introspect;
mod method;
mod object;
mod properties;
mod property;
mod seen;
mod services;
mod watch;

pub(crate) use convert::json as to_json;
pub use doubt::{BusMember, bus_doubt};
pub(super) use method::{answer, method};
pub(super) use object::{ObjectAt, children, is_away};
pub(super) use property::{PropertyAddress, Target, read};
pub use seen::Seen;
pub(crate) use seen::ServiceObject;
pub use watch::{BusSign, BusWatches};

/// The bus itself, as a service.
const BUS: &str = "org.freedesktop.DBus";
/// The address of the system's bus, where nothing else is said.
pub(crate) const SYSTEM_BUS: &str = "unix:path=/run/dbus/system_bus_socket";
/// How long a service may take to tell something. One that is not running is started meanwhile.
const READING: Duration = Duration::from_secs(10);
/// How long a service may take to set a property.
const SETTING: Duration = Duration::from_secs(25);
/// How long a service that did not answer is not asked again.
const MUTE: Duration = Duration::from_secs(5);
/// The most turns that are remembered of whom nobody asks just now.
const MOST_TURNS: usize = 256;

/// A message bus and the services on it.
#[derive(Debug)]
pub struct Bus {
    address: String,
    link: tokio::sync::Mutex<Option<Connection>>,
    /// Whether there was a connection: if there is none now, it will come back.
    was_there: AtomicBool,
    /// The turns of services, and those of methods by themselves: one may take its time.
    turns: std::sync::Mutex<OrderedMap<String, Arc<Turn>>>,
}

/// The turn of calls to a service, or of one method: one after the other.
#[derive(Debug, Default)]
struct Turn {
    held: tokio::sync::Mutex<()>,
    /// The time until which the service is mute, as it did not answer somebody: others need not wait as long to find
    /// that out.
    mute_until: std::sync::Mutex<Option<Instant>>,
}

/// A method of an object, by its full address.
#[derive(Clone, Copy, Debug)]
struct BusMethod<'a> {
    service: &'a str,
    path: &'a str,
    interface: &'a str,
    name: &'a str,
}

/// Why a call brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There is no such service, and nobody would start it.
    NoService(String),
    /// The service has no such thing.
    Absent(String),
    /// The service can't tell now, later perhaps.
    Unavailable(String),
    /// The service denies the caller.
    Denied(String),
    /// The service does not want to: its error's name, and what it says.
    Refused(String, String),
}

impl Bus {
    /// The bus at `address`: `system`, or a D-Bus address. Nothing is connected yet.
    #[must_use]
    pub fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            link: tokio::sync::Mutex::default(),
            was_there: AtomicBool::new(false),
            turns: std::sync::Mutex::default(),
        }
    }

    /// Makes a bus that is none at all.
    #[cfg(test)]
    pub(crate) fn none() -> Arc<Self> {
        Arc::new(Self::new("unix:path=/nowhere/bus"))
    }

    /// The address of the bus.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether there was a connection once: if there is none now, it will come back.
    pub(crate) fn was_there(&self) -> bool {
        self.was_there.load(Ordering::Relaxed)
    }

    /// The socket of the bus, where it is a file.
    #[must_use]
    pub fn socket(&self) -> Option<PathBuf> {
        let own = || std::env::var("DBUS_SYSTEM_BUS_ADDRESS").unwrap_or_else(|_| SYSTEM_BUS.to_owned());
        let address = if self.address == "system" { own() } else { self.address.clone() };
        let mut options = address.split(';').next()?.strip_prefix("unix:")?.split(',');
        options.find_map(|option| option.strip_prefix("path=")).map(PathBuf::from)
    }

    /// Asks about an object, or sets a property: one call at a time for each service. It may be received twice, if the
    /// bus goes away meanwhile. `limit` is for its turn to come, and for the answer.
    async fn ask<B: Serialize + DynamicType>(
        &self,
        method: BusMethod<'_>,
        limit: Duration,
        body: &B,
    ) -> Result<Message, Trouble> {
        let turn = self.turn(method.service.to_owned());
        let late = || Trouble::Unavailable(format!("{} does not answer", method.service));
        // To wait for others who ask it says nothing of the service itself.
        let held = tokio::time::timeout(limit, turn.held.lock()).await;
        let _held = held.map_err(|_| late())?;
        if turn.mute_until().is_some_and(|until| Instant::now() < until) {
            return Err(late());
        }
        let call = async {
            match self.call_once(method, body).await {
                Err(zbus::Error::InputOutput(_)) => self.call_once(method, body).await,
                other => other,
            }
        };
        match tokio::time::timeout(limit, call).await {
            Ok(done) => done.map_err(|error| self.trouble(&error)),
            Err(_) => {
                *turn.mute_until() = Some(Instant::now() + MUTE);
                Err(late())
            }
        }
    }

    /// Calls a method, once: one call at a time for each of them.
    async fn call<B: Serialize + DynamicType>(
        &self,
        method: BusMethod<'_>,
        limit: Duration,
        body: &B,
    ) -> Result<Message, Trouble> {
        let turn = self.turn(format!("{} {}.{}", method.service, method.interface, method.name));
        let call = async {
            let _held = turn.held.lock().await;
            self.call_once(method, body).await
        };
        let late = |_| Trouble::Unavailable(format!("{} does not answer", method.service));
        let done = tokio::time::timeout(limit, call).await.map_err(late)?;
        done.map_err(|error| self.trouble(&error))
    }

    async fn call_once<B: Serialize + DynamicType>(
        &self,
        BusMethod { service, path, interface, name }: BusMethod<'_>,
        body: &B,
    ) -> zbus::Result<Message> {
        let link = self.link().await?;
        link.call_method(Some(service), path, Some(interface), name, body).await
    }

    async fn link(&self) -> zbus::Result<Connection> {
        let mut link = self.link.lock().await;
        if let Some(link) = link.as_ref().filter(|link| !link.is_closed()) {
            return Ok(link.clone());
        }
        let made = builder(&self.address).build().await?;
        self.was_there.store(true, Ordering::Relaxed);
        Ok(link.insert(made).clone())
    }

    fn turn(&self, name: String) -> Arc<Turn> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() >= MOST_TURNS {
            // Names may be a server's. Who waits, or is known to be mute, stays.
            let now = Instant::now();
            turns.retain(|_, turn| {
                Arc::strong_count(turn) > 1 || turn.mute_until().is_some_and(|until| now < until)
            });
        }
        Arc::clone(turns.entry(name).or_default())
    }

    fn trouble(&self, error: &zbus::Error) -> Trouble {
        match error {
            zbus::Error::MethodError(name, text, _) => replied(name.as_str(), text.as_deref()),
            zbus::Error::FDO(error) => replied(error.name().as_str(), error.description()),
            zbus::Error::Connection(error, _) if self.is_missing(error) => {
                Trouble::NoService(format!("there is no bus at {}", self.address))
            }
            zbus::Error::Connection(error, _) | zbus::Error::InputOutput(error) => {
                Trouble::Unavailable(format!("the bus at {}: {error}", self.address))
            }
            // It is about to end, or has too many to talk to.
            zbus::Error::Handshake(error) => {
                Trouble::Unavailable(format!("the bus at {}: {error}", self.address))
            }
            error => Trouble::Refused("the message bus".to_owned(), error.to_string()),
        }
    }

    fn is_missing(&self, error: &io::Error) -> bool {
        use io::ErrorKind::{ConnectionRefused, NotFound};
        !self.was_there.load(Ordering::Relaxed) && matches!(error.kind(), ConnectionRefused | NotFound)
    }
}

/// A connection to be made to the bus at `address`: `system`, or a D-Bus address.
pub(crate) fn builder(address: &str) -> connection::Builder<'static> {
    match address {
        "system" => connection::Builder::system(),
        address => connection::Builder::address(address),
    }
}

/// The trouble that an error reply means.
fn replied(name: &str, text: Option<&str>) -> Trouble {
    const PREFIX: &str = "org.freedesktop.DBus.Error.";
    let told = match text {
        Some(text) if !text.is_empty() => text.to_owned(),
        _ => name.to_owned(),
    };
    let last = name.rsplit('.').next().unwrap_or(name);
    match name.strip_prefix(PREFIX).unwrap_or_default() {
        "ServiceUnknown"
        | "NameHasNoOwner"
        | "Spawn.ServiceNotFound"
        | "Spawn.ServiceNotValid"
        | "Spawn.FileInvalid" => Trouble::NoService(told),
        "UnknownObject" | "UnknownInterface" | "UnknownMethod" | "UnknownProperty" => Trouble::Absent(told),
        "NoReply" | "Timeout" | "TimedOut" | "Disconnected" | "LimitsExceeded" | "NoMemory" => {
            Trouble::Unavailable(told)
        }
        spawn if spawn.starts_with("Spawn.") => Trouble::Unavailable(told),
        // How systemd says that it will not start the service, whoever asks.
        _ if matches!(last, "NoSuchUnit" | "UnitMasked") => Trouble::NoService(told),
        _ if matches!(
            last,
            "AccessDenied"
                | "AuthFailed"
                | "InteractiveAuthorizationRequired"
                | "NotAuthorized"
                | "PermissionDenied"
        ) =>
        {
            Trouble::Denied(told)
        }
        _ => Trouble::Refused(name.to_owned(), told),
    }
}

impl Turn {
    fn mute_until(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.mute_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trouble {
    /// Turns trouble into a source's answer: `what` was asked for.
    fn answer<T>(self, what: impl FnOnce() -> String) -> Result<Answer<T>, BackendError> {
        match self {
            Self::NoService(why) | Self::Absent(why) => Ok(Answer::Absent(why)),
            Self::Unavailable(why) => Ok(Answer::Unavailable(why)),
            other => Err(other.error(what())),
        }
    }

    /// Turns trouble into an effect's failure: `what` was to be done.
    pub(super) fn error(self, what: String) -> BackendError {
        match self {
            Self::NoService(why) | Self::Absent(why) => BackendError::Bus { what, why, temporary: false },
            Self::Unavailable(why) => BackendError::Bus { what, why, temporary: true },
            Self::Denied(why) => BackendError::Denied { what, why },
            Self::Refused(name, why) if name == why => BackendError::Bus { what, why, temporary: false },
            Self::Refused(name, why) => {
                BackendError::Bus { what, why: format!("{why} ({name})"), temporary: false }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reply_tells_whether_asking_again_makes_sense() {
        let kind = |name: &str| match replied(name, Some("why")) {
            Trouble::NoService(_) => "no service",
            Trouble::Absent(_) => "absent",
            Trouble::Unavailable(_) => "unavailable",
            Trouble::Denied(_) => "denied",
            Trouble::Refused(..) => "refused",
        };
        for (name, expected) in [
            ("org.freedesktop.DBus.Error.ServiceUnknown", "no service"),
            ("org.freedesktop.DBus.Error.UnknownProperty", "absent"),
            ("org.freedesktop.systemd1.UnitMasked", "no service"),
            ("org.freedesktop.DBus.Error.NoReply", "unavailable"),
            ("org.freedesktop.DBus.Error.Spawn.ChildExited", "unavailable"),
            ("org.freedesktop.DBus.Error.AccessDenied", "denied"),
            ("org.freedesktop.PolicyKit1.Error.NotAuthorized", "denied"),
            ("org.freedesktop.NetworkManager.Settings.PermissionDenied", "denied"),
            ("org.freedesktop.ModemManager1.Error.Core.WrongState", "refused"),
            ("org.freedesktop.DBus.Error.InvalidArgs", "refused"),
            ("unknownproperty", "refused"),
        ] {
            assert_eq!(kind(name), expected, "{name}");
        }
    }

    const METHOD: BusMethod<'_> =
        BusMethod { service: "org.t.M", path: "/", interface: "org.t.I", name: "M" };

    #[tokio::test(start_paused = true)]
    async fn a_service_is_not_mute_because_others_ask_it() {
        let bus = Bus::none();
        let ask = || bus.ask(METHOD, READING, &());
        let turn = bus.turn("org.t.M".to_owned());
        let held = turn.held.lock().await;
        assert!(matches!(ask().await, Err(Trouble::Unavailable(_))));
        drop(held);
        assert!(matches!(ask().await, Err(Trouble::NoService(_))), "it was not asked");
    }

    #[tokio::test]
    async fn no_bus_is_not_a_bus_that_has_gone() {
        let bus = Bus::none();
        let ask = || bus.ask(METHOD, READING, &());
        assert!(matches!(ask().await, Err(Trouble::NoService(_))));
        bus.was_there.store(true, Ordering::Relaxed);
        assert!(matches!(ask().await, Err(Trouble::Unavailable(_))));
    }
}
