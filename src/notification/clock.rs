//! The time that notifications are judged by.

/// The time as the agent believes it, and whether it can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockReading {
    /// The time in POSIX seconds: the later of the system's clock and the latest time the agent has known.
    pub now: u64,
    /// Whether the system's clock has been set by a time source.
    pub synchronised: bool,
}
