//! The registry of the management objects and instances that there are.

use std::sync::Arc;
use std::time::Instant;

use crate::backend::Machine;
use crate::base::OrderedMap;
use crate::base::said::SaidOf;
use crate::config::Account;
use crate::ddf::NodeName;
use crate::mo::{ManagementObject, NodeId, Value};
use crate::package::{Profile, SupportedMo};
use crate::store::{Change, NodeKey, Store, StoreError, Stored};
use crate::uri::{decode_name, encode_name};

use super::error::TreeError;
use super::instance::{Instance, Provenance};
use super::node::NodeRef;
use super::principal::Principal;
use super::state::TreeState;
use crate::uri::Moid;
use crate::uri::client::ClientUri;

/// The most nodes that fail of which the journal has a line each.
const MOST_FAILING: usize = 256;

/// The management tree: the device's management objects, and where their values are.
#[derive(Debug)]
pub struct Tree {
    objects: Vec<Arc<ManagementObject>>,
    /// The positions of the objects by MOID: several where each is for servers of another profile.
    by_moid: OrderedMap<Moid, Vec<usize>>,
    /// The accounts as their files and bootstraps have them.
    accounts: Vec<Arc<Account>>,
    pub(super) store: Arc<Store>,
    pub(super) machine: Arc<Machine>,
    /// The time when the agent started: a pinned node's `wait` counts from here.
    pub(super) started: Instant,
    /// The nodes that fail to be read, so far as the journal has a line about them.
    failing: SaidOf<NodeKey>,
}

impl Tree {
    /// Makes the tree of what was loaded and where values are kept.
    #[must_use]
    pub fn new(
        objects: Vec<Arc<ManagementObject>>,
        accounts: Vec<Arc<Account>>,
        store: Arc<Store>,
        machine: Arc<Machine>,
        started: Instant,
    ) -> Self {
        let mut by_moid: OrderedMap<Moid, Vec<usize>> = OrderedMap::new();
        for (index, object) in objects.iter().enumerate() {
            for moid in std::iter::once(&object.moid).chain(&object.aliases) {
                by_moid.entry(moid.clone()).or_default().push(index);
            }
        }
        Self { objects, by_moid, accounts, store, machine, started, failing: SaidOf::at_most(MOST_FAILING) }
    }

    /// Logs that what is read at a node fails, once, and once that it does no more.
    pub(super) fn tell_failure(&self, node: &NodeRef, what: &str, error: Option<&TreeError>) {
        if error.is_none() && self.failing.is_silent() {
            return;
        }
        match error {
            Some(error @ (TreeError::Backend { .. } | TreeError::Unavailable { .. })) => {
                if self.failing.first(node.key().clone()) {
                    let client_uri = node.client_uri();
                    log::warn!(
                        OMADM_CLIENT_URI = client_uri.as_str();
                        "{what} is left out of what servers read, until it can be told again: {error}"
                    );
                }
            }
            _ => {
                if self.failing.again(node.key()) {
                    let client_uri = node.client_uri();
                    log::info!(OMADM_CLIENT_URI = client_uri.as_str(); "{client_uri}: can be told again");
                }
            }
        }
    }

    /// The management objects that answer to `moid`, their own or an alias: several where there is one for each
    /// profile. Which of them is meant, only whoever asks can tell: a server's is [`Tree::object_for`].
    pub fn objects_of(&self, moid: &Moid) -> impl Iterator<Item = &Arc<ManagementObject>> {
        self.by_moid.get(moid).into_iter().flatten().filter_map(|&index| self.objects.get(index))
    }

    /// The management object that answers to `moid` for servers of this profile.
    #[must_use]
    pub fn object_for(&self, moid: &Moid, profile: Profile) -> Option<&Arc<ManagementObject>> {
        self.objects_of(moid).find(|object| object.is_for(profile))
    }

