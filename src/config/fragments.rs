//! The files that make up the configuration, their order, and how one is read.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::base::OrderedMap;
use crate::base::regular::{self, ReadError};
use crate::spanned::Located;
use crate::spanned::{Problem, Problems};

/// The largest configuration file, in bytes.
const MAX_FILE: u64 = 1 << 20;

const MAIN: &str = "omadmd.toml";
const DROP_INS: &str = "omadmd.d";

/// The configuration that the agent runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The configuration installed below these folders, drop-ins included.
    Installed(Roots),
    /// The configuration of one file, without drop-ins (`--config FILE`).
    File(PathBuf),
}

impl Default for Selection {
    fn default() -> Self {
        Self::Installed(Roots::default())
    }
}

/// The folders of an installed configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// The folder of what packages bring.
    pub vendor: PathBuf,
    /// The folder of what the operator says.
    pub local: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { vendor: "/usr/lib/omadm".into(), local: "/etc/omadm".into() }
    }
}

impl Selection {
    /// Reads all files of the configuration and lays them over each other; what is broken is noted and left out.
    pub fn read(&self, problems: &mut Problems) -> Located {
        match self {
            Self::File(file) => read_file(file, problems).unwrap_or_else(|| Located::empty(file)),
            Self::Installed(Roots { vendor, local }) => read_folders(&[vendor, local], problems),
        }
    }

    /// The folders of drop-ins, where it has any.
    #[must_use]
    pub fn drop_ins(&self) -> Vec<PathBuf> {
        match self {
            Self::File(_) => Vec::new(),
            Self::Installed(Roots { vendor, local }) => {
                [vendor, local].map(|root| root.join(DROP_INS)).into()
            }
        }
    }

    /// Reads the vendor's part of the configuration alone; none where there is no such part.
    pub(super) fn read_vendor(&self, problems: &mut Problems) -> Option<Located> {
        match self {
            Self::File(_) => None,
            Self::Installed(Roots { vendor, .. }) => Some(read_folders(&[vendor], problems)),
        }
    }
}

/// Reads the main file of each folder, then all drop-ins by name: none of these has to be there.
fn read_folders(folders: &[&PathBuf], problems: &mut Problems) -> Located {
    let drop_ins: Vec<PathBuf> = folders.iter().map(|folder| folder.join(DROP_INS)).collect();
    let mains = folders.iter().map(|folder| folder.join(MAIN)).filter(|main| !is_absent(main));
    let files: Vec<PathBuf> = mains.chain(overlay(&drop_ins, problems)).collect();
    let nothing = folders.last().map_or_else(PathBuf::new, |folder| folder.join(MAIN));
    files
        .iter()
        .filter_map(|file| read_file(file, problems))
        .reduce(Located::merge)
        .unwrap_or_else(|| Located::empty(&nothing))
}

fn is_absent(file: &Path) -> bool {
    fs::symlink_metadata(file).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// The `*.toml` files of all `folders`, sorted by name; one of the same name in a later folder replaces the
/// earlier's, and a link to `/dev/null` takes it away. A folder need not be there.
pub(super) fn overlay(folders: &[PathBuf], problems: &mut Problems) -> Vec<PathBuf> {
    let mut by_name = OrderedMap::new();
    for folder in folders {
        match names(folder) {
            Ok(names) => by_name.extend(names.into_iter().map(|name| (name.clone(), folder.join(name)))),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => problems.file(folder, format!("the folder cannot be read: {error}")),
        }
    }
    let masked = |file: &Path| fs::read_link(file).is_ok_and(|target| target == Path::new("/dev/null"));
    by_name.into_values().filter(|file| !masked(file)).collect()
}

fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        // Hidden ones are an editor's.
        let hidden = name.as_encoded_bytes().starts_with(b".");
        if !hidden && Path::new(&name).extension().is_some_and(|extension| extension == "toml") {
            names.push(name);
        }
    }
    Ok(names)
}

/// Reads and parses one file.
pub(super) fn read_file(file: &Path, problems: &mut Problems) -> Option<Located> {
    let bytes = match regular::read(file, MAX_FILE) {
        Ok(bytes) => bytes,
        Err(ReadError::Io(error)) if error.kind() == ErrorKind::NotFound => {
            problems.file(file, "there is no such file");
            return None;
        }
        Err(error) => {
            problems.file(file, error.to_string());
            return None;
        }
    };
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = bytes.iter().take(error.valid_up_to());
            let line = 1 + before.filter(|&&byte| byte == b'\n').count();
            let what = "not valid TOML: the file is not UTF-8".to_owned();
            problems.push(Problem { file: file.to_path_buf(), line: Some(line), key: String::new(), what });
            return None;
        }
    };
    Located::parse(file, text).map_err(|found| problems.append(found)).ok()
}

#[cfg(test)]
mod tests;
