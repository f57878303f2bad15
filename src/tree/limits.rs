//! Limits that have to be read: whether a change's values are within what another leaf or a source says.

use crate::backend::{self, Answer};
use crate::ddf::Format;
use crate::mo::Value;
use crate::mo::limit::Bound;

use super::error::TreeError;
use super::node::NodeRef;
use super::principal::Principal;
use super::registry::Tree;
use super::state::Planned;
use super::validate;

/// A value that a change brings, and whose limits have to be read.
pub(super) struct Limited {
    pub(super) node: NodeRef,
    pub(super) value: Value,
}

impl Tree {
    /// Checks all limited values before anything is done. A leaf that is a limit counts as it will be after the change.
    /// Where a limit has no value, there is none.
    ///
    /// # Errors
    /// A value is outside of its limits, or a limit can't be told.
    pub(super) async fn check_limits(
        &self,
        limited: &[Limited],
        planned: &Planned,
        principal: &Principal<'_>,
    ) -> Result<(), TreeError> {
        for Limited { node, value } in limited {
            for (side, bound) in node.mapping().limits.bounds() {
                let limit = self.limit(node, bound, planned, principal).await?;
                let Some(limit) = limit.filter(|limit| !limit.is_empty()) else { continue };
                let admitted = side.admit(&value.to_text(), &limit.to_text());
                admitted.map_err(|why| validate::outside(node, &why))?;
            }
        }
        Ok(())
    }

    async fn limit(
        &self,
        node: &NodeRef,
        bound: &Bound,
        planned: &Planned,
        principal: &Principal<'_>,
    ) -> Result<Option<Value>, TreeError> {
        let source = match bound {
            Bound::Number(_) => return Ok(None),
            Bound::Leaf(path) => {
                let Some(leaf) = node.relative(path.up, &path.steps) else { return Ok(None) };
                return match planned.leaf(&leaf.key()) {
                    Some(planned) => Ok(planned),
                    None => self.value(&leaf, principal).await,
                };
            }
            Bound::Source(source) => source,
        };
        let scope = self.scope(node, principal);
        let answer = backend::read_source(source, Format::Chr, &scope.context()).await;
        match answer.map_err(|source| TreeError::Backend { node: node.client_uri(), source })? {
            Answer::Value(reading) => Ok(Some(reading.value)),
            Answer::Absent(why) => {
                log::debug!("{}: a limit has no value, and limits nothing: {why}", node.client_uri());
                Ok(None)
            }
            Answer::Unavailable(why) => Err(TreeError::Unavailable { node: node.client_uri(), why }),
        }
    }
}
