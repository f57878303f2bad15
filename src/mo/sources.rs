//! What a management object is made from.

use std::path::Path;

/// The folder of an object, and its files.
pub(super) struct Sources<'a> {
    pub(super) name: &'a str,
    pub(super) folder: &'a Path,
    /// The mapping file.
    pub(super) mapping: &'a Path,
    /// The DDF.
    pub(super) ddf: &'a Path,
    pub(super) digest: [u8; 32],
}
