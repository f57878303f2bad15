//! What an account authenticates with.

use crate::base::Secret;

/// How the agent authenticates to the account's own origins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// It doesn't.
    #[default]
    None,
    /// `basic = { user, password-file }` (RFC 7617), over TLS only.
    Basic {
        /// User name, a template like a ServerURI (`gw-[DevID]`).
        user: String,
        /// Password.
        password: Secret,
    },
    /// `digest = { user, password-file }` (RFC 7616).
    Digest {
        /// User name, a template like a ServerURI.
        user: String,
        /// Password.
        password: Secret,
    },
    /// `certificate = { cert-file, key-file }`: TLS client authentication.
    Certificate {
        /// The chain, PEM, leaf first.
        cert_pem: Vec<u8>,
        /// The private key, PEM.
        key_pem: Secret,
    },
}
