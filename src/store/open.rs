//! Opening the file, in whatever state it is found: the agent comes up.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redb::{Database, StorageBackend};

use super::builder::builder;
use super::error::{StoreError, db, says_withheld};
use super::image::{self, Image, View};
use super::reader::{Reader, Sound};
use super::rebuild::{self, Rebuild};
use super::schema;
use super::twin::{self, Half, Lagging, Twin, TwinLook};
use super::withheld::Withheld;
use crate::base::Order as _;
use crate::base::journal::id;

/// The most pages that may be damaged in both copies, each in one of them, before it is not tried any more which is
/// which.
const MIXABLE: usize = 5;
/// How long the file of another process is waited for: one that was killed has let go of it by then.
const LEAVING: Duration = Duration::from_secs(2);
/// How long until the lock of such a file is tried again.
const RETRY: Duration = Duration::from_millis(10);
/// The most files set aside that are kept.
const KEPT_ASIDE: usize = 5;

/// A file that was set aside, as it could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The path of the file now.
    pub file: PathBuf,
    /// Why the file could not be used.
    pub why: String,
    /// The data that were kept of it, in words.
    pub kept: String,
}

impl SetAside {
    /// Tells the operator of it in the journal.
    pub fn say(&self) {
        let Self { file, why, kept } = self;
        log::error!(
            MESSAGE_ID = id::STORE_SET_ASIDE;
            "the store could not be used as it was ({why}): it is now {}; {kept}", file.display()
        );
    }
}

/// The judgement of a file: what is wrong with it, if anything.
enum Judgement {
    /// Sound: both copies are the same, and whole.
    Sound,
    /// Behind: this copy has a commit that did not come to its end in both.
    Behind(Half),
    /// Single: the file is of version 0.1.0, and whole.
    Single,
    /// Damaged, but this view is all there was.
    Damaged(View),
    /// Lost: damaged so much that it can't be told what was there.
    Lost,
}

/// A database that was opened.
#[derive(Debug)]
pub(super) struct OpenedFile {
    pub(super) database: Database,
    /// The copy for which there was no room.
    pub(super) lagging: Option<Lagging>,
    /// The file that had to make way, if one had to.
    pub(super) set_aside: Option<SetAside>,
}

/// Opens the database at `path`, or makes it. One that is damaged, or that a newer version wrote, is set aside, and
/// what can be salvaged is in the new one.
pub(super) fn open(path: &Path, reader: &Reader) -> Result<OpenedFile, StoreError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)
            .map_err(|source| StoreError::File { path: folder.to_path_buf(), source })?;
    }
    let opening = Opening { path, new: &path.with_extension("redb.new"), reader };
    let mut aside = None;
    if fs::symlink_metadata(path).is_ok() && !path.is_file() {
        let file = opening.set_aside(path)?;
        aside = Some(SetAside { file, why: "it is not a file".to_owned(), kept: NOTHING.to_owned() });
    }
    let is_made = !path.exists() && opening.adopt_or_make()?;
    // What was right by all checksums, and still could not be used, is of no use whole.
    for keep in [Keep::All, Keep::Records, Keep::Nothing] {
        match opening.open(true) {
            Ok((database, lagging)) => return Ok(OpenedFile { database, lagging, set_aside: aside }),
            Err(Trouble::Other(error)) => return Err(error),
            Err(Trouble::Newer(why)) => aside = Some(opening.replacing(&why, Keep::Nothing, None)?),
            Err(Trouble::Damaged(..)) if is_made && aside.is_none() => return Err(opening.unmake()),
            Err(Trouble::Damaged(why, judged)) => aside = Some(opening.replacing(&why, keep, judged)?),
        }
    }
    match opening.open(true) {
        Ok((database, lagging)) => Ok(OpenedFile { database, lagging, set_aside: aside }),
        Err(Trouble::Other(error)) => Err(error),
        Err(Trouble::Newer(why) | Trouble::Damaged(why, _)) => Err(opening.failed(io::Error::other(why))),
    }
}

