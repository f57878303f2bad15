//! Checks that need the machine: is the script there, and can nobody else change what root runs?

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path};

use nix::unistd::{User, geteuid};

use crate::base::lane;
use crate::spanned::{Problem, Problems};

use super::super::join::node_key;
use super::super::mapping::{Call, ListFrom, NodeMapping, Program, RecordsPlace, SourceKind};
use super::super::object::ManagementObject;
use super::super::template::Template;

/// The user that the agent is, which a machine without the package lacks.
const AGENT_USER: &str = "omadm";

/// The machine that mappings are checked against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckTarget<'a> {
    /// The state folder, where the agent may write.
    pub state: &'a Path,
    /// Whether privileges are separated (`exec.socket` is set): then the agent itself can write nowhere else.
    pub separated: bool,
}

/// Checks what `object` runs and writes: programs are there and executable; what runs as root can't be changed by
/// others; with privileges separated, writes outside the state folder are marked `privileged`.
#[must_use]
pub(crate) fn against_machine(object: &ManagementObject, machine: &CheckTarget<'_>) -> Problems {
    let mut problems = Problems::default();
    for id in object.ids() {
        let mapping = &object.node(id).mapping;
        let key = node_key(&object.path(id));
        let mut told = Vec::new();
        for (what, argv) in readers(mapping) {
            told.extend(program(argv).err().map(|why| format!("`{what}`: {why}")));
        }
        for (what, call) in calls(mapping) {
            told.extend(check_call(call, machine).err().map(|why| format!("`{what}`: {why}")));
        }
        for what in told {
            let (file, line) = (object.mapping_file.clone(), Some(mapping.line));
            problems.push(Problem { file, line, key: key.clone(), what });
        }
    }
    problems
}

/// What keeps the agent's user, or the helper, from the files of an object which is installed: what is hardly meant.
#[must_use]
pub(crate) fn of_others(object: &ManagementObject) -> Problems {
    let mut problems = Problems::default();
    for id in object.ids() {
        let mapping = &object.node(id).mapping;
        for (key, call) in calls(mapping) {
            let Call::Run(Program { user, .. }) = call else { continue };
            if user != AGENT_USER && matches!(User::from_name(user), Ok(None)) {
                let (file, line) = (object.mapping_file.clone(), Some(mapping.line));
                let what = format!("`{key}.user`: there is no user called {user:?}");
                problems.push(Problem { file, line, key: node_key(&object.path(id)), what });
            }
        }
    }
    let helped = object.ids().any(|id| takes_helper(&object.node(id).mapping));
    for path in [&object.folder, &object.mapping_file] {
        if lane::announce(path).is_err() {
            continue;
        }
        let Ok(metadata) = fs::metadata(path) else { continue };
        let (owner, mode) = (metadata.uid(), metadata.mode());
        // On a desk, they are of whoever writes them.
        let is_foreign = owner != 0 && owner != geteuid().as_raw();
        if helped && (is_foreign || mode & 0o002 != 0 || owner == 0 && mode & 0o020 != 0) {
            problems.file(
                path,
                "is not root's alone, and omadm-exec believes no other: chown root:root, chmod go-w",
            );
        }
    }
    problems
}

/// What keeps the agent's user from reading an object that is root's alone: whoever checks it here may read it.
#[must_use]
pub(crate) fn of_root_alone(object: &ManagementObject) -> Problems {
    let mut problems = Problems::default();
    for (path, read) in [(&object.folder, 0o005), (&object.mapping_file, 0o004)] {
        if lane::announce(path).is_err() {
            continue;
        }
        let Ok(metadata) = fs::metadata(path) else { continue };
        if metadata.uid() == 0 && metadata.gid() == 0 && metadata.mode() & read != read {
            problems.file(path, "can't be read by the agent's user: chmod o+rX");
        }
    }
    problems
}

/// Whether anything of a mapping is done by the privileged helper.
fn takes_helper(mapping: &NodeMapping) -> bool {
    let by_call = |call: &Call| match call {
        Call::Run(_) => true,
        Call::File { privileged, .. } | Call::Bus { privileged, .. } => *privileged,
        Call::Store => false,
    };
    mapping.get.iter().any(|source| source.privileged)
        || mapping.list.as_deref().is_some_and(|list| list.privileged)
        || calls(mapping).any(|(_, call)| by_call(call))
}

/// Finds files below `sysroot` that `object` writes, and that this user can't: what is hardly meant.
#[must_use]
pub(crate) fn unwritable(object: &ManagementObject, sysroot: &Path, user: u32) -> Problems {
    let mut problems = Problems::default();
    for id in object.ids() {
        let mapping = &object.node(id).mapping;
        for (what, call) in calls(mapping) {
            let Call::File { path, privileged: false, .. } = call else { continue };
            let Some(path) = path.literal() else { continue };
            let Some(why) = refused(&sysroot.join(path.trim_start_matches('/')), user) else { continue };
            let (file, line) = (object.mapping_file.clone(), Some(mapping.line));
            let what = format!("`{what}`: {why}");
            problems.push(Problem { file, line, key: node_key(&object.path(id)), what });
        }
    }
    problems
}

