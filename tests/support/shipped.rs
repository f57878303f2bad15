//! The objects that ship, as they are for a test: their programs are the project's, and nothing takes root.

use std::path::{Path, PathBuf};

use super::Bench;

/// A file or a folder of the project.
pub(crate) fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The mapping of an object that ships.
pub(crate) fn mapping(name: &str) -> String {
    let text = std::fs::read_to_string(project("mo").join(name).join(format!("{name}.toml"))).unwrap();
    text.replace("/usr/lib/omadm/exec/", &format!("{}/", project("packaging/exec").display()))
        .replace(", privileged = true", "")
        .replace(", user = \"root\"", "")
        .replace("\nuser = \"root\"", "")
        .replace("\nexec.user = \"root\"", "")
}

/// Puts all of them into a bench, also those that need something which this machine has not. How many they are.
pub(crate) fn put_all(bench: &Bench) -> usize {
    let folders = std::fs::read_dir(project("mo")).unwrap().map(|entry| entry.unwrap().path());
    let names = folders.filter(|path| path.is_dir()).map(|path| path.file_name().unwrap().to_owned());
    let names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    for name in &names {
        let mapping = mapping(name).replace("\nneeds = [", "\nneeds = [\"/proc\", ");
        bench.gateway.put_mo(name, &format!("{name}.toml"), &mapping).unwrap();
    }
    names.len()
}
