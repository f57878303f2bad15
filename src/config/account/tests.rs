use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::config::Environment;
use crate::spanned::{Located, Problems};
use crate::transport::Auth;

/// A folder with the files that accounts refer to.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let certified = rcgen::generate_simple_self_signed(["dm.example".to_owned()]).unwrap();
        folder.put("ca.pem", certified.cert.pem(), 0o644);
        folder.put("key.pem", certified.signing_key.serialize_pem(), 0o600);
        folder.put("pw", "hunter2\n", 0o600);
        folder.put("notify", "s3cret\n", 0o600);
        folder.put("open", "hunter2\n", 0o644);
        folder
    }

    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    fn put(&self, name: &str, content: impl AsRef<[u8]>, mode: u32) {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }

    fn file(&self) -> std::path::PathBuf {
        self.0.path().join("acme.toml")
    }

    fn read(&self, text: &str, allow_http: bool) -> (Option<Account>, Vec<String>) {
        let environment = Environment { credentials: Some(self.0.path().into()), ..Environment::current() };
        let root = Located::parse(&self.file(), text).unwrap();
        let mut problems = Problems::default();
        let account =
            Account::read(&root, AccountContext { allow_http, environment: &environment }, &mut problems);
        let here = format!("{}:", self.file().display());
        let problems = problems.iter().map(ToString::to_string);
        // Every problem of an account stands under its file.
        (account, problems.map(|said| said.strip_prefix(&here).unwrap().to_owned()).collect())
    }

    fn good(&self, text: &str) -> Account {
        let (account, problems) = self.read(text, false);
        assert!(problems.is_empty(), "{problems:?}");
        account.unwrap()
    }

    /// What is wrong with the least account and this after it.
    fn wrong(&self, more: &str) -> Vec<String> {
        let (account, problems) = self.read(&format!("{LEAST}{more}\n"), false);
        assert_eq!(account, None, "{more}");
        problems
    }
}

const LEAST: &str = "server-id = \"acme\"\nserver-uri = \"https://dm.acme.example/dm\"\n";

#[test]
fn the_least_account_has_safe_defaults() {
    let folder = Folder::new();
    let account = folder.good(LEAST);
    assert_eq!(account.name, "acme");
    assert_eq!(account.profile, Profile::Draft);
    assert_eq!(account.auth, Auth::None);
    assert_eq!(account.rights(&"urn:any".into()), Some(7));
    assert_eq!(account.schedule, Schedule::default());
    assert_eq!((account.notification, account.push), (None, None));
    assert_eq!(account.file, folder.file());
}

#[test]
fn every_documented_key_is_heard() {
    let account = Folder::new().good(
        r#"
server-id = "acme"
name = "Acme device management"
server-uri = "https://dm.acme.example/dm?id=[DevID]"
profile = "approved"
permissions = ["urn:a", { moid = "urn:b", rights = 9 }, { moid = "urn:c" }]
origins = ["https://data.acme.example", "https://[2001:db8::1]:8443"]
tls = { ca-file = "ca.pem", repository-ca-file = "credential:ca.pem" }
auth = { basic = { user = "gw-[DevID]", password-file = "pw" } }
notification = { secret-file = "notify", data-file = "credential:notify", require-digest = false }
schedule = { at-boot = false, first-contact = false, every = "24h", jitter = "1h" }
push = { sender-id = "42", register-uri = "https://p.example/r", unregister-uri = "https://p.example/u", params = "k=v" }
bootstrap = { server-uri = "https://b.acme.example/[DevID]", sec-mode = "AP8=" }
"#,
    );
    assert_eq!(account.name, "Acme device management");
    assert_eq!(account.server_uri, "https://dm.acme.example/dm?id=[DevID]");
    assert_eq!(account.profile, Profile::Approved);
    assert_eq!(
        (account.rights(&"urn:a".into()), account.rights(&"urn:b".into()), account.rights(&"urn:c".into())),
        (Some(7), Some(9), Some(7))
    );
    assert_eq!(account.rights(&"urn:d".into()), None);
    assert_eq!(account.origins[1].to_string(), "https://[2001:db8::1]:8443");
    assert!(account.tls.ca_pem.unwrap().starts_with(b"-----BEGIN CERTIFICATE"));
    assert!(account.tls.repository_ca_pem.is_some());
    let Auth::Basic { user, password } = account.auth else { panic!("not basic") };
    assert_eq!((user.as_str(), password.expose()), ("gw-[DevID]", &b"hunter2"[..]));
    let notification = account.notification.unwrap();
    assert_eq!(notification.secret.expose(), b"s3cret");
    assert_eq!(notification.data.unwrap().expose(), b"s3cret");
    assert!(!notification.require_digest);
    let day = Duration::from_secs(24 * 3600);
    let schedule = Schedule { at_boot: false, first_contact: false, every: Some(day), jitter: day / 24 };
    assert_eq!(account.schedule, schedule);
    let push = account.push.unwrap();
    assert_eq!((push.sender_id.as_str(), push.params.as_deref()), ("42", Some("k=v")));
    assert_eq!(
        (push.register_uri.as_str(), push.unregister_uri.as_str()),
        ("https://p.example/r", "https://p.example/u")
    );
    let bootstrap = account.bootstrap.unwrap();
    assert_eq!(bootstrap.server_uri, "https://b.acme.example/[DevID]");
    assert_eq!(bootstrap.sec_mode, Some(vec![0, 0xff]));
}