/// Opens what can be read of a file that can't be opened: as its disk takes nothing now, which is `why`. Nothing is
/// written to it.
///
/// # Errors
/// There is nothing that can be read.
pub(super) fn withheld(
    path: &Path,
    reader: &Reader,
    why: &StoreError,
) -> Result<(Database, Withheld), StoreError> {
    let opening = Opening { path, new: &path.with_extension("redb.new"), reader };
    let file = OpenOptions::new().read(true).open(path).map_err(|error| opening.failed(error))?;
    opening.lock_file(&file)?;
    let view = match opening.judge(&file, false)? {
        Judgement::Sound => View::FIRST,
        Judgement::Behind(half) => View::Half(half.other(), Vec::new()),
        Judgement::Single => View::Whole,
        Judgement::Damaged(view) => view,
        Judgement::Lost => return Err(opening.failed(ErrorKind::InvalidData.into())),
    };
    let image =
        file.try_clone().and_then(|file| Image::new(file, view)).map_err(|error| opening.failed(error))?;
    let database = builder().create_with_backend(image.clone()).map_err(db)?;
    schema::prepare(&database)?;
    Ok((database, Withheld::new(path, image, file, why)))
}

/// The part of a file that goes into the one that takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    All,
    Records,
    Nothing,
}

const UNREADABLE: &str = "what is written to it can't be read back: its disk is full, or fails";
const NOTHING: &str = "nothing of it could be kept, and the agent starts from factory state";

/// Why a file could not be opened.
enum Trouble {
    /// The file is at fault: in words, and the judgement of it, if there was one.
    Damaged(String, Option<Judgement>),
    /// The file is of a version that is not known yet.
    Newer(String),
    /// The surroundings are at fault.
    Other(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Newer(_) => Self::Newer(error.to_string()),
            StoreError::InUse(_) | StoreError::File { .. } => Self::Other(error),
            error if error.may_pass() => Self::Other(error),
            error => Self::Damaged(error.to_string(), None),
        }
    }
}

struct Opening<'o> {
    path: &'o Path,
    /// The path where a new file is made, until it is whole.
    new: &'o Path,
    reader: &'o Reader,
}

