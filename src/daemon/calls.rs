//! Calls of the device's own programs and of its operator, by D-Bus: what comes of each.

use std::sync::Arc;

use serde_json::Value as Json;

use super::Daemon;
use super::config_files::Reread;
use super::loader::Scope;
use super::status::{dev_id, disk, helper, link, objects_json, with_kept};
use crate::agent_state::AgentState;
use crate::alert::{self, RaiseError};
use crate::base;
use crate::base::lane::DOCUMENTS;
use crate::base::waking;
use crate::just_in_time::{ConfigurationError, Initiator};
use crate::package::Alert;
use crate::push::{PushError, payload};
use crate::service::{Answer, Call, Caller, Refusal, Request, Values};
use crate::session::{Cause, SessionRequest};
use crate::store::{Change, StoreError};
use crate::uri::ServerId;

/// What lists something: of one type, so that there is one piece of code that waits for it.
type Listing = Box<dyn FnOnce() -> Result<String, StoreError> + Send>;

/// The most alerts that are listed.
const MOST_LISTED: usize = 1000;

impl Daemon {
    /// Serves a call. What takes its time is answered by a task, or when it is over.
    pub(super) async fn called(&mut self, Call { request, caller }: Call) {
        match request {
            Request::StartSession(server) => caller.answer(self.start_session(&server)),
            Request::Configuration { moid, initiated_by } => self.configure(moid, &initiated_by, caller),
            Request::Alert { kind, source, target, mark, mime, data } => {
                let said = |text: String| Some(text).filter(|text| !text.is_empty());
                let alert = Alert {
                    alert_type: kind,
                    mime_type: said(mime),
                    source_uri: said(source),
                    target_uri: said(target),
                    mark: said(mark),
                    data: said(data)
                        .map(|text| serde_json::from_str(&text).unwrap_or_else(|_| Json::from(text))),
                };
                caller.answer(self.raise(alert).await.map_err(of_alert).map(|()| Values::Nothing));
            }
            Request::Registration { server, id, register } => {
                let server_id: ServerId = server.as_str().into();
                let registered = self.registrations.ask(&self.agent_state, server_id, id, register).await;
                caller.answer(registered.map_err(of_push).map(|()| Values::Nothing));
            }
            Request::Deliver(base64) => {
                let delivered = self.deliver(&base64).await;
                caller.answer(delivered.map_err(of_push).map(|()| Values::Nothing));
            }
            Request::TestAccount(server) => self.test_account(&server, caller),
            Request::Reload => {
                self.config_files.waiting.push(caller);
                self.reload();
            }
            Request::ListAlerts => {
                let store = Arc::clone(&self.agent_state.store);
                let list = move || Ok(alert::waiting(&store, MOST_LISTED)?.to_string());
                self.list(Box::new(list), caller);
            }
            Request::ListObjects => {
                let agent_state = Arc::clone(&self.agent_state);
                self.list(Box::new(move || Ok(objects_json(&agent_state)?.to_string())), caller);
            }
            Request::DropAlerts(server) => self.drop_alerts(&server, caller),
            Request::Get(client_uri) => self.read(client_uri, false, caller),
            Request::Tree(client_uri) => self.read(client_uri, true, caller),
            Request::Set { client_uri, value, is_dry } => self.set(client_uri, value, is_dry, caller),
            Request::Exec { client_uri, is_dry } => self.exec(client_uri, is_dry, caller),
            Request::Property(name) => {
                let property = self.property(name);
                base::spawn(async move { caller.answer(property.await) });
            }
            Request::Status => {
                let (mut status, agent_state) = (self.status_json(), Arc::clone(&self.agent_state));
                base::spawn(async move {
                    let (device, link, disk, helper, ()) = tokio::join!(
                        dev_id(&agent_state),
                        link(&agent_state),
                        disk(&agent_state),
                        helper(&agent_state),
                        with_kept(status.get_mut("servers"), &agent_state)
                    );
                    if let Some(members) = status.as_object_mut() {
                        let found = [
                            ("store", disk),
                            ("deviceId", device.into()),
                            ("link", link),
                            ("helper", helper),
                        ];
                        members.extend(found.map(|(name, value)| (name.to_owned(), value)));
                    }
                    caller.answer(Ok(Values::Of("s", Json::from(vec![status.to_string()]))));
                });
            }
        }
    }

    /// Answers with what is listed by reading the store.
    fn list(&mut self, list: Listing, caller: Caller) {
        let listed = async move { in_store(list).await.map(|text| Values::Of("s", Json::from(vec![text]))) };
        self.service.answer_by(listed, caller, &[]);
    }

