//! The DM Account object's data, read as an account. The names tell which text it follows: the draft's (TS 11.2) or the
//! approved one's.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Map, Value as Json};

use crate::base::OneByOne as _;
use crate::base::Secret;
use crate::config::{
    Account, BootstrapServer, NotificationAuth, Permission, Push, Settings, TlsFiles, holds_certificates,
    syntax,
};
use crate::package::Profile;
use crate::transport::Auth;

/// The most permissions of an account: as many as any device has objects.
const MOST_PERMISSIONS: usize = 256;
/// The largest secret, key or certificate, in bytes.
const LARGEST: usize = 16 << 10;

/// The members of the record that the store keeps.
const DATA: &str = "Data";
const CA: &str = "CA";

/// Why the data is no account.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DmaccError {
    /// A node that must be there is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A node has a value that it can't have.
    #[error("{node}: {why}")]
    Wrong {
        /// The node's path.
        node: String,
        /// The value that was expected.
        why: String,
    },
    /// The account has a node that nobody knows: a misspelt one would weaken it unnoticed.
    #[error("{0}: no such node in a DM account")]
    Unknown(String),
    /// The data is neither the draft's nor the approved text's.
    #[error("expected one of ServerID and SrvID")]
    Text,
    /// The stored record is damaged.
    #[error("the record is damaged")]
    Record,
}

/// An account as a bootstrap brought it.
#[derive(Debug)]
pub(crate) struct BroughtAccount {
    /// The account that the data comes to.
    pub account: Account,
    /// The record that the store keeps: the object's data, and the CA certificates that it came under.
    pub record: Secret,
}

/// The names of what both texts have.
struct Names {
    profile: Profile,
    id: &'static str,
    permissions: &'static str,
    /// The path from the root to the notification's node.
    notification: &'static [&'static str],
    kind: &'static str,
    secret: &'static str,
    register: &'static str,
    unregister: &'static str,
    members: &'static [&'static str],
}

const DRAFT: Names = Names {
    profile: Profile::Draft,
    id: "ServerID",
    permissions: "Permissions",
    notification: &["AuthNoti"],
    kind: "AuthType",
    secret: "AuthSecret",
    register: "RegURL",
    unregister: "UnRegURL",
    members: &["ServerID", "Name", "SrvURI", "Permissions", "AuthNoti", "Push", "Ext"],
};

const APPROVED: Names = Names {
    profile: Profile::Approved,
    id: "SrvID",
    permissions: "Perm",
    notification: &["Auth", "Noti"],
    kind: "Type",
    secret: "Secret",
    register: "RegURI",
    unregister: "UnRegURI",
    members: &["SrvID", "Name", "SrvURI", "Perm", "Auth", "Push", "Ext"],
};

/// Reads an object's data, which may be wrapped in its root's name.
pub(super) fn read(data: &Json, settings: &Settings) -> Result<BroughtAccount, DmaccError> {
    let root = unwrapped(data);
    let root = Node { path: String::new(), members: members(root, "the object")? };
    let account = account(&root, settings)?;
    let data = (DATA.to_owned(), Json::Object(root.members.clone()));
    let mut record: Map<String, Json> = std::iter::once(data).one_by_one();
    if let Some(pem) = &account.tls.ca_pem {
        record.insert(CA.to_owned(), BASE64_STANDARD.encode(pem).into());
    }
    Ok(BroughtAccount { account, record: Secret::new(Json::Object(record).to_string().into_bytes()) })
}

/// Reads the record that the store has kept.
pub(super) fn from_record(record: &Secret, settings: &Settings) -> Result<Account, DmaccError> {
    let mut record: Json = serde_json::from_slice(record.expose()).map_err(|_| DmaccError::Record)?;
    let data = record.get_mut(DATA).map(Json::take).unwrap_or_default();
    let mut account = read(&data, settings)?.account;
    // What the settings say counts as long as they say where to bootstrap.
    if settings.bootstrap.uri.is_none()
        && let Some(pem) = record.get(CA)
    {
        let pem = pem.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
        account.tls.ca_pem = Some(pem.ok_or(DmaccError::Record)?);
    }
    Ok(account)
}

