//! The agent on a message bus of its own, for what the device's own programs and its operator ask of it.

use std::fmt;

use omadm_agent::lab::files;
use serde_json::Value;
use zbus::wire::{StructureBuilder, Variant};
use zbus::{Connection, Message};

use super::bus::Daemon;
use super::{Bench, LIMIT};

/// The agent's interface, which is its name as well.
pub(crate) const AGENT: &str = "org.omadm.Agent1";
/// That for push clients.
pub(crate) const PUSH: &str = "org.omadm.Agent1.Push";
/// The path of its object.
pub(crate) const PATH: &str = "/org/omadm/Agent1";

/// The agent, its bus, and somebody on it.
pub(crate) struct Agent {
    /// The agent.
    pub(crate) agent: super::Agent,
    /// The bus.
    pub(crate) bus: Daemon,
    /// Who calls it.
    pub(crate) connection: Connection,
}

/// An error that the agent answers with.
#[derive(Debug, PartialEq)]
pub(crate) struct Refused {
    /// Its name, without what all of the agent's begin with.
    pub(crate) name: String,
    /// What it says.
    pub(crate) why: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.why)
    }
}

/// Has the bench's agent be on this bus.
pub(crate) fn put_on(bench: &Bench, bus: &Daemon) {
    let file = bench.gateway.config();
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.split("\n[dbus]").next().unwrap();
    files::put(&file, format!("{text}\n{}", bus.config()), files::PLAIN).unwrap();
}

/// What `omadmctl` says to look at a service by, on the machine that tests run on.
pub(crate) fn status_of(service: &str) -> String {
    match std::path::Path::new("/run/systemd/system").is_dir() {
        true => format!("systemctl status {service}"),
        false => format!("/etc/init.d/{service} status"),
    }
}

impl Agent {
    /// Starts it.
    pub(crate) async fn start(bench: &Bench) -> Self {
        let bus = Daemon::start();
        put_on(bench, &bus);
        let connection = bus.connect().build().await.unwrap();
        Self { agent: bench.start().await, bus, connection }
    }

    /// Calls a method that takes texts.
    pub(crate) async fn call(
        &self,
        interface: &str,
        method: &str,
        arguments: &[&str],
    ) -> Result<Message, Refused> {
        call(&self.connection, PATH, interface, method, arguments).await
    }

    /// A property.
    pub(crate) async fn property(&self, name: &str) -> Variant<'static> {
        let reply = self.call("org.freedesktop.DBus.Properties", "Get", &[AGENT, name]).await.unwrap();
        let value: zbus::wire::OwnedVariant = reply.body().deserialize().unwrap();
        Variant::from(value).try_to_owned().unwrap().into()
    }

    /// A text that a method answers with, read as JSON.
    pub(crate) async fn json(&self, method: &str, arguments: &[&str]) -> Result<Value, Refused> {
        let reply = self.call(AGENT, method, arguments).await?;
        let text: String = reply.body().deserialize().unwrap();
        Ok(serde_json::from_str(&text).unwrap())
    }

    /// Ends it.
    pub(crate) async fn stop(self) -> String {
        self.agent.stop().await
    }
}

/// Calls a method of the agent's that takes texts.
pub(crate) async fn call(
    connection: &Connection,
    path: &str,
    interface: &str,
    method: &str,
    arguments: &[&str],
) -> Result<Message, Refused> {
    let mut body = StructureBuilder::new();
    arguments.iter().for_each(|text| body.push_field((*text).to_owned()));
    let called = async {
        match arguments {
            [] => connection.call_method(Some(AGENT), path, Some(interface), method, &()).await,
            _ => {
                let body = body.build().unwrap();
                connection.call_method(Some(AGENT), path, Some(interface), method, &body).await
            }
        }
    };
    let answer = tokio::time::timeout(LIMIT, called).await.expect("an answer");
    answer.map_err(|error| match &error {
        zbus::Error::MethodError(name, why, _) => Refused {
            name: name.as_str().trim_start_matches("org.omadm.Agent1.Error.").to_owned(),
            why: why.clone().unwrap_or_default(),
        },
        zbus::Error::FDO(fdo) => Refused {
            name: zbus::DBusError::name(&**fdo).to_string(),
            why: zbus::DBusError::description(&**fdo).unwrap_or_default().to_owned(),
        },
        other => panic!("{other}"),
    })
}
