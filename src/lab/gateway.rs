//! The files of an agent under trial: configuration, accounts, management objects, state, all in one folder.

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::package::Profile;

use super::authority::{Authority, Identity};
use super::files::{self, PLAIN, PROGRAM, SECRET};

/// A folder that holds all of an agent's files.
#[derive(Clone, Debug)]
pub struct Gateway {
    folder: PathBuf,
}

/// The account that an account file is written from.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// `server-id`: the account's server.
    pub server_id: String,
    /// `server-uri`: the address of its sessions.
    pub server_uri: String,
    /// `tls.ca-file`'s content; none: the system's roots.
    pub ca_pem: Option<String>,
    /// `tls.repository-ca-file`'s content; none: the system's roots.
    pub repository_ca_pem: Option<String>,
    /// `origins`: its further origins.
    pub origins: Vec<String>,
    /// `auth`: how it authenticates.
    pub auth: Auth,
    /// `notification.secret-file`'s content; none: no `notification`.
    pub secret: Option<String>,
    /// `notification.data-file`'s content: the approved profile's authentication data.
    pub data: Option<String>,
    /// `profile`: the wire format.
    pub profile: Profile,
    /// Further lines, as they stand in the file before any table.
    pub extra: String,
}

/// How the account authenticates.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// No authentication.
    #[default]
    None,
    /// Basic authentication with user and password.
    Basic(String, String),
    /// Digest authentication with user and password.
    Digest(String, String),
    /// A client certificate.
    Certificate(Box<Identity>),
}

impl Account {
    /// An account that trusts `authority`, and has a session when notified and at no other time.
    #[must_use]
    pub fn new(server_id: &str, server_uri: &str, authority: &Authority) -> Self {
        Self {
            server_id: server_id.to_owned(),
            server_uri: server_uri.to_owned(),
            ca_pem: Some(authority.pem().to_owned()),
            extra: "schedule = { at-boot = false, first-contact = false }\n".to_owned(),
            ..Self::default()
        }
    }
}

/// The demo's management object and its script.
const DEMO: [(&str, &str); 2] = [
    ("demo.toml", include_str!("../../lab/demo/demo.toml")),
    ("demo.ddf.xml", include_str!("../../lab/demo/demo.ddf.xml")),
];
/// The management objects that ship with the agent.
const SHIPPED: [(&str, &str); 8] = [
    ("devinfo/devinfo.toml", include_str!("../../mo/devinfo/devinfo.toml")),
    ("dmacc/dmacc.toml", include_str!("../../mo/dmacc/dmacc.toml")),
    ("dmacc/dmacc.ddf.xml", include_str!("../../mo/dmacc/dmacc.ddf.xml")),
    ("dmacc-approved/dmacc-approved.toml", include_str!("../../mo/dmacc-approved/dmacc-approved.toml")),
    ("dmacc-approved/dmacc-approved.ddf.xml", include_str!("../../mo/dmacc-approved/dmacc-approved.ddf.xml")),
    ("dmdac/dmdac.toml", include_str!("../../mo/dmdac/dmdac.toml")),
    ("dmdac/dmdac.ddf.xml", include_str!("../../mo/dmdac/dmdac.ddf.xml")),
    ("sessioninfo/sessioninfo.toml", include_str!("../../mo/sessioninfo/sessioninfo.toml")),
];
const DIAGNOSE: &str = include_str!("../../lab/demo/diagnose");

impl Gateway {
    /// A gateway in `folder`, with the shipped management objects and the demo's, and without accounts.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn new(folder: &Path) -> io::Result<Self> {
        let gateway = Self { folder: folder.to_path_buf() };
        for (path, content) in SHIPPED {
            files::put(&gateway.path("mo").join(path), content, PLAIN)?;
        }
        for (name, content) in DEMO {
            gateway.put_mo("demo", name, content)?;
        }
        files::put(&gateway.path("diagnose"), DIAGNOSE, PROGRAM)?;
        std::fs::create_dir_all(gateway.path("accounts"))?;
        std::fs::create_dir_all(gateway.path("state"))?;
        Ok(gateway)
    }

    /// A path below the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The main configuration file, what `omadmd --config` is given.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.path("omadmd.toml")
    }

    /// Writes the main configuration: listening on `listen`, paths in the folder, then `extra`, in which
    /// `@folder@` becomes the folder.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn configure(&self, listen: SocketAddr, extra: &str) -> io::Result<()> {
        let folder = self.folder.display().to_string();
        let extra = extra.replace("@folder@", &folder);
        let text = format!(
            "[notification]\nlisten = [\"{listen}\"]\n\n[paths]\nmo = [\"{folder}/mo\"]\n\
             accounts = [\"{folder}/accounts\"]\nstate = \"{folder}/state\"\nexec-veto = \"{folder}/exec-veto.d\"\n\n{extra}"
        );
        files::put(&self.config(), text, PLAIN)
    }

    /// Writes a file of a management object; `@folder@` in it becomes the gateway's folder.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put_mo(&self, object: &str, file: &str, content: &str) -> io::Result<()> {
        let content = content.replace("@folder@", &self.folder.display().to_string());
        files::put(&self.path("mo").join(object).join(file), content, PLAIN)
    }

    /// Writes an account and the files it names.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn put_account(&self, account: &Account) -> io::Result<()> {
        put_account(&self.path("accounts"), account)
    }
}

