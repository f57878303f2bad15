//! Validation of new data against the DDF: names, numbers of nodes, values (TS 6.3.1, TS 14.1.1).

use std::collections::BTreeMap;

use crate::ddf::{AccessType, Format, NodeName, Occurrence};
use crate::mo::admit::{Unfit, admit};
use crate::mo::mapping::SourceKind;
use crate::mo::value::{ValueError, excerpt};
use crate::mo::{ManagementObject, MoData, NodeId, Value, data};
use crate::uri::{decode_name, encode_name};

use super::error::TreeError;
use super::node::NodeRef;
use super::view::{Siblings, withheld};

/// The longest name of an un-named node, in bytes.
const LONGEST_NAME: usize = 255;

/// The new children of a node: by name, what describes them and what they hold.
pub(super) type Members = BTreeMap<String, (NodeId, MoData)>;

/// The members of new data by their nodes' names, spelt as the DDF has them.
///
/// # Errors
/// The DDF has no such node, a name is none, or one is there twice.
pub(super) fn described(node: &NodeRef, members: data::Members) -> Result<Members, TreeError> {
    let mut known = BTreeMap::new();
    for (name, value) in members {
        let id = node.object.child(node.id, &name);
        let id =
            id.ok_or_else(|| invalid(node, &format_args!("the DDF has no node {} here", excerpt(&name))))?;
        let name = match &node.object.node(id).name {
            NodeName::Named(described) => described.clone(),
            NodeName::Unnamed(_) if is_name(&name) => encode_name(&decode_name(&name)),
            NodeName::Unnamed(_) => {
                return Err(invalid(node, &format_args!("{} is no name for a node", excerpt(&name))));
            }
        };
        insert(node, &mut known, name, (id, value))?;
    }
    Ok(known)
}

/// Spells the names of un-named nodes as those that are there already, where case does not tell them apart.
///
/// # Errors
/// Two members are one node.
pub(super) fn spell_as_found(
    node: &NodeRef,
    members: &mut Members,
    found: &Siblings,
) -> Result<(), TreeError> {
    let unnamed = node.object.unnamed_child(node.id);
    let folded = unnamed.filter(|id| node.object.node(*id).ignores_case());
    let Some(id) = folded else { return Ok(()) };
    let (other, of_any_case): (Members, Members) =
        std::mem::take(members).into_iter().partition(|(_, (described, _))| *described != id);
    // One by one, here and elsewhere: `collect` would sort them first, by an algorithm that is in the program once for
    // each type.
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    known.extend(found.iter().map(|child| (child.name.to_ascii_lowercase(), child.name.clone())));
    *members = other;
    for (name, member) in of_any_case {
        let spelt = known.entry(name.to_ascii_lowercase()).or_insert(name).clone();
        insert(node, members, spelt, member)?;
    }
    Ok(())
}

fn insert(
    node: &NodeRef,
    members: &mut Members,
    name: String,
    member: (NodeId, MoData),
) -> Result<(), TreeError> {
    match members.insert(name.clone(), member) {
        Some(_) => Err(invalid(node, &format_args!("node {} is there twice", excerpt(&name)))),
        None => Ok(()),
    }
}

/// Whether a server may give this name to a node: a ClientURI must be able to hold it, and a store key.
pub(super) fn is_name(name: &str) -> bool {
    let fits = !name.is_empty() && name.len() <= LONGEST_NAME && !name.contains('/');
    fits && !decode_name(name).contains(char::is_control)
}

/// Checks that the numbers of un-named children fit their Occurrence: of `before`, so many are `staying` beside the
/// members.
///
/// # Errors
/// There would be too many, or none where one is required.
pub(super) fn check_counts(
    node: &NodeRef,
    members: &Members,
    before: usize,
    staying: usize,
) -> Result<(), TreeError> {
    let Some(id) = node.object.unnamed_child(node.id) else { return Ok(()) };
    let count = staying + members.values().filter(|(described, _)| *described == id).count();
    check_count(node, id, count)?;
    if count == 0 && before > 0 && node.object.node(id).properties.occurrence.is_required() {
        return Err(invalid(node, &"the DDF requires at least one of its un-named nodes"));
    }
    Ok(())
}

