//! The visibility of a node, whichever instance it is in: what the DDF lets nobody GET, and secrets. Step 2 of a read.

use crate::ddf::AccessType;
use crate::mo::builtin::is_secret;
use crate::mo::mapping::SourceKind;
use crate::tree::error::TreeError;
use crate::tree::node::NodeRef;

/// Checks that the DDF lets a server read the node.
///
/// # Errors
/// It, or one that it is in, has no Get access.
pub(in crate::tree) fn readable(node: &NodeRef) -> Result<(), TreeError> {
    let all_get = std::iter::successors(Some(node.id), |id| node.object.node(*id).parent)
        .all(|id| node.object.node(id).properties.access.allows(AccessType::GET));
    if all_get {
        Ok(())
    } else {
        Err(TreeError::NotAllowed { node: node.client_uri(), what: "may not be read" })
    }
}

/// Whether no server gets to see the node as part of others.
pub(in crate::tree) fn withheld(node: &NodeRef) -> bool {
    !node.properties().access.allows(AccessType::GET) || secret(node)
}

/// Whether the node's value is a secret that only an exact GET by its own server shows.
pub(in crate::tree) fn secret(node: &NodeRef) -> bool {
    node.mapping()
        .get
        .iter()
        .any(|source| matches!(&source.from, SourceKind::Builtin(name) if is_secret(name)))
}
