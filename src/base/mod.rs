//! What the other rooms stand on: threads and clocks, files, log lines. Uses no room of the crate.

pub mod attempts;
pub mod files;
pub mod heartbeat;
pub mod journal;
pub mod lane;
pub mod turn;
pub mod waking;
