//! From files to a [`World`], at start and at every reload.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::DaemonError;
use crate::attempts::Attempts;
use crate::backend::{Bus, Machine};
use crate::config::{self, Account, Auth, Environment, Problems, Selection, Settings};
use crate::journal::id;
use crate::mo::{self, ManagementObject};
use crate::session::Random;
use crate::store::{CacheKey, Change, Store};
use crate::tree::Tree;
use crate::world::{Peer, Surroundings, World};
use crate::{bootstrap, tree};

/// What the agent runs on.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which configuration.
    pub selection: Selection,
    /// What the process brings along.
    pub environment: Environment,
    /// Proxies, and the latest time known.
    pub surroundings: Surroundings,
}

/// Makes what cache validators are keyed with (TS 12), once in the life of the store.
pub(super) async fn make_cache_key(store: &Arc<Store>, random: &mut dyn Random) -> Result<(), DaemonError> {
    if store.snapshot()?.cache_key()?.is_some() {
        return Ok(());
    }
    let mut key: CacheKey = [0; _];
    for part in key.chunks_mut(8) {
        part.copy_from_slice(&random.next().to_ne_bytes());
    }
    // Without randomness, nothing is cacheable.
    if key.iter().all(|&byte| byte == 0) {
        return Ok(());
    }
    Ok(store.commit(vec![Change::CacheKey(key)]).await?)
}

/// Reads the configuration, at start and again.
pub(super) struct Loader {
    options: Options,
    started: Instant,
    /// What may end the agent.
    attempts: Arc<Attempts>,
    /// The latest one, whose connection is kept while its address stays.
    bus: Mutex<Option<Arc<Bus>>>,
}

impl Loader {
    /// Loads everything for the first time; broken accounts and management objects are left out.
    pub(super) async fn start(options: Options) -> Result<(Self, Arc<World>), DaemonError> {
        let (started, bus) = (Instant::now(), Mutex::default());
        let mut loader = Self { options, started, attempts: Arc::default(), bus };
        let mut loaded = config::load(&loader.options.selection, &loader.options.environment)
            .map_err(DaemonError::Configuration)?;
        say(&loaded.problems);
        if loaded.fell_back {
            log::error!(
                MESSAGE_ID = id::CONFIGURATION_BROKEN; "running on the vendor's configuration alone"
            );
            // The broken part may name another server, or none.
            loaded.settings.bootstrap.uri = None;
        }
        let (objects, problems) = load_objects(&loaded.settings);
        say(&problems);
        let opened = Store::open(&loaded.settings.paths.state)?;
        if let Some((file, why)) = opened.set_aside {
            log::error!(
                MESSAGE_ID = id::STORE_SET_ASIDE;
                "the store could not be used ({why}): it is now {}, and the agent starts from factory state",
                file.display()
            );
        }
        loader.attempts = Attempts::open(&loaded.settings.paths.state);
        let machine = loader.machine(&loaded.settings);
        if !Tree::recover(&opened.store, &machine).await {
            tokio::spawn(Tree::recover_later(Arc::clone(&opened.store), machine));
        }
        let files = Files::new(loaded.accounts, &loaded.problems);
        let world = loader.world(loaded.settings, files, objects, opened.store, &[]).await;
        Ok((loader, Arc::new(world)))
    }

    /// Loads everything again. A broken account or management object stays as it was before.
    pub(super) async fn reload(&self, before: &World) -> Result<World, Problems> {
        let Options { selection, environment, .. } = &self.options;
        let loaded = config::load(selection, environment)?;
        say(&loaded.problems);
        if loaded.fell_back {
            // The accounts are where the settings before say.
            return Ok(self.refresh(before).await);
        }
        let settings = loaded.settings;
        if settings.notification.listen != before.settings.notification.listen
            || settings.paths.state != before.settings.paths.state
        {
            log::warn!("notification.listen and paths.state take effect at the next start");
        }
        Ok(self.renew(settings, loaded.accounts, &loaded.problems, before).await)
    }

