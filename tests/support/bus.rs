//! A message bus of a test's own, and modems on it.

use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use futures_core::Stream as _;
use omadm_agent::lab::files;
use tempfile::TempDir;
use zbus::{Connection, MessageStream, connection, fdo, interface};

/// The modems' service.
pub(crate) const SERVICE: &str = "org.t.Modems1";
/// The modems' interface.
pub(crate) const MODEM: &str = "org.t.Modems1.Modem";

/// A real dbus-daemon. Nobody else is on it.
pub(crate) struct Daemon {
    child: Option<Child>,
    folder: TempDir,
}

impl Daemon {
    /// Starts one.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// Starts one with more in its configuration.
    pub(crate) fn start_with(more: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("omadm-bus-").tempdir().unwrap();
        let config = format!(
            "<busconfig><listen>{}</listen><auth>EXTERNAL</auth>\
             <servicedir>{}</servicedir>\
             <policy context=\"default\"><allow send_destination=\"*\"/><allow receive_sender=\"*\"/>\
             <allow own=\"*\"/></policy>{more}</busconfig>",
            Self::address_in(folder.path()),
            folder.path().display(),
        );
        files::put(&folder.path().join("bus.conf"), config, files::PLAIN).unwrap();
        let mut daemon = Self { child: None, folder };
        daemon.start_again();
        daemon
    }

    /// Starts it where it was.
    pub(crate) fn start_again(&mut self) {
        let config = self.folder.path().join("bus.conf");
        let mut child = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--nopidfile", "--print-address=1"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("dbus-daemon (Debian: apt-get install dbus-daemon)");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("unix:"), "dbus-daemon says {line:?}");
        self.child = Some(child);
    }

    /// Ends it: whoever is connected is so no longer.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let _ = std::fs::remove_file(self.folder.path().join("socket"));
    }

    /// Has it stand still, or go on.
    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let id = self.child.as_ref().unwrap().id();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(id.try_into().unwrap()), signal).unwrap();
    }

    /// Its address.
    pub(crate) fn address(&self) -> String {
        Self::address_in(self.folder.path())
    }

    fn address_in(folder: &Path) -> String {
        format!("unix:path={}/socket", folder.display())
    }

    /// What an agent's configuration says of it.
    pub(crate) fn config(&self) -> String {
        format!("[dbus]\naddress = \"{}\"\n", self.address())
    }

    /// A connection.
    pub(crate) fn connect(&self) -> connection::Builder<'static> {
        connection::Builder::address(self.address().as_str())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The calls on a bus, counted as they pass.
pub(crate) struct Calls(Arc<Mutex<BTreeMap<String, usize>>>);

impl Calls {
    /// Counts those of one service from now on.
    pub(crate) async fn of(daemon: &Daemon, service: &'static str) -> Self {
        let link = daemon.connect().build().await.unwrap();
        let mut stream = MessageStream::from(&link);
        let (bus, path, monitoring) =
            ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.Monitoring");
        let rules = vec![format!("type='method_call',destination='{service}'")];
        link.call_method(Some(bus), path, Some(monitoring), "BecomeMonitor", &(rules, 0_u32)).await.unwrap();
        let calls = Arc::<Mutex<BTreeMap<String, usize>>>::default();
        let counted = Arc::clone(&calls);
        tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await {
                let header = message.header();
                if header.destination().is_some_and(|name| name.as_str() == service)
                    && let Some(member) = header.member()
                {
                    *counted.lock().unwrap().entry(member.to_string()).or_default() += 1;
                }
            }
            drop(link);
        });
        Self(calls)
    }

    /// How often each method was called since this was asked last.
    pub(crate) fn take(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// What a modem is, and what was done to it.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Its `Power`.
    pub(crate) power: bool,
    /// Its `Band`.
    pub(crate) band: u32,
    /// Its `Label`.
    pub(crate) label: String,
    /// Its label can't be set.
    pub(crate) is_locked: bool,
    /// Its `Ssid`.
    pub(crate) ssid: Vec<u8>,
    /// Its `Modes`.
    pub(crate) modes: Vec<String>,
    /// Its `Pin`, which it keeps to itself.
    pub(crate) pin: String,
    /// The methods that were called.
    pub(crate) calls: Vec<String>,
    /// How often it was asked for its IMEI.
    pub(crate) reads: usize,
}

/// Called when a property was set, before the one who set it hears of it.
pub(crate) type Hook = Box<dyn Fn(&str) + Send + Sync>;

/// A modem.
pub(crate) struct Modem {
    /// Its IMEI.
    pub(crate) imei: &'static str,
    /// What it is.
    pub(crate) state: Arc<Mutex<State>>,
    /// Called with the name of a property that was set.
    pub(crate) hook: Hook,
}

impl Modem {
    /// A modem, and what it is.
    pub(crate) fn new(imei: &'static str) -> (Self, Arc<Mutex<State>>) {
        let state = Arc::<Mutex<State>>::default();
        (Self { imei, state: Arc::clone(&state), hook: Box::new(|_| {}) }, state)
    }
}

#[interface(name = "org.t.Modems1.Modem")]
impl Modem {
    #[zbus(property)]
    fn equipment_identifier(&self) -> String {
        self.state.lock().unwrap().reads += 1;
        self.imei.to_owned()
    }

    #[zbus(property)]
    fn signal_quality(&self) -> (u32, bool) {
        (64, true)
    }

    #[zbus(property)]
    fn temperature(&self) -> f64 {
        41.5
    }

    #[zbus(property)]
    fn ports(&self) -> HashMap<String, u32> {
        HashMap::from([("ttyUSB0".to_owned(), 3), ("wwan0".to_owned(), 2)])
    }

