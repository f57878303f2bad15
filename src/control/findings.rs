//! Findings of checks, for people and for programs.

use std::io::{self, Write};

use serde_json::{Value as Json, json};

use crate::base::Order as _;
use crate::spanned::{Problem, Problems};

/// The findings of a check.
#[derive(Default)]
pub(super) struct Findings {
    all: Vec<(Severity, Problem)>,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Severity {
    /// It is wrong.
    Error,
    /// It is served, and hardly meant.
    Warning,
    /// It is good to know here.
    Note,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl Findings {
    /// Adds an error.
    pub(super) fn error(&mut self, problem: Problem) {
        self.all.push((Severity::Error, problem));
    }

    /// Adds problems as errors.
    pub(super) fn errors(&mut self, problems: &Problems) {
        self.all.extend(problems.iter().map(|problem| (Severity::Error, problem.clone())));
    }

    /// Adds problems as warnings.
    pub(super) fn warnings(&mut self, problems: &Problems) {
        self.all.extend(problems.iter().map(|problem| (Severity::Warning, problem.clone())));
    }

    /// Adds what is good to know.
    pub(super) fn note(&mut self, problem: Problem) {
        self.all.push((Severity::Note, problem));
    }

    /// Whether no error was found.
    pub(super) fn is_well(&self) -> bool {
        self.all.iter().all(|(severity, _)| *severity != Severity::Error)
    }

    /// The findings in the order of files and lines, each once.
    pub(super) fn sorted(mut self) -> Self {
        self.all.order_by(|(_, one), (_, other)| (&one.file, one.line).cmp(&(&other.file, other.line)));
        self.all.dedup();
        self
    }

    /// Prints the findings; that all is `sound`, if nothing is wrong.
    pub(super) fn show(&self, sound: &str, out: &mut impl Write) -> io::Result<()> {
        for (severity, problem) in &self.all {
            match severity {
                Severity::Error => writeln!(out, "{problem}")?,
                Severity::Warning | Severity::Note => writeln!(out, "{}: {problem}", severity.word())?,
            }
        }
        if self.is_well() {
            writeln!(out, "{sound}")?;
        }
        Ok(())
    }

    /// The findings as JSON, for programs.
    pub(super) fn to_json(&self) -> Json {
        let one = |(severity, Problem { file, line, key, what }): &(Severity, Problem)| {
            let severity = severity.word();
            let file = file.display().to_string();
            json!({ "severity": severity, "file": file, "line": line, "key": key, "what": what })
        };
        self.all.iter().map(one).collect()
    }
}
