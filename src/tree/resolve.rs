//! Resolving a ClientURI to nodes (TS 6.1.2): first the instances, then step by step the nodes in them.
//!
//! x-names and wildcards stand for instances and un-named nodes only (TS 6.1.1.2). What is looked at on the way is
//! bounded, and a listing is made once, however many steps need it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::backend::Child;
use crate::ddf::{Format, NodeName};
use crate::mo::{ManagementObject, NodeId, Value};
use crate::uri::client::{ClientUri, NodeValue, Segment, Selector};
use crate::uri::encode_name;

use super::error::TreeError;
use super::instance::Instance;
use super::node::NodeRef;
use super::principal::Principal;
use super::registry::Tree;
use super::rights::Rights;
use super::view::{Pass, readable, secret};
use crate::base::yielding::Yielder;

/// The most nodes that one ClientURI may address.
const MOST_MATCHED: usize = 10_000;
/// The most candidates that are looked at to find those nodes.
const MOST_TRIED: usize = 100_000;

/// The nodes that a ClientURI addresses.
#[derive(Clone, Debug)]
pub enum Resolved {
    /// Exactly one node, as of a ClientURI without a wildcard.
    One(NodeRef),
    /// Any number of nodes, as of a ClientURI with a wildcard, by instance and name.
    Many(Vec<NodeRef>),
}

impl Tree {
    /// Finds the one node that `uri` names, for a server that wants to do something that takes `wanted` rights. A
    /// wildcard may stand in it, if it matches a single node.
    ///
    /// # Errors
    /// As [`Tree::resolve_all`]; [`TreeError::NotUnique`] for several nodes.
    pub async fn resolve(
        &self,
        uri: &ClientUri,
        principal: &Principal<'_>,
        wanted: Rights,
    ) -> Result<NodeRef, TreeError> {
        self.resolve_in(&self.pass(principal)?, uri, wanted).await
    }

    /// Finds the one node that `uri` names, as [`Tree::resolve`] does, in the state that a pass reads.
    pub(super) async fn resolve_in(
        &self,
        pass: &Pass<'_>,
        uri: &ClientUri,
        wanted: Rights,
    ) -> Result<NodeRef, TreeError> {
        match self.resolve_all_in(pass, uri, wanted).await? {
            Resolved::One(node) => Ok(node),
            Resolved::Many(nodes) => {
                let only = only(nodes).map_err(|()| TreeError::NotUnique(uri.address()))?;
                only.ok_or_else(|| TreeError::NotFound(uri.address()))
            }
        }
    }

    /// Finds the nodes that `uri` addresses, for a server that wants to do something that takes `wanted` rights on all
    /// of them. Named nodes below the instance are taken from the DDF: whether an optional one has a value is seen when
    /// it is read. A node wildcard may match nothing; an instance wildcard may not.
    ///
    /// # Errors
    /// [`TreeError::NotFound`], [`TreeError::NotUnique`] for an x-name that several satisfy, [`TreeError::Forbidden`],
    /// [`TreeError::NotAllowed`] where the DDF allows nothing at all, [`TreeError::TooMany`].
    pub async fn resolve_all(
        &self,
        uri: &ClientUri,
        principal: &Principal<'_>,
        wanted: Rights,
    ) -> Result<Resolved, TreeError> {
        self.resolve_all_in(&self.pass(principal)?, uri, wanted).await
    }

    /// Finds the nodes that `uri` addresses, as [`Tree::resolve_all`] does, in the state that a pass reads.
    pub(super) async fn resolve_all_in(
        &self,
        pass: &Pass<'_>,
        uri: &ClientUri,
        wanted: Rights,
    ) -> Result<Resolved, TreeError> {
        let object = self.object_seen(&uri.moid, pass.principal)?;
        let mut search =
            Search { pass, uri, object, listings: HashMap::new(), tried: 0, yielder: Yielder::default() };
        search.check_names()?;
        let roots = search.instances(wanted).await?;
        search.check_access()?;
        if uri.has_wildcard() {
            return Ok(Resolved::Many(Box::pin(search.descend(roots)).await?));
        }
        let root = roots.into_iter().next().ok_or_else(|| TreeError::NotFound(uri.address()))?;
        let mut node = search.descend_one(root).await?;
        // Without its query, an x-name would lead nowhere.
        if uri.node_values.is_empty() {
            node.asked = Some(uri.address().into());
        }
        Ok(Resolved::One(node))
    }
}

