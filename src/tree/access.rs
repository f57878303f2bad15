//! Access rights in force: who may do what with which instance (TS 11.3).

use super::error::TreeError;
use super::instance::{Instance, Provenance};
use super::maid;
use super::node::NodeRef;
use super::principal::Principal;
use super::registry::Tree;
use super::rights::{Rights, SESSION_INFO, listed};
use super::state::TreeState;
use crate::mo::ManagementObject;

impl Tree {
    /// The rights of the server on an instance. Look it up once for each, and from the state that is read.
    ///
    /// # Errors
    /// The store failed.
    pub(super) fn rights(
        &self,
        object: &ManagementObject,
        instance: &Instance,
        principal: &Principal<'_>,
        state: &TreeState,
    ) -> Result<Rights, TreeError> {
        // Nobody lacks a right on it: what its DDF does not allow is 405 for every server alike.
        if object.moid == SESSION_INFO {
            return Ok(Rights::ALL.without(Rights::DELEGATE));
        }
        if let Provenance::Delegation { moid } = &instance.provenance {
            let delegates = self.delegates(moid, principal, state)?;
            // Which entries, and how, the delegation decides.
            return Ok(if delegates { Rights::READ.with(Rights::WRITE) } else { Rights::default() });
        }
        if principal.session.is_operator {
            return Ok(operators(instance));
        }
        let Some(listed) = listed(principal.account, object) else { return Ok(Rights::default()) };
        match instance.provenance {
            // Each server sees its own account only, and gives it to nobody.
            Provenance::Account if principal.account.server_id == instance.miid.as_str() => {
                let withheld = if principal.session.abroad { Rights::WRITE } else { Rights::default() };
                Ok(listed.without(Rights::DELEGATE.with(withheld)))
            }
            Provenance::Account => Ok(Rights::default()),
            _ => self.granted(object, instance, principal.account, state),
        }
    }

    /// Checks that the server still has the rights `wanted` on the node's instance: much may have happened since it was
    /// resolved, while a repository took its time.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] where the instance has gone, or made way for another one; [`TreeError::Forbidden`].
    pub(super) fn authorise(
        &self,
        node: &NodeRef,
        principal: &Principal<'_>,
        wanted: Rights,
        state: &TreeState,
    ) -> Result<(), TreeError> {
        if self.instance(&node.object, node.miid(), state)?.as_ref() != Some(&*node.instance) {
            return Err(TreeError::NotFound(node.client_uri()));
        }
        if self.rights(&node.object, &node.instance, principal, state)?.allow(wanted) {
            Ok(())
        } else {
            Err(TreeError::Forbidden(node.client_uri()))
        }
    }

    /// The instances that the server has any right on, one after the other: MOS, wildcards and x-names know no others.
    ///
    /// # Errors
    /// The store failed.
    pub(super) fn visible<'t>(
        &'t self,
        object: &'t ManagementObject,
        principal: &'t Principal<'_>,
        state: &'t TreeState,
    ) -> Result<impl Iterator<Item = Result<(Instance, Rights), TreeError>> + 't, TreeError> {
        Ok(self.instances(object, state)?.into_iter().filter_map(move |instance| {
            match self.rights(object, &instance, principal, state) {
                Ok(rights) if rights.is_none() => None,
                Ok(rights) => Some(Ok((instance, rights))),
                Err(error) => Some(Err(error)),
            }
        }))
    }
}

/// The rights of the local operator. An account is changed in its file.
fn operators(instance: &Instance) -> Rights {
    match instance.provenance {
        Provenance::Account => Rights::READ,
        _ => Rights::ALL.without(Rights::DELEGATE),
    }
}

impl Principal<'_> {
    /// Whether the server may know that the device has this management object: its bootstrap lists the MOID
    /// (TS 11.2 Permissions), or it is everybody's.
    #[must_use]
    pub fn sees(&self, object: &ManagementObject) -> bool {
        let is_everybodys = object.moid == SESSION_INFO || object.per_object;
        self.session.is_operator
            || object.is_for(self.account.profile) && (is_everybodys || self.lists(object))
    }

    /// Whether the server's bootstrap lists the MOID. What is everybody's to read need not be listed, but it is in no
    /// MOS list then (TS 5.2.2).
    #[must_use]
    pub fn lists(&self, object: &ManagementObject) -> bool {
        object.is_for(self.account.profile) && listed(self.account, object).is_some()
    }

    /// The server's Management Authority identifier (TS 11.3 MAID).
    #[must_use]
    pub(super) fn maid(&self) -> String {
        maid::of(self.account)
    }
}
