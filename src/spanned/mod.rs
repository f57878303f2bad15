//! TOML that remembers where it was written, and one collector of all that is wrong with it.
//!
//! Files are parsed to [`Located`] values that remember their file and line, and walked with one [`Reader`] that
//! collects every problem of every file instead of stopping at the first.

mod located;
mod problem;
mod reader;
mod value;

pub use located::{Item, Located};
pub use problem::{Problem, Problems};
pub use reader::Reader;
pub(crate) use reader::meant;
pub use value::{ByteSize, FilePath, FromItem};
