//! The credentials that an account authenticates with.

use crate::base::Secret;

/// How the agent authenticates to the account's own origins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// No authentication.
    #[default]
    None,
    /// Basic authentication, `basic = { user, password-file }` (RFC 7617), over TLS only.
    Basic {
        /// The user name, a template like a ServerURI (`gw-[DevID]`).
        user: String,
        /// The password.
        password: Secret,
    },
    /// Digest authentication, `digest = { user, password-file }` (RFC 7616).
    Digest {
        /// The user name, a template like a ServerURI.
        user: String,
        /// The password.
        password: Secret,
    },
    /// TLS client authentication, `certificate = { cert-file, key-file }`.
    Certificate {
        /// The certificate chain, PEM, leaf first.
        cert_pem: Vec<u8>,
        /// The private key, PEM.
        key_pem: Secret,
    },
}
