//! The local operator, who reads the tree without an account: the agent itself, and whoever the bus lets ask it.

use std::path::PathBuf;
use std::sync::Arc;

use super::principal::{Principal, SessionFacts};
use crate::config::{Account, Schedule, TlsFiles};
use crate::package::Profile;
use crate::transport::Auth;

/// The local operator.
#[derive(Debug)]
pub struct Operator(Arc<Account>);

impl Default for Operator {
    fn default() -> Self {
        let name = "the operator";
        Self(Arc::new(Account {
            file: PathBuf::new(),
            server_id: "".into(),
            name: name.to_owned(),
            server_uri: String::new(),
            profile: Profile::Draft,
            permissions: Vec::new(),
            origins: Vec::new(),
            tls: TlsFiles::default(),
            auth: Auth::None,
            notification: None,
            schedule: Schedule::default(),
            push: None,
            bootstrap: None,
        }))
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
