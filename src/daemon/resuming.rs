//! Resuming what a crash, a stop, or an account's absence broke off: EXECs that waited or ran, and sessions.

use super::Daemon;
use super::taken_up::TakenUp;
use crate::store::StoreError;
use crate::uri::ServerId;

impl Daemon {
    /// Takes up all EXECs and sessions, as the agent has started.
    pub(super) async fn take_up(&mut self) {
        let in_doubt = self.doubt().is_some();
        match self.execs.take_up(&self.agent_state, in_doubt, &self.shared) {
            // How they ended is told in sessions that are due at a start anyway.
            Ok(ends) => {
                if let Err(error) = self.store(&ends).await {
                    self.keep_untold(ends, &error);
                }
            }
            Err(error) => log::error!(
                "EXECs from before the start can't be read from the store, and are not resumed: {error}"
            ),
        }
        let triggers = self.take_up_triggers(&|_| true);
        if let Err(error) = self.resume(triggers).await {
            log::error!(
                "notifications from before the start can't be read from the store, or written: their sessions are not resumed, or again at the next start: {error}"
            );
        }
    }

    /// Takes up what waits for these accounts, which are there again, or for objects that may be.
    pub(super) async fn take_up_for(&mut self, back: &[ServerId]) {
        let in_doubt = self.doubt().is_some();
        match self.execs.take_up_left(&self.agent_state, in_doubt, &self.shared) {
            Ok(ends) => match self.store(&ends).await {
                Ok(()) => self.have_told(&ends),
                Err(error) => self.keep_untold(ends, &error),
            },
            Err(error) => log::error!(
                "EXECs from before the start can't be read from the store, and are tried at the next reload: {error}"
            ),
        }
        if back.is_empty() {
            return;
        }
        let is_back = |server_id: &ServerId| back.iter().any(|back| back == server_id);
        self.sessions.hold_fatal(&is_back, &self.agent_state, &mut *self.shared.random);
        let triggers = self.take_up_triggers(&is_back);
        if let Err(error) = self.resume(triggers).await {
            log::error!(
                "accounts are back, but notifications that waited for them can't be read from the store, or written: {error}"
            );
        }
    }

    /// Takes up the notifications of these servers.
    fn take_up_triggers(&mut self, of: &dyn Fn(&ServerId) -> bool) -> Result<TakenUp, StoreError> {
        let in_doubt = self.doubt().is_some();
        let Self { notifications, agent_state, shared, .. } = self;
        notifications.triggers.take_up(of, agent_state, in_doubt, &mut *shared.random)
    }

    /// Lets sessions that were taken up go on.
    async fn resume(&mut self, taken: Result<TakenUp, StoreError>) -> Result<(), StoreError> {
        let TakenUp { changes, due } = taken?;
        self.sessions.ask(due);
        self.agent_state.store.commit(changes).await
    }

    /// Why an account that is not there may not have been removed; none where it has been.
    pub(super) fn doubt(&self) -> Option<String> {
        self.config_files.doubt(&self.agent_state, &self.clock)
    }
}
