//! The management tree: management objects, their instances, and the nodes that exist right now.
//!
//! A command's way through it is always *resolve → authorise → validate → read or commit*. Nothing here
//! holds a lock across I/O.

mod access;
mod account;
mod builtins;
mod delegation;
mod delete;
mod dependencies;
mod document;
mod error;
mod exec;
mod node;
mod plan;
mod read;
mod registry;
mod resolve;
mod rules;
mod scope;
mod source;
#[cfg(test)]
mod tests;
mod write;

pub use access::Rights;
pub use account::as_changed;
pub use builtins::SessionFacts;
pub use document::Document;
pub use error::TreeError;
pub use exec::Invocation;
pub use node::NodeRef;
pub use read::Shown;
pub use registry::{Tree, Visitor};
pub use resolve::Resolved;
