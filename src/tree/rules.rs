//! What the management objects that the agent itself lives by ask of a change, beyond their DDF.
//!
//! The DDF has had its say when these are asked; nothing has been done yet.

use crate::mo::Value;
use crate::store::Change;

use super::account;
use super::error::TreeError;
use super::node::NodeRef;
use super::plan::Plan;
use super::read::Pass;
use super::registry::Origin;

/// How a leaf that gets a value is kept.
pub(super) enum Ruling {
    /// As its mapping says.
    Usual,
    /// By these changes alone.
    Instead(Vec<Change>),
}

/// A server gives `node`, a leaf, a value.
///
/// # Errors
/// It may not: the whole change is refused.
#[expect(clippy::unused_async, reason = "rules may read other nodes")]
pub(super) async fn leaf(pass: &Pass<'_>, node: &NodeRef, value: &Value) -> Result<Ruling, TreeError> {
    match node.instance.origin {
        Origin::Account => Ok(Ruling::Instead(vec![account::change(pass, node, value)?])),
        Origin::Device | Origin::Delegation { .. } | Origin::Created { .. } => Ok(Ruling::Usual),
    }
}

/// A node and all below it go: what a server deletes, or leaves out of what it replaces.
///
/// # Errors
/// It may not: the whole change is refused.
pub(super) fn delete(pass: &Pass<'_>, node: &NodeRef) -> Result<(), TreeError> {
    let _ = (pass, node);
    Ok(())
}

/// The whole change is planned, or a part of it that is whole by itself. Further changes may be added, for the same
/// transaction.
///
/// # Errors
/// The instance would not be what its object demands: the whole change is refused.
#[expect(clippy::unused_async, reason = "rules may read other nodes")]
pub(super) async fn check(pass: &Pass<'_>, plan: &mut Plan) -> Result<(), TreeError> {
    plan.changes.extend(std::mem::take(&mut plan.delegations).changes(pass.tree)?);
    Ok(())
}
