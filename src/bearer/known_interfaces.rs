//! The interfaces that are up, as far as they are known. Pure: others look, and tell.

use std::collections::BTreeMap;

use super::Choice;
use crate::bearer::ConnectionType;

/// The identity of an interface: as long as it lives under its name, it need not be looked at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id {
    /// The name of the interface.
    pub name: String,
    /// The kernel's index, which no later one of that name has.
    pub index: u32,
}

/// The interfaces that are up, and the type that each is known to have.
#[derive(Debug, Default)]
pub struct KnownInterfaces {
    up: Vec<Id>,
    /// The types of interfaces by name, those that went down included: one whose device hangs when it comes back is
    /// still what it was.
    kinds: BTreeMap<String, (u32, Kind)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The kernel has said which type it is; none: of no type that the TS has.
    Is(Option<ConnectionType>),
    /// The interface is being looked at for the first time.
    Asked,
    /// The interface's device did not answer.
    Silent,
    /// The interface's device did not answer, and is being asked again.
    AskedAgain,
}

/// The most interfaces whose types are remembered: container hosts make and remove them all the time.
const MOST_KNOWN: usize = 256;

impl KnownInterfaces {
    /// Takes the interfaces that are up now. Returns those that have to be looked at.
    pub fn note(&mut self, up: Vec<Id>) -> Vec<Id> {
        self.up = up;
        if self.kinds.len() > MOST_KNOWN {
            self.kinds.retain(|name, _| self.up.iter().any(|up| up.name == *name));
        }
        let mut asked = Vec::new();
        for id in &self.up {
            let Id { name, index } = id;
            let known = self.kinds.entry(name.clone()).or_insert((0, Kind::Asked));
            *known = match *known {
                (same, Kind::Silent) if same == *index => (same, Kind::AskedAgain),
                (same, _) if same == *index => continue,
                _ => (*index, Kind::Asked),
            };
            asked.push(id.clone());
        }
        asked
    }

    /// Takes the result of a look at an interface; none where its device does not answer. Returns whether that is news.
    pub fn tell(&mut self, Id { name, index }: &Id, found: Option<Option<ConnectionType>>) -> bool {
        let Some((_, kind)) = self.kinds.get_mut(name).filter(|(known, _)| known == index) else {
            return false;
        };
        let before = std::mem::replace(kind, found.map_or(Kind::Silent, Kind::Is));
        *kind != Kind::Silent || before == Kind::Asked
    }

    /// Whether the types of some interfaces that are up are unknown, as their devices do not answer.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.up.iter().any(|id| self.kind(id) == Kind::Silent)
    }

    /// Picks the first preferred type that is available; [`ConnectionType::AnyAvailable`] takes whatever is up.
    #[must_use]
    pub fn choose(&self, preferred: &[ConnectionType]) -> Choice {
        if preferred.is_empty() {
            return Choice::Any;
        }
        let asked = self.up.iter().any(|id| self.kind(id) == Kind::Asked);
        for wanted in preferred {
            if *wanted == ConnectionType::AnyAvailable {
                return Choice::Any;
            }
            let found = self.up.iter().find(|id| self.kind(id) == Kind::Is(Some(*wanted)));
            match found {
                Some(id) => return Choice::Bound(id.name.clone()),
                // Nothing is of a lower priority before it is known not to be of this one.
                None if asked => return Choice::Unknown,
                None => {}
            }
        }
        Choice::Wait
    }

    fn kind(&self, Id { name, index }: &Id) -> Kind {
        self.kinds.get(name).filter(|(known, _)| known == index).map_or(Kind::Asked, |(_, kind)| *kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConnectionType::{AnyAvailable, Mobile, Wireless, Wireline};

    fn id(name: &str, index: u32) -> Id {
        Id { name: name.to_owned(), index }
    }

    fn bound(name: &str) -> Choice {
        Choice::Bound(name.to_owned())
    }

    /// Interfaces that are all up, and have all been looked at.
    fn knowing(all: &[(Id, Option<ConnectionType>)]) -> KnownInterfaces {
        let mut known = KnownInterfaces::default();
        known.note(all.iter().map(|(id, _)| id.clone()).collect());
        for (id, kind) in all {
            assert!(known.tell(id, Some(*kind)));
        }
        known
    }

    #[test]
    fn the_servers_order_decides() {
        let known = knowing(&[
            (id("eth0", 2), Some(Wireline)),
            (id("wwan0", 3), Some(Mobile)),
            (id("tun0", 4), None),
        ]);
        assert_eq!(known.choose(&[]), Choice::Any);
        assert_eq!(known.choose(&[Mobile, Wireline]), bound("wwan0"));
        assert_eq!(known.choose(&[Wireless, Wireline]), bound("eth0"));
        assert_eq!(known.choose(&[Wireless]), Choice::Wait);
        assert_eq!(known.choose(&[Wireless, AnyAvailable]), Choice::Any);
    }

    #[test]
    fn one_that_does_not_answer_hides_no_other_and_is_looked_at_again() {
        let (eth, wwan) = (id("eth0", 2), id("wwan0", 3));
        let mut known = KnownInterfaces::default();
        let both = || vec![eth.clone(), wwan.clone()];
        assert_eq!(known.note(both()), both());
        assert_eq!(known.choose(&[Wireline]), Choice::Unknown, "nobody has looked yet");
        assert_eq!(known.choose(&[AnyAvailable]), Choice::Any);
        assert!(known.tell(&eth, Some(Some(Wireline))));
        assert_eq!(
            known.choose(&[Wireline, Mobile]),
            bound("eth0"),
            "it waits for none that does not matter"
        );
        assert_eq!(known.choose(&[Mobile, Wireline]), Choice::Unknown, "it may be");
        assert!(known.note(both()).is_empty(), "it is being looked at");
        assert!(known.tell(&wwan, None) && known.is_in_doubt());
        assert_eq!(known.choose(&[Mobile, Wireline]), bound("eth0"));
        assert_eq!(known.choose(&[Mobile]), Choice::Wait);
        assert_eq!(known.note(both()), std::slice::from_ref(&wwan));
        assert!(!known.is_in_doubt());
        assert_eq!(known.choose(&[Mobile, Wireline]), bound("eth0"), "nobody waits for it again");
        assert!(!known.tell(&wwan, None) && known.is_in_doubt(), "that is no news");
        known.note(both());
        assert!(known.tell(&wwan, Some(Some(Mobile))) && !known.is_in_doubt());
        assert_eq!(known.choose(&[Mobile, Wireline]), bound("wwan0"));
    }

    #[test]
    fn what_an_interface_is_it_stays_and_another_one_of_its_name_is_another_one() {
        let wwan = id("wwan0", 3);
        let mut known = knowing(&[(wwan.clone(), Some(Mobile))]);
        assert!(known.note(Vec::new()).is_empty());
        assert_eq!(known.choose(&[Mobile]), Choice::Wait, "it is down");
        assert!(known.note(vec![wwan.clone()]).is_empty());
        assert_eq!(known.choose(&[Mobile]), bound("wwan0"));
        let other = id("wwan0", 9);
        assert_eq!(known.note(vec![other.clone()]), std::slice::from_ref(&other));
        assert!(!known.tell(&wwan, Some(Some(Mobile))), "that one is no more");
        assert_eq!(known.choose(&[Mobile]), Choice::Unknown);
    }
}
