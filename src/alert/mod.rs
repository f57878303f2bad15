//! Generic Alerts (TS 5.3): raised, kept in the store, and sent until a server has taken them.
//!
//! An alert waits for a [`Destination`]. A session takes what waits for its destination along, 32 at a time, and an
//! alert leaves the store when a package that carried it was answered, as the server's `Results` say
//! ([`OutgoingAlerts`]). Between that answer and the transaction that removes it a power cut may come: then the server
//! hears of it twice. Less than once it never does, unless so much waits that the least important has to go
//! ([`Keeping`]).

mod ended;
mod mark;
mod outgoing;
mod raise;
mod waiting;

pub use ended::of_exec;
pub use mark::Mark;
pub use outgoing::OutgoingAlerts;
pub use raise::{Prepared, RaiseError, Raised, must_be_sound, prepare, raise};
pub use waiting::{Keeping, destinations, is_waiting, keep, keep_within, waiting};

use crate::store::QUEUE_SEPARATOR;
use crate::uri::ServerId;

/// The destination of a server's alerts: the server itself, or an URI that it named (TS 5.4.5). Each has its own alerts
/// waiting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination {
    /// The server id of the account.
    pub server_id: ServerId,
    /// The absolute URI; none: where the account's sessions go.
    pub uri: Option<String>,
}

impl Destination {
    /// The destination where the account's sessions go.
    #[must_use]
    pub fn of(server_id: &ServerId) -> Self {
        Self { server_id: server_id.clone(), uri: None }
    }

    /// The name of the destination in the store.
    #[must_use]
    pub fn key(&self) -> String {
        match &self.uri {
            None => self.server_id.to_string(),
            Some(uri) => format!("{}{QUEUE_SEPARATOR}{uri}", self.server_id),
        }
    }

    fn of_key(key: &str) -> Self {
        match key.split_once(QUEUE_SEPARATOR) {
            None => Self::of(&key.into()),
            Some((server_id, uri)) => Self { server_id: server_id.into(), uri: Some(uri.to_owned()) },
        }
    }
}
