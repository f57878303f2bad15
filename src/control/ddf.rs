//! `omadmctl ddf show FILE…`, `omadmctl ddf check FILE…`: device descriptions without an agent.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::findings::Findings;
use super::terminal::Terminal;
use crate::base::is_unseen;
use crate::base::regular::{self, ReadError};
use crate::ddf::{self, Ddf, DdfError, Finding};
use crate::mo::Value;
use crate::spanned::Problem;

/// Prints DDF files as trees. What can't be read is told, and the others still shown; returns whether all were,
/// as they are meant.
pub(super) fn show<O: Write, E: Write>(
    files: &[PathBuf],
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    let (mut documents, mut findings, mut is_well) = (Vec::new(), Findings::default(), true);
    for (index, path) in files.iter().enumerate() {
        let (read, overlooked) = match read(path) {
            Ok((ddf, overlooked)) => (Ok(ddf), overlooked),
            Err(what) => (Err(what), Vec::new()),
        };
        // What is not closed may hold what was meant to be beside it: what is shown is a guess.
        is_well &= !overlooked.iter().any(DdfError::is_unclosed);
        for what in &overlooked {
            let Told { place, problem } = Told::of(path, what);
            terminal.complain(&format!("{place}: {}", problem.what))?;
            findings.warning(problem);
        }
        match (read, as_json) {
            (Ok(ddf), true) => documents.push(named(path, &ddf)),
            (Ok(ddf), false) => {
                let gap = if index > 0 { "\n" } else { "" };
                let of = heading(&ddf);
                write!(terminal.out, "{gap}{}: {of}\n{}", path.display(), ddf.to_tree())?;
            }
            (Err(Told { place, problem }), _) => {
                is_well = false;
                terminal.complain(&format!("{place}: {}", problem.what))?;
                findings.error(problem);
            }
        }
    }
    if as_json {
        let findings = findings.sorted().to_json();
        return terminal.answer(is_well, json!({ "descriptions": documents, "findings": findings }));
    }
    terminal.out.flush()?;
    Ok(is_well)
}

/// Says what is wrong with DDF files, also what readers overlook; returns whether nothing is.
pub(super) fn check<O: Write, E: Write>(
    files: &[PathBuf],
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    let mut findings = Findings::default();
    for path in files {
        match bytes(path) {
            Ok(bytes) => {
                for Finding { line, what } in strict(&bytes) {
                    findings.error(Problem { file: path.clone(), line, key: String::new(), what });
                }
            }
            Err(what) => findings.error(Problem { file: path.clone(), line: None, key: String::new(), what }),
        }
    }
    let is_well = findings.is_well();
    let sound = if files.len() == 1 { "the DDF is sound" } else { "the DDFs are sound" };
    let found = findings.sorted();
    if as_json {
        return terminal.answer(is_well, json!({ "findings": found.to_json() }));
    }
    found.show(sound, &mut terminal.out)?;
    terminal.out.flush()?;
    Ok(is_well)
}

/// All that is wrong with a DDF, also what readers overlook.
pub(super) fn strict(bytes: &[u8]) -> Vec<Finding> {
    ddf::strict(bytes, |format, text| Value::from_text(format, text).err().map(|error| error.to_string()))
}

/// What is wrong with a file, and the place as people are told it.
struct Told {
    place: String,
    problem: Problem,
}

impl Told {
    fn of(path: &Path, DdfError { at, problem }: &DdfError) -> Self {
        let file = path.display();
        let place = at.as_ref().map_or_else(|| file.to_string(), |at| format!("{file}:{at}"));
        let line = at.as_ref().map(|at| at.line);
        Self {
            place,
            problem: Problem {
                file: path.to_path_buf(),
                line,
                key: String::new(),
                what: problem.to_string(),
            },
        }
    }
}

/// Reads the description and what was overlooked in it; or returns why there is none.
fn read(path: &Path) -> Result<(Ddf, Vec<DdfError>), Told> {
    let bytes = bytes(path).map_err(|what| {
        let problem = Problem { file: path.to_path_buf(), line: None, key: String::new(), what };
        Told { place: path.display().to_string(), problem }
    })?;
    ddf::parse_forgiving(&bytes).map_err(|error| Told::of(path, &error))
}

/// Reads the content of a file; `-` is the standard input.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    // A file may be a pipe here: a person may wait for it.
    let most = ddf::MAX_BYTES;
    let read = match path.to_str() {
        Some("-") => regular::read_open(io::stdin().lock(), most),
        _ => File::open(path).map_err(ReadError::Io).and_then(|file| regular::read_open(file, most)),
    };
    read.map_err(|error| match error {
        ReadError::TooLarge(most) => format!("larger than {most} bytes"),
        other => io::Error::from(other).to_string(),
    })
}

fn heading(ddf: &Ddf) -> String {
    let mut words = vec!["DDF", ddf.version.as_str()];
    words.retain(|word| !word.is_empty());
    let of: Vec<_> = [&ddf.manufacturer, &ddf.model].into_iter().flatten().map(String::as_str).collect();
    let comma = if of.is_empty() { "" } else { ", " };
    format!("{}{comma}{}", words.join(" "), of.join(" ")).replace(is_unseen, " ")
}

fn named(path: &Path, ddf: &Ddf) -> Json {
    let mut json = ddf.to_json();
    if let Some(members) = json.as_object_mut() {
        members.insert("file".to_owned(), Json::String(path.display().to_string()));
    }
    json
}
