//! The files of one object's folder: mapping, DDF, seeds.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::base::lane;
use crate::base::regular::{self, ReadError};
use crate::ddf::{self, Ddf};
use crate::spanned::{Located, Problem, Problems};
use crate::uri::encode_name;

use super::super::describe::{Made, describe};
use super::super::mapping::{HeadLines, MappingFile, SeedEntry};
use super::super::object::{ManagementObject, Seed};
use super::super::object_files::ObjectFiles;
use super::super::{check, ddf_uri, join};

/// The largest mapping file and MOData file, in bytes.
const MAX_MAPPING: u64 = 1 << 20;

/// The files in an object's folder, however they are reached.
pub(crate) trait FolderFiles {
    /// The names in the folder.
    ///
    /// # Errors
    /// It can't be listed.
    fn names(&self) -> io::Result<Vec<OsString>>;

    /// The content of the regular file of this name, or of this path from the folder; at most `limit` bytes.
    ///
    /// # Errors
    /// [`ReadError`]
    fn read(&self, name: &Path, limit: u64) -> Result<Vec<u8>, ReadError>;
}

/// The digest of the files of a folder whose mapping, these bytes, describes its nodes itself.
pub(crate) fn files_digest(mapping: &[u8]) -> [u8; 32] {
    digest(&[mapping, &[]])
}

/// A folder, by its path.
pub(super) struct ByPath<'a>(pub(super) &'a Path);

impl FolderFiles for ByPath<'_> {
    fn names(&self) -> io::Result<Vec<OsString>> {
        lane::announce(self.0).map_err(io::Error::other)?;
        Ok(fs::read_dir(self.0)?.flatten().map(|entry| entry.file_name()).collect())
    }

    /// A FIFO would block for ever: it is none.
    fn read(&self, name: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        regular::read(&self.0.join(name), limit)
    }
}

/// An object's files, read and not joined yet.
pub(super) struct Files<'a> {
    /// The name of the folder.
    name: Cow<'a, str>,
    folder: &'a Path,
    mapping_path: PathBuf,
    mapping: MappingFile,
    /// The path of the DDF; the mapping's where that describes its nodes itself.
    ddf_path: PathBuf,
    /// The description, read or made from the mapping.
    pub(super) ddf: Ddf,
    /// The lines where its nodes stand in `ddf_path`, in document order.
    lines: Vec<usize>,
    ddf_uri: String,
    needs_ddf_base: bool,
    instances: Vec<Seed>,
    digest: [u8; 32],
    files_digest: [u8; 32],
}

impl<'a> Files<'a> {
    /// Reads the `files` of a folder; nothing if there is no mapping or no DDF that could be joined.
    pub(super) fn read(
        folder: &'a Path,
        files: &dyn FolderFiles,
        ddf_base: Option<&str>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let name = folder.file_name()?.to_string_lossy();
        let within = &Within { folder, files };
        let mapping_path = within.mapping(&name, problems)?;
        let mapping_bytes = within.read(&mapping_path, MAX_MAPPING, problems)?;
        let mut mapping = read_mapping(&mapping_path, &mapping_bytes, problems)?;
        let (ddf_path, ddf_bytes, Made { ddf, lines }) = match &mapping.ddf {
            Some(file) => {
                let path = folder.join(file);
                let bytes = within.read(&path, ddf::MAX_BYTES, problems)?;
                let made = read_ddf(&path, &bytes, problems)?;
                (path, bytes, made)
            }
            None => {
                let made = describe(&mut mapping, &mapping_path, problems);
                (mapping_path.clone(), Vec::new(), made)
            }
        };
        let instances = within.seeds(&mapping_path, std::mem::take(&mut mapping.instances), problems);
        let written = mapping.ddf_uri.take().unwrap_or_else(|| format!("{}.ddf.xml", encode_name(&name)));
        let ddf_uri = ddf_uri::resolved(&written, ddf_base);
        let is_relative = ddf_uri::is_relative(&written);
        let mut parts: Vec<&[u8]> = vec![&mapping_bytes, &ddf_bytes];
        let files_digest = digest(&parts);
        if is_relative {
            parts.push(ddf_uri.as_bytes());
        }
        let digest = digest(&parts);
        let needs_ddf_base = is_relative && ddf_base.is_none();
        Some(Self {
            name,
            folder,
            mapping_path,
            mapping,
            ddf_path,
            ddf,
            lines,
            ddf_uri,
            needs_ddf_base,
            instances,
            digest,
            files_digest,
        })
    }

