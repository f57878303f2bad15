//! All accounts of a device.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::account::{Account, Context};
use super::fragments;
use crate::spanned::Problems;
use crate::spanned::{Item, Located};

/// Loads the `*.toml` files of all `folders`; one of the same name in a later folder replaces the earlier's.
///
/// A broken account is left out, and so is the second of two with one server-id, in the order of their file
/// names. The accounts come sorted by server-id; every problem of an account is noted under its file.
#[must_use]
pub(crate) fn load(folders: &[PathBuf], context: Context<'_>) -> (Vec<Account>, Problems) {
    let mut problems = Problems::default();
    let mut accounts: BTreeMap<String, Account> = BTreeMap::new();
    let mut claims: BTreeMap<String, PathBuf> = BTreeMap::new();
    for file in fragments::overlay(folders, &mut problems) {
        let Some(root) = fragments::read_file(&file, &mut problems) else { continue };
        // A broken account's id counts too, or its owner would hear of the second error after the first.
        note_claim(&root, &file, &mut claims, &mut problems);
        if let Some(account) = Account::read(&root, context, &mut problems) {
            accounts.entry(account.server_id.clone()).or_insert(account);
        }
    }
    (accounts.into_values().collect(), problems)
}

fn note_claim(root: &Located, file: &Path, claims: &mut BTreeMap<String, PathBuf>, problems: &mut Problems) {
    let Item::Table(keys) = &root.item else { return };
    let Some(Located { item: Item::String(id), .. }) = keys.get("server-id") else { return };
    let first = claims.entry(id.clone()).or_insert_with(|| file.to_path_buf());
    if first != file
        && let Some(at) = keys.get("server-id")
    {
        problems.at(at, "server-id", format!("{id:?} is the server-id of {} already", first.display()));
    }
}

/// What a running agent goes on with: the accounts just loaded, and those of `previous` whose file, or the
/// folder it is in, has a problem now.
#[must_use]
pub(crate) fn keep_broken(loaded: Vec<Account>, problems: &Problems, previous: &[Account]) -> Vec<Account> {
    let mut accounts: BTreeMap<String, Account> =
        loaded.into_iter().map(|account| (account.server_id.clone(), account)).collect();
    for old in previous {
        if problems.iter().any(|problem| old.file.starts_with(&problem.file)) {
            accounts.entry(old.server_id.clone()).or_insert_with(|| old.clone());
        }
    }
    accounts.into_values().collect()
}

#[cfg(test)]
mod tests;
