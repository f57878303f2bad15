//! Management objects: a DDF joined with the mapping file that says where its values come from.
//!
//! One folder an object: `NAME.ddf.xml` is what servers see, `NAME.toml` maps it onto the machine. Where there is no
//! DDF, `describe` makes it from the mapping.

pub(crate) mod admit;
pub mod alarm;
pub(crate) mod builtin;
pub(crate) mod calendar;
pub(crate) mod data;
pub(crate) mod fill;
pub(crate) mod given;
pub mod key;
pub(crate) mod leaf_path;
pub(crate) mod limit;
pub(crate) mod mapping;
pub(crate) mod pattern;
pub(crate) mod pipeline;
pub mod select;
pub mod setting;
pub mod tnds;
pub(crate) mod value;
pub mod window;

pub(crate) mod check;
pub mod load;
pub(crate) mod template;

mod alarm_search;
mod compare;
mod ddf_uri;
mod describe;
mod join;
mod leaf_search;
mod object;
mod object_files;
mod skeleton;
mod source;

#[cfg(test)]
mod tests;

pub use data::MoData;
pub use load::load;
pub use mapping::RecordsShape;
pub use pattern::Pattern;
pub(crate) use skeleton::skeleton;

pub use object::{ManagementObject, Node, NodeId, Seed};
pub use value::Value;
