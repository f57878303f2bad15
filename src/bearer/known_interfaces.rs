//! The interfaces that are up, as far as they are known. Pure: others look, and tell.

use super::link::{Interface, Link, Told};
use super::{Choice, ConnectionType};
use crate::base::OrderedMap;

/// The identity of an interface: as long as it lives under its name, it need not be looked at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id {
    /// The name of the interface.
    pub name: String,
    /// The kernel's index, which no later one of that name has.
    pub index: u32,
}

/// The interfaces that are up, what each was seen to be, and what services say of them.
#[derive(Debug, Default)]
pub struct KnownInterfaces {
    up: Vec<Id>,
    /// The interfaces of default routes, the best first.
    defaults: Vec<String>,
    /// What interfaces were seen to be, by name, those that went down included: one whose device hangs when it comes
    /// back is still what it was.
    seen: OrderedMap<String, Seen>,
    /// What services say; none: nobody has asked them yet.
    told: Option<Told>,
}

/// What one interface was seen to be.
#[derive(Debug)]
struct Seen {
    index: u32,
    state: State,
    /// The interface and what is below it, as last seen.
    interfaces: Vec<Interface>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The kernel has said what it is.
    Known,
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
    /// Takes the interfaces that are up now, and those of default routes, the best first. Returns those that have to be
    /// looked at: what is new, and what is upon others, which may be others now.
    pub fn note(&mut self, up: Vec<Id>, defaults: Vec<String>) -> Vec<Id> {
        (self.up, self.defaults) = (up, defaults);
        if self.seen.len() > MOST_KNOWN {
            self.seen.retain(|name, _| self.up.iter().any(|up| up.name == *name));
        }
        let mut asked = Vec::new();
        for id in &self.up {
            let new = || Seen { index: id.index, state: State::Asked, interfaces: Vec::new() };
            match self.seen.get_mut(&id.name).filter(|known| known.index == id.index) {
                None => drop(self.seen.insert(id.name.clone(), new())),
                Some(known) if known.state == State::Silent => known.state = State::AskedAgain,
                Some(known) if known.interfaces.iter().any(|interface| !interface.below.is_empty()) => {}
                Some(_) => continue,
            }
            asked.push(id.clone());
        }
        asked
    }

    /// Takes the result of a look at an interface; none where its device does not answer. Returns whether that is news.
    pub fn tell(&mut self, Id { name, index }: &Id, found: Option<Vec<Interface>>) -> bool {
        let Some(known) = self.seen.get_mut(name).filter(|known| known.index == *index) else { return false };
        match found {
            Some(interfaces) => {
                (known.state, known.interfaces) = (State::Known, interfaces);
                true
            }
            // What it was it still is.
            None if known.state == State::Known => false,
            None => std::mem::replace(&mut known.state, State::Silent) == State::Asked,
        }
    }

    /// Takes what services say of links.
    pub fn hear(&mut self, told: Told) {
        self.told = Some(told);
    }

    /// Forgets what services have said: nobody has told of changes since.
    pub fn forget_told(&mut self) {
        self.told = None;
    }

