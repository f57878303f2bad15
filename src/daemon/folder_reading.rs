//! Reading the folders of accounts and of management objects: each account and each object by work of its own, so that
//! one that hangs is missing alone.
//!
//! They are read one after the other, which needs one thread and little memory; from one that does not answer soon, the
//! next one is not held up. All of it together has no longer than one of them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::checking::against_machine;
use super::folder_watch::WatchedFolders;
use super::removal_evidence;
use crate::agent_state::Folder;
use crate::base;
use crate::base::OneByOne as _;
use crate::base::lane::{CONFIGURATION, PathAccess, Stuck};
use crate::base::{OrderedMap, OrderedSet};
use crate::config::{self, Account, Environment, Settings};
use crate::mo::{self, ManagementObject};
use crate::spanned::Problems;

/// The time within which folders can be watched that can be at all. Others are read without, and again later.
const FOLLOWED: Duration = Duration::from_secs(2);

/// The longest time that the next account or object waits for the one before.
const SOON: Duration = Duration::from_millis(500);

/// The patience of reading: how long the whole may take, and how long nothing new may have come of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    all: Duration,
    idle: Duration,
}

impl Patience {
    /// The patience at a start, when nobody is served before it is over: one that hangs holds up the others this much,
    /// and a slow machine, where one comes after the other, has its time.
    pub(super) const START: Self = Self { all: Duration::from_secs(30), idle: Duration::from_secs(5) };
    /// The patience at a reload, when everything goes on meanwhile.
    pub(super) const RELOAD: Self = Self { all: Duration::from_secs(30), idle: Duration::from_secs(30) };
}

/// The accounts and objects as files have them. Folders that did not answer in time have nothing.
pub(super) struct Read {
    pub(super) settings: Settings,
    /// The problems of the settings' files, where these were read.
    pub(super) of_settings: Problems,
    pub(super) accounts: Result<FolderContent<Account>, Stuck>,
    pub(super) objects: Result<FolderContent<Arc<ManagementObject>>, Stuck>,
    /// Whether each later change of the folders will be told; none where they did not answer in time.
    pub(super) is_watched: Option<bool>,
}

/// The accounts or objects that were found in the folders that could be listed.
pub(super) struct FolderContent<T> {
    pub(super) all: Vec<T>,
    /// The problems of their files.
    pub(super) problems: Problems,
    /// The account files, or folders of objects, that did not answer, and why.
    pub(super) silent: OrderedMap<PathBuf, Stuck>,
    /// The folders of objects with problems to which more is to come: a package is being unpacked, say.
    pub(super) unpacked: OrderedSet<PathBuf>,
    /// The folders, as they were found.
    folders: Vec<Folder>,
    /// The objects that need something of the machine, and whether that was there.
    needing: Vec<Needing>,
}

/// An object that needs something of the machine, and whether that was there.
type Needing = (Arc<ManagementObject>, bool);

impl<T> FolderContent<T> {
    /// All problems, those included of what did not answer: that is there as well.
    pub(super) fn all_problems(&self) -> Problems {
        let mut all = self.problems.clone();
        all.append(self.silence());
        all
    }

    /// The problems of what did not answer.
    fn silence(&self) -> Problems {
        let mut all = Problems::default();
        self.silent.iter().for_each(|(path, why)| all.file(path, why.to_string()));
        all
    }
}

impl Read {
    /// Whether all there is was read: what is missing is worth another try.
    pub(super) fn is_whole(&self) -> bool {
        self.accounts.as_ref().is_ok_and(|found| found.silent.is_empty())
            && self.objects.as_ref().is_ok_and(|found| found.silent.is_empty())
            && self.is_watched.is_some()
    }

