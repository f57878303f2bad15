//! Limits that have to be read: whether a change's values are within what another leaf or a source says.

use crate::backend::{self, Answer};
use crate::ddf::Format;
use crate::mo::Value;
use crate::mo::limit::Bound;
use crate::store::NodeKey;

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

/// A limit, as it was found.
enum Limit {
    Value(Value),
    /// There is none.
    None,
    /// There is one, and it has no value, for this reason.
    Missing(String),
}

impl Tree {
    /// Checks all limited values before anything is done. A leaf that is a limit counts as it will be after the change.
    /// Where a leaf that the agent keeps has no value, it limits nothing; whatever else has none lets no change pass.
    /// Returns which leaf has to be written before which: a limit before a value that it does not yet let pass, as the
    /// helper, which believes nobody, goes by what it reads.
    ///
    /// # Errors
    /// A value is outside of its limits, or a limit can't be told.
    pub(super) async fn check_limits(
        &self,
        limited: &[Limited],
        planned: &Planned,
        principal: &Principal<'_>,
    ) -> Result<Vec<(NodeKey, NodeKey)>, TreeError> {
        let mut order = Vec::new();
        for Limited { node, value } in limited {
            for (side, bound) in node.mapping().limits.bounds() {
                let limit = self.limit(node, bound, planned, principal).await?;
                let limit = match limit {
                    Limit::Value(limit) => limit,
                    Limit::None => continue,
                    Limit::Missing(why) => {
                        return Err(validate::outside(
                            node,
                            &format!("`{}` has no value: {why}", side.key()),
                        ));
                    }
                };
                let admitted = side.admit(&value.to_text(), &limit.to_text());
                admitted.map_err(|why| validate::outside(node, &why))?;
                if let Bound::Leaf(path) = bound
                    && let Some(leaf) = node.relative(path.up, &path.steps)
                    && planned.leaf(leaf.key()).is_some()
                    && let Ok(Some(before)) = self.value(&leaf, principal).await
                    && !before.is_empty()
                    && side.admit(&value.to_text(), &before.to_text()).is_err()
                {
                    order.push((leaf.key().clone(), node.key().clone()));
                }
            }
        }
        Ok(order)
    }

    async fn limit(
        &self,
        node: &NodeRef,
        bound: &Bound,
        planned: &Planned,
        principal: &Principal<'_>,
    ) -> Result<Limit, TreeError> {
        let source = match bound {
            Bound::Number(_) => return Ok(Limit::None),
            Bound::Leaf(path) => {
                let Some(leaf) = node.relative(path.up, &path.steps) else { return Ok(Limit::None) };
                let value = match planned.leaf(leaf.key()) {
                    Some(planned) => planned,
                    None => self.value(&leaf, principal).await?,
                };
                return Ok(match value.filter(|value| !value.is_empty()) {
                    Some(value) => Limit::Value(value),
                    None if leaf.mapping().is_kept() => Limit::None,
                    None => Limit::Missing(format!("no source of {} has one", leaf.client_uri())),
                });
            }
            Bound::Source(source) => source,
        };
        let scope = self.scope(node, principal);
        let answer = backend::read_source(source, Format::Chr, &scope.context()).await;
        match answer.map_err(|source| TreeError::Backend { node: node.client_uri(), source })? {
            Answer::Value(reading) if reading.value.is_empty() => {
                Ok(Limit::Missing(format!("{} is empty", source.from)))
            }
            Answer::Value(reading) => Ok(Limit::Value(reading.value)),
            Answer::Absent(why) => Ok(Limit::Missing(why)),
            Answer::Unavailable(why) => Err(TreeError::Unavailable { node: node.client_uri(), why }),
        }
    }
}
