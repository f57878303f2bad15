//! Settings of files: one is read, and written with every other byte as it was.
//!
//! Pure: from bytes to bytes. What a file holds beside the setting (comments, order, line ends, quoting, text that is
//! not UTF-8) is not understood and not touched. A file that can't be understood around the setting is an error, never
//! a guess: whoever reads the file next must find what was meant.

mod error;
mod ini;
mod json;
mod lines;
mod shell;

#[cfg(test)]
mod tests;

use std::fmt;

use super::select::{Select, shown};
use crate::ddf::Format;
pub use error::SettingError;

/// The syntax in which a file writes its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// A shell's syntax: `KEY=value` with its quoting, as in `/etc/default`.
    Shell,
    /// INI syntax: `key = value` in `[section]`s.
    Ini,
    /// JSON syntax: the file is a document.
    Json,
}

impl Syntax {
    /// The syntax that a file's name tells: `.json` and `.ini`, and a shell's for all others.
    #[must_use]
    pub(crate) fn of_file(path: &str) -> Self {
        match path.rsplit_once('.') {
            Some((_, "json")) => Self::Json,
            Some((_, "ini")) => Self::Ini,
            _ => Self::Shell,
        }
    }
}

impl fmt::Display for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shell => "shell",
            Self::Ini => "ini",
            Self::Json => "json",
        })
    }
}

/// A setting of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// A variable of a shell's file.
    Variable(String),
    /// A key of an INI file: in a section, or before the first.
    Key {
        /// The name of the section.
        section: Option<String>,
        /// The name of the key.
        name: String,
    },
    /// A member or an element of a JSON document, by the steps that lead there; at least one.
    Member(Vec<Select>),
}

impl Setting {
    /// The setting that these names, or steps, lead to.
    ///
    /// # Errors
    /// What the syntax expects in place of them.
    pub fn named(syntax: Syntax, steps: &[Select]) -> Result<Self, String> {
        match (syntax, steps) {
            (Syntax::Shell, [Select::Key(name)]) => variable(name),
            (Syntax::Ini, [Select::Key(name)]) => ini_key(None, name),
            (Syntax::Ini, [Select::Key(section), Select::Key(name)]) => ini_key(Some(section), name),
            (Syntax::Json, [_, ..]) => Ok(Self::Member(steps.to_vec())),
            (Syntax::Shell, _) => Err("expected a name such as \"INTERVAL\"".to_owned()),
            (Syntax::Ini, _) => {
                Err("expected [\"section\", \"key\"], or [\"key\"] before the first section".to_owned())
            }
            (Syntax::Json, []) => Err("expected steps such as \".radio[0].rssi\"".to_owned()),
        }
    }

    /// Reads the value, without its quotes; `None` where the file has no such setting.
    ///
    /// # Errors
    /// [`SettingError`]
    pub fn read(&self, file: &[u8]) -> Result<Option<String>, SettingError> {
        match self {
            Self::Variable(name) => shell::read(name, file),
            Self::Key { section, name } => ini::read(section.as_deref(), name, file),
            Self::Member(steps) => json::read(steps, file),
        }
    }

    /// The content of the file with another value of the setting, which is added where it is missing. `format` is the
    /// node's: it decides whether JSON gets a number or a text where no value tells.
    ///
    /// # Errors
    /// [`SettingError`]
    pub fn write(&self, file: &[u8], value: &str, format: Format) -> Result<Vec<u8>, SettingError> {
        if value.contains('\0') {
            return Err(SettingError::Unwritable("a NUL can't be written to a settings file"));
        }
        let written = match self {
            Self::Variable(name) => shell::write(name, file, value),
            Self::Key { section, name } => ini::write(section.as_deref(), name, file, value),
            Self::Member(steps) => json::write(steps, file, value, format),
        }?;
        // What was meant is what the next reader finds, or nothing is written.
        match self.read(&written) {
            Ok(Some(read)) if read == value => Ok(written),
            _ => Err(SettingError::Unwritable("the value does not read back from what would be written")),
        }
    }
}

fn variable(name: &str) -> Result<Setting, String> {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    if name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit()) {
        return Ok(Setting::Variable(name.to_owned()));
    }
    let hint = "expected a name of letters, digits and `_`; for other files say `syntax = \"ini\"` or `syntax = \"json\"`";
    Err(format!("{name:?} is no variable of a shell: {hint}"))
}

fn ini_key(section: Option<&str>, name: &str) -> Result<Setting, String> {
    let sound = |text: &str| !text.is_empty() && text.trim() == text && !text.contains(['\n', '\r', '\0']);
    let name_is_sound = sound(name) && !name.starts_with(['[', '#', ';']) && !name.contains('=');
    if !name_is_sound || section.is_some_and(|section| !sound(section) || section.contains(']')) {
        return Err("expected a key, or a section, a dot and a key, such as \"network.mtu\"".to_owned());
    }
    Ok(Setting::Key { section: section.map(str::to_owned), name: name.to_owned() })
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) | Self::Key { section: None, name } => f.write_str(name),
            Self::Key { section: Some(section), name } => write!(f, "[{section}] {name}"),
            Self::Member(steps) => f.write_str(&shown(steps)),
        }
    }
}
