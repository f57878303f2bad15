//! What checks have found, for people and for programs.

use std::io::{self, Write};

use serde_json::{Value as Json, json};

use crate::spanned::{Problem, Problems};

/// What was found, errors and warnings.
#[derive(Default)]
pub(super) struct Findings {
    /// Each with whether it is an error.
    all: Vec<(bool, Problem)>,
}

impl Findings {
    /// One that is wrong.
    pub(super) fn error(&mut self, problem: Problem) {
        self.all.push((true, problem));
    }

    /// All that is wrong.
    pub(super) fn errors(&mut self, problems: &Problems) {
        self.all.extend(problems.iter().map(|problem| (true, problem.clone())));
    }

    /// What is hardly meant.
    pub(super) fn warnings(&mut self, problems: &Problems) {
        self.all.extend(problems.iter().map(|problem| (false, problem.clone())));
    }

    /// Whether nothing is wrong.
    pub(super) fn is_well(&self) -> bool {
        self.all.iter().all(|(is_error, _)| !is_error)
    }

    /// In the order of files and lines, each once.
    pub(super) fn sorted(mut self) -> Self {
        self.all.sort_by(|(_, one), (_, other)| (&one.file, one.line).cmp(&(&other.file, other.line)));
        self.all.dedup();
        self
    }

    /// Prints them; that all is `sound`, if nothing is wrong.
    pub(super) fn show(&self, sound: &str, out: &mut impl Write) -> io::Result<()> {
        for (is_error, problem) in &self.all {
            writeln!(out, "{}{problem}", if *is_error { "" } else { "warning: " })?;
        }
        if self.is_well() {
            writeln!(out, "{sound}")?;
        }
        Ok(())
    }

    /// The same for programs.
    pub(super) fn to_json(&self) -> Json {
        let one = |(is_error, Problem { file, line, key, what }): &(bool, Problem)| {
            let severity = if *is_error { "error" } else { "warning" };
            let file = file.display().to_string();
            json!({ "severity": severity, "file": file, "line": line, "key": key, "what": what })
        };
        self.all.iter().map(one).collect()
    }
}