    /// Loads accounts and management objects again, under the same settings.
    pub(super) async fn refresh(&self, before: &World) -> World {
        let settings = (*before.settings).clone();
        let context = config::Context {
            allow_http: settings.session.allow_http,
            environment: &self.options.environment,
        };
        let (accounts, problems) = config::accounts::load(&settings.paths.accounts, context);
        say(&problems);
        self.renew(settings, accounts, &problems, before).await
    }

    /// A world like the one before, in which what is broken now is as it was.
    async fn renew(
        &self,
        settings: Settings,
        accounts: Vec<Account>,
        problems: &Problems,
        before: &World,
    ) -> World {
        let mut files = Files::new(accounts, problems);
        files.accounts = config::accounts::keep_broken(files.accounts, problems, &files_of(before));
        let (mut objects, problems) = load_objects(&settings);
        say(&problems);
        for object in before.tree.objects() {
            // Its own files, or the folder that it is in.
            let broken = problems.iter().any(|problem| {
                problem.file.starts_with(&object.folder) || object.folder.starts_with(&problem.file)
            });
            if broken && objects.iter().all(|loaded| loaded.moid != object.moid) {
                log::warn!("{}: the management object stays as it was", object.folder.display());
                objects.push(Arc::clone(object));
            }
        }
        self.world(settings, files, objects, Arc::clone(&before.store), &before.peers).await
    }

    pub(super) fn time_floor(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.options.surroundings.time_floor)
    }

    /// The same files, and what servers and bootstraps have made of the accounts meanwhile.
    pub(super) async fn accounts_changed(&self, before: &World) -> World {
        let (settings, objects) = ((*before.settings).clone(), before.tree.objects().to_vec());
        let files = Files { accounts: files_of(before), any: before.is_owned, sound: before.is_sound };
        self.world(settings, files, objects, Arc::clone(&before.store), &before.peers).await
    }

    /// What the process brings along.
    pub(super) fn surroundings(&self) -> Surroundings {
        self.options.surroundings.clone()
    }

    /// Since when the agent runs.
    pub(super) fn running_for(&self) -> Duration {
        self.started.elapsed()
    }

    /// The machine that these settings mean.
    fn machine(&self, settings: &Settings) -> Machine {
        let address = settings.dbus_address.as_str();
        let mut bus = self.bus.lock().unwrap_or_else(PoisonError::into_inner);
        if bus.as_ref().is_none_or(|bus| bus.address() != address) {
            *bus = None;
        }
        let bus = Arc::clone(bus.get_or_insert_with(|| Arc::new(Bus::new(address))));
        Machine { sysroot: settings.paths.sysroot.clone(), bus }
    }

    async fn world(
        &self,
        settings: Settings,
        files: Files,
        objects: Vec<Arc<ManagementObject>>,
        store: Arc<Store>,
        before: &[Arc<Peer>],
    ) -> World {
        let settings = Arc::new(settings);
        let accounts = all_accounts(files.accounts, &store, &settings);
        // An account that is as it was keeps its TLS sessions and what its server asked for in authentication.
        let peer = |account: &Arc<Account>| {
            let account = as_changed(account, &store);
            match before.iter().find(|peer| peer.is_for(&account, &settings)) {
                Some(peer) => Arc::clone(peer),
                None => {
                    warn_of_anonymity(&account);
                    Arc::new(Peer::new(account, Arc::clone(&settings), self.surroundings()))
                }
            }
        };
        let peers = accounts.iter().map(peer).collect();
        store.set_quota(settings.quota);
        let machine = Arc::new(self.machine(&settings));
        let tree = Tree::new(objects, accounts, Arc::clone(&store), machine, self.started);
        if let Err(error) = tree.seed().await {
            log::error!("instances could not be seeded: {error}");
        }
        World {
            settings,
            peers,
            tree: Arc::new(tree),
            store,
            attempts: Arc::clone(&self.attempts),
            is_sound: files.sound,
            is_owned: files.any,
        }
    }
}

