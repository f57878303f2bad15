//! Configuration in three stages: *fragments* as written in files, *merged* key by key, and
//! [`Settings`] and [`Account`]s, validated.
//!
//! Files are parsed to [`located`] values that remember their file and line, and walked with one
//! [`reader::Reader`] that collects every problem of every file instead of stopping at the first.

pub mod accounts;
pub mod located;
pub mod reader;
pub mod regular;

mod account;
mod address;
mod environment;
mod fragments;
mod load;
mod problem;
mod secret;
mod settings;
mod subscriber;
mod value;

pub use account::{
    Account, Auth, BootstrapServer, Changes, Context, Leaf, LeafError, NotificationAuth, Permission, Push,
    Schedule, StoredChange, TlsFiles,
};
pub(crate) use account::{holds_certificates, parts};
pub use environment::Environment;
pub use fragments::{Roots, Selection};
pub use load::{Loaded, LoadedSettings, check, load_settings};
pub use located::{Item, Located};
pub use reader::{ByteSize, FilePath, FromItem, Problem, Problems, Reader};
pub use secret::{FileRef, Secret, SecretError};
pub use settings::{AlertBounds, Bootstrap, Exec, Notification, Paths, Session, Settings};
pub use subscriber::{Fact, Subscriber};
