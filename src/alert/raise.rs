//! Raising alerts: an event on the device becomes one (TS 5.3).

use super::mark::UnknownMark;
use super::{Destination, Keeping, Mark, keep_within};
use crate::agent_state::AgentState;
use crate::mo::value::excerpt;
use crate::package::{Alert, is_alert_type};
use crate::store::records::alert as record;
use crate::store::{Change, StoreError};
use crate::tree::{Principal, Rights, SessionFacts, TreeError};
use crate::uri::ServerId;
use crate::uri::client::{ClientUri, ClientUriError};

/// The most bytes that an alert's texts and data may take together.
const MOST_BYTES: usize = 64 << 10;

/// Why an alert is not raised.
#[derive(Debug, thiserror::Error)]
pub enum RaiseError {
    /// The alert has no type, or what is none.
    #[error("alert type {}: expected a URN or a reversed domain name", excerpt(.0))]
    Type(String),
    /// The mark is none of the seven levels (TS 5.3).
    #[error("mark {}: it must be fatal, critical, minor, warning, informational, harmless or indeterminate", excerpt(.0))]
    Mark(String),
    /// The place where it happened is no ClientURI.
    #[error("source {}: {why}", excerpt(.uri))]
    Source {
        /// The place as given.
        uri: String,
        /// Why it is none.
        why: ClientUriError,
    },
    /// There is no such management object or instance, or it is not said which is meant.
    #[error("source: {0}")]
    Unknown(TreeError),
    /// The alert is larger than a server can be expected to take.
    #[error("an alert has at most {MOST_BYTES} bytes")]
    TooLarge,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The outcome of an alert that was raised: who hears of it, and what was dropped for it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Raised {
    /// The destinations that hear of the alert: none where nobody may.
    pub destinations: Vec<Destination>,
    /// The numbers of alerts that were dropped for it, and of which account.
    pub dropped: Vec<(ServerId, usize)>,
}

/// An alert that is ready to be kept: the changes of the store that keep it.
#[derive(Debug, Default, PartialEq)]
pub struct Prepared {
    /// The outcome once `changes` are committed.
    pub raised: Raised,
    /// The changes that keep the alert, and drop others for it: to be committed together.
    pub changes: Vec<Change>,
}

/// Keeps an alert, as [`prepare`] has it. It is on disk when this returns; the caller asks for the sessions.
///
/// # Errors
/// [`RaiseError`]: then nobody hears of it.
pub async fn raise(agent_state: &AgentState, alert: Alert) -> Result<Raised, RaiseError> {
    let Prepared { raised, changes } = prepare(agent_state, alert)?;
    agent_state.store.commit(changes).await?;
    Ok(raised)
}

/// Prepares what it takes to keep an alert, without keeping it: an alert for each account that may read where it
/// happened; for all of them where it says no place. Data that is no JSON object becomes one, as a DM 1.x alert's does.
///
/// # Errors
/// [`RaiseError`]: then nobody hears of it.
pub fn prepare(agent_state: &AgentState, alert: Alert) -> Result<Prepared, RaiseError> {
    let alert = checked(alert)?;
    let mut raised = Raised::default();
    let mut changes = Vec::new();
    for destination in listeners(agent_state, &alert)? {
        let Keeping { changes: more, dropped } =
            keep_within(&agent_state.store, &destination, &alert, agent_state.settings.alert)?;
        changes.extend(more);
        raised.dropped.push((destination.server_id.clone(), dropped));
        raised.destinations.push(destination);
    }
    Ok(Prepared { raised, changes })
}

/// Refuses an alert for what can be known of it without the tree: its type, the place where it happened, and its mark.
///
/// # Errors
/// [`RaiseError`]
pub fn must_be_sound(alert_type: &str, source: Option<&str>, mark: Option<&str>) -> Result<(), RaiseError> {
    if !is_alert_type(alert_type) {
        return Err(RaiseError::Type(alert_type.to_owned()));
    }
    if let Some(mark) = mark.filter(|mark| mark.parse::<Mark>() == Err(UnknownMark)) {
        return Err(RaiseError::Mark(mark.to_owned()));
    }
    if let Some(uri) = source {
        ClientUri::parse(uri).map_err(|why| RaiseError::Source { uri: uri.to_owned(), why })?;
    }
    Ok(())
}

fn checked(mut alert: Alert) -> Result<Alert, RaiseError> {
    must_be_sound(&alert.alert_type, alert.source_uri.as_deref(), alert.mark.as_deref())?;
    alert.data =
        alert.data.map(|data| if data.is_object() { data } else { serde_json::json!({ "DM1x": data }) });
    if record::to_json(&alert, None).len() > MOST_BYTES {
        return Err(RaiseError::TooLarge);
    }
    Ok(alert)
}

/// The destinations of all accounts with Read on the instance where it happened.
fn listeners(agent_state: &AgentState, alert: &Alert) -> Result<Vec<Destination>, RaiseError> {
    let accounts = agent_state.peers.iter().map(|peer| &peer.account);
    let Some(source) = &alert.source_uri else {
        return Ok(accounts.map(|account| Destination::of(&account.server_id)).collect());
    };
    let uri: ClientUri = source.parse().map_err(|why| RaiseError::Source { uri: source.clone(), why })?;
    let instances = agent_state.tree.instances_at(&uri).map_err(RaiseError::Unknown)?;
    let mut destinations = Vec::new();
    for account in accounts {
        let principal = Principal { account, session: SessionFacts::default() };
        for instance in &instances {
            if agent_state.tree.may(instance, &principal, Rights::READ).map_err(RaiseError::Unknown)? {
                destinations.push(Destination::of(&account.server_id));
                break;
            }
        }
    }
    Ok(destinations)
}

#[cfg(test)]
mod tests;
