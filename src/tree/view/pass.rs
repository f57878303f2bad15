//! A pass, which is a read under way: for whom, of which state of the store, and what it has seen of the machine. Step
//! 1 of a read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::backend::{self, Child, Seen};
use crate::tree::error::TreeError;
use crate::tree::node::NodeRef;
use crate::tree::principal::Principal;
use crate::tree::registry::Tree;
use crate::tree::rights::Rights;
use crate::tree::state::TreeState;

use super::visibility::{readable, secret};

/// The most leaves that the helper is asked for over one connection.
const AT_ONCE: usize = 128;

/// The most bytes that the lists of one command take in memory: each has what a program or a file says of a child, up to
/// 1 MiB, and there may be a list in each child of another.
const MOST_LISTED: usize = 16 << 20;

/// A pass: a read under way.
pub(in crate::tree) struct Pass<'a> {
    pub(in crate::tree) tree: &'a Tree,
    pub(in crate::tree) principal: &'a Principal<'a>,
    pub(in crate::tree) state: Arc<TreeState>,
    /// The D-Bus objects that the pass has seen.
    pub(in crate::tree) seen: Arc<Seen>,
    pub(in crate::tree) listings: Mutex<Listings>,
}

/// The listings that a pass has made, by the key of the node whose children each has: the machine is asked once.
#[derive(Debug, Default)]
pub(in crate::tree) struct Listings {
    known: HashMap<Vec<u8>, Arc<[Child]>>,
    /// The bytes that they take.
    size: usize,
}

impl Listings {
    /// The children of the node of this key, if they were listed.
    pub(in crate::tree) fn get(&self, key: &[u8]) -> Option<Arc<[Child]>> {
        self.known.get(key).cloned()
    }

    /// Keeps the children of the node of this key.
    ///
    /// # Errors
    /// With them, all lists of the command would take more bytes than they may: that is how many they may.
    pub(in crate::tree) fn keep(&mut self, key: &[u8], children: &Arc<[Child]>) -> Result<(), usize> {
        let size = key.len() + children.iter().map(Child::size).sum::<usize>();
        let all = self.size.saturating_add(size);
        if all > MOST_LISTED {
            return Err(MOST_LISTED);
        }
        self.size = all;
        self.known.insert(key.to_vec(), Arc::clone(children));
        Ok(())
    }
}

impl Tree {
    /// Begins a pass, which reads the store as it is now.
    pub(in crate::tree) fn pass<'a>(&'a self, principal: &'a Principal<'a>) -> Result<Pass<'a>, TreeError> {
        let state = Arc::new(TreeState::of(self.store.snapshot()?));
        Ok(Pass { tree: self, principal, state, seen: Arc::default(), listings: Mutex::default() })
    }
}

impl Pass<'_> {
    /// Asks the helper for what these leaves of one object need of it, over a few connections instead of one for each.
    pub(in crate::tree) async fn ask_ahead(&self, leaves: &[NodeRef]) {
        if leaves.len() < 2 {
            return;
        }
        for leaves in leaves.chunks(AT_ONCE) {
            let Some(first) = leaves.first() else { return };
            let op = |leaf| {
                backend::first_asked(NodeRef::mapping(leaf), &self.tree.scope(leaf, self.principal).context())
            };
            let ops = leaves.iter().filter_map(op).collect();
            let scope = self.tree.scope(first, self.principal);
            backend::ask_ahead(ops, &self.seen, &scope.context()).await;
        }
    }

    /// Whether the server may read what is at a node of an instance.
    pub(in crate::tree) fn may_read(&self, node: &NodeRef) -> Result<bool, TreeError> {
        let rights = self.tree.rights(&node.object, &node.instance, self.principal, &self.state)?;
        Ok(rights.allow(Rights::READ) && readable(node).is_ok() && !secret(node))
    }
}
