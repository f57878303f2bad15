//! Packages have the version of the program, and know the folders of its state.

use std::collections::BTreeSet;

use crate::support::named::root;

/// Each place that names the version: its file, what stands before, and what stands behind.
const VERSIONS: [(&str, &str, &str); 9] = [
    ("CHANGELOG.md", "\n## ", " "),
    ("packaging/deb/changelog", "omadm-agent (", "-1)"),
    ("packaging/lab/changelog", "omadm-lab (", "-1)"),
    ("packaging/rpm/omadm-agent.spec", "@example.org> - ", "-1\n"),
    ("packaging/rpm/omadm-lab.spec", "@example.org> - ", "-1\n"),
    ("packaging/openwrt/Makefile", "\nPKG_VERSION:=", "\n"),
    ("packaging/yocto/recipes-connectivity/omadm-agent/omadm-agent_git.bb", "\nPV = \"", "+git\"\n"),
    ("Cargo.lock", "name = \"omadm-agent\"\nversion = \"", "\""),
    ("tests/fuzz/Cargo.lock", "name = \"omadm-agent\"\nversion = \"", "\""),
];

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap()
}

/// What stands between two texts in a file.
fn between(file: &str, before: &str, behind: &str) -> String {
    let text = read(file);
    let (_, from) = text.split_once(before).unwrap_or_else(|| panic!("{file}: nothing behind {before:?}"));
    let (found, _) = from.split_once(behind).unwrap_or_else(|| panic!("{file}: no {behind:?}"));
    found.to_owned()
}

/// A package that is called otherwise than its program can be neither told from another nor upgraded.
#[test]
fn every_package_has_the_version_of_the_program() {
    for (file, before, behind) in VERSIONS {
        assert_eq!(between(file, before, behind), env!("CARGO_PKG_VERSION"), "{file}");
    }
}

/// The folders in `/var/lib` that a text names.
fn folders(text: &str) -> impl Iterator<Item = String> + '_ {
    let is_name = |c: &char| c.is_ascii_lowercase() || *c == '-';
    text.split("/var/lib/omadm").skip(1).map(move |rest| {
        let name: String = rest.chars().take_while(is_name).collect();
        format!("omadm{name}")
    })
}

/// What a purge forgets is left to the next owner of the gateway: a firmware image, or the password of a network.
#[test]
fn whatever_keeps_state_is_purged_and_documented_and_has_a_place_on_a_read_only_system() {
    let mut keepers: Vec<String> = ["src/config/settings.rs", "src/helper/rules.rs"].map(read).to_vec();
    let programs = root().join("packaging/exec").read_dir().unwrap().map(|entry| entry.unwrap().path());
    keepers.extend(programs.filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).unwrap()));
    let state: BTreeSet<String> = keepers.iter().flat_map(|text| folders(text)).collect();
    let words = |list: String| list.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(words(between("packaging/deb/postrm", "for folder in omadm ", ";") + " omadm"), state);
    let layer = "packaging/yocto/recipes-connectivity/omadm-agent/files/omadm-data";
    assert_eq!(words(between(layer, "for name in ", ";")), state);
    let table = between("docs/packages.md", "\n### What is state\n", "\n### ");
    assert_eq!(folders(&table).collect::<BTreeSet<_>>(), state);
    assert!(state.len() > 4, "{state:?}");
}
