//! Sources of events: where something happened on the device (TS 5.3 SourceURI), and who may hear of it.

use std::sync::Arc;

use crate::mo::ManagementObject;
use crate::uri::client::{ClientUri, Selector};

use super::error::TreeError;
use super::node::NodeRef;
use super::principal::Principal;
use super::registry::Tree;
use super::rights::Rights;
use super::state::TreeState;

impl Tree {
    /// The roots of the instances that `uri` lies in, whoever may see them: one in each of the management objects that
    /// answer to its MOID, which are several where each is for servers of another profile. The path below is not looked
    /// at: what happened may be that the node went.
    ///
    /// # Errors
    /// [`TreeError::NotFound`], [`TreeError::NotUnique`]: in one of them at least, exactly one instance must be meant.
    pub fn instances_at(&self, uri: &ClientUri) -> Result<Vec<NodeRef>, TreeError> {
        let state = TreeState::of(self.store.snapshot()?);
        let mut error = TreeError::NotFound(uri.moid.to_string());
        let mut roots = Vec::new();
        for object in self.objects_of(&uri.moid) {
            match self.instance_in(object, uri, &state) {
                Ok(root) => roots.push(root),
                // That there is none in one of them says less than what another one has against it.
                Err(why) if matches!(error, TreeError::NotFound(_)) => error = why,
                Err(_) => {}
            }
        }
        if roots.is_empty() { Err(error) } else { Ok(roots) }
    }

    fn instance_in(
        &self,
        object: &Arc<ManagementObject>,
        uri: &ClientUri,
        state: &TreeState,
    ) -> Result<NodeRef, TreeError> {
        let mut instances = match &uri.instance {
            Selector::Name(miid) => self.instance(object, miid, state)?.into_iter().collect(),
            Selector::Only => self.instances(object, state)?,
            Selector::Letter(_) | Selector::Any => Vec::new(),
        };
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
    pub fn may(&self, node: &NodeRef, principal: &Principal<'_>, wanted: Rights) -> Result<bool, TreeError> {
        if !principal.sees(&node.object) {
            return Ok(false);
        }
        let state = TreeState::of(self.store.snapshot()?);
        Ok(self.rights(&node.object, &node.instance, principal, &state)?.allow(wanted))
    }
}
