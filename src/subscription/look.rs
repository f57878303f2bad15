//! A look: whether what a server has subscribed to is another one than what was put last.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::Method;

use super::schedule::SubscriptionId;
use crate::agent_state::Parameters;
use crate::agent_state::{AgentState, Peer};
use crate::repository::{RepositoryError, Upload};
use crate::store::{Change, Digest, StoreError, Subscription};
use crate::transport::{Binding, Failure, Remedy, TransportError, is_temporary, retry_after};
use crate::tree::{Batch, Principal, Resolved, Rights, SessionFacts, TreeError};
use crate::uri::client::{ClientUri, ClientUriError};
use crate::uri::server::shown;
use crate::watches::{Finding, SourceWatches};

/// A look at one subscription, with all that it takes.
pub(super) struct Look {
    pub(super) agent_state: Arc<AgentState>,
    pub(super) peer: Arc<Peer>,
    pub(super) id: SubscriptionId,
    /// The digest of content that the repository won't have.
    pub(super) refused: Option<Digest>,
    /// The digest of what is known to be there, where the store does not say.
    pub(super) there: Option<Digest>,
    /// Whether the store is to know what is put.
    pub(super) keep: bool,
    pub(super) watches: Option<Arc<SourceWatches<SubscriptionId>>>,
}

/// The outcome of a look.
pub(super) struct LookEnd {
    pub(super) result: LookResult,
    /// The digest of what is known to be there now.
    pub(super) there: Option<Digest>,
    /// Whether nothing tells of some changes of the content, so that it is looked at now and then.
    pub(super) polls: bool,
}

/// The content that a server would get now.
struct Content {
    batch: Batch,
    digest: Digest,
    /// Whether nothing tells of some of its changes.
    polls: bool,
}

