//! The loader: from files to an [`AgentState`], at start and at every reload.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::DaemonError;
use super::folder_reading::{FolderContent, Patience, Read};
use super::folder_watch::{FolderWatch, WatchedFolders};
use super::unpacking::Unpacking;
use crate::agent_state::{AgentState, Folder, Peer, Surroundings};
use crate::backend::{Bus, Helper, Machine};
use crate::base;
use crate::base::OneByOne as _;
use crate::base::crash_guard::CrashGuard;
use crate::base::journal::id;
use crate::base::lane::{CONFIGURATION, MainThread, Stuck};
use crate::base::said::Said;
use crate::base::waking;
use crate::base::{AtomicU64, OrderedMap, OrderedSet};
use crate::base::{Random, boot_id};
use crate::bootstrap;
use crate::config::{self, Account, Environment, LoadedSettings, Selection, Settings};
use crate::mo::ManagementObject;
use crate::spanned::{Problem, Problems};
use crate::store::{CacheKey, Change, Store, StoreError};
use crate::transport::Auth;
use crate::tree;
use crate::tree::Tree;
use crate::uri::ServerId;

/// How long until folders that did not answer are looked at again.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Why the configuration is not read again.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// The file that `--config` names is broken.
    #[error("{0}")]
    Broken(#[from] Problems),
    /// The configuration's disk does not answer.
    #[error("omadmd.toml: {0}")]
    Stuck(#[from] Stuck),
}

impl LoadError {
    /// What is wrong with the settings' files.
    pub(super) fn problems(&self) -> Problems {
        match self {
            Self::Broken(problems) => problems.clone(),
            Self::Stuck(stuck) => {
                let mut problems = Problems::default();
                problems.file(Path::new("omadmd.toml"), stuck.to_string());
                problems
            }
        }
    }
}

/// The options that the agent runs on.
#[derive(Clone, Debug)]
pub struct Options {
    /// The selection of the configuration.
    pub selection: Selection,
    /// The environment of the process.
    pub environment: Environment,
    /// The surroundings: proxies, and the latest time known.
    pub surroundings: Surroundings,
    /// The main thread, which opens the store. What redb keeps as long as the file is open grows with it, in the heap
    /// of the thread that opened it: of the others' heaps, all that large work has left free can be given back.
    pub main_thread: MainThread,
}

/// Makes the key of cache validators (TS 12), once in the life of the store.
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
    match store.commit(vec![Change::CacheKey(key)]).await {
        // Nor without a disk to keep it on: the next start makes one.
        Err(error) if error.is_withheld() => Ok(()),
        done => Ok(done?),
    }
}

/// The scope of reading again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// Accounts and management objects, under the same settings.
    Folders,
    /// Everything, the settings as well.
    Everything,
}

/// Reads the settings; what hangs there costs no second thread.
async fn settings(
    selection: Selection,
    environment: Environment,
) -> Result<Result<LoadedSettings, Problems>, Stuck> {
    let file = match &selection {
        Selection::File(file) => file.clone(),
        Selection::Installed(roots) => roots.local.clone(),
    };
    CONFIGURATION.at(file, move |_| config::load_settings(&selection, &environment)).await
}

/// The loader, which reads the configuration at start and again.
pub(super) struct Loader {
    options: Options,
    started: Instant,
    /// The crash guard, which knows what has ended the agent.
    crash_guard: Arc<CrashGuard>,
    /// The names of what did not answer when it was last read: files and folders by their path, all of a kind by its
    /// name.
    silent: Mutex<OrderedSet<PathBuf>>,
    /// What was wrong with the settings' files when they were last read.
    of_settings: Mutex<Problems>,
    /// The objects that are being unpacked.
    unpacking: Mutex<Unpacking>,
    /// Whether it was logged that not every change of the folders is told.
    unwatched: Said,
    /// The latest message bus, whose connection is kept while its address stays.
    bus: Mutex<Option<Arc<Bus>>>,
    /// The latest privileged helper.
    helper: Mutex<Option<Arc<Helper>>>,
}

