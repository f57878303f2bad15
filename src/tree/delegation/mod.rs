//! The Delegation Access Control object (TS 11.3): one instance for each management object, one entry for what one
//! management authority may do with one of its instances.
//!
//! Two things give rights. By themselves: a creator has all of them, and the accounts have on what the device brings
//! those of their files. And what a server made of that: it is in the store, with the rights that it overrides, and
//! applies only while those are the same, so that an operator can always put things right in a file.
//!
//! In the store, an entry is a node of this object at MOID / MIID / MAID: the rights of one authority are one look-up.

mod edit;
mod find;
mod record;

pub(super) use edit::{Edit, Edits};

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::error::TreeError;
use super::instance::{Instance, Provenance};
use super::maid::{self, EVERYONE};
use super::node::NodeRef;
use super::principal::Principal;
use super::rights::{Rights, SESSION_INFO, listed};
use super::state::TreeState;
use crate::backend::Child;
use crate::base::{OrderedMap, OrderedSet};
use crate::config::Account;
use crate::mo::ManagementObject;
use crate::package::Profile;
use crate::store::{Change, NodeKey};
use crate::tree::registry::Tree;
use crate::uri::Moid;
use crate::uri::decode_name;
use record::Record;

/// The MOID under which the entries are kept.
static MOID: Moid = Moid::fixed("urn:oma:mo:oma-dm-dmdac:1.0");
/// An entry: what one management authority may do with one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The name of the entry's node in the tree.
    name: String,
    miid: String,
    maid: String,
    rights: Rights,
}

/// The MIID of the instance that is about a management object: its MOID in characters that a ClientURI holds as they
/// are.
pub(super) fn miid_of(moid: &Moid) -> String {
    escape(moid.as_str(), "-.")
}

/// The name of an entry unless a server gave it one.
fn name_of(miid: &str, maid: &str) -> String {
    format!("{}.{}", escape(miid, "-"), escape(maid, "-."))
}

/// Escapes a text so that two texts never become one: `_` stands for the colon, `~` and two digits for every other byte
/// that is neither alphanumeric nor one of `plain`.
fn escape(text: &str, plain: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match char::from(byte) {
            ':' => escaped.push('_'),
            c if c.is_ascii_alphanumeric() || plain.contains(c) => escaped.push(c),
            _ => escaped.push_str(&format!("~{byte:02X}")),
        }
    }
    escaped
}

/// The key that the entries about an instance are kept below.
fn key_of(object: &ManagementObject, miid: &str) -> NodeKey {
    NodeKey::instance(&MOID, &miid_of(&object.moid)).child(miid)
}

impl Tree {
    /// The key that is kept below what servers made of the rights on an object's instances. Nothing for an unknown
    /// MOID.
    #[must_use]
    pub fn rights_key(&self, moid: &Moid, profile: Profile) -> Option<NodeKey> {
        self.object_for(moid, profile).map(|object| NodeKey::instance(&MOID, &miid_of(&object.moid)))
    }
}

/// The removal of the entries about an instance that goes, or before a new one of the same MIID comes: nobody inherits
/// rights.
pub(super) fn forget(instance: &NodeRef) -> Change {
    Change::Remove(key_of(&instance.object, instance.miid()))
}

/// The value of a leaf of the object's instances, by its builtin's name less `delegation.`.
pub(super) fn leaf(node: &NodeRef, name: &str) -> Option<String> {
    match (&node.instance.provenance, name) {
        (Provenance::Delegation { moid }, "MOID") => Some(moid.to_string()),
        (_, "MOID") => None,
        _ => match node.item.as_ref()?.get(name)? {
            Json::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        },
    }
}

impl Tree {
    /// The instances of the Delegation Access Control object.
    pub(super) fn delegations(&self) -> impl Iterator<Item = Instance> {
        self.objects().iter().filter(|object| is_delegable(object)).map(|object| Instance {
            miid: miid_of(&object.moid),
            provenance: Provenance::Delegation { moid: object.moid.clone() },
        })
    }

    /// The provenance of the Delegation Access Control object's instance with this MIID.
    pub(super) fn delegation(&self, miid: &str) -> Option<Provenance> {
        self.delegations().find(|instance| instance.miid == miid).map(|instance| instance.provenance)
    }

    /// The rights that entries give a server on an instance: its own, and those of everyone.
    pub(super) fn granted(
        &self,
        object: &ManagementObject,
        instance: &Instance,
        account: &Account,
        state: &TreeState,
    ) -> Result<Rights, TreeError> {
        let own = maid::of(account);
        let inherent = inherent(object, instance, account, &own);
        if !state.may_have_delegations(&NodeKey::object(&MOID))? {
            return Ok(inherent.unwrap_or_default());
        }
        let key = key_of(object, &instance.miid);
        let own = Record::at(&key.child(&own), state)?;
        let everyones = Record::at(&key.child(EVERYONE), state)?;
        let own = own.filter(|record| record.applies(inherent)).map(|record| record.rights).or(inherent);
        let everyones = everyones.filter(|record| record.applies(None)).map(|record| record.rights);
        Ok(own.unwrap_or_default().with(everyones.unwrap_or_default()))
    }

