//! The agent state: all that a session needs, as it was when the session began: settings, accounts, tree and store. A
//! reload makes a new agent state; sessions in flight finish on the old one.

mod parameters;

pub use parameters::{Parameters, imsi, imsi_dependencies, may_have_a_sim};

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::AtomicU64;
use crate::base::crash_guard::CrashGuard;
use crate::config::{Account, Settings};
use crate::spanned::Problems;
use crate::store::Store;
use crate::transport::Auth;
use crate::transport::{Client, ClientSettings, Proxies, TlsSettingsError, Usage};
use crate::tree::{Operator, Tree};
use crate::uri::ServerId;
use crate::uri::server::fill_text;

/// The state of the agent as sessions see it: settings, accounts, tree and store.
#[derive(Debug)]
pub struct AgentState {
    /// The agent's settings.
    pub settings: Arc<Settings>,
    /// The accounts, sorted by server id.
    pub peers: Vec<Arc<Peer>>,
    /// The management tree.
    pub tree: Arc<Tree>,
    /// The store that the state is kept in.
    pub store: Arc<Store>,
    /// The crash guard, which knows what has ended the agent.
    pub crash_guard: Arc<CrashGuard>,
    /// Whether no file of the configuration and the accounts is broken.
    pub is_sound: bool,
    /// Whether every management object is there that its folders hold: none is broken, or does not answer.
    pub has_all_objects: bool,
    /// Whether the device's owner has account files, sound or broken: then no bootstrap server is asked.
    pub is_owned: bool,
    /// The folders of accounts and management objects, as they were found.
    pub folders: Vec<Folder>,
    /// What is wrong with the files, as they were read last: what they brought before is used instead, or nothing.
    pub problems: Problems,
}

/// A folder of the configuration, as it was when it was read; one that did not answer holds nothing, and is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// The path of the folder.
    pub path: PathBuf,
    /// Whether the folder holds what it is for.
    pub holds: bool,
    /// The device and inode of the folder; none where it can't be read.
    pub identity: Option<(u64, u64)>,
    /// Whether the folder is for accounts; else it is for management objects.
    pub is_of_accounts: bool,
}

impl AgentState {
    /// The account with this server id.
    #[must_use]
    pub fn peer(&self, server_id: &ServerId) -> Option<&Arc<Peer>> {
        self.peers.iter().find(|peer| peer.account.server_id == *server_id)
    }

    /// What is wrong with a file now, so that what it brought before is used.
    #[must_use]
    pub fn broken(&self, file: &Path) -> Option<String> {
        let problem = self.problems.iter().find(|problem| problem.file == *file);
        problem.map(ToString::to_string)
    }

    /// The account that an EXEC is executed for: a server's, or the one that stands for the local operator.
    #[must_use]
    pub fn account_of(&self, server_id: &ServerId) -> Option<Arc<Account>> {
        match self.peer(server_id) {
            None if Operator::is_called(server_id) => Some(Operator::default().into_account()),
            peer => peer.map(|peer| Arc::clone(&peer.account)),
        }
    }
}

/// A DM Server's account and the connections made for it.
pub struct Peer {
    /// The account as it is now.
    pub account: Arc<Account>,
    settings: Arc<Settings>,
    surroundings: Surroundings,
    /// The usage of its connections.
    pub usage: Arc<Usage>,
    /// The client, made for these values of the account's templates.
    client: Mutex<Option<(Parameters, Client)>>,
}

/// The usage of each account's connections, by its server id.
type Usages = Vec<(ServerId, Arc<Usage>)>;

/// The surroundings of the agent, read once.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The proxies, from `HTTPS_PROXY` and its like.
    pub proxies: Proxies,
    /// The latest time known, seconds since 1970.
    pub time_floor: Arc<AtomicU64>,
    /// The usage of each account's connections since the agent started.
    pub usages: Arc<Mutex<Usages>>,
}

impl Surroundings {
    /// The usage of an account's connections, also of what was another one of that name before.
    fn usage(&self, server_id: &ServerId) -> Arc<Usage> {
        let mut usages = self.usages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, usage)) = usages.iter().find(|(known, _)| known == server_id) {
            return Arc::clone(usage);
        }
        let usage = Arc::<Usage>::default();
        usages.push((server_id.clone(), Arc::clone(&usage)));
        usage
    }
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").field("account", &self.account.server_id).finish_non_exhaustive()
    }
}

impl Peer {
    /// Prepares an account; its TLS configuration is made when first needed, and kept for resumption.
    #[must_use]
    pub fn new(account: Arc<Account>, settings: Arc<Settings>, surroundings: Surroundings) -> Self {
        let usage = surroundings.usage(&account.server_id);
        Self { account, settings, surroundings, usage, client: Mutex::default() }
    }

    /// Whether this peer was made for the same account under the same settings.
    #[must_use]
    pub fn is_for(&self, account: &Account, settings: &Settings) -> bool {
        *self.account == *account && *self.settings == *settings
    }

    /// The account's HTTPS client.
    ///
    /// # Errors
    /// A certificate or key of the account can't be used.
    pub fn client(&self, parameters: &Parameters) -> Result<Client, TlsSettingsError> {
        let mut kept = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        // The first session may come before the machine has told who it is.
        if let Some((known, client)) = &*kept
            && known == parameters
        {
            return Ok(client.clone());
        }
        let client = self.new_client(parameters)?;
        *kept = Some((parameters.clone(), client.clone()));
        Ok(client)
    }

    /// A client of the account that knows nothing of what came before: it resumes no TLS session, and waits to be asked
    /// for credentials.
    ///
    /// # Errors
    /// A certificate or key of the account can't be used.
    pub fn new_client(&self, parameters: &Parameters) -> Result<Client, TlsSettingsError> {
        let account = &self.account;
        Client::new(ClientSettings {
            ca_pem: account.tls.ca_pem.clone(),
            ca_file: account.tls.ca_file.clone(),
            repository_ca_pem: account.tls.repository_ca_pem.clone(),
            repository_ca_file: account.tls.repository_ca_file.clone(),
            auth: with_user(&account.auth, parameters),
            own_origins: account.own_origins(),
            allow_http: self.settings.session.allow_http,
            proxies: self.surroundings.proxies.clone(),
            time_floor: Arc::clone(&self.surroundings.time_floor),
            usage: Arc::clone(&self.usage),
        })
    }
}

/// The account's authentication, with this device's values in its user name.
fn with_user(auth: &Auth, parameters: &Parameters) -> Auth {
    let fill = |user: &str| fill_text(user, &|parameter| parameters.value(parameter));
    match auth {
        Auth::Basic { user, password } => Auth::Basic { user: fill(user), password: password.clone() },
        Auth::Digest { user, password } => Auth::Digest { user: fill(user), password: password.clone() },
        Auth::None | Auth::Certificate { .. } => auth.clone(),
    }
}
