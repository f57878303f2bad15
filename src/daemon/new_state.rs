//! Going on in a new [`AgentState`]: files were read again, or accounts have changed.

use std::sync::Arc;

use super::config_files::Reread;
use super::loader::{LOOK_AGAIN, Scope};
use super::{Daemon, schedule, state_difference};
use crate::agent_state::AgentState;
use crate::base::journal::id;
use crate::base::waking;

impl Daemon {
    /// Reloads all files, on the operator's word.
    pub(super) fn reload(&mut self) {
        self.shared.systemd.reloading();
        self.config_files.load(Scope::Everything, &self.agent_state, &mut self.shared.hearts);
    }

    /// Takes the files that were read again.
    pub(super) async fn loaded(&mut self, reread: Reread) {
        let again = self.config_files.asked_meanwhile();
        let answers = if again == Some(Scope::Everything) { Vec::new() } else { self.answer_reload(&reread) };
        let Reread { scope, read } = reread;
        if scope == Scope::Everything {
            self.config_files.loader.note_settings(match &read {
                Ok(read) => read.of_settings.clone(),
                Err(error) => error.problems(),
            });
        }
        match read {
            Ok(read) => {
                if !read.is_whole() {
                    self.config_files.look_again(waking::now() + LOOK_AGAIN);
                }
                let agent_state = self.config_files.loader.renew(read, &self.agent_state).await;
                if let Some(at) = self.config_files.loader.unpacked_until() {
                    self.config_files.look_again(at);
                }
                if scope == Scope::Everything {
                    self.bootstrapping.afresh();
                }
                self.adopt(agent_state, scope).await;
            }
            Err(error) => log::error!(
                MESSAGE_ID = id::CONFIGURATION_BROKEN; "reload failed, going on as before: {error}"
            ),
        }
        self.shared.memory_release.begins(&self.agent_state.store);
        if scope == Scope::Everything && again != Some(Scope::Everything) {
            let status = self.status();
            self.shared.systemd.ready(&status);
        }
        // Who asked hears of it when it has taken effect.
        answers.into_iter().for_each(|(caller, answer)| caller.answer(answer));
        if let Some(again) = again {
            self.config_files.load(again, &self.agent_state, &mut self.shared.hearts);
        }
    }

    /// Goes on with changed accounts: a server changed its own, or a bootstrap brought some.
    pub(super) async fn accounts_changed(&mut self) {
        let agent_state = self.config_files.loader.accounts_changed(&self.agent_state).await;
        let before = self.go_on_in(agent_state).await;
        if state_difference::is_any(&before, &self.agent_state) {
            log::info!(
                "accounts changed: {}; {}",
                self.status(),
                state_difference::accounts(&before, &self.agent_state)
            );
        }
    }

    /// Adopts an agent state, of what files say now.
    async fn adopt(&mut self, agent_state: AgentState, scope: Scope) {
        let before = self.go_on_in(agent_state).await;
        self.bootstrapping.look(waking::now());
        let accounts = state_difference::accounts(&before, &self.agent_state);
        let objects = state_difference::objects(&before, &self.agent_state);
        // Nobody has asked, and nothing is new: a file was written as it was, or touched.
        let is_news = scope == Scope::Everything
            || before.problems != self.agent_state.problems
            || state_difference::is_told(&accounts)
            || state_difference::is_told(&objects);
        let level = if is_news { log::Level::Info } else { log::Level::Debug };
        log::log!(level, "configuration read again: {}; {accounts}; {objects}", self.status());
    }

    /// Goes on in a new agent state; sessions in flight finish in the old one, which it returns.
    async fn go_on_in(&mut self, agent_state: AgentState) -> Arc<AgentState> {
        self.notifications.follow(&agent_state);
        let certain = self.config_files.doubt(&agent_state, &self.clock).is_none();
        self.sessions.queue.keep(|server_id| agent_state.peer(server_id).is_some(), certain);
        self.sessions.followed.retain(|server_id| agent_state.peer(server_id).is_some());
        self.sessions.history.keep(|server_id| agent_state.peer(server_id).is_some());
        let before = std::mem::replace(&mut self.agent_state, Arc::new(agent_state));
        self.execs.exec_slots.follow(&self.agent_state);
        let gone = state_difference::missing(&self.agent_state, &before);
        let back = state_difference::missing(&before, &self.agent_state);
        self.bootstrapping.follow(&before, &self.agent_state);
        let due = schedule::of_changes(&before, &self.agent_state, waking::now(), &mut *self.shared.random);
        self.sessions.ask(due);
        self.subscriptions.follow(&before, &self.agent_state, certain).await;
        self.alarms.follow(&self.agent_state, certain).await;
        self.registrations.follow(&self.agent_state);
        self.forget(&gone).await;
        self.take_up_for(&back).await;
        self.config_files.remember(&self.agent_state, &self.clock).await;
        self.tell_status();
        before
    }

    /// Tells the service manager what the agent does, and whoever listens on the bus that it may be another thing.
    pub(super) fn tell_status(&mut self) {
        let status = self.status();
        self.shared.systemd.status(&status);
        self.service.changed(["Servers", "Sessions", "PendingAlerts"]);
    }

    /// What the agent serves and does, in a line.
    pub(super) fn status(&self) -> String {
        let plural =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let failed = self.sessions.history.failed();
        let failed = if failed.is_empty() { failed } else { format!("; failed last: {failed}") };
        format!(
            "{}, {}, {} running{failed}",
            plural(self.agent_state.peers.len(), "account"),
            plural(self.agent_state.tree.objects().len(), "management object"),
            plural(self.sessions.queue.running(), "session"),
        )
    }
}
