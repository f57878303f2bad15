//! Writing what HGET brought: it is validated whole, then applied whole or not at all (TS 5.4.1).
//!
//! One change at a time: what was validated is what is applied.

use std::sync::Arc;

use crate::backend::Child;
use crate::base::OrderedMap;
use crate::ddf::{AccessType, Occurrence};
use crate::mo::ManagementObject;
use crate::store::Change;
use crate::uri::client::{ClientUri, Fields, Segment};
use crate::uri::{decode_name, encode_name};

use super::delegation;
use super::document::Document;
use super::effect::outside;
use super::error::TreeError;
use super::instance::{Instance, Provenance};
use super::node::NodeRef;
use super::plan::{Data, Plan};
use super::principal::Principal;
use super::registry::Tree;
use super::rights::Rights;
use super::validate;
use super::view::Pass;
use crate::uri::Moid;

/// The most documents of one HGET that edit access rights. Each is checked against all entries there are with those
/// before it: that the server may give this, and that somebody remains who may delegate. Who has more to say of an
/// object's instances says it in one document, which replaces all entries at once.
const MOST_EDITS: usize = 32;

/// The target of a retrieved document: where it goes.
enum WriteTarget<'t> {
    /// The address of a node below an instance, which is there or can be added.
    At(ClientUri),
    /// A new instance of this object.
    New(&'t Arc<ManagementObject>),
}

/// The instances of an object that one change brings.
struct Births {
    /// The number that was assigned last.
    last: u64,
    /// How many more the object's description allows.
    left: usize,
}

impl Tree {
    /// Finds the node that a server wants to write: one that is there, or an un-named one that is not yet and whose
    /// parent is (TS 5.4.1: add or replace).
    ///
    /// # Errors
    /// As [`Tree::resolve`]; the DDF lets nobody write or add it.
    pub async fn destination(
        &self,
        uri: &ClientUri,
        principal: &Principal<'_>,
    ) -> Result<NodeRef, TreeError> {
        self.destination_in(&self.pass(principal)?, uri).await
    }

    async fn destination_in(&self, pass: &Pass<'_>, uri: &ClientUri) -> Result<NodeRef, TreeError> {
        let missing = match self.resolve_in(pass, uri, Rights::WRITE).await {
            // What can't be written is known without asking a repository.
            Ok(node) => {
                validate::writable(&node)?;
                if !node.is_leaf() && pass.exists(&node).await? {
                    validate::allowed(&node, AccessType::REPLACE, "may not be replaced")?;
                }
                return Ok(node);
            }
            Err(error @ TreeError::NotFound(_)) => error,
            Err(error) => return Err(error),
        };
        let mut above = uri.clone();
        let Some(Segment::Name(name)) = above.path.pop() else { return Err(missing) };
        let parent = self.resolve_in(pass, &above, Rights::WRITE).await.map_err(|_| missing)?;
        let not_found = || TreeError::NotFound(format!("{}: node {name:?}", parent.client_uri()));
        let id = parent.object.child(parent.id, &name).ok_or_else(not_found)?;
        let encoded = encode_name(&name);
        if !parent.object.node(id).is_unnamed() || !validate::is_name(&encoded) {
            return Err(not_found());
        }
        let node = parent.listed(id, &Child { name: encoded, captured: decode_name(&name), item: None });
        validate::allowed(&node, AccessType::ADD, "may not be added")?;
        let mapping = node.mapping();
        if mapping.list.is_some() && outside(mapping.add.as_deref()).is_none() {
            let what = "can't be added: its mapping does not say how";
            return Err(TreeError::NotAllowed { node: node.client_uri(), what });
        }
        Ok(node)
    }

