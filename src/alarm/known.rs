//! What is known of an alarm, and of the leaves or elements that it watches.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::task::AbortHandle;

use super::AlarmId;
use super::look::LookOutcome;
use super::rule::{AlarmState, At};
use crate::base::OrderedSet;
use crate::base::journal::id;
use crate::base::said::Said;
use crate::mo::ManagementObject;
use crate::mo::alarm::{Alarm, Condition};
use crate::store::NodeKey;
use crate::store::records::AlarmRecord;
use crate::uri::decode_name;

/// What is known of one alarm.
pub(super) struct Known {
    pub(super) object: Arc<ManagementObject>,
    pub(super) alarm: Arc<Alarm>,
    /// What is known of each leaf or element, by its ClientURI.
    pub(super) places: HashMap<String, Kept>,
    /// The lists that were looked at, by the nodes that they are in.
    pub(super) lists: OrderedSet<String>,
    /// The keys in the store whose commits are signs for the alarm.
    pub(super) keys: Vec<NodeKey>,
    /// Whether the journal has a line about what is wrong with the alarm.
    pub(super) said: Said,
    /// Whether the journal has a line about there being more leaves or elements than are watched.
    pub(super) said_more: Said,
    pub(super) look: Option<AbortHandle>,
}

/// What is known of a leaf or an element.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) state: AlarmState,
    /// The name of an element, and the ClientURI of the node that it is in; none for a leaf.
    pub(super) element: Option<(String, String)>,
}

impl Known {
    pub(super) fn new(object: &Arc<ManagementObject>, alarm: &Alarm) -> Self {
        Self {
            object: Arc::clone(object),
            alarm: Arc::new(alarm.clone()),
            places: HashMap::new(),
            lists: OrderedSet::new(),
            keys: Vec::new(),
            said: Said::default(),
            said_more: Said::default(),
            look: None,
        }
    }

    /// Takes what the store has of a leaf, an element or a list.
    pub(super) fn take(&mut self, client_uri: String, record: &AlarmRecord, at: At) {
        let is_list = self.alarm.condition == Condition::Listed;
        if is_list && !record.raised {
            self.lists.insert(client_uri);
            return;
        }
        // Left by an alarm of another kind: swept.
        if (self.alarm.condition == Condition::Changes) != record.value.is_some() {
            return;
        }
        // An element's ClientURI is that of the node it is in, and its name.
        let element = client_uri.rsplit_once('/').filter(|_| is_list);
        let element = element.map(|(within, name)| (decode_name(name), within.to_owned()));
        self.places.insert(client_uri.clone(), Kept { state: AlarmState::of(record, at), element });
    }

    /// Notes what a look did not find out about: time in which nobody knows does not count as time that something
    /// holds.
    pub(super) fn pause_unseen(&mut self, outcome: &LookOutcome, now: Instant) {
        if outcome.is_whole {
            return;
        }
        for (client_uri, Kept { state, element }) in &mut self.places {
            let is_seen = match element {
                Some((_, within)) => outcome.listed.contains(within),
                None => outcome.places.iter().any(|place| place.client_uri == *client_uri),
            };
            if state.is_turning() && !is_seen {
                state.pause(now);
            }
        }
    }

    /// Says once what goes wrong with a look, until one goes well again.
    pub(super) fn note(&self, id: &AlarmId, outcome: &LookOutcome) {
        let AlarmId { moid, name } = id;
        match &outcome.failed {
            Some(why) => {
                if self.said.first() {
                    log::warn!(
                        MESSAGE_ID = id::ALARMS_FAILING;
                        "{moid}: alarm {name} can't be judged, so far as this can't be read: {why}"
                    );
                }
            }
            None => self.said.again(),
        }
        if outcome.is_cut {
            self.say_more(id);
        }
    }

    pub(super) fn say_more(&self, id: &AlarmId) {
        if self.said_more.first() {
            log::warn!(
                "{}: alarm {} has more to watch than it can: the rest is not watched",
                id.moid,
                id.name
            );
        }
    }
}

/// The kind of a condition: alarms of one kind may go on with what was known of each other.
pub(super) fn kind(condition: &Condition) -> u8 {
    match condition {
        Condition::Above { .. } | Condition::Below { .. } | Condition::Equals(_) => 0,
        Condition::Changes => 1,
        Condition::Listed => 2,
    }
}