    /// Asks for a session with an account's server, at once.
    fn start_session(&mut self, server: &str) -> Answer {
        let server_id: ServerId = server.into();
        if self.agent_state.peer(&server_id).is_none() {
            return Err(unknown_server(&server_id, &self.agent_state));
        }
        self.sessions.followed.insert(server_id.clone());
        self.sessions.queue.ask(SessionRequest::plain(&server_id, Cause::Operator), waking::now());
        Ok(Values::Nothing)
    }

    /// Forgets the alerts that wait for a server, at all its addresses.
    fn drop_alerts(&mut self, server: &str, caller: Caller) {
        let server_id: ServerId = server.into();
        if self.agent_state.peer(&server_id).is_none() {
            return caller.answer(Err(unknown_server(&server_id, &self.agent_state)));
        }
        let store = Arc::clone(&self.agent_state.store);
        let dropped = async move {
            let known = Arc::clone(&store);
            let destinations = in_store(move || alert::destinations(&known)).await?;
            let its = destinations.iter().filter(|destination| destination.server_id == server_id);
            let changes = its.map(|destination| Change::AlertsForgotten(destination.key())).collect();
            store.commit(changes).await.map_err(of_store)?;
            log::warn!(
                OMADM_SERVER_ID = server_id.as_str();
                "{server_id}: the alerts that waited are forgotten, on the operator's word"
            );
            Ok(Values::Nothing)
        };
        self.service.answer_by(dropped, caller, &["PendingAlerts", "Servers"]);
    }

    fn configure(&mut self, moid: String, initiated_by: &str, caller: Caller) {
        let initiator = match initiated_by {
            "User" => Initiator::User,
            "Device" => Initiator::Device,
            _ => return caller.answer(Err(Refusal::invalid("initiated_by must be User or Device"))),
        };
        let Self { configurations, agent_state, execs, shared, .. } = self;
        configurations.ask(&moid.into(), initiator, caller, agent_state, &execs.exec_slots, shared);
    }

    /// Takes a push message: it is judged as if it had come by UDP.
    async fn deliver(&mut self, base64: &str) -> Result<(), PushError> {
        let package = payload(base64)?;
        let admitted = self.notifications.receive_push(&package, &self.clock).map_err(PushError::Dropped)?;
        self.admitted(admitted).await;
        Ok(())
    }

    /// Tells those who wait for a reload what came of it, all problems at once.
    pub(super) fn answer_reload(&mut self, reread: &Reread) -> Vec<(Caller, Answer)> {
        if reread.scope != Scope::Everything {
            return Vec::new();
        }
        let problems = reread.problems();
        let answer = match problems.is_empty() {
            true => Ok(Values::Nothing),
            false => Err(Refusal::own("ConfigurationBroken", problems)),
        };
        self.config_files.waiting.drain(..).map(|caller| (caller, answer.clone())).collect()
    }
}

/// The refusal of what is asked for a server that no account is of.
pub(super) fn unknown_server(server_id: &ServerId, agent_state: &AgentState) -> Refusal {
    let broken = match agent_state.is_sound {
        true => "",
        false => "; a file of the configuration is broken: `omadmctl config check` says which",
    };
    Refusal::own("UnknownServer", format!("no account has the server id {:?}{broken}", server_id.as_str()))
}

/// Reads much of the store, off the agent's thread.
async fn in_store<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Refusal> {
    let read = DOCUMENTS.run(read).await;
    read.map_err(|stuck| Refusal::own("StoreFailed", stuck.to_string()))?.map_err(of_store)
}

fn of_store(error: StoreError) -> Refusal {
    Refusal::own("StoreFailed", error.to_string())
}

/// The refusal that an alert's error becomes.
fn of_alert(error: RaiseError) -> Refusal {
    let why = error.to_string();
    match error {
        RaiseError::Unknown(_) => Refusal::own("NotFound", why),
        RaiseError::Store(_) => Refusal::own("StoreFailed", why),
        _ => Refusal::invalid(why),
    }
}

/// The refusal that a push client's error becomes.
fn of_push(error: PushError) -> Refusal {
    let name = match error {
        PushError::UnknownServer(_) => "UnknownServer",
        PushError::NoPush(_) => "NoPush",
        PushError::BadId | PushError::NotBase64 => "InvalidArgument",
        PushError::Dropped(_) => "NotificationDropped",
        PushError::Store => "StoreFailed",
    };
    Refusal::own(name, error.to_string())
}

/// The refusal that comes of a configuration that can't be had.
pub(super) fn of_configuration(error: &ConfigurationError) -> Refusal {
    let name = match error {
        ConfigurationError::UnknownMoid(_) => "UnknownObject",
        ConfigurationError::NoDefault(_) => "NoDefault",
        ConfigurationError::NoAccount { .. } => "NoAccount",
        ConfigurationError::Busy => "Busy",
        ConfigurationError::Store(_) => "StoreFailed",
        _ => "Failed",
    };
    Refusal::own(name, error.to_string())
}
