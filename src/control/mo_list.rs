//! `omadmctl mo list [FILE]`: the management objects that are served, and why the others are not.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::client::Client;
use super::table::Paper;
use super::terminal::Terminal;
use crate::base::OneByOne as _;
use crate::base::regular;
use crate::config::{self, Environment, Selection, Settings};
use crate::mo::load::{self, ObjectFolder, One};
use crate::spanned::{Problem, Problems, meant};

/// The most bytes of a mapping, as the agent reads it.
const LONGEST_MAPPING: u64 = 1 << 20;

/// An object, or what is none for a reason.
struct Row {
    name: String,
    moid: String,
    folder: PathBuf,
    /// Whether it is served; without an agent, whether it would be.
    is_served: bool,
    /// The ClientURIs of its instances; none without an agent, which alone knows them.
    instances: Option<Vec<String>>,
    /// Why it is not served; of one that is served, what is wrong with its files now.
    why: String,
    /// The number of problems of its files.
    problems: usize,
}

/// Where objects are looked for, and what is not served there.
struct Place {
    folders: Vec<PathBuf>,
    sysroot: PathBuf,
    disabled: Vec<String>,
}

impl Place {
    fn of(settings: Settings) -> Self {
        let Settings { paths, disabled_objects: disabled, .. } = settings;
        Self { folders: paths.mo, sysroot: paths.sysroot, disabled }
    }

    /// The place where a running agent looks.
    fn told(agent: &Json) -> Self {
        let sysroot = text(agent, "sysroot").into();
        Self {
            folders: texts(agent, "folders").map(PathBuf::from).collect(),
            sysroot,
            disabled: texts(agent, "disabled").collect(),
        }
    }

    /// What is there; which objects are broken is among `problems`.
    fn read(&self, problems: &mut Problems) -> Vec<Row> {
        let row = |folder: &Path, why: String| Row {
            name: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            moid: String::new(),
            folder: folder.to_path_buf(),
            is_served: false,
            instances: None,
            why,
            problems: 0,
        };
        let (mut rows, mut all): (Vec<Row>, Vec<(ObjectFolder, One)>) = Default::default();
        for name in load::list(&self.folders, problems) {
            let mut places = name.folders();
            let Some(place) = places.pop() else { continue };
            let instead = format!("{} replaces it", place.folder.display());
            rows.extend(places.iter().map(|place| row(&place.folder, instead.clone())));
            if name.is_among(&self.disabled) {
                rows.push(row(&place.folder, "switched off: `disable` below [objects] names it".to_owned()));
                continue;
            }
            let mut one = One::read(&place.folder, None);
            let why = match one.take_uninstalled(&self.sysroot) {
                Some(object) => {
                    let needs: Vec<_> = object.needs.iter().map(|path| path.to_string_lossy()).collect();
                    format!("not on this machine: there is no {}", needs.join(", nor "))
                }
                None => String::new(),
            };
            rows.push(row(&place.folder, why));
            all.push((place, one));
        }
        for object in load::combine(all, problems) {
            if let Some(row) = rows.iter_mut().find(|row| row.folder == object.folder) {
                (row.moid, row.is_served) = (object.moid.to_string(), true);
            }
        }
        rows
    }
}

/// Says of each object what is wrong with it, where that is not known yet; returns what is wrong with none of them.
fn blame<'p>(rows: &mut [Row], problems: impl Iterator<Item = &'p Problem>) -> Vec<String> {
    let known: Vec<PathBuf> =
        rows.iter().filter(|row| row.problems > 0).map(|row| row.folder.clone()).collect();
    let mut of_none = Vec::new();
    for problem in problems {
        match rows.iter_mut().find(|row| problem.file.starts_with(&row.folder)) {
            Some(row) if known.contains(&row.folder) => {}
            Some(row) => {
                row.problems += 1;
                if row.problems == 1 {
                    row.why = problem.to_string();
                }
            }
            None => of_none.push(problem.to_string()),
        }
    }
    of_none
}

