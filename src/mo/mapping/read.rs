//! Reading a mapping file: every problem of it is noted, with its line and what was expected.

use std::path::{Component, Path, PathBuf};

use crate::base::OneByOne as _;
use crate::base::{OrderedMap, OrderedSet};
use crate::package::Profile;
use crate::spanned::{Item, Located, Problem, Problems, Reader};

use zbus::ObjectPath;
use zbus::names::{BusName, InterfaceName};

use super::alarm::{AlarmEntry, alarms};
use super::description::{self, Description};
use super::{BusObject, NodeMapping, node};
use crate::uri::Moid;

/// The endings of a relative `ddf-uri`: a bare word is a forgotten `https://`, more likely than a file.
const DDF_ENDINGS: [&str; 2] = [".xml", ".ddf"];

/// A mapping file as written; nothing in it was compared with the DDF yet.
#[derive(Debug)]
pub(in crate::mo) struct MappingFile {
    pub(in crate::mo) moid: Moid,
    pub(in crate::mo) aliases: Vec<Moid>,
    /// The file name of the DDF; none: the mapping describes its nodes itself.
    pub(in crate::mo) ddf: Option<String>,
    /// The URI where servers find the DDF, absolute or below `[objects] ddf-base`; none: by the folder's name.
    pub(in crate::mo) ddf_uri: Option<String>,
    /// The lines of the keys that are compared with other files.
    pub(in crate::mo) lines: HeadLines,
    /// The root's name, if the mapping gives it one.
    pub(in crate::mo) root: Option<String>,
    pub(in crate::mo) instances: Vec<SeedEntry>,
    pub(in crate::mo) per_account: bool,
    pub(in crate::mo) profile: Option<Profile>,
    pub(in crate::mo) per_object: bool,
    /// The paths, below the sysroot, of which one must be there.
    pub(in crate::mo) needs: Vec<PathBuf>,
    pub(in crate::mo) dynamic: bool,
    pub(in crate::mo) objects: Vec<(String, BusObject)>,
    /// The mappings of nodes, by path, as in `Ext/Interfaces/<if>/Mtu`.
    pub(in crate::mo) nodes: Vec<(String, NodeMapping)>,
    /// The descriptions of nodes, by path.
    pub(in crate::mo) descriptions: OrderedMap<String, Description>,
    /// The alarms, by name.
    pub(in crate::mo) alarms: Vec<(String, AlarmEntry)>,
}

/// The lines of some keys of a mapping's head.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::mo) struct HeadLines {
    pub(in crate::mo) moid: Option<usize>,
    pub(in crate::mo) root: Option<usize>,
    pub(in crate::mo) ddf_uri: Option<usize>,
    pub(in crate::mo) instances: Option<usize>,
}

/// An entry of `instances`.
#[derive(Debug)]
pub(in crate::mo) struct SeedEntry {
    pub(in crate::mo) miid: String,
    /// The name of a file with MOData.
    pub(in crate::mo) data: Option<String>,
    pub(in crate::mo) line: usize,
}

