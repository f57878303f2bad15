//! The files that a management object is made from.

use std::path::Path;

/// The folder of an object, and its files.
pub(super) struct ObjectFiles<'a> {
    pub(super) name: &'a str,
    pub(super) folder: &'a Path,
    /// The path of the mapping file.
    pub(super) mapping: &'a Path,
    /// The path of the DDF; the mapping file where that describes its nodes itself.
    pub(super) ddf: &'a Path,
    /// The URI where servers are told to find the DDF.
    pub(super) ddf_uri: &'a str,
    /// Whether that URI lacks `[objects] ddf-base`.
    pub(super) needs_ddf_base: bool,
    pub(super) digest: [u8; 32],
    pub(super) files_digest: [u8; 32],
}

impl ObjectFiles<'_> {
    /// Whether the mapping describes its nodes itself.
    pub(super) fn is_described(&self) -> bool {
        self.mapping == self.ddf
    }
}
