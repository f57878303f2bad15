use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;
use crate::spanned::Item;

/// `/usr/lib/omadm` and `/etc/omadm` of a test.
struct Device {
    folder: TempDir,
    selection: Selection,
}

impl Device {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let roots = Roots { vendor: folder.path().join("usr"), local: folder.path().join("etc") };
        let device = Self { folder, selection: Selection::Installed(roots) };
        for (name, text) in files {
            device.put(name, text);
        }
        device
    }

    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn read(&self) -> (Located, Problems) {
        let mut problems = Problems::default();
        let root = self.selection.read(&mut problems);
        (root, problems)
    }

    /// The value of `k`, where nothing is wrong.
    fn k(&self) -> Option<String> {
        let (root, problems) = self.read();
        assert!(problems.is_empty(), "{problems}");
        string(&root, "k")
    }
}

fn string(root: &Located, key: &str) -> Option<String> {
    let Item::Table(table) = &root.item else { panic!("not a table") };
    let Item::String(text) = &table.get(key)?.item else { panic!("not a string") };
    Some(text.clone())
}

#[test]
fn nothing_has_to_be_there() {
    assert_eq!(Device::new(&[]).k(), None);
}

#[test]
fn the_later_wins_in_the_documented_order() {
    // Each line's file is read after the one before.
    let order = [
        "usr/omadmd.toml",
        "etc/omadmd.toml",
        "usr/omadmd.d/10-a.toml",
        "etc/omadmd.d/20-a.toml",
        "usr/omadmd.d/30-a.toml",
        "etc/omadmd.d/9-a.toml",
    ];
    for last in 1..=order.len() {
        let device = Device::new(&[]);
        for name in &order[..last] {
            device.put(name, format!("k = \"{name}\"\n\"{name}\" = \"there\"\n"));
        }
        assert_eq!(device.k().as_deref(), Some(order[last - 1]));
        // None was left out.
        for name in &order[..last] {
            assert_eq!(string(&device.read().0, name).as_deref(), Some("there"));
        }
    }
}

#[test]
fn a_local_drop_in_replaces_the_vendors_of_the_same_name_as_a_whole() {
    let device = Device::new(&[
        ("usr/omadmd.d/10-a.toml", "vendor = \"x\"\nk = \"vendor\"\n"),
        ("etc/omadmd.d/10-a.toml", "k = \"local\"\n"),
    ]);
    assert_eq!(device.k().as_deref(), Some("local"));
    assert_eq!(string(&device.read().0, "vendor"), None);
}

#[test]
fn a_link_to_dev_null_takes_the_vendors_drop_in_away() {
    let device = Device::new(&[("usr/omadmd.d/10-a.toml", "k = \"vendor\"\n"), ("etc/omadmd.d/x", "")]);
    symlink("/dev/null", device.folder.path().join("etc/omadmd.d/10-a.toml")).unwrap();
    assert_eq!(device.k(), None);
}

#[test]
fn backups_and_hidden_files_are_no_drop_ins() {
    let device = Device::new(&[
        ("etc/omadmd.d/a.toml", "k = \"a\"\n"),
        ("etc/omadmd.d/b.toml~", "k = \"b\"\n"),
        ("etc/omadmd.d/c.toml.dpkg-old", "k = \"c\"\n"),
        ("etc/omadmd.d/.#d.toml", "k = \"d\"\n"),
        ("etc/omadmd.d/toml", "k = \"e\"\n"),
    ]);
    assert_eq!(device.k().as_deref(), Some("a"));
}

#[test]
fn a_single_file_has_no_drop_ins_and_has_to_be_there() {
    let device =
        Device::new(&[("etc/omadmd.toml", "k = \"one\"\n"), ("etc/omadmd.d/a.toml", "k = \"two\"\n")]);
    let file = device.folder.path().join("etc/omadmd.toml");
    let mut problems = Problems::default();
    assert_eq!(string(&Selection::File(file).read(&mut problems), "k").as_deref(), Some("one"));
    assert!(problems.is_empty());
    Selection::File("/nonexistent/omadmd.toml".into()).read(&mut problems);
    assert_eq!(problems.to_string(), "/nonexistent/omadmd.toml: there is no such file");
}

#[test]
fn every_broken_file_is_named_and_the_others_still_count() {
    let device = Device::new(&[("usr/omadmd.toml", "k = \"vendor\"\n"), ("etc/omadmd.d/1.toml", "k = \n")]);
    device.put("etc/omadmd.toml", b"a = 1\nb = \"\xff\"\n");
    device.put("etc/omadmd.d/2.toml", vec![b'#'; (1 << 20) + 1]);
    fs::create_dir(device.folder.path().join("etc/omadmd.d/3.toml")).unwrap();
    symlink("nowhere", device.folder.path().join("etc/omadmd.d/4.toml")).unwrap();
    let (root, problems) = device.read();
    let etc = device.folder.path().join("etc");
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let starts = ["omadmd.toml:2: not valid TOML", "omadmd.d/1.toml:1: not valid TOML"];
    for (said, start) in said.iter().zip(starts) {
        assert!(said.starts_with(&format!("{}/{start}", etc.display())), "{said}");
    }
    assert_eq!(said[2], format!("{}/omadmd.d/2.toml: is larger than 1024 KiB", etc.display()));
    assert_eq!(said[3], format!("{}/omadmd.d/3.toml: is not a regular file", etc.display()));
    assert_eq!(said[4], format!("{}/omadmd.d/4.toml: there is no such file", etc.display()));
    assert_eq!(said.len(), 5);
    assert_eq!(string(&root, "k").as_deref(), Some("vendor"));
}
