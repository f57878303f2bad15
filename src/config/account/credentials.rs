//! What an account trusts, and how both ends prove who they are.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Context, NotificationAuth, TlsFiles};
use crate::base::Secret;
use crate::config::secret::FileRef;
use crate::spanned::Reader;
use crate::transport::Auth;

pub(super) fn tls(reader: &mut Reader<'_>, context: Context<'_>) -> TlsFiles {
    TlsFiles {
        ca_pem: certificates(reader, "ca-file", context),
        repository_ca_pem: certificates(reader, "repository-ca-file", context),
    }
}

pub(super) fn auth(reader: &mut Reader<'_>, context: Context<'_>) -> Option<Auth> {
    let basic = reader.table("basic", |r| password(r, context));
    let digest = reader.table("digest", |r| password(r, context));
    let certificate = reader.table("certificate", |r| certificate(r, context));
    match (basic, digest, certificate) {
        (Some(basic), None, None) => {
            let (user, password) = basic?;
            // RFC 7617: what follows the first colon would be taken for the password.
            if user.contains(':') {
                reader.problem("basic", format!("expected a user without \":\", found {user:?}"));
            }
            Some(Auth::Basic { user, password })
        }
        (None, Some(digest), None) => digest.map(|(user, password)| Auth::Digest { user, password }),
        (None, None, Some(certificate)) => certificate,
        (None, None, None) => {
            reader.here("expected one of: basic, digest, certificate");
            None
        }
        _ => {
            reader.here("expected only one of: basic, digest, certificate");
            None
        }
    }
}

pub(super) fn notification(reader: &mut Reader<'_>, context: Context<'_>) -> Option<NotificationAuth> {
    let secret = secret_and_file(reader, "secret-file", context);
    let data =
        if reader.raw("data-file").is_some() { self::secret(reader, "data-file", context) } else { None };
    let require_digest = reader.or("require-digest", true);
    let (secret, file) = secret?;
    Some(NotificationAuth { secret, secret_file: Some(file), data, require_digest })
}

fn password(reader: &mut Reader<'_>, context: Context<'_>) -> Option<(String, Secret)> {
    let user = reader.required::<String>("user");
    if user.as_ref().is_some_and(|user| user.is_empty() || user.chars().any(char::is_control)) {
        reader.problem("user", "expected a user name without control characters");
    }
    let password = secret(reader, "password-file", context);
    Some((user?, password?))
}

fn certificate(reader: &mut Reader<'_>, context: Context<'_>) -> Option<Auth> {
    if reader.raw("cert-file").is_none() {
        // Says that it is missing.
        reader.required::<FileRef>("cert-file");
    }
    let cert_pem = certificates(reader, "cert-file", context);
    let key_pem = secret(reader, "key-file", context);
    if let Some(key) = &key_pem
        && PrivateKeyDer::from_pem_slice(key.expose()).is_err()
    {
        reader.problem("key-file", "expected a PEM file with an unencrypted private key");
    }
    Some(Auth::Certificate { cert_pem: cert_pem?, key_pem: key_pem? })
}

/// The secret that a required `…-file` key names.
fn secret(reader: &mut Reader<'_>, key: &str, context: Context<'_>) -> Option<Secret> {
    secret_and_file(reader, key, context).map(|(secret, _)| secret)
}

/// Likewise, and the file as a message names it.
fn secret_and_file(reader: &mut Reader<'_>, key: &str, context: Context<'_>) -> Option<(Secret, String)> {
    let file = reader.required::<FileRef>(key)?.to_string();
    Some((reader.parsed(key, |file: FileRef| file.secret(context.environment))?, file))
}

/// The PEM certificates that an optional `…-file` key names.
fn certificates(reader: &mut Reader<'_>, key: &str, context: Context<'_>) -> Option<Vec<u8>> {
    let pem = reader.parsed(key, |file: FileRef| file.public(context.environment))?;
    if !holds_certificates(&pem) {
        reader.problem(key, "expected a file of PEM certificates");
        return None;
    }
    Some(pem)
}

/// Whether this is one PEM certificate or several, and no broken one among them.
pub(crate) fn holds_certificates(pem: &[u8]) -> bool {
    let mut found = CertificateDer::pem_slice_iter(pem).peekable();
    found.peek().is_some() && found.all(|certificate| certificate.is_ok())
}