#[test]
fn the_other_two_ways_to_authenticate_are_read() {
    let folder = Folder::new();
    let account =
        folder.good(&format!("{LEAST}auth.digest = {{ user = \"a:b\", password-file = \"pw\" }}\n"));
    assert!(matches!(account.auth, Auth::Digest { .. }));
    let account = folder
        .good(&format!("{LEAST}auth.certificate = {{ cert-file = \"ca.pem\", key-file = \"key.pem\" }}\n"));
    assert!(matches!(account.auth, Auth::Certificate { .. }));
}

#[test]
fn a_notification_secret_requires_the_digest_unless_relaxed() {
    let account = Folder::new().good(&format!("{LEAST}notification.secret-file = \"notify\"\n"));
    assert!(account.notification.unwrap().require_digest);
}

#[test]
fn server_ids_are_one_segment_of_an_address() {
    let folder = Folder::new();
    for id in ["", "a/b", "a b", "a\\n", "\\u0000", &"x".repeat(256)] {
        let (account, problems) =
            folder.read(&format!("server-id = \"{id}\"\nserver-uri = \"https://dm.example\"\n"), false);
        assert_eq!(account, None);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("1: server-id: expected 1 to 255 bytes of visible"), "{problems:?}");
    }
    let text = "server-id = \"urn:dm:a.example\"\nserver-uri = \"https://dm.example\"\n";
    assert_eq!(folder.good(text).server_id, "urn:dm:a.example");
}