impl MappingFile {
    /// Reads a mapping file's root table; nothing if what should be its DDF is none.
    pub(in crate::mo) fn read(root: &Located, problems: &mut Problems) -> Option<Self> {
        let mut reader = Reader::new(root, problems);
        let moid: Option<String> = reader.required("moid");
        let aliases: Vec<String> = reader.or("aliases", Vec::new());
        check_moids(&mut reader, moid.as_deref(), &aliases);
        let is_described = reader.raw("ddf").is_none();
        let ddf: Option<String> = reader.optional("ddf");
        if let Some(name) = &ddf {
            check_file_name(&mut reader, "ddf", name);
        }
        let (ddf_uri, root_name): (Option<String>, Option<String>) = match is_described {
            true => (reader.optional("ddf-uri"), reader.required("root")),
            false => (reader.required("ddf-uri"), reader.optional("root")),
        };
        if ddf_uri.as_ref().is_some_and(|uri| !is_ddf_uri(uri)) {
            reader.problem(
                "ddf-uri",
                "expected a URI such as \"https://acme.example/gateway-1.0.ddf\", or what follows \
                 `[objects] ddf-base`, such as \"gateway-1.0.ddf.xml\"",
            );
        }
        if root_name.as_deref().is_some_and(|name| !is_name(name)) {
            reader.problem("root", "expected a node's name: not empty, without `/`");
        }
        let instances = instances(&mut reader);
        let (per_account, per_object) = instances_from(&mut reader, !instances.is_empty());
        let profile = reader.parsed("profile", profile);
        let dynamic = reader.or("dynamic", false);
        // What is wrong with `instances` was told.
        let has_none = match reader.raw("instances").map(|located| &located.item) {
            None => true,
            Some(Item::Array(all)) => all.is_empty(),
            Some(_) => false,
        };
        if has_none && !per_account && !per_object && !dynamic {
            reader.problem(
                "instances",
                "there can be no instance: write `instances = [\"1\"]`, or `dynamic = true` where servers create them",
            );
        }
        let needs = needs(&mut reader);
        let objects = bus_objects(&mut reader);
        // A broken one is no unknown one.
        let names: OrderedSet<String> =
            if let Some(Item::Table(table)) = reader.raw("object").map(|located| &located.item) {
                table.keys().cloned().collect()
            } else {
                OrderedSet::new()
            };
        let mut descriptions = OrderedMap::new();
        let nodes = reader.tables("node", |path, reader| {
            let description = description::read(reader);
            if description != Description::default() {
                descriptions.insert(path.to_owned(), description);
            }
            node::read(reader, &names)
        });
        let alarms = alarms(&mut reader);
        let mut line = |key: &str| reader.raw(key).map(|located| located.line);
        let lines = HeadLines {
            moid: line("moid"),
            root: line("root"),
            ddf_uri: line("ddf-uri"),
            instances: line("instances"),
        };
        reader.finish();
        if ddf.is_none() && !is_described {
            return None;
        }
        Some(Self {
            // Noted as missing: an empty one lets the rest be checked as well.
            moid: moid.unwrap_or_default().into(),
            aliases: aliases.into_iter().map(Moid::from).collect(),
            ddf,
            ddf_uri,
            lines,
            root: root_name,
            instances,
            per_account,
            profile,
            per_object,
            needs,
            dynamic,
            objects,
            nodes,
            descriptions,
            alarms,
        })
    }
}

fn check_moids(reader: &mut Reader<'_>, moid: Option<&str>, aliases: &[String]) {
    let is_moid = |text: &str| {
        !text.is_empty()
            && text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '/' | '?' | '*' | '%' | '#'))
    };
    const EXPECTED: &str = "expected a Management Object Identifier such as \"urn:oma:mo:acme:1.0\"";
    if moid.is_some_and(|moid| !is_moid(moid)) {
        reader.problem("moid", EXPECTED);
    }
    if aliases.iter().any(|alias| !is_moid(alias)) {
        reader.problem("aliases", EXPECTED);
    }
    let all: OrderedSet<&str> = moid.into_iter().chain(aliases.iter().map(String::as_str)).one_by_one();
    if moid.is_some() && all.len() <= aliases.len() {
        reader.problem("aliases", "names a MOID twice");
    }
}

/// Whether a URI is absolute, or a relative one that looks like a file.
fn is_ddf_uri(uri: &str) -> bool {
    let is_relative = !uri.starts_with('/') && DDF_ENDINGS.iter().any(|ending| uri.ends_with(ending));
    !uri.contains(char::is_whitespace) && (uri.contains(':') || is_relative)
}

/// Whether a text can be a node's name or a MIID.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !matches!(name, "." | ".." | "*")
        && !name.contains(|c: char| c == '/' || c.is_control())
}

/// Checks the name of a file: files belong to the folder, so that what a mapping names is in it.
fn check_file_name(reader: &mut Reader<'_>, key: &str, name: &str) {
    let mut components = Path::new(name).components();
    if !matches!((components.next(), components.next()), (Some(Component::Normal(_)), None)) {
        reader.problem(key, "expected the name of a file in the mapping's folder");
    }
}