    /// Whether something that was asked did not answer: devices of interfaces that are up, or services.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.told.as_ref().is_some_and(|told| told.is_partial)
            || self.up.iter().any(|id| self.state(id) == State::Silent)
    }

    /// Picks the first preferred type that is available; [`ConnectionType::AnyAvailable`] takes whatever is up. Of
    /// several of one type, the one with the best default route.
    #[must_use]
    pub fn choose(&self, preferred: &[ConnectionType]) -> Choice {
        if preferred.is_empty() {
            return Choice::Any;
        }
        let asked = self.told.is_none() || self.up.iter().any(|id| self.state(id) == State::Asked);
        for wanted in preferred {
            if *wanted == ConnectionType::AnyAvailable {
                return Choice::Any;
            }
            let rank =
                |id: &&Id| self.defaults.iter().position(|name| *name == id.name).unwrap_or(usize::MAX);
            let found =
                self.up.iter().filter(|id| self.link(id).is_some_and(|link| link.kind == Some(*wanted)));
            match found.min_by_key(rank) {
                Some(id) => return Choice::Bound(id.clone()),
                // Nothing is of a lower priority before it is known not to be of this one.
                None if asked => return Choice::Unknown,
                None => {}
            }
        }
        Choice::Wait
    }

    /// Whether what is not bound leaves by a metered link; none: that is being looked at. Where there is no way out,
    /// nothing costs anything.
    #[must_use]
    pub fn leaves_metered(&self) -> Option<bool> {
        let Some(name) = self.defaults.first() else { return Some(false) };
        let Some(id) = self.up.iter().find(|id| id.name == *name) else { return Some(false) };
        self.link(id).map(|link| link.metered)
    }

    /// What a link is; none: it is being looked at for the first time.
    fn link(&self, id: &Id) -> Option<Link> {
        let told = self.told.as_ref()?;
        if self.state(id) == State::Asked {
            return None;
        }
        let seen = self.seen.get(&id.name).map(|known| known.interfaces.as_slice());
        Some(told.link(&id.name, seen.unwrap_or_default()))
    }

    fn state(&self, Id { name, index }: &Id) -> State {
        self.seen.get(name).filter(|known| known.index == *index).map_or(State::Asked, |known| known.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConnectionType::{AnyAvailable, Mobile, Wireless, Wireline};

    fn id(name: &str, index: u32) -> Id {
        Id { name: name.to_owned(), index }
    }

    fn bound(name: &str, index: u32) -> Choice {
        Choice::Bound(id(name, index))
    }

    fn plain(id: &Id, kind: Option<ConnectionType>) -> Vec<Interface> {
        vec![Interface { name: id.name.clone(), kind, below: Vec::new() }]
    }

    /// Interfaces that are all up, and have all been looked at.
    fn knowing(all: &[(Id, Option<ConnectionType>)]) -> KnownInterfaces {
        let mut known = KnownInterfaces::default();
        known.hear(Told::default());
        known.note(all.iter().map(|(id, _)| id.clone()).collect(), Vec::new());
        for (id, kind) in all {
            assert!(known.tell(id, Some(plain(id, *kind))));
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
        assert_eq!(known.choose(&[Mobile, Wireline]), bound("wwan0", 3));
        assert_eq!(known.choose(&[Wireless, Wireline]), bound("eth0", 2));
        assert_eq!(known.choose(&[Wireless]), Choice::Wait);
        assert_eq!(known.choose(&[Wireless, AnyAvailable]), Choice::Any);
    }

    #[test]
    fn one_that_does_not_answer_hides_no_other_and_is_looked_at_again() {
        let (eth, wwan) = (id("eth0", 2), id("wwan0", 3));
        let mut known = KnownInterfaces::default();
        known.hear(Told::default());
        let both = || vec![eth.clone(), wwan.clone()];
        assert_eq!(known.note(both(), Vec::new()), both());
        assert_eq!(known.choose(&[Wireline]), Choice::Unknown, "nobody has looked yet");
        assert_eq!(known.choose(&[AnyAvailable]), Choice::Any);
        assert!(known.tell(&eth, Some(plain(&eth, Some(Wireline)))));
        assert_eq!(
            known.choose(&[Wireline, Mobile]),
            bound("eth0", 2),
            "it waits for none that does not matter"
        );
        assert_eq!(known.choose(&[Mobile, Wireline]), Choice::Unknown, "it may be");
        assert!(known.note(both(), Vec::new()).is_empty(), "it is being looked at");
        assert!(known.tell(&wwan, None) && known.is_in_doubt());
        assert_eq!(known.choose(&[Mobile, Wireline]), bound("eth0", 2));
        assert_eq!(known.choose(&[Mobile]), Choice::Wait);
        assert_eq!(known.note(both(), Vec::new()), std::slice::from_ref(&wwan));
        assert!(!known.is_in_doubt());
        assert_eq!(known.choose(&[Mobile, Wireline]), bound("eth0", 2), "nobody waits for it again");
        assert!(!known.tell(&wwan, None) && known.is_in_doubt(), "that is no news");
        known.note(both(), Vec::new());
        assert!(known.tell(&wwan, Some(plain(&wwan, Some(Mobile)))) && !known.is_in_doubt());
        assert_eq!(known.choose(&[Mobile, Wireline]), bound("wwan0", 3));
    }

    #[test]
    fn what_an_interface_is_it_stays_and_another_one_of_its_name_is_another_one() {
        let wwan = id("wwan0", 3);
        let mut known = knowing(&[(wwan.clone(), Some(Mobile))]);
        assert!(known.note(Vec::new(), Vec::new()).is_empty());
        assert_eq!(known.choose(&[Mobile]), Choice::Wait, "it is down");
        assert!(known.note(vec![wwan.clone()], Vec::new()).is_empty());
        assert_eq!(known.choose(&[Mobile]), bound("wwan0", 3));
        let other = id("wwan0", 9);
        assert_eq!(known.note(vec![other.clone()], Vec::new()), std::slice::from_ref(&other));
        assert!(!known.tell(&wwan, Some(plain(&wwan, Some(Mobile)))), "that one is no more");
        assert_eq!(known.choose(&[Mobile]), Choice::Unknown);
    }

    #[test]
    fn nothing_is_chosen_before_services_were_heard_and_the_best_route_decides_among_equals() {
        let (eth, usb, lan) = (id("eth0", 2), id("usb0", 3), id("br-lan", 4));
        let mut known = KnownInterfaces::default();
        let defaults = vec!["eth0".to_owned(), "usb0".to_owned()];
        known.note(vec![lan.clone(), usb.clone(), eth.clone()], defaults);
        for id in [&eth, &usb, &lan] {
            known.tell(id, Some(plain(id, Some(Wireline))));
        }
        assert_eq!(known.choose(&[Wireline]), Choice::Unknown, "one of them may be a modem");
        assert_eq!((known.choose(&[AnyAvailable]), known.leaves_metered()), (Choice::Any, None));
        known.hear(Told::default());
        assert_eq!((known.choose(&[Wireline]), known.leaves_metered()), (bound("eth0", 2), Some(false)));
        let modem =
            crate::bearer::Modem { links: vec!["usb0".to_owned()], ..crate::bearer::Modem::default() };
        known.hear(Told { modems: vec![modem], is_partial: true, ..Told::default() });
        assert_eq!(known.choose(&[Mobile, Wireline]), bound("usb0", 3));
        assert!(known.is_in_doubt());
        known.note(vec![lan.clone(), usb], vec!["usb0".to_owned()]);
        assert_eq!(known.leaves_metered(), Some(true));
        known.note(vec![lan], Vec::new());
        assert_eq!(known.leaves_metered(), Some(false), "nothing leaves");
    }

    #[test]
    fn what_is_upon_others_is_looked_at_again() {
        let bond = id("bond0", 5);
        let stack = |below: &str, kind| {
            let top =
                Interface { name: "bond0".to_owned(), kind: Some(Wireline), below: vec![below.to_owned()] };
            vec![top, Interface { name: below.to_owned(), kind: Some(kind), below: Vec::new() }]
        };
        let mut known = KnownInterfaces::default();
        known.hear(Told::default());
        known.note(vec![bond.clone()], Vec::new());
        assert!(known.tell(&bond, Some(stack("eth0", Wireline))));
        assert_eq!(known.choose(&[Wireline]), bound("bond0", 5));
        assert_eq!(known.note(vec![bond.clone()], Vec::new()), std::slice::from_ref(&bond));
        assert_eq!(known.choose(&[Wireline]), bound("bond0", 5), "it is what it was until it was seen");
        assert!(!known.tell(&bond, None));
        assert!(known.tell(&bond, Some(stack("wwan0", Mobile))));
        assert_eq!(known.choose(&[Mobile]), bound("bond0", 5));
    }
}
