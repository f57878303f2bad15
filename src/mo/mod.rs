//! Management objects: a DDF joined with the mapping file that says where its values come from.
//!
//! One folder an object: `NAME.ddf.xml` is what servers see, `NAME.toml` maps it onto the machine.

pub mod builtin;
pub mod calendar;
pub mod data;
pub mod fill;
pub mod mapping;
pub mod pipeline;
pub mod tnds;
pub mod value;

pub mod check;
pub mod load;
pub mod template;

mod join;
mod object;

#[cfg(test)]
mod tests;

pub use data::MoData;
pub use load::load;
pub use object::{ManagementObject, Node, NodeId, Seed};
pub use value::Value;
