//! `mo/wan`, with a NetworkManager of its own.

use super::*;

/// What happens to an address, in `wan.sh`: kept when it is confirmed, or a session goes well over it; else back to what was before, be it that nobody
/// confirms, that it is refused, or that the power fails in the middle. Secrets are nowhere but in the profile.
const EXPECTED: [&str; 21] = [
    "before 192.0.2.2/24",
    "trial 192.0.2.9/24",
    "confirm 0",
    "apply 0 192.0.2.9/24 ",
    "said idle trial idle",
    "unconfirmed 1 192.0.2.9/24",
    "late 3 192.0.2.9/24",
    "wrong 1 192.0.2.9/24",
    "cut 192.0.2.8/24",
    "resumed 3 192.0.2.9/24",
    "unknown 4",
    "nothing 4",
    "session 0 192.0.2.10/24 kept",
    "told 0",
    "again 0",
    "asked 3 192.0.2.10/24",
    "rejected 3 192.0.2.10/24 1",
    "somewhere 0 192.0.2.13/24",
    "key 2 600 oCh9\"E \\KEY",
    "password 2 600  a\\oCh9#;%\"",
    "seen ",
];

#[test]
fn a_change_is_kept_if_it_is_confirmed_or_a_session_goes_over_it_and_else_what_was_before_comes_back() {
    let arguments =
        ["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh"];
    let mut command = Command::new("unshare");
    command.args(arguments).arg(project("tests/library/wan.sh")).arg(project("packaging/exec/wan"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let told = format!("{said}{}", String::from_utf8_lossy(&output.stderr));
    let mut lines = said.lines();
    let listed: serde_json::Value = serde_json::from_str(lines.next().unwrap()).expect(&told);
    assert_eq!(
        (&listed[0]["connection.id"], &listed[0]["ipv4.addresses"]),
        (&"uplink".into(), &"192.0.2.2/24".into())
    );
    assert_eq!(lines.collect::<Vec<_>>(), EXPECTED, "{told}");
}

/// What is left of a profile of systemd-networkd, in `wan_networkd.sh`: what is refused leaves nothing, a change takes the place
/// of what it changes alone, and is in `/run` until it is kept.
const OF_NETWORKD: &str = include_str!("wan_networkd.txt");

#[test]
fn a_change_of_networkd_s_is_kept_or_leaves_nothing_and_changes_no_more_than_it_says() {
    let machine = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command
        .arg(project("tests/library/wan_networkd.sh"))
        .arg(project("packaging/exec/wan"))
        .arg(machine.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, OF_NETWORKD, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn profiles_are_read_by_what_network_manager_calls_them() {
    let folder = tempfile::tempdir().unwrap();
    let list = "#!/bin/sh\necho '[{\"uuid\":\"7\",\"connection.id\":\"Mobile\",\"connection.type\":\"gsm\",\"gsm.apn\":\"internet\"}]'\n";
    files::put(&folder.path().join("list"), list, files::PROGRAM).unwrap();
    let own = format!("{}/wan", project("packaging/exec").display());
    let text = mapping("wan").replace(&own, folder.path().join("list").to_str().unwrap());
    let object = folder.path().join("wan");
    files::put(&object.join("wan.toml"), text, files::PLAIN).unwrap();
    let said = ctl(&["mo", "read", object.to_str().unwrap()]);
    for line in ["Name = Mobile", "Type = gsm", "State = inactive", "APN = internet"] {
        assert!(said.contains(line), "{said}");
    }
}

/// A machine may have NetworkManager's tool and not its service: nothing is listed, and nothing said. What else fails
/// is said.
#[test]
fn a_machine_without_network_manager_has_no_profiles_and_no_trouble() {
    let folder = tempfile::tempdir().unwrap();
    let list = |code: u8| {
        let fake = format!("#!/bin/sh\necho 'Error: NetworkManager says {code}.' >&2\nexit {code}\n");
        files::put(&folder.path().join("nmcli"), fake, files::PROGRAM).unwrap();
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let output =
            Command::new(project("packaging/exec/wan")).arg("list").env("PATH", path).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    assert_eq!(list(8), (Some(0), "[]\n".to_owned(), String::new()));
    assert_eq!(list(4), (Some(1), String::new(), "wan: Error: NetworkManager says 4.\n".to_owned()));
}
