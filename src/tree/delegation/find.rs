//! Finding one entry by its name, and whether there is any: without reading all that there are.

use super::record::Record;
use super::{Entry, MOID, key_of, miid_of, name_of};
use crate::backend::Child;
use crate::mo::ManagementObject;
use crate::store::NodeKey;
use crate::tree::error::TreeError;
use crate::tree::instance::{Instance, Provenance};
use crate::tree::node::NodeRef;
use crate::tree::principal::Principal;
use crate::tree::registry::Tree;
use crate::tree::rights::{Rights, listed};
use crate::tree::state::TreeState;
use crate::uri::Moid;

impl Tree {
    /// Whether the server may delegate rights on any instance of an object: on one of the device's, one that entries
    /// are kept about, or one that it created.
    pub(in crate::tree) fn delegates(
        &self,
        moid: &Moid,
        principal: &Principal<'_>,
        state: &TreeState,
    ) -> Result<bool, TreeError> {
        let Some(object) = self.object_named(moid) else { return Ok(false) };
        // How many instances there are of what it may not know of is not to be told by the time that this takes.
        if listed(principal.account, object).is_none() {
            return Ok(false);
        }
        let delegates = |instance: &Instance| {
            self.rights(object, instance, principal, state).map(|rights| rights.allow(Rights::DELEGATE))
        };
        for seed in &object.instances {
            if delegates(&Instance { miid: seed.miid.clone(), provenance: Provenance::Device })? {
                return Ok(true);
            }
        }
        for miid in state.children(&kept_about(object))? {
            if let Some(instance) = self.instance(object, &miid, state)?
                && delegates(&instance)?
            {
                return Ok(true);
            }
        }
        let own = principal.maid();
        let mut found = Ok(false);
        if object.dynamic {
            state.each_instance(&object.moid, &mut |miid, creator| {
                if creator == own {
                    let provenance = Provenance::Created { creator: own.clone() };
                    found = delegates(&Instance { miid: miid.to_owned(), provenance });
                }
                matches!(found, Ok(false))
            })?;
        }
        found
    }

    /// The entry of this name, as [`Tree::delegation_entries`] would show it to the server. Read is what servers have
    /// made of entries, but not what instances bring by themselves.
    pub(in crate::tree) fn delegation_entry(
        &self,
        root: &NodeRef,
        name: &str,
        principal: &Principal<'_>,
        state: &TreeState,
    ) -> Result<Option<Child>, TreeError> {
        let Provenance::Delegation { moid } = &root.instance.provenance else { return Ok(None) };
        let Some(object) = self.object_named(moid) else { return Ok(None) };
        let by_itself = place_of(name);
        let mut alike = Vec::new();
        for miid in state.children(&kept_about(object))? {
            let key = key_of(object, &miid);
            for maid in state.children(&key)? {
                let record = Record::at(&key.child(&maid), state)?;
                let Some(chosen) = record.and_then(|record| record.name) else { continue };
                let place = EntryName { miid: miid.clone(), maid };
                // A chosen name gives way to one that was there before it; to which, all of them together tell.
                let is_alike = plain(&chosen) == plain(name);
                if is_alike || by_itself.as_ref() == Some(&place) {
                    alike.push((chosen, place));
                }
            }
        }
        let place = match (alike.as_slice(), by_itself) {
            ([], Some(place)) => place,
            ([], None) => return Ok(None),
            ([(chosen, place)], by_itself)
                if chosen == name && by_itself.as_ref().is_none_or(|own| own == place) =>
            {
                place.clone()
            }
            _ => {
                let all = self.delegation_entries(root, principal, state)?;
                return Ok(all.into_iter().find(|entry| entry.name == name));
            }
        };
        Ok(self
            .entry_at(object, place, principal, state)?
            .filter(|entry| entry.name == name)
            .map(Child::from))
    }

    /// The entry about an instance and a MAID, if the server may see it.
    fn entry_at(
        &self,
        object: &ManagementObject,
        EntryName { miid, maid }: EntryName,
        principal: &Principal<'_>,
        state: &TreeState,
    ) -> Result<Option<Entry>, TreeError> {
        let Some(instance) = self.instance(object, &miid, state)? else { return Ok(None) };
        if !self.rights(object, &instance, principal, state)?.allow(Rights::DELEGATE) {
            return Ok(None);
        }
        let inherent = self.inherent(object, &instance).get(&maid).copied();
        let record = Record::at(&key_of(object, &miid).child(&maid), state)?;
        let (rights, name) = match record.filter(|record| record.applies(inherent)) {
            Some(record) => (Some(record.rights), record.name),
            None => (inherent, Some(name_of(&miid, &maid))),
        };
        Ok(rights.zip(name).map(|(rights, name)| Entry { name, miid, maid, rights }))
    }
}

/// The key that all entries kept about an object's instances are below.
fn kept_about(object: &ManagementObject) -> NodeKey {
    NodeKey::instance(&MOID, &miid_of(&object.moid))
}

/// The name without the part that tells it from another one that is the same otherwise.
fn plain(name: &str) -> &str {
    name.trim_end_matches('~')
}

/// The subject of an entry, read from its name: instance and authority.
#[derive(Clone, Debug, PartialEq, Eq)]
struct EntryName {
    miid: String,
    maid: String,
}

/// The subject whose entry has this name by itself.
fn place_of(name: &str) -> Option<EntryName> {
    let (miid, maid) = name.split_once('.')?;
    let place = EntryName { miid: unescape(miid)?, maid: unescape(maid)? };
    (name_of(&place.miid, &place.maid) == name).then_some(place)
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        bytes.push(match byte {
            b'_' => b':',
            b'~' => u8::try_from(digit(rest.next())? << 4 | digit(rest.next())?).ok()?,
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_whose_entry_has_it_by_itself() {
        for (miid, maid) in [("1", "serverid:acme"), ("a.b~c_d", "*"), ("ü-1", "appid:x.y/z"), ("", "")] {
            let name = name_of(miid, maid);
            let place = EntryName { miid: miid.to_owned(), maid: maid.to_owned() };
            assert_eq!(place_of(&name), Some(place), "{name}");
        }
        for none in ["x", "1", "1.serverid_acme~", "1.~2a", "1.~2", "1./", "a~2Eb"] {
            assert_eq!(place_of(none), None, "{none}");
        }
    }
}
