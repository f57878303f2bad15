//! Folders that the command line names: of an object, or of several.

use std::fs;
use std::path::{Path, PathBuf};

use crate::mo::load;
use crate::spanned::Problems;

/// The kind of a folder that is to be checked.
pub(super) enum Given {
    /// The folder of an object.
    Object(PathBuf),
    /// A folder with objects in it.
    Parent(PathBuf, Vec<PathBuf>),
}

/// What a folder is, as far as it can be told from what is in it; what is wrong with it is among `problems`.
pub(super) fn given(folder: &Path, problems: &mut Problems) -> Option<Given> {
    let folder = named(folder, problems)?;
    let own = folder.file_name().map(|name| folder.join(format!("{}.toml", name.display())));
    let mut has_mapping = false;
    match fs::read_dir(&folder) {
        Ok(entries) => entries.flatten().for_each(|entry| has_mapping |= is_mapping(&entry.path())),
        Err(error) => {
            problems.file(&folder, format!("can't be listed: {error}"));
            return None;
        }
    }
    if own.is_some_and(|own| own.exists()) {
        return Some(Given::Object(folder));
    }
    let names = load::list(std::slice::from_ref(&folder), problems);
    let found = names.iter().filter_map(|name| Some(name.folders().pop()?.folder));
    let found: Vec<PathBuf> = found.filter(|folder| holds_mapping(folder)).collect();
    if !found.is_empty() {
        return Some(Given::Parent(folder, found));
    }
    if !has_mapping {
        problems.file(&folder, "has no mapping, neither in it (NAME.toml) nor in folders in it");
        return None;
    }
    Some(Given::Object(folder))
}

fn holds_mapping(folder: &Path) -> bool {
    fs::read_dir(folder)
        .is_ok_and(|mut entries| entries.any(|entry| entry.is_ok_and(|entry| is_mapping(&entry.path()))))
}

fn is_mapping(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml")
}

/// The folder under its own name, after which an object is called: `.` has a name too. None where it is a file, which is
/// among `problems` then.
pub(super) fn named(folder: &Path, problems: &mut Problems) -> Option<PathBuf> {
    if folder.is_file() {
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new(".")).display();
        problems.file(
            folder,
            format!("is a file: name the folder of the object instead, which it is in: {parent}"),
        );
        return None;
    }
    if folder.file_name().is_some() {
        return Some(folder.to_path_buf());
    }
    Some(fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf()))
}
