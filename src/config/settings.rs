//! The agent's settings (`omadmd.toml`), validated.

use std::path::PathBuf;
use std::time::Duration;

use super::account::{Permission, Schedule};
use super::subscriber::Subscriber;
use crate::uri::Origin;

/// The settings of the agent, with their defaults in [`Settings::default`].
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `[notification]`: who may wake the agent.
    pub notification: Notification,
    /// `[session]`: bounds of a session.
    pub session: Session,
    /// `[exec]`: how scripts are run.
    pub exec: Exec,
    /// `[alert]`: how many alerts wait for an account.
    pub alert: AlertBounds,
    /// `[store] quota`: the most that servers may fill the store with, in bytes of node names and values.
    pub quota: u64,
    /// `[show] browser`: argv of the browser to start for SHOW, the URI is appended; empty: SHOW answers 501.
    pub browser: Vec<String>,
    /// `[dbus] address`: `system`, or a D-Bus address.
    pub dbus_address: String,
    /// `[paths]`: the folders that the agent uses.
    pub paths: Paths,
    /// `[objects] ddf-base`: the address that a management object's relative `ddf-uri` is below; none: there is no such
    /// address.
    pub ddf_base: Option<String>,
    /// `[objects] disable`: the names of folders whose management objects are not served.
    pub disabled_objects: Vec<String>,
    /// `[bootstrap]`: client-initiated bootstrap.
    pub bootstrap: Bootstrap,
    /// `[subscriber]`: what the SIM and the network say.
    pub subscriber: Subscriber,
    /// `[subscription] poll`: how often sources that nothing tells of are looked at, while a subscription needs them.
    pub subscription_poll: Duration,
}

/// `[notification]`: who may wake the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The UDP addresses to listen on where systemd passes no socket.
    pub listen: Vec<std::net::SocketAddr>,
    /// Whether a Package#0 without a WAP push header around it is accepted.
    pub accept_bare: bool,
    /// The age from which on an authenticated notification is dropped.
    pub max_age: Duration,
    /// How long a notification's id is remembered; at least twice `max_age`.
    pub replay_window: Duration,
}

/// `[session]`: bounds of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// How often a package is sent again after a transport error, 5xx or 429.
    pub retries: u32,
    /// How long a session waits for a preferred bearer.
    pub bearer_wait: Duration,
    /// Whether scheduled sessions wait while connections leave by a metered link.
    pub metered: MeteredLinks,
    /// How long they wait for another one.
    pub metered_wait: Duration,
    /// How long scheduled sessions wait, after the start, for a clock that was never set.
    pub clock_wait: Duration,
    /// The largest Package#2 in bytes; a larger one ends the session.
    pub max_package: usize,
    /// The most bytes that the GETs of one package bring; what is over is 503.
    pub max_data: usize,
    /// The most packages one session may take.
    pub max_packages: u32,
    /// Whether plain http is allowed: for a bench only.
    pub allow_http: bool,
    /// Whether a request for just-in-time configuration says who asks, as the query field `InitiatedBy`.
    pub default_initiated_by: bool,
    /// If not empty: the only origins that CONT may move a session to.
    pub continue_origins: Vec<Origin>,
}

/// `[session] metered`: what links that are paid for by the amount are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MeteredLinks {
    /// `any`: all sessions.
    #[default]
    Any,
    /// `no-schedule`: sessions that somebody or something asks for, and not those of the schedule.
    NoSchedule,
}

/// `[exec]`: how scripts are run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// The helper's socket; none: the agent runs scripts itself, as itself.
    pub socket: Option<PathBuf>,
    /// An EXEC that takes longer than this is answered 202.
    pub sync_limit: Duration,
}

/// `[alert]`: how many alerts wait for an account; then the oldest of the lowest Mark go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertBounds {
    /// The most alerts that wait for an account.
    pub max_queued: usize,
    /// The most bytes that they take.
    pub max_bytes: usize,
}

impl Default for AlertBounds {
    fn default() -> Self {
        Self { max_queued: 1000, max_bytes: 1 << 20 }
    }
}

/// `[paths]`: the folders that the agent uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The folders of management objects; a folder of the same name in a later one replaces the earlier's.
    pub mo: Vec<PathBuf>,
    /// The folders of account files; a file of the same name in a later one replaces the earlier's.
    pub accounts: Vec<PathBuf>,
    /// The state folder, which the store is in.
    pub state: PathBuf,
    /// The folder that every `file` source is below.
    pub sysroot: PathBuf,
    /// The folder of programs that are asked before an EXEC whose mapping says so.
    pub exec_veto: PathBuf,
}

/// `[bootstrap]`: client-initiated bootstrap (TS 8.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// `uri`: the address where an agent without accounts asks for some, a ServerURI template; none: it does not ask.
    pub uri: Option<String>,
    /// `ca-file`: the PEM certificates that the bootstrap server, and the servers of the accounts that it brings, must
    /// chain to; none: the system's roots.
    pub ca_pem: Option<Vec<u8>>,
    /// `jitter`: the longest time that the first attempt is late by, at random.
    pub jitter: Duration,
    /// `schedule`: the schedule of the accounts that it brings.
    pub schedule: Schedule,
    /// `rights`: what these accounts may do with the device's own instances of what they list (TS 11.3). That is the
    /// owner's to say: a bootstrap's Permissions say which objects, not what may be done.
    pub rights: u8,
}

impl Default for Bootstrap {
    fn default() -> Self {
        let jitter = Duration::from_secs(30);
        Self { uri: None, ca_pem: None, jitter, schedule: Schedule::default(), rights: Permission::UNSAID }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            notification: Notification {
                listen: vec![std::net::SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 2948))],
                accept_bare: false,
                max_age: Duration::from_secs(5 * 60),
                replay_window: Duration::from_secs(24 * 3600),
            },
            session: Session {
                retries: 5,
                bearer_wait: Duration::from_secs(15 * 60),
                metered: MeteredLinks::Any,
                metered_wait: Duration::from_secs(7 * 24 * 3600),
                clock_wait: Duration::from_secs(5 * 60),
                max_package: 1 << 20,
                max_data: 16 << 20,
                max_packages: 1000,
                allow_http: false,
                default_initiated_by: false,
                continue_origins: Vec::new(),
            },
            exec: Exec { socket: None, sync_limit: Duration::from_secs(5) },
            alert: AlertBounds::default(),
            quota: 32 << 20,
            browser: Vec::new(),
            dbus_address: "system".to_owned(),
            paths: Paths {
                mo: vec!["/usr/share/omadm/mo".into(), "/etc/omadm/mo.d".into()],
                accounts: vec!["/usr/lib/omadm/accounts.d".into(), "/etc/omadm/accounts.d".into()],
                state: "/var/lib/omadm".into(),
                sysroot: "/".into(),
                exec_veto: "/etc/omadm/exec-veto.d".into(),
            },
            ddf_base: None,
            disabled_objects: Vec::new(),
            bootstrap: Bootstrap::default(),
            subscriber: Subscriber::default(),
            subscription_poll: Duration::from_secs(60),
        }
    }
}

mod read;

#[cfg(test)]
mod tests;
