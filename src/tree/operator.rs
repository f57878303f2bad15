//! The local operator, who reads the tree without an account: the agent itself, and whoever the bus lets ask it.

use std::sync::Arc;

use super::principal::{Principal, SessionFacts};
use crate::config::Account;

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
        let session = SessionFacts { is_operator: true, abroad: true, ..SessionFacts::default() };
        Principal { account: &self.0, session }
    }
}