impl Loader {
    /// Loads everything for the first time; broken accounts and management objects are left out. From then on, the
    /// watcher tells of changes.
    pub(super) async fn start(options: Options) -> Result<(Self, Arc<AgentState>, FolderWatch), DaemonError> {
        let mut loader = Self {
            options,
            started: Instant::now(),
            crash_guard: Arc::default(),
            silent: Mutex::default(),
            unpacking: Mutex::default(),
            of_settings: Mutex::default(),
            unwatched: Said::default(),
            bus: Mutex::default(),
            helper: Mutex::default(),
        };
        let Options { selection, environment, .. } = loader.options.clone();
        let LoadedSettings { mut settings, problems, fell_back } =
            self::settings(selection, environment.clone()).await?.map_err(DaemonError::Configuration)?;
        say(&problems);
        loader.note_settings(problems.clone());
        if fell_back {
            log::error!(
                MESSAGE_ID = id::CONFIGURATION_BROKEN; "what is in /etc/omadm/omadmd.toml and its fragments is not used: running on the vendor's configuration alone"
            );
            // The broken part may name another server, or none.
            settings.bootstrap.uri = None;
        }
        let state = settings.paths.state.clone();
        let opened = loader.options.main_thread.run(move || Store::open(&state)).await;
        let opened = opened.unwrap_or(Err(StoreError::Cancelled))?;
        if let Some(set_aside) = &opened.set_aside {
            set_aside.say();
        }
        let mut watcher = FolderWatch::new();
        loader.crash_guard = CrashGuard::open(&settings.paths.state, &boot_id());
        let machine = loader.machine(&settings);
        if !Tree::roll_back_interrupted(&opened.store, &machine).await {
            base::spawn(Tree::roll_back_later(Arc::clone(&opened.store), machine));
        }
        let mut read = Read::folders(settings, environment, &watcher.watched(), Patience::START).await;
        loader.note_silent(&read, None);
        let folders = read.known(&[]);
        if !read.is_whole() {
            // It has had little time: what is merely slow is there when it is given more.
            watcher.look_again(waking::now());
        }
        let has_objects = read.has_objects();
        let is_unpacked = !loader.take_unpacked(&mut read).is_empty();
        let wrong = loader.all_problems(&read);
        let files = match read.accounts {
            Ok(found) => {
                say(&found.problems);
                let broken: OrderedSet<&PathBuf> =
                    found.problems.iter().map(|problem| &problem.file).one_by_one();
                for file in
                    broken.into_iter().filter(|file| file.extension().is_some_and(|ext| ext == "toml"))
                {
                    log::error!("{}: the account is not used", file.display());
                }
                let Files { accounts, any, sound, .. } = Files::new(found);
                Files {
                    accounts,
                    any: any || !problems.is_empty(),
                    sound: sound && problems.is_empty() && has_objects,
                    problems: wrong,
                }
            }
            // There may be some.
            Err(_) => Files { accounts: Vec::new(), any: true, sound: false, problems: wrong },
        };
        let objects = read.objects.map_or_else(
            |_| (Vec::new(), false),
            |found| {
                say(&found.problems);
                for folder in not_served(&found.problems, &[]) {
                    log::error!("{}: the management object is not served", folder.display());
                }
                let is_all = found.problems.is_empty() && found.silent.is_empty() && !is_unpacked;
                (found.all, is_all)
            },
        );
        if let Some(at) = loader.unpacked_until() {
            watcher.look_again(at);
        }
        let agent_state =
            loader.agent_state(read.settings, (files, folders), objects, opened.store, &[]).await;
        Ok((loader, Arc::new(agent_state), watcher))
    }

    /// Notes what is wrong with the settings' files, which were just read.
    pub(super) fn note_settings(&self, problems: Problems) {
        *self.of_settings.lock().unwrap_or_else(PoisonError::into_inner) = problems;
    }

