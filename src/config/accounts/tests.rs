use std::fs;

use tempfile::TempDir;

use super::*;
use crate::config::Environment;

struct Device(TempDir);

impl Device {
    fn new(files: &[(&str, &str)]) -> Self {
        let device = Self(tempfile::tempdir().unwrap());
        for (name, id) in files {
            device.put(name, &account(id));
        }
        device
    }

    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self) -> (Vec<Account>, Problems) {
        let environment = Environment::current();
        let context = AccountContext { allow_http: false, environment: &environment };
        load(&[self.path("usr"), self.path("etc")], context)
    }
}

fn account(id: &str) -> String {
    format!("server-uri = \"https://dm.example\"\nserver-id = \"{id}\"\n")
}

fn ids(accounts: &[Account]) -> Vec<&str> {
    accounts.iter().map(|account| account.server_id.as_str()).collect()
}

#[test]
fn accounts_come_by_server_id_and_a_local_file_replaces_the_vendors() {
    let device = Device::new(&[
        ("usr/1.toml", "z"),
        ("usr/2.toml", "vendor"),
        ("etc/2.toml", "m"),
        ("etc/3.toml", "a"),
    ]);
    let (accounts, problems) = device.load();
    assert!(problems.is_empty(), "{problems}");
    assert_eq!(ids(&accounts), ["a", "m", "z"]);
}

#[test]
fn folders_need_not_be_there() {
    let (accounts, problems) = Device::new(&[]).load();
    assert!(accounts.is_empty() && problems.is_empty());
}

#[test]
fn two_accounts_with_one_server_id_are_an_error_that_names_both() {
    let device = Device::new(&[("etc/b.toml", "x"), ("usr/a.toml", "x")]);
    let (accounts, problems) = device.load();
    assert_eq!(accounts.len(), 1);
    assert_eq!(accounts[0].file, device.path("usr/a.toml"));
    let (first, second) = (device.path("usr/a.toml"), device.path("etc/b.toml"));
    assert_eq!(
        problems.to_string(),
        format!("{}:2: server-id: \"x\" is the server-id of {} already", second.display(), first.display())
    );
}

#[test]
fn a_broken_first_owner_of_an_id_leaves_it_to_the_second_and_both_errors_are_said() {
    let device = Device::new(&[("etc/b.toml", "x")]);
    device.put("etc/a.toml", &format!("odd = 1\n{}", account("x")));
    let (accounts, problems) = device.load();
    assert_eq!(accounts[0].file, device.path("etc/b.toml"));
    assert_eq!(problems.len(), 2, "{problems}");
}

#[test]
fn a_first_owner_of_an_id_that_is_not_read_to_its_end_does_not_leave_it_to_the_second() {
    let device = Device::new(&[("etc/a.toml", "x"), ("etc/b.toml", "x"), ("etc/c.toml", "y")]);
    let mut problems = Problems::default();
    let files = list(&[device.path("etc")], &mut problems);
    assert_eq!(files.len(), 3);
    let all = files.into_iter().map(|file| {
        let mut claim = None;
        let environment = Environment::current();
        let context = AccountContext { allow_http: false, environment: &environment };
        let one = One::read(&file, context, |found| claim = Some(found));
        let is_read = !file.ends_with("a.toml");
        (file, claim, is_read.then_some(one))
    });
    let accounts = combine(all.collect(), &mut problems);
    assert_eq!(ids(&accounts), ["y"], "{problems}");
    assert!(problems.iter().any(|problem| problem.file == device.path("etc/b.toml")), "{problems}");
}

#[test]
fn broken_accounts_are_left_out_and_all_their_problems_are_said() {
    let device = Device::new(&[("etc/good.toml", "good")]);
    device.put("etc/a.toml", "name = 1\n");
    device.put("etc/b.toml", "server-id = \n");
    let (accounts, problems) = device.load();
    assert_eq!(ids(&accounts), ["good"]);
    let of = |name: &str| problems.iter().filter(|problem| problem.file == device.path(name)).count();
    assert_eq!(of("etc/a.toml"), 3, "{problems}");
    assert!(of("etc/b.toml") >= 1, "{problems}");
}

#[test]
fn a_running_agent_keeps_what_broke_and_lets_go_what_went() {
    let device =
        Device::new(&[("etc/a.toml", "a"), ("etc/b.toml", "b"), ("etc/c.toml", "c"), ("etc/d.toml", "d")]);
    let (previous, _) = device.load();
    device.put("etc/a.toml", "nonsense");
    fs::remove_file(device.path("etc/b.toml")).unwrap();
    // The id moves to another file while its old one breaks.
    device.put("etc/c.toml", "nonsense");
    device.put("etc/e.toml", &account("c"));
    let (loaded, problems) = device.load();
    assert_eq!(ids(&loaded), ["c", "d"]);
    let kept = keep_broken(loaded, &problems, &previous);
    assert_eq!(ids(&kept), ["a", "c", "d"]);
    assert_eq!(kept[1].file, device.path("etc/e.toml"));
}