/// Whether the DDF bounds how many un-named children there may be.
pub(super) fn is_bounded(object: &ManagementObject, id: NodeId) -> bool {
    !matches!(object.node(id).properties.occurrence, Occurrence::ZeroOrMore | Occurrence::OneOrMore)
}

/// Checks that a node may have so many un-named children.
///
/// # Errors
/// They are too many.
pub(super) fn check_count(node: &NodeRef, id: NodeId, count: usize) -> Result<(), TreeError> {
    let most = match node.object.node(id).properties.occurrence {
        Occurrence::One | Occurrence::ZeroOrOne => 1,
        Occurrence::ZeroOrN(most) | Occurrence::OneOrN(most) => most,
        Occurrence::ZeroOrMore | Occurrence::OneOrMore => return Ok(()),
    };
    if u32::try_from(count).unwrap_or(u32::MAX) > most {
        return Err(invalid(node, &format_args!("{count} nodes where the DDF allows {most}")));
    }
    Ok(())
}

/// Checks that a node that comes into being has all that its DDF requires, with the children that are `given`.
///
/// # Errors
/// Something is missing that has no DefaultValue and no source either.
pub(super) fn check_complete(node: &NodeRef, given: impl Fn(NodeId) -> bool) -> Result<(), TreeError> {
    let object = &node.object;
    for &id in object.children(node.id) {
        if !given(id) && must_be_given(object, id) {
            return Err(invalid(node, &format_args!("the DDF requires {:?}", object.path(id))));
        }
    }
    Ok(())
}

/// Whether a new node can't be without this child, and nobody but the server can give it.
pub(super) fn must_be_given(object: &ManagementObject, id: NodeId) -> bool {
    let node = object.node(id);
    if !node.properties.occurrence.is_required() || node.mapping.list.is_some() {
        return false;
    }
    if node.is_unnamed() {
        return true;
    }
    if !object.is_leaf(id) {
        return object.children(id).iter().any(|child| must_be_given(object, *child));
    }
    let access = node.properties.access;
    let has_value = [AccessType::GET, AccessType::ADD, AccessType::REPLACE];
    let given = node.properties.default_value.is_some()
        || node.properties.format == Format::Null
        || node.mapping.get.iter().any(|source| !matches!(source.from, SourceKind::Store));
    !given && has_value.into_iter().any(|word| access.allows(word))
}

/// Checks that a value is one of the leaf's: in the form its format has, and within what its mapping narrows that to.
///
/// # Errors
/// It is not.
pub(super) fn check_value(node: &NodeRef, value: &Value) -> Result<(), TreeError> {
    admit(node.mapping(), node.properties().format, value).map_err(|unfit| match unfit {
        Unfit::Format(error) => misfit(node, &error),
        Unfit::Shape(why) => invalid(node, &why),
        Unfit::Limit(why) => outside(node, &why),
    })
}

/// The error of a value that is outside of the leaf's limits; of a secret the journal does not tell.
pub(super) fn outside(node: &NodeRef, why: &str) -> TreeError {
    let hidden = withheld(node);
    invalid(node, &if hidden { "is outside of its limits" } else { why })
}

/// The error of a value that is none of the leaf's format. Of what is withheld from servers the journal does not tell
/// either: a secret in the wrong encoding is one.
pub(super) fn misfit(node: &NodeRef, error: &ValueError) -> TreeError {
    if withheld(node) {
        return invalid(node, &format_args!("expected {}, found something else", error.expected));
    }
    invalid(node, error)
}

pub(super) fn invalid(node: &NodeRef, why: &dyn std::fmt::Display) -> TreeError {
    TreeError::Invalid { node: node.client_uri(), why: why.to_string() }
}

/// Checks that there is any data with which a server could write a node.
///
/// # Errors
/// The DDF lets nobody replace it, nor add it.
pub(super) fn writable(node: &NodeRef) -> Result<(), TreeError> {
    if node.takes_values() {
        Ok(())
    } else {
        Err(TreeError::NotAllowed { node: node.client_uri(), what: "may not be replaced" })
    }
}

pub(super) fn allowed(node: &NodeRef, access: AccessType, what: &'static str) -> Result<(), TreeError> {
    if node.properties().access.allows(access) {
        Ok(())
    } else {
        Err(TreeError::NotAllowed { node: node.client_uri(), what })
    }
}
