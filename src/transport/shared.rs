//! What the sessions of an account share on the way to its servers.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::auth::Authenticator;
use super::policy::Policy;
use super::proxy::Proxies;
use super::reach::Memory;
use super::tls::Tls;

/// Whom the account trusts, what its servers asked for, and which of their addresses answered.
pub(super) struct Shared {
    pub(super) policy: Policy,
    pub(super) tls: Tls,
    pub(super) proxies: Proxies,
    pub(super) auth: Mutex<Authenticator>,
    pub(super) memory: Mutex<Memory>,
}

impl Shared {
    /// Held for a computation, never over an await.
    pub(super) fn auth(&self) -> MutexGuard<'_, Authenticator> {
        self.auth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Likewise.
    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
