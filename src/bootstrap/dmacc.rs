//! The DM Account object's data, read as an account. The names tell which text it follows: the draft's (TS 11.2) or the
//! approved one's.

mod node;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use node::{LARGEST, Node, members};
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

pub(crate) use node::DmaccError;

/// The most permissions of an account: as many as any device has objects.
const MOST_PERMISSIONS: usize = 256;
/// The members of the record that the store keeps.
const DATA: &str = "Data";
const CA: &str = "CA";

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

#[cfg(test)]
mod tests;
