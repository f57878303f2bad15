//! The status of the agent as the operator is shown it, for programs: see docs/manual/omadmctl.1.md.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::statvfs::{FsFlags, statvfs};
use serde_json::{Value as Json, json};

use super::Daemon;
use crate::agent_state::{AgentState, Peer};
use crate::alert::Destination;
use crate::base::OneByOne as _;
use crate::base::lane::FILES;
use crate::base::waking;
use crate::bearer::{self, ConnectionType};
use crate::connectivity;
use crate::service::{Answer, Refusal, Values, properties, property};
use crate::session::Outlook;
use crate::transport::{Auth, Usage, pem_valid_until};
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
            "configuration": { "sound": self.is_configuration_sound() },
        })
    }

    fn is_configuration_sound(&self) -> bool {
        let state = &self.agent_state;
        state.is_sound && state.has_all_objects && self.config_files.loader.has_sound_settings()
    }

    /// What is known of each server, by its id.
    fn servers(&self) -> Json {
        let peers = self.agent_state.peers.iter();
        let server = |peer: &Arc<Peer>| (peer.account.server_id.to_string(), self.server(peer));
        Json::Object(peers.map(server).one_by_one())
    }

    fn server(&self, peer: &Peer) -> Json {
        let account = &peer.account;
        let server_id = &account.server_id;
        let history = &self.sessions.history;
        let next = self.sessions.queue.outlook(&Destination::of(server_id));
        let last = history.last(server_id);
        // From before the start, to the day.
        let contact = self.agent_state.store.snapshot().and_then(|snapshot| snapshot.contact(server_id));
        let completed = last.get("completed").and_then(Json::as_u64);
        let state = match next {
            _ if history.runs(server_id) => "running",
            Some(_) => "waiting",
            None => "idle",
        };
        let own_certificate = match &account.auth {
            Auth::Certificate { cert_pem, .. } => pem_valid_until(cert_pem),
            _ => None,
        };
        let subscriptions = self.agent_state.store.snapshot().and_then(|snapshot| snapshot.subscriptions());
        let subscriptions: Vec<String> = subscriptions
            .unwrap_or_default()
            .into_iter()
            .filter(|subscription| subscription.server_id == *server_id)
            .map(|subscription| subscription.client_uri)
            .collect();
        json!({
            "sent": Usage::figure(&peer.usage.sent),
            "received": Usage::figure(&peer.usage.received),
            "certificateUntil": Usage::figure(&peer.usage.valid_until),
            "ownCertificateUntil": own_certificate,
            "subscriptions": subscriptions,
            "state": state,
            "name": account.name,
            "uri": account.server_uri,
            "lastContact": completed.or(contact.ok().flatten()),
            "outcome": last.get("outcome"),
            "why": last.get("why"),
            "lastBegan": last.get("began"),
            "lastBeganAgo": last.get("ago"),
            "lastEnded": last.get("ended"),
            "lastInterfaces": last.get("interfaces"),
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
        Json::Object(peers.map(count).one_by_one())
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

/// What carries a session that is bound to no link, as things are now; null where no route leads out, or that can't be
/// told.
pub(super) async fn link(agent_state: &AgentState) -> Json {
    let bus = &agent_state.tree.machine().bus;
    let looking = async {
        let name = bearer::links().await.ok()?.defaults.into_iter().next()?;
        let (told, seen) = tokio::join!(connectivity::told(bus), bearer::look(&name));
        let link = told.link(&name, &seen.unwrap_or_default());
        let kind = link.kind.map(ConnectionType::name);
        Some(json!({ "interface": name, "type": kind, "metered": link.metered, "roaming": link.roaming }))
    };
    tokio::time::timeout(PATIENCE, looking).await.ok().flatten().unwrap_or_default()
}

/// The disk that the agent's state is on: where, how many bytes are free, whether it can be written, and why it was
/// not; null where it does not answer.
pub(super) async fn disk(agent_state: &AgentState) -> Json {
    let path = agent_state.settings.paths.state.clone();
    let asked = path.clone();
    let found = FILES.reading(path.clone(), move || statvfs(&asked).ok()).await.ok().flatten();
    found.map_or(Json::Null, |found| {
        let free = found.blocks_available().saturating_mul(found.fragment_size());
        let is_writable = !found.flags().contains(FsFlags::ST_RDONLY);
        let refused = agent_state.store.refused();
        json!({ "path": path.display().to_string(), "free": free, "writable": is_writable, "refused": refused })
    })
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
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_add(from_now).as_secs()
}