fn unwrapped(data: &Json) -> &Json {
    match data.as_object().map(|members| (members.len(), members.iter().next())) {
        Some((1, Some((_, inner @ Json::Object(members)))))
            if members.contains_key(DRAFT.id) || members.contains_key(APPROVED.id) =>
        {
            inner
        }
        _ => data,
    }
}

fn account(root: &Node<'_>, settings: &Settings) -> Result<Account, DmaccError> {
    let names = match (root.has(DRAFT.id), root.has(APPROVED.id)) {
        (true, false) => DRAFT,
        (false, true) => APPROVED,
        _ => return Err(DmaccError::Text),
    };
    root.knows(names.members)?;
    let allow_http = settings.session.allow_http;
    let server_id = root.required(names.id)?.to_owned();
    if !syntax::is_server_id(&server_id) {
        return Err(root.wrong(names.id, "expected 1 to 255 bytes of visible characters without \"/\""));
    }
    let name = root.text("Name")?.unwrap_or(&server_id).to_owned();
    if !syntax::is_name(&name) {
        return Err(root.wrong("Name", "expected at most 255 bytes without control characters"));
    }
    let server_uri = root.address("SrvURI", |uri| syntax::server_uri(uri, allow_http))?;
    let mut inner = Some(root.clone());
    for step in names.notification {
        inner = inner.map(|node| node.child(step)).transpose()?.flatten();
    }
    let notification = inner.map(|node| notification(&node, &names)).transpose()?;
    let mut bootstrap = None;
    let auth = match root.child("Auth")? {
        None => Auth::None,
        Some(auth) => {
            auth.knows(&["Bootstrap", "Noti", "Trsp"])?;
            bootstrap = auth.child("Bootstrap")?.map(|node| bootstrap_server(&node)).transpose()?;
            let secure = server_uri.starts_with("https:") || server_uri.starts_with("HTTPS:");
            auth.child("Trsp")?.map(|node| transport(&node, secure)).transpose()?.unwrap_or_default()
        }
    };
    Ok(Account {
        file: std::path::PathBuf::new(),
        permissions: permissions(root, names.permissions, settings.bootstrap.rights)?,
        push: push(root, &names, allow_http)?,
        bootstrap,
        server_id: server_id.into(),
        name,
        server_uri,
        profile: names.profile,
        origins: Vec::new(),
        tls: TlsFiles { ca_pem: settings.bootstrap.ca_pem.clone(), ..TlsFiles::default() },
        auth,
        notification,
        schedule: settings.bootstrap.schedule.clone(),
    })
}

/// Reads `Permissions/<x>/MOID`: what the server may manage. It must be said: a bootstrap grants nothing by silence.
fn permissions(root: &Node<'_>, name: &'static str, rights: u8) -> Result<Vec<Permission>, DmaccError> {
    let node = root.child(name)?.ok_or(DmaccError::Missing(name))?;
    if node.members.is_empty() || node.members.len() > MOST_PERMISSIONS {
        return Err(root.wrong(name, "expected 1 to 256 of them"));
    }
    let mut found: Vec<Permission> = Vec::new();
    for key in node.members.keys() {
        let group = node.child(key)?.ok_or(DmaccError::Missing("MOID"))?;
        group.knows(&["MOID"])?;
        let moid = group.required("MOID")?;
        if !syntax::is_moid(moid) {
            return Err(
                group.wrong("MOID", "expected a MOID such as \"urn:oma:mo:oma-dm-devinfo:1.2\", or \"*\"")
            );
        }
        if found.iter().all(|known| known.moid != moid) {
            found.push(Permission { moid: moid.into(), rights });
        }
    }
    Ok(found)
}

fn notification(node: &Node<'_>, names: &Names) -> Result<NotificationAuth, DmaccError> {
    let approved = names.profile == Profile::Approved;
    let known: &[&str] = if approved { &["Type", "Data", "Secret"] } else { &["AuthType", "AuthSecret"] };
    node.knows(known)?;
    match node.members.get(names.kind) {
        Some(kind) if kind.as_i64() == Some(0) => {}
        Some(_) => return Err(node.wrong(names.kind, "expected 0, a SHA-256 digest")),
        None => return Err(DmaccError::Missing("the notification's authentication type")),
    }
    let (secret, data) = if approved {
        (node.bytes(names.secret)?, node.bytes("Data")?.filter(|data| !data.expose().is_empty()))
    } else {
        (node.text(names.secret)?.map(|text| Secret::new(text.as_bytes().to_vec())), None)
    };
    let secret = secret.filter(|secret| !secret.expose().is_empty());
    let secret = secret.ok_or(DmaccError::Missing("the notification's secret"))?;
    if secret.expose().len() > LARGEST {
        return Err(node.wrong(names.secret, "expected at most 16384 bytes"));
    }
    Ok(NotificationAuth { secret, secret_file: None, data, require_digest: true })
}

