//! The machine below the tree: where values come from and go to, one file a kind.
//!
//! A *source* answers a value, that there is none (*absent*: the next source has its turn), or that it can't be told
//! right now (*unavailable*: asking again later makes sense). [`read()`] asks a node's sources in order of preference;
//! [`perform`] and [`start`] are the outside effects; [`list()`] finds the children of an un-named node.

pub(crate) mod bus;
pub(crate) mod list;
pub(crate) mod run;
pub(crate) mod undo;

mod answer;
mod builtin;
mod by_helper;
mod content;
mod context;
mod dependencies;
mod dmi;
mod effect;
mod element;
mod error;
mod file;
mod glob;
mod hardware;
mod helper;
mod machine_id;
mod os_release;
mod read;
mod records;
mod reports;
mod veto;
mod zone;

pub use answer::{Answer, MAX_INPUT, MAX_TEXT, Reading};
pub use bus::{Bus, BusMember, BusSign, BusWatches, Seen, bus_doubt};
pub(crate) use bus::{SYSTEM_BUS, ServiceObject};
pub use by_helper::{ask_ahead, exit_of_end, exit_of_reply, request_name};
pub(crate) use context::filled_path;
pub use context::{Addressed, Builtins, Context, Machine, Request, Stage};
pub use dependencies::{Dependencies, has_change_events};
pub(crate) use effect::file_content;
pub use effect::{Act, Prepared, collect, forget, forget_earlier, perform, prepare_undo, start, verified};
pub use element::Element;
pub use error::BackendError;
pub(crate) use file::{no_content, with as content_with};
pub use helper::Helper;
pub use list::{Child, children_of, globbed, is_away, list};
pub use read::{first_asked, of_content, of_output, read, read_source};
pub use records::elements;
pub use reports::Reports;
pub(crate) use run::AGENT_USER;
pub use run::{End, Exit, NOT_NOW, Running};
pub use undo::{Undo, Undone};
pub use veto::{ask, not_asked, programs};
pub use zone::zone;

#[cfg(test)]
mod tests;
