//! The tables: their names, and that all of them hold bytes.

use redb::{TableDefinition, WriteTransaction};

use super::error::{StoreError, db};

/// The type of all tables: for each pair of types, redb's trees would be in the program once more.
pub(super) type Bytes = TableDefinition<'static, &'static [u8], &'static [u8]>;

pub(super) const META: Bytes = TableDefinition::new("meta");
pub(super) const NODES: Bytes = TableDefinition::new("nodes");
pub(super) const INSTANCES: Bytes = TableDefinition::new("instances");
pub(super) const PINS: Bytes = TableDefinition::new("pins");
pub(super) const NOTIFICATIONS: Bytes = TableDefinition::new("notifications");
pub(super) const CONTACTS: Bytes = TableDefinition::new("contacts");
pub(super) const DEFAULTS: Bytes = TableDefinition::new("defaults");
pub(super) const PUSH: Bytes = TableDefinition::new("push");
pub(super) const ALERTS: Bytes = TableDefinition::new("alerts");
pub(super) const INTENTS: Bytes = TableDefinition::new("intents");
pub(super) const CACHE_KEY: Bytes = TableDefinition::new("cache");
pub(super) const MOS: Bytes = TableDefinition::new("mos");
pub(super) const ACCOUNTS: Bytes = TableDefinition::new("accounts");
pub(super) const OVERRIDES: Bytes = TableDefinition::new("overrides");
pub(super) const SUBSCRIPTIONS: Bytes = TableDefinition::new("subscriptions");
pub(super) const EXECS: Bytes = TableDefinition::new("execs");
pub(super) const TRIGGERS: Bytes = TableDefinition::new("triggers");
pub(super) const ALARMS: Bytes = TableDefinition::new("alarms");

/// All tables, those first that are least to be spared.
pub(super) const ALL: [Bytes; 18] = [
    META,
    INSTANCES,
    ACCOUNTS,
    OVERRIDES,
    PINS,
    DEFAULTS,
    NOTIFICATIONS,
    TRIGGERS,
    CONTACTS,
    PUSH,
    ALERTS,
    INTENTS,
    EXECS,
    SUBSCRIPTIONS,
    ALARMS,
    CACHE_KEY,
    MOS,
    NODES,
];

/// Makes the tables that are not there yet, so that a reader never meets a missing one.
pub(super) fn make(transaction: &WriteTransaction) -> Result<(), StoreError> {
    for table in ALL {
        transaction.open_table(table).map_err(db)?;
    }
    Ok(())
}

/// Reads a number, which is big endian, so that the order of keys is that of numbers.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use redb::TableHandle;

    use super::ALL;

    #[test]
    fn each_table_has_its_row_in_the_layout() {
        let rows = include_str!("records/mod.rs").lines().filter_map(|line| line.strip_prefix("//! | `"));
        let documented: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
        let tables: BTreeSet<&str> = ALL.iter().map(TableHandle::name).collect();
        assert_eq!(documented.iter().copied().collect::<BTreeSet<_>>(), tables);
        assert_eq!((documented.len(), tables.len()), (ALL.len(), ALL.len()), "each once");
    }
}
