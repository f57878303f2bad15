//! The support bundle: what it holds, and what it must not.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use omadm_agent::lab::files;

const ACCOUNT: &str = r#"
server-id = "acme"
server-uri = "https://joe:S3CRETa@dm.acme.example/dm?id=[DevID]&token=S3CRETb"
auth = { basic = { user = "S3CRETc", password = "S3CRETd\"S3CRETd" } }
notification = { secret-file = "acme.notify", require-digest = true }
ca-file = "odd.toml"
name = "visible"
key = "[section]name"
[auth.digest]
user = 'S3CRETe'
"password" = "S3CRETf"
secret = """
S3CRETg
S3CRETh"""
tokens = [
  "a]b",
  "S3CRETi",
]
pin = 5333123
digest = { user = "joe", password = """
S3CRETq""" }
[node.Password]
get = [
  { value = "S3CRETr" },
]
[node.Fetch.exec]
run = ["curl", "-u", "me:S3CRETs", "--psk", "S3CRETt"]
"#;

/// What a program that a vendor adds says.
const SAID: &str = r#"#!/bin/sh
cat <<'END'
SetCredential=acme:S3CRETu
Environment="DM_PASSWORD=S3CRETv S3CRETv"
WIFI_KEY=S3CRETw
{"Pin":5333123,"Password":5333123}, {"name":"password","value":"S3CRETx"}
https://u:S3CRET@S3CRETy@h/
password: S3CRETz,S3CRETz
Authorization = "Bearer S3CRETA"
END
"#;

const CTL: &str = r#"#!/bin/sh
case "$1" in
tree) echo '{"nodes":[{"uri":"urn:a/1/AppAuth/1/AAuthName","value":"S3CRETj"},{"uri":"urn:a/1/WPAPassphrase","value":"S3CRETk\"S3CRETk"},{"uri":"urn:a/1/Name","value":"visible"}]}' ;;
status) echo '{"uri":"https://u:S3CRETl@h/","why":"password: S3CRETm refused"}' ;;
alert) yes endless ;;
*) echo fails; exit 1 ;;
esac
"#;

struct Gateway(tempfile::TempDir);

impl Gateway {
    fn new() -> Self {
        let gateway = Self(tempfile::tempdir().unwrap());
        gateway.put("etc/omadm/accounts.d/acme.toml", ACCOUNT, 0o600);
        gateway.put("etc/omadm/accounts.d/acme.notify", "S3CRETn", 0o600);
        gateway.put("etc/omadm/accounts.d/odd.toml", "x = \"S3CRETo\"", 0o600);
        gateway.put("bin/omadmctl", CTL, 0o755);
        gateway.put("usr/lib/omadm/report.d/50-said", SAID, 0o755);
        gateway
    }

    fn put(&self, name: &str, text: &str, mode: u32) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        files::put(&path, text, files::PLAIN).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn report(&self) -> (Output, PathBuf) {
        let path = format!("{}/bin:/usr/sbin:/usr/bin:/sbin:/bin", self.0.path().display());
        let output = Command::new("sh")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/report"))
            .arg(self.0.path())
            .env("OMADM_ROOT", self.0.path())
            .env("OMADM_PATH", path)
            .output()
            .unwrap();
        let told = String::from_utf8(output.stdout.clone()).unwrap();
        (output, PathBuf::from(told.trim_end()))
    }
}

/// All that is in a bundle, file after file.
fn unpacked(bundle: &Path) -> String {
    let output = Command::new("tar").arg("-xzOf").arg(bundle).output().unwrap();
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn names(bundle: &Path) -> String {
    String::from_utf8(Command::new("tar").arg("-tzf").arg(bundle).output().unwrap().stdout).unwrap()
}

#[test]
fn no_secret_is_in_it_and_only_its_owner_reads_it() {
    let gateway = Gateway::new();
    let (output, bundle) = gateway.report();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let all = unpacked(&bundle);
    let found: Vec<&str> =
        all.lines().filter(|line| line.contains("S3CRET") || line.contains("5333123")).collect();
    assert!(found.is_empty(), "{found:#?}");
    for visible in
        ["name = \"visible\"", "\"value\":\"visible\"", "server-id = \"acme\"", "key = \"[section]name\""]
    {
        assert!(all.contains(visible), "{visible}");
    }
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&bundle), mode(bundle.parent().unwrap())), (0o600, 0o700));
    // What never ends is cut off, what fails says so, and nothing else is left behind.
    assert!(
        all.matches("endless").count() < 300_000
            && all.contains("[ended with 1: omadmctl account list --json]")
    );
    assert_eq!(std::fs::read_dir(bundle.parent().unwrap()).unwrap().count(), 1);
    assert!(!names(&bundle).contains("odd.toml") && !names(&bundle).contains("acme.notify"));
}

#[test]
fn what_others_add_is_in_it_if_it_is_the_owners_alone() {
    let gateway = Gateway::new();
    gateway.put("usr/lib/omadm/report.d/10-modem", "#!/bin/sh\necho vendor\n", 0o755);
    gateway.put("usr/lib/omadm/report.d/20-radio", "#!/bin/sh\necho radio; echo psk=S3CRETp\n", 0o755);
    gateway.put("etc/omadm/report.d/10-modem", "#!/bin/sh\necho owner\n", 0o700);
    gateway.put("etc/omadm/report.d/30-open", "#!/bin/sh\necho anybody\n", 0o777);
    gateway.put("etc/omadm/report.d/40-text", "no program", 0o644);
    let (_, bundle) = gateway.report();
    let all = unpacked(&bundle);
    assert!(all.contains("owner\n") && all.contains("radio\npsk=***"), "{}", names(&bundle));
    for absent in ["vendor", "anybody", "no program", "S3CRET"] {
        assert!(!all.contains(absent), "{absent}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let report = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/report");
    let output =
        Command::new("sh").arg(report).arg("/nowhere/at/all").env("OMADM_ROOT", "/nowhere").output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
}
