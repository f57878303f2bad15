//! The state that an account's sessions share on the way to its servers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::auth::Authenticator;
use super::policy::Policy;
use super::proxy::Proxies;
use super::reach::AddressMemory;
use super::tls::Tls;
use super::usage::Usage;

/// The shared state of an account's connections: whom it trusts, what its servers asked for, and which of their
/// addresses answered.
pub(super) struct AccountTransport {
    pub(super) policy: Policy,
    pub(super) tls: Tls,
    pub(super) proxies: Proxies,
    pub(super) usage: Arc<Usage>,
    pub(super) auth: Mutex<Authenticator>,
    pub(super) memory: Mutex<AddressMemory>,
}

impl AccountTransport {
    /// The account's authenticator. Held for a computation, never over an await.
    pub(super) fn auth(&self) -> MutexGuard<'_, Authenticator> {
        self.auth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The memory of addresses. Held for a computation, never over an await.
    pub(super) fn memory(&self) -> MutexGuard<'_, AddressMemory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