    /// All that is wrong with the files that were read, in their order.
    pub(super) fn problems(&self) -> Problems {
        let mut all = self.of_settings.clone();
        let paths = &self.settings.paths;
        let mut stuck = |folders: &[PathBuf], why: &Stuck| {
            folders.iter().for_each(|folder| all.file(folder, why.to_string()));
            Problems::default()
        };
        let accounts = match &self.accounts {
            Ok(found) => found.all_problems(),
            Err(why) => stuck(&paths.accounts, why),
        };
        let objects = match &self.objects {
            Ok(found) => found.all_problems(),
            Err(why) => stuck(&paths.mo, why),
        };
        all.append(accounts);
        all.append(objects);
        all.sort();
        all
    }

    /// Whether all management objects are known, those included that are broken.
    pub(super) fn has_objects(&self) -> bool {
        self.objects.as_ref().is_ok_and(|found| found.silent.is_empty())
    }

    /// Reads the folders that these settings name. What blocks in them, or takes its time, blocks nobody else.
    pub(super) async fn folders(
        settings: Settings,
        environment: Environment,
        watched: &WatchedFolders,
        patience: Patience,
    ) -> Self {
        let follow = timeout(FOLLOWED, watched.follow(&settings.paths)).await;
        let (accounts, mut objects) =
            tokio::join!(accounts(&settings, environment, patience), objects(&settings, patience));
        let mut is_watched = follow.ok();
        if let Some(needing) = objects.as_ref().ok().map(|found| &found.needing).filter(|all| !all.is_empty())
        {
            let needs =
                needing.iter().flat_map(|(object, _)| mo::load::needs(object, &settings.paths.sysroot));
            let needs = needs.one_by_one();
            let follow = timeout(FOLLOWED, watched.follow_with(&settings.paths, needs)).await;
            is_watched = is_watched.zip(follow.ok()).map(|(one, other)| one && other);
            if came_or_went(needing.clone(), settings.paths.sysroot.clone()).await {
                objects = self::objects(&settings, patience).await;
            }
        }
        Self { settings, of_settings: Problems::default(), accounts, objects, is_watched }
    }

    /// The folders as far as known: of those that did not answer, what was found before.
    pub(super) fn known(&self, before: &[Folder]) -> Vec<Folder> {
        let mut folders = Vec::new();
        folders.extend(self.accounts.iter().flat_map(|found| found.folders.iter().cloned()));
        folders.extend(self.objects.iter().flat_map(|found| found.folders.iter().cloned()));
        let paths = &self.settings.paths;
        for (all, is_of_accounts) in [(&paths.accounts, true), (&paths.mo, false)] {
            for path in all {
                let is_it =
                    |folder: &&Folder| folder.path == *path && folder.is_of_accounts == is_of_accounts;
                if folders.iter().any(|folder| is_it(&folder)) {
                    continue;
                }
                let known = before.iter().find(is_it).cloned();
                let unknown = Folder { path: path.clone(), holds: false, identity: None, is_of_accounts };
                folders.push(known.unwrap_or(unknown));
            }
        }
        folders
    }
}

/// Reads the accounts.
async fn accounts(
    settings: &Settings,
    environment: Environment,
    patience: Patience,
) -> Result<FolderContent<Account>, Stuck> {
    let begun = Instant::now();
    let list = |folders: &[PathBuf]| {
        let mut problems = Problems::default();
        (config::accounts::list(folders, &mut problems), problems)
    };
    let listed =
        look_into(settings.paths.accounts.clone(), list, removal_evidence::of_accounts, patience).await?;
    let ((files, mut problems), folders) = listed;
    let (allow_http, environment) = (settings.session.allow_http, Arc::new(environment));
    let works = files.into_iter().map(|file| {
        let claim = Arc::new(OnceLock::new());
        let (environment, claims, path) = (Arc::clone(&environment), Arc::clone(&claim), file.clone());
        let work = move || {
            let context = config::AccountContext { allow_http, environment: &environment };
            config::accounts::One::read(&path, context, |claim| drop(claims.set(claim)))
        };
        (file, claim, work)
    });
    let (all, works): (Vec<_>, Vec<_>) =
        works.map(|(file, claim, work)| ((file.clone(), claim), (file, work))).unzip();
    let read = each(works, begun, patience).await;
    let mut silent = OrderedMap::new();
    let all = all.into_iter().zip(read).map(|((file, claim), read)| {
        let one = read.map_err(|stuck| silent.insert(file.clone(), stuck)).ok();
        // Whose it is may be known of one that hangs later on.
        (file, claim.get().cloned(), one)
    });
    let all = all.collect();
    let all = config::accounts::combine(all, &mut problems);
    let (unpacked, needing) = (OrderedSet::new(), Vec::new());
    Ok(FolderContent { all, problems, silent, unpacked, folders, needing })
}

