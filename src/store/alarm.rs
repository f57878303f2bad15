//! Table `alarms` of the store: read and written. What a record has: `records/alarm.rs`.

use redb::{ReadableTable, WriteTransaction};

use super::error::{StoreError, db};
use super::read::Snapshot;
use super::records::AlarmRecord;
use super::tables::ALARMS;
use crate::uri::Moid;

/// The key of what an alarm has told: the alarm, and the leaf or element that it told of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlarmKey {
    /// The MOID of the object.
    pub moid: Moid,
    /// The alarm's name in its mapping.
    pub name: String,
    /// The ClientURI of the leaf or element; for a list itself, that of the node that it is in.
    pub client_uri: String,
}

impl AlarmKey {
    fn encode(&self) -> Vec<u8> {
        [self.moid.as_bytes(), self.name.as_bytes(), self.client_uri.as_bytes()].join(&0)
    }

    fn decode(key: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(key).ok()?.splitn(3, '\0');
        let (moid, name, client_uri) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { moid: moid.into(), name: name.to_owned(), client_uri: client_uri.to_owned() })
    }
}

impl Snapshot {
    /// Everything that alarms have told, in the order of its keys.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn alarms(&self) -> Result<Vec<(AlarmKey, AlarmRecord)>, StoreError> {
        let table = self.transaction().open_table(ALARMS).map_err(self.noting())?;
        let mut all = Vec::new();
        for entry in table.iter().map_err(self.noting())? {
            let (key, record) = entry.map_err(self.noting())?;
            let read = AlarmKey::decode(key.value()).zip(AlarmRecord::decode(record.value()));
            all.extend(self.known("alarms", key.value(), read));
        }
        Ok(all)
    }
}

pub(super) fn put(
    transaction: &WriteTransaction,
    key: &AlarmKey,
    record: &AlarmRecord,
) -> Result<(), StoreError> {
    let mut table = transaction.open_table(ALARMS).map_err(db)?;
    table.insert(key.encode().as_slice(), record.encode().as_slice()).map_err(db)?;
    Ok(())
}

pub(super) fn remove(transaction: &WriteTransaction, key: &AlarmKey) -> Result<(), StoreError> {
    let mut table = transaction.open_table(ALARMS).map_err(db)?;
    table.remove(key.encode().as_slice()).map_err(db)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Change, Store};

    #[test]
    fn what_was_told_comes_back_with_its_alert_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap().store;
        let key =
            AlarmKey { moid: "urn:m".into(), name: "hot".into(), client_uri: "urn:m/1/Zones/a%2Fb".into() };
        let record = AlarmRecord { raised: true, value: None, told: 1_790_000_000 };
        let read = || store.snapshot().unwrap().alarms().unwrap();
        store
            .commit_blocking(&[
                Change::Alarm(key.clone(), record.clone()),
                Change::Alert("a".into(), b"{}".to_vec()),
            ])
            .unwrap();
        assert_eq!(read(), [(key.clone(), record)]);
        store.commit_blocking(&[Change::AlarmForgotten(key)]).unwrap();
        assert_eq!(read(), []);
    }
}
