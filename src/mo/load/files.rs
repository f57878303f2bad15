//! The files of one object's folder: mapping, DDF, seeds.

use std::borrow::Cow;
use std::fs;
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
}

impl<'a> Files<'a> {
    /// Reads the files of a folder; nothing if there is no mapping or no DDF that could be joined.
    pub(super) fn read(folder: &'a Path, ddf_base: Option<&str>, problems: &mut Problems) -> Option<Self> {
        let name = folder.file_name()?.to_string_lossy();
        let mapping_path = mapping_path(folder, &name, problems)?;
        let mapping_bytes = read_bounded(&mapping_path, MAX_MAPPING, problems)?;
        let mut mapping = read_mapping(&mapping_path, &mapping_bytes, problems)?;
        let (ddf_path, ddf_bytes, Made { ddf, lines }) = match &mapping.ddf {
            Some(file) => {
                let path = folder.join(file);
                let bytes = read_bounded(&path, ddf::MAX_BYTES, problems)?;
                let made = read_ddf(&path, &bytes, problems)?;
                (path, bytes, made)
            }
            None => {
                let made = describe(&mut mapping, &mapping_path, problems);
                (mapping_path.clone(), Vec::new(), made)
            }
        };
        let instances = seeds(folder, &mapping_path, std::mem::take(&mut mapping.instances), problems);
        let written = mapping.ddf_uri.take().unwrap_or_else(|| format!("{}.ddf.xml", encode_name(&name)));
        let ddf_uri = ddf_uri::resolved(&written, ddf_base);
        let is_relative = ddf_uri::is_relative(&written);
        let mut parts: Vec<&[u8]> = vec![&mapping_bytes, &ddf_bytes];
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
        };
        let (object, first) = join::join(&files, self.ddf, self.mapping, self.instances, problems)?;
        check::check(&object, &files, self.lines.get(first..).unwrap_or_default(), problems);
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

/// The path of the mapping: `NAME.toml` after the folder's name, else the only `.toml` there is.
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

/// A digest of parts, with their lengths, which keep bytes from moving between parts unnoticed.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
