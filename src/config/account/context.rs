//! What decides whether an account is right besides its file.

use crate::config::environment::Environment;

/// The surroundings that decide whether an account is right, besides its file.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// `session.allow-http` of the settings.
    pub allow_http: bool,
    /// Where credentials are, and who may own and read secrets.
    pub environment: &'a Environment,
}
