//! Reading `watch`: what tells that a program may have another answer now.

use crate::base::OrderedSet;
use crate::mo::source::WatchEntry;
use crate::spanned::Reader;

/// The most entries of a `watch`.
const MOST: usize = 64;

/// Reads the `watch` of a source or a list, which only one that a program says has.
pub(super) fn watch(
    reader: &mut Reader<'_>,
    is_program: bool,
    objects: &OrderedSet<String>,
) -> Vec<WatchEntry> {
    let Some(all) = reader.optional::<Vec<String>>("watch") else { return Vec::new() };
    if !is_program {
        reader.problem(
            "watch",
            "is for a `run`, and an `item` of what one lists: of anything else the agent knows by itself what tells of changes",
        );
    }
    if all.is_empty() || all.len() > MOST {
        reader.problem("watch", format!("expected 1 to {MOST} paths"));
    }
    let mut entries = Vec::with_capacity(all.len());
    for entry in all {
        entries.push(match entry.as_str() {
            "neighbours" => WatchEntry::Neighbours,
            name if objects.contains(name) => WatchEntry::Object(entry),
            "devices" => WatchEntry::Devices,
            path if !path.starts_with('/') || path.contains(['*', '{']) => {
                let why = format!("expected an absolute path, one that ends with / for a folder, \"neighbours\", \"devices\", or the name of an [object.NAME]; found {path:?}");
                reader.problem("watch", why);
                continue;
            }
            path => match path.strip_suffix('/') {
                Some(folder) => WatchEntry::Folder(folder.to_owned()),
                None => WatchEntry::File(entry),
            },
        });
    }
    entries
}
