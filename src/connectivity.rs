//! What the machine's services say of its links, and of whose SIM it has: ModemManager and NetworkManager, as far as
//! they run. Nobody is started for it, and nothing is remembered: whoever wants to know asks, and waits for signals in
//! between.
//!
//! systemd-networkd is not asked: it knows no more of a link's type than the kernel says, and nothing of what it costs.
//! systemd-resolved is, for the names of a session that is bound to a link.

mod reading;

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::backend::{Bus, BusSign};
use crate::base::OrderedSet;
use crate::bearer::{self, Choice, ConnectionType, Device, KnownInterfaces, Link, Modem, Told};
use crate::transport::LinkNames;

const MODEM_MANAGER: &str = "org.freedesktop.ModemManager1";
const MODEMS: &str = "/org/freedesktop/ModemManager1";
const NETWORK_MANAGER: &str = "org.freedesktop.NetworkManager";

/// A service that is asked, and whether it did not answer the last time: that is said once.
struct Service {
    name: &'static str,
    is_silent: AtomicBool,
}

static MODEM_SERVICE: Service = Service { name: MODEM_MANAGER, is_silent: AtomicBool::new(false) };
static NETWORK_SERVICE: Service = Service { name: NETWORK_MANAGER, is_silent: AtomicBool::new(false) };

impl Service {
    /// What it has told; none, where it does not answer.
    fn told<T>(&self, told: Result<T, String>) -> Option<T> {
        let (name, is_silent) = (self.name, told.is_err());
        let was_silent = self.is_silent.swap(is_silent, Ordering::Relaxed);
        match told {
            Ok(told) => {
                if was_silent {
                    log::info!("{name} answers again");
                }
                Some(told)
            }
            Err(why) => {
                if !was_silent {
                    log::warn!(
                        "{name} does not say which links there are: {why}: they count as what the kernel says until it does"
                    );
                }
                None
            }
        }
    }
}

/// Asks the services that run, beside each other.
pub(crate) async fn told(bus: &Bus) -> Told {
    let running = match bus.running(&[MODEM_MANAGER, NETWORK_MANAGER]).await {
        Ok(running) => running,
        Err(why) => {
            log::debug!("who is on the message bus is not known: {why}");
            return Told { is_partial: true, ..Told::default() };
        }
    };
    let (modems, devices) = tokio::join!(
        async {
            match running.contains(&MODEM_MANAGER) {
                true => MODEM_SERVICE.told(modems(bus).await),
                false => Some(Vec::new()),
            }
        },
        async {
            match running.contains(&NETWORK_MANAGER) {
                true => NETWORK_SERVICE.told(devices(bus).await),
                false => Some(Vec::new()),
            }
        }
    );
    let is_partial = modems.is_none() || devices.is_none();
    Told { modems: modems.unwrap_or_default(), devices: devices.unwrap_or_default(), is_partial }
}

/// The modem that says who the subscriber is, and where; none: there is none, or it can't be asked.
pub(crate) async fn subscriber(bus: &Bus) -> Option<Modem> {
    let running = bus.running(&[MODEM_MANAGER]).await.ok()?;
    if running.is_empty() {
        return None;
    }
    let modems = MODEM_SERVICE.told(modems(bus).await)?;
    Told { modems, ..Told::default() }.subscriber().cloned()
}

/// Whether a SIM may show up yet: ModemManager runs, or will when it is asked.
pub(crate) async fn may_have_a_sim(bus: &Bus) -> bool {
    bus.startable(&[MODEM_MANAGER]).await.is_ok_and(|found| !found.is_empty())
}

async fn modems(bus: &Bus) -> Result<Vec<Modem>, String> {
    let interfaces = [reading::MODEM, reading::MODEM_3GPP];
    let objects = bus.objects(MODEM_MANAGER, MODEMS, &interfaces).await?;
    let mut modems = Vec::new();
    for found in reading::modems(&objects) {
        let mut modem = found.modem;
        if let Some(sim) = found.sim {
            reading::add_sim(&mut modem, &bus.object(MODEM_MANAGER, &sim, reading::SIM).await?);
        }
        for path in found.bearers {
            reading::add_bearer(&mut modem, &bus.object(MODEM_MANAGER, &path, reading::BEARER).await?);
        }
        modems.push(modem);
    }
    Ok(modems)
}

