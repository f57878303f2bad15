//! Configuration in three stages: *fragments* as written in files, *merged* key by key, and
//! [`Settings`] and [`Account`]s, validated.

pub(crate) mod accounts;

mod account;
mod address;
mod environment;
mod fragments;
mod load;
mod secret;
mod settings;
mod subscriber;

pub use account::{
    Account, AccountContext, BootstrapServer, Changes, Leaf, LeafError, NotificationAuth, Permission, Push,
    Schedule, StoredChange, TlsFiles,
};
pub(crate) use account::{holds_certificates, syntax};
pub use environment::Environment;
pub use fragments::{Roots, Selection};
pub use load::{Loaded, LoadedSettings, check, load_settings};
pub use secret::{FileRef, SecretError};
pub use settings::{AlertBounds, Bootstrap, Exec, MeteredLinks, Notification, Paths, Session, Settings};
pub use subscriber::{Fact, Subscriber};
