//! Management Authority identifiers (TS 11.3 MAID).

use crate::config::Account;

/// Every server and every application (TS 11.3 MAID).
pub(super) const EVERYONE: &str = "*";
/// What a MAID that names a server begins with.
pub(super) const SERVER: &str = "serverid:";

/// A server's Management Authority identifier (TS 11.3 MAID).
pub(super) fn of(account: &Account) -> String {
    format!("{SERVER}{}", account.server_id)
}
