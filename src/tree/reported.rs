//! Leaves that an EXEC's program fills: with what it reports while it runs (`output`), and with what it wrote to
//! standard output (`result`).

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::backend::{self, Answer};
use crate::mo::Value;
use crate::mo::mapping::{Exec, LeafPath};
use crate::store::{Change, Stored};

use super::error::TreeError;
use super::exec::Invocation;
use super::limits::Limited;
use super::node::NodeRef;
use super::plan::LARGEST_STORED;
use super::principal::Principal;
use super::registry::Tree;
use super::state::{Planned, TreeState};
use super::validate;
use super::view::is_listed;

/// The words of a program, of which some go into leaves.
#[derive(Debug, Default)]
pub struct Said {
    /// The last value reported of each leaf, by the leaf as `output` writes it.
    pub reported: BTreeMap<String, Json>,
    /// The standard output of the program, at its end.
    pub result: Option<Vec<u8>>,
}

impl Tree {
    /// Keeps what a program has said, and commits `changes` in the same transaction. A value that a leaf can't have is
    /// passed over, with a line in the journal.
    ///
    /// # Errors
    /// The store's: nothing is kept.
    pub async fn keep_said(
        &self,
        invocation: &Invocation,
        said: Said,
        principal: &Principal<'_>,
        mut changes: Vec<Change>,
    ) -> Result<(), TreeError> {
        let _writer = self.store.writer().await;
        let state = TreeState::of(self.store.snapshot()?);
        let node = &invocation.node;
        if let Some(exec) = &node.mapping().exec {
            for (leaf, value) in self.values_said(node, exec, said, principal) {
                match self.change_said(&leaf, value, &state, principal).await {
                    Ok(change) => changes.extend(change),
                    Err(error) => passed_over(node, &error),
                }
            }
        }
        Ok(self.store.commit(changes).await?)
    }

    /// The leaves, and the value that was said of each.
    fn values_said(
        &self,
        node: &NodeRef,
        exec: &Exec,
        said: Said,
        principal: &Principal<'_>,
    ) -> Vec<(NodeRef, Value)> {
        let mut values = Vec::new();
        let mut add = |leaf: NodeRef, value: Result<Option<Value>, TreeError>| match value {
            Ok(value) => values.extend(value.map(|value| (leaf, value))),
            Err(error) => passed_over(node, &error),
        };
        for output in &exec.output {
            let (Some(json), Some(leaf)) = (said.reported.get(&output.key), at(node, &output.path)) else {
                continue;
            };
            let value = Value::from_json(leaf.properties().format, json);
            let value = value.map(Some).map_err(|error| validate::misfit(&leaf, &error));
            add(leaf, value);
        }
        if let (Some(result), Some(output)) = (&exec.result, said.result)
            && let Some(leaf) = at(node, &result.path)
        {
            let scope = self.scope(&leaf, principal);
            let format = leaf.properties().format;
            let value = match backend::of_output(output, &result.pipeline, format, &scope.context()) {
                Ok(Answer::Value(value)) => Ok(Some(value)),
                Ok(Answer::Absent(why) | Answer::Unavailable(why)) => {
                    log::debug!("{}: it has no result: {why}", node.client_uri());
                    Ok(None)
                }
                Err(source) => Err(TreeError::Backend { node: leaf.client_uri(), source }),
            };
            drop(scope);
            add(leaf, value);
        }
        values
    }

    /// The change that keeps a value; nothing where it is kept already.
    async fn change_said(
        &self,
        leaf: &NodeRef,
        value: Value,
        state: &TreeState,
        principal: &Principal<'_>,
    ) -> Result<Option<Change>, TreeError> {
        validate::check_value(leaf, &value)?;
        if value.size() > LARGEST_STORED {
            return Err(TreeError::TooLong(leaf.client_uri()));
        }
        let limited = [Limited { node: leaf.clone(), value: value.clone() }];
        self.check_limits(&limited, &Planned::default(), principal).await?;
        if !self.is_still_there(leaf, state)? {
            return Err(TreeError::NotFound(leaf.client_uri()));
        }
        let (key, stored) = (leaf.key().clone(), Stored::Leaf(value));
        let is_news = state.node(&key)?.as_ref() != Some(&stored);
        Ok(is_news.then_some(Change::Put(key, stored)))
    }

    /// Whether all above a leaf that may have been deleted meanwhile is there: nothing grows back.
    fn is_still_there(&self, leaf: &NodeRef, state: &TreeState) -> Result<bool, TreeError> {
        if self.instance(&leaf.object, leaf.miid(), state)?.is_none() {
            return Ok(false);
        }
        let mut above = leaf.parent();
        while let Some(node) = above {
            let is_kept = node.object.node(node.id).is_unnamed() && !is_listed(&node.object, node.id);
            if is_kept && !state.exists(node.key())? {
                return Ok(false);
            }
            above = node.parent();
        }
        Ok(true)
    }
}

fn at(node: &NodeRef, path: &LeafPath) -> Option<NodeRef> {
    node.relative(path.up, &path.steps)
}

fn passed_over(node: &NodeRef, error: &TreeError) {
    let client_uri = node.client_uri();
    log::warn!(
        OMADM_CLIENT_URI = client_uri.as_str();
        "{client_uri}: what its program said is passed over: {error}"
    );
}
