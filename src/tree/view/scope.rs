//! The scope of a backend: what it is told of the node that it works for. Step 3 of a read.

use std::sync::OnceLock;

use crate::backend::{Addressed, Context, Request, Seen};
use crate::mo::given::Given;
use crate::mo::mapping::ListFrom;
use crate::mo::{Node, Value};

use crate::tree::builtins::BuiltinValues;
use crate::tree::node::NodeRef;
use crate::tree::principal::Principal;
use crate::tree::registry::Tree;
use crate::uri::ServerId;

/// The scope of a node, which owns what a backend's [`Context`] lends.
pub(in crate::tree) struct Scope<'a> {
    tree: &'a Tree,
    node: &'a NodeRef,
    view: BuiltinValues<'a>,
    server_id: &'a ServerId,
    client_uri: OnceLock<String>,
    listed: Vec<(String, String)>,
    pub(in crate::tree) given: Vec<Given>,
    pub(in crate::tree) stored: Option<Value>,
    pub(in crate::tree) seen: Option<&'a Seen>,
}

impl Tree {
    /// The scope for reading a node: sources see no other leaves.
    pub(in crate::tree) fn scope<'a>(&'a self, node: &'a NodeRef, principal: &Principal<'a>) -> Scope<'a> {
        Scope {
            tree: self,
            node,
            view: BuiltinValues {
                session: principal.session,
                account: self.account_of(&node.instance),
                store: &self.store,
                node,
            },
            server_id: &principal.account.server_id,
            client_uri: OnceLock::new(),
            listed: listed(node),
            given: Vec::new(),
            stored: None,
            seen: None,
        }
    }
}

impl Scope<'_> {
    pub(in crate::tree) fn context(&self) -> Context<'_> {
        Context {
            machine: &self.tree.machine,
            node: Some((&self.node.object, self.node.id)),
            objects: &self.node.object.objects,
            listed: &self.listed,
            seen: self.seen,
            expectant: false,
            names: &self.node.variables,
            given: &self.given,
            item: self.node.item.as_deref(),
            stored: self.stored.as_ref(),
            builtins: &self.view,
            request: Request {
                server_id: Some(self.server_id),
                node: self,
                moid: Some(&self.node.object.moid),
                miid: self.node.miid(),
                resumed: false,
                exec_id: None,
            },
        }
    }
}

impl Addressed for Scope<'_> {
    fn client_uri(&self) -> &str {
        self.client_uri.get_or_init(|| self.node.client_uri())
    }
}

/// The D-Bus objects that the un-named nodes on the way stand for.
fn listed(node: &NodeRef) -> Vec<(String, String)> {
    let object = &node.object;
    if object.objects.is_empty() {
        return Vec::new();
    }
    let unnamed = object.lineage(node.id).filter(|node| node.is_unnamed());
    let nearest_first = unnamed.zip(node.variables.iter().rev());
    let of_object =
        |(node, (_, captured)): (&Node, &(String, String))| match &node.mapping.list.as_deref()?.from {
            ListFrom::Object(object) => Some((object.clone(), captured.clone())),
            _ => None,
        };
    let mut listed: Vec<_> = nearest_first.filter_map(of_object).collect();
    listed.reverse();
    listed
}
