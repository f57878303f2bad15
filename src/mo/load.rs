//! Loading management objects from folders.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::base::lane;
use crate::base::regular::{self, ReadError};
use crate::ddf;
use crate::spanned::{Located, Problem, Problems};

use super::mapping::{MappingFile, SeedEntry};
use super::object::{ManagementObject, Seed};
use super::sources::Sources;
use super::{check, join};

/// The largest mapping file and MOData file in bytes.
const MAX_MAPPING: u64 = 1 << 20;

/// Loads every management object of `folders`: sub-folders with a mapping file. A sub-folder of the same name in a
/// later folder replaces the earlier's. A folder that isn't there is an empty one.
///
/// Objects that have a problem are left out, and all problems are returned. Of two objects with one MOID the first
/// stays, unless each is for servers of another profile.
#[must_use]
pub fn load(folders: &[PathBuf]) -> (Vec<Arc<ManagementObject>>, Problems) {
    let mut problems = Problems::default();
    let mut all: Vec<(Place, One)> = Vec::new();
    for name in list(folders, &mut problems) {
        let Some(place) = name.folders().pop() else { continue };
        let one = One::read(&place.folder);
        all.push((place, one));
    }
    let objects = combine(all, &mut problems);
    (objects, problems)
}

/// What may be an object: all that one name leads to, in the order of the folders that it is in.
#[derive(Clone, Debug)]
pub struct Name(Vec<Place>);

/// Where an object is: the place of its folder among those that are listed, and its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which of the folders that are listed it is in.
    pub within: usize,
    /// The object's own.
    pub folder: PathBuf,
}

impl Name {
    /// Those that are folders; the last of them is the object's. It follows links, and may block.
    #[must_use]
    pub fn folders(&self) -> Vec<Place> {
        let is_folder = |place: &&Place| lane::announce(&place.folder).is_ok() && place.folder.is_dir();
        self.0.iter().filter(is_folder).cloned().collect()
    }

    /// All that it leads to.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.0
    }
}

/// What one folder comes to.
#[derive(Debug, Default)]
pub struct One {
    /// The object, if nothing is wrong with its files.
    pub object: Option<Arc<ManagementObject>>,
    /// What is wrong.
    pub problems: Problems,
}

impl One {
    /// Reads the object in one folder.
    #[must_use]
    pub fn read(folder: &Path) -> Self {
        let mut problems = Problems::default();
        let object = load_one(folder, &mut problems).map(Arc::new);
        Self { object, problems }
    }
}

/// All objects, in the order of the folders that they are in, then by name; without the second of two with one MOID.
pub fn combine(mut all: Vec<(Place, One)>, problems: &mut Problems) -> Vec<Arc<ManagementObject>> {
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
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

/// Loads the management object in one folder; nothing if it has a problem.
pub fn load_one(folder: &Path, problems: &mut Problems) -> Option<ManagementObject> {
    let mut own = Problems::default();
    let object = read(folder, &mut own);
    let sound = own.is_empty();
    problems.append(own);
    object.filter(|_| sound)
}

/// What may be an object in `folders`, by name. Nothing but these folders themselves is touched.
pub fn list(folders: &[PathBuf], problems: &mut Problems) -> Vec<Name> {
    let mut by_name: BTreeMap<String, Vec<Place>> = BTreeMap::new();
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
            if !name.starts_with('.') && may_be {
                by_name.entry(name).or_default().push(Place { within, folder: entry.path() });
            }
        }
    }
    by_name.into_values().map(Name).collect()
}