/// Why a file can't be written by that user, so far as owner and mode tell; which groups the service gives it is not
/// known. The kernel's own files are written in place, others are replaced, which takes the folder.
fn refused(path: &Path, user: u32) -> Option<String> {
    let place = if lane::takes_requests(path) { path } else { path.parent()? };
    lane::announce(place).ok()?;
    let metadata = match fs::metadata(place) {
        Ok(metadata) => metadata,
        Err(error) => return Some(format!("{}: {error}", place.display())),
    };
    let bits = if metadata.uid() == user { 0o200 } else { 0o022 };
    let is_writable = user == 0 || metadata.mode() & bits != 0;
    (!is_writable).then(|| {
        format!(
            "the agent's user may not write to {}, which belongs to user {}",
            place.display(),
            metadata.uid()
        )
    })
}

/// The programs of a mapping whose output is read.
fn readers(mapping: &NodeMapping) -> Vec<(&'static str, &[Template])> {
    let get = mapping.get.iter().filter_map(|source| match &source.from {
        SourceKind::Run(argv) => Some(("get.run", argv.as_slice())),
        _ => None,
    });
    let list = mapping.list.iter().filter_map(|list| match &list.from {
        ListFrom::Records { place: RecordsPlace::Run(argv), .. } => Some(("list.run", argv.as_slice())),
        _ => None,
    });
    get.chain(list).collect()
}

/// What a mapping changes and does, each with its key.
pub(super) fn calls(mapping: &NodeMapping) -> impl Iterator<Item = (&'static str, &Call)> {
    mapping.calls()
}

fn check_call(call: &Call, machine: &CheckTarget<'_>) -> Result<(), String> {
    match call {
        Call::Run(Program { argv, user, .. }) => {
            let path = program(argv)?;
            if machine.separated || user == "root" { only_root_writes(path) } else { Ok(()) }
        }
        Call::File { path, privileged: false, .. } if machine.separated => {
            let start = Path::new(path.literal_start());
            let inside = start.starts_with(machine.state)
                && start.components().all(|component| component != Component::ParentDir);
            if inside {
                return Ok(());
            }
            Err(format!(
                "{path} is outside the state folder: with a helper, as in the package, that takes `privileged = true`"
            ))
        }
        _ => Ok(()),
    }
}

/// Why a program that is there can't be run: what its first line names is not.
fn interpreter(path: &Path) -> Result<(), String> {
    let mut begin = [0; 256];
    let read = File::open(path).and_then(|mut file| file.read(&mut begin)).unwrap_or_default();
    let text = String::from_utf8_lossy(begin.get(..read).unwrap_or_default());
    let line = text.lines().next().and_then(|line| line.strip_prefix("#!"));
    let Some(named) = line.and_then(|line| line.split_whitespace().next()) else { return Ok(()) };
    if Path::new(named.trim_end()).exists() {
        return Ok(());
    }
    let hint =
        if line.is_some_and(|line| line.ends_with('\r')) { ", and its lines end as DOS's do" } else { "" };
    Err(format!("{} needs {named:?}, which is not there{hint}", path.display()))
}

/// The path of a program, if there is one that can be run.
fn program(argv: &[Template]) -> Result<&Path, String> {
    let path = Path::new(argv.first().and_then(Template::literal).unwrap_or_default());
    lane::announce(path).map_err(|stuck| format!("{}: {stuck}", path.display()))?;
    let metadata = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if !metadata.is_file() {
        return Err(format!("{} is no file", path.display()));
    }
    if metadata.mode() & 0o111 == 0 {
        return Err(format!("{} is not executable: chmod +x", path.display()));
    }
    interpreter(path)?;
    Ok(path)
}

/// Checks that neither the program nor the folder it is in may be written by others, nor a folder above, unless it is
/// sticky (as /tmp is): there, others can't replace what is not theirs.
fn only_root_writes(program: &Path) -> Result<(), String> {
    // Symbolic links would hide the folder that counts.
    let real = fs::canonicalize(program).map_err(|error| format!("{}: {error}", program.display()))?;
    for (depth, path) in real.ancestors().enumerate() {
        let metadata = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let owner = metadata.uid();
        if owner != 0 && owner != geteuid().as_raw() {
            return Err(format!(
                "only what is root's is run, and {} belongs to user {owner}",
                path.display()
            ));
        }
        let sticky = depth > 1 && metadata.mode() & 0o1000 != 0;
        if metadata.mode() & 0o022 != 0 && !sticky {
            return Err(format!(
                "only what is root's is run, and others may write to {}: chmod go-w, and chown it to root",
                path.display()
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_by_who_may_write_to_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (file, own) = (folder.path().join("file"), geteuid().as_raw());
        let mode = |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        let other = own + 4321;
        mode(0o755);
        assert_eq!(refused(&file, own), None);
        assert!(refused(&file, other).unwrap().contains("may not write to"));
        mode(0o775);
        assert_eq!(refused(&file, other), None, "it may be of that group");
        assert_eq!(refused(&file, 0), None);
        assert!(refused(&folder.path().join("gone/file"), other).unwrap().contains("No such file"));
    }
}
