//! What the agent itself asks services of the machine: those that run already. Nobody is started for it.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Map, Value as Json};
use zbus::Message;

use super::object::{managed, properties};
use super::seen::ServiceObject;
use super::{BUS, Bus, BusMethod, Trouble, convert};

/// How long any of them may take: a session waits meanwhile.
const LIMIT: Duration = Duration::from_secs(5);
const RESOLVED: &str = "org.freedesktop.resolve1";
/// `AF_UNSPEC`: whatever addresses the name has.
const ANY_FAMILY: i32 = 0;

impl Bus {
    /// Which of these names have an owner. All of it is one call.
    ///
    /// # Errors
    /// The bus does not answer, or has gone away; where there never was one, nobody is there.
    pub(crate) async fn running<'a>(&self, names: &[&'a str]) -> Result<Vec<&'a str>, String> {
        self.listed("ListNames", names).await
    }

    /// Which of these names have an owner, or get one when they are called.
    ///
    /// # Errors
    /// As of [`Bus::running`].
    pub(crate) async fn startable<'a>(&self, names: &[&'a str]) -> Result<Vec<&'a str>, String> {
        let mut found = self.listed("ListActivatableNames", names).await?;
        found.extend(self.running(names).await?);
        Ok(found)
    }

    async fn listed<'a>(&self, list: &'static str, names: &[&'a str]) -> Result<Vec<&'a str>, String> {
        let method = BusMethod { service: BUS, path: "/org/freedesktop/DBus", interface: BUS, name: list };
        let all: Vec<String> = match self.ask(method, LIMIT, &()).await {
            Ok(reply) => reply.body().deserialize().map_err(|error| error.to_string())?,
            Err(Trouble::NoService(_)) => Vec::new(),
            Err(trouble) => return Err(trouble.why()),
        };
        Ok(names.iter().copied().filter(|name| all.iter().any(|known| known == name)).collect())
    }

    /// The objects of a service that have one of these interfaces, by its object manager at `path`: one call.
    ///
    /// # Errors
    /// Why that is not known.
    pub(crate) async fn objects(
        &self,
        service: &str,
        path: &str,
        interfaces: &[&str],
    ) -> Result<Vec<ServiceObject>, String> {
        let found = tokio::time::timeout(LIMIT, managed(self, service, path, None)).await;
        let found = found.map_err(|_| format!("{service} does not answer"))?.map_err(Trouble::why)?;
        let mut objects = Vec::new();
        for (path, has) in found.iter() {
            for interface in interfaces {
                let Some(properties) = has.get(*interface) else { continue };
                objects.push(ServiceObject {
                    path: path.as_str().to_owned(),
                    interface: (*interface).to_owned(),
                    properties: properties
                        .iter()
                        .map(|(name, value)| (name.clone(), convert::json(value)))
                        .collect(),
                });
            }
        }
        Ok(objects)
    }

    /// The properties of one object's interface; none: there is no such object.
    ///
    /// # Errors
    /// Why that is not known.
    pub(crate) async fn object(
        &self,
        service: &str,
        path: &str,
        interface: &str,
    ) -> Result<Map<String, Json>, String> {
        let found = tokio::time::timeout(LIMIT, properties(self, service, path, interface)).await;
        match found.map_err(|_| format!("{service} does not answer"))? {
            Ok((found, _)) => {
                Ok(found.iter().map(|(name, value)| (name.clone(), convert::json(value))).collect())
            }
            // It has gone meanwhile.
            Err(Trouble::Absent(_)) => Ok(Map::new()),
            Err(trouble) => Err(trouble.why()),
        }
    }

    /// The addresses of a name as systemd-resolved finds them on the link of this index, by ResolveHostname.
    ///
    /// # Errors
    /// Why there are none: it does not run, or the link has no name servers, or there is no such name.
    pub(crate) async fn resolve_on(&self, index: u32, host: &str) -> Result<Vec<IpAddr>, String> {
        if self.running(&[RESOLVED]).await?.is_empty() {
            return Err(format!("{RESOLVED} does not run"));
        }
        let method = BusMethod {
            service: RESOLVED,
            path: "/org/freedesktop/resolve1",
            interface: "org.freedesktop.resolve1.Manager",
            name: "ResolveHostname",
        };
        let index = i32::try_from(index).map_err(|error| error.to_string())?;
        // Several names may be asked for at a time.
        let body = (index, host, ANY_FAMILY, 0u64);
        let asking = tokio::time::timeout(2 * LIMIT, self.call_once(method, &body));
        let reply = asking.await.map_err(|_| "it does not answer".to_owned())?;
        addresses(&reply.map_err(|error| error.to_string())?)
    }
}

fn addresses(reply: &Message) -> Result<Vec<IpAddr>, String> {
    type Body = (Vec<(i32, i32, Vec<u8>)>, String, u64);
    let (found, ..): Body = reply.body().deserialize().map_err(|error| error.to_string())?;
    let address = |bytes: Vec<u8>| {
        let v4 = <[u8; 4]>::try_from(bytes.as_slice()).map(IpAddr::from);
        v4.or_else(|_| <[u8; 16]>::try_from(bytes.as_slice()).map(IpAddr::from)).ok()
    };
    Ok(found.into_iter().filter_map(|(_, _, bytes)| address(bytes)).collect())
}

impl Trouble {
    /// Why, for people.
    fn why(self) -> String {
        match self {
            Self::NoService(why)
            | Self::Absent(why)
            | Self::Unavailable(why)
            | Self::Denied(why)
            | Self::Refused(_, why) => why,
        }
    }
}
