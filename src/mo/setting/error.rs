//! Why a setting of a file can't be read or written.

use thiserror::Error;

/// Why a setting can't be read or written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SettingError {
    /// The file is not of its syntax.
    #[error("line {line}: {what}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The thing that is there.
        what: &'static str,
    },
    /// The document is no JSON.
    #[error("not JSON: {0}")]
    Json(String),
    /// The setting is there, and only a program that runs the file knows its value.
    #[error("line {line}: its value takes {what} to be known")]
    Computed {
        /// The line, from 1.
        line: usize,
        /// The thing that it takes to know it.
        what: &'static str,
    },
    /// The setting is there as people write it, and to a shell it is a command.
    #[error(
        "line {line}: its value has a blank or `&`, `|`, `<`, `>` in it and no quotes around it, which a shell takes for \
         a command: `syntax = \"ini\"` reads it as it stands"
    )]
    Unquoted {
        /// The line, from 1.
        line: usize,
    },
    /// The setting's value is no UTF-8.
    #[error("line {line}: its value is not UTF-8")]
    Encoding {
        /// The line, from 1.
        line: usize,
    },
    /// The value is one that this syntax can't hold at this place.
    #[error("{0}")]
    Unwritable(&'static str),
}
