use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::config::Roots;

#[expect(clippy::disallowed_methods, reason = "a test's own files")]
fn device(files: &[(&str, &str)]) -> (TempDir, Selection) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let roots = Roots { vendor: folder.path().join("usr"), local: folder.path().join("etc") };
    (folder, Selection::Installed(roots))
}

const VENDOR: (&str, &str) = (
    "usr/omadmd.toml",
    "[session]\nretries = 1\n[exec]\nsocket = \"/run/omadm/exec.sock\"\n[paths]\naccounts = [\"../etc/accounts.d\"]\n",
);
const ACCOUNT: (&str, &str) =
    ("etc/accounts.d/a.toml", "server-id = \"a\"\nserver-uri = \"https://dm.example\"\n");

/// What the agent runs on.
fn load(selection: &Selection, environment: &Environment) -> Result<Loaded, Problems> {
    let LoadedSettings { settings, problems, fell_back } = load_settings(selection, environment)?;
    Ok(Loaded { fell_back, ..with_accounts(settings, problems, environment) })
}

fn loaded(files: &[(&str, &str)]) -> Loaded {
    let (_folder, selection) = device(files);
    load(&selection, &Environment::current()).unwrap()
}

#[test]
fn what_is_right_is_taken_as_written() {
    let found = loaded(&[VENDOR, ACCOUNT, ("etc/omadmd.toml", "session.retries = 2\n")]);
    assert!(found.problems.is_empty(), "{}", found.problems);
    assert!(!found.fell_back);
    assert_eq!(found.settings.session.retries, 2);
    assert_eq!(found.settings.exec.socket.as_deref(), Some(Path::new("/run/omadm/exec.sock")));
    assert_eq!(found.accounts.len(), 1);
}

#[test]
fn a_broken_local_file_leaves_the_vendors_configuration_and_the_accounts() {
    for broken in ["session.retries = ", "session.retries = \"x\"", "odd = 1", "session.retries = 3\nodd = 1"]
    {
        let found = loaded(&[
            VENDOR,
            ACCOUNT,
            ("etc/omadmd.toml", broken),
            ("usr/omadmd.d/1.toml", "session.max-packages = 7"),
        ]);
        assert!(found.fell_back, "{broken}");
        assert!(!found.problems.is_empty());
        assert_eq!((found.settings.session.retries, found.settings.session.max_packages), (1, 7));
        assert_eq!(found.accounts.len(), 1);
    }
}

#[test]
fn a_broken_vendor_file_as_well_leaves_the_defaults() {
    let found = loaded(&[
        ("usr/omadmd.toml", "session.retries = \"x\""),
        ("etc/omadmd.toml", "session.retries = \"y\""),
    ]);
    assert!(found.fell_back);
    let defaults = Settings::default();
    assert_eq!(
        (found.settings.session, found.settings.notification),
        (defaults.session, defaults.notification)
    );
    // The vendor's error was hidden by the local file's until the vendor's was needed.
    let said: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
    assert!(
        said[0].contains("/etc/omadmd.toml:1: session.retries: ") && said[0].ends_with("found \"y\""),
        "{said:?}"
    );
    assert!(
        said[1].contains("/usr/omadmd.toml:1: session.retries: ") && said[1].ends_with("found \"x\""),
        "{said:?}"
    );
}

#[test]
fn a_broken_account_is_no_reason_to_fall_back() {
    let found = loaded(&[
        VENDOR,
        ACCOUNT,
        ("etc/accounts.d/b.toml", "odd = 1"),
        ("etc/omadmd.toml", "session.retries = 2"),
    ]);
    assert!(!found.fell_back);
    assert_eq!(found.settings.session.retries, 2);
    assert_eq!(found.accounts.len(), 1);
    assert_eq!(found.problems.len(), 3, "{}", found.problems);
}

#[test]
fn a_single_broken_file_has_nothing_to_fall_back_to() {
    let (folder, _) = device(&[
        ACCOUNT,
        ("etc/accounts.d/b.toml", "odd = 1"),
        ("one.toml", "odd = 1\npaths.accounts = [\"etc/accounts.d\"]"),
    ]);
    let selection = Selection::File(folder.path().join("one.toml"));
    let problems = load(&selection, &Environment::current()).unwrap_err();
    assert_eq!(problems.len(), 4, "{problems}");
    let missing = Selection::File(folder.path().join("none.toml"));
    assert!(load(&missing, &Environment::current()).is_err());
}

#[test]
fn a_check_says_all_errors_of_all_files_at_once() {
    let (folder, selection) = device(&[
        ("usr/omadmd.toml", "[session]\nretries = \"x\"\n"),
        ("usr/omadmd.d/10-a.toml", "\nodd = 1\n"),
        ("etc/omadmd.toml", "[exec]\nsync-limit = 5\n[paths]\naccounts = [\"accounts.d\"]\n"),
        ("etc/omadmd.d/20-a.toml", "dbus.address = \n"),
        ("etc/accounts.d/a.toml", "server-id = \"a\"\n"),
        ("etc/accounts.d/b.toml", "server-id = \"a\"\nserver-uri = \"https://dm.example\"\nauth = 1\n"),
    ]);
    let found = check(&selection, &Environment::current());
    let root = format!("{}/", folder.path().display());
    let said: Vec<String> = found
        .problems
        .iter()
        .map(|problem| problem.to_string().strip_prefix(&root).unwrap().to_owned())
        .collect();
    for (said, start) in said.iter().zip([
        "etc/omadmd.d/20-a.toml:1: not valid TOML: ",
        "etc/omadmd.toml:2: exec.sync-limit: expected a duration from ",
        "usr/omadmd.d/10-a.toml:2: odd: unknown key; expected one of: ",
        "usr/omadmd.toml:2: session.retries: expected an integer from 0 to 100, found ",
        "etc/accounts.d/a.toml:1: `server-uri` is missing: expected a string",
        "etc/accounts.d/b.toml:1: server-id: \"a\" is the server-id of ",
        "etc/accounts.d/b.toml:3: auth: expected a table, found an integer",
    ]) {
        assert!(said.starts_with(start), "{said} is not {start}");
    }
    assert_eq!(said.len(), 7, "{said:?}");
}