/// An object that has been read, to be checked against the machine.
type Begun = (mo::load::ObjectFolder, Option<Arc<ManagementObject>>);

/// Reads the management objects, and checks them against the machine.
async fn objects(
    settings: &Settings,
    patience: Patience,
) -> Result<FolderContent<Arc<ManagementObject>>, Stuck> {
    let begun = Instant::now();
    let list = |folders: &[PathBuf]| {
        let mut problems = Problems::default();
        (mo::load::list(folders, &mut problems), problems)
    };
    let listed = look_into(settings.paths.mo.clone(), list, removal_evidence::of_objects, patience).await?;
    let ((names, mut problems), mut folders) = listed;
    let settings = Arc::new(settings.clone());
    let mut holds = |place: &mo::load::ObjectFolder| {
        if let Some(folder) = folders.get_mut(place.within) {
            folder.holds = true;
        }
    };
    let (mut last, mut works) = (Vec::new(), Vec::new());
    for name in names {
        if name.is_among(&settings.disabled_objects) {
            name.places().iter().for_each(&mut holds);
            continue;
        }
        let Some(place) = name.places().last().cloned() else { continue };
        let known: Arc<OnceLock<Begun>> = Arc::default();
        let (settings, knows) = (Arc::clone(&settings), Arc::clone(&known));
        works.push((place.folder.clone(), move || {
            let places = name.folders();
            let one = places.last().map(|place| {
                // Before and after: what is whole when it is read may have been begun only then.
                let mut is_unpacked = mo::load::is_being_unpacked(&place.folder);
                let mut one = mo::load::One::read(&place.folder, settings.ddf_base.as_deref());
                is_unpacked |= mo::load::is_being_unpacked(&place.folder);
                is_unpacked &= !one.problems.is_empty();
                let needing = one.object.clone().filter(|object| !object.needs.is_empty());
                let uninstalled = one.take_uninstalled(&settings.paths.sysroot);
                let needing = needing.map(|object| (object, uninstalled.is_none()));
                if let Some(object) = uninstalled {
                    let needs: Vec<_> = object.needs.iter().map(|path| path.to_string_lossy()).collect();
                    log::debug!(
                        "{}: not served: there is no {}",
                        place.folder.display(),
                        needs.join(", nor ")
                    );
                }
                let _ = knows.set((place.clone(), one.object.clone()));
                let found = one.object.as_ref().map(|object| against_machine(object, &settings));
                (place.clone(), one, found.unwrap_or_default(), (needing, is_unpacked))
            });
            (places, one)
        }));
        last.push((place, known));
    }
    let read = each(works, begun, patience).await;
    let mut silent = OrderedMap::new();
    let (mut all, mut unfit, mut needing) = (Vec::new(), Vec::new(), Vec::new());
    let mut unpacked = OrderedSet::new();
    for ((place, known), read) in last.into_iter().zip(read) {
        match read {
            Ok((places, one)) => {
                places.iter().for_each(&mut holds);
                let Some((place, one, found, (needs, is_unpacked))) = one else { continue };
                needing.extend(needs);
                if is_unpacked {
                    unpacked.insert(place.folder.clone());
                }
                if !found.is_empty() {
                    unfit.push((place.folder.clone(), found));
                }
                all.push((place, one));
            }
            Err(stuck) => {
                holds(&place);
                let (place, object) = known.get().cloned().unwrap_or((place, None));
                silent.insert(place.folder.clone(), stuck);
                // Its MOID is its own all the same.
                all.push((place, mo::load::One { object, ..mo::load::One::default() }));
            }
        }
    }
    let mut all = mo::load::combine(all, &mut problems);
    all.retain(|object| {
        let at = unfit.iter().position(|(folder, _)| *folder == object.folder);
        if let Some((_, found)) = at.map(|at| unfit.swap_remove(at)) {
            problems.append(found);
            return false;
        }
        !silent.contains_key(&object.folder)
    });
    Ok(FolderContent { all, problems, silent, unpacked, folders, needing })
}