    /// The management object that answers to `moid`, if the server may know of it: it can't tell one that is hidden
    /// from it from one that is not there.
    ///
    /// # Errors
    /// [`TreeError::NotFound`]
    pub fn object_seen(
        &self,
        moid: &Moid,
        principal: &Principal<'_>,
    ) -> Result<&Arc<ManagementObject>, TreeError> {
        let object = match principal.session.is_operator {
            true => self.objects_of(moid).next(),
            false => self.object_for(moid, principal.account.profile),
        };
        let object = object.filter(|object| principal.sees(object));
        object.ok_or_else(|| TreeError::NotFound(moid.to_string()))
    }

    /// The management object whose own MOID this is.
    pub(super) fn object_named(&self, moid: &Moid) -> Option<&Arc<ManagementObject>> {
        self.objects_of(moid).find(|object| object.moid == *moid)
    }

    /// The machine that the tree maps.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The accounts as their files and bootstraps have them, without what servers changed.
    #[must_use]
    pub fn accounts(&self) -> &[Arc<Account>] {
        &self.accounts
    }

    /// All management objects, in the order loaded.
    #[must_use]
    pub fn objects(&self) -> &[Arc<ManagementObject>] {
        &self.objects
    }

    /// Each management object with the ClientURIs of the roots of its instances.
    ///
    /// # Errors
    /// The store failed.
    pub fn instance_roots(&self) -> Result<Vec<(&ManagementObject, Vec<String>)>, StoreError> {
        let state = TreeState::of(self.store.snapshot()?);
        let of = |object| {
            let instances = self.instances(object, &state)?.into_iter();
            let root = |instance: Instance| ClientUri::root(&object.moid, &instance.miid).to_string();
            Ok((object, instances.map(root).collect()))
        };
        self.objects.iter().map(|object| of(&**object)).collect()
    }

    /// Stores the data that instances are seeded with, where they are not in the store yet. A seed that does not
    /// fit its DDF is left out, and the journal says so.
    ///
    /// # Errors
    /// The store failed.
    pub async fn seed(&self) -> Result<(), TreeError> {
        let state = self.store.snapshot()?;
        let mut changes = Vec::new();
        for object in &self.objects {
            for seed in &object.instances {
                let root = NodeKey::instance(&object.moid, &seed.miid);
                let Some(data) = &seed.data else { continue };
                if state.exists(&root)? {
                    continue;
                }
                // The mark stays when a server deletes what was seeded: it does not grow back.
                let mut planted = vec![Change::Put(root.clone(), Stored::Interior)];
                match plant(object, ManagementObject::ROOT, &root, data, &mut planted) {
                    Ok(()) => changes.append(&mut planted),
                    Err(error) => {
                        log::error!(
                            "{}: the first instance {:?} could not be created: {error}",
                            object.moid,
                            seed.miid
                        );
                    }
                }
            }
        }
        Ok(self.store.commit(changes).await?)
    }

    /// The instances of an object. For one of them see [`Tree::instance`].
    pub(super) fn instances(
        &self,
        object: &ManagementObject,
        state: &TreeState,
    ) -> Result<Vec<Instance>, StoreError> {
        let mut instances: Vec<Instance> = object
            .instances
            .iter()
            .map(|seed| Instance { miid: seed.miid.clone(), provenance: Provenance::Device })
            .collect();
        if object.per_account {
            instances.extend(self.accounts.iter().filter(|account| object.is_for(account.profile)).map(
                |account| Instance { miid: account.server_id.to_string(), provenance: Provenance::Account },
            ));
        }
        if object.per_object {
            instances.extend(self.delegations());
        }
        if object.dynamic {
            state.each_instance(&object.moid, &mut |miid, creator| {
                let provenance = Provenance::Created { creator: creator.to_owned() };
                instances.push(Instance { miid: miid.to_owned(), provenance });
                true
            })?;
        }
        Ok(instances)
    }

