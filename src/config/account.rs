//! A DM account: the factory bootstrap (TS 8.1) for one DM Server.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::Secret;
use crate::package::Profile;
use crate::transport::Auth;
use crate::uri::Moid;
use crate::uri::Origin;
use crate::uri::ServerId;

mod changes;
mod context;
mod credentials;
mod read;
pub(crate) mod syntax;

pub use changes::{Changes, Leaf, LeafError, StoredChange};
pub use context::AccountContext;
pub(crate) use credentials::{holds_certificates, no_certificates};
pub(super) use read::{rights, schedule};

/// An account: one file of `accounts.d` or what a bootstrap brought, validated, its secrets read.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// The file that the account was read from; empty where a bootstrap brought it.
    pub file: PathBuf,
    /// `server-id`: the Server Identifier (TS 11.2 ServerID); also the DMAcc instance's MIID.
    pub server_id: ServerId,
    /// `name`: the account's name for people.
    pub name: String,
    /// `server-uri`: a ServerURI template (TS 6.2).
    pub server_uri: String,
    /// `profile`: which of the two wire formats the server speaks.
    pub profile: Profile,
    /// `permissions`: the MOIDs the server may see, in the order written; `*` if unsaid.
    pub permissions: Vec<Permission>,
    /// `origins`: further origins that may see this account's credentials.
    pub origins: Vec<Origin>,
    /// `tls`: whom the account trusts.
    pub tls: TlsFiles,
    /// `auth`: how the agent authenticates to the server.
    pub auth: Auth,
    /// `notification`: how Package#0 is authenticated; none: it has no digest that can be checked.
    pub notification: Option<NotificationAuth>,
    /// `schedule`: its sessions without a notification.
    pub schedule: Schedule,
    /// `push`: its registration with a push service.
    pub push: Option<Push>,
    /// `bootstrap`: the server that it is from.
    pub bootstrap: Option<BootstrapServer>,
}

/// A permission: what a server may do with the device's own instances of an MO (TS 11.2 Permissions, TS 11.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// The MOID, or `*` for all.
    pub moid: Moid,
    /// The rights: Read 1, Write 2, Execute 4, Delegate 8, added up; 7 if unsaid.
    pub rights: u8,
}

impl Permission {
    /// The rights of an entry that says none: all but Delegate.
    pub const UNSAID: u8 = 7;
}

/// The PEM files that an account trusts: their contents, and how messages name them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// `ca-file`: PEM certificates that the account's origins must chain to; none: the system's roots.
    pub ca_pem: Option<Vec<u8>>,
    /// The file of `ca_pem`, as messages name it.
    pub ca_file: Option<String>,
    /// `repository-ca-file`: PEM certificates that every other origin must chain to; none: the system's roots.
    pub repository_ca_pem: Option<Vec<u8>>,
    /// The file of `repository_ca_pem`, as messages name it.
    pub repository_ca_file: Option<String>,
}

/// `notification`: how Package#0 is authenticated (TS 5.2.1.2, TS 11.2 AuthNoti).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationAuth {
    /// `secret-file`: the DM Server secret.
    pub secret: Secret,
    /// The file of that secret, for messages; none where a server or a bootstrap set it.
    pub secret_file: Option<String>,
    /// `data-file`: the approved profile's authentication data.
    pub data: Option<Secret>,
    /// `require-digest`: a notification without a digest is dropped; true if unsaid.
    pub require_digest: bool,
}

/// `schedule`: sessions without a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Whether there is a session at each start of the agent.
    pub at_boot: bool,
    /// Whether there is a session at the first start with this account, whatever `at_boot` says (TS 8.1).
    pub first_contact: bool,
    /// How often there is a session.
    pub every: Option<Duration>,
    /// The longest time that a scheduled session is late by, at random.
    pub jitter: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { at_boot: true, first_contact: true, every: None, jitter: Duration::ZERO }
    }
}

/// `push`: registration with a push service (TS Appendix D.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// `sender-id`: the server's id with the push service.
    pub sender_id: String,
    /// `register-uri`: the address that registrations go to.
    pub register_uri: String,
    /// `unregister-uri`: the address that ends of registrations go to.
    pub unregister_uri: String,
    /// `params`: a URI query that is added to both addresses.
    pub params: Option<String>,
}

/// `bootstrap`: the server that the account is from, as the approved DMAcc tells of it (`Auth/Bootstrap`). Its keys
/// stay in what the bootstrap brought: nothing reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootstrapServer {
    /// `server-uri`: the address of the bootstrap server.
    pub server_uri: String,
    /// `sec-mode`: the mode of security, which is base64 in the file.
    pub sec_mode: Option<Vec<u8>>,
}

impl Account {
    /// The account of nobody's server: on whose behalf the device itself, or its operator, reads.
    #[must_use]
    pub(crate) fn nobodys(name: &str) -> Self {
        Self {
            file: PathBuf::new(),
            server_id: ServerId::default(),
            name: name.to_owned(),
            server_uri: String::new(),
            profile: Profile::Draft,
            permissions: Vec::new(),
            origins: Vec::new(),
            tls: TlsFiles::default(),
            auth: Auth::None,
            notification: None,
            schedule: Schedule::default(),
            push: None,
            bootstrap: None,
        }
    }

    /// The rights that `permissions` give on the device's own instances of `moid` (TS 11.3), none if not listed.
    /// An exact entry wins over `*`.
    #[must_use]
    pub fn rights(&self, moid: &Moid) -> Option<u8> {
        let entry = |wanted: &str| self.permissions.iter().find(|permission| permission.moid == *wanted);
        entry(moid.as_str()).or_else(|| entry("*")).map(|permission| permission.rights)
    }
}

#[cfg(test)]
mod tests;
