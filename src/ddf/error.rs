//! Why a DDF can't be read.

use std::fmt;

use crate::xml::{Position, XmlError, XmlProblem};

/// What is wrong with a DDF document, and where; nowhere if all of it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DdfError {
    /// The place where it is wrong.
    pub at: Option<Position>,
    /// The problem at that place.
    pub problem: DdfProblem,
}

/// What is wrong with a DDF document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DdfProblem {
    /// The document isn't XML that can be read.
    #[error("{0}")]
    Xml(XmlProblem),
    /// The document has no `MgmtTree`.
    #[error("<{found}> is no DDF: there is no <MgmtTree> in it")]
    NotDdf {
        /// The name of the document's element.
        found: String,
    },
    /// An element lacks one that it must have.
    #[error("<{parent}> has no <{element}>")]
    Missing {
        /// The name of the element.
        parent: &'static str,
        /// The name of the element that it lacks.
        element: &'static str,
    },
    /// An element holds what it can't.
    #[error("<{element}> holds {found:?}: expected {expected}")]
    Invalid {
        /// The name of the element.
        element: &'static str,
        /// The text found in it.
        found: String,
        /// What the element may hold.
        expected: &'static str,
    },
    /// Nodes are nested too deeply.
    #[error("<Node> is nested deeper than {limit} levels")]
    TooDeep {
        /// The most levels of nodes.
        limit: usize,
    },
}

impl DdfError {
    /// The line, from 1; none where the whole document is meant.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.at.map(|at| at.line)
    }
}

impl DdfError {
    /// Whether an element of the document is never closed.
    #[must_use]
    pub fn is_unclosed(&self) -> bool {
        matches!(self.problem, DdfProblem::Xml(XmlProblem::Unclosed { .. }))
    }
}

impl From<XmlError> for DdfError {
    fn from(XmlError { at, problem }: XmlError) -> Self {
        Self { at, problem: DdfProblem::Xml(problem) }
    }
}

impl fmt::Display for DdfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "line {}: {}", at.line, self.problem),
            None => write!(f, "{}", self.problem),
        }
    }
}

impl std::error::Error for DdfError {}
