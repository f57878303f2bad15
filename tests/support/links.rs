//! ModemManager, NetworkManager and systemd-resolved, as far as the agent asks them, on a bus of the test's own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use zbus::wire::{ObjectPath, OwnedVariant, Variant};
use zbus::{Connection, OwnedObjectPath, interface};

use super::bus::Daemon;

const MODEM_MANAGER: &str = "org.freedesktop.ModemManager1";
const MODEM: &str = "/org/freedesktop/ModemManager1/Modem/0";
const BEARER: &str = "/org/freedesktop/ModemManager1/Bearer/0";
const SIM: &str = "/org/freedesktop/ModemManager1/SIM/0";
const NETWORK_MANAGER: &str = "org.freedesktop.NetworkManager";
const DEVICE: &str = "/org/freedesktop/NetworkManager/Devices/2";

type Managed = HashMap<OwnedObjectPath, HashMap<String, HashMap<String, OwnedVariant>>>;

fn owned<'a>(value: impl Into<Variant<'a>>) -> OwnedVariant {
    OwnedVariant::try_from(value.into()).unwrap()
}

fn path(text: &str) -> OwnedObjectPath {
    OwnedObjectPath::try_from(text.to_owned()).unwrap()
}

fn properties<const N: usize>(values: [(&str, OwnedVariant); N]) -> HashMap<String, OwnedVariant> {
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What a modem is, whose SIM is in it, and what it carries.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// Whether there is a modem.
    pub(crate) is_there: bool,
    /// The interface of its bearer; none: it is not connected.
    pub(crate) link: Option<&'static str>,
    /// `RegistrationState`: 1 at home, 5 roaming.
    pub(crate) registration: u32,
    /// The code of the network that it is in.
    pub(crate) operator: &'static str,
    /// The IMSI of its SIM.
    pub(crate) imsi: &'static str,
    /// How often its service was asked for all that it has.
    pub(crate) asked: usize,
    /// Whether its service answers.
    pub(crate) hangs: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            is_there: true,
            link: None,
            registration: 1,
            operator: "26201",
            imsi: "262011234567890",
            asked: 0,
            hangs: false,
        }
    }
}

type Shared = Arc<Mutex<State>>;

struct Manager(Shared);

#[interface(name = "org.freedesktop.DBus.ObjectManager")]
impl Manager {
    async fn get_managed_objects(&self) -> Managed {
        let state = {
            let mut state = self.0.lock().unwrap();
            state.asked += 1;
            state.clone()
        };
        if state.hangs {
            std::future::pending::<()>().await;
        }
        if !state.is_there {
            return Managed::new();
        }
        let bearers = vec![ObjectPath::try_from(BEARER).unwrap()];
        let modem = properties([
            ("Sim", owned(ObjectPath::try_from(SIM).unwrap())),
            ("Bearers", owned(bearers)),
            ("EquipmentIdentifier", owned("356938035643809")),
        ]);
        let network = properties([
            ("RegistrationState", owned(state.registration)),
            ("OperatorCode", owned(state.operator)),
            ("OperatorName", owned("Abroad & Away")),
        ]);
        let interfaces = [
            ("org.freedesktop.ModemManager1.Modem".to_owned(), modem),
            ("org.freedesktop.ModemManager1.Modem.Modem3gpp".to_owned(), network),
        ];
        HashMap::from([(path(MODEM), HashMap::from(interfaces))])
    }
}

/// What DevInfo asks the modem for.
struct Body;

#[interface(name = "org.freedesktop.ModemManager1.Modem")]
impl Body {
    #[zbus(property)]
    fn equipment_identifier(&self) -> String {
        "356938035643809".to_owned()
    }
}

struct Sim(Shared);

#[interface(name = "org.freedesktop.ModemManager1.Sim")]
impl Sim {
    #[zbus(property)]
    fn imsi(&self) -> String {
        self.0.lock().unwrap().imsi.to_owned()
    }

    #[zbus(property)]
    fn operator_identifier(&self) -> String {
        self.0.lock().unwrap().imsi[..5].to_owned()
    }

    #[zbus(property)]
    fn operator_name(&self) -> String {
        "Home Mobile".to_owned()
    }
}

struct Bearer(Shared);

#[interface(name = "org.freedesktop.ModemManager1.Bearer")]
impl Bearer {
    #[zbus(property, name = "Interface")]
    fn link(&self) -> String {
        self.0.lock().unwrap().link.unwrap_or_default().to_owned()
    }

    #[zbus(property)]
    fn connected(&self) -> bool {
        self.0.lock().unwrap().link.is_some()
    }
}

/// ModemManager with one modem.
pub(crate) struct Modems {
    state: Shared,
    connection: Connection,
}

