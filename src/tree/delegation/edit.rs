//! Edits of access rights: what a server may make of the entries that it sees, all of an edit or nothing.

use std::sync::Arc;

use super::record::Record;
use super::{Entry, Held, Table, key_of, name_of};
use crate::base::{OrderedMap, OrderedSet};
use crate::mo::{ManagementObject, MoData, Value};
use crate::store::Change;
use crate::tree::error::TreeError;
use crate::tree::instance::Provenance;
use crate::tree::maid::{self, EVERYONE, SERVER};
use crate::tree::node::NodeRef;
use crate::tree::registry::Tree;
use crate::tree::rights::{Rights, listed};
use crate::tree::validate::described;
use crate::tree::view::Pass;
use crate::uri::Moid;

/// The most entries of one instance of the object that a server may come to see.
const MOST_ENTRIES: usize = 1024;
/// The longest MAID, in bytes.
const LONGEST_MAID: usize = 255;
const APPLICATION: &str = "appid:";

/// An edit: what is to be done with a node of the object.
pub(in crate::tree) enum Edit {
    /// The node gets this data in place of what it has.
    Replace(MoData),
    /// The leaf gets this value.
    Set(Value),
    /// The node is deleted.
    Delete,
}

/// The key of an entry: MIID and MAID.
type EntryKey = (String, String);
type Entries = OrderedMap<EntryKey, Entry>;

/// The edits of one plan: each works on what those before it made.
#[derive(Default)]
pub(in crate::tree) struct Edits(OrderedMap<Moid, Edited>);

/// The edited entries about one object's instances.
struct Edited {
    object: Arc<ManagementObject>,
    before: Table,
    after: Entries,
    /// The keys of the entries, by their nodes' names.
    names: OrderedMap<String, EntryKey>,
}

impl Edits {
    /// Notes an edit of a Delegation Access Control node. Entries that the server does not see stay as they are; so do
    /// those about itself unless the edit names them: a server that grants something does not lock itself out by the
    /// way.
    ///
    /// # Errors
    /// The node does not exist, or the new entries are none.
    pub(in crate::tree) fn make(
        &mut self,
        pass: &Pass<'_>,
        node: &NodeRef,
        edit: Edit,
    ) -> Result<(), TreeError> {
        let not_found = || TreeError::NotFound(node.client_uri());
        let Provenance::Delegation { moid } = &node.instance.provenance else { return Err(not_found()) };
        let object = pass.tree.object_named(moid).ok_or_else(not_found)?;
        if !self.0.contains_key(moid) {
            let before = pass.tree.table(object, pass.principal, &pass.state)?;
            self.0.insert(moid.clone(), Edited::new(object, before));
        }
        let edited = self.0.get_mut(moid).ok_or_else(not_found)?;
        if edited.before.held.is_empty() {
            return Err(not_found());
        }
        // As many instances bring as many entries by themselves: none may keep a server from taking some away.
        let most = MOST_ENTRIES.max(edited.after.len());
        edited.make(node, edit, &maid::of(pass.principal.account))?;
        if edited.after.len() > most { Err(TreeError::Full(node.client_uri())) } else { Ok(()) }
    }

    /// The changes of the store that all edits come to.
    ///
    /// # Errors
    /// The server may not grant or take that.
    pub(in crate::tree) fn changes(&self, tree: &Tree) -> Result<Vec<Change>, TreeError> {
        let mut changes = Vec::new();
        for edited in self.0.values() {
            tree.delegate(edited, &mut changes)?;
        }
        Ok(changes)
    }
}

impl Edited {
    fn new(object: &Arc<ManagementObject>, before: Table) -> Self {
        let named = |(place, entry): (&EntryKey, &Entry)| (entry.name.clone(), place.clone());
        let names = before.entries.iter().map(named).collect();
        Self { object: Arc::clone(object), after: before.entries.clone(), before, names }
    }

