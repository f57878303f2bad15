//! Client-initiated bootstrap (TS 8.2): an agent without accounts asks a server that it knows for some, and again
//! when the device belongs to somebody else.
//!
//! What comes is refused whole or kept whole, in place of all that an earlier bootstrap brought. Accounts in files
//! are the device owner's own: where there is one, if only a broken one, nobody is asked.

mod dmacc;
mod exchange;
mod message;
mod subscriber;

pub(crate) use dmacc::DmaccError;
pub(crate) use exchange::{BootstrapError, run};

use crate::config::{Account, Settings};
use crate::store::{Snapshot, StoreError};
use crate::uri::ServerId;

/// The accounts that bootstraps have brought, sorted by server id. One that can't be read any more is left out, and
/// the journal says so.
///
/// # Errors
/// The store failed.
pub(crate) fn accounts(snapshot: &Snapshot, settings: &Settings) -> Result<Vec<Account>, StoreError> {
    let read = |(server_id, record): (ServerId, crate::base::Secret)| {
        let account = dmacc::from_record(&record, settings);
        let problem = |error: &DmaccError| {
            log::error!(OMADM_SERVER_ID = server_id.as_str(); "{server_id}: the account that a bootstrap brought can't be used: {error}");
        };
        account.inspect_err(problem).ok()
    };
    Ok(snapshot.brought()?.into_iter().filter_map(read).collect())
}
