//! The exchange with the bootstrap server, and what is kept of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::body::Bytes;
use hyper::header::{ACCEPT as ACCEPT_HEADER, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Uri};

use super::dmacc::BroughtAccount;
use super::message::{self, ACCEPT, Message, MessageError, Objects, Step};
use super::subscriber;
use crate::agent_state::{AgentState, Surroundings};
use crate::agent_state::{Parameters, imsi, may_have_a_sim};
use crate::base::crash_guard::Fatal;
use crate::config::{Account, Settings};
use crate::repository::{FollowError, follow};
use crate::store::{AccountChange, Change, Snapshot, StoreError};
use crate::transport::Auth;
use crate::transport::{
    Binding, Client, ClientSettings, Connection, PeerRole, Request, TlsSettingsError, TransportError,
    retry_after,
};
use crate::tree::{Data, Document, Principal, SessionFacts, TreeError};
use crate::uri::Moid;
use crate::uri::ServerId;
use crate::uri::client::ClientUri;
use crate::uri::server::{Parameter, ServerUriError, shown};

/// The name in messages of the CA file that a bootstrap server must chain to.
const BOOTSTRAP_CA: &str = "the file of bootstrap.ca-file";
/// The largest answer, in bytes.
const LARGEST: usize = 256 << 10;

/// The reason why accounts are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The device has no account.
    NoAccount,
    /// The SIM is another's than at the last bootstrap.
    NewSubscriber,
}

