//! `omadmctl mo check DIR…`, `omadmctl mo ddf DIR`, `omadmctl mo new FILE`: mappings without an agent.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::ddf::{bytes, strict};
use super::findings::Findings;
use super::folder::{Given, given, named};
use super::reading::ShownTree;
use super::terminal::Terminal;
use crate::daemon;
use crate::ddf::{self, Ddf, Finding};
use crate::mo;
use crate::mo::ManagementObject;
use crate::mo::check::{CheckTarget, against_machine, hidden, of_others, of_root_alone, to_keys, untyped};
use crate::mo::load::{self, ObjectFolder, One};
use crate::spanned::{Item, Located, Problem, Problems};

/// What is told of an object for another machine.
const NOT_HERE: &str = "nothing of it is here: on this machine, the object is not served";

/// Says what is wrong with the objects in these folders, or in folders in them, and what is hardly meant; with the root
/// of a machine, also what those that are sound say there. Returns whether nothing is wrong.
pub(super) fn check<O: Write, E: Write>(
    folders: &[PathBuf],
    sysroot: Option<&Path>,
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    let (mut findings, mut problems, mut all) = (Findings::default(), Problems::default(), Vec::new());
    let given: Vec<Given> = folders.iter().filter_map(|folder| given(folder, &mut problems)).collect();
    for (within, given) in given.iter().enumerate() {
        let folders = match given {
            Given::Object(folder) => std::slice::from_ref(folder),
            Given::Parent(_, folders) => folders,
        };
        for folder in folders {
            let one = One::read(folder, None);
            findings.warnings(&to_keys(&one.warnings));
            all.push((ObjectFolder { within, folder: folder.clone() }, one));
        }
    }
    let objects = load::combine(all, &mut problems);
    findings.errors(&to_keys(&problems));
    let machine = CheckTarget { state: Path::new("/var/lib/omadm"), separated: true };
    for object in &objects {
        let mut told = mo::check::warnings(object);
        told.append(against_machine(object, &machine));
        told.append(of_others(object));
        told.append(of_root_alone(object));
        told.append(hidden(object));
        told.append(of_files(object));
        findings.warnings(&to_keys(&told));
        if !load::is_installed(object, sysroot.unwrap_or(Path::new("/"))) {
            let (file, what) = (object.mapping_file.clone(), NOT_HERE.to_owned());
            findings.note(Problem { file, line: None, key: "needs".to_owned(), what });
        }
    }
    let mut strays = Problems::default();
    for given in &given {
        match given {
            Given::Object(folder) => {
                let object = objects.iter().find(|object| object.folder == *folder);
                daemon::strays_beside(folder, object.map(|object| &*object.mapping_file), &mut strays);
            }
            Given::Parent(folder, _) => daemon::stray_objects(folder, &objects, &mut strays),
        }
    }
    findings.warnings(&strays);
    let is_well = findings.is_well();
    let sound = match objects.len() {
        1 => "the management object is sound".to_owned(),
        number => format!("the {number} management objects are sound"),
    };
    let trees = match sysroot.map(|sysroot| ShownTree::read(&objects, sysroot)).transpose() {
        Ok(trees) => trees,
        Err(why) => return terminal.fail("Failed", &why, as_json),
    };
    let has_failed = trees.iter().flatten().any(|tree| tree.has_failed);
    let found = findings.sorted();
    let is_well = is_well && !has_failed;
    if as_json {
        let mut members = json!({ "findings": found.to_json() });
        if let (Some(members), Some(trees)) = (members.as_object_mut(), &trees) {
            members.insert("objects".to_owned(), ShownTree::to_json(trees));
        }
        return terminal.answer(is_well, members);
    }
    found.show(&sound, &mut terminal.out)?;
    if let Some(trees) = trees.filter(|trees| !trees.is_empty()) {
        writeln!(terminal.out)?;
        ShownTree::show(&trees, &mut terminal.out)?;
    }
    terminal.out.flush()?;
    Ok(is_well)
}

/// What is told of the files of an object as they are written: what readers overlook in its DDF, if it has one.
fn of_files(object: &ManagementObject) -> Problems {
    let mapping = bytes(&object.mapping_file).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let mapping = mapping.and_then(|text| Located::parse(&object.mapping_file, &text).ok());
    let Some(root) = mapping else { return Problems::default() };
    let mut found = untyped(object, &root);
    let Item::Table(table) = root.item else { return found };
    if let Some(Located { item: Item::String(name), .. }) = table.get("ddf") {
        let file = object.folder.join(name);
        for Finding { line, what } in bytes(&file).map(|bytes| strict(&bytes)).unwrap_or_default() {
            found.push(Problem { file: file.clone(), line, key: String::new(), what });
        }
    }
    found
}

/// Prints the DDF of the object in a folder as servers should get it; returns whether there is one.
pub(super) fn ddf<O: Write, E: Write>(
    folder: &Path,
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    let mut problems = Problems::default();
    let folder = named(folder, &mut problems);
    let made = folder.and_then(|folder| load::ddf(&folder, &mut problems));
    let findings = Findings::complained(&problems, terminal)?;
    if as_json {
        let described = made.as_ref().map(Ddf::to_json);
        return terminal
            .answer(made.is_some(), json!({ "description": described, "findings": findings.to_json() }));
    }
    if let Some(made) = &made {
        write!(terminal.out, "{}", made.to_xml())?;
    }
    terminal.out.flush()?;
    Ok(made.is_some())
}

/// Prints a mapping to begin with; returns whether the file is a DDF.
pub(super) fn new<O: Write, E: Write>(
    file: &Path,
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    let read = bytes(file).and_then(|bytes| ddf::parse(&bytes).map_err(|error| error.to_string()));
    let described = match read {
        Ok(described) => described,
        Err(what) => return terminal.fail("Broken", &format!("{}: {what}", file.display()), as_json),
    };
    let name = file.file_name().filter(|name| *name != "-").unwrap_or("object.ddf.xml".as_ref());
    let mapping = mo::skeleton(&described, &name.to_string_lossy()).to_string();
    if as_json {
        return terminal.answer(true, json!({ "mapping": mapping }));
    }
    write!(terminal.out, "{mapping}")?;
    terminal.out.flush()?;
    Ok(true)
}