/// Reads `Auth/Trsp`: a client certificate and its key, or a user and a password.
fn transport(node: &Node<'_>, secure: bool) -> Result<Auth, DmaccError> {
    node.knows(&["Data", "Secret"])?;
    let data = node.bytes("Data")?.ok_or(DmaccError::Missing("Auth/Trsp/Data"))?;
    let secret = node.bytes("Secret")?.ok_or(DmaccError::Missing("Auth/Trsp/Secret"))?;
    if holds_certificates(data.expose()) {
        if PrivateKeyDer::from_pem_slice(secret.expose()).is_err() {
            return Err(node.wrong("Secret", "expected the certificate's private key, unencrypted PEM"));
        }
        return Ok(Auth::Certificate { cert_pem: data.expose().to_vec(), key_pem: secret });
    }
    let user = std::str::from_utf8(data.expose()).ok().filter(|user| {
        !user.is_empty() && syntax::is_name(user) && !user.contains(':') && !user.contains("-----")
    });
    let user =
        user.ok_or_else(|| node.wrong("Data", "expected PEM certificates, or a user name"))?.to_owned();
    if secret.expose().is_empty() {
        return Err(node.wrong("Secret", "expected a password"));
    }
    // Basic sends the password itself.
    Ok(if secure { Auth::Basic { user, password: secret } } else { Auth::Digest { user, password: secret } })
}

/// Reads `Auth/Bootstrap`: the server that brings the account. Nothing but the bootstrap makes use of its keys.
fn bootstrap_server(node: &Node<'_>) -> Result<BootstrapServer, DmaccError> {
    const KEYS: [&str; 3] = ["ClientPubKey", "ServerPubKey", "ClientSecretKey"];
    node.knows(&["ServerURI", "SecMode", KEYS[0], KEYS[1], KEYS[2]])?;
    for key in KEYS {
        node.bytes(key)?;
    }
    let server_uri = node.address("ServerURI", |uri| syntax::server_uri(uri, false))?;
    let sec_mode = node.bytes("SecMode")?.map(|mode| mode.expose().to_vec());
    Ok(BootstrapServer { server_uri, sec_mode })
}

fn push(root: &Node<'_>, names: &Names, allow_http: bool) -> Result<Option<Push>, DmaccError> {
    // Other services than GCM are none of ours.
    let Some(push) = root.child("Push")? else { return Ok(None) };
    let Some(node) = push.child("GCM")? else { return Ok(None) };
    node.knows(&["SenderID", names.register, names.unregister, "RegParams", "Ext"])?;
    let sender_id = node.required("SenderID")?.to_owned();
    if sender_id.is_empty() || !syntax::is_name(&sender_id) {
        return Err(node.wrong("SenderID", "expected 1 to 255 bytes without control characters"));
    }
    let params = node.text("RegParams")?.filter(|params| !params.is_empty());
    if params.is_some_and(|params| !syntax::is_query(params)) {
        return Err(node.wrong("RegParams", "expected a query such as \"k=v&l=w\", percent-encoded"));
    }
    Ok(Some(Push {
        sender_id,
        register_uri: node.address(names.register, |uri| syntax::push_uri(uri, allow_http))?,
        unregister_uri: node.address(names.unregister, |uri| syntax::push_uri(uri, allow_http))?,
        params: params.map(str::to_owned),
    }))
}

/// An interior node of the data.
#[derive(Clone)]
struct Node<'a> {
    path: String,
    members: &'a Map<String, Json>,
}

fn members<'a>(data: &'a Json, path: &str) -> Result<&'a Map<String, Json>, DmaccError> {
    let wrong = || DmaccError::Wrong { node: path.to_owned(), why: "expected a JSON object".to_owned() };
    data.as_object().ok_or_else(wrong)
}