fn instances(reader: &mut Reader<'_>) -> Vec<SeedEntry> {
    let mut seen = OrderedSet::new();
    let entries = reader.array("instances", |located, path, problems| match &located.item {
        Item::String(miid) => {
            let mut problem = |what: String| {
                let file = located.file.to_path_buf();
                problems.push(Problem { file, line: Some(located.line), key: path.clone(), what });
            };
            check_miid(miid, &mut seen, &mut problem);
            Some(SeedEntry { miid: miid.clone(), data: None, line: located.line })
        }
        Item::Integer(number) => {
            problems.at(located, path, format!("expected a string: write \"{number}\""));
            None
        }
        _ => {
            let mut reader = Reader::at(located, path, problems);
            let miid: Option<String> = reader.required("miid");
            let data: Option<String> = reader.optional("data");
            if let Some(name) = &data {
                check_file_name(&mut reader, "data", name);
            }
            if let Some(miid) = &miid {
                check_miid(miid, &mut seen, &mut |what| reader.problem("miid", what));
            }
            reader.finish();
            miid.map(|miid| SeedEntry { miid, data, line: located.line })
        }
    });
    entries.unwrap_or_default().into_iter().flatten().collect()
}

fn check_miid(miid: &str, seen: &mut OrderedSet<String>, problem: &mut impl FnMut(String)) {
    if !is_name(miid) {
        problem("expected a MIID: not empty, without `/`".to_owned());
    } else if !seen.insert(miid.to_owned()) {
        problem(format!("the MIID {miid:?} is there twice"));
    }
}

/// Reads whether there is an instance for each account, and whether there is one for each management object.
fn instances_from(reader: &mut Reader<'_>, has_instances: bool) -> (bool, bool) {
    let Some(from) = reader.optional::<String>("instances-from") else { return (false, false) };
    if !matches!(from.as_str(), "accounts" | "objects") {
        reader.problem("instances-from", format!("expected \"accounts\" or \"objects\", found {from:?}"));
    } else if has_instances {
        reader.problem("instances-from", "excludes `instances`");
    }
    (from != "objects", from == "objects")
}

/// Reads what of the machine an object is for.
fn needs(reader: &mut Reader<'_>) -> Vec<PathBuf> {
    let Some(needs) = reader.optional::<Vec<String>>("needs") else { return Vec::new() };
    let needs: Vec<PathBuf> = needs.into_iter().map(PathBuf::from).collect();
    let is_plain = |path: &PathBuf| {
        let mut components = path.components();
        components.next() == Some(Component::RootDir)
            && components.clone().next().is_some()
            && components.all(|component| matches!(component, Component::Normal(_)))
    };
    if !needs.iter().all(is_plain) {
        reader.problem("needs", "expected absolute paths such as \"/usr/bin/dpkg\"");
    }
    needs
}

fn profile(name: String) -> Result<Profile, String> {
    match name.as_str() {
        "draft" => Ok(Profile::Draft),
        "approved" => Ok(Profile::Approved),
        _ => Err(format!("expected \"draft\" or \"approved\", found {name:?}")),
    }
}

/// Reads `[object.NAME]`: the D-Bus objects that sources name.
pub(crate) fn bus_objects(reader: &mut Reader<'_>) -> Vec<(String, BusObject)> {
    let objects = reader.tables("object", |_, reader| bus_object(reader));
    objects.into_iter().filter_map(|(name, object)| Some((name, object?))).collect()
}

fn bus_object(reader: &mut Reader<'_>) -> Option<BusObject> {
    let name: Option<String> = reader.required("dbus");
    let path: Option<String> = reader.required("path");
    let interface: Option<String> = reader.required("interface");
    if name.as_deref().is_some_and(|name| BusName::try_from(name).is_err()) {
        reader.problem("dbus", "expected a bus name such as \"org.freedesktop.ModemManager1\"");
    }
    if interface.as_deref().is_some_and(|name| InterfaceName::try_from(name).is_err()) {
        reader.problem("interface", "expected an interface such as \"org.freedesktop.ModemManager1.Modem\"");
    }
    // What `*` stands for is a name as well.
    let is_path = |path: &str| ObjectPath::try_from(path.replacen('*', "x", 1)).is_ok();
    if path.as_deref().is_some_and(|path| !is_path(path)) {
        reader.problem("path", "expected an object path, with one `*` at most");
    }
    let manager: Option<String> = reader.optional("manager");
    let is_above = |manager: &String| {
        let below = path.as_deref().and_then(|path| path.strip_prefix(manager.trim_end_matches('/')));
        manager.starts_with('/')
            && !manager.contains('*')
            && below.is_some_and(|below| below.starts_with('/'))
    };
    if manager.as_ref().is_some_and(|manager| !is_above(manager)) {
        reader.problem("manager", "expected an object path that `path` is below");
    }
    Some(BusObject { name: name?, path: path?, interface: interface?, manager })
}