/// Why it can't be told what a server would get.
#[derive(Debug, thiserror::Error)]
enum LookError {
    /// The subscribed ClientURI is none any more.
    #[error("ClientURI: {0}")]
    ClientUri(#[from] ClientUriError),
    /// The tree refuses the read.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// The result of a look, for its content.
pub(super) enum LookResult {
    /// The content that is there is what should be there.
    Unchanged,
    /// The content was put; whether the store knows.
    Delivered { kept: bool },
    /// The content won't be taken, whenever it is sent.
    Refused { content: Digest, why: String },
    /// The content may be taken later.
    Failed { why: String, retry_after: Option<Duration> },
    /// The content is withheld: the server may not have it now, or it can't be told which node is meant.
    Withheld(String),
}

impl Look {
    pub(super) async fn run(self) -> LookEnd {
        self.look().await.unwrap_or_else(|error| LookEnd {
            result: LookResult::Failed { why: error.to_string(), retry_after: None },
            there: None,
            polls: true,
        })
    }

    async fn look(&self) -> Result<LookEnd, StoreError> {
        let snapshot = self.agent_state.store.snapshot()?;
        let Some(known) = snapshot.subscription(&self.id.server_id, &self.id.client_uri)? else {
            return Ok(LookEnd { result: LookResult::Unchanged, there: None, polls: false });
        };
        drop(snapshot);
        let there = known.delivered.or(self.there);
        let principal = Principal { account: &self.peer.account, session: SessionFacts::default() };
        let content = match self.read(&principal).await {
            Ok(content) => content,
            // Who gets a right back is told by nobody.
            Err(error) => {
                return Ok(LookEnd { result: LookResult::Withheld(error.to_string()), there, polls: true });
            }
        };
        let (new, polls) = (content.digest, content.polls);
        if there == Some(new) || self.refused == Some(new) {
            return Ok(LookEnd { result: LookResult::Unchanged, there, polls });
        }
        self.deliver(known, content, there, &principal).await
    }

    /// Reads what the server would get now; nothing of what is no more.
    async fn read(&self, principal: &Principal<'_>) -> Result<Content, LookError> {
        let tree = &self.agent_state.tree;
        let uri = ClientUri::parse(&self.id.client_uri)?;
        tree.object_seen(&uri.moid, principal)?;
        let node = match tree.resolve(&uri, principal, Rights::READ).await {
            Err(TreeError::NotFound(_)) => {
                let nothing = tree.gathering(principal)?.finish();
                let digest = nothing.digest(principal.account.profile).await?;
                return Ok(Content { batch: nothing, digest, polls: true });
            }
            other => other?,
        };
        // Watched first, read then: what changes in between is not missed.
        let find = || -> Finding<'_, (), TreeError> {
            Box::pin(async { Ok(((), tree.dependencies(&node, principal).await?)) })
        };
        let told = match &self.watches {
            Some(watches) => watches.follow(&self.id, &tree.machine().bus, find).await?.1,
            None => false,
        };
        let mut gathering = tree.gathering(principal)?.without_validators();
        match gathering.add(Resolved::One(node), uri.level, None).await {
            Err(TreeError::NotFound(_)) => {}
            other => other?,
        }
        // Which node an x-name stands for may hang on any other's value. What fails may come to be well without a word.
        let polls = !told || !uri.node_values.is_empty() || gathering.has_failed();
        let batch = gathering.finish();
        let digest = batch.digest(principal.account.profile).await?;
        Ok(Content { batch, digest, polls })
    }

    /// Puts the content, where something else is `there`.
    async fn deliver(
        &self,
        known: Subscription,
        Content { batch, digest: new, polls }: Content,
        there: Option<Digest>,
        principal: &Principal<'_>,
    ) -> Result<LookEnd, StoreError> {
        let outcome = |result, there| LookEnd { result, there, polls };
        let failed =
            |why: &dyn std::fmt::Display| LookResult::Failed { why: why.to_string(), retry_after: None };
        let refused =
            |why: &dyn std::fmt::Display| LookResult::Refused { content: new, why: why.to_string() };
        let parameters =
            match Parameters::of(&self.agent_state.tree, &self.agent_state.settings, principal).await {
                Ok(parameters) => parameters,
                Err(error) => return Ok(outcome(failed(&error), there)),
            };
        let status = |status| format!("{} ({})", RepositoryError::Status(status), shown(&known.server_uri));
        let uri = match parameters.expand(&known.server_uri) {
            Ok(uri) => uri,
            Err(error) => return Ok(outcome(refused(&error), there)),
        };
        let mut connection = match self.peer.client(&parameters) {
            Ok(client) => client.connection(Binding::Any),
            Err(error) => return Ok(outcome(failed(&error), there)),
        };
        let upload = Upload {
            method: Method::PUT,
            uri,
            batch: &batch,
            tree: &self.agent_state.tree,
            parameters: &parameters,
            principal: *principal,
        };
        // The power may go before the answer comes: the store must not say then that something else is there.
        self.remember(&known, None).await?;
        Ok(match upload.send(&mut connection).await {
            Ok(response) if (200..300).contains(&response.status) => {
                if self.keep {
                    self.remember(&known, Some(new)).await?;
                }
                outcome(LookResult::Delivered { kept: self.keep }, Some(new))
            }
            Ok(response) if is_temporary(response.status) => {
                let retry_after = retry_after(&response.headers, SystemTime::now());
                let why = status(response.status);
                outcome(LookResult::Failed { why, retry_after }, None)
            }
            Ok(response) => outcome(refused(&status(response.status)), there),
            Err(RepositoryError::Transport(error)) => {
                let result = if error.remedy() == Remedy::None { refused(&error) } else { failed(&error) };
                outcome(result, there.filter(|_| !may_have_arrived(&error)))
            }
            Err(error) => outcome(refused(&error), there),
        })
    }

    /// Writes down what is at the ServerURI now; none: nobody knows.
    async fn remember(&self, known: &Subscription, delivered: Option<Digest>) -> Result<(), StoreError> {
        if known.delivered == delivered {
            return Ok(());
        }
        let change = Change::Delivered(Subscription { delivered, ..known.clone() });
        self.agent_state.store.commit(vec![change]).await
    }
}

/// Whether the repository may have acted upon a request that was not answered.
fn may_have_arrived(error: &TransportError) -> bool {
    match error {
        TransportError::Refused(_) => false,
        TransportError::Failed { failure, .. } => matches!(
            failure,
            Failure::Lost(_)
                | Failure::Malformed(_)
                | Failure::TooLarge(_)
                | Failure::Encoding(_)
                | Failure::Timeout(_)
                | Failure::Stalled(_)
        ),
    }
}
