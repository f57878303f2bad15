//! Findings of checks, for people and for programs.

use std::io::{self, Write};

use serde_json::{Value as Json, json};

use super::terminal::{Terminal, printable};
use crate::base::Order as _;
use crate::mo::check::to_keys;
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

    /// Adds a warning.
    pub(super) fn warning(&mut self, problem: Problem) {
        self.all.push((Severity::Warning, problem));
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

    /// The problems as errors, which the terminal is told of.
    pub(super) fn complained<O: Write, E: Write>(
        problems: &Problems,
        terminal: &mut Terminal<O, E>,
    ) -> io::Result<Self> {
        let mut findings = Self::default();
        findings.errors(&to_keys(problems));
        let findings = findings.sorted();
        for (_, problem) in &findings.all {
            terminal.complain(&problem.to_string())?;
        }
        Ok(findings)
    }

    /// Whether any error says this.
    pub(super) fn mentions(&self, what: &str) -> bool {
        self.all.iter().any(|(severity, problem)| *severity == Severity::Error && problem.what.contains(what))
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
                Severity::Error => writeln!(out, "{}", printable(&problem.to_string()))?,
                Severity::Warning | Severity::Note => {
                    writeln!(out, "{}: {}", severity.word(), printable(&problem.to_string()))?;
                }
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