impl<'a> Node<'a> {
    fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) }
    }

    fn wrong(&self, name: &str, why: &str) -> DmaccError {
        DmaccError::Wrong { node: self.path(name), why: why.to_owned() }
    }

    fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    fn knows(&self, names: &[&str]) -> Result<(), DmaccError> {
        match self.members.keys().find(|key| !names.contains(&key.as_str())) {
            Some(key) => Err(DmaccError::Unknown(self.path(&key.chars().take(60).collect::<String>()))),
            None => Ok(()),
        }
    }

    fn child(&self, name: &str) -> Result<Option<Self>, DmaccError> {
        let Some(data) = self.members.get(name) else { return Ok(None) };
        let path = self.path(name);
        Ok(Some(Self { members: members(data, &path)?, path }))
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>, DmaccError> {
        let Some(value) = self.members.get(name) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.wrong(name, "expected a string"))
    }

    fn required(&self, name: &'static str) -> Result<&'a str, DmaccError> {
        self.text(name)?.ok_or(DmaccError::Missing(name))
    }

    /// The value of a binary leaf, which is base64 in JSON.
    fn bytes(&self, name: &str) -> Result<Option<Secret>, DmaccError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let bytes = BASE64_STANDARD.decode(text).ok().filter(|bytes| bytes.len() <= LARGEST);
        bytes
            .map(|bytes| Some(Secret::new(bytes)))
            .ok_or_else(|| self.wrong(name, "expected base64 of at most 16384 bytes"))
    }

    fn address<T, E: ToString>(
        &self,
        name: &'static str,
        check: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<String, DmaccError> {
        let uri = self.required(name)?;
        if uri.len() > syntax::LONGEST_ADDRESS {
            return Err(self.wrong(name, "expected an address of at most 4096 bytes"));
        }
        check(uri).map_err(|error| self.wrong(name, &error.to_string()))?;
        Ok(uri.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_(data: &Json) -> Result<Account, String> {
        read(data, &Settings::default()).map(|read| read.account).map_err(|error| error.to_string())
    }

    fn draft() -> Json {
        json!({
            "ServerID": "acme", "Name": "Acme", "SrvURI": "https://dm.example/[DevID]",
            "Permissions": {"1": {"MOID": "urn:a"}, "2": {"MOID": "*"}},
            "AuthNoti": {"AuthType": 0, "AuthSecret": "s3cret"},
            "Push": {"GCM": {"SenderID": "1", "RegURL": "https://p.example/r", "UnRegURL": "https://p.example/u", "RegParams": "a=b"}, "Other": {"x": 1}},
        })
    }

    fn approved() -> Json {
        json!({
            "SrvID": "acme", "SrvURI": "https://dm.example/", "Perm": {"x": {"MOID": "*"}},
            "Auth": {
                "Noti": {"Type": 0, "Data": BASE64_STANDARD.encode(b"\0data"), "Secret": BASE64_STANDARD.encode(b"\xffsecret")},
                "Trsp": {"Data": BASE64_STANDARD.encode("gw-[DevID]"), "Secret": BASE64_STANDARD.encode("pw")},
                "Bootstrap": {
                    "ServerURI": "https://b.example/[DevID]", "SecMode": "AP8=",
                    "ClientPubKey": "AQ==", "ServerPubKey": "Ag==", "ClientSecretKey": "Aw==",
                },
            },
            "Push": {"GCM": {"SenderID": "1", "RegURI": "https://p.example/r", "UnRegURI": "https://p.example/u"}},
        })
    }

    #[test]
    fn both_texts_make_the_same_kind_of_account() {
        let account = read_(&draft()).unwrap();
        assert_eq!((account.profile, account.server_id.as_str()), (Profile::Draft, "acme"));
        assert_eq!(
            account.permissions.iter().map(|one| one.moid.as_str()).collect::<Vec<_>>(),
            ["urn:a", "*"]
        );
        let notification = account.notification.unwrap();
        assert_eq!((notification.secret.expose(), notification.require_digest), (&b"s3cret"[..], true));
        assert_eq!(account.push.unwrap().params.as_deref(), Some("a=b"));
        assert!(account.file.as_os_str().is_empty());

        let account = read_(&json!({"DMAcc": approved()})).unwrap();
        assert_eq!((account.profile, account.name.as_str()), (Profile::Approved, "acme"));
        let notification = account.notification.unwrap();
        assert_eq!(notification.secret.expose(), b"\xffsecret");
        assert_eq!(notification.data.unwrap().expose(), b"\0data");
        let Auth::Basic { user, password } = account.auth else { panic!("not basic") };
        assert_eq!((user.as_str(), password.expose()), ("gw-[DevID]", &b"pw"[..]));
        let bootstrap = account.bootstrap.unwrap();
        assert_eq!(bootstrap.server_uri, "https://b.example/[DevID]");
        assert_eq!(bootstrap.sec_mode, Some(vec![0, 0xff]));
    }

    #[test]
    fn what_is_reserved_for_others_is_passed_over() {
        for (data, known) in [(draft(), read_(&draft())), (approved(), read_(&approved()))] {
            let mut data = data;
            data["Ext"] = json!({"Vendor": {"x": 1}});
            data["Push"]["Ext"] = json!({"Vendor": {"x": 1}});
            data["Push"]["Standard"] = json!({"Address": "x"});
            data["Push"]["GCM"]["Ext"] = json!({"x": 1});
            assert_eq!(read_(&data).unwrap(), known.unwrap());
            data["Push"] = json!({"Ext": {}});
            assert_eq!(read_(&data).unwrap().push, None);
        }
    }

    #[test]
    fn what_the_store_keeps_makes_the_account_again() {
        let settings = Settings::default();
        for data in [draft(), json!({"DMAcc": approved()})] {
            let read = read(&data, &settings).unwrap();
            assert_eq!(from_record(&read.record, &settings).unwrap(), read.account);
            assert!(!format!("{read:?}").contains("s3cret"));
        }
        assert!(from_record(&Secret::new(b"{}".to_vec()), &settings).is_err());
    }

    #[test]
    fn an_account_keeps_its_ca_when_the_settings_say_nothing_of_bootstraps_any_more() {
        let under = |uri: Option<&str>, pem: Option<&[u8]>| {
            let mut settings = Settings::default();
            settings.bootstrap.uri = uri.map(str::to_owned);
            settings.bootstrap.ca_pem = pem.map(<[u8]>::to_vec);
            settings
        };
        let uri = Some("https://b.example/");
        let record = read(&draft(), &under(uri, Some(b"old"))).unwrap().record;
        let ca = |settings: Settings| from_record(&record, &settings).unwrap().tls.ca_pem;
        assert_eq!(ca(under(None, None)), Some(b"old".to_vec()));
        assert_eq!(ca(under(uri, Some(b"new"))), Some(b"new".to_vec()), "the operator has another one");
        assert_eq!(ca(under(uri, None)), None, "or trusts the system's");
    }

    #[test]
    fn a_certificate_is_shown_with_its_key() {
        let certified = rcgen::generate_simple_self_signed(["gw.example".to_owned()]).unwrap();
        let mut data = approved();
        data["Auth"]["Trsp"]["Data"] = BASE64_STANDARD.encode(certified.cert.pem()).into();
        assert!(
            read_(&data).unwrap_err().starts_with("Auth/Trsp/Secret: expected the certificate's private key")
        );
        data["Auth"]["Trsp"]["Secret"] = BASE64_STANDARD.encode(certified.signing_key.serialize_pem()).into();
        assert!(matches!(read_(&data).unwrap().auth, Auth::Certificate { .. }));
    }

    /// The data with one member changed, or taken away.
    fn with(mut data: Json, pointer: &str, value: Option<Json>) -> Json {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = data.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Some(value) => drop(parent.insert(name.to_owned(), value)),
            None => drop(parent.remove(name)),
        }
        data
    }

    #[test]
    fn a_broken_account_is_refused_and_the_message_names_the_node() {
        for (pointer, value, expected) in [
            ("/ServerID", None, "expected one of ServerID and SrvID"),
            ("/SrvID", Some(json!("b")), "expected one of ServerID and SrvID"),
            ("/ServerID", Some(json!("a/b")), "ServerID: expected 1 to 255 bytes"),
            ("/ServerID", Some(json!("")), "ServerID: expected 1 to 255 bytes"),
            ("/ServerID", Some(json!(7)), "ServerID: expected a string"),
            ("/Name", Some(json!("a\u{7}")), "Name: expected at most 255 bytes"),
            ("/SrvURI", None, "SrvURI is missing"),
            ("/SrvURI", Some(json!("http://dm.example/")), "SrvURI: plain http is refused"),
            ("/SrvURI", Some(json!("https://[DevID].example/")), "SrvURI: templates such as"),
            (
                "/SrvURI",
                Some(json!("https://dm.example/".to_owned() + &"x".repeat(5000))),
                "SrvURI: expected an address of",
            ),
            ("/Permissions", None, "Permissions is missing"),
            ("/Permissions", Some(json!({})), "Permissions: expected 1 to 256"),
            ("/Permissions", Some(json!("*")), "Permissions: expected a JSON object"),
            ("/Permissions/1", Some(json!({})), "MOID is missing"),
            ("/Permissions/1", Some(json!({"MOID": "a b"})), "Permissions/1/MOID: expected a MOID"),
            (
                "/Permissions/1",
                Some(json!({"MOID": "a", "Rights": 15})),
                "Permissions/1/Rights: no such node",
            ),
            ("/AuthNoti/AuthType", Some(json!(1)), "AuthNoti/AuthType: expected 0"),
            ("/AuthNoti/AuthType", None, "the notification's authentication type is missing"),
            ("/AuthNoti/AuthSecret", Some(json!("")), "the notification's secret is missing"),
            (
                "/AuthNoti/AuthSecret",
                Some(json!("x".repeat(LARGEST + 1))),
                "AuthNoti/AuthSecret: expected at most",
            ),
            ("/AuthNoty", Some(json!({})), "AuthNoty: no such node"),
            ("/Push/GCM/RegURL", None, "RegURL is missing"),
            ("/Push/GCM/RegURL", Some(json!("http://p.example/")), "Push/GCM/RegURL: plain http is refused"),
            ("/Push/GCM/RegParams", Some(json!("a b")), "Push/GCM/RegParams: expected a query"),
        ] {
            let error = read_(&with(draft(), pointer, value)).unwrap_err();
            assert!(error.starts_with(expected), "{pointer}: {error}");
        }
        for (pointer, value, expected) in [
            ("/Auth/Noti/Secret", json!("no base64!"), "Auth/Noti/Secret: expected base64"),
            ("/Auth/Trsp/Secret", json!(""), "Auth/Trsp/Secret: expected a password"),
            (
                "/Auth/Trsp/Data",
                json!(BASE64_STANDARD.encode("a:b")),
                "Auth/Trsp/Data: expected PEM certificates, or",
            ),
            ("/Auth/Other", json!({}), "Auth/Other: no such node"),
            ("/Auth/Bootstrap", json!({}), "ServerURI is missing"),
            ("/Auth/Bootstrap/ServerURI", json!("http://b.example/"), "Auth/Bootstrap/ServerURI: plain http"),
            ("/Auth/Bootstrap/SecMode", json!(1), "Auth/Bootstrap/SecMode: expected a string"),
            ("/Auth/Bootstrap/ClientPubKey", json!("?"), "Auth/Bootstrap/ClientPubKey: expected base64"),
            ("/Auth/Bootstrap/ServerPubKey", json!("?"), "Auth/Bootstrap/ServerPubKey: expected base64"),
            (
                "/Auth/Bootstrap/ClientSecretKey",
                json!({}),
                "Auth/Bootstrap/ClientSecretKey: expected a string",
            ),
            ("/Auth/Bootstrap/Key", json!("AQ=="), "Auth/Bootstrap/Key: no such node"),
        ] {
            let error = read_(&with(approved(), pointer, Some(value))).unwrap_err();
            assert!(error.starts_with(expected), "{pointer}: {error}");
        }
        for data in [json!(null), json!([]), json!("x"), json!({}), json!({"DMAcc": null})] {
            assert!(read_(&data).is_err());
        }
        let many: Map<String, Json> =
            (0..257).map(|n| (n.to_string(), json!({"MOID": format!("urn:{n}")}))).collect();
        assert!(read_(&with(draft(), "/Permissions", Some(Json::Object(many)))).is_err());
    }
}
