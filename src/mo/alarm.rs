//! Alarms of a management object: what servers are told of it without having asked.

use std::time::Duration;

use super::mapping::{ListFrom, RecordsPlace, SourceKind};
use super::value::Value;
use super::{ManagementObject, NodeId};

pub use super::mapping::AlarmAlert;

/// An alarm of a management object, `[alarm.NAME]` in its mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// The name in the mapping.
    pub name: String,
    /// The line where it stands in the mapping file.
    pub line: usize,
    /// The leaf that is watched; where the condition is [`Condition::Listed`], the un-named node.
    pub at: NodeId,
    /// The condition that servers are told of.
    pub condition: Condition,
    /// `every`: the time between readings of what can't tell of its changes; none: the usual.
    pub every: Option<Duration>,
    /// `for`: how long the condition must hold.
    pub hold: Duration,
    /// The alert by which it is told.
    pub alert: AlarmAlert,
}

impl Alarm {
    /// Whether programs or methods are asked for it, which may take their time.
    #[must_use]
    pub fn asks(&self, object: &ManagementObject) -> bool {
        let limits = self.condition.thresholds().filter_map(|threshold| match threshold {
            Threshold::Leaf { down, .. } => down.last().copied(),
            Threshold::Fixed(_) => None,
        });
        let lineage = std::iter::successors(Some(self.at), |id| object.node(*id).parent);
        lineage.chain(limits).any(|id| {
            let mapping = &object.node(id).mapping;
            let is_listed = mapping.list.as_deref().is_some_and(|list| {
                matches!(list.from, ListFrom::Records { place: RecordsPlace::Run(_), .. })
            });
            is_listed
                || mapping
                    .get
                    .iter()
                    .any(|source| matches!(source.from, SourceKind::Run(_) | SourceKind::Method { .. }))
        })
    }
}

/// The condition of an alarm: when there is something to tell.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// The value is above a limit, until it is no more above `clear`.
    Above {
        /// The limit.
        limit: Threshold,
        /// The value at which it is over; none: the limit.
        clear: Option<Threshold>,
    },
    /// The value is below a limit, until it is no more below `clear`.
    Below {
        /// The limit.
        limit: Threshold,
        /// The value at which it is over; none: the limit.
        clear: Option<Threshold>,
    },
    /// The value equals this one.
    Equals(Threshold),
    /// The value has changed.
    Changes,
    /// An element of the list has come, or gone.
    Listed,
}

/// A threshold that a value is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Threshold {
    /// A value that the mapping gives.
    Fixed(Value),
    /// The value of another leaf, by the way to it from the one that is watched.
    Leaf {
        /// The number of nodes to go up.
        up: usize,
        /// The nodes from there, all of which have names.
        down: Vec<NodeId>,
    },
}

impl Condition {
    /// The thresholds that the value is compared with.
    pub fn thresholds(&self) -> impl Iterator<Item = &Threshold> {
        let (one, other) = match self {
            Self::Above { limit, clear } | Self::Below { limit, clear } => (Some(limit), clear.as_ref()),
            Self::Equals(limit) => (Some(limit), None),
            Self::Changes | Self::Listed => (None, None),
        };
        one.into_iter().chain(other)
    }
}
