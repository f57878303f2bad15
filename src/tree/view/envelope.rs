//! The envelope of a serialised node: all that says where it belongs before it, the cache validator after it. Step 5 of
//! a read.

use crate::package::{MoHead, Profile};
use crate::tree::node::NodeRef;

use super::json::{write_name, write_string};

/// Begins a serialisation: all that says where it belongs, and the node's name. Its value follows, and then [`end`].
pub(in crate::tree) fn begin(node: &NodeRef, profile: Profile, out: &mut Vec<u8>) {
    let (miid, client_uri) = (node.miid(), node.shown_uri());
    let head = MoHead { ddf: &node.object.ddf_uri, moid: &node.object.moid, miid, client_uri: &client_uri };
    out.push(b'{');
    for (name, value) in profile.head_members(&head) {
        write_name(name, out);
        write_string(value, out);
        out.push(b',');
    }
    out.extend_from_slice(b"\"MOData\":{");
    write_name(node.name(), out);
}

/// Ends a serialisation, with the instance's cache validator where it has one. It comes last: by then, all was seen.
pub(in crate::tree) fn end(validator: Option<&str>, out: &mut Vec<u8>) {
    out.push(b'}');
    if let Some(validator) = validator {
        out.push(b',');
        write_name("CV", out);
        write_string(validator, out);
    }
    out.push(b'}');
}
