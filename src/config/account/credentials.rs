//! Credentials of an account: what it trusts, and how both ends prove who they are.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::context::AccountContext;
use super::{NotificationAuth, TlsFiles};
use crate::base::Secret;
use crate::config::secret::FileRef;
use crate::spanned::Reader;
use crate::transport::Auth;

pub(super) fn tls(reader: &mut Reader<'_>, context: AccountContext<'_>) -> TlsFiles {
    let (ca_pem, ca_file) = certificates(reader, "ca-file", context).unzip();
    let (repository_ca_pem, repository_ca_file) = certificates(reader, "repository-ca-file", context).unzip();
    TlsFiles { ca_pem, ca_file, repository_ca_pem, repository_ca_file }
}

pub(super) fn auth(reader: &mut Reader<'_>, context: AccountContext<'_>) -> Option<Auth> {
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

pub(super) fn notification(reader: &mut Reader<'_>, context: AccountContext<'_>) -> Option<NotificationAuth> {
    let secret = secret_and_file(reader, "secret-file", context);
    let data =
        if reader.raw("data-file").is_some() { self::secret(reader, "data-file", context) } else { None };
    let require_digest = reader.or("require-digest", true);
    let (secret, file) = secret?;
    Some(NotificationAuth { secret, secret_file: Some(file), data, require_digest })
}

fn password(reader: &mut Reader<'_>, context: AccountContext<'_>) -> Option<(String, Secret)> {
    let user = reader.required::<String>("user");
    if user.as_ref().is_some_and(|user| user.is_empty() || user.chars().any(char::is_control)) {
        reader.problem("user", "expected a user name without control characters");
    }
    let password = secret(reader, "password-file", context);
    Some((user?, password?))
}

fn certificate(reader: &mut Reader<'_>, context: AccountContext<'_>) -> Option<Auth> {
    if reader.raw("cert-file").is_none() {
        // Says that it is missing.
        reader.required::<FileRef>("cert-file");
    }
    let cert_pem = certificates(reader, "cert-file", context);
    let (key_pem, key_file) = secret_and_file(reader, "key-file", context).unzip();
    if let (Some(key), Some(file)) = (&key_pem, key_file)
        && PrivateKeyDer::from_pem_slice(key.expose()).is_err()
    {
        let expected = "expected a PEM file with an unencrypted private key";
        reader.problem("key-file", format!("{expected}; there is none in {file}"));
    }
    Some(Auth::Certificate { cert_pem: cert_pem?.0, key_pem: key_pem? })
}

/// The secret that a required `…-file` key names.
fn secret(reader: &mut Reader<'_>, key: &str, context: AccountContext<'_>) -> Option<Secret> {
    secret_and_file(reader, key, context).map(|(secret, _)| secret)
}

/// The secret that a required `…-file` key names, and the file as a message names it.
fn secret_and_file(
    reader: &mut Reader<'_>,
    key: &str,
    context: AccountContext<'_>,
) -> Option<(Secret, String)> {
    let file = reader.required::<FileRef>(key)?.to_string();
    Some((reader.parsed(key, |file: FileRef| file.secret(context.environment))?, file))
}

/// The PEM certificates that an optional `…-file` key names, and the file as a message names it.
fn certificates(
    reader: &mut Reader<'_>,
    key: &str,
    context: AccountContext<'_>,
) -> Option<(Vec<u8>, String)> {
    let read = |file: FileRef| file.public(context.environment).map(|pem| (pem, file.to_string()));
    let (pem, file) = reader.parsed(key, read)?;
    if !holds_certificates(&pem) {
        reader.problem(key, no_certificates(&file));
        return None;
    }
    Some((pem, file))
}

/// The problem with a file that [`holds_certificates`] denies.
pub(crate) fn no_certificates(file: &str) -> String {
    format!("expected a file of PEM certificates; {file} holds none, or a broken one")
}

/// Whether a file's content is one PEM certificate or several, and no broken one among them.
pub(crate) fn holds_certificates(pem: &[u8]) -> bool {
    let mut found = CertificateDer::pem_slice_iter(pem).peekable();
    found.peek().is_some() && found.all(|certificate| certificate.is_ok())
}
