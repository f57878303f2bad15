use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::spanned::{Located, Problems};

fn read(text: &str) -> (Settings, Vec<String>) {
    let root = Located::parse(Path::new("/etc/omadm/omadmd.toml"), text).unwrap();
    let mut problems = Problems::default();
    let settings = Settings::read(&root, &mut problems);
    (settings, problems.iter().map(ToString::to_string).collect())
}

fn good(text: &str) -> Settings {
    let (settings, problems) = read(text);
    assert!(problems.is_empty(), "{problems:?}");
    settings
}

/// Every key, as the manual shows it.
const DOCUMENTED: &str = r#"
[notification]
listen = ["[::]:2948"]
accept-bare = false
max-age = "5min"
replay-window = "24h"
[session]
retries = 5
bearer-wait = "15min"
max-package = "1MiB"
max-data = "16MiB"
max-packages = 1000
allow-http = false
continue-origins = []
[exec]
socket = ""
sync-limit = "5s"
[alert]
max-queued = 1000
max-bytes = "1MiB"
[store]
quota = "32MiB"
[show]
browser = []
[dbus]
address = "system"
[subscription]
poll = "60s"
[paths]
mo = ["/usr/share/omadm/mo", "/etc/omadm/mo.d"]
accounts = ["/usr/lib/omadm/accounts.d", "/etc/omadm/accounts.d"]
state = "/var/lib/omadm"
sysroot = "/"
"#;

#[test]
fn the_documented_file_says_the_defaults() {
    assert_eq!(good(DOCUMENTED), Settings::default());
    assert_eq!(good(""), Settings::default());
}

#[test]
fn every_key_is_heard() {
    let settings = good(
        r#"
[notification]
listen = ["127.0.0.1:0", "127.0.0.1:0", "[2001:db8::1]:2948"]
accept-bare = true
max-age = "1min"
replay-window = "2min"
[session]
retries = 0
bearer-wait = "0s"
clock-wait = "1d"
max-package = "64MiB"
max-data = "64KiB"
max-packages = 1
allow-http = true
default-initiated-by = true
continue-origins = ["https://a.example", "http://b.example:8080/"]
[exec]
socket = "exec.sock"
sync-limit = "100ms"
[alert]
max-queued = 1
max-bytes = "64KiB"
[store]
quota = "64KiB"
[show]
browser = ["xdg-open", "--"]
[dbus]
address = "unix:path=/tmp/bus"
[subscription]
poll = "1s"
[paths]
mo = ["mo", "/mo"]
accounts = []
state = "state"
sysroot = "../root"
exec-veto = "veto"
[bootstrap]
uri = "https://bootstrap.example/[MCC]/[MNC]/[DevID]"
"#,
    );
    let listen: Vec<String> = settings.notification.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["127.0.0.1:0", "127.0.0.1:0", "[2001:db8::1]:2948"]);
    assert!(settings.notification.accept_bare);
    assert_eq!(settings.notification.max_age, Duration::from_secs(60));
    assert_eq!(settings.notification.replay_window, Duration::from_secs(120));
    let Session { retries, bearer_wait, clock_wait, max_package, max_packages, .. } = settings.session;
    let Session { allow_http, default_initiated_by, continue_origins, .. } = settings.session;
    assert!(default_initiated_by);
    assert_eq!((retries, bearer_wait, max_package), (0, Duration::ZERO, 64 << 20));
    assert_eq!(settings.session.max_data, 64 << 10);
    assert_eq!(clock_wait, Duration::from_secs(24 * 3600));
    assert_eq!((max_packages, allow_http), (1, true));
    let origins: Vec<String> = continue_origins.iter().map(ToString::to_string).collect();
    assert_eq!(origins, ["https://a.example:443", "http://b.example:8080"]);
    let exec = Exec { socket: Some("/etc/omadm/exec.sock".into()), sync_limit: Duration::from_millis(100) };
    assert_eq!(settings.exec, exec);
    assert_eq!(settings.quota, 64 << 10);
    assert_eq!((settings.alert.max_queued, settings.alert.max_bytes), (1, 64 << 10));
    assert_eq!(settings.browser, ["xdg-open", "--"]);
    assert_eq!(settings.dbus_address, "unix:path=/tmp/bus");
    assert_eq!(settings.subscription_poll, Duration::from_secs(1));
    assert_eq!(settings.paths.mo, [PathBuf::from("/etc/omadm/mo"), PathBuf::from("/mo")]);
    assert!(settings.paths.accounts.is_empty());
    assert_eq!(settings.paths.state, Path::new("/etc/omadm/state"));
    assert_eq!(settings.paths.sysroot, Path::new("/etc/omadm/../root"));
    assert_eq!(settings.paths.exec_veto, Path::new("/etc/omadm/veto"));
    let uri = settings.bootstrap.uri;
    assert_eq!(uri.as_deref(), Some("https://bootstrap.example/[MCC]/[MNC]/[DevID]"));
}

