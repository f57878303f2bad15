//! Subscriptions of servers, as the store has them.

use redb::{ReadableTable, WriteTransaction};

use super::error::{StoreError, db};
use super::read::Snapshot;
use super::tables::SUBSCRIPTIONS;
use crate::uri::ServerId;

/// The SHA-256 of the content that was put.
pub type Digest = [u8; 32];

/// A subscription. In the table: a byte that says whether a digest follows, the digest, the ServerURI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The server whose subscription it is.
    pub server_id: ServerId,
    /// The ClientURI that is subscribed to.
    pub client_uri: String,
    /// The ServerURI that changes are put to, a template.
    pub server_uri: String,
    /// The digest of the content that is known to be there; none: that is not known.
    pub delivered: Option<Digest>,
}

impl Subscription {
    fn encode(&self) -> Vec<u8> {
        let mut record = vec![u8::from(self.delivered.is_some())];
        record.extend_from_slice(self.delivered.as_ref().map_or(&[], <[u8; 32]>::as_slice));
        record.extend_from_slice(self.server_uri.as_bytes());
        record
    }

    fn decode(key: &[u8], record: &[u8]) -> Option<Self> {
        let at = key.iter().position(|byte| *byte == 0)?;
        let (server_id, client_uri) = (key.get(..at)?, key.get(at + 1..)?);
        let (delivered, server_uri) = match record.split_first()? {
            (0, uri) => (None, uri),
            (1, rest) => rest.split_first_chunk().map(|(digest, uri)| (Some(*digest), uri))?,
            _ => return None,
        };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        Some(Self {
            server_id: text(server_id)?.into(),
            client_uri: text(client_uri)?,
            server_uri: text(server_uri)?,
            delivered,
        })
    }
}

impl Snapshot {
    /// All subscriptions, by server.
    ///
    /// # Errors
    /// The file can't be read, or a record is damaged.
    pub fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError> {
        let table = self.transaction().open_table(SUBSCRIPTIONS).map_err(self.noting())?;
        let mut all = Vec::new();
        for entry in table.iter().map_err(self.noting())? {
            let (key, record) = entry.map_err(self.noting())?;
            let read = Subscription::decode(key.value(), record.value());
            all.extend(self.known("subscriptions", key.value(), read));
        }
        Ok(all)
    }

    /// The subscription of a server to a ClientURI.
    ///
    /// # Errors
    /// The file can't be read, or the record is damaged.
    pub fn subscription(
        &self,
        server_id: &ServerId,
        client_uri: &str,
    ) -> Result<Option<Subscription>, StoreError> {
        let table = self.transaction().open_table(SUBSCRIPTIONS).map_err(self.noting())?;
        let key = key(server_id, client_uri);
        let record = table.get(key.as_slice()).map_err(self.noting())?;
        Ok(record
            .and_then(|record| self.known("subscriptions", &key, Subscription::decode(&key, record.value()))))
    }
}

pub(super) fn put(transaction: &WriteTransaction, new: &Subscription) -> Result<(), StoreError> {
    let mut table = transaction.open_table(SUBSCRIPTIONS).map_err(db)?;
    let key = key(&new.server_id, &new.client_uri);
    table.insert(key.as_slice(), new.encode().as_slice()).map_err(db)?;
    Ok(())
}

/// Writes down what was delivered. A subscription that ended or was moved elsewhere meanwhile stays as it is.
pub(super) fn delivered(transaction: &WriteTransaction, to: &Subscription) -> Result<(), StoreError> {
    let mut table = transaction.open_table(SUBSCRIPTIONS).map_err(db)?;
    let key = key(&to.server_id, &to.client_uri);
    let known = table.get(key.as_slice()).map_err(db)?;
    let known = known.and_then(|record| Subscription::decode(&key, record.value()));
    if known.is_some_and(|known| known.server_uri == to.server_uri) {
        table.insert(key.as_slice(), to.encode().as_slice()).map_err(db)?;
    }
    Ok(())
}

pub(super) fn remove(
    transaction: &WriteTransaction,
    server_id: &ServerId,
    client_uri: &str,
) -> Result<(), StoreError> {
    let mut table = transaction.open_table(SUBSCRIPTIONS).map_err(db)?;
    table.remove(key(server_id, client_uri).as_slice()).map_err(db)?;
    Ok(())
}

fn key(server_id: &ServerId, client_uri: &str) -> Vec<u8> {
    [server_id.as_bytes(), client_uri.as_bytes()].join(&0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Change, Store};

    fn subscription(server_uri: &str, delivered: Option<Digest>) -> Subscription {
        Subscription {
            server_id: "a".into(),
            client_uri: "urn:m/1/N".into(),
            server_uri: server_uri.into(),
            delivered,
        }
    }

    #[test]
    fn a_subscription_comes_back_and_a_delivery_does_not_revive_or_move_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap().store;
        let read = || store.snapshot().unwrap().subscription(&"a".into(), "urn:m/1/N").unwrap();
        let commit = |change| store.commit_blocking(&[change]).unwrap();

        commit(Change::Delivered(subscription("https://r/", Some([7; 32]))));
        assert_eq!(read(), None);
        commit(Change::Subscribe(subscription("https://r/", None)));
        commit(Change::Delivered(subscription("https://r/", Some([7; 32]))));
        assert_eq!(read(), Some(subscription("https://r/", Some([7; 32]))));
        assert_eq!(store.snapshot().unwrap().subscriptions().unwrap(), [read().unwrap()]);

        commit(Change::Subscribe(subscription("https://elsewhere/", None)));
        commit(Change::Delivered(subscription("https://r/", Some([8; 32]))));
        assert_eq!(read(), Some(subscription("https://elsewhere/", None)));
        commit(Change::Unsubscribe { server_id: "a".into(), client_uri: "urn:m/1/N".into() });
        assert_eq!(read(), None);
    }
}