    /// The entries of an instance of the object as children of its root: those that the server may see. For one of them
    /// see [`Tree::delegation_entry`].
    pub(super) fn delegation_entries(
        &self,
        root: &NodeRef,
        principal: &Principal<'_>,
        state: &TreeState,
    ) -> Result<Vec<Child>, TreeError> {
        let Provenance::Delegation { moid } = &root.instance.provenance else { return Ok(Vec::new()) };
        let Some(object) = self.object_named(moid) else { return Ok(Vec::new()) };
        let table = self.table(object, principal, state)?;
        Ok(table.entries.into_values().map(Child::from).collect())
    }

    /// The table of all that a server sees of who may do what with an object's instances.
    fn table(
        &self,
        object: &ManagementObject,
        principal: &Principal<'_>,
        state: &TreeState,
    ) -> Result<Table, TreeError> {
        let mut table = Table::default();
        let mut names = OrderedSet::new();
        for instance in self.instances(object, state)? {
            let own = self.rights(object, &instance, principal, state)?;
            if !own.allow(Rights::DELEGATE) {
                continue;
            }
            let inherent = self.inherent(object, &instance);
            for mut entry in entries(object, &instance.miid, &inherent, state)? {
                // Two servers may have chosen one name where neither saw the other's entry, or one that another entry
                // has by itself.
                if names.contains(&entry.name) {
                    entry.name = name_of(&entry.miid, &entry.maid);
                }
                while !names.insert(entry.name.clone()) {
                    entry.name.push('~');
                }
                table.entries.insert((entry.miid.clone(), entry.maid.clone()), entry);
            }
            table.held.insert(instance.miid.clone(), Held { instance, own, inherent });
        }
        Ok(table)
    }

    /// The rights on an instance that need no entry in the store, by MAID.
    fn inherent(&self, object: &ManagementObject, instance: &Instance) -> OrderedMap<String, Rights> {
        if let Provenance::Created { creator } = &instance.provenance {
            return OrderedMap::from([(creator.clone(), Rights::ALL)]);
        }
        let of_account = |account: &std::sync::Arc<Account>| {
            let maid = maid::of(account);
            inherent(object, instance, account, &maid).map(|rights| (maid, rights))
        };
        let mut all = OrderedMap::new();
        all.extend(self.accounts().iter().filter_map(of_account));
        all
    }
}

/// The entries and instances that a server sees of who may do what with an object's instances.
#[derive(Default)]
struct Table {
    /// The entries, by MIID and MAID.
    entries: OrderedMap<(String, String), Entry>,
    /// The instances, by MIID.
    held: OrderedMap<String, Held>,
}

/// An instance that the server may delegate.
struct Held {
    instance: Instance,
    /// The rights of the server on the instance.
    own: Rights,
    /// The rights on the instance that need no entry in the store, by MAID.
    inherent: OrderedMap<String, Rights>,
}

impl From<Entry> for Child {
    fn from(entry: Entry) -> Self {
        let item = json!({ "MIID": entry.miid, "MAID": entry.maid, "AccessRights": entry.rights.bits() });
        Self { captured: decode_name(&entry.name), name: entry.name, item: Some(Arc::new(item)) }
    }
}

/// The rights of an account that need no entry in the store: all on what it created, on what the device brings those of
/// its file.
fn inherent(object: &ManagementObject, instance: &Instance, account: &Account, maid: &str) -> Option<Rights> {
    let rights = match &instance.provenance {
        Provenance::Created { creator } if creator == maid => Rights::ALL,
        Provenance::Device => listed(account, object)?,
        Provenance::Created { .. } | Provenance::Account | Provenance::Delegation { .. } => return None,
    };
    (!rights.is_none()).then_some(rights)
}

/// The entries about one instance, whoever may see them.
fn entries(
    object: &ManagementObject,
    miid: &str,
    inherent: &OrderedMap<String, Rights>,
    state: &TreeState,
) -> Result<Vec<Entry>, TreeError> {
    let new = |maid: &String, rights: Rights| Entry {
        name: name_of(miid, maid),
        miid: miid.to_owned(),
        maid: maid.clone(),
        rights,
    };
    let mut entries: OrderedMap<String, Entry> = OrderedMap::new();
    entries.extend(inherent.iter().map(|(maid, rights)| (maid.clone(), new(maid, *rights))));
    let key = key_of(object, miid);
    for maid in state.children(&key)? {
        let Some(record) = Record::at(&key.child(&maid), state)? else { continue };
        if !record.applies(inherent.get(&maid).copied()) {
            continue;
        }
        match record.name {
            Some(name) => entries.insert(maid.clone(), Entry { name, ..new(&maid, record.rights) }),
            None => entries.remove(&maid),
        };
    }
    Ok(entries.into_values().collect())
}

/// Whether rights on the object's instances can be given away. An account is its server's own, a session is
/// everybody's, and who may delegate follows from the entries.
fn is_delegable(object: &ManagementObject) -> bool {
    !object.per_account && !object.per_object && object.moid != SESSION_INFO
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_management_objects_share_an_instance() {
        assert_eq!(miid_of(&"urn:oma:mo:oma-fumo:1.0".into()), "urn_oma_mo_oma-fumo_1.0");
        assert_eq!(miid_of(&"a_b~c".into()), "a~5Fb~7Ec");
        assert_ne!(name_of("1.x", "*"), name_of("1", "x.*"));
        assert_eq!(name_of("1", "serverid:acme"), "1.serverid_acme");
        assert_eq!(name_of("1", EVERYONE), "1.~2A");
    }
}