    /// Makes one edit: `own` are the entries about the server itself.
    fn make(&mut self, node: &NodeRef, edit: Edit, own: &str) -> Result<(), TreeError> {
        let not_allowed = |what| Err(TreeError::NotAllowed { node: node.client_uri(), what });
        let names: Vec<&str> = node.key().names().collect();
        match (names.as_slice(), edit) {
            ([], Edit::Replace(data)) => self.replace(node, data, own),
            ([name], Edit::Replace(data)) if !node.is_leaf() => {
                let old = self.take(name);
                self.insert(node, entry(node, data, old.as_ref())?)
            }
            ([name], Edit::Delete) if !node.is_leaf() => {
                self.take(name).map(drop).ok_or_else(|| TreeError::NotFound(node.client_uri()))
            }
            ([name, leaf], edit @ (Edit::Replace(_) | Edit::Set(_))) if *leaf == "AccessRights" => {
                let value = match edit {
                    Edit::Replace(data) => {
                        data.value(node.properties().format).map_err(|error| invalid(node, &error))?
                    }
                    Edit::Set(value) => value,
                    Edit::Delete => return not_allowed("may not be deleted"),
                };
                let entry = self.names.get(*name).and_then(|place| self.after.get_mut(place));
                entry.ok_or_else(|| TreeError::NotFound(node.client_uri()))?.rights = rights(node, &value)?;
                Ok(())
            }
            (_, Edit::Delete) => not_allowed("may not be deleted"),
            _ => not_allowed("may not be replaced"),
        }
    }

