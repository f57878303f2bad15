//! Findings of checks, for people and for programs.

use std::io::{self, Write};

use serde_json::{Value as Json, json};

use crate::base::Order as _;
use crate::spanned::{Problem, Problems};

/// The findings of a check, errors and warnings.
#[derive(Default)]
pub(super) struct Findings {
    /// The findings, each with whether it is an error.
    all: Vec<(bool, Problem)>,
}

impl Findings {
    /// Adds an error.
    pub(super) fn error(&mut self, problem: Problem) {
        self.all.push((true, problem));
    }

    /// Adds problems as errors.
    pub(super) fn errors(&mut self, problems: &Problems) {
        self.all.extend(problems.iter().map(|problem| (true, problem.clone())));
    }

    /// Adds problems as warnings.
    pub(super) fn warnings(&mut self, problems: &Problems) {
        self.all.extend(problems.iter().map(|problem| (false, problem.clone())));
    }

    /// Whether no error was found.
    pub(super) fn is_well(&self) -> bool {
        self.all.iter().all(|(is_error, _)| !is_error)
    }

    /// The findings in the order of files and lines, each once.
    pub(super) fn sorted(mut self) -> Self {
        self.all.order_by(|(_, one), (_, other)| (&one.file, one.line).cmp(&(&other.file, other.line)));
        self.all.dedup();
        self
    }

    /// Prints the findings; that all is `sound`, if nothing is wrong.
    pub(super) fn show(&self, sound: &str, out: &mut impl Write) -> io::Result<()> {
        for (is_error, problem) in &self.all {
            writeln!(out, "{}{problem}", if *is_error { "" } else { "warning: " })?;
        }
        if self.is_well() {
            writeln!(out, "{sound}")?;
        }
        Ok(())
    }

    /// The findings as JSON, for programs.
    pub(super) fn to_json(&self) -> Json {
        let one = |(is_error, Problem { file, line, key, what }): &(bool, Problem)| {
            let severity = if *is_error { "error" } else { "warning" };
            let file = file.display().to_string();
            json!({ "severity": severity, "file": file, "line": line, "key": key, "what": what })
        };
        self.all.iter().map(one).collect()
    }
}
