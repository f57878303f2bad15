//! Loading management objects from folders.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::Order as _;
use crate::base::OrderedMap;
use crate::base::lane;
use crate::base::package_names;
use crate::base::rooted;
use crate::ddf::Ddf;
use crate::spanned::Problems;
use crate::uri::Moid;

use super::check;
use super::object::ManagementObject;
use files::{ByPath, Files};

pub(crate) use files::{FolderFiles, files_digest};

mod files;

/// What the settings say of loading management objects.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The address that a relative `ddf-uri` is below.
    pub ddf_base: Option<&'a str>,
    /// The folder that what an object `needs` is below.
    pub sysroot: &'a Path,
    /// The names of folders that are not read.
    pub disabled: &'a [String],
}

/// The result of loading folders of management objects.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The objects that nothing is wrong with.
    pub objects: Vec<Arc<ManagementObject>>,
    /// The objects that are not served, as nothing of what they need is there.
    pub unserved: Vec<Arc<ManagementObject>>,
    /// The problems of the files.
    pub problems: Problems,
    /// The warnings: what is served, and hardly meant.
    pub warnings: Problems,
}

/// Loads every management object of `folders`: sub-folders with a mapping file. A sub-folder of the same name in a
/// later folder replaces the earlier's. A folder that isn't there is an empty one.
///
/// Objects that have a problem are left out, and all problems are returned. Of two objects with one MOID the first
/// stays, unless each is for servers of another profile.
#[must_use]
pub fn load(folders: &[PathBuf], wanted: Wanted<'_>) -> Loaded {
    let (mut problems, mut warnings) = (Problems::default(), Problems::default());
    let mut all: Vec<(ObjectFolder, One)> = Vec::new();
    let mut unserved = Vec::new();
    for name in list(folders, &mut problems) {
        if name.is_among(wanted.disabled) {
            continue;
        }
        let Some(place) = name.folders().pop() else { continue };
        let mut one = One::read(&place.folder, wanted.ddf_base);
        unserved.extend(one.take_uninstalled(wanted.sysroot));
        warnings.append(std::mem::take(&mut one.warnings));
        all.push((place, one));
    }
    let objects = combine(all, &mut problems);
    Loaded { objects, unserved, problems, warnings }
}

/// A name under which there may be an object: all that it leads to, in the order of the folders that it is in.
#[derive(Clone, Debug)]
pub struct Name(Vec<ObjectFolder>);

/// The folder of an object, and the place of the one it is in among those that are listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectFolder {
    /// The index of the listed folder that it is in.
    pub within: usize,
    /// The path of the object's own folder.
    pub folder: PathBuf,
}

impl Name {
    /// The places that are folders; the last of them is the object's. It follows links, and may block.
    #[must_use]
    pub fn folders(&self) -> Vec<ObjectFolder> {
        let is_folder =
            |place: &&ObjectFolder| lane::announce(&place.folder).is_ok() && place.folder.is_dir();
        self.0.iter().filter(is_folder).cloned().collect()
    }

    /// Whether the name is one of these.
    #[must_use]
    pub fn is_among(&self, names: &[String]) -> bool {
        let own = self.0.last().and_then(|place| place.folder.file_name());
        own.is_some_and(|own| names.iter().any(|name| own == name.as_str()))
    }

    /// The name itself, as people are shown it.
    #[must_use]
    pub fn shown(&self) -> String {
        let own = self.0.last().and_then(|place| place.folder.file_name());
        own.unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The places that the name leads to.
    #[must_use]
    pub fn places(&self) -> &[ObjectFolder] {
        &self.0
    }
}

/// The result of loading one folder.
#[derive(Debug, Default)]
pub struct One {
    /// The object, if nothing is wrong with its files.
    pub object: Option<Arc<ManagementObject>>,
    /// The problems of its files.
    pub problems: Problems,
    /// The warnings: what is served, and hardly meant.
    pub warnings: Problems,
}

impl One {
    /// Reads the object in one folder. `ddf_base` is what a relative `ddf-uri` is below.
    #[must_use]
    pub fn read(folder: &Path, ddf_base: Option<&str>) -> Self {
        let mut one = Self::default();
        let Some(files) = Files::read(folder, &ByPath(folder), ddf_base, &mut one.problems) else {
            return one;
        };
        let lines = files.head_lines();
        if let Some(object) = files.join(&mut one.problems).filter(|_| one.problems.is_empty()) {
            one.warnings = check::to_keys(&check::doubts(&object, lines));
            one.object = Some(Arc::new(object));
        }
        // Whoever tells of them names the same lines: the journal, a reload, and checks by hand.
        one.problems = check::to_keys(&one.problems);
        one
    }