#[test]
fn every_key_refuses_wrong_values_with_file_line_and_key() {
    let folder = Folder::new();
    for (line, key) in [
        ("name = 1", "name: expected a string, found 1"),
        ("profile = \"final\"", "profile: expected \"draft\" or \"approved\", found \"final\""),
        ("profile = 2", "profile: expected a string, found 2"),
        ("permissions = \"*\"", "permissions: expected an array"),
        ("permissions = [1]", "permissions[0]: expected a MOID"),
        ("permissions = [\"\"]", "permissions[0]: expected a MOID"),
        ("permissions = [\"a\", \"a\"]", "permissions: \"a\" stands there twice"),
        ("permissions = [{ rights = 1 }]", "permissions[0]: `moid` is missing"),
        ("permissions = [{ moid = \"a\", rights = 16 }]", "permissions[0].rights: expected the sum of"),
        ("permissions = [{ moid = \"a\", rights = -1 }]", "permissions[0].rights: expected the sum of"),
        (
            "permissions = [{ moid = \"a\", right = 1 }]",
            "permissions[0].right: unknown key; expected one of: moid, rights",
        ),
        ("origins = [\"https://a/\", \"https://a/x\"]", "origins[1]: expected an origin"),
        ("origins = [\"http://a\"]", "origins[0]: plain http is refused"),
        ("tls = true", "tls: expected a table, found true or false"),
        ("tls.ca-file = \"none.pem\"", "tls.ca-file: "),
        ("tls.ca-file = \"pw\"", "tls.ca-file: expected a file of PEM certificates"),
        ("tls.ca = \"ca.pem\"", "tls.ca: unknown key; expected one of: ca-file, repository-ca-file"),
        ("auth = {}", "auth: expected one of: basic, digest, certificate"),
        ("auth = { basic = { user = \"u\" } }", "auth.basic: `password-file` is missing"),
        ("auth = { basic = { password-file = \"pw\" } }", "auth.basic: `user` is missing"),
        ("auth.basic = { user = \"\", password-file = \"pw\" }", "auth.basic.user: expected a user name"),
        ("auth.basic = { user = \"a:b\", password-file = \"pw\" }", "auth.basic: expected a user without"),
        ("auth.basic = { user = \"u\", password = \"pw\" }", "auth.basic: `password-file` is missing"),
        ("auth.digest = { user = \"u\", password-file = \"open\" }", "auth.digest.password-file: "),
        ("auth.digest = { user = \"u\", password-file = \"credential:no\" }", "auth.digest.password-file: "),
        ("auth.certificate = { key-file = \"key.pem\" }", "auth.certificate: `cert-file` is missing"),
        ("auth.certificate = { cert-file = \"ca.pem\" }", "auth.certificate: `key-file` is missing"),
        (
            "auth.certificate = { cert-file = \"ca.pem\", key-file = \"pw\" }",
            "auth.certificate.key-file: expected a PEM",
        ),
        ("notification = {}", "notification: `secret-file` is missing"),
        (
            "notification = { secret-file = 1 }",
            "notification.secret-file: expected a path or \"credential:NAME\", found 1",
        ),
        ("notification = { secret-file = \"open\" }", "notification.secret-file: "),
        ("notification = { secret-file = \"notify\", data-file = \"open\" }", "notification.data-file: "),
        (
            "notification = { secret-file = \"notify\", require-digest = 0 }",
            "notification.require-digest: expected true",
        ),
        (
            "schedule = { every = \"0s\" }",
            "schedule.every: expected a duration from \"1s\" to \"366d\", found \"0s\"",
        ),
        ("schedule = { every = 5 }", "schedule.every: expected a duration"),
        ("schedule = { jitter = \"400d\" }", "schedule.jitter: expected a duration from"),
        ("schedule = { at-boot = \"yes\" }", "schedule.at-boot: expected true or false, found \"yes\""),
        ("schedule = { first = true }", "schedule.first: unknown key"),
        ("bootstrap = {}", "bootstrap: `server-uri` is missing"),
        ("bootstrap = { server-uri = \"http://b\" }", "bootstrap.server-uri: plain http is refused"),
        (
            "bootstrap = { server-uri = \"https://b\", sec-mode = \"?\" }",
            "bootstrap.sec-mode: expected base64",
        ),
        ("push = { sender-id = \"a\", register-uri = \"https://a\" }", "push: `unregister-uri` is missing"),
        (
            "push = { sender-id = \"a\", register-uri = \"http://a\", unregister-uri = \"https://a\" }",
            "push.register-uri: plain http is refused",
        ),
        (
            "push = { sender-id = \"a\", register-uri = \"https://a\", unregister-uri = \"https://a\", params = \"a b\" }",
            "push.params: expected a query",
        ),
        ("odd = 1", "odd: unknown key; expected one of: auth, bootstrap, name, notification, origins, "),
    ] {
        let problems = folder.wrong(line);
        assert!(problems[0].starts_with(&format!("3: {key}")), "{line}: {problems:?}");
    }
}

#[test]
fn only_one_way_to_authenticate_is_taken() {
    let problems = Folder::new().wrong(
        "auth = { basic = { user = \"u\", password-file = \"pw\" }, digest = { user = \"u\", password-file = \"pw\" } }",
    );
    assert_eq!(problems, ["3: auth: expected only one of: basic, digest, certificate"]);
}

#[test]
fn a_password_never_goes_over_plain_http() {
    let folder = Folder::new();
    let server = "server-id = \"a\"\nserver-uri = \"http://127.0.0.1:8080/dm\"\n";
    let (account, problems) = folder.read(server, false);
    assert_eq!(account, None);
    assert_eq!(problems, ["2: server-uri: plain http is refused while session.allow-http is false"]);
    assert!(folder.read(server, true).0.is_some());
    let basic = format!("{server}auth.basic = {{ user = \"u\", password-file = \"pw\" }}\n");
    let (account, problems) = folder.read(&basic, true);
    assert_eq!(account, None);
    assert!(problems[0].starts_with("3: auth: basic would send the password in clear"), "{problems:?}");
}

#[test]
fn all_errors_of_a_file_come_at_once_and_show_no_secret() {
    let (account, problems) = Folder::new().read(
        "name = 1\nauth.basic = { user = \"u\", password-file = \"open\" }\nschedule.every = 1\nodd = 1\n",
        false,
    );
    assert_eq!(account, None);
    let keys = ["`server-id`", "name", "`server-uri`", "auth.basic.password-file", "schedule.every", "odd"];
    assert_eq!(problems.len(), keys.len(), "{problems:?}");
    for (said, key) in problems.iter().zip(keys) {
        assert!(said.contains(key), "{said}");
        assert!(!said.contains("hunter2"));
    }
}

#[test]
fn paths_start_at_the_file_not_at_the_process() {
    let folder = Folder::new();
    let (_, problems) = folder.read(&format!("{LEAST}tls.ca-file = \"sub/ca.pem\"\n"), false);
    let expected = folder.0.path().join(Path::new("sub/ca.pem"));
    assert!(problems[0].contains(&format!("{}: cannot be read", expected.display())), "{problems:?}");
}
