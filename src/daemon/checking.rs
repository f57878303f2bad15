//! Checking a configuration, for `omadmd --check`.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::agent_state::{Parameters, Peer, Surroundings};
use crate::backend;
use crate::base::lane;
use crate::base::package_names::is_beside_another;
use crate::config::{self, Account, Environment, Selection, Settings};
use crate::mo::{self, ManagementObject};
use crate::spanned::{Problem, Problems, meant};
use crate::transport::Auth;
use crate::uri::Moid;
use crate::uri::server::unknown_parameters;

/// The result of a check: what is wrong with a configuration, and what the agent can run on, but is hardly meant.
#[derive(Debug)]
pub struct Checked {
    /// The problems: what is wrong.
    pub problems: Problems,
    /// The warnings: what is hardly meant.
    pub warnings: Problems,
}

/// Reads all files of a configuration, and says what is wrong with them.
#[must_use]
pub fn check(selection: &Selection, environment: &Environment) -> Checked {
    let loaded = config::check(selection, environment);
    let (mut problems, mut warnings) = (loaded.problems, Problems::default());
    let paths = &loaded.settings.paths;
    let wanted = mo::load::Wanted {
        ddf_base: loaded.settings.ddf_base.as_deref(),
        sysroot: &paths.sysroot,
        disabled: &loaded.settings.disabled_objects,
    };
    let mo::load::Loaded { objects, unserved, problems: mut found, warnings: doubts } =
        mo::load::load(&paths.mo, wanted);
    warnings.append(doubts);
    // One that is broken may have the MOID that is missed.
    let all_known = found.is_empty();
    for object in &objects {
        found.append(against_machine(object, &loaded.settings));
        warnings.append(mo::check::warnings(object));
        warnings.append(mo::check::of_others(object));
        for (path, bits) in [(&object.folder, 0o5), (&object.mapping_file, 0o4)] {
            kept_from_agent(path, bits, environment, &mut found);
        }
        warnings.append(mo::check::hidden(object));
        warnings.append(mo::check::unwritable(object, &paths.sysroot, environment.uid));
    }
    found.sort();
    problems.append(found);
    check_vetoes(&loaded.settings, &objects, &mut warnings);
    missing_ddf_base(selection, &objects, &mut warnings);
    for account in &loaded.accounts {
        kept_from_agent(&account.file, 0o4, environment, &mut problems);
        check_tls(account, &mut problems);
        check_templates(account, &mut warnings);
        if all_known {
            check_permissions(account, &objects, &unserved, &mut warnings);
        }
    }
    for folder in &paths.accounts {
        strays(folder, "an account", &mut warnings);
    }
    for folder in selection.drop_ins() {
        strays(&folder, "a drop-in", &mut warnings);
    }
    disabled_by_no_name(selection, &loaded.settings, &mut warnings);
    for folder in &paths.mo {
        stray_objects(folder, &objects, &mut warnings);
    }
    if !paths.mo.iter().any(|folder| folder.is_dir()) {
        for folder in &paths.mo {
            warnings.file(
                folder,
                "is not there: no folder of `paths.mo` is, so servers find no management object",
            );
        }
    }
    let (problems, mut warnings) = (mo::check::to_keys(&problems), mo::check::to_keys(&warnings));
    warnings.sort();
    Checked { problems, warnings }
}

pub(super) fn against_machine(object: &ManagementObject, settings: &Settings) -> Problems {
    let separated = settings.exec.socket.is_some();
    let machine = mo::check::CheckTarget { state: &settings.paths.state, separated };
    mo::check::to_keys(&mo::check::against_machine(object, &machine))
}

/// Finds what keeps the agent's user from a file that root, who checks by hand, has read: `bits` is what it needs there.
fn kept_from_agent(path: &Path, bits: u32, agent: &Environment, problems: &mut Problems) {
    if lane::announce(path).is_err() {
        return;
    }
    let Ok(metadata) = fs::metadata(path) else { return };
    if agent.is_kept(&metadata, bits) {
        let (mode, owner, group) = (metadata.mode() & 0o7777, metadata.uid(), metadata.gid());
        let what = format!(
            "can't be read by the agent's user (mode {mode:04o}, of user {owner} and group {group}): chgrp omadm, chmod g+rX"
        );
        problems.file(path, what);
    }
}

/// Checks the certificates and keys of an account, so that one that can't be used is found before the first session
/// needs it.
fn check_tls(account: &Account, problems: &mut Problems) {
    let peer = Peer::new(Arc::new(account.clone()), Arc::default(), Surroundings::default());
    if let Err(error) = peer.client(&Parameters::default()) {
        problems.file(&account.file, error.to_string());
    }
}

