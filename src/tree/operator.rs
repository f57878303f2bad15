//! The local operator, who asks without an account: the agent itself, and whoever the bus lets ask it.

use std::sync::Arc;

use super::principal::{Principal, SessionFacts};
use crate::config::Account;
use crate::uri::ServerId;

/// The local operator.
#[derive(Debug)]
pub struct Operator(Arc<Account>);

impl Default for Operator {
    fn default() -> Self {
        Self(Arc::new(Account::nobodys("the operator")))
    }
}

impl Operator {
    /// The operator as whoever asks the tree: in no session, and shown no secret.
    #[must_use]
    pub fn principal(&self) -> Principal<'_> {
        Principal { account: &self.0, session: Self::session() }
    }

    /// The facts of what the operator asks for, which is in no session.
    #[must_use]
    pub fn session() -> SessionFacts {
        SessionFacts { is_operator: true, abroad: true, ..SessionFacts::default() }
    }

    /// The account that stands for the operator where a server's would.
    #[must_use]
    pub fn into_account(self) -> Arc<Account> {
        self.0
    }

    /// Whether what goes by this server id is the operator's: no account's is empty.
    #[must_use]
    pub fn is_called(server_id: &ServerId) -> bool {
        server_id.as_str().is_empty()
    }
}
