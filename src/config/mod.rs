//! Configuration in three stages: *fragments* as written in files, *merged* key by key, and
//! [`Settings`] and [`Account`]s, validated.
//!
//! Files are parsed to [`located`] values that remember their file and line, and walked with one
//! [`reader::Reader`] that collects every problem of every file instead of stopping at the first.

pub mod located;
pub mod reader;

mod account;
mod problem;
mod settings;
mod value;

pub use account::{Account, Auth, NotificationAuth, Permission, Push, Schedule, TlsFiles};
pub use located::{Item, Located};
pub use reader::{ByteSize, FilePath, FromItem, Problem, Problems, Reader};
pub use settings::{Exec, Notification, Paths, Session, Settings};

use std::fmt;

/// Bytes that must never be shown: a password, a key, a digest secret. Its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the secret's bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, for the one who computes with them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
