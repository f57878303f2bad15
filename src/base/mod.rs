//! The foundation of the other rooms: threads and clocks, files, log lines, secrets. Uses no room of the crate.

pub(crate) mod crash_guard;
pub(crate) mod files;
pub(crate) mod heap;
pub(crate) mod heartbeat;
pub(crate) mod journal;
pub mod lane;
pub(crate) mod package_names;
pub(crate) mod regular;
pub(crate) mod rooted;
pub(crate) mod said;
pub(crate) mod stopping;
pub(crate) mod tasks;
pub(crate) mod waking;
pub mod wall_time;
pub(crate) mod yielding;

mod atomic;
mod backoff;
mod boot;
mod one_by_one;
mod order;
mod ordered;
mod progress;
mod random;
mod secret;
mod spawn;
mod unseen;

pub use atomic::AtomicU64;
pub(crate) use backoff::{Backoff, Failures, backoff};
pub(crate) use boot::boot_id;
pub(crate) use one_by_one::OneByOne;
pub(crate) use order::Order;
pub use ordered::{OrderedMap, OrderedSet};
pub use progress::Progress;
pub use random::Random;
pub use secret::Secret;
pub(crate) use spawn::{spawn, spawn_in};
pub(crate) use stopping::{stopped, unless_stopped};
pub(crate) use unseen::is_unseen;
