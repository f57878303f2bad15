//! Management Authority identifiers (TS 11.3 MAID).

use crate::config::Account;

/// The MAID of every server and every application (TS 11.3 MAID).
pub(super) const EVERYONE: &str = "*";
/// The prefix of a MAID that names a server.
pub(super) const SERVER: &str = "serverid:";

/// The MAID of an account's server (TS 11.3 MAID).
pub(super) fn of(account: &Account) -> String {
    [SERVER, account.server_id.as_str()].concat()
}