/// Why there are no new accounts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BootstrapError {
    /// The device can't tell yet who it is.
    #[error("{0}")]
    Tree(#[from] TreeError),
    /// `IMSI` has sources, and none of them knows it yet.
    #[error("the SIM's IMSI is not known yet")]
    NoSubscriber,
    /// The address of the bootstrap server can't be filled.
    #[error("bootstrap.uri: {0}")]
    Uri(#[from] ServerUriError),
    /// The file `bootstrap.ca-file` is no good.
    #[error("bootstrap.ca-file: {0}")]
    Tls(#[from] TlsSettingsError),
    /// The bootstrap server can't be reached.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The bootstrap server has no accounts.
    #[error("the server answered with HTTP status {status} ({at})")]
    Status {
        /// The address that was asked, as messages show it.
        at: String,
        /// The HTTP status.
        status: u16,
        /// How long the server wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// The server redirects for ever, or to where the agent doesn't follow.
    #[error("the server's redirect can't be followed: {0}")]
    Redirect(&'static str),
    /// The server's answer is no bootstrap.
    #[error("the answer is refused: {0}")]
    Message(#[from] MessageError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The agent has died twice of asking a server: none was asked.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}

impl From<FollowError> for BootstrapError {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Transport(error) => Self::Transport(error),
            FollowError::Redirect(why) => Self::Redirect(why),
        }
    }
}

impl BootstrapError {
    /// How long the server is to be left alone.
    #[must_use]
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Fatal(fatal) => Some(fatal.again),
            _ => None,
        }
    }
}

/// Asks for accounts, if there is a reason to. Returns the server ids of those that came, sorted; none where there was
/// no reason. `salt` is random. `patient`: the device has just started, and a SIM may still show up.
///
/// # Errors
/// Nothing has changed.
pub(crate) async fn run(
    agent_state: &AgentState,
    surroundings: &Surroundings,
    salt: u64,
    patient: bool,
) -> Result<Option<Vec<ServerId>>, BootstrapError> {
    let settings = &agent_state.settings;
    let Some(address) = &settings.bootstrap.uri else { return Ok(None) };
    if agent_state.is_owned {
        return Ok(None);
    }
    let machine = agent_state.tree.machine();
    let imsi = imsi(settings, machine).await;
    // A modem may be up later than the agent: until then it is not known whose device this is.
    if imsi.is_none() && patient && may_have_a_sim(settings, machine).await {
        return Err(BootstrapError::NoSubscriber);
    }
    let none_yet = agent_state.tree.accounts().is_empty();
    let known = agent_state.store.snapshot()?.subscriber()?;
    let reason = match none_yet {
        true => Reason::NoAccount,
        false if subscriber::changed(known, imsi.as_deref()) => Reason::NewSubscriber,
        false => return Ok(None),
    };
    let nobody = Arc::new(Account::nobodys(""));
    let principal = Principal { account: &nobody, session: SessionFacts::default() };
    let parameters = Parameters::of(&agent_state.tree, settings, &principal).await?;
    let uri = parameters.expand(&with_query(address, &parameters))?;
    let own_origins = crate::uri::Origin::of(&uri).into_iter().collect();
    let client = Client::new(ClientSettings {
        ca_pem: settings.bootstrap.ca_pem.clone(),
        ca_file: Some(BOOTSTRAP_CA.to_owned()),
        repository_ca_pem: settings.bootstrap.ca_pem.clone(),
        repository_ca_file: Some(BOOTSTRAP_CA.to_owned()),
        auth: Auth::None,
        own_origins,
        allow_http: settings.session.allow_http,
        proxies: surroundings.proxies.clone(),
        time_floor: Arc::clone(&surroundings.time_floor),
        ..ClientSettings::default()
    })?;
    let mut asking = Asking { agent_state, parameters, connection: client.connection(Binding::Any) };
    log::info!(
        "{}",
        match reason {
            Reason::NoAccount => "bootstrap: there is no account, asking for some",
            Reason::NewSubscriber => "bootstrap: the SIM is another one, asking for its accounts",
        }
    );
    let found = asking.ask(uri).await?;
    let subscriber = imsi.map(|imsi| subscriber::remember(salt, &imsi));
    asking.keep(found, subscriber).await.map(Some)
}

/// The content of a bootstrap server's answer.
#[derive(Default)]
struct BootstrapContent {
    accounts: Vec<BroughtAccount>,
    /// The other objects to be stored, with the first account's rights.
    objects: Vec<(Document, Option<ClientUri>)>,
    /// The ServerURI and MOID of DEFAULTs: ServerURIs, and what each is for.
    defaults: Vec<(String, Moid)>,
}

struct Asking<'a> {
    agent_state: &'a AgentState,
    parameters: Parameters,
    connection: Connection,
}

impl Asking<'_> {
    async fn ask(&mut self, uri: Uri) -> Result<BootstrapContent, BootstrapError> {
        let settings = &self.agent_state.settings;
        let (content_type, body) = self.get(uri, ACCEPT).await?;
        let mut found = BootstrapContent::default();
        match Message::read(&content_type, &body, settings)? {
            Message::Accounts(accounts) => found.accounts = accounts,
            Message::Commands(steps) => {
                for step in steps {
                    self.take(step, settings, &mut found).await?;
                }
                message::check(&mut found.accounts)?;
            }
        }
        Ok(found)
    }

    async fn take(
        &mut self,
        step: Step,
        settings: &Settings,
        found: &mut BootstrapContent,
    ) -> Result<(), BootstrapError> {
        let (from, target) = match step {
            Step::Default { from, moid } => {
                found.defaults.push((from, moid));
                return Ok(());
            }
            Step::Retrieve { from, target } => (from, target),
        };
        let uri = self.parameters.expand(&from)?;
        let (content_type, body) =
            self.get(uri, "application/dmmo+json, application/vnd.oma.dm.mo+json").await?;
        if !message::is_object_type(&content_type) {
            return Err(MessageError::ContentType(content_type.chars().take(100).collect()).into());
        }
        let Objects { accounts, others } = Objects::read(&body, settings)?;
        found.accounts.extend(accounts);
        for other in others {
            let document = Document {
                moid: Some(other.moid),
                client_uri: other.client_uri,
                data: other.data.into(),
                is_bare: false,
            };
            found.objects.push((document, target.clone()));
        }
        Ok(())
    }

    /// Fetches a document by GET; redirects never lead from https to http.
    async fn get(&mut self, uri: Uri, accept: &'static str) -> Result<(String, Bytes), BootstrapError> {
        let mut request = Request { role: PeerRole::Server, ..Request::new(Method::GET, uri) };
        request.headers.push((ACCEPT_HEADER, HeaderValue::from_static(accept)));
        request.max_body = LARGEST;
        let response = follow(&mut request, &[301, 302, 303, 307, 308], &mut self.connection).await?;
        let text = |name| response.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        match response.status {
            200 => Ok((text(CONTENT_TYPE).unwrap_or_default().to_owned(), response.body)),
            status => {
                let retry_after = retry_after(&response.headers, SystemTime::now());
                let at = shown(&request.uri.to_string());
                Err(BootstrapError::Status { at, status, retry_after })
            }
        }
    }

    /// Puts the accounts in the place of those that an earlier bootstrap brought, in one transaction. Returns their
    /// server ids.
    async fn keep(
        &self,
        found: BootstrapContent,
        subscriber: Option<AccountChange>,
    ) -> Result<Vec<ServerId>, BootstrapError> {
        let AgentState { store, settings, .. } = self.agent_state;
        let before = super::accounts(&*store.snapshot()?, settings)?;
        let mut changes = withdrawn(&before, &*store.snapshot()?, &found.accounts)?;
        let (mut ids, mut first) = (Vec::new(), None);
        for BroughtAccount { account, record } in found.accounts {
            ids.push(account.server_id.clone());
            changes.push(AccountChange::Brought { server_id: account.server_id.clone(), record });
            first.get_or_insert_with(|| Arc::new(account));
        }
        changes.extend(subscriber);
        let mut changes: Vec<Change> = changes.into_iter().map(Change::Account).collect();
        let Some(first) = first else { return Err(MessageError::None.into()) };
        let principal = Principal { account: &first, session: SessionFacts::default() };
        changes.extend(
            found.defaults.into_iter().filter_map(|(from, moid)| self.default(from, &moid, &principal)),
        );
        store.commit(changes).await?;
        for (document, target) in found.objects {
            // The accounts are there: what can't be stored besides is no reason to go without them.
            if let Err(error) = self.store(document, target, &principal).await {
                log::warn!("bootstrap: an object that the server sent is not stored: {error}");
            }
        }
        Ok(ids)
    }

    /// The change that DEFAULT asks for, by the word of the first account, if the device has the object and the account
    /// may see it.
    fn default(&self, server_uri: String, moid: &Moid, principal: &Principal<'_>) -> Option<Change> {
        let Ok(object) = self.agent_state.tree.object_seen(moid, principal) else {
            log::warn!("bootstrap: DEFAULT for {moid:?} is ignored: there is no such management object");
            return None;
        };
        let server_id = principal.account.server_id.clone();
        Some(Change::Default { moid: object.moid.clone(), server_id, server_uri })
    }

    async fn store(
        &self,
        document: Document,
        target: Option<ClientUri>,
        principal: &Principal<'_>,
    ) -> Result<(), TreeError> {
        let tree = &self.agent_state.tree;
        let moid = document.moid.clone().unwrap_or_default();
        match target {
            Some(target) => {
                let node = tree.destination(&target, principal).await?;
                if !node.object.answers_to(&moid) {
                    let why = format!("the retrieved document is of {moid:?}");
                    return Err(TreeError::Invalid { node: node.client_uri(), why });
                }
                let data = document.data_of(&node);
                tree.replace(&node, Data::Json(data), principal).await
            }
            None => tree.store(vec![document], None, principal).await.map(drop),
        }
    }
}