impl Opening<'_> {
    fn failed(&self, source: io::Error) -> StoreError {
        StoreError::File { path: self.path.to_path_buf(), source }
    }

    /// Opens the file for this process alone.
    fn lock(&self) -> Result<File, StoreError> {
        let file = OpenOptions::new().read(true).write(true).mode(0o600).open(self.path);
        let file = file.map_err(|error| self.failed(error))?;
        self.lock_file(&file)?;
        Ok(file)
    }

    /// Locks the file; waits for a process that is on its way out, as the reader of an agent that was killed is.
    #[expect(clippy::disallowed_methods, reason = "the file is never opened on the agent's thread")]
    fn lock_file(&self, file: &File) -> Result<(), StoreError> {
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) if begun.elapsed() < LEAVING => std::thread::sleep(RETRY),
                Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(self.path.to_path_buf())),
                Err(TryLockError::Error(error)) => return Err(self.failed(error)),
            }
        }
    }

    /// Opens the file that is there. One that is mostly air is made smaller if it `may_shrink`. Returns the copy as well
    /// for which there is no room.
    fn open(&self, may_shrink: bool) -> Result<(Database, Option<Lagging>), Trouble> {
        let file = self.lock()?;
        // What was being made when the power went.
        self.clear_new()?;
        let judgement = self.judge(&file, false)?;
        let only = match judgement {
            Judgement::Sound => None,
            Judgement::Behind(half) => match twin::heal(&file, half.other()) {
                Ok(pages) => {
                    log::info!(
                        "store: the agent ended with the file open, and its {half} copy was not the same any more \
                         at {pages} pages: it was made as the other one, which has the last commit"
                    );
                    None
                }
                Err(error) if says_withheld(error.kind()) => Some(half.other()),
                Err(error) => return Err(self.failed(error).into()),
            },
            Judgement::Single => {
                self.copy(&file, View::Whole).inspect_err(|_| drop(self.clear_new()))?;
                self.publish()?;
                drop(file);
                return self.open(may_shrink);
            }
            Judgement::Damaged(_) => {
                return Err(Trouble::Damaged("a page of it is damaged".to_owned(), Some(judgement)));
            }
            Judgement::Lost => {
                return Err(Trouble::Damaged("pages of it are damaged".to_owned(), Some(judgement)));
            }
        };
        let twin = Twin::new(file, only).map_err(|error| self.failed(error))?;
        let length = twin.len().map_err(|error| self.failed(error))?;
        let lagging = twin.lagging();
        let database = builder().create_with_backend(twin).map_err(db)?;
        schema::prepare(&database)?;
        // A file that was made just now must be found after a power cut, whatever was committed to it.
        self.sync_folder()?;
        if may_shrink && lagging.is_none() && rebuild::is_mostly_air(&database, length)? {
            match rebuild::compact(&database, self.new) {
                Ok(()) if size_of(self.new) < size_of(self.path) => {
                    self.publish()?;
                    drop(database);
                    return self.open(false);
                }
                Ok(()) => {}
                // There is no room for a smaller one beside it, say.
                Err(error) => {
                    log::warn!("the store is mostly unused, and could not be made smaller: {error}");
                }
            }
            self.clear_new()?;
        }
        Ok((database, lagging))
    }

    /// Judges the file: whether both copies are the same, and if not, which one is right. One that is known to be
    /// `broken` is not sound, whatever it looks like.
    fn judge(&self, file: &File, broken: bool) -> Result<Judgement, StoreError> {
        let look = TwinLook::at(file, MIXABLE + 1).map_err(|error| self.failed(error))?;
        let length = file.metadata().map_err(|error| self.failed(error))?.len();
        if !look.marked && image::is_whole(file) {
            if self.check(file, &View::Whole)?.is_some_and(|sound| !sound.doubtful) {
                return Ok(Judgement::Single);
            }
            let mended = self.first_sound(file, [View::Whole.mended()])?;
            return Ok(mended.map_or(Judgement::Lost, Judgement::Damaged));
        }
        let same = look.marked && look.differing.is_empty() && twin::image_length(length) > 0;
        // Who died with the file open may have died of what is in it.
        if same && !look.busy && !broken {
            return Ok(Judgement::Sound);
        }
        // What was not written for want of room is no damage.
        if let Some(half) = look.only.filter(|_| look.marked && !same && !broken)
            && self.check(file, &View::Half(half, Vec::new()))?.is_some()
        {
            return Ok(Judgement::Behind(half.other()));
        }
        let checked = |view: View| Ok::<_, StoreError>(self.check(file, &view)?.map(|sound| (view, sound)));
        let first = checked(View::FIRST)?;
        // Of two that are the same, one says it all.
        let second =
            if same { first.clone().map(|(_, sound)| (View::SECOND, sound)) } else { checked(View::SECOND)? };
        let found = [first, second];
        let clean = [View::FIRST, View::SECOND].map(|view| {
            let image = file.try_clone().and_then(|file| Image::new(file, view));
            image.is_ok_and(|image| image.is_clean())
        });
        // The flag is in the first page, and may have got into one copy alone when the file was opened or closed.
        let cut = clean == [false, false] || look.differing == [0];
        let torn = look.marked && look.busy && !broken && cut && twin::image_length(length) > 0;
        if let [Some((_, first)), Some((_, second))] = &found
            && torn
        {
            let newest = if rank(*second) > rank(*first) { Half::Second } else { Half::First };
            return Ok(if same { Judgement::Sound } else { Judgement::Behind(newest.other()) });
        }
        let best = found
            .into_iter()
            .flatten()
            .reduce(|one, other| if rank(other.1) > rank(one.1) { other } else { one });
        if let Some((view, _)) = best {
            return Ok(if same && !broken { Judgement::Sound } else { Judgement::Damaged(view) });
        }
        Ok(self.mix(file, &look.differing)?.map_or(Judgement::Lost, Judgement::Damaged))
    }

    fn check(&self, file: &File, view: &View) -> Result<Option<Sound>, StoreError> {
        self.reader.check(file, view).map_err(|error| self.failed(error))
    }

    /// Finds a whole mixture of two copies that are both damaged, though not at the same place. Where it is the header
    /// that is damaged in both, most of it is known, and the rest is there twice.
    fn mix(&self, file: &File, differing: &[u64]) -> Result<Option<View>, StoreError> {
        let pages = if differing.len() > MIXABLE { 0 } else { differing.len() };
        let mixtures = (1..(1_u32 << pages).saturating_sub(1)).map(|choice| {
            let chosen = differing.iter().enumerate().filter(|(at, _)| choice >> at & 1 == 1);
            View::Half(Half::First, chosen.map(|(_, page)| *page).collect())
        });
        self.first_sound(file, mixtures.chain([View::FIRST.mended(), View::SECOND.mended()]))
    }

    fn first_sound(
        &self,
        file: &File,
        views: impl IntoIterator<Item = View>,
    ) -> Result<Option<View>, StoreError> {
        for view in views {
            if self.check(file, &view)?.is_some() {
                return Ok(Some(view));
            }
        }
        Ok(None)
    }

    /// Replaces the file by [`Self::replace`], and leaves nothing half done: on a full disk, that would take the room.
    fn replacing(&self, why: &str, keep: Keep, judged: Option<Judgement>) -> Result<SetAside, StoreError> {
        self.replace(why, keep, judged).inspect_err(|_| drop(self.clear_new()))
    }

    /// Makes a new file in place of a damaged one, with what can be salvaged.
    fn replace(&self, why: &str, keep: Keep, judged: Option<Judgement>) -> Result<SetAside, StoreError> {
        let file = self.lock()?;
        self.clear_new()?;
        let whole = match keep {
            Keep::All => match judged.map_or_else(|| self.judge(&file, true), Ok)? {
                Judgement::Damaged(view) => Some(view),
                _ => None,
            },
            Keep::Records | Keep::Nothing => None,
        };
        let kept = match whole {
            _ if keep == Keep::Nothing => {
                rebuild::make(self.new).map(drop)?;
                NOTHING.to_owned()
            }
            Some(view) => {
                let mended = matches!(view, View::Mended(_));
                self.copy(&file, view)?;
                let how = if mended { "but for its last change, maybe" } else { "thanks to its second copy" };
                format!("all that was in it was kept, {how}")
            }
            None => {
                let mut new = Rebuild::new(self.new)?;
                let views = if image::is_whole(&file) {
                    vec![View::Whole]
                } else {
                    vec![View::FIRST, View::SECOND, View::Whole]
                };
                let mut failed = None;
                for view in views {
                    let add = |table, key: &[u8], value: &[u8]| {
                        if failed.is_none() {
                            failed = new.add(table, key, value).err();
                        }
                    };
                    self.reader.dump(&file, &view, add).map_err(|error| self.failed(error))?;
                }
                if let Some(error) = failed {
                    return Err(error);
                }
                match new.end(rebuild::mend)? {
                    0 => NOTHING.to_owned(),
                    records => format!("{records} records could still be read, and were kept"),
                }
            }
        };
        let aside = self.set_aside(self.path)?;
        self.publish()?;
        Ok(SetAside { file: aside, why: why.to_owned(), kept })
    }

    /// Fills the new file with an image, byte by byte.
    fn copy(&self, file: &File, view: View) -> Result<(), StoreError> {
        let image =
            file.try_clone().and_then(|file| Image::new(file, view)).map_err(|error| self.failed(error))?;
        let mut options = OpenOptions::new();
        let new = options.read(true).write(true).create_new(true).mode(0o600).open(self.new);
        let twin = new.and_then(Twin::make).map_err(|error| self.failed(error))?;
        twin.fill(&image).and_then(|()| twin.close()).map_err(|error| self.failed(error))
    }

    /// Gives the new file, which is whole, its final name.
    fn publish(&self) -> Result<(), StoreError> {
        fs::rename(self.new, self.path).map_err(|error| self.failed(error))?;
        self.sync_folder()
    }

    fn sync_folder(&self) -> Result<(), StoreError> {
        let Some(folder) = self.path.parent() else { return Ok(()) };
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| self.failed(error))
    }

    /// Adopts a new file that got its content but not its name, where there is no other; else makes one. It gets its
    /// name when it is whole: what a power cut leaves of a file that is being made is no damaged store. True if one was
    /// made.
    fn adopt_or_make(&self) -> Result<bool, StoreError> {
        if self.new.is_file() {
            let file = File::open(self.new).map_err(|error| self.failed(error))?;
            let looks_whole = TwinLook::at(&file, 0).is_ok_and(|look| look.marked);
            if looks_whole && self.check(&file, &View::FIRST)?.is_some() {
                self.publish()?;
                return Ok(false);
            }
        }
        self.clear_new()?;
        self.make().inspect_err(|_| drop(self.clear_new()))?;
        Ok(true)
    }

    /// Removes a file that was made just now, and is not what was written: nobody has used it, so it is no damage to be
    /// kept.
    fn unmake(&self) -> StoreError {
        let _ = self.clear_new();
        let _ = fs::remove_file(self.path);
        self.failed(io::Error::other(UNREADABLE))
    }

    fn make(&self) -> Result<(), StoreError> {
        let made = rebuild::make(self.new).and_then(|database| schema::prepare(&database));
        made.map_err(|error| match error.io_kind() {
            Some(kind) => self.failed(kind.into()),
            None => error,
        })?;
        // One that could not be closed has not got all that was written.
        let new = File::open(self.new)
            .and_then(|file| TwinLook::at(&file, 0))
            .map_err(|error| self.failed(error))?;
        if new.busy {
            return Err(self.failed(io::Error::other(UNREADABLE)));
        }
        // Never in place of one that another agent has made meanwhile; but not every file system has links.
        match fs::hard_link(self.new, self.path) {
            Ok(()) => fs::remove_file(self.new),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => fs::remove_file(self.new),
            Err(_) => fs::rename(self.new, self.path),
        }
        .map_err(|error| self.failed(error))
    }

    fn clear_new(&self) -> Result<(), StoreError> {
        match fs::symlink_metadata(self.new) {
            Err(_) => Ok(()),
            Ok(found) if found.is_dir() => self.set_aside(self.new).map(drop),
            Ok(_) => fs::remove_file(self.new).map_err(|error| self.failed(error)),
        }
    }

    /// Renames a file that is in the way; of those that were renamed earlier, the oldest go.
    fn set_aside(&self, what: &Path) -> Result<PathBuf, StoreError> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned() + ".bad-";
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut numbers: Vec<u64> = fs::read_dir(folder)
            .map_err(|error| self.failed(error))?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix(&name)?.parse().ok())
            .collect();
        numbers.order();
        let aside = folder.join(format!("{name}{}", numbers.last().map_or(1, |last| last.saturating_add(1))));
        fs::rename(what, &aside).map_err(|error| self.failed(error))?;
        let spare = (numbers.len() + 1).saturating_sub(KEPT_ASIDE);
        for number in numbers.into_iter().take(spare) {
            // A folder stays: what is in it is somebody else's.
            let _ = fs::remove_file(folder.join(format!("{name}{number}")));
        }
        self.sync_folder()?;
        Ok(aside)
    }
}

fn size_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

/// The rank of a sound copy: the newer is the better, and no commit that came to its end is given up.
fn rank(sound: Sound) -> (bool, bool, u64) {
    (!sound.fell_back, !sound.doubtful, sound.transaction)
}
