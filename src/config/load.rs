//! Loading: files in, settings and accounts out.

use super::account::{Account, AccountContext};
use super::accounts;
use super::environment::Environment;
use super::fragments::Selection;
use super::settings::Settings;
use crate::mo::check::to_keys;
use crate::spanned::Problems;

/// A configuration to run on, and the problems of its files.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// The accounts without a problem, sorted by server-id.
    pub accounts: Vec<Account>,
    /// All problems of the files, settings first.
    pub problems: Problems,
    /// Whether the settings are the vendor's alone, because what is installed is broken.
    pub fell_back: bool,
}

/// Reads everything there is, to say all that is wrong with it at once. The settings are what remains of broken files:
/// to look further with, not to run on.
#[must_use]
pub fn check(selection: &Selection, environment: &Environment) -> Loaded {
    let mut problems = Problems::default();
    let root = selection.read(&mut problems);
    let settings = Settings::read(&root, &mut problems);
    let mut problems = to_keys(&problems);
    problems.sort();
    with_accounts(settings, problems, environment)
}

/// Settings to run on, and the problems of their files.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedSettings {
    /// The settings.
    pub settings: Settings,
    /// All problems of the files.
    pub problems: Problems,
    /// Whether the settings are the vendor's alone, because what is installed is broken.
    pub fell_back: bool,
}

/// Reads settings to run on. Where an installed configuration's are broken, the vendor's take their place, and where
/// these are broken too, the defaults: a gateway must come up.
///
/// # Errors
/// All that is wrong with it and with its accounts, where it is a single file (`--config FILE`) and broken.
pub fn load_settings(selection: &Selection, environment: &Environment) -> Result<LoadedSettings, Problems> {
    let mut problems = Problems::default();
    let root = selection.read(&mut problems);
    let settings = Settings::read(&root, &mut problems);
    let mut problems = to_keys(&problems);
    problems.sort();
    if problems.is_empty() {
        return Ok(LoadedSettings { settings, problems, fell_back: false });
    }
    let mut vendors = Problems::default();
    let Some(root) = selection.read_vendor(&mut vendors) else {
        return Err(with_accounts(settings, problems, environment).problems);
    };
    let vendor = Settings::read(&root, &mut vendors);
    let settings = if vendors.is_empty() { vendor } else { Settings::default() };
    problems.append_new(vendors);
    Ok(LoadedSettings { settings, problems, fell_back: true })
}

fn with_accounts(settings: Settings, mut problems: Problems, environment: &Environment) -> Loaded {
    let context = AccountContext { allow_http: settings.session.allow_http, environment };
    let (accounts, found) = accounts::load(&settings.paths.accounts, context);
    problems.append(found);
    Loaded { settings, accounts, problems, fell_back: false }
}

#[cfg(test)]
mod tests;