impl Modems {
    /// Puts it onto the bus.
    pub(crate) async fn start(daemon: &Daemon, state: State) -> Self {
        let state = Arc::new(Mutex::new(state));
        let builder = daemon.connect().name(MODEM_MANAGER);
        let builder = builder
            .serve_at("/org/freedesktop/ModemManager1", Manager(Arc::clone(&state)))
            .serve_at(MODEM, Body)
            .serve_at(SIM, Sim(Arc::clone(&state)))
            .serve_at(BEARER, Bearer(Arc::clone(&state)));
        Self { connection: builder.build().await.unwrap(), state }
    }

    /// What the modem is.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Connects the bearer on an interface, or ends that, and says so.
    pub(crate) async fn connect(&self, link: Option<&'static str>) {
        self.state().link = link;
        let changed = [("Interface", owned(link.unwrap_or_default())), ("Connected", owned(link.is_some()))];
        self.say(BEARER, "org.freedesktop.ModemManager1.Bearer", &changed).await;
    }

    /// Puts another SIM into the modem, and says so.
    pub(crate) async fn insert(&self, imsi: &'static str) {
        self.state().imsi = imsi;
        let sim = [("Sim", owned(ObjectPath::try_from(SIM).unwrap()))];
        self.say(MODEM, "org.freedesktop.ModemManager1.Modem", &sim).await;
    }

    async fn say(&self, path: &str, interface: &str, changed: &[(&str, OwnedVariant)]) {
        say(&self.connection, path, interface, changed).await;
    }
}

async fn say(connection: &Connection, path: &str, interface: &str, changed: &[(&str, OwnedVariant)]) {
    let changed: HashMap<&str, &OwnedVariant> = changed.iter().map(|(name, value)| (*name, value)).collect();
    let body = (interface, changed, Vec::<&str>::new());
    let properties = "org.freedesktop.DBus.Properties";
    connection.emit_signal(None::<&str>, path, properties, "PropertiesChanged", &body).await.unwrap();
}

struct Devices(Arc<Mutex<u32>>);

#[interface(name = "org.freedesktop.DBus.ObjectManager")]
impl Devices {
    fn get_managed_objects(&self) -> Managed {
        let device = properties([
            ("DeviceType", owned(1u32)),
            ("Interface", owned("eth0")),
            ("IpInterface", owned("eth0")),
            ("Metered", owned(*self.0.lock().unwrap())),
        ]);
        let interfaces = HashMap::from([("org.freedesktop.NetworkManager.Device".to_owned(), device)]);
        HashMap::from([(path(DEVICE), interfaces)])
    }
}

/// NetworkManager with the device `eth0`.
pub(crate) struct Networks {
    metered: Arc<Mutex<u32>>,
    connection: Connection,
}

impl Networks {
    /// Puts it onto the bus. `metered` is an NMMetered: 1 yes, 2 no.
    pub(crate) async fn start(daemon: &Daemon, metered: u32) -> Self {
        let metered = Arc::new(Mutex::new(metered));
        let builder = daemon.connect().name(NETWORK_MANAGER);
        let builder = builder.serve_at("/org/freedesktop", Devices(Arc::clone(&metered)));
        Self { connection: builder.build().await.unwrap(), metered }
    }

    /// Has the device be metered, or not, and says so.
    pub(crate) async fn meter(&self, metered: u32) {
        *self.metered.lock().unwrap() = metered;
        say(
            &self.connection,
            DEVICE,
            "org.freedesktop.NetworkManager.Device",
            &[("Metered", owned(metered))],
        )
        .await;
    }
}

/// systemd-resolved, which knows one name on each link.
pub(crate) struct Resolver {
    /// What it was asked, with the link's index.
    pub(crate) asked: Arc<Mutex<Vec<(i32, String)>>>,
    _connection: Connection,
}

/// Link, family, bytes.
type Address = (i32, i32, Vec<u8>);

struct Resolve(Arc<Mutex<Vec<(i32, String)>>>, [u8; 4]);

#[interface(name = "org.freedesktop.resolve1.Manager")]
impl Resolve {
    fn resolve_hostname(
        &self,
        link: i32,
        name: String,
        family: i32,
        flags: u64,
    ) -> (Vec<Address>, String, u64) {
        assert_eq!((family, flags), (0, 0));
        self.0.lock().unwrap().push((link, name.clone()));
        (vec![(link, 2, self.1.to_vec())], name, flags)
    }
}

impl Resolver {
    /// Puts it onto the bus.
    pub(crate) async fn start(daemon: &Daemon, address: [u8; 4]) -> Self {
        let asked = Arc::<Mutex<Vec<_>>>::default();
        let resolve = Resolve(Arc::clone(&asked), address);
        let builder = daemon.connect().name("org.freedesktop.resolve1");
        let builder = builder.serve_at("/org/freedesktop/resolve1", resolve);
        Self { asked, _connection: builder.build().await.unwrap() }
    }
}