/// The accounts of earlier bootstraps that go: those that did not come again, and those whose name came back with
/// another origin: that is another server, which must not inherit what the first one had.
fn withdrawn(
    before: &[Account],
    snapshot: &Snapshot,
    now: &[BroughtAccount],
) -> Result<Vec<AccountChange>, StoreError> {
    let origin = |account: &Account| account.own_origins().into_iter().next();
    let stays = |server_id: &ServerId| {
        let Some(old) = before.iter().find(|old| old.server_id == *server_id) else { return false };
        now.iter().any(|new| new.account.server_id == *server_id && origin(&new.account) == origin(old))
    };
    let gone = snapshot.brought()?.into_iter().map(|(server_id, _)| server_id);
    Ok(gone.filter(|server_id| !stays(server_id)).map(AccountChange::Withdrawn).collect())
}

/// The address with the values in its query that TS 8.2 asks for and it has no place for, as far as they are known.
fn with_query(address: &str, parameters: &Parameters) -> String {
    let mut address = address.to_owned();
    for (name, parameter) in [("DevID", Parameter::DevId), ("MNC", Parameter::Mnc), ("MCC", Parameter::Mcc)] {
        let place = format!("[{name}]");
        if !address.contains(&place) && parameters.value(parameter).is_some() {
            let separator = if address.contains('?') { '&' } else { '?' };
            address.push_str(&format!("{separator}{name}={place}"));
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_address_lacks_goes_into_its_query() {
        let parameters = Parameters::new("UUID:1".to_owned());
        let filled =
            |address: &str| parameters.expand(&with_query(address, &parameters)).unwrap().to_string();
        assert_eq!(filled("https://b.example"), "https://b.example/?DevID=UUID:1");
        assert_eq!(filled("https://b.example/x?y=z"), "https://b.example/x?y=z&DevID=UUID:1");
        assert_eq!(filled("https://b.example/[MCC]/[MNC]/[DevID]"), "https://b.example/-1/-1/UUID:1");
    }

    #[test]
    fn an_account_that_comes_back_from_elsewhere_is_another_ones() {
        let folder = tempfile::tempdir().unwrap();
        let store = crate::store::Store::open(folder.path()).unwrap().store;
        let account = |id: &str, uri: &str| Account {
            server_id: id.into(),
            server_uri: uri.into(),
            ..Account::nobodys("")
        };
        let before = [("stays", "https://a/1"), ("moves", "https://a/1"), ("goes", "https://a/1")];
        for (id, _) in before {
            let record = crate::base::Secret::new(Vec::new());
            let brought = AccountChange::Brought { server_id: id.into(), record };
            store.commit_blocking(&[Change::Account(brought)]).unwrap();
        }
        let brought = |id: &str, uri: &str| BroughtAccount {
            account: account(id, uri),
            record: crate::base::Secret::new(Vec::new()),
        };
        let now = [
            brought("stays", "https://a:443/2"),
            brought("moves", "https://b/1"),
            brought("new", "https://a/1"),
        ];
        let before = before.map(|(id, uri)| account(id, uri));
        let gone = withdrawn(&before, &store.snapshot().unwrap(), &now).unwrap();
        let expected = ["goes", "moves"].map(|id| AccountChange::Withdrawn(id.into()));
        assert_eq!(gone, expected);
    }
}