/// A search under way.
struct Search<'a> {
    pass: &'a Pass<'a>,
    uri: &'a ClientUri,
    object: &'a Arc<ManagementObject>,
    /// The listings made so far, by the key of the node that each is of.
    listings: HashMap<Vec<u8>, Arc<[Child]>>,
    tried: usize,
    yielder: Yielder,
}

impl Search<'_> {
    /// Checks that each name is anywhere in the DDF: one that is not is not found, whatever a wildcard in front of it
    /// matches at the moment.
    fn check_names(&self) -> Result<(), TreeError> {
        if !self.uri.has_wildcard() {
            return Ok(());
        }
        let mut id = ManagementObject::ROOT;
        for segment in &self.uri.path {
            id = match segment {
                Segment::Name(name) => self
                    .object
                    .child(id, name)
                    .ok_or_else(|| TreeError::NotFound(format!("{}: node {name:?}", self.uri.address())))?,
                Segment::Letter(_) | Segment::Any => match self.object.unnamed_child(id) {
                    Some(id) => id,
                    None => return Ok(()),
                },
            };
        }
        Ok(())
    }

    /// Checks that the DDF allows anything on the node or below it: where it does not, every command is refused before
    /// anybody looks what there is, and a server does not learn it (TS 11.2 Permissions).
    fn check_access(&self) -> Result<(), TreeError> {
        let described = self.uri.path.iter().try_fold(ManagementObject::ROOT, |id, segment| match segment {
            Segment::Name(name) => self.object.child(id, name),
            Segment::Letter(_) | Segment::Any => self.object.unnamed_child(id),
        });
        match described {
            Some(id) if self.object.is_closed(id) => {
                Err(TreeError::NotAllowed { node: self.uri.address(), what: "is closed to every command" })
            }
            _ => Ok(()),
        }
    }

    /// Step 1: the roots of the instances.
    async fn instances(&mut self, wanted: Rights) -> Result<Vec<NodeRef>, TreeError> {
        let Pass { tree, principal, state, .. } = self.pass;
        let mut found = Vec::new();
        match &self.uri.instance {
            Selector::Name(miid) => {
                if let Some(instance) = tree.instance(self.object, miid, state)? {
                    let rights = tree.rights(self.object, &instance, principal, state)?;
                    found.push((instance, rights));
                }
            }
            Selector::Only => {
                for visible in tree.visible(self.object, principal, state)? {
                    found.push(visible?);
                    if found.len() > 1 {
                        return Err(TreeError::NotUnique(format!("{}//", self.object.moid)));
                    }
                    self.yielder.step().await;
                }
            }
            Selector::Any => {
                for visible in tree.visible(self.object, principal, state)? {
                    found.push(visible?);
                    if found.len() > MOST_MATCHED {
                        return Err(TreeError::TooMany(self.uri.address()));
                    }
                    self.yielder.step().await;
                }
            }
            Selector::Letter(letter) => found.extend(Box::pin(self.satisfying_instance(*letter)).await?),
        }
        if found.is_empty() {
            return Err(TreeError::NotFound(format!("an instance of {}", self.object.moid)));
        }
        // What is read of all instances is what the server may read; what is done to all is done to all.
        let passes_over = self.uri.instance == Selector::Any && wanted == Rights::READ;
        let mut roots = Vec::with_capacity(found.len());
        let mut refused = None;
        for (instance, rights) in found {
            if !rights.allow(wanted) {
                let place = format!("{}/{}", self.object.moid, instance.miid);
                let hidden = rights.is_none() && instance.is_private();
                let why = if hidden { TreeError::NotFound(place) } else { TreeError::Forbidden(place) };
                if !passes_over {
                    return Err(why);
                }
                refused.get_or_insert(why);
                continue;
            }
            roots.push(NodeRef::root(Arc::clone(self.object), Arc::new(instance)));
        }
        match refused {
            Some(why) if roots.is_empty() => Err(why),
            _ => Ok(roots),
        }
    }

    /// The only instance that satisfies a letter's `nv` fields.
    async fn satisfying_instance(&mut self, letter: char) -> Result<Option<(Instance, Rights)>, TreeError> {
        let Pass { tree, principal, state, .. } = self.pass;
        let mut satisfying = None;
        for visible in tree.visible(self.object, principal, state)? {
            let (instance, rights) = visible?;
            let root = NodeRef::root(Arc::clone(self.object), Arc::new(instance.clone()));
            if self.satisfies(&root, rights, letter).await?
                && satisfying.replace((instance, rights)).is_some()
            {
                return Err(self.not_unique(letter));
            }
        }
        Ok(satisfying)
    }

    /// Step 2 without a wildcard: the node at the path below the only root.
    async fn descend_one(&mut self, root: NodeRef) -> Result<NodeRef, TreeError> {
        let uri = self.uri;
        let mut node = root;
        for segment in &uri.path {
            node = match segment {
                Segment::Name(name) => self.step(&node, name).await?,
                Segment::Letter(letter) => {
                    let satisfying = Box::pin(self.satisfying_child(&node, *letter)).await?;
                    satisfying.ok_or_else(|| self.unsatisfied(*letter))?
                }
                Segment::Any => return Err(TreeError::NotUnique(uri.address())),
            };
        }
        Ok(node)
    }

    /// Step 2: the nodes at the path below all of `nodes`. Behind a wildcard, what one of them lacks is no error, but
    /// one of them must have it; in front of the first one there is only one node.
    async fn descend(&mut self, mut nodes: Vec<NodeRef>) -> Result<Vec<NodeRef>, TreeError> {
        let uri = self.uri;
        let mut many = uri.instance == Selector::Any;
        for segment in &uri.path {
            let mut below = Vec::with_capacity(nodes.len());
            let is_any_left = !nodes.is_empty();
            for node in nodes {
                match segment {
                    Segment::Name(name) => match self.step(&node, name).await {
                        Err(TreeError::NotFound(_)) if many => {}
                        child => below.push(child?),
                    },
                    Segment::Letter(letter) => match self.satisfying_child(&node, *letter).await? {
                        None if many => {}
                        None => return Err(self.unsatisfied(*letter)),
                        child => below.extend(child),
                    },
                    Segment::Any => {
                        let Some(id) = node.object.unnamed_child(node.id) else { continue };
                        let children = self.listing(&node, id).await?;
                        if below.len() + children.len() > MOST_MATCHED {
                            return Err(TreeError::TooMany(self.uri.address()));
                        }
                        below.extend(children.iter().map(|child| node.listed(id, child)));
                    }
                }
            }
            match segment {
                Segment::Any => many = true,
                _ if below.is_empty() && is_any_left => {
                    return Err(TreeError::NotFound(uri.address()));
                }
                _ => {}
            }
            nodes = below;
        }
        Ok(nodes)
    }

    /// The child called `name`.
    async fn step(&mut self, parent: &NodeRef, name: &str) -> Result<NodeRef, TreeError> {
        let not_found = || TreeError::NotFound(format!("{}: node {name:?}", parent.client_uri()));
        let id = parent.object.child(parent.id, name).ok_or_else(not_found)?;
        let description = parent.object.node(id);
        if let NodeName::Named(described) = &description.name {
            // The description's spelling, where names are not told apart by case.
            return Ok(parent.child(id, described));
        }
        self.tried(1).await?;
        let name = encode_name(name);
        let any_case = description.ignores_case();
        if Tree::is_stored_by_name(parent, id) {
            return Tree::stored_child(parent, id, &name, &self.pass.state)?.ok_or_else(not_found);
        }
        let Pass { tree, principal, state, .. } = self.pass;
        if parent.object.per_object {
            let found = tree.delegation_entry(parent, &name, principal, state)?;
            return found.map(|child| parent.listed(id, &child)).ok_or_else(not_found);
        }
        let children = Box::pin(self.listing(parent, id)).await?;
        let is_called =
            |child: &&Child| child.name == name || (any_case && child.name.eq_ignore_ascii_case(&name));
        children.iter().find(is_called).map(|child| parent.listed(id, child)).ok_or_else(not_found)
    }

    /// The only un-named child that satisfies a letter's `nv` fields.
    async fn satisfying_child(
        &mut self,
        parent: &NodeRef,
        letter: char,
    ) -> Result<Option<NodeRef>, TreeError> {
        let Some(id) = parent.object.unnamed_child(parent.id) else { return Ok(None) };
        let Pass { tree, principal, state, .. } = self.pass;
        let rights = tree.rights(&parent.object, &parent.instance, principal, state)?;
        let mut satisfying = None;
        for child in self.listing(parent, id).await?.iter() {
            let child = parent.listed(id, child);
            if self.satisfies(&child, rights, letter).await? && satisfying.replace(child).is_some() {
                return Err(self.not_unique(letter));
            }
        }
        Ok(satisfying)
    }

    /// Whether all `nv` fields of a letter hold for `node`, in an instance on which the server has these rights: what
    /// it may not read it can't guess either.
    async fn satisfies(&mut self, node: &NodeRef, rights: Rights, letter: char) -> Result<bool, TreeError> {
        let uri = self.uri;
        if !rights.allow(Rights::READ) {
            return Ok(false);
        }
        for wanted in uri.node_values.iter().filter(|wanted| wanted.letter == letter) {
            self.tried(1).await?;
            if !self.holds(node, wanted).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the leaf of an `nv` field is there, may be read, and has the value. Nor can a server guess what nobody
    /// can GET.
    async fn holds(&mut self, node: &NodeRef, wanted: &NodeValue) -> Result<bool, TreeError> {
        let mut leaf = node.clone();
        for name in &wanted.path {
            leaf = match Box::pin(self.step(&leaf, name)).await {
                Err(TreeError::NotFound(_)) => return Ok(false),
                child => child?,
            };
        }
        if !leaf.is_leaf() || secret(&leaf) || readable(&leaf).is_err() {
            return Ok(false);
        }
        match self.pass.existing_leaf(&leaf).await {
            Ok(value) => Ok(is(&value, leaf.properties().format, &wanted.value)),
            Err(TreeError::NotFound(_)) => Ok(false),
            // A leaf whose source fails right now does not withhold the others.
            Err(error @ (TreeError::Backend { .. } | TreeError::Unavailable { .. })) => {
                log::warn!("a node is passed over in a search by value: {error}");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// The children of an un-named description; the machine is asked once.
    async fn listing(&mut self, parent: &NodeRef, id: NodeId) -> Result<Arc<[Child]>, TreeError> {
        let key = parent.key().as_bytes().to_vec();
        if let Some(known) = self.listings.get(&key) {
            return Ok(Arc::clone(known));
        }
        let children = self.pass.children(parent, id).await?;
        self.tried(children.len()).await?;
        self.listings.insert(key, Arc::clone(&children));
        Ok(children)
    }

    /// Counts the candidates that were looked at.
    async fn tried(&mut self, more: usize) -> Result<(), TreeError> {
        self.tried = self.tried.saturating_add(more);
        if self.tried > MOST_TRIED {
            return Err(TreeError::TooMany(self.uri.address()));
        }
        self.yielder.step().await;
        Ok(())
    }

    fn unsatisfied(&self, letter: char) -> TreeError {
        TreeError::NotFound(format!("{}: x-name ({letter})", self.uri.address()))
    }

    fn not_unique(&self, letter: char) -> TreeError {
        TreeError::NotUnique(format!("{}: x-name ({letter})", self.uri.address()))
    }
}

/// Whether a value is what `text` says in the leaf's format: `12.10` is the float 12.1.
fn is(value: &Value, format: Format, text: &str) -> bool {
    match Value::from_text(format, text) {
        Ok(wanted) => wanted == *value || (wanted.is_empty() && value.is_empty()),
        Err(_) => value.to_text() == text,
    }
}

/// The single member, nothing of an empty list, an error for several.
fn only<T>(all: Vec<T>) -> Result<Option<T>, ()> {
    let mut all = all.into_iter();
    match (all.next(), all.next()) {
        (found, None) => Ok(found),
        _ => Err(()),
    }
}