/// Has the rows be what a running agent serves.
fn overlay(rows: &mut Vec<Row>, agent: &Json) {
    for row in rows.iter_mut() {
        let is_sound = std::mem::take(&mut row.is_served);
        if is_sound && row.problems == 0 {
            row.why = "the running agent has not taken it up: `omadmctl reload` says why".to_owned();
        }
    }
    for object in agent.get("objects").and_then(Json::as_array).into_iter().flatten() {
        let folder = PathBuf::from(text(object, "folder"));
        let at = rows.iter().position(|row| row.folder == folder);
        let row = at.and_then(|at| rows.get_mut(at));
        let served = Row {
            name: text(object, "name").to_owned(),
            moid: text(object, "moid").to_owned(),
            folder,
            is_served: true,
            instances: Some(texts(object, "instances").collect()),
            why: String::new(),
            problems: row.as_ref().map_or(0, |row| row.problems),
        };
        match row {
            Some(row) if row.problems > 0 => *row = Row { why: format!("as it was: {}", row.why), ..served },
            Some(row) => *row = served,
            None => rows.push(Row { why: "as it was: its folder is gone".to_owned(), ..served }),
        }
    }
}

/// What is there, and what is wrong with none of it: as the agent serves it, or, without one, as it would be.
fn listed(place: &Place, agent: Option<&Json>, problems: &mut Problems) -> (Vec<Row>, Vec<String>) {
    let mut rows = place.read(problems);
    // What the agent has found counts first: others may be let read what it may not.
    let found: Vec<Problem> = agent.into_iter().flat_map(found).one_by_one();
    let is_of_objects =
        |problem: &&Problem| place.folders.iter().any(|folder| problem.file.starts_with(folder));
    let mut others = blame(&mut rows, found.iter().filter(is_of_objects));
    for own in blame(&mut rows, problems.iter()) {
        if !others.contains(&own) {
            others.push(own);
        }
    }
    if let Some(agent) = agent {
        overlay(&mut rows, agent);
    }
    (rows, others)
}

/// Why nothing is found at a ClientURI, where that is for its whole object: it is not served, it has no instance, or there
/// is none.
pub(super) fn unserved(client: &Client, client_uri: &str) -> Option<String> {
    let agent = client.json("ListObjects", "", json!([])).ok()?;
    let moid = client_uri.split('/').next()?;
    let (rows, _) = listed(&Place::told(&agent), Some(&agent), &mut Problems::default());
    let mut its = rows.iter().filter(|row| row.moid == moid || row.says(moid));
    let served = its.clone().find(|row| row.is_served);
    match (served, its.next_back()) {
        (Some(Row { name, instances: Some(instances), .. }), _) if instances.is_empty() => {
            Some(format!("the object {name} has no instance"))
        }
        (Some(_), _) => None,
        (None, Some(row)) => Some(format!("the object {} is not served: {}", row.name, row.why())),
        (None, None) => {
            let meant = meant(moid, rows.iter().map(|row| row.moid.as_str()).filter(|moid| !moid.is_empty()));
            let meant = meant.map_or_else(
                || ": `omadmctl mo list` names those that there are".to_owned(),
                |meant| format!("; did you mean {meant}?"),
            );
            Some(format!("no object here has that MOID{meant}"))
        }
    }
}

/// Lists the objects of the running agent; of one that does not answer, or with the file of a configuration, those that
/// the folders hold. Returns whether none is broken.
pub(super) fn show<O: Write, E: Write>(
    file: Option<&Path>,
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    let agent = match file {
        Some(_) => None,
        None => {
            let asked = Client::connect().and_then(|client| client.json("ListObjects", "", json!([])));
            if let Err(error) = &asked {
                terminal
                    .complain(&format!("{error}: listed is what the folders hold, not what is served"))?;
            }
            asked.ok()
        }
    };
    let mut problems = Problems::default();
    let place = match &agent {
        Some(agent) => Place::told(agent),
        None => {
            let selection = file.map_or_else(Selection::default, |file| Selection::File(file.to_path_buf()));
            match config::load_settings(&selection, &Environment::current()) {
                Ok(loaded) => {
                    problems.append(loaded.problems);
                    Place::of(loaded.settings)
                }
                Err(problems) => return terminal.fail("Broken", &problems.to_string(), as_json),
            }
        }
    };
    let (rows, others) = listed(&place, agent.as_ref(), &mut problems);
    let is_well = others.is_empty() && rows.iter().all(|row| row.problems == 0);
    if as_json {
        let objects: Json = rows.iter().map(|row| row.to_json(agent.is_some())).collect();
        return terminal
            .answer(is_well, json!({ "agent": agent.is_some(), "objects": objects, "problems": others }));
    }
    print(&rows, agent.is_some(), Paper::stdout(), &mut terminal.out)?;
    terminal.out.flush()?;
    for other in others {
        terminal.complain(&other)?;
    }
    Ok(is_well)
}