/// The accounts that files bring.
struct Files {
    accounts: Vec<Account>,
    /// Whether there is any such file, a broken one included.
    any: bool,
    /// Whether none is broken.
    sound: bool,
}

impl Files {
    /// What loading account files comes to, and what is wrong with them.
    fn new(accounts: Vec<Account>, problems: &Problems) -> Self {
        let any = !accounts.is_empty() || !problems.is_empty();
        Self { accounts, any, sound: problems.is_empty() }
    }
}

/// The accounts that files bring, as they say.
fn files_of(world: &World) -> Vec<Account> {
    let accounts = world.tree.accounts().iter();
    accounts.filter(|account| !account.is_bootstrapped()).map(|account| (**account).clone()).collect()
}

/// Those of files, and those of bootstraps whose name no file has: the device's owner has the last word.
fn all_accounts(files: Vec<Account>, store: &Store, settings: &Settings) -> Vec<Arc<Account>> {
    let brought = store.snapshot().and_then(|snapshot| bootstrap::accounts(&snapshot, settings));
    let brought = brought.unwrap_or_else(|error| {
        log::error!("the accounts that a bootstrap brought can't be read: {error}");
        Vec::new()
    });
    let mut all: BTreeMap<String, Arc<Account>> = BTreeMap::new();
    for account in brought.into_iter().chain(files) {
        all.insert(account.server_id.clone(), Arc::new(account));
    }
    all.into_values().collect()
}

/// The account with what its server changed in it.
fn as_changed(account: &Arc<Account>, store: &Store) -> Arc<Account> {
    let changed = store.snapshot().and_then(|snapshot| tree::as_changed(account, &snapshot));
    changed.unwrap_or_else(|error| {
        let server_id = account.server_id.as_str();
        log::error!(OMADM_SERVER_ID = server_id; "{server_id}: what the server changed in its account can't be read: {error}");
        Arc::clone(account)
    })
}

/// A server is to know its client (TS 5.1.2). A bench, or a network that vouches for its devices, may do without.
fn warn_of_anonymity(account: &Account) {
    if account.auth == Auth::None {
        let server_id = account.server_id.as_str();
        log::warn!(
            OMADM_SERVER_ID = server_id;
            "{server_id}: the account has no auth: the agent does not authenticate to this server"
        );
    }
}

/// All that is wrong with the files of a configuration: what `omadmd --check` prints.
#[must_use]
pub fn check(selection: &Selection, environment: &Environment) -> Problems {
    let loaded = config::check(selection, environment);
    let mut problems = loaded.problems;
    let (objects, found) = mo::load::load(&loaded.settings.paths.mo);
    problems.append(found);
    for object in &objects {
        problems.append(against_machine(object, &loaded.settings));
    }
    for account in &loaded.accounts {
        check_tls(account, &mut problems);
    }
    problems
}

fn load_objects(settings: &Settings) -> (Vec<Arc<ManagementObject>>, Problems) {
    let (mut objects, mut problems) = mo::load::load(&settings.paths.mo);
    objects.retain(|object| {
        let found = against_machine(object, settings);
        let sound = found.is_empty();
        problems.append(found);
        sound
    });
    (objects, problems)
}

fn against_machine(object: &ManagementObject, settings: &Settings) -> Problems {
    let machine =
        mo::check::Machine { state: &settings.paths.state, separated: settings.exec.socket.is_some() };
    mo::check::against_machine(object, &machine)
}

/// A certificate or key that can't be used is found before the first session needs it.
fn check_tls(account: &Account, problems: &mut Problems) {
    let peer = Peer::new(Arc::new(account.clone()), Arc::default(), Surroundings::default());
    if let Err(error) = peer.client(&crate::session::Parameters::default()) {
        problems.file(&account.file, error.to_string());
    }
}

fn say(problems: &Problems) {
    for problem in problems {
        let file: &Path = &problem.file;
        let shown = file.display().to_string();
        log::error!(MESSAGE_ID = id::CONFIGURATION_BROKEN, OMADM_FILE = shown.as_str(); "{problem}");
    }
}
