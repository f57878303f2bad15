//! The layout's versions, and how the store gets from one to the next.
//!
//! | schema | since | what changed |
//! |---|---|---|
//! | 3 | 0.1.0 | – |
//! | 4 | 0.2.0 | the file has two copies of everything; `used` counts instances as well |
//! | 5 | 0.2.0 | `alarms` |
//!
//! A new one takes a function at the end of [`STEPS`], a row here, and a fixture of what it comes from in
//! `tests/fixtures`.

use redb::{Database, ReadableDatabase, ReadableTable, WriteTransaction};

use super::error::{StoreError, db};
use super::meta::{counter, set_counter};
use super::size::size;
use super::tables::{self, INSTANCES, META, NODES};

/// The first layout that was released.
pub(super) const OLDEST: u64 = 3;
/// The layout that this version writes.
pub(super) const CURRENT: u64 = OLDEST + STEPS.len() as u64;

type Step = fn(&WriteTransaction) -> Result<(), StoreError>;

/// The steps from the oldest layout to the current one. Each is one transaction together with the new number: a power
/// cut leaves a layout that is one or the other.
const STEPS: [Step; 2] = [recount, tables::make];

/// Makes the tables of a new database; brings an older one to the current layout.
pub(super) fn prepare(database: &Database) -> Result<(), StoreError> {
    loop {
        let known = {
            let transaction = database.begin_read().map_err(db)?;
            match transaction.open_table(META) {
                Ok(meta) => counter(&meta, "schema")?,
                Err(redb::TableError::TableDoesNotExist(_)) => None,
                Err(error) => return Err(db(error)),
            }
        };
        let (step, next): (Step, u64) = match known {
            Some(CURRENT) => return Ok(()),
            Some(newer) if newer > CURRENT => return Err(StoreError::Newer(newer)),
            Some(older) => {
                let step = older.checked_sub(OLDEST).and_then(|at| STEPS.get(usize::try_from(at).ok()?));
                (*step.ok_or(StoreError::Damaged("meta"))?, older + 1)
            }
            None => (tables::make, CURRENT),
        };
        let transaction = database.begin_write().map_err(db)?;
        step(&transaction)?;
        set_counter(&mut transaction.open_table(META).map_err(db)?, "schema", next)?;
        transaction.commit().map_err(db)?;
    }
}

/// Counts anew what the quota counts.
pub(super) fn recount(transaction: &WriteTransaction) -> Result<(), StoreError> {
    let mut used = 0;
    for definition in [NODES, INSTANCES] {
        for entry in transaction.open_table(definition).map_err(db)?.iter().map_err(db)? {
            let (key, value) = entry.map_err(db)?;
            used += size(key.value(), value.value());
        }
    }
    set_counter(&mut transaction.open_table(META).map_err(db)?, "used", used)
}