/// The problems that the agent has found.
fn found(agent: &Json) -> impl Iterator<Item = Problem> + '_ {
    let all = agent.get("problems").and_then(Json::as_array).into_iter().flatten();
    all.map(|problem| Problem {
        file: text(problem, "file").into(),
        line: problem.get("line").and_then(Json::as_u64).and_then(|line| line.try_into().ok()),
        key: text(problem, "key").to_owned(),
        what: text(problem, "what").to_owned(),
    })
}

fn print(rows: &[Row], has_agent: bool, paper: Paper, out: &mut impl Write) -> io::Result<()> {
    let (served, others): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.is_served);
    if served.is_empty() {
        let be = if has_agent { "is" } else { "can be" };
        writeln!(out, "no management object {be} served")?;
    } else {
        let cells = |row: &&Row| {
            let Row { name, moid, instances, .. } = row;
            let (root, count) = match instances.as_deref() {
                None => (moid.clone(), String::new()),
                Some([]) => (moid.clone(), "0".to_owned()),
                Some([one]) => (one.clone(), "1".to_owned()),
                Some(more) => (format!("{moid}/*/"), more.len().to_string()),
            };
            vec![name.clone(), root, count, row.why()]
        };
        let cells: Vec<_> = served.iter().map(cells).collect();
        paper.table(out, &["NAME", "ROOT", "INSTANCES", "NOTE"], &cells)?;
    }
    if !others.is_empty() {
        writeln!(out)?;
        let cells: Vec<_> = others.iter().map(|row| vec![row.name.clone(), row.why()]).collect();
        paper.table(out, &["NOT SERVED", "WHY"], &cells)?;
    }
    Ok(())
}

impl Row {
    /// Why it is not served, or is as it was: the first problem, and how to see the others.
    fn why(&self) -> String {
        let Self { why, folder, problems, .. } = self;
        match problems.checked_sub(1) {
            None | Some(0) => why.clone(),
            Some(more) => format!("{why}; {more} more: `omadmctl mo check {}`", folder.display()),
        }
    }

    /// Whether the mapping in its folder says that it has this MOID, though it may be broken.
    fn says(&self, moid: &str) -> bool {
        let quoted = [format!("\"{moid}\""), format!("'{moid}'")];
        let is_it = |line: &str| {
            let line = line.trim_start();
            (line.starts_with("moid") || line.starts_with("aliases"))
                && quoted.iter().any(|moid| line.contains(moid))
        };
        let mapping = self.folder.join(format!("{}.toml", self.name));
        let text = regular::read(&mapping, LONGEST_MAPPING).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().any(is_it)
    }

    /// The object for programs. Whether it is served, the agent alone knows.
    fn to_json(&self, has_agent: bool) -> Json {
        let Self { name, moid, folder, instances, .. } = self;
        let is_served = has_agent.then_some(self.is_served);
        let said = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        json!({
            "name": name, "moid": said(moid), "folder": folder.to_string_lossy(), "served": is_served,
            "instances": instances, "why": said(&self.why()),
        })
    }
}

fn text<'a>(json: &'a Json, name: &str) -> &'a str {
    json.get(name).and_then(Json::as_str).unwrap_or_default()
}

fn texts<'a>(json: &'a Json, name: &str) -> impl Iterator<Item = String> + 'a {
    let all = json.get(name).and_then(Json::as_array).into_iter().flatten();
    all.filter_map(|text| text.as_str().map(str::to_owned))
}
