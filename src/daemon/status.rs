//! The status of the agent as the operator is shown it, for programs: see docs/manual/omadmctl.1.md.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value as Json, json};

use super::Daemon;
use crate::agent_state::{AgentState, Peer};
use crate::alert::Destination;
use crate::base::waking;
use crate::service::{Answer, Refusal, Values, properties, property};
use crate::session::Outlook;
use crate::tree::Operator;
use crate::uri::Moid;

/// The version of the shape: it grows where a name goes, or means something else. New names may come without.
const VERSION: u32 = 1;
/// The MOID of DevInfo, which has the DevID.
static DEV_INFO: Moid = Moid::fixed("urn:oma:mo:oma-dm-devinfo:1.2");
/// How long the device may take to tell who it is.
const PATIENCE: Duration = Duration::from_secs(10);

impl Daemon {
    /// All that `omadmctl status` shows, but for the DevID.
    pub(super) fn status_json(&self) -> Json {
        let clock = self.clock.now();
        json!({
            "version": VERSION,
            "agent": env!("CARGO_PKG_VERSION"),
            "servers": self.servers(),
            "sessions": self.sessions.history.sessions(),
            "pendingAlerts": self.pending_alerts(),
            "objects": self.agent_state.tree.objects().len(),
            "execs": self.execs.exec_slots.nodes(),
            "clock": {
                "time": clock.now,
                "believed": clock.synchronised,
                "waits": self.clock.waits_until().is_some(),
            },
            "configuration": { "sound": self.agent_state.is_sound && self.agent_state.has_all_objects },
        })
    }

    /// What is known of each server, by its id.
    fn servers(&self) -> Json {
        let peers = self.agent_state.peers.iter();
        let server = |peer: &Arc<Peer>| (peer.account.server_id.to_string(), self.server(peer));
        Json::Object(peers.map(server).collect::<Map<_, _>>())
    }

    fn server(&self, peer: &Peer) -> Json {
        let account = &peer.account;
        let server_id = &account.server_id;
        let history = &self.sessions.history;
        let next = self.sessions.queue.outlook(&Destination::of(server_id));
        let last = history.last(server_id);
        let first_contact =
            self.agent_state.store.snapshot().and_then(|snapshot| snapshot.contact(server_id));
        let state = match next {
            _ if history.runs(server_id) => "running",
            Some(_) => "waiting",
            None => "idle",
        };
        json!({
            "state": state,
            "name": account.name,
            "uri": account.server_uri,
            "firstContact": first_contact.ok().flatten(),
            "lastContact": last.get("completed"),
            "outcome": last.get("outcome"),
            "why": last.get("why"),
            "lastEnded": last.get("ended"),
            "nextTry": next.and_then(|next| next.at).map(wall),
            "nextCause": next.map(|next| next.cause.name()),
            "waitsFor": next.map(|next: Outlook| next.waits_for.words()),
            "pendingAlerts": self.agent_state.store.waiting(server_id).count,
        })
    }

    fn pending_alerts(&self) -> Json {
        let store = &self.agent_state.store;
        let peers = self.agent_state.peers.iter().map(|peer| &peer.account.server_id);
        let count = |server_id| (ToString::to_string(server_id), Json::from(store.waiting(server_id).count));
        Json::Object(peers.map(count).collect::<Map<_, _>>())
    }

    /// A property of the agent; none: all of them. The DevID is read apart from the loop: it may take its time.
    pub(super) fn property(
        &self,
        name: Option<&'static str>,
    ) -> impl Future<Output = Answer> + Send + 'static {
        let agent_state = Arc::clone(&self.agent_state);
        let wanted: Vec<(&'static str, Json)> = properties()
            .filter(|known| name.is_none_or(|name| name == *known))
            .map(|known| (known, self.property_json(known)))
            .collect();
        async move {
            let mut values = Vec::new();
            for (known, json) in wanted {
                let json = if json.is_null() { Json::from(dev_id(&agent_state).await) } else { json };
                values.extend(property(known, json).map(|value| (known, value)));
            }
            match name {
                None => Ok(Values::Properties(values)),
                Some(_) => {
                    let value = values.pop().map(|(_, value)| Values::Property(value));
                    value.ok_or_else(|| Refusal::own("Internal", "there is no such property"))
                }
            }
        }
    }

    /// Null is for the DevID.
    fn property_json(&self, name: &str) -> Json {
        match name {
            "Servers" => self.servers(),
            "Sessions" => self.sessions.history.sessions(),
            "PendingAlerts" => self.pending_alerts(),
            _ => Json::Null,
        }
    }
}

/// The DevID; empty where the device can't tell it now.
pub(super) async fn dev_id(agent_state: &AgentState) -> String {
    let operator = Operator::default();
    let principal = operator.principal();
    let read = agent_state.tree.own_leaf(&DEV_INFO, "DevID", &principal);
    tokio::time::timeout(PATIENCE, read).await.ok().and_then(Result::ok).flatten().unwrap_or_default()
}

/// The time on the wall at this instant, in seconds since 1970.
fn wall(at: Instant) -> u64 {
    let from_now = at.saturating_duration_since(waking::now());
    let then = SystemTime::now() + from_now;
    then.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
