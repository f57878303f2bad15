//! The status of the agent as the operator is shown it, for programs: see docs/manual/omadmctl.1.md.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::statvfs::{FsFlags, statvfs};
use serde_json::{Value as Json, json};

use super::{Daemon, helper_socket};
use crate::agent_state::{AgentState, Peer};
use crate::alert::Destination;
use crate::base::OneByOne as _;
use crate::base::files;
use crate::base::lane::{DOCUMENTS, FILES};
use crate::base::waking;
use crate::bearer::{self, ConnectionType};
use crate::connectivity;
use crate::mo::ManagementObject;
use crate::service::{Answer, Refusal, Values, properties, property};
use crate::session::Outlook;
use crate::spanned::Problem;
use crate::store::{Store, StoreError};
use crate::transport::{Auth, Usage, pem_valid_until};
use crate::tree::Operator;
use crate::uri::{Moid, ServerId};

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
            "configuration": {
                "sound": self.is_configuration_sound(),
                "problem": self.agent_state.problems.iter().next().map(ToString::to_string),
            },
        })
    }

    fn is_configuration_sound(&self) -> bool {
        let state = &self.agent_state;
        state.is_sound && state.has_all_objects && self.config_files.loader.has_sound_settings()
    }

    /// What is known of each server, by its id, but for what only the store knows: see [`with_kept`].
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
        json!({
            "sent": Usage::figure(&peer.usage.sent),
            "received": Usage::figure(&peer.usage.received),
            "certificateUntil": Usage::figure(&peer.usage.valid_until),
            "ownCertificateUntil": own_certificate,
            "subscriptions": [],
            "state": state,
            "name": account.name,
            "uri": account.server_uri,
            "lastContact": completed,
            "lastContactPrecision": completed.map(|_| "second"),
            "outcome": last.get("outcome"),
            "why": last.get("why"),
            "lastBegan": last.get("began"),
            "lastBeganUptime": last.get("beganUptime"),
            "lastEnded": last.get("ended"),
            "lastEndedUptime": last.get("endedUptime"),
            "lastInterfaces": last.get("interfaces"),
            "lastCommands": last.get("commands"),
            "lastCommandsFailed": last.get("failedCommands"),
            "broken": self.agent_state.broken(&account.file),
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
                let mut json = if json.is_null() { Json::from(dev_id(&agent_state).await) } else { json };
                if known == "Servers" {
                    with_kept(Some(&mut json), &agent_state).await;
                }
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

/// What the store knows of the servers.
#[derive(Default)]
struct Kept {
    /// When a session with each was last completed, to the day.
    contacts: Vec<(ServerId, u64)>,
    subscriptions: Vec<(ServerId, String)>,
}

impl Kept {
    fn read(store: &Store, server_ids: Vec<ServerId>) -> Result<Self, StoreError> {
        let snapshot = store.snapshot()?;
        let mut kept = Self::default();
        for server_id in server_ids {
            kept.contacts.extend(snapshot.contact(&server_id)?.map(|contact| (server_id, contact)));
        }
        let subscriptions = snapshot.subscriptions()?.into_iter();
        kept.subscriptions.extend(subscriptions.map(|one| (one.server_id, one.client_uri)));
        Ok(kept)
    }
}

/// Adds to what is known of each server what the store knows: read apart from the loop, as its disk may be slow, and
/// left out where it does not answer.
pub(super) async fn with_kept(servers: Option<&mut Json>, agent_state: &AgentState) {
    let server_ids: Vec<ServerId> =
        agent_state.peers.iter().map(|peer| peer.account.server_id.clone()).one_by_one();
    let store = Arc::clone(&agent_state.store);
    let reading = DOCUMENTS.run(move || Kept::read(&store, server_ids));
    let Ok(Ok(Ok(kept))) = tokio::time::timeout(PATIENCE, reading).await else { return };
    for (server_id, server) in servers.and_then(Json::as_object_mut).into_iter().flatten() {
        let Some(server) = server.as_object_mut() else { continue };
        let is_its = |of: &ServerId| of.as_str() == server_id;
        let its = kept.subscriptions.iter().filter(|(of, _)| is_its(of)).map(|(_, uri)| uri.as_str());
        server.insert("subscriptions".to_owned(), its.collect());
        let contact = kept.contacts.iter().find(|(of, _)| is_its(of)).map(|(_, contact)| *contact);
        if let (Some(contact), Some(Json::Null)) = (contact, server.get("lastContact")) {
            // From before the start.
            server.insert("lastContact".to_owned(), contact.into());
            server.insert("lastContactPrecision".to_owned(), "day".into());
        }
    }
}

/// Whether the privileged helper can be reached: its socket, and why it can't be; null where the configuration names
/// none.
pub(super) async fn helper(agent_state: &AgentState) -> Json {
    let Some(socket) = agent_state.settings.exec.socket.clone() else { return Json::Null };
    let asked = socket.clone();
    let why = FILES.reading(socket.clone(), move || helper_socket::unreachable(&asked)).await;
    let why = why.unwrap_or_else(|stuck| Some(format!("{}: {stuck}", socket.display())));
    json!({ "path": socket.display().to_string(), "why": why })
}

/// The management objects that are served, where they are looked for, and what is wrong with the files.
pub(super) fn objects_json(agent_state: &AgentState) -> Result<Json, StoreError> {
    let AgentState { settings, tree, problems, .. } = agent_state;
    let object = |(object, roots): (&ManagementObject, Vec<String>)| {
        let folder = object.folder.to_string_lossy();
        json!({ "name": object.name, "moid": object.moid.as_str(), "folder": folder, "instances": roots })
    };
    let problem = |Problem { file, line, key, what }: &Problem| json!({ "file": file.to_string_lossy(), "line": line, "key": key, "what": what });
    let folders = settings.paths.mo.iter().map(|folder| Json::from(folder.to_string_lossy()));
    Ok(json!({
        "version": VERSION,
        "folders": folders.collect::<Json>(),
        "sysroot": settings.paths.sysroot.to_string_lossy(),
        "disabled": settings.disabled_objects,
        "objects": tree.instance_roots()?.into_iter().map(object).collect::<Json>(),
        "problems": problems.iter().map(problem).collect::<Json>(),
    }))
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
    let look = move || Some((statvfs(&asked).ok()?, set_aside(&asked)));
    let found = FILES.reading(path.clone(), look).await.ok().flatten();
    found.map_or(Json::Null, |(found, aside)| {
        let free = files::free(&found);
        let is_writable = !found.flags().contains(FsFlags::ST_RDONLY);
        let refused = agent_state.store.refused();
        let path = path.display().to_string();
        json!({ "path": path, "free": free, "writable": is_writable, "refused": refused, "setAside": aside })
    })
}

/// The store that was set aside last, and when, as long as it lies there.
fn set_aside(state: &Path) -> Option<Json> {
    let entries = fs::read_dir(state).ok()?.flatten();
    let aside = entries.filter(|entry| entry.file_name().to_string_lossy().contains(".bad-"));
    // To be renamed changes a file's state, and not its content.
    let times = aside.filter_map(|entry| Some((entry.metadata().ok()?.ctime(), entry.path())));
    times.max().map(|(time, path)| json!({ "path": path.to_string_lossy(), "time": time }))
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
