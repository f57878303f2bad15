//! The management tree: management objects, their instances, and the nodes that exist right now.
//!
//! A command's way through it is always *resolve → authorise → validate → read or commit*. Nothing here
//! holds a lock across I/O.

mod access;
mod account;
mod alarm;
mod apply;
mod batch;
mod builtins;
mod delegation;
mod delete;
mod dependencies;
mod document;
mod effect;
mod error;
mod exec;
mod exec_window;
mod input;
mod instance;
mod intent;
mod limits;
mod maid;
mod node;
mod operator;
mod outline;
mod plan;
mod principal;
mod read;
mod registry;
mod reported;
mod resolve;
mod rights;
mod source;
mod state;
#[cfg(test)]
pub(crate) mod tests;
mod validate;
mod view;
mod write;

pub use account::as_changed;
pub use alarm::{Comparison, Watched, WatchedNode};
pub use batch::{Batch, Gathering, Pieces};
pub use document::Document;
pub use error::TreeError;
pub use exec::Invocation;
pub use exec_window::Closed;
pub use node::NodeRef;
pub use operator::Operator;
pub use outline::{CUT, EMPTY};
pub use plan::Data;
pub use principal::{Principal, SessionFacts};
pub use read::{MOST_SHOWN, Reading, Shown};
pub use registry::Tree;
pub use reported::Said;
pub use resolve::Resolved;
pub use rights::{Rights, SESSION_INFO};