async fn devices(bus: &Bus) -> Result<Vec<Device>, String> {
    let objects = bus.objects(NETWORK_MANAGER, "/org/freedesktop", &[reading::DEVICE]).await?;
    Ok(objects.iter().map(|object| reading::device(&object.properties)).collect())
}

/// The signs that a link may be another one, or another SIM be there.
#[must_use]
pub(crate) fn signs() -> OrderedSet<BusSign> {
    let sign = |service: &str, path: &str, interface: &str, property: &str| BusSign {
        service: service.to_owned(),
        path: path.to_owned(),
        interface: interface.to_owned(),
        property: Some(property.to_owned()),
        is_vouched: false,
    };
    let mut signs = sim_signs();
    for (kind, interface, property) in
        [("Bearer", reading::BEARER, "Interface"), ("Bearer", reading::BEARER, "Connected")]
    {
        signs.insert(sign(MODEM_MANAGER, &format!("{MODEMS}/{kind}/*"), interface, property));
    }
    for property in ["Metered", "DeviceType", "IpInterface", "Interface"] {
        let path = "/org/freedesktop/NetworkManager/Devices/*";
        signs.insert(sign(NETWORK_MANAGER, path, reading::DEVICE, property));
    }
    signs
}

/// The signs that another SIM may be there.
#[must_use]
pub(crate) fn sim_signs() -> OrderedSet<BusSign> {
    let mut signs = OrderedSet::new();
    for (kind, interface, property) in [
        ("Modem", reading::MODEM, "Sim"),
        ("Modem", reading::MODEM, "Bearers"),
        ("Modem", reading::MODEM_3GPP, "RegistrationState"),
        ("SIM", reading::SIM, "Imsi"),
    ] {
        signs.insert(BusSign {
            service: MODEM_MANAGER.to_owned(),
            path: format!("{MODEMS}/{kind}/*"),
            interface: interface.to_owned(),
            property: Some(property.to_owned()),
            is_vouched: false,
        });
    }
    signs
}

/// What carries a connection.
#[derive(Debug, Default)]
pub(crate) struct Carrier {
    /// What its link is.
    pub(crate) link: Link,
    /// The names of the interface and of those that carry it, in turn; none: not known.
    pub(crate) interfaces: Vec<String>,
}

/// What carries the connection that has this address: a session's socket tells its bearer by it.
pub(crate) async fn carrying(address: IpAddr, bus: &Bus) -> Carrier {
    let Some(name) = bearer::name_of(address).await else { return Carrier::default() };
    if name == "lo" {
        return Carrier { link: Link::default(), interfaces: vec![name] };
    }
    let (seen, told) = tokio::join!(bearer::look(&name), told(bus));
    let seen = seen.inspect_err(|why| log::debug!("{name}: its connection type is not known: {why}"));
    let seen = seen.unwrap_or_default();
    let link = told.link(&name, &seen);
    let below = seen.into_iter().map(|interface| interface.name).filter(|below| *below != name);
    Carrier { link, interfaces: std::iter::once(name.clone()).chain(below).collect() }
}

/// The link that a session which prefers these types is bound to, as things are now.
pub(crate) async fn choose(preferred: &[ConnectionType], bus: &Bus) -> Choice {
    let (links, told) = tokio::join!(bearer::links(), told(bus));
    let Ok(links) = links else { return Choice::Unknown };
    let mut known = KnownInterfaces::default();
    known.hear(told);
    for id in known.note(links.up, links.defaults) {
        let seen = bearer::look(&id.name).await.ok();
        known.tell(&id, seen);
    }
    known.choose(preferred)
}

/// systemd-resolved, which knows the name servers of each link.
#[derive(Debug)]
pub(crate) struct Resolved(Arc<Bus>);

impl Resolved {
    /// Names as the resolver on this bus has them.
    #[must_use]
    pub(crate) fn new(bus: Arc<Bus>) -> Arc<Self> {
        Arc::new(Self(bus))
    }
}

impl LinkNames for Resolved {
    fn on_link<'a>(
        &'a self,
        host: &'a str,
        index: u32,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, String>> + Send + 'a>> {
        Box::pin(self.0.resolve_on(index, host))
    }
}
