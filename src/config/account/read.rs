//! Reading and validating an account file.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::context::AccountContext;
use super::{Account, BootstrapServer, Permission, Push, Schedule, credentials, syntax};
use crate::config::address::{self, AddressError};
use crate::package::Profile;
use crate::spanned::FromItem;
use crate::spanned::Problems;
use crate::spanned::Reader;
use crate::spanned::{Item, Located};
use crate::transport::Auth;
use crate::uri::Moid;
use crate::uri::ServerId;

impl Account {
    /// Reads an account file, its secrets included; none where something is wrong with it, and all of that is noted
    /// under the account's file.
    pub fn read(root: &Located, context: AccountContext<'_>, problems: &mut Problems) -> Option<Self> {
        let mut found = Problems::default();
        let account = read(root, context, &mut found);
        let account = if found.is_empty() { account } else { None };
        problems.append(found);
        account
    }
}

fn read(root: &Located, context: AccountContext<'_>, problems: &mut Problems) -> Option<Account> {
    let allow_http = context.allow_http;
    let mut reader = Reader::new(root, problems);
    let r = &mut reader;
    let server_id = r.required::<ServerId>("server-id");
    let name = r.optional("name").or_else(|| server_id.clone().map(String::from));
    let server = address(r, "server-uri", |uri| syntax::server_uri(uri, allow_http));
    let profile = r.parsed("profile", profile).unwrap_or_default();
    let permissions = permissions(r);
    let origins = r.parsed_each("origins", |text: String| address::origin(&text, allow_http));
    let tls = r.table("tls", |tls| credentials::tls(tls, context)).unwrap_or_default();
    let auth = r.table("auth", |auth| credentials::auth(auth, context)).flatten().unwrap_or_default();
    if let (Auth::Basic { .. }, Some((_, false))) = (&auth, &server) {
        r.problem(
            "auth",
            "basic would send the password in clear: expected an https `server-uri`, or digest",
        );
    }
    let notification = r.table("notification", |n| credentials::notification(n, context)).flatten();
    let schedule = r.table("schedule", schedule).unwrap_or_default();
    let push = r.table("push", |p| push(p, allow_http)).flatten();
    let bootstrap = r.table("bootstrap", bootstrap).flatten();
    reader.finish();
    Some(Account {
        file: root.file.to_path_buf(),
        server_id: server_id?,
        name: name?,
        server_uri: server?.0,
        profile,
        permissions,
        origins: origins.unwrap_or_default(),
        tls,
        auth,
        notification,
        schedule,
        push,
        bootstrap,
    })
}

/// Reads a required address, and whether it is https.
fn address(
    reader: &mut Reader<'_>,
    key: &str,
    check: impl FnOnce(&str) -> Result<crate::uri::Origin, AddressError>,
) -> Option<(String, bool)> {
    let text: String = reader.required(key)?;
    match check(&text) {
        Ok(origin) => Some((text, origin.secure)),
        Err(error) => {
            reader.problem(key, error.to_string());
            None
        }
    }
}

fn profile(name: String) -> Result<Profile, String> {
    match name.as_str() {
        "draft" => Ok(Profile::Draft),
        "approved" => Ok(Profile::Approved),
        _ => Err(format!("expected \"draft\" or \"approved\", found {name:?}")),
    }
}

/// Reads `permissions`. Unsaid, the server may see every MO: a factory account is the device owner's own choice of
/// manager.
fn permissions(reader: &mut Reader<'_>) -> Vec<Permission> {
    let all = || vec![Permission { moid: Moid::fixed("*"), rights: Permission::UNSAID }];
    let Some(found) = reader.array("permissions", permission) else { return all() };
    let permissions: Vec<Permission> = found.into_iter().flatten().collect();
    for (at, permission) in permissions.iter().enumerate() {
        if permissions.iter().take(at).any(|earlier| earlier.moid == permission.moid) {
            reader.problem("permissions", format!("{:?} stands there twice", permission.moid));
        }
    }
    permissions
}

fn permission(item: &Located, key: String, problems: &mut Problems) -> Option<Permission> {
    if let Item::Table(_) = item.item {
        let mut reader = Reader::at(item, key, problems);
        let moid = reader.required::<Moid>("moid");
        let rights = reader.parsed("rights", rights).unwrap_or(Permission::UNSAID);
        reader.finish();
        return Some(Permission { moid: moid?, rights });
    }
    Moid::read(item, &key, problems).map(|moid| Permission { moid, rights: Permission::UNSAID })
}

/// Checks the sum of rights (TS 11.3 AccessRights).
pub(in crate::config) fn rights(number: i64) -> Result<u8, String> {
    let rights = u8::try_from(number).ok().filter(|rights| *rights <= 15);
    rights.ok_or_else(|| {
        format!("expected the sum of read 1, write 2, execute 4 and delegate 8 (0 to 15), found {number}")
    })
}

pub(in crate::config) fn schedule(reader: &mut Reader<'_>) -> Schedule {
    let default = Schedule::default();
    let year = Duration::from_secs(366 * 24 * 3600);
    Schedule {
        at_boot: reader.or("at-boot", default.at_boot),
        first_contact: reader.or("first-contact", default.first_contact),
        every: reader.within("every", Duration::from_secs(1)..=year, "a duration from \"1s\" to \"366d\""),
        jitter: reader
            .within("jitter", Duration::ZERO..=year, "a duration from \"0s\" to \"366d\"")
            .unwrap_or(default.jitter),
    }
}

fn push(reader: &mut Reader<'_>, allow_http: bool) -> Option<Push> {
    let sender_id = reader.required("sender-id");
    let register = address(reader, "register-uri", |uri| syntax::push_uri(uri, allow_http));
    let unregister = address(reader, "unregister-uri", |uri| syntax::push_uri(uri, allow_http));
    let params = reader.parsed("params", |text: String| {
        if syntax::is_query(&text) {
            Ok(text)
        } else {
            Err("expected a query such as \"k=v&l=w\", percent-encoded")
        }
    });
    Some(Push { sender_id: sender_id?, register_uri: register?.0, unregister_uri: unregister?.0, params })
}

fn bootstrap(reader: &mut Reader<'_>) -> Option<BootstrapServer> {
    let server_uri = address(reader, "server-uri", |uri| syntax::server_uri(uri, false));
    let sec_mode =
        reader.parsed("sec-mode", |text: String| BASE64_STANDARD.decode(text).or(Err("expected base64")));
    Some(BootstrapServer { server_uri: server_uri?.0, sec_mode })
}

/// A Server Identifier, which becomes a MIID: one segment of a ClientURI.
impl FromItem for ServerId {
    const EXPECTED: &'static str = "1 to 255 bytes of visible characters without \"/\"";

    fn from_item(item: &Item) -> Option<Self> {
        String::from_item(item).filter(|id| syntax::is_server_id(id)).map(Self::from)
    }
}

/// A Management Object Identifier, or `*`.
impl FromItem for Moid {
    const EXPECTED: &'static str = "a MOID such as \"urn:oma:mo:oma-dm-devinfo:1.2\", or \"*\"";

    fn from_item(item: &Item) -> Option<Self> {
        String::from_item(item).filter(|moid| syntax::is_moid(moid)).map(Self::from)
    }
}
