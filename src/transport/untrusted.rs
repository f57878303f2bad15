//! A certificate whose issuer is not trusted: what TLS says, and messages tell.

/// What signed the last certificate that the server sent is not among the trusted ones: its name, where it has one.
#[derive(Debug, thiserror::Error)]
#[error("its issuer is not trusted")]
pub(super) struct Untrusted(pub(super) Option<String>);