/// Notes a warning about a key whose line is not known any more.
fn note(warnings: &mut Problems, file: &Path, key: &str, what: String) {
    warnings.push(Problem { file: file.to_path_buf(), line: None, key: key.to_owned(), what });
}

/// Checks the templates of an account for names that are no parameter: `-1` in an address is hardly what somebody wants
/// who writes `[DevId]`.
fn check_templates(account: &Account, warnings: &mut Problems) {
    let user = match &account.auth {
        Auth::Basic { user, .. } | Auth::Digest { user, .. } => Some(("user", user)),
        Auth::None | Auth::Certificate { .. } => None,
    };
    let push = account.push.iter().flat_map(|push| {
        [("push.register-uri", &push.register_uri), ("push.unregister-uri", &push.unregister_uri)]
    });
    for (key, template) in [("server-uri", &account.server_uri)].into_iter().chain(push).chain(user) {
        for (name, meant) in unknown_parameters(template) {
            let meant = meant.map_or_else(String::new, |meant| format!("; did you mean `[{meant}]`?"));
            let what = format!("`[{name}]` is no parameter, and becomes -1{meant}");
            note(warnings, &account.file, key, what);
        }
    }
}

fn check_permissions(
    account: &Account,
    objects: &[Arc<ManagementObject>],
    unserved: &[Arc<ManagementObject>],
    warnings: &mut Problems,
) {
    let named = account.permissions.iter().map(|permission| &permission.moid);
    for moid in named.filter(|moid| **moid != "*") {
        if objects.iter().any(|object| object.answers_to(moid)) {
            continue;
        }
        if let Some(object) = unserved.iter().find(|object| object.answers_to(moid)) {
            let needs: Vec<_> = object.needs.iter().map(|path| path.to_string_lossy()).collect();
            let what = format!("{moid} is not served: there is no {}", needs.join(", nor "));
            note(warnings, &account.file, "permissions", what);
            continue;
        }
        let same = |object: &&Arc<ManagementObject>| {
            let unversioned = |moid: &Moid| moid.as_str().rsplit_once(':').map(|(name, _)| name.to_owned());
            unversioned(&object.moid) == unversioned(moid)
        };
        let close = meant(moid.as_str(), objects.iter().map(|object| object.moid.as_str()));
        let close = close.or_else(|| objects.iter().find(same).map(|object| object.moid.as_str()));
        let close = close.map_or_else(String::new, |close| format!("; did you mean {close:?}?"));
        note(
            warnings,
            &account.file,
            "permissions",
            format!("no management object has the MOID {moid:?}{close}"),
        );
    }
}

/// Checks the folder of the programs that are asked before an EXEC whose mapping says `veto`. That there is none of the
/// usual name is usual.
fn check_vetoes(settings: &Settings, objects: &[Arc<ManagementObject>], warnings: &mut Problems) {
    let folder = &settings.paths.exec_veto;
    match backend::not_asked(folder) {
        Ok(Some(mute)) => {
            for path in mute {
                warnings
                    .file(&path, "is not executable, and so not asked about EXECs: chmod +x, or remove it");
            }
        }
        Ok(None)
            if *folder != Settings::default().paths.exec_veto
                && objects.iter().any(|object| object.has_veto()) =>
        {
            warnings.file(folder, "is not there: nobody is asked about EXECs whose mapping says `veto`");
        }
        Ok(None) => {}
        Err(error) => warnings.file(folder, error.to_string()),
    }
}

/// Warns of a missing `ddf-base`, once: it is one setting for all objects.
fn missing_ddf_base(selection: &Selection, objects: &[Arc<ManagementObject>], warnings: &mut Problems) {
    let all: Vec<&str> =
        objects.iter().filter(|object| object.needs_ddf_base).map(|object| object.name.as_str()).collect();
    if !all.is_empty() {
        let what = format!(
            "is not set: a server that wants the description (DDF) of {} is told an address where nobody answers, and can't \
             know what these objects have, unless its operator brought it the files; all else works. Serve what \
             `omadmctl mo ddf DIR` writes for each as NAME.ddf.xml, and set ddf-base = \"https://…/\" below [objects]",
            all.join(", ")
        );
        let file = match selection {
            Selection::File(file) => file.clone(),
            Selection::Installed(roots) => roots.local.join("omadmd.toml"),
        };
        note(warnings, &file, "objects.ddf-base", what);
    }
}