/// Whether what objects need has come or gone meanwhile: before it was watched, nobody told.
async fn came_or_went(needing: Vec<Needing>, sysroot: PathBuf) -> bool {
    let root = sysroot.clone();
    let look = move || needing.iter().any(|(object, was)| mo::load::is_installed(object, &root) != *was);
    matches!(timeout(FOLLOWED, CONFIGURATION.reading(sysroot, look)).await, Ok(Ok(true)))
}

/// Lists folders, and returns what they are found to be. One in which earlier work hangs costs no second thread.
async fn look_into<T: Send + 'static>(
    folders: Vec<PathBuf>,
    list: impl FnOnce(&[PathBuf]) -> T + Send + 'static,
    look: fn(&Path) -> Folder,
    patience: Patience,
) -> Result<(T, Vec<Folder>), Stuck> {
    let first = folders.first().cloned().unwrap_or_else(|| "/".into());
    let work = move |access: &PathAccess<'_>| {
        // What hangs further in counts as being in the last of them: whoever comes next goes there as well, first.
        folders.iter().try_for_each(|folder| access.enter(folder))?;
        Ok((list(&folders), folders.iter().map(|folder| look(folder)).collect()))
    };
    timeout(patience.idle, CONFIGURATION.at(first, work)).await.unwrap_or(Err(Stuck::Late(patience.idle)))?
}

/// Does each piece of work at its path; the results are in their order.
async fn each<T: Send + 'static>(
    works: Vec<(PathBuf, impl FnOnce() -> T + Send + 'static)>,
    begun: Instant,
    patience: Patience,
) -> Vec<Result<T, Stuck>> {
    let turn = Arc::new(Semaphore::new(1));
    // When the last one began, or was done.
    let latest = Arc::new(Mutex::new(Instant::now()));
    let mut results: Vec<Option<Result<T, Stuck>>> = works.iter().map(|_| None).collect();
    let mut running = JoinSet::new();
    for (index, (path, work)) in works.into_iter().enumerate() {
        let (turn, latest) = (Arc::clone(&turn), Arc::clone(&latest));
        base::spawn_in(&mut running, async move {
            let turn = turn.acquire_owned().await;
            *latest.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            let mut done = std::pin::pin!(CONFIGURATION.reading(path, work));
            let soon = timeout(SOON, &mut done).await;
            drop(turn);
            let done = match soon {
                Ok(done) => done,
                Err(_) => done.await,
            };
            *latest.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            (index, done)
        });
    }
    let now = || *latest.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let news = now();
        let until = (news + patience.idle).min(begun + patience.all);
        match timeout_at(until, running.join_next()).await {
            Ok(None) => break,
            Ok(Some(done)) => {
                if let Ok((index, done)) = done
                    && let Some(result) = results.get_mut(index)
                {
                    *result = Some(done);
                }
            }
            Err(_) if until >= begun + patience.all || now() == news => break,
            Err(_) => {}
        }
    }
    let late = || Err(Stuck::Late(begun.elapsed()));
    results.into_iter().map(|result| result.unwrap_or_else(late)).collect()
}
