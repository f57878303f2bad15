//! What else than its file decides whether an account is right.

use crate::config::environment::Environment;

/// What else than its file decides whether an account is right.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// `session.allow-http` of the settings.
    pub allow_http: bool,
    /// Where credentials are, and who may own and read secrets.
    pub environment: &'a Environment,
}
