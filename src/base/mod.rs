//! What the other rooms stand on: threads and clocks, files, log lines, secrets. Uses no room of the crate.

pub mod attempts;
pub mod files;
pub(crate) mod heap;
pub mod heartbeat;
pub mod journal;
pub mod lane;
pub mod turn;
pub mod waking;

mod backoff;
mod random;
mod secret;
mod stopping;

pub(crate) use backoff::backoff;
pub use random::Random;
pub use secret::Secret;
pub(crate) use stopping::{stopped, unless_stopped};
