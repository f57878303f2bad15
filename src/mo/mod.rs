//! Management objects: a DDF joined with the mapping file that says where its values come from.
//!
//! One folder an object: `NAME.ddf.xml` is what servers see, `NAME.toml` maps it onto the machine.

pub mod fill;
pub mod mapping;
pub mod pipeline;
pub mod value;

mod object;

pub use object::{ManagementObject, Node, NodeId, Seed};
pub use value::Value;
