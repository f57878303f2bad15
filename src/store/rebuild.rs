//! A new file of an old one's records: of those that could be salvaged, or of all, to be rid of the air between
//! them.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, WriteTransaction};

use super::alert_key::alert_number;
use super::builder::builder;
use super::error::{StoreError, db};
use super::key::NodeKey;
use super::meta::{counter, miid_key, set_counter};
use super::schema;
use super::tables::{self, ALERTS, INSTANCES, META};
use super::twin::Twin;

/// The bytes that are written at once.
const BATCH: usize = 1 << 20;
/// The size below which a file is not made smaller, however empty it is.
const SMALL: u64 = 4 << 20;

/// A database that is being filled.
pub(super) struct Rebuild {
    database: Database,
    batch: Vec<(usize, Vec<u8>, Vec<u8>)>,
    bytes: usize,
    /// The number of its records.
    pub(super) records: u64,
}

impl Rebuild {
    /// Begins a database in a file that is not there yet.
    pub(super) fn new(path: &Path) -> Result<Self, StoreError> {
        let database = make(path)?;
        Ok(Self { database, batch: Vec::new(), bytes: 0, records: 0 })
    }

    /// Adds a record; one that is there already stays.
    pub(super) fn add(&mut self, table: usize, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.bytes += key.len() + value.len() + 64;
        self.batch.push((table, key.to_vec(), value.to_vec()));
        if self.bytes >= BATCH { self.write(|_| Ok(())) } else { Ok(()) }
    }

    /// Writes the rest of the records; on return all are on flash.
    pub(super) fn end(
        mut self,
        finish: impl Fn(&WriteTransaction) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        self.write(finish)?;
        Ok(self.records)
    }

    fn write(
        &mut self,
        finish: impl Fn(&WriteTransaction) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let transaction = self.database.begin_write().map_err(db)?;
        for (table, key, value) in self.batch.drain(..) {
            let Some(definition) = tables::ALL.get(table) else { continue };
            let mut table = transaction.open_table(*definition).map_err(db)?;
            if table.get(key.as_slice()).map_err(db)?.is_none() {
                table.insert(key.as_slice(), value.as_slice()).map_err(db)?;
                self.records += 1;
            }
        }
        self.bytes = 0;
        finish(&transaction)?;
        transaction.commit().map_err(db)
    }
}

/// Makes an empty database, readable by its owner only.
pub(super) fn make(path: &Path) -> Result<Database, StoreError> {
    let failed = |source| StoreError::File { path: path.to_path_buf(), source };
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let twin = Twin::make(file).map_err(failed)?;
    builder().create_with_backend(twin).map_err(db)
}

/// Makes what was salvaged hold together: counters that were lost are derived from what they count.
pub(super) fn mend(transaction: &WriteTransaction) -> Result<(), StoreError> {
    tables::make(transaction)?;
    let mut meta = transaction.open_table(META).map_err(db)?;
    if counter(&meta, "schema").ok().flatten().is_none() {
        set_counter(&mut meta, "schema", schema::OLDEST)?;
    }
    let mut next = 0;
    for entry in transaction.open_table(ALERTS).map_err(db)?.iter().map_err(db)? {
        let (key, _) = entry.map_err(db)?;
        next = next.max(alert_number(key.value()).map_or(0, |number| number.saturating_add(1)));
    }
    let known = counter(&meta, "alerts").ok().flatten().unwrap_or_default();
    set_counter(&mut meta, "alerts", known.max(next))?;
    for entry in transaction.open_table(INSTANCES).map_err(db)?.iter().map_err(db)? {
        let (key, _) = entry.map_err(db)?;
        if let Some((moid, number)) = NodeKey::assigned(key.value()) {
            let name = miid_key(&moid);
            let last = counter(&meta, &name).ok().flatten().unwrap_or_default();
            set_counter(&mut meta, &name, last.max(number))?;
        }
    }
    drop(meta);
    schema::recount(transaction)
}

/// Whether so little of the file is in use that it is worth a new one.
pub(super) fn is_mostly_air(database: &Database, length: u64) -> Result<bool, StoreError> {
    if length < SMALL {
        return Ok(false);
    }
    let transaction = database.begin_read().map_err(db)?;
    let mut used = 0;
    for definition in tables::ALL {
        let stats = transaction.open_table(definition).map_err(db)?.stats().map_err(db)?;
        used += stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes();
    }
    Ok(used.saturating_mul(3) < length)
}

/// Copies all records to a new database at `path`.
pub(super) fn compact(database: &Database, path: &Path) -> Result<(), StoreError> {
    let mut new = Rebuild::new(path)?;
    let transaction = database.begin_read().map_err(db)?;
    for (number, definition) in tables::ALL.into_iter().enumerate() {
        for entry in transaction.open_table(definition).map_err(db)?.iter().map_err(db)? {
            let (key, value) = entry.map_err(db)?;
            new.add(number, key.value(), value.value())?;
        }
    }
    new.end(tables::make).map(drop)
}
