//! `key`: which setting of a file is meant, with braces that stand for the names of un-named nodes.

use std::fmt;

use super::fill::{FillError, Variables};
use super::select::{Select, shown};
use super::setting::{Setting, Syntax};
use super::template::{Piece, Template};

/// A `key` as the mapping has it. It was split before its braces are filled in: what they stand for is one name,
/// whatever is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The syntax of the file.
    pub syntax: Syntax,
    /// The names, and of JSON the positions, that lead to the setting.
    pub steps: Vec<Step>,
}

/// A step of a [`Key`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A name.
    Name(Template),
    /// The position of an array's element.
    Index(usize),
}

impl Key {
    /// The setting that is meant, with what its braces stand for.
    ///
    /// # Errors
    /// [`FillError::Missing`]; [`FillError::Key`] where the syntax has no such name.
    pub(crate) fn filled(&self, variables: &Variables<'_>) -> Result<Setting, FillError> {
        let step = |step: &Step| match step {
            Step::Index(index) => Ok(Select::Index(*index)),
            Step::Name(name) => name.fill_text(variables).map(Select::Key),
        };
        let steps = self.steps.iter().map(step).collect::<Result<Vec<_>, _>>()?;
        Setting::named(self.syntax, &steps)
            .map_err(|why| FillError::Key { key: shown(&steps).trim_start_matches('.').to_owned(), why })
    }

    /// Whether there can be such a setting: what braces stand for is not known yet, and may well be a name.
    pub(crate) fn check(&self) -> Result<(), String> {
        let stand_in = |piece: &Piece| match piece {
            Piece::Literal(text) => text.clone(),
            _ => "x".to_owned(),
        };
        let step = |step: &Step| match step {
            Step::Index(index) => Select::Index(*index),
            Step::Name(name) => Select::Key(name.0.iter().map(stand_in).collect()),
        };
        Setting::named(self.syntax, &self.steps.iter().map(step).collect::<Vec<_>>()).map(|_| ())
    }

    /// The key with the braces filled in that are at hand.
    pub(crate) fn fill_partly(&self, variables: &Variables<'_>) -> Self {
        let step = |step: &Step| match step {
            Step::Index(_) => step.clone(),
            Step::Name(name) => Step::Name(name.fill_partly(variables)),
        };
        Self { syntax: self.syntax, steps: self.steps.iter().map(step).collect() }
    }

    /// The templates that it is made of.
    pub(crate) fn templates(&self) -> impl Iterator<Item = &Template> {
        self.steps.iter().filter_map(|step| if let Step::Name(name) = step { Some(name) } else { None })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.syntax, self.steps.as_slice()) {
            (Syntax::Ini, [Step::Name(section), Step::Name(name)]) => write!(f, "[{section}] {name}"),
            (Syntax::Json, steps) => steps.iter().try_for_each(|step| match step {
                Step::Name(name) => write!(f, ".{name}"),
                Step::Index(index) => write!(f, "[{index}]"),
            }),
            (_, steps) => steps.iter().try_for_each(|step| match step {
                Step::Name(name) => name.fmt(f),
                Step::Index(index) => index.fmt(f),
            }),
        }
    }
}
