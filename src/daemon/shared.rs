//! The things that all components of the loop use.

use tokio::sync::watch;

use super::dropped::Dropped;
use super::memory_release::MemoryRelease;
use super::systemd::Systemd;
use crate::base::Random;
use crate::base::heartbeat::Hearts;
use crate::base::waking;

/// The things that a component is handed beside the [`AgentState`](crate::agent_state::AgentState) that it works in.
pub(super) struct Shared {
    /// The hearts of all components' tasks, which tell whether these advance.
    pub(super) hearts: Hearts,
    /// Turns true when sessions, and what is like them, are to end.
    pub(super) stopping: watch::Sender<bool>,
    pub(super) random: Box<dyn Random>,
    /// The release of memory after sessions and reloads.
    pub(super) memory_release: MemoryRelease,
    pub(super) systemd: Systemd,
    /// The alerts that were dropped for want of room.
    pub(super) dropped: Dropped,
}

impl Shared {
    pub(super) fn new(random: Box<dyn Random>) -> Self {
        Self {
            hearts: Hearts::default(),
            stopping: watch::Sender::new(false),
            random,
            memory_release: MemoryRelease::default(),
            systemd: Systemd::new(waking::now()),
            dropped: Dropped::default(),
        }
    }
}
