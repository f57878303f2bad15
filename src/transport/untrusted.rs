//! A certificate whose issuer is not trusted: what TLS says, and messages tell.

/// The error that the issuer of the last certificate sent by the server is not among the trusted ones: its name, where
/// it has one.
#[derive(Debug, thiserror::Error)]
#[error("its issuer is not trusted")]
pub(super) struct Untrusted(pub(super) Option<String>);