#[test]
fn every_key_refuses_a_wrong_type_and_keeps_its_default() {
    for line in DOCUMENTED.lines().chain(["uri = \"\""]) {
        let Some((key, _)) = line.split_once(" = ") else { continue };
        let sections = format!("{DOCUMENTED}[bootstrap]\nuri = \"https://b.example\"\n");
        let said: Vec<String> = sections
            .lines()
            .map(|other| {
                if other.starts_with(&format!("{key} = ")) {
                    format!("{key} = 1.5")
                } else {
                    other.to_owned()
                }
            })
            .collect();
        let (settings, problems) = read(&said.join("\n"));
        assert_eq!(problems.len(), 1, "{key}: {problems:?}");
        assert!(problems[0].contains(&format!(".{key}: expected ")), "{problems:?}");
        assert!(problems[0].ends_with(", found a number"), "{problems:?}");
        let uri = (key != "uri").then(|| "https://b.example".to_owned());
        let bootstrap = Bootstrap { uri, ..Bootstrap::default() };
        assert_eq!(settings, Settings { bootstrap, ..Settings::default() });
    }
}

#[test]
fn every_section_refuses_what_is_no_table_and_unknown_keys() {
    for section in
        ["notification", "session", "exec", "show", "dbus", "subscription", "paths", "objects", "bootstrap"]
    {
        let (settings, problems) = read(&format!("{section} = 1\n"));
        assert_eq!(
            problems,
            [format!("/etc/omadm/omadmd.toml:1: {section}: expected a table, found an integer")]
        );
        assert_eq!(settings, Settings::default());
        let (_, problems) = read(&format!("[{section}]\n\nodd = 1\n"));
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0]
                .starts_with(&format!("/etc/omadm/omadmd.toml:3: {section}.odd: unknown key; expected "))
        );
    }
    let (_, problems) = read("[sesion]\n");
    assert_eq!(
        problems,
        [
            "/etc/omadm/omadmd.toml:1: sesion: unknown key; expected one of: alert, bootstrap, dbus, exec, notification, \
          objects, paths, session, show, store, subscriber, subscription; did you mean `session`?"
        ]
    );
}

