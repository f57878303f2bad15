//! All accounts of a device.

use std::path::{Path, PathBuf};

use super::account::{Account, AccountContext};
use super::fragments;
use crate::base::OneByOne as _;
use crate::base::OrderedMap;
use crate::mo::check::to_keys;
use crate::spanned::Problems;
use crate::spanned::{Item, Located};
use crate::uri::ServerId;

/// Loads the `*.toml` files of all `folders`; one of the same name in a later folder replaces the earlier's.
///
/// A broken account is left out, and so is the second of two with one server-id, in the order of their file
/// names. The accounts come sorted by server-id; every problem of an account is noted under its file.
#[must_use]
pub(crate) fn load(folders: &[PathBuf], context: AccountContext<'_>) -> (Vec<Account>, Problems) {
    let mut problems = Problems::default();
    let read = |file: PathBuf| {
        let mut claim = None;
        let one = One::read(&file, context, |found| claim = Some(found));
        (file, claim, Some(one))
    };
    let all = list(folders, &mut problems).into_iter().map(read).collect();
    let accounts = combine(all, &mut problems);
    (accounts, problems)
}

/// The account files of all `folders`, in the order of their names. Nothing but these folders is touched.
pub(crate) fn list(folders: &[PathBuf], problems: &mut Problems) -> Vec<PathBuf> {
    fragments::overlay(folders, problems)
}

/// The claim of a file to a server-id, with the place where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    id: String,
    at: Located,
}

impl Claim {
    /// The claim of a file, if it makes one.
    fn of(root: &Located) -> Option<Self> {
        let Item::Table(keys) = &root.item else { return None };
        let at = keys.get("server-id")?;
        let Item::String(id) = &at.item else { return None };
        Some(Self { id: id.clone(), at: at.clone() })
    }
}

/// The account that one file comes to, if it is right.
#[derive(Debug)]
pub(crate) struct One {
    account: Option<Account>,
    problems: Problems,
}

impl One {
    /// Reads the account in `file`, and then the files that it names; `claims` is told between the two.
    pub(crate) fn read(file: &Path, context: AccountContext<'_>, claims: impl FnOnce(Claim)) -> Self {
        let mut problems = Problems::default();
        let Some(root) = fragments::read_file(file, &mut problems) else {
            return Self { account: None, problems };
        };
        if let Some(claim) = Claim::of(&root) {
            claims(claim);
        }
        let account = Account::read(&root, context, &mut problems);
        // Whoever tells of them names the same lines: the journal, a reload, and checks by hand.
        Self { account, problems: to_keys(&problems) }
    }
}

/// A file, the server-id that it claims, and what it comes to: none where it could not be read to its end.
pub(crate) type Claimed = (PathBuf, Option<Claim>, Option<One>);

/// All accounts by server-id, without the second of two of one. A broken one's id counts too, or its owner would hear
/// of the second error after the first; that of one that could not be read to its end is not left to the second,
/// either.
pub(crate) fn combine(all: Vec<Claimed>, problems: &mut Problems) -> Vec<Account> {
    let mut accounts: OrderedMap<ServerId, Account> = OrderedMap::new();
    let mut claims: OrderedMap<String, (PathBuf, bool)> = OrderedMap::new();
    for (file, claim, one) in all {
        let mut is_left = true;
        if let Some(Claim { id, at }) = claim {
            let (first, is_known) = claims.entry(id.clone()).or_insert_with(|| (file.clone(), one.is_some()));
            if *first != file {
                is_left = *is_known;
                let what = format!("{id:?} is the server-id of {} already", first.display());
                problems.at(&at, "server-id", what);
            }
        }
        let Some(one) = one else { continue };
        problems.append(one.problems);
        if let Some(account) = one.account.filter(|_| is_left) {
            accounts.entry(account.server_id.clone()).or_insert(account);
        }
    }
    accounts.into_values().collect()
}

/// The accounts that a running agent goes on with: those just loaded, and those of `previous` whose file, or the folder
/// it is in, has a problem now.
#[must_use]
pub(crate) fn keep_broken(loaded: Vec<Account>, problems: &Problems, previous: &[Account]) -> Vec<Account> {
    let mut accounts: OrderedMap<ServerId, Account> =
        loaded.into_iter().map(|account| (account.server_id.clone(), account)).one_by_one();
    for old in previous {
        if problems.iter().any(|problem| old.file.starts_with(&problem.file)) {
            let server_id = old.server_id.as_str();
            accounts.entry(old.server_id.clone()).or_insert_with(|| {
                log::warn!(OMADM_SERVER_ID = server_id; "{server_id}: the account stays as it was");
                old.clone()
            });
        }
    }
    accounts.into_values().collect()
}

#[cfg(test)]
mod tests;