    /// The instance of this MIID, looked up: [`Tree::instances`] would read all of them.
    pub(super) fn instance(
        &self,
        object: &ManagementObject,
        miid: &str,
        state: &TreeState,
    ) -> Result<Option<Instance>, TreeError> {
        let is_account = |account: &Arc<Account>| account.server_id == miid && object.is_for(account.profile);
        let provenance = if object.instances.iter().any(|seed| seed.miid == miid) {
            Provenance::Device
        } else if object.per_account && self.accounts.iter().any(is_account) {
            Provenance::Account
        } else if let Some(delegation) = object.per_object.then(|| self.delegation(miid)).flatten() {
            delegation
        } else if object.dynamic
            && let Some(creator) = state.creator(&object.moid, miid)?
        {
            Provenance::Created { creator }
        } else {
            return Ok(None);
        };
        Ok(Some(Instance { miid: miid.to_owned(), provenance }))
    }

    /// The management objects for Package#1 (TS 5.2.2): every object that the account lists, with the instances the
    /// server has any right on.
    ///
    /// # Errors
    /// The store failed.
    pub fn supported(&self, principal: &Principal<'_>) -> Result<Vec<SupportedMo>, TreeError> {
        let state = TreeState::of(self.store.snapshot()?);
        let mut supported = Vec::new();
        for object in self.objects.iter().filter(|object| principal.lists(object)) {
            let visible = self.visible(object, principal, &state)?;
            let miids = visible.map(|visible| visible.map(|(instance, _)| instance.miid));
            supported.push(SupportedMo {
                ddf: object.ddf_uri.clone(),
                moid: object.moid.clone(),
                miids: miids.collect::<Result<_, _>>()?,
            });
        }
        Ok(supported)
    }

    /// The root of the device's own first instance of `moid`: for the agent's own use, not a server's.
    #[must_use]
    pub fn own(&self, moid: &Moid) -> Option<NodeRef> {
        let object = self.object_named(moid)?;
        let miid = object.instances.first()?.miid.clone();
        let instance = Arc::new(Instance { miid, provenance: Provenance::Device });
        Some(NodeRef::root(Arc::clone(object), instance))
    }

    /// The account that an instance stands for.
    pub(super) fn account_of(&self, instance: &Instance) -> Option<&Arc<Account>> {
        (instance.provenance == Provenance::Account)
            .then(|| self.accounts.iter().find(|account| account.server_id == instance.miid.as_str()))
            .flatten()
    }
}

/// Turns seed data into stored nodes.
fn plant(
    object: &ManagementObject,
    id: NodeId,
    key: &NodeKey,
    data: &serde_json::Value,
    changes: &mut Vec<Change>,
) -> Result<(), TreeError> {
    let invalid =
        |why: &dyn std::fmt::Display| TreeError::Invalid { node: object.path(id), why: why.to_string() };
    if object.is_leaf(id) {
        let value =
            Value::from_json(object.node(id).properties.format, data).map_err(|error| invalid(&error))?;
        changes.push(Change::Put(key.clone(), Stored::Leaf(value)));
        return Ok(());
    }
    let Some(members) = data.as_object() else { return Err(invalid(&"seed data is not a JSON object")) };
    // As everywhere, MOData may be wrapped in the root's name.
    if let Some((name, inner)) = members.iter().next()
        && members.len() == 1
        && id == ManagementObject::ROOT
        && *name == object.root_name
        && object.child(id, name).is_none_or(|child| object.node(child).is_unnamed())
    {
        return plant(object, id, key, inner, changes);
    }
    for (name, value) in members {
        let Some(child) = object.child(id, name) else {
            return Err(invalid(&format_args!("the DDF has no node {name:?} here")));
        };
        let key = key.child(&match &object.node(child).name {
            NodeName::Named(described) => described.clone(),
            NodeName::Unnamed(_) => encode_name(&decode_name(name)),
        });
        if object.node(child).is_unnamed() && !object.is_leaf(child) {
            changes.push(Change::Put(key.clone(), Stored::Interior));
        }
        plant(object, child, &key, value, changes)?;
    }
    Ok(())
}
