//! A folder of configuration, and what `omadmd --check` says of it.
#![allow(clippy::disallowed_methods, reason = "a test's own files")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use omadm_agent::lab::Authority;
use tempfile::TempDir;

/// A folder in which `omadmd --check` is run, with all the files that the pages name.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let authority = Authority::new("documentation").unwrap();
        let client = authority.client("gateway").unwrap();
        for accounts in ["accounts", "credentials", "."] {
            folder.put(&format!("{accounts}/acme-ca.pem"), &client.certificate_pem, 0o644);
            folder.put(&format!("{accounts}/acme.key"), &client.key_pem, 0o600);
            for (name, content) in [("acme.pw", "password\n"), ("acme.notify", "secret\n"), ("empty", "")] {
                folder.put(&format!("{accounts}/{name}"), content, 0o600);
            }
        }
        fs::copy(folder.path("credentials/acme.notify"), folder.path("credentials/acme-notify")).unwrap();
        fs::copy(folder.path("credentials/acme.key"), folder.path("credentials/globex-key")).unwrap();
        fs::create_dir_all(folder.path("mo")).unwrap();
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, content: &str, mode: u32) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Writes a file of a management object; the programs of /usr/lib/acme that it names are there.
    pub(crate) fn mo(&self, name: &str, content: &str) {
        let programs = self.path("lib").display().to_string();
        for (at, _) in content.match_indices("/usr/lib/acme/") {
            let program: String = content[at + 14..].chars().take_while(|c| *c != '"').collect();
            self.put(&format!("lib/{program}"), "#!/bin/sh\n", 0o755);
        }
        self.put(&format!("mo/{name}"), &content.replace("/usr/lib/acme", &programs), 0o644);
    }

    /// All that `omadmd --check` says of these settings, the folder's accounts and its objects.
    pub(crate) fn check(&self, settings: &str) -> Vec<String> {
        let paths = [("mo", "[\"mo\"]"), ("accounts", "[\"accounts\"]"), ("state", "\"state\"")];
        let (mut before, mut own) = (String::new(), settings.to_owned());
        if !settings.contains("[paths]") {
            own.push_str("\n[paths]\n");
        }
        for (key, value) in paths {
            if !settings.contains(&format!("\n{key} = ")) {
                let _ = writeln!(before, "{key} = {value}");
            }
        }
        let own = own.replacen("[paths]\n", &format!("[paths]\n{before}"), 1);
        self.put("omadmd.toml", &own, 0o644);
        let mut command = Command::new(env!("CARGO_BIN_EXE_omadmd"));
        command.arg("--check").arg("--config").arg(self.path("omadmd.toml"));
        let output = command.env("CREDENTIALS_DIRECTORY", self.path("credentials")).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.success(), said.is_empty(), "{said}");
        said.lines().map(str::to_owned).collect()
    }
}

/// The keys that the program lists as expected beside `zzz`, and the rest of what it says.
pub(crate) fn expected_beside(said: &[String]) -> BTreeSet<String> {
    let lists = said.iter().filter(|line| line.contains("zzz: unknown key"));
    let lists = lists.filter_map(|line| line.split_once("expected one of: "));
    lists.flat_map(|(_, keys)| keys.split(", ").map(str::to_owned)).filter(|key| key != "zzz").collect()
}

/// What is said of each of the files, by their names.
pub(crate) fn by_file(said: &[String], folder: &str) -> BTreeMap<String, Vec<String>> {
    let mut by_file: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in said {
        let (_, rest) = line.split_once(&format!("/{folder}/")).unwrap_or_else(|| panic!("{line}"));
        let end = rest.find(['/', '.', ':']).unwrap();
        by_file.entry(rest[..end].to_owned()).or_default().push(line.clone());
    }
    by_file
}