    /// The target of a document for which a server named none: the node that its ClientURI names below an instance,
    /// else a new instance of its MOID.
    fn target_of(
        &self,
        document: &Document,
        principal: &Principal<'_>,
    ) -> Result<WriteTarget<'_>, TreeError> {
        let invalid = |why: String| TreeError::Invalid { node: "the retrieved document".to_owned(), why };
        let uri = document.client_uri.as_deref().map(|uri| ClientUri::parse_for(uri, Fields::TARGET));
        let uri = uri.transpose().map_err(|error| invalid(format!("ClientURI: {error}")))?;
        let moid = document.moid.clone().or_else(|| uri.as_ref().map(|uri| uri.moid.clone()));
        let moid = moid.ok_or_else(|| invalid("has neither MOID nor ClientURI".to_owned()))?;
        let object = self.object_seen(&moid, principal)?;
        match uri {
            Some(uri) if !object.answers_to(&uri.moid) => {
                Err(invalid(format!("is of {moid:?}, and its ClientURI of {:?}", uri.moid)))
            }
            Some(uri) if !uri.path.is_empty() => Ok(WriteTarget::At(uri)),
            _ => Ok(WriteTarget::New(object)),
        }
    }

    /// Puts `data` in place of all that is at `node`: what it lacks goes, unless that is permanent or required.
    ///
    /// # Errors
    /// The DDF or the rules forbid it, the data does not fit, or an effect failed: nothing has changed.
    pub async fn replace(
        &self,
        node: &NodeRef,
        data: Data,
        principal: &Principal<'_>,
    ) -> Result<(), TreeError> {
        let _writer = self.store.writer().await;
        let plan = self.planned(node, data, principal).await?;
        self.apply(plan, principal).await
    }

    /// Checks all that can be known of such a change beforehand, and does nothing.
    ///
    /// # Errors
    /// As [`Tree::replace`], but for what only doing it tells.
    pub async fn rehearse(
        &self,
        node: &NodeRef,
        data: Data,
        principal: &Principal<'_>,
    ) -> Result<(), TreeError> {
        let _writer = self.store.writer().await;
        let mut plan = self.planned(node, data, principal).await?;
        self.check_limited(&mut plan, principal).await?;
        self.store.rehearse(plan.changes).await?;
        Ok(())
    }

    async fn planned(
        &self,
        node: &NodeRef,
        data: Data,
        principal: &Principal<'_>,
    ) -> Result<Plan, TreeError> {
        let pass = self.pass(principal)?;
        let mut plan = Plan::default();
        plan.put(&pass, node, data).await?;
        plan.plan_delegations(&pass)?;
        Ok(plan)
    }

    /// Stores documents where each belongs, in new instances mostly, whose MIIDs are assigned here (TS 5.4.1). Each is
    /// checked against the state with those before it; then all of them are stored, or none. With `only`, those of
    /// other objects are refused. Returns where they are now.
    ///
    /// # Errors
    /// As [`Tree::destination`] and [`Tree::replace`]; there is no such object for the server.
    pub async fn store(
        &self,
        documents: Vec<Document>,
        only: Option<&ManagementObject>,
        principal: &Principal<'_>,
    ) -> Result<Vec<NodeRef>, TreeError> {
        let _writer = self.store.writer().await;
        let mut pass = self.pass(principal)?;
        let mut plan = Plan::default();
        let mut births = OrderedMap::new();
        let mut stored = Vec::with_capacity(documents.len());
        let mut edits = 0;
        for document in documents {
            plan.yielder.pause().await;
            let place = self.target_of(&document, principal)?;
            let node = match place {
                WriteTarget::At(uri) => {
                    // It may be in what those before it make.
                    pass.take_in(&mut plan);
                    let node = self.destination_in(&pass, &uri).await?;
                    check_object(only, &node.object)?;
                    edits += usize::from(node.object.per_object);
                    if edits > MOST_EDITS {
                        return Err(TreeError::Full(node.client_uri()));
                    }
                    let data = document.data_of(&node);
                    plan.put(&pass, &node, Data::Json(data)).await?;
                    plan.plan_delegations(&pass)?;
                    node
                }
                WriteTarget::New(object) => {
                    check_object(only, object)?;
                    let root = self.new_root(object, &mut births, &pass)?;
                    let instance = root.key().clone();
                    plan.changes.extend([Change::Remove(root.key().clone()), delegation::forget(&root)]);
                    plan.changes.push(Change::AddInstance { instance, creator: principal.maid() });
                    let data = document.data_of(&root);
                    plan.create(&pass, &root, data).await?;
                    root
                }
            };
            stored.push(node);
        }
        pass.give_back(&mut plan);
        self.apply(plan, principal).await?;
        Ok(stored)
    }

    /// The root of a new instance, whose MIID no other ever had: a ClientURI that a server still knows must not reach
    /// another's instance.
    fn new_root(
        &self,
        object: &Arc<ManagementObject>,
        births: &mut OrderedMap<Moid, Births>,
        pass: &Pass<'_>,
    ) -> Result<NodeRef, TreeError> {
        let not_allowed = |what| TreeError::NotAllowed { node: object.moid.to_string(), what };
        if !object.dynamic {
            return Err(not_allowed("servers may not create instances"));
        }
        if !births.contains_key(&object.moid) {
            births.insert(object.moid.clone(), self.births(object, pass)?);
        }
        let full = || TreeError::Full(object.moid.to_string());
        let births = births.get_mut(&object.moid).ok_or_else(full)?;
        births.left =
            births.left.checked_sub(1).ok_or_else(|| not_allowed("may have no further instance"))?;
        loop {
            births.last = births.last.checked_add(1).ok_or_else(full)?;
            let miid = births.last.to_string();
            // What the device brings may be called by a number too.
            if self.instance(object, &miid, &pass.state)?.is_none() {
                let provenance = Provenance::Created { creator: pass.principal.maid() };
                return Ok(NodeRef::root(Arc::clone(object), Arc::new(Instance { miid, provenance })));
            }
        }
    }

    /// The instances that a change may bring at the most.
    fn births(&self, object: &ManagementObject, pass: &Pass<'_>) -> Result<Births, TreeError> {
        let most = match object.node(ManagementObject::ROOT).properties.occurrence {
            Occurrence::ZeroOrN(most) | Occurrence::OneOrN(most) => {
                usize::try_from(most).unwrap_or(usize::MAX)
            }
            Occurrence::ZeroOrOne => 1,
            // Of most objects, the description says no more than that an instance has one root.
            _ => usize::MAX,
        };
        // They are counted where that matters.
        let known = if most == usize::MAX { 0 } else { self.instances(object, &pass.state)?.len() };
        let last = pass.state.snapshot.last_miid(&object.moid)?.unwrap_or(0);
        Ok(Births { last, left: most.saturating_sub(known) })
    }
}

impl Pass<'_> {
    /// Takes in what was planned so far: it is the state from now on.
    fn take_in(&mut self, plan: &mut Plan) {
        Arc::make_mut(&mut self.state).planned.take_in(&mut plan.changes, &plan.effects);
    }

    /// Gives back what was taken in, before what was planned since.
    fn give_back(&mut self, plan: &mut Plan) {
        let mut changes = Arc::make_mut(&mut self.state).planned.give_back();
        changes.append(&mut plan.changes);
        plan.changes = changes;
    }
}

fn check_object(only: Option<&ManagementObject>, object: &ManagementObject) -> Result<(), TreeError> {
    match only {
        Some(only) if only.moid != object.moid => {
            let why = format!("is of {:?}, not of {}", object.moid, only.moid);
            Err(TreeError::Invalid { node: "the retrieved document".to_owned(), why })
        }
        _ => Ok(()),
    }
}
