//! Checks against a machine: programs, who may change them, where writes go.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::super::check::{CheckTarget, against_machine};
use super::{Bench, HEAD, ddf};

fn machine_told(bench: &Bench, mapping: &str, separated: bool) -> Vec<String> {
    let object =
        bench.object(&format!("{HEAD}{mapping}"), &ddf()).unwrap_or_else(|problems| panic!("{problems}"));
    let problems = against_machine(&object, &CheckTarget { state: Path::new("/var/lib/omadm"), separated });
    problems.iter().map(|problem| format!("{}: {}", problem.line.unwrap(), problem.what)).collect()
}

#[test]
fn programs_are_there_and_executable() {
    let bench = Bench::new();
    let good = bench.script("s/good", 0o755);
    let plain = bench.script("s/plain", 0o644);
    let run = |path: &Path| format!("[node.Reboot]\nexec = {{ run = [\"{}\"] }}\n", path.display());
    assert_eq!(machine_told(&bench, &run(&good), true), [""; 0]);
    assert!(machine_told(&bench, &run(&plain), true)[0].starts_with("6: `exec`: "));
    assert!(machine_told(&bench, &run(&plain), true)[0].contains("not executable"));
    assert!(machine_told(&bench, &run(&bench.path("s/gone")), true)[0].contains("No such file"));
    assert!(machine_told(&bench, &run(&bench.path("s")), true)[0].contains("is no file"));
    let get = format!("[node.Man]\nget = {{ run = [\"{}\"] }}\n", plain.display());
    assert!(machine_told(&bench, &get, false)[0].contains("`get.run`"));
}

#[test]
fn nobody_else_may_change_what_root_runs() {
    let bench = Bench::new();
    let script = bench.script("s/sub/script", 0o755);
    let run = |path: &Path, user: &str| {
        format!("[node.Reboot]\nexec = {{ run = [\"{}\"], user = \"{user}\" }}\n", path.display())
    };
    assert_eq!(machine_told(&bench, &run(&script, "root"), true), [""; 0]);
    let open = |path: &str, mode: u32| {
        fs::set_permissions(bench.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    for (path, closed) in [("s/sub/script", 0o755), ("s/sub", 0o755), ("s", 0o755)] {
        for mode in [0o020, 0o002] {
            open(path, closed | mode);
            let told = machine_told(&bench, &run(&script, "root"), false);
            assert!(told.len() == 1 && told[0].contains("others may write"), "{path} {mode:o} {told:?}");
            assert_eq!(machine_told(&bench, &run(&script, "omadm"), false), [""; 0]);
        }
        open(path, closed);
    }
    open("s", 0o1777);
    assert_eq!(machine_told(&bench, &run(&script, "root"), true), [""; 0], "a sticky folder above is fine");
    open("s/sub", 0o1777);
    assert_eq!(machine_told(&bench, &run(&script, "root"), true).len(), 1, "the folder itself is not");
    open("s/sub", 0o755);
    // What counts is where the link leads.
    open("s", 0o777);
    fs::create_dir(bench.path("safe")).unwrap();
    std::os::unix::fs::symlink(&script, bench.path("safe/link")).unwrap();
    assert_eq!(machine_told(&bench, &run(&bench.path("safe/link"), "root"), true).len(), 1);
}

#[test]
fn an_unprivileged_write_stays_in_the_state_folder() {
    let bench = Bench::new();
    let set = |path: &str, more: &str| format!("[node.Level]\nset = {{ file = \"{path}\"{more} }}\n");
    assert!(
        machine_told(&bench, &set("/etc/level", ""), true)[0]
            .contains("`set`: /etc/level is outside the state folder")
    );
    assert!(machine_told(&bench, &set("/var/lib/omadm/../x", ""), true)[0].contains("outside"));
    assert!(machine_told(&bench, &set("/var/lib/omadm-evil", ""), true)[0].contains("outside"));
    for (path, more, separated) in [
        ("/etc/level", ", privileged = true", true),
        ("/etc/level", "", false),
        ("/var/lib/omadm/level", "", true),
    ] {
        assert_eq!(machine_told(&bench, &set(path, more), separated), [""; 0]);
    }
}
