//! Input of an effect's program: the values of other leaves.

use std::future::Future;
use std::pin::Pin;

use crate::ddf::NodeName;
use crate::mo::Value;
use crate::mo::given::{Given, GivenValue};
use crate::mo::mapping::LeafPath;
use crate::uri::decode_name;

use super::error::TreeError;
use super::node::NodeRef;
use super::principal::Principal;
use super::registry::Tree;
use super::state::TreeState;
use super::view::Scope;

type Gathered<'f> = Pin<Box<dyn Future<Output = Result<Option<GivenValue>, TreeError>> + Send + 'f>>;

impl Tree {
    /// The scope of an effect, with the values of the leaves that the node's `input` lists, as they will be once all
    /// that is planned in `state` is done.
    ///
    /// # Errors
    /// One of them can't be read.
    pub(super) async fn scope_with_input<'a>(
        &'a self,
        node: &'a NodeRef,
        principal: &Principal<'a>,
        state: &TreeState,
    ) -> Result<Scope<'a>, TreeError> {
        let mut scope = self.scope(node, principal);
        for input in &node.mapping().input {
            let Some(start) = node.above(input.path.up) else { continue };
            let found = self.gather_input(start, &input.path.steps, state, principal).await?;
            let value = match found {
                Some(value) => Some(value),
                None => self.default_input(node, &input.path, input.default.as_deref())?,
            };
            if let Some(value) = value {
                scope.given.push(Given { key: input.key.clone(), path: input.path.clone(), value });
            }
        }
        Ok(scope)
    }

    /// Gathers the values at the end of `steps` below a node.
    fn gather_input<'f>(
        &'f self,
        node: NodeRef,
        steps: &'f [String],
        state: &'f TreeState,
        principal: &'f Principal<'_>,
    ) -> Gathered<'f> {
        Box::pin(async move {
            let Some((step, rest)) = steps.split_first() else {
                let value = match state.planned.leaf(node.key()) {
                    Some(planned) => planned,
                    None => self.value(&node, principal).await?,
                };
                return Ok(value.map(GivenValue::One));
            };
            if step != LeafPath::EACH {
                let Some(id) = node.object.child(node.id, step) else { return Ok(None) };
                // The description's spelling, where names are not told apart by case.
                let NodeName::Named(described) = &node.object.node(id).name else { return Ok(None) };
                return self.gather_input(node.child(id, described), rest, state, principal).await;
            }
            let Some(id) = node.object.unnamed_child(node.id) else { return Ok(None) };
            let mut all = Vec::new();
            for found in self.children(&node, id, state, principal).await? {
                let name = decode_name(&found.name);
                let value = self.gather_input(node.listed(id, &found), rest, state, principal).await?;
                all.extend(value.map(|value| (name, value)));
            }
            Ok(Some(GivenValue::Each(all)))
        })
    }

    /// The value that counts where a leaf has none.
    fn default_input(
        &self,
        node: &NodeRef,
        path: &LeafPath,
        default: Option<&str>,
    ) -> Result<Option<GivenValue>, TreeError> {
        let (Some(default), Some(leaf)) = (default, path.find(&node.object, node.id)) else {
            return Ok(None);
        };
        let value = Value::from_text(node.object.node(leaf).properties.format, default);
        let invalid = |error: crate::mo::value::ValueError| TreeError::Invalid {
            node: node.client_uri(),
            why: error.to_string(),
        };
        value.map(|value| Some(GivenValue::One(value))).map_err(invalid)
    }
}