    /// Whether the settings' files were sound when they were last read.
    pub(super) fn has_sound_settings(&self) -> bool {
        self.of_settings.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// All that is wrong with the files: with those that were read now, and with the settings', when they were last.
    fn all_problems(&self, read: &Read) -> Problems {
        let mut all = read.problems();
        if read.of_settings.is_empty() {
            all.append(self.of_settings.lock().unwrap_or_else(PoisonError::into_inner).clone());
            all.sort();
        }
        all
    }

    /// Reads files again, apart from the agent's own thread. What comes of it is for [`Loader::renew`].
    pub(super) fn read(
        &self,
        scope: Scope,
        before: &AgentState,
        watched: WatchedFolders,
    ) -> impl Future<Output = Result<Read, LoadError>> + Send + 'static {
        let Options { selection, environment, .. } = self.options.clone();
        let before = Arc::clone(&before.settings);
        async move {
            if scope == Scope::Folders {
                return Ok(Read::folders((*before).clone(), environment, &watched, Patience::RELOAD).await);
            }
            let loaded = self::settings(selection, environment.clone()).await??;
            say(&loaded.problems);
            // The accounts are where the settings before say.
            let settings = if loaded.fell_back { (*before).clone() } else { loaded.settings };
            if settings.notification.listen != before.notification.listen
                || settings.paths.state != before.paths.state
            {
                log::warn!("notification.listen and paths.state take effect at the next start");
            }
            let read = Read::folders(settings, environment, &watched, Patience::RELOAD).await;
            Ok(Read { of_settings: loaded.problems, ..read })
        }
    }

    /// The agent state that comes after the one before, in which what is broken now, or does not answer, is as it was.
    pub(super) async fn renew(&self, mut read: Read, before: &AgentState) -> AgentState {
        self.note_silent(&read, Some(before));
        let folders = read.known(&before.folders);
        let has_objects = read.has_objects();
        let unpacked = self.take_unpacked(&mut read);
        let wrong = self.all_problems(&read);
        let files = match read.accounts {
            Ok(found) => {
                say(&found.problems);
                let problems = found.all_problems();
                let files = Files::new(found);
                let accounts = config::accounts::keep_broken(files.accounts, &problems, &files_of(before));
                Files { accounts, sound: files.sound && has_objects, problems: wrong, ..files }
            }
            Err(_) => {
                let accounts = files_of(before);
                Files { accounts, any: before.is_owned, sound: false, problems: wrong }
            }
        };
        let objects = match read.objects {
            Ok(found) => {
                let FolderContent { all: mut objects, problems, silent, .. } = found;
                let is_all = problems.is_empty() && silent.is_empty() && unpacked.is_empty();
                say(&problems);
                for object in before.tree.objects() {
                    let is_kept = silent.contains_key(&object.folder) || unpacked.contains(&object.folder);
                    if is_kept && objects.iter().all(|loaded| loaded.moid != object.moid) {
                        objects.push(Arc::clone(object));
                    }
                }
                let broken = not_served(&problems, &objects);
                for object in before.tree.objects() {
                    // Its own files, or the folder that it is in.
                    let is_broken = broken.iter().any(|broken| {
                        broken.starts_with(&object.folder) || object.folder.starts_with(broken)
                    });
                    if is_broken && objects.iter().all(|loaded| loaded.moid != object.moid) {
                        log::warn!("{}: the management object stays as it was", object.folder.display());
                        objects.push(Arc::clone(object));
                    }
                }
                for folder in broken {
                    let is_kept = |object: &&Arc<ManagementObject>| {
                        folder.starts_with(&object.folder) || object.folder.starts_with(&folder)
                    };
                    if !objects.iter().any(|object| is_kept(&object)) {
                        log::error!("{}: the management object is not served", folder.display());
                    }
                }
                (objects, is_all)
            }
            Err(_) => (before.tree.objects().to_vec(), false),
        };
        self.agent_state(read.settings, (files, folders), objects, Arc::clone(&before.store), &before.peers)
            .await
    }

    /// Takes away the problems of objects that are being unpacked, and have not been for long; returns their folders.
    fn take_unpacked(&self, read: &mut Read) -> OrderedSet<PathBuf> {
        let Ok(found) = &mut read.objects else { return OrderedSet::default() };
        let mut unpacking = self.unpacking.lock().unwrap_or_else(PoisonError::into_inner);
        unpacking.take(&found.unpacked, &mut found.problems, waking::now())
    }

    /// The time when objects that are being unpacked are to be read again, if not before.
    pub(super) fn unpacked_until(&self) -> Option<Instant> {
        self.unpacking.lock().unwrap_or_else(PoisonError::into_inner).until(waking::now())
    }

