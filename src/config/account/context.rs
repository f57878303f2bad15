//! What decides whether an account is right besides its file.

use crate::config::environment::Environment;

/// The surroundings that decide whether an account is right, besides its file.
#[derive(Clone, Copy, Debug)]
pub struct AccountContext<'a> {
    /// Whether plain http is allowed, `session.allow-http` of the settings.
    pub allow_http: bool,
    /// The environment: where credentials are, and who may own and read secrets.
    pub environment: &'a Environment,
}
