//! Accounts that are gone: what waits for their servers is forgotten.

use std::collections::BTreeSet;

use super::Daemon;
use crate::alert;
use crate::store::Change;
use crate::uri::ServerId;

impl Daemon {
    /// Forgets what waits for servers whose accounts are gone. What runs for them ends by itself.
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
        let mut changes: Vec<Change> =
            gone.iter().flat_map(|server_id| self.notifications.triggers.forget(server_id)).collect();
        let alerts =
            alert::forget(&self.agent_state.store, |server_id| gone.iter().any(|gone| gone == server_id));
        let forgotten = match alerts {
            Ok(alerts) => {
                changes.extend(alerts);
                self.agent_state.store.commit(changes).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = forgotten {
            log::error!(
                "alerts and notifications of removed accounts could not be deleted from the store: {error}"
            );
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

    /// Forgets alerts for accounts that were removed while the agent was not running.
    pub(super) async fn forget_unknown(&mut self) {
        let destinations = alert::destinations(&self.agent_state.store)
            .unwrap_or_default()
            .into_iter()
            .map(|destination| destination.server_id);
        let unknown: BTreeSet<ServerId> =
            destinations.filter(|server_id| self.agent_state.peer(server_id).is_none()).collect();
        self.forget(&unknown.into_iter().collect::<Vec<_>>()).await;
        self.config_files.remember(&self.agent_state, &self.clock).await;
    }
}