fn read(folder: &Path, problems: &mut Problems) -> Option<ManagementObject> {
    let name = folder.file_name()?.to_string_lossy();
    let mapping_path = mapping_path(folder, &name, problems)?;
    let mapping_bytes = read_bounded(&mapping_path, MAX_MAPPING, problems)?;
    let Ok(text) = std::str::from_utf8(&mapping_bytes) else {
        problems.file(&mapping_path, "not UTF-8 text");
        return None;
    };
    let located = match Located::parse(&mapping_path, text) {
        Ok(located) => located,
        Err(errors) => {
            problems.append(errors);
            return None;
        }
    };
    let mut mapping = MappingFile::read(&located, problems)?;
    let ddf_path = folder.join(&mapping.ddf);
    let ddf_bytes = read_bounded(&ddf_path, ddf::MAX_BYTES, problems)?;
    let (ddf, lines) = match ddf::parse_with_lines(&ddf_bytes) {
        Ok(parsed) => parsed,
        Err(error) => {
            let (line, what) = (error.line(), error.to_string());
            // A problem shows its line itself.
            let what = line.and_then(|line| what.strip_prefix(&format!("line {line}: "))).unwrap_or(&what);
            problems.push(Problem { file: ddf_path, line, key: String::new(), what: what.to_owned() });
            return None;
        }
    };
    let instances = seeds(folder, &mapping_path, std::mem::take(&mut mapping.instances), problems);
    let digest = digest(&[&mapping_bytes, &ddf_bytes]);
    let sources = Sources { name: &name, folder, mapping: &mapping_path, ddf: &ddf_path, digest };
    let (object, first) = join::join(&sources, ddf, mapping, instances, problems)?;
    check::check(&object, &sources, lines.get(first..).unwrap_or_default(), problems);
    Some(object)
}

/// `NAME.toml` after the folder's name, else the only `.toml` there is.
fn mapping_path(folder: &Path, name: &str, problems: &mut Problems) -> Option<PathBuf> {
    let expected = folder.join(format!("{name}.toml"));
    if lane::announce(&expected).is_ok() && expected.exists() {
        return Some(expected);
    }
    let entries = fs::read_dir(folder).map_err(|error| problems.file(folder, error.to_string())).ok()?;
    let is_toml = |path: &PathBuf| {
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        !hidden && path.extension().is_some_and(|extension| extension == "toml")
    };
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_toml).collect();
    if found.len() == 1 {
        return found.pop();
    }
    problems.file(folder, format!("has no mapping file: expected {name}.toml"));
    None
}

/// Reads a regular file (a FIFO would block for ever) that is no larger than `limit`.
fn read_bounded(path: &Path, limit: u64, problems: &mut Problems) -> Option<Vec<u8>> {
    let read = regular::read(path, limit).map_err(|error| match error {
        ReadError::Io(error) => error.to_string(),
        ReadError::NotRegular => "not a regular file".to_owned(),
        ReadError::TooLarge(limit) => format!("larger than {limit} bytes"),
    });
    read.map_err(|error| problems.file(path, format!("can't be read: {error}"))).ok()
}

fn seeds(folder: &Path, mapping: &Path, entries: Vec<SeedEntry>, problems: &mut Problems) -> Vec<Seed> {
    let mut seed = |entry: SeedEntry| {
        let Some(name) = &entry.data else { return Some(Seed { miid: entry.miid, data: None }) };
        let path = folder.join(name);
        let bytes = read_bounded(&path, MAX_MAPPING, problems)?;
        let what = match serde_json::from_slice(&bytes) {
            Ok(data @ serde_json::Value::Object(_)) => {
                return Some(Seed { miid: entry.miid, data: Some(data) });
            }
            Ok(_) => format!("{name} is no JSON object"),
            Err(error) => format!("{name} is no JSON: {error}"),
        };
        let file = mapping.to_path_buf();
        problems.push(Problem { file, line: Some(entry.line), key: "instances".to_owned(), what });
        None
    };
    entries.into_iter().filter_map(&mut seed).collect()
}

/// Lengths keep bytes from moving between parts unnoticed.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// A MOID under which some server would find both.
fn shared_moid(one: &ManagementObject, other: &ManagementObject) -> Option<String> {
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
