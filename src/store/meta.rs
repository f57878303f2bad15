//! Table `meta`: numbers by their names.

use redb::{ReadableTable, Table};

use super::error::{StoreError, db};
use super::tables::number;
use crate::uri::Moid;

/// A number of the table `meta`.
pub(super) fn counter(
    meta: &impl ReadableTable<&'static [u8], &'static [u8]>,
    name: &str,
) -> Result<Option<u64>, StoreError> {
    let Some(record) = meta.get(name.as_bytes()).map_err(db)? else { return Ok(None) };
    number(record.value()).map(Some).ok_or(StoreError::Damaged("meta"))
}

pub(super) fn set_counter(
    meta: &mut Table<'_, &[u8], &[u8]>,
    name: &str,
    value: u64,
) -> Result<(), StoreError> {
    meta.insert(name.as_bytes(), value.to_be_bytes().as_slice()).map_err(db)?;
    Ok(())
}

/// The name in `meta` of the last MIID that was assigned to an object's instance.
pub(super) fn miid_key(moid: &Moid) -> String {
    format!("miid {moid}")
}

/// The name in `meta` of what is known of a folder.
pub(super) fn folder_key(path: &str) -> String {
    format!("folder {path}")
}