    /// Replaces the whole instance: what the data lacks goes, but for the server's own entries.
    fn replace(&mut self, root: &NodeRef, data: MoData, own: &str) -> Result<(), TreeError> {
        let MoData::Node(members) = data else {
            return Err(invalid(root, &"an interior node takes a JSON object"));
        };
        let mut wanted = Vec::new();
        for (name, (id, data)) in described(root, members)? {
            let node = root.child(id, &name);
            if node.is_leaf() {
                if data.text().is_none_or(|moid| !self.object.answers_to(&moid.into())) {
                    return Err(invalid(&node, &format_args!("expected {:?}", self.object.moid)));
                }
                continue;
            }
            let old = self.names.get(&name).and_then(|place| self.after.get(place));
            wanted.push(entry(&node, data, old)?);
        }
        self.names.clear();
        let before = std::mem::take(&mut self.after);
        for entry in wanted {
            self.insert(root, entry)?;
        }
        let named: OrderedSet<String> = self.names.keys().cloned().collect();
        for (place, entry) in before {
            if entry.maid == own && !named.contains(&entry.name) && !self.after.contains_key(&place) {
                self.insert(root, entry)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, name: &str) -> Option<Entry> {
        self.names.remove(name).and_then(|place| self.after.remove(&place))
    }

    fn insert(&mut self, node: &NodeRef, entry: Entry) -> Result<(), TreeError> {
        let place = (entry.miid.clone(), entry.maid.clone());
        self.names.insert(entry.name.clone(), place.clone());
        if let Some(twin) = self.after.insert(place, entry) {
            let why = format!("two entries for instance {:?} and {:?}", twin.miid, twin.maid);
            return Err(invalid(node, &why));
        }
        Ok(())
    }
}

impl Tree {
    /// Adds the changes that make the new entries of the old ones, if the server may do that.
    fn delegate(&self, edited: &Edited, changes: &mut Vec<Change>) -> Result<(), TreeError> {
        let Edited { object, before, after, .. } = edited;
        for (place, entry) in after {
            let old = before.entries.get(place);
            if old == Some(entry) {
                continue;
            }
            let held = before.held.get(&entry.miid);
            let held = held.ok_or_else(|| refused(entry, "that instance is not its to delegate"))?;
            self.check(object, entry, old, held.own)?;
            let inherent = held.inherent.get(&entry.maid).copied();
            let key = key_of(object, &entry.miid).child(&entry.maid);
            let as_ever = inherent == Some(entry.rights) && entry.name == name_of(&entry.miid, &entry.maid);
            changes.push(if as_ever {
                Change::Remove(key)
            } else {
                let record = Record { rights: entry.rights, over: inherent, name: Some(entry.name.clone()) };
                Change::Put(key, record.encode())
            });
        }
        for place in before.entries.keys().filter(|place| !after.contains_key(*place)) {
            let (miid, maid) = place;
            let inherent = before.held.get(miid).and_then(|held| held.inherent.get(maid).copied());
            let key = key_of(object, miid).child(maid);
            changes.push(match inherent {
                None => Change::Remove(key),
                over => Change::Put(key, Record { rights: Rights::default(), over, name: None }.encode()),
            });
        }
        before.held.values().try_for_each(|held| self.check_is_held(object, held, after))
    }

    /// Checks whether a server with rights `own` on the entry's instance may write it in place of `old`.
    fn check(
        &self,
        object: &ManagementObject,
        entry: &Entry,
        old: Option<&Entry>,
        own: Rights,
    ) -> Result<(), TreeError> {
        let gained = entry.rights.without(old.map_or_else(Rights::default, |old| old.rights));
        if !own.allow(gained) {
            return Err(refused(entry, "it does not have these rights itself"));
        }
        if gained.is_none() && old.is_some() {
            return Ok(());
        }
        if entry.maid == EVERYONE {
            return Ok(());
        }
        if let Some(server_id) = entry.maid.strip_prefix(SERVER) {
            let account = self.accounts().iter().find(|account| account.server_id == server_id);
            if account.is_none_or(|account| listed(account, object).is_none()) {
                return Err(refused(entry, "that server's bootstrap does not list the MOID"));
            }
            return Ok(());
        }
        let application = entry.maid.strip_prefix(APPLICATION).unwrap_or_default();
        if application.is_empty() || entry.maid.len() > LONGEST_MAID || application.contains(char::is_control)
        {
            let why = format!("expected serverid:…, appid:… or * as MAID of entry {:?}", entry.name);
            return Err(TreeError::Invalid { node: object.moid.to_string(), why });
        }
        Ok(())
    }

    /// Checks that somebody remains who may delegate: what a server created no file can put right.
    fn check_is_held(
        &self,
        object: &ManagementObject,
        held: &Held,
        after: &Entries,
    ) -> Result<(), TreeError> {
        if held.instance.provenance == Provenance::Device {
            return Ok(());
        }
        let rights = |maid: &str| {
            let entry = after.get(&(held.instance.miid.clone(), maid.to_owned()));
            entry.map_or_else(Rights::default, |entry| entry.rights)
        };
        let delegates = |maid: &str| rights(maid).with(rights(EVERYONE)).allow(Rights::DELEGATE);
        let mut accounts = self.accounts().iter().filter(|account| listed(account, object).is_some());
        if accounts.any(|account| delegates(&maid::of(account))) {
            return Ok(());
        }
        let instance = format!("{}/{}", object.moid, held.instance.miid);
        Err(TreeError::NotDelegable { entry: instance, why: "nobody would be left who may delegate it" })
    }
}

fn refused(entry: &Entry, why: &'static str) -> TreeError {
    TreeError::NotDelegable { entry: format!("{:?} for {:?}", entry.miid, entry.maid), why }
}

/// Makes an entry of its data: what that lacks stays as it was.
fn entry(node: &NodeRef, data: MoData, old: Option<&Entry>) -> Result<Entry, TreeError> {
    let MoData::Node(members) = data else {
        return Err(invalid(node, &"an interior node takes a JSON object"));
    };
    let (mut miid, mut maid) = (old.map(|old| old.miid.clone()), old.map(|old| old.maid.clone()));
    let mut granted = old.map(|old| old.rights);
    for (name, (id, data)) in described(node, members)? {
        let leaf = node.child(id, &name);
        let value = data.value(leaf.properties().format).map_err(|error| invalid(&leaf, &error))?;
        match name.as_str() {
            "MIID" => miid = Some(value.to_text().into_owned()),
            "MAID" => maid = Some(value.to_text().into_owned()),
            _ => granted = Some(rights(&leaf, &value)?),
        }
    }
    let lacks = || invalid(node, &"an entry has MIID, MAID and AccessRights");
    Ok(Entry {
        name: node.name().to_owned(),
        miid: miid.ok_or_else(lacks)?,
        maid: maid.ok_or_else(lacks)?,
        rights: granted.ok_or_else(lacks)?,
    })
}

fn rights(node: &NodeRef, value: &Value) -> Result<Rights, TreeError> {
    let bits = if let Value::Int(number) = value { u8::try_from(*number).ok() } else { None };
    bits.and_then(Rights::new).ok_or_else(|| invalid(node, &"expected rights from 0 to 15"))
}

fn invalid(node: &NodeRef, why: &dyn std::fmt::Display) -> TreeError {
    TreeError::Invalid { node: node.client_uri(), why: why.to_string() }
}
