//! The content that an effect writes.

use crate::ddf::Format;
use crate::mo::setting::Setting;

/// The content for a property or a program.
pub(crate) enum Content {
    Text(String),
    Bytes(Vec<u8>),
}

impl Content {
    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// The content for a file: all that it will hold, or the value of one setting.
pub(crate) enum FileContent {
    Whole(Content),
    Setting { setting: Setting, value: String, format: Format },
}
