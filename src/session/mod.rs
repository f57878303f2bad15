//! Management sessions (TS 5.2): a pure machine, the driver that gives it sockets and a tree, and the queue
//! that decides when and with whom.

mod backoff;
pub mod machine;
pub mod queue;

pub use machine::{Again, Failure, Outcome};
pub use queue::{Cause, Queue, Ticket};