    /// Takes the object away if there is nothing below `sysroot` of what it needs, and returns it. It may block.
    pub fn take_uninstalled(&mut self, sysroot: &Path) -> Option<Arc<ManagementObject>> {
        self.object.take_if(|object| !is_installed(object, sysroot))
    }
}

/// The paths below `sysroot` of what an object needs.
pub fn needs(object: &ManagementObject, sysroot: &Path) -> impl Iterator<Item = PathBuf> {
    object.needs.iter().map(|path| sysroot.join(path.strip_prefix("/").unwrap_or(path)))
}

/// Whether anything of what an object needs is there. A link counts as what it is: where it leads to may be another
/// machine's.
#[must_use]
pub fn is_installed(object: &ManagementObject, sysroot: &Path) -> bool {
    let is_there = |path: &PathBuf| {
        let path = rooted::follow_to_name(sysroot, path);
        path.is_ok_and(|path| lane::announce(&path).is_ok() && path.symlink_metadata().is_ok())
    };
    object.needs.is_empty() || object.needs.iter().any(is_there)
}

/// All objects, in the order of the folders that they are in, then by name; without the second of two with one MOID.
pub fn combine(mut all: Vec<(ObjectFolder, One)>, problems: &mut Problems) -> Vec<Arc<ManagementObject>> {
    all.order_by(|(one, _), (other, _)| one.cmp(other));
    let mut objects: Vec<Arc<ManagementObject>> = Vec::new();
    for (place, one) in all {
        problems.append(one.problems);
        let Some(object) = one.object else { continue };
        match objects.iter().find_map(|other| Some((other, shared_moid(other, &object)?))) {
            Some((other, moid)) => problems.file(
                &place.folder,
                format!("{moid} is the MOID of {} already: one of the two has to go", other.folder.display()),
            ),
            None => objects.push(object),
        }
    }
    objects
}

/// Whether more is to come into an object's folder than is there: a package manager is at work in it, or it is empty. It
/// may block.
#[must_use]
pub fn is_being_unpacked(folder: &Path) -> bool {
    let Ok(names) = ByPath(folder).names() else { return false };
    names.is_empty() || names.iter().any(|name| package_names::is_for_the_time_being(name))
}

/// Loads the management object in one folder; nothing if it has a problem.
pub fn load_one(folder: &Path, problems: &mut Problems) -> Option<ManagementObject> {
    let mut own = Problems::default();
    let files = Files::read(folder, &ByPath(folder), None, &mut own);
    let object = files.and_then(|files| files.join(&mut own));
    let sound = own.is_empty();
    problems.append(own);
    object.filter(|_| sound)
}

/// Reads the object in one folder, whose `files` are reached in their own way; nothing if anything is wrong with it.
pub(crate) fn object_of(
    folder: &Path,
    files: &dyn FolderFiles,
    problems: &mut Problems,
) -> Option<ManagementObject> {
    let files = Files::read(folder, files, None, problems)?;
    files.join(problems).filter(|_| problems.is_empty())
}

/// The DDF of the object in one folder, as servers should get it: the folder's own, or the one made from its mapping;
/// nothing if the object has a problem.
pub fn ddf(folder: &Path, problems: &mut Problems) -> Option<Ddf> {
    let files = Files::read(folder, &ByPath(folder), None, problems)?;
    let ddf = files.ddf.clone();
    files.join(problems).filter(|_| problems.is_empty()).map(|_| ddf)
}

/// The names under which there may be objects in `folders`, in order. Nothing but these folders themselves is touched.
pub fn list(folders: &[PathBuf], problems: &mut Problems) -> Vec<Name> {
    let mut by_name: OrderedMap<String, Vec<ObjectFolder>> = OrderedMap::new();
    for (within, folder) in folders.iter().enumerate() {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                problems.file(folder, format!("can't be listed: {error}"));
                continue;
            }
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // Where a symbolic link leads is not looked at yet.
            let may_be = entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_symlink());
            let is_new = package_names::is_for_the_time_being(&entry.file_name());
            if !name.starts_with('.') && !is_new && may_be {
                by_name.entry(name).or_default().push(ObjectFolder { within, folder: entry.path() });
            }
        }
    }
    by_name.into_values().map(Name).collect()
}

/// The MOID, if any, under which some server would find both objects.
fn shared_moid(one: &ManagementObject, other: &ManagementObject) -> Option<Moid> {
    if one.profile.zip(other.profile).is_some_and(|(one, other)| one != other) {
        return None;
    }
    let moids = |object: &ManagementObject| {
        let mut all = object.aliases.clone();
        all.insert(0, object.moid.clone());
        all
    };
    let of_one = moids(one);
    moids(other).into_iter().find(|moid| of_one.contains(moid))
}
