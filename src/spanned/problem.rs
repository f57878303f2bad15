//! What is wrong with configuration files, said in full.

use crate::base::Order as _;
use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file that is wrong.
    pub file: PathBuf,
    /// The line, from 1; none where the whole file is meant.
    pub line: Option<usize>,
    /// The dotted key; empty where the problem has none.
    pub key: String,
    /// What is wrong, and what was expected.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.what)
    }
}

/// All problems found, in that order; displayed one a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds a problem.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Adds a problem with a whole file.
    pub fn file(&mut self, file: &Path, what: impl Into<String>) {
        self.push(Problem { file: file.to_path_buf(), line: None, key: String::new(), what: what.into() });
    }

    /// Adds all problems of `other`.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// Adds those problems of `other` that aren't there yet.
    pub fn append_new(&mut self, other: Self) {
        for problem in other.0 {
            if !self.0.contains(&problem) {
                self.0.push(problem);
            }
        }
    }

    /// Keeps those problems that are to be kept.
    pub fn retain(&mut self, keep: impl FnMut(&Problem) -> bool) {
        self.0.retain(keep);
    }

    /// Sorts the problems by their files and lines, for one who repairs them one after the other.
    pub fn sort(&mut self) {
        self.0.order_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    }

    /// Whether there are no problems.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of problems.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// An iterator over the problems.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
