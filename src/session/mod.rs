//! Management sessions (TS 5.2): a pure machine, the driver that gives it sockets and a tree, and the queue
//! that decides when and with whom.

mod alert_bound;
mod driver;
pub mod machine;
mod outage;
pub(crate) mod queue;
mod requested;

pub use alert_bound::AlertBound;
pub use driver::{Commands, Ended, Session, risk_of_session};
pub use machine::{Again, Outcome, SessionFailure};
pub use outage::Outage;
pub use queue::outlook::{Outlook, WaitsFor};
pub use queue::{Cause, Circumstances, MeteredCircumstances, Queue, SessionRequest, Step};
