//! The client of one account: its way to its servers, shared by its sessions.

use std::sync::{Arc, Mutex};

use hyper::Uri;

use super::account_transport::AccountTransport;
use super::auth::Authenticator;
use super::http::Connection;
use super::policy::{Policy, Refused, Standing};
use super::proxy::Proxies;
use super::reach::Binding;
use super::tls::{Tls, TlsSettingsError};
use super::usage::Usage;
use crate::base::AtomicU64;
use crate::transport::Auth;
use crate::uri::Origin;

/// The settings of an account's connections, its own and the agent's.
#[derive(Clone, Debug, Default)]
pub struct ClientSettings {
    /// The PEM certificates that DM Servers must chain to; none: the system's roots.
    pub ca_pem: Option<Vec<u8>>,
    /// The file of `ca_pem`, as messages name it.
    pub ca_file: Option<String>,
    /// The PEM certificates for data repositories that aren't of the account's own origins; none: the system's roots.
    pub repository_ca_pem: Option<Vec<u8>>,
    /// The file of `repository_ca_pem`, as messages name it.
    pub repository_ca_file: Option<String>,
    /// The account's credentials, by which the agent authenticates to its own origins; `user` is expanded.
    pub auth: Auth,
    /// The account's own origins: of its server URI, of `origins`, of its push registration.
    pub own_origins: Vec<Origin>,
    /// Whether plain http is allowed (`session.allow-http`).
    pub allow_http: bool,
    /// The proxies that requests go through.
    pub proxies: Proxies,
    /// The latest time known, in Unix seconds: certificates are never checked against an earlier one.
    pub time_floor: Arc<AtomicU64>,
    /// The usage that is counted there.
    pub usage: Arc<Usage>,
}

/// An account's TLS configurations, sessions to resume, and what its servers asked for in authentication.
/// Cheap to clone; keep it as long as the account.
#[derive(Clone)]
pub struct Client(Arc<AccountTransport>);

impl Client {
    /// Reads the PEM files' contents. The system's roots are read when first needed.
    ///
    /// # Errors
    /// What is wrong with a certificate or key.
    pub fn new(settings: ClientSettings) -> Result<Self, TlsSettingsError> {
        let identity = match &settings.auth {
            Auth::Certificate { cert_pem, key_pem } => Some((cert_pem.as_slice(), key_pem.expose())),
            _ => None,
        };
        let tls = Tls::new(
            settings.ca_pem.as_deref().map(|pem| (pem, settings.ca_file)),
            settings.repository_ca_pem.as_deref().map(|pem| (pem, settings.repository_ca_file)),
            identity,
            settings.time_floor,
        )?;
        Ok(Self(Arc::new(AccountTransport {
            policy: Policy { own: settings.own_origins, allow_http: settings.allow_http },
            tls,
            proxies: settings.proxies,
            usage: settings.usage,
            auth: Mutex::new(Authenticator::new(settings.auth)),
            memory: Mutex::default(),
        })))
    }

    /// Whether the agent may connect to `uri`'s origin, and what that origin is to the account.
    /// [`Connection::send`] asks by itself.
    ///
    /// # Errors
    /// Why it may not.
    pub fn admit(&self, uri: &Uri) -> Result<Standing, Refused> {
        self.0.policy.admit(uri).map(|(_, standing)| standing)
    }

    /// Whether a server has asked for the account's user and password.
    #[must_use]
    pub fn is_challenged(&self) -> bool {
        self.0.auth().is_challenged()
    }

    /// Makes a session's connection, which connects when something is sent.
    #[must_use]
    pub fn connection(&self, binding: Binding) -> Connection {
        Connection::new(self.0.clone(), binding)
    }
}
