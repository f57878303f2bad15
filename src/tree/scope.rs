//! What a backend is told of the node that it works for.

use crate::backend::{Context, Request};
use crate::mo::Value;

use super::builtins::View;
use super::error::TreeError;
use super::node::NodeRef;
use super::plan::Plan;
use super::registry::{Tree, Visitor};

/// Owns what a backend's [`Context`] lends.
pub(super) struct Scope<'a> {
    tree: &'a Tree,
    node: &'a NodeRef,
    view: View<'a>,
    server_id: &'a str,
    client_uri: String,
    siblings: Vec<(String, Value)>,
    pub(super) stored: Option<Value>,
}

impl Tree {
    /// For reading: sources see no siblings.
    pub(super) fn scope<'a>(&'a self, node: &'a NodeRef, visitor: &Visitor<'a>) -> Scope<'a> {
        Scope {
            tree: self,
            node,
            view: View {
                session: visitor.session,
                account: self.account_of(&node.instance),
                store: &self.store,
                node,
            },
            server_id: &visitor.account.server_id,
            client_uri: node.client_uri(),
            siblings: Vec::new(),
            stored: None,
        }
    }

    /// For effects: with the values of the sibling leaves that the node's `input` lists, as they will be once all of
    /// `plan` is done.
    pub(super) async fn scope_with_input<'a>(
        &'a self,
        node: &'a NodeRef,
        visitor: &Visitor<'a>,
        plan: &Plan,
    ) -> Result<Scope<'a>, TreeError> {
        let mut scope = self.scope(node, visitor);
        for name in &node.mapping().input {
            let Some(sibling) = node.sibling(name) else { continue };
            let value = match plan.planned(&sibling.key()) {
                Some(planned) => planned,
                None => self.value(&sibling, visitor).await?,
            };
            if let Some(value) = value {
                scope.siblings.push((name.clone(), value));
            }
        }
        Ok(scope)
    }
}

impl Scope<'_> {
    pub(super) fn context(&self) -> Context<'_> {
        Context {
            machine: &self.tree.machine,
            names: &self.node.variables,
            siblings: &self.siblings,
            item: self.node.item.as_deref(),
            stored: self.stored.as_ref(),
            builtins: &self.view,
            request: Request {
                server_id: self.server_id,
                client_uri: &self.client_uri,
                moid: &self.node.object.moid,
                miid: self.node.miid(),
                resumed: false,
            },
        }
    }
}