    #[zbus(property)]
    fn power(&self) -> bool {
        self.state.lock().unwrap().power
    }

    #[zbus(property)]
    fn set_power(&mut self, power: bool) {
        self.state.lock().unwrap().power = power;
        (self.hook)("Power");
    }

    #[zbus(property)]
    fn band(&self) -> u32 {
        self.state.lock().unwrap().band
    }

    #[zbus(property)]
    fn set_band(&mut self, band: u32) -> fdo::Result<()> {
        if band > 90 {
            return Err(fdo::Error::InvalidArgs("there is no such band".to_owned()));
        }
        self.state.lock().unwrap().band = band;
        (self.hook)("Band");
        Ok(())
    }

    #[zbus(property)]
    fn label(&self) -> String {
        self.state.lock().unwrap().label.clone()
    }

    #[zbus(property)]
    fn set_label(&mut self, label: String) -> fdo::Result<()> {
        if self.state.lock().unwrap().is_locked {
            return Err(fdo::Error::Failed("it is locked".to_owned()));
        }
        self.state.lock().unwrap().label = label;
        (self.hook)("Label");
        Ok(())
    }

    #[zbus(property)]
    fn ssid(&self) -> Vec<u8> {
        self.state.lock().unwrap().ssid.clone()
    }

    #[zbus(property)]
    fn set_ssid(&mut self, ssid: Vec<u8>) {
        self.state.lock().unwrap().ssid = ssid;
    }

    #[zbus(property)]
    fn modes(&self) -> Vec<String> {
        self.state.lock().unwrap().modes.clone()
    }

    #[zbus(property)]
    fn set_modes(&mut self, modes: Vec<String>) {
        self.state.lock().unwrap().modes = modes;
    }

    /// Says yes, and stays as it is.
    #[zbus(property)]
    fn stubborn(&self) -> i64 {
        7
    }

    #[zbus(property)]
    fn set_stubborn(&mut self, value: i64) {
        self.state.lock().unwrap().calls.push(format!("Stubborn {value}"));
        (self.hook)("Stubborn");
    }

    #[zbus(property)]
    fn set_pin(&mut self, pin: String) {
        self.state.lock().unwrap().pin = pin;
    }

    fn rename(&mut self, label: String, lasting: bool, times: u8) {
        let mut state = self.state.lock().unwrap();
        state.calls.push(format!("Rename {label:?} {lasting} {times}"));
        state.label = label;
    }

    fn reset(&mut self) -> fdo::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.calls.push("Reset".to_owned());
        if state.power { Ok(()) } else { Err(fdo::Error::Failed("it is off".to_owned())) }
    }

    fn survey(&self, band: u32) -> (Vec<String>, i32) {
        self.state.lock().unwrap().calls.push(format!("Survey {band}"));
        (vec!["near".to_owned()], -71_500)
    }

    fn guarded(&self) -> fdo::Result<()> {
        Err(fdo::Error::AccessDenied("only root may".to_owned()))
    }

    async fn slow(&self) {
        std::future::pending::<()>().await;
    }
}

/// Puts modems onto the bus, by the last element of their paths.
pub(crate) async fn serve(daemon: &Daemon, modems: impl IntoIterator<Item = (&str, Modem)>) -> Connection {
    let mut builder = daemon.connect().name(SERVICE);
    for (number, modem) in modems {
        builder = builder.serve_at(format!("/org/t/Modems1/Modem/{number}"), modem);
    }
    builder.build().await.unwrap()
}

/// Has the modem `0` be on this band, and say so, as another program sets it.
pub(crate) async fn tune(daemon: &Daemon, band: u32) {
    set(daemon, "0", "Band", zbus::wire::Variant::U32(band)).await;
}

/// Has another program set a property of a modem.
pub(crate) async fn set(daemon: &Daemon, modem: &str, property: &str, value: zbus::wire::Variant<'_>) {
    let other = daemon.connect().build().await.unwrap();
    let body = (MODEM, property, value);
    let path = format!("/org/t/Modems1/Modem/{modem}");
    let properties = Some("org.freedesktop.DBus.Properties");
    other.call_method(Some(SERVICE), path, properties, "Set", &body).await.unwrap();
}

/// Tells of objects that come and go.
struct Manager;

#[interface(name = "org.freedesktop.DBus.ObjectManager")]
impl Manager {
    fn get_managed_objects(&self) -> HashMap<String, HashMap<String, HashMap<String, String>>> {
        HashMap::new()
    }
}

/// Puts an object manager above the modems.
pub(crate) async fn manage(service: &Connection) {
    service.object_server().at("/org/t/Modems1", Manager).await.unwrap();
}

/// Has it say that the objects below are others now.
pub(crate) async fn tell(service: &Connection, signal: &str) {
    let manager = "org.freedesktop.DBus.ObjectManager";
    service
        .emit_signal(None::<&str>, "/org/t/Modems1", manager, signal, &"/org/t/Modems1/Modem/1")
        .await
        .unwrap();
}

/// Modems of a service that is made with GLib, as ModemManager and NetworkManager are.
pub(crate) struct Glib {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Glib {
    /// Puts it onto the bus.
    pub(crate) fn start(daemon: &Daemon) -> Self {
        // Debian's own Python is the one that has it.
        let mut child = Command::new("/usr/bin/python3")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/glib.py"))
            .arg(daemon.address())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "the service does not start (Debian: apt-get install python3-gi)");
        Self { child, out }
    }

    /// What was done to it. It is gone after that.
    pub(crate) fn told(mut self) -> String {
        self.child.kill().unwrap();
        let mut told = String::new();
        self.out.read_to_string(&mut told).unwrap();
        told
    }
}

impl Drop for Glib {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