/// Writes an account and the files it names into `folder`.
///
/// # Errors
/// The files cannot be written.
pub fn put_account(folder: &Path, account: &Account) -> io::Result<()> {
    let id = &account.server_id;
    let secret = |name: &str, content: &str| files::put(&folder.join(name), content, SECRET);
    let mut text = format!(
        "server-id = \"{id}\"\nname = \"{id}\"\nserver-uri = \"{}\"\norigins = {:?}\n",
        account.server_uri, account.origins
    );
    for (key, file, pem) in [
        ("ca-file", "ca.pem", &account.ca_pem),
        ("repository-ca-file", "repository-ca.pem", &account.repository_ca_pem),
    ] {
        if let Some(pem) = pem {
            files::put(&folder.join(format!("{id}.{file}")), pem, PLAIN)?;
            add(&mut text, format_args!("tls.{key} = \"{id}.{file}\""));
        }
    }
    match &account.auth {
        Auth::None => {}
        Auth::Basic(user, password) | Auth::Digest(user, password) => {
            let scheme = if matches!(account.auth, Auth::Basic(..)) { "basic" } else { "digest" };
            secret(&format!("{id}.password"), password)?;
            let line = format_args!(
                "auth = {{ {scheme} = {{ user = \"{user}\", password-file = \"{id}.password\" }} }}"
            );
            add(&mut text, line);
        }
        Auth::Certificate(identity) => {
            files::put(&folder.join(format!("{id}.pem")), &identity.certificate_pem, PLAIN)?;
            secret(&format!("{id}.key"), &identity.key_pem)?;
            let line = format_args!(
                "auth = {{ certificate = {{ cert-file = \"{id}.pem\", key-file = \"{id}.key\" }} }}"
            );
            add(&mut text, line);
        }
    }
    if let Some(content) = &account.secret {
        secret(&format!("{id}.notify"), content)?;
        let mut keys = format!("secret-file = \"{id}.notify\"");
        if let Some(content) = &account.data {
            secret(&format!("{id}.data"), content)?;
            keys.push_str(&format!(", data-file = \"{id}.data\""));
        }
        add(&mut text, format_args!("notification = {{ {keys} }}"));
    }
    if account.profile == Profile::Approved {
        add(&mut text, format_args!("profile = \"approved\""));
    }
    text.push_str(&account.extra);
    files::put(&folder.join(format!("{id}.toml")), text, PLAIN)
}

fn add(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::config::{Environment, Selection, check};

    /// Checks that the agent reads what the lab writes: a key that one of them renames fails here.
    #[test]
    fn the_agent_finds_nothing_wrong_with_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let gateway = Gateway::new(folder.path()).unwrap();
        gateway.configure((Ipv4Addr::LOCALHOST, 2948).into(), "[session]\nretries = 1\n").unwrap();
        let authority = Authority::new("test").unwrap();
        let user = || ("user".to_owned(), "password".to_owned());
        let kinds = [
            Auth::None,
            Auth::Basic(user().0, user().1),
            Auth::Digest(user().0, user().1),
            Auth::Certificate(Box::new(authority.client("gw").unwrap())),
        ];
        for (number, auth) in kinds.into_iter().enumerate() {
            let account = Account {
                auth,
                secret: Some("secret".to_owned()),
                repository_ca_pem: Some(authority.pem().to_owned()),
                origins: vec!["https://127.0.0.1:4430".to_owned()],
                ..Account::new(&format!("s{number}"), "https://localhost/dm?id=[DevID]", &authority)
            };
            gateway.put_account(&account).unwrap();
        }
        let loaded = check(&Selection::File(gateway.config()), &Environment::current());
        assert_eq!(loaded.problems.to_string(), "");
        assert_eq!(loaded.accounts.len(), 4);
    }
}