    /// The lines of keys in the mapping's head.
    pub(super) fn head_lines(&self) -> HeadLines {
        self.mapping.lines
    }

    /// Joins the files into an object, noting all that is wrong with it; nothing if they can't be joined.
    pub(super) fn join(self, problems: &mut Problems) -> Option<ManagementObject> {
        let files = ObjectFiles {
            name: &self.name,
            folder: self.folder,
            mapping: &self.mapping_path,
            ddf: &self.ddf_path,
            ddf_uri: &self.ddf_uri,
            needs_ddf_base: self.needs_ddf_base,
            digest: self.digest,
            files_digest: self.files_digest,
        };
        let lines = self.mapping.lines;
        let (object, first) = join::join(&files, self.ddf, self.mapping, self.instances, problems)?;
        check::check(&object, &files, self.lines.get(first..).unwrap_or_default(), problems);
        check::seeds(&object, &files, lines.instances, problems);
        Some(object)
    }
}

fn read_mapping(path: &Path, bytes: &[u8], problems: &mut Problems) -> Option<MappingFile> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        problems.file(path, "not UTF-8 text");
        return None;
    };
    let located = Located::parse(path, text).map_err(|errors| problems.append(errors)).ok()?;
    MappingFile::read(&located, problems)
}

fn read_ddf(path: &Path, bytes: &[u8], problems: &mut Problems) -> Option<Made> {
    match ddf::parse_with_lines(bytes) {
        Ok((ddf, lines)) => Some(Made { ddf, lines }),
        Err(error) => {
            let (line, what) = (error.line(), error.to_string());
            // A problem shows its line itself.
            let what = line.and_then(|line| what.strip_prefix(&format!("line {line}: "))).unwrap_or(&what);
            problems.push(Problem {
                file: path.to_path_buf(),
                line,
                key: String::new(),
                what: what.to_owned(),
            });
            None
        }
    }
}

/// A folder, and how its files are reached.
struct Within<'a> {
    folder: &'a Path,
    files: &'a dyn FolderFiles,
}

impl Within<'_> {
    /// The path of the mapping: `NAME.toml` after the folder's name, else the only `.toml` there is.
    fn mapping(&self, name: &str, problems: &mut Problems) -> Option<PathBuf> {
        let expected = format!("{name}.toml");
        let names = self.files.names().map_err(|error| problems.file(self.folder, error.to_string())).ok()?;
        let is_toml = |name: &OsString| {
            !name.as_encoded_bytes().starts_with(b".")
                && Path::new(name).extension().is_some_and(|extension| extension == "toml")
        };
        let mut found: Vec<OsString> = names.into_iter().filter(is_toml).collect();
        if found.iter().any(|name| *name == *expected) {
            return Some(self.folder.join(expected));
        }
        if found.len() == 1 {
            return found.pop().map(|name| self.folder.join(name));
        }
        problems.file(self.folder, format!("has no mapping file: expected {expected}"));
        None
    }

    /// Reads a file of the folder that is no larger than `limit`.
    fn read(&self, path: &Path, limit: u64, problems: &mut Problems) -> Option<Vec<u8>> {
        let read = self.files.read(path.strip_prefix(self.folder).unwrap_or(path), limit);
        let read = read.map_err(|error| match error {
            ReadError::Io(error) => error.to_string(),
            ReadError::NotRegular => "not a regular file".to_owned(),
            ReadError::TooLarge(limit) => format!("larger than {limit} bytes"),
        });
        read.map_err(|error| problems.file(path, format!("can't be read: {error}"))).ok()
    }

    fn seeds(&self, mapping: &Path, entries: Vec<SeedEntry>, problems: &mut Problems) -> Vec<Seed> {
        let mut seed = |entry: SeedEntry| {
            let Some(name) = &entry.data else { return Some(Seed { miid: entry.miid, data: None }) };
            let bytes = self.read(&self.folder.join(name), MAX_MAPPING, problems)?;
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
}

/// A digest of parts, with their lengths, which keep bytes from moving between parts unnoticed.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
