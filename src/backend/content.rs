//! What an effect writes.

use std::path::Path;

use crate::base::lane;

/// What is written to a file or a property, or given to a program.
pub(super) enum Content {
    Text(String),
    Bytes(Vec<u8>),
}

impl Content {
    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Looks at the file: may block.
    pub(super) fn of_file(self, file: &Path) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes,
            // A text file's last line ends; an attribute takes just the value.
            Self::Text(text) if text.is_empty() || lane::takes_requests(file) => text.into_bytes(),
            Self::Text(text) => (text + "\n").into_bytes(),
        }
    }
}