#[test]
fn values_out_of_bounds_are_refused() {
    for (section, line) in [
        ("notification", "listen = [\"*:2948\"]"),
        ("notification", "listen = [\"localhost:2948\"]"),
        ("notification", "listen = [\"[::]:99999\"]"),
        ("notification", "listen = [\"[::]:2948\", \"[::]:2948\"]"),
        ("notification", "max-age = \"0s\""),
        ("notification", "max-age = \"8d\""),
        ("notification", "replay-window = \"31d\""),
        ("session", "retries = -1"),
        ("session", "retries = 101"),
        ("session", "bearer-wait = \"8d\""),
        ("session", "max-package = \"1023B\""),
        ("session", "max-package = \"65MiB\""),
        ("session", "max-data = \"63KiB\""),
        ("session", "max-data = \"65MiB\""),
        ("session", "max-packages = 0"),
        ("session", "continue-origins = [\"https://a.example/path\"]"),
        ("session", "continue-origins = [\"http://a.example\"]"),
        ("exec", "sync-limit = \"2h\""),
        ("alert", "max-queued = 0"),
        ("alert", "max-queued = 100001"),
        ("alert", "max-bytes = \"63KiB\""),
        ("alert", "max-bytes = \"65MiB\""),
        ("store", "quota = \"63KiB\""),
        ("show", "browser = [\"\"]"),
        ("show", "browser = [\"x\", \"\\u0000\"]"),
        ("dbus", "address = \"\""),
        ("dbus", "address = \"/run/bus\""),
        ("paths", "state = \"\""),
        ("paths", "mo = [\"\"]"),
        ("bootstrap", "uri = \"http://b.example\""),
        ("bootstrap", "uri = \"https://[DevID].example\""),
    ] {
        let (settings, problems) = read(&format!("[{section}]\n{line}\n"));
        let key = line.split(' ').next().unwrap();
        assert_eq!(problems.len(), 1, "{line}: {problems:?}");
        assert!(
            problems[0].starts_with(&format!("/etc/omadm/omadmd.toml:2: {section}.{key}")),
            "{problems:?}"
        );
        if !line.contains("[::]:2948\", ") {
            assert_eq!(settings, Settings::default(), "{line}");
        }
    }
}

#[test]
fn the_replay_window_is_twice_the_age_and_follows_it_where_unsaid() {
    assert_eq!(
        good("notification.max-age = \"20h\"").notification.replay_window,
        Duration::from_secs(40 * 3600)
    );
    let (settings, problems) = read("[notification]\nmax-age = \"10min\"\nreplay-window = \"19min\"\n");
    assert_eq!(
        problems,
        [
            "/etc/omadm/omadmd.toml:3: notification.replay-window: expected at least twice max-age, that is 1200s, \
          found 1140s"
        ]
    );
    assert!(settings.notification.replay_window >= 2 * settings.notification.max_age);
}

#[test]
fn an_empty_bootstrap_uri_is_none() {
    assert_eq!(good("bootstrap.uri = \"\"").bootstrap.uri, None);
}

#[test]
fn a_later_file_takes_the_vendors_socket_away() {
    let vendor =
        Located::parse(Path::new("/usr/lib/omadm/omadmd.toml"), "exec.socket = \"/run/omadm/exec.sock\"");
    let local = Located::parse(Path::new("/etc/omadm/omadmd.toml"), "exec.socket = \"\"");
    let mut problems = Problems::default();
    let vendor = vendor.unwrap();
    let settings = Settings::read(&vendor, &mut problems);
    assert_eq!(settings.exec.socket, Some("/run/omadm/exec.sock".into()));
    let settings = Settings::read(&vendor.merge(local.unwrap()), &mut problems);
    assert_eq!(settings.exec.socket, None);
    assert!(problems.is_empty());
}

#[test]
fn all_errors_come_at_once() {
    let (_, problems) = read("odd = 1\n[session]\nretries = \"x\"\nallow-http = 1\n[paths]\nmo = [1, 2]\n");
    assert_eq!(problems.len(), 5, "{problems:?}");
}

#[test]
fn a_bootstrap_has_its_own_roots_schedule_and_jitter() {
    let folder = tempfile::tempdir().unwrap();
    let pem = rcgen::generate_simple_self_signed(["b.example".to_owned()]).unwrap().cert.pem();
    let file = folder.path().join("ca.pem");
    crate::base::files::replace(&file, pem.as_bytes(), 0o644).unwrap();
    let text = format!(
        "[bootstrap]\nuri = \"https://b.example\"\nca-file = {:?}\njitter = \"0s\"\nschedule = {{ every = \"1d\" }}\n",
        file.display()
    );
    let bootstrap = good(&text).bootstrap;
    assert_eq!(bootstrap.ca_pem.as_deref(), Some(pem.as_bytes()));
    assert_eq!(bootstrap.jitter, Duration::ZERO);
    assert_eq!(bootstrap.schedule.every, Some(Duration::from_secs(86_400)));
    let (_, problems) = read(&text.replace("ca.pem", "gone.pem"));
    assert!(problems.len() == 1 && problems[0].contains("bootstrap.ca-file: "), "{problems:?}");
}
