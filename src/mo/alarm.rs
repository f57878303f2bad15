//! Alarms: what servers are told of an object without having asked for it.

use std::time::Duration;

use super::NodeId;
use super::value::Value;

pub use super::mapping::AlarmAlert;

/// `[alarm.NAME]`
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// Its name in the mapping.
    pub name: String,
    /// The leaf that is watched; where the condition is [`Condition::Listed`], the un-named node.
    pub at: NodeId,
    /// What is told.
    pub condition: Condition,
    /// How often what can't tell of its changes is read; none: the usual.
    pub every: Option<Duration>,
    /// How long the condition must hold.
    pub hold: Duration,
    /// How it is told.
    pub alert: AlarmAlert,
}

/// What an alarm tells of.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// The value is above a limit, until it is no more above `clear`.
    Above {
        /// The limit.
        limit: Threshold,
        /// None: the limit.
        clear: Option<Threshold>,
    },
    /// The value is below a limit, until it is no more below `clear`.
    Below {
        /// The limit.
        limit: Threshold,
        /// None: the limit.
        clear: Option<Threshold>,
    },
    /// The value is this one.
    Equals(Threshold),
    /// The value is another one.
    Changes,
    /// An element has come, or gone.
    Listed,
}

/// What a value is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Threshold {
    /// This value.
    Fixed(Value),
    /// That of another leaf, by the way from the one that is watched.
    Leaf {
        /// How many nodes to go up.
        up: usize,
        /// The nodes from there, all of which have names.
        down: Vec<NodeId>,
    },
}

impl Condition {
    /// What values are compared with.
    pub fn thresholds(&self) -> impl Iterator<Item = &Threshold> {
        let (one, other) = match self {
            Self::Above { limit, clear } | Self::Below { limit, clear } => (Some(limit), clear.as_ref()),
            Self::Equals(limit) => (Some(limit), None),
            Self::Changes | Self::Listed => (None, None),
        };
        one.into_iter().chain(other)
    }
}
