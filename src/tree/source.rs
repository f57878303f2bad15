//! Where something happened on the device (TS 5.3 SourceURI), and who may hear of it.

use std::sync::Arc;

use crate::uri::client::{ClientUri, Selector};

use super::access::Rights;
use super::error::TreeError;
use super::node::NodeRef;
use super::registry::{Tree, Visitor};

impl Tree {
    /// The root of the instance that `uri` lies in, whoever may see it. The path below it is not looked at: what
    /// happened may be that the node went.
    ///
    /// # Errors
    /// [`TreeError::NotFound`], [`TreeError::NotUnique`]: exactly one instance must be meant.
    pub fn instance_at(&self, uri: &ClientUri) -> Result<NodeRef, TreeError> {
        let object = self.object(&uri.moid).ok_or_else(|| TreeError::NotFound(uri.moid.clone()))?;
        let mut instances = self.instances(object, &self.store.snapshot()?)?;
        match &uri.instance {
            Selector::Name(miid) => instances.retain(|instance| instance.miid == *miid),
            Selector::Only => {}
            Selector::Letter(_) | Selector::Any => instances.clear(),
        }
        let place = || format!("an instance of {}", object.moid);
        let instance = instances.pop().ok_or_else(|| TreeError::NotFound(place()))?;
        if !instances.is_empty() {
            return Err(TreeError::NotUnique(place()));
        }
        Ok(NodeRef::root(Arc::clone(object), Arc::new(instance)))
    }

    /// Whether the server has all of these rights on the node's instance.
    ///
    /// # Errors
    /// The store failed.
    pub fn may(&self, node: &NodeRef, visitor: &Visitor<'_>, wanted: Rights) -> Result<bool, TreeError> {
        if !visitor.sees(&node.object) {
            return Ok(false);
        }
        let snapshot = self.store.snapshot()?;
        Ok(self.rights(&node.object, &node.instance, visitor, &snapshot)?.allow(wanted))
    }
}