    pub(super) fn time_floor(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.options.surroundings.time_floor)
    }

    /// The agent state of the same files, and of what servers and bootstraps have made of the accounts meanwhile.
    pub(super) async fn accounts_changed(&self, before: &AgentState) -> AgentState {
        let settings = (*before.settings).clone();
        let objects = (before.tree.objects().to_vec(), before.has_all_objects);
        let files = Files {
            accounts: files_of(before),
            any: before.is_owned,
            sound: before.is_sound,
            problems: before.problems.clone(),
        };
        let files = (files, before.folders.clone());
        self.agent_state(settings, files, objects, Arc::clone(&before.store), &before.peers).await
    }

    /// The surroundings of the process.
    pub(super) fn surroundings(&self) -> Surroundings {
        self.options.surroundings.clone()
    }

    /// How long the agent has been running.
    pub(super) fn running_for(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits until the privileged helper finds other files of objects than those that were loaded.
    pub(super) async fn found_stale(&self) {
        let helper = self.helper.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match helper {
            Some(helper) => helper.stale().await,
            None => std::future::pending().await,
        }
    }

    /// The machine that these settings mean.
    fn machine(&self, settings: &Settings) -> Machine {
        let address = settings.dbus_address.as_str();
        let mut bus = self.bus.lock().unwrap_or_else(PoisonError::into_inner);
        if bus.as_ref().is_none_or(|bus| bus.address() != address) {
            *bus = None;
        }
        let bus = Arc::clone(bus.get_or_insert_with(|| Arc::new(Bus::new(address))));
        let mut helper = self.helper.lock().unwrap_or_else(PoisonError::into_inner);
        let socket = settings.exec.socket.as_deref();
        if helper.as_ref().map(|helper| helper.socket()) != socket {
            *helper = socket.map(|socket| Arc::new(Helper::new(socket.to_path_buf())));
        }
        let helper = helper.clone();
        Machine { helper, ..Machine::new(settings.paths.sysroot.clone(), bus) }
    }

    async fn agent_state(
        &self,
        settings: Settings,
        (files, folders): (Files, Vec<Folder>),
        (objects, has_all_objects): (Vec<Arc<ManagementObject>>, bool),
        store: Arc<Store>,
        before: &[Arc<Peer>],
    ) -> AgentState {
        let settings = Arc::new(settings);
        let accounts = all_accounts(files.accounts, &store, &settings);
        // An account that is as it was keeps its TLS sessions and what its server asked for in authentication.
        let peer = |account: &Arc<Account>| {
            let account = as_changed(account, &store);
            match before.iter().find(|peer| peer.is_for(&account, &settings)) {
                Some(peer) => Arc::clone(peer),
                None => {
                    let known = before.iter().find(|peer| peer.account.server_id == account.server_id);
                    if known.is_none_or(|peer| peer.account.auth != Auth::None) {
                        warn_of_anonymity(&account);
                    }
                    Arc::new(Peer::new(account, Arc::clone(&settings), self.surroundings()))
                }
            }
        };
        let peers = accounts.iter().map(peer).collect();
        store.set_quota(settings.quota);
        let machine = Arc::new(self.machine(&settings));
        let tree = Tree::new(objects, accounts, Arc::clone(&store), machine, self.started);
        if let Err(error) = tree.seed().await {
            log::error!("the first instances of management objects could not be created: {error}");
        }
        AgentState {
            settings,
            peers,
            tree: Arc::new(tree),
            store,
            crash_guard: Arc::clone(&self.crash_guard),
            is_sound: files.sound,
            has_all_objects,
            is_owned: files.any,
            problems: files.problems,
            folders,
        }
    }

    /// Logs what does not answer, and what becomes of it, or of what is in it; once an outage, and once when it ends.
    fn note_silent(&self, read: &Read, before: Option<&AgentState>) {
        let again = LOOK_AGAIN.as_secs();
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let paths = &read.settings.paths;
        let accounts = ("accounts", &paths.accounts, read.accounts.as_ref().map(|found| &found.silent));
        let objects = ("management objects", &paths.mo, read.objects.as_ref().map(|found| &found.silent));
        for (what, folders, found) in [accounts, objects] {
            let all = PathBuf::from(what);
            let names = || {
                let names = folders.iter().map(|folder| folder.display().to_string());
                names.collect::<Vec<_>>().join(", ")
            };
            let (one, was): (_, OrderedSet<&PathBuf>) = match before.map(|before| &before.tree) {
                None => (what, OrderedSet::new()),
                Some(tree) if what == "accounts" => {
                    (what, tree.accounts().iter().map(|it| &it.file).one_by_one())
                }
                Some(tree) => (what, tree.objects().iter().map(|it| &it.folder).one_by_one()),
            };
            let one = one.strip_suffix('s').unwrap_or(one);
            match found {
                Err(why) => {
                    if silent.insert(all) {
                        let meanwhile =
                            if before.is_some() { "stay as they were" } else { "are not there yet" };
                        log::error!(
                            MESSAGE_ID = id::CONFIGURATION_BROKEN;
                            "{}: {why}: the {what} {meanwhile}; looked at each {again} s", names()
                        );
                    }
                }
                Ok(found) => {
                    if silent.remove(&all) {
                        log::info!("{}: the {what} can be read again", names());
                    }
                    for (path, why) in found.iter().filter(|(path, _)| !silent.contains(*path)) {
                        let meanwhile = if was.contains(path) { "stays as it was" } else { "is left out" };
                        let shown = path.display().to_string();
                        log::error!(
                            MESSAGE_ID = id::CONFIGURATION_BROKEN, OMADM_FILE = shown.as_str();
                            "{shown}: {why}: the {one} {meanwhile}; looked at each {again} s"
                        );
                    }
                    let is_over = |path: &PathBuf| {
                        let is_in = |folder: &PathBuf| path.parent() == Some(folder);
                        folders.iter().any(is_in) && !found.contains_key(path)
                    };
                    silent.retain(|path| {
                        let is_over = is_over(path);
                        if is_over {
                            log::info!("{}: the {one} no longer hangs", path.display());
                        }
                        !is_over
                    });
                    silent.extend(found.keys().cloned());
                }
            }
        }
        if read.is_watched != Some(false) {
            self.unwatched.again();
        } else if self.unwatched.first() {
            log::warn!(
                "the folders of accounts and management objects: not every change is told by their file system: \
                 after one, the agent is to be reloaded"
            );
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
    /// What is wrong with the files of accounts, of management objects, and of the settings where these were read.
    problems: Problems,
}

impl Files {
    /// Takes the accounts of the files that were found.
    fn new(found: FolderContent<Account>) -> Self {
        let sound = found.problems.is_empty() && found.silent.is_empty();
        Self {
            any: !found.all.is_empty() || !sound,
            accounts: found.all,
            sound,
            problems: Problems::default(),
        }
    }
}

/// The folders of management objects that have a problem, each once.
fn not_served(problems: &Problems, served: &[Arc<ManagementObject>]) -> OrderedSet<PathBuf> {
    let folder = |problem: &Problem| {
        let in_folder = problem.file.parent().filter(|_| problem.file.extension().is_some());
        in_folder.unwrap_or(&problem.file).to_path_buf()
    };
    let is_served = |folder: &PathBuf| served.iter().any(|object| object.folder == *folder);
    problems.iter().map(folder).filter(|folder| !is_served(folder)).one_by_one()
}

/// The accounts of files, as those say.
fn files_of(agent_state: &AgentState) -> Vec<Account> {
    let accounts = agent_state.tree.accounts().iter();
    accounts.filter(|account| !account.is_bootstrapped()).map(|account| (**account).clone()).collect()
}

/// The accounts of files, and those of bootstraps whose name no file has: the device's owner has the last word.
fn all_accounts(files: Vec<Account>, store: &Store, settings: &Settings) -> Vec<Arc<Account>> {
    let brought = store.snapshot().and_then(|snapshot| bootstrap::accounts(&snapshot, settings));
    let brought = brought.unwrap_or_else(|error| {
        log::error!("the accounts that a bootstrap brought can't be read: {error}");
        Vec::new()
    });
    let mut all: OrderedMap<ServerId, Arc<Account>> = OrderedMap::new();
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

/// Warns of an account without authentication: a server is to know its client (TS 5.1.2). A bench, or a network that
/// vouches for its devices, may do without.
fn warn_of_anonymity(account: &Account) {
    if account.auth == Auth::None {
        let server_id = account.server_id.as_str();
        log::warn!(
            OMADM_SERVER_ID = server_id;
            "{server_id}: the account has no auth: the agent does not authenticate to this server"
        );
    }
}

fn say(problems: &Problems) {
    for problem in problems {
        let file: &Path = &problem.file;
        let shown = file.display().to_string();
        log::error!(MESSAGE_ID = id::CONFIGURATION_BROKEN, OMADM_FILE = shown.as_str(); "{problem}");
    }
}
