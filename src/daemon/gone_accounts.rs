//! Accounts that are gone: their servers are forgotten.

use super::Daemon;
use crate::base::OneByOne as _;
use crate::store::Change;
use crate::store::records::ExecRecord;
use crate::uri::ServerId;

impl Daemon {
    /// Forgets servers whose accounts are gone, all that waits for them included: who comes under such a name later is
    /// another one, and hears of the device as a new one does. What runs for them ends by itself.
    pub(super) async fn forget(&mut self, gone: &[ServerId]) {
        if gone.is_empty() {
            return;
        }
        if let Some(doubt) = self.doubt() {
            log::warn!(
                "{}: the accounts are not there, but {doubt}: what waits for them stays: alerts, notifications, EXECs",
                gone.join(", ")
            );
            return;
        }
        self.say_forgotten(gone);
        self.say_not_executed(gone);
        let mut changes = Vec::new();
        for server_id in gone {
            changes.extend(self.notifications.triggers.forget(server_id));
            changes.push(Change::ServerForgotten(server_id.clone()));
        }
        if let Err(error) = self.agent_state.store.commit(changes).await {
            log::error!(
                "what is kept of removed accounts could not be deleted from the store, and is at the next start: {error}"
            );
        }
    }

    /// Tells the operator of the EXECs that wait for these servers' accounts and have not begun.
    fn say_not_executed(&self, gone: &[ServerId]) {
        let execs = self.agent_state.store.snapshot().and_then(|at| at.execs()).unwrap_or_default();
        for record in execs.iter().filter_map(|(_, json)| ExecRecord::from_json(json)) {
            let ExecRecord { server_id, client_uri, .. } = &record;
            if record.starts == 0 && record.needs_permission && gone.contains(server_id) {
                log::warn!(
                    OMADM_SERVER_ID = server_id.as_str(), OMADM_CLIENT_URI = client_uri.as_str();
                    "{client_uri}: EXEC for the account {server_id}, which is gone: it is not executed"
                );
            }
        }
    }

    fn say_forgotten(&self, gone: &[ServerId]) {
        for server_id in gone {
            let alerts = self.agent_state.store.waiting(server_id).count;
            if alerts > 0 {
                log::warn!(
                    OMADM_SERVER_ID = server_id.as_str();
                    "{server_id}: dropped {alerts} queued alert{}: the account is gone",
                    if alerts == 1 { "" } else { "s" }
                );
            }
        }
    }

    /// Forgets the servers of accounts that were removed while the agent was not running.
    pub(super) async fn forget_unknown(&mut self) {
        let known = self.agent_state.store.snapshot().and_then(|snapshot| snapshot.servers());
        let servers = known.unwrap_or_default().into_iter();
        let unknown: Vec<ServerId> =
            servers.filter(|server_id| self.agent_state.peer(server_id).is_none()).one_by_one();
        self.forget(&unknown).await;
        self.config_files.remember(&self.agent_state, &self.clock).await;
    }
}