/// Warns of names below `[objects] disable` that switch nothing off.
fn disabled_by_no_name(selection: &Selection, settings: &Settings, warnings: &mut Problems) {
    if settings.disabled_objects.is_empty() {
        return;
    }
    let names = mo::load::list(&settings.paths.mo, &mut Problems::default());
    let known: Vec<String> = names.iter().map(mo::load::Name::shown).collect();
    let root = selection.read(&mut Problems::default());
    let at = root.below("objects").and_then(|objects| objects.below("disable"));
    for name in settings.disabled_objects.iter().filter(|name| !known.contains(name)) {
        let meant = meant(name, known.iter().map(String::as_str));
        let meant = meant.map_or_else(String::new, |meant| format!("; did you mean {meant:?}?"));
        warnings.at(
            at.unwrap_or(&root),
            "objects.disable",
            format!("no folder of `paths.mo` has an object {name:?}: nothing is switched off by it{meant}"),
        );
    }
}

/// The entries of a folder, less those that are hidden, by name; whether it can be read at all, others say.
fn entries(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let entries = entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()));
    entries.filter(|(name, _)| !name.starts_with('.')).collect()
}

/// Whether a file looks as if it were meant to be read, or was: `acme.conf`, `acme.tml`, `acme.toml~`, `acme.toml.bak`.
/// What a package manager has left beside another is its own affair, and told by it.
fn is_stray(name: &str) -> bool {
    let is_read = name.ends_with(".toml") || name.ends_with(".xml");
    let is_left = !name.ends_with('~') && is_beside_another(name.as_ref());
    let name = name.to_ascii_lowercase();
    let is_foreign = [".conf", ".cfg", ".ini", ".yaml", ".yml"].iter().any(|ending| name.ends_with(ending));
    let is_mistyped = || name.rsplit_once('.').is_some_and(|(_, ending)| meant(ending, ["toml"]).is_some());
    !is_read && !is_left && (is_foreign || name.contains(".toml") || name.contains(".xml") || is_mistyped())
}

/// Warns of files in a folder of `what` that are not read, and look as if they were meant to be.
fn strays(folder: &Path, what: &str, warnings: &mut Problems) {
    for (name, path) in entries(folder) {
        if is_stray(&name) && path.is_file() {
            warnings.file(&path, format!("is not read: the file of {what} ends in .toml"));
        }
    }
}

/// Warns of files in a folder of objects, or in theirs, that are not read.
pub(crate) fn stray_objects(folder: &Path, objects: &[Arc<ManagementObject>], warnings: &mut Problems) {
    for (name, path) in entries(folder) {
        if path.is_file() {
            if is_stray(&name) || name.ends_with(".toml") || name.ends_with(".xml") {
                warnings.file(&path, "is not read: each management object has a folder of its own in here");
            }
            continue;
        }
        let mapping = objects.iter().find(|object| object.folder == path).map(|object| &*object.mapping_file);
        strays_beside(&path, mapping, warnings);
    }
}

/// Warns of files in an object's folder that are not read, where its mapping is known.
pub(crate) fn strays_beside(folder: &Path, mapping: Option<&Path>, warnings: &mut Problems) {
    for (name, file) in entries(folder) {
        let is_other = mapping.is_some_and(|mapping| *mapping != file) && name.ends_with(".toml");
        if (is_other || is_stray(&name)) && file.is_file() {
            let read = mapping.and_then(Path::file_name).unwrap_or_default().display();
            let what = if is_other {
                format!("is not read: the mapping is {read}")
            } else {
                "is not read".to_owned()
            };
            warnings.file(&file, what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::files;

    #[test]
    fn a_drop_in_whose_name_is_mistyped_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let [vendor, local] = ["vendor", "local"].map(|name| folder.path().join(name));
        let put = |name: &str| {
            let file = local.join("omadmd.d").join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            files::replace(&file, b"", 0o644).unwrap();
        };
        ["10-site.tml", "20-site.toml", "30-site.toml.dpkg-dist"].into_iter().for_each(put);
        let checked = check(&Selection::Installed(config::Roots { vendor, local }), &Environment::current());
        let told = checked.warnings.iter().map(ToString::to_string);
        let told: Vec<String> = told.filter(|told| told.contains("-site")).collect();
        assert!(
            told.len() == 1
                && told[0].ends_with("10-site.tml: is not read: the file of a drop-in ends in .toml"),
            "{told:?}"
        );
    }
}
