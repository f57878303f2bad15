//! What is written to the store, one file a table: records that are more than text and numbers.

pub(crate) mod alert;
pub(crate) mod trigger;

mod exec;
mod push;

pub use exec::{ExecRecord, Leader};
pub use push::Registration;
