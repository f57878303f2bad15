//! The record of a change: what was there before, what the helper has left there, and of which node it is.
//!
//! It is good for taking back that one change, and no more: of a node that the mapping still gives to root, of what
//! nobody else has touched since, and for some hours.

use std::os::unix::ffi::OsStrExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::file::Stamp;
use super::node::NodeAt;
use super::object;
use super::outcome::Failure;
use super::rules::Rules;
use super::walk::Place;
use crate::backend::Undo;
use crate::base::boot_id;
use crate::base::files::Access;
use crate::base::waking;
use crate::helper_protocol::{Verb, code, hex};
use crate::mo::ManagementObject;
use crate::mo::mapping::{Call, NodeMapping};

/// How long a change can be taken back, and what an EXEC began with is kept, in seconds: a rollback comes within minutes,
/// or after the next boot.
const GOOD_FOR: i64 = 6 * 60 * 60;

/// The record of a change.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// The boot in which the change was made, and the seconds since its beginning: the clock on the wall may be wrong.
    boot: String,
    at: i64,
    of: Subject,
    pub(super) kept: Kept,
}

/// What a change is of: a node's place, as its mapping has that.
#[derive(Debug, Serialize, Deserialize)]
struct Subject {
    folder: String,
    node: String,
    op: Verb,
    place: String,
}

/// What was there before a change.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Kept {
    /// Of a file.
    File {
        /// The path, in base64.
        path: String,
        /// Its content in base64, and its attributes; none: it was not there.
        before: Option<(String, Attributes)>,
        /// The digest of what was written; none: it was removed.
        written: Option<String>,
        /// The file as it was left; none: the change is not over, or the file is the kernel's.
        left: Option<Stamp>,
    },
    /// Nothing: what was there can't be told, and not be put back.
    Nothing,
    /// Of a D-Bus property, as `backend` keeps it, in base64.
    Property(String),
}

/// The attributes of a file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) owner: Option<(u32, u32)>,
    pub(super) extended: Option<Vec<(Vec<u8>, Vec<u8>)>>,
}

impl Record {
    /// The record of a change that the mapping says `op` of.
    pub(super) fn of(op: Verb, node: &NodeAt<'_>, kept: Kept) -> Self {
        let (object, id) = (node.object, node.id);
        let place = place_of(&object.node(id).mapping, op, object).unwrap_or_default();
        let of = Subject { folder: object.name.clone(), node: object.path(id), op, place };
        Self { boot: boot_id(), at: booted(), of, kept }
    }

    /// Why the change can't be taken back any more; none: it can.
    ///
    /// # Errors
    /// Its object can't be read now.
    pub(super) fn is_void(&self, rules: &Rules) -> Result<Option<&'static str>, Failure> {
        if self.is_old() {
            return Ok(Some("it was made hours ago"));
        }
        let Subject { folder, node, op, place } = &self.of;
        let object = match object::current(folder, rules) {
            Ok(object) => object,
            Err(Failure { code: code::NOT_FOUND, .. }) => return Ok(Some("its object is gone")),
            Err(Failure { why, .. }) => return Err(Failure::new(code::NOT_NOW, why)),
        };
        let found = object.ids().find(|id| object.path(*id) == *node);
        let now = found.and_then(|id| place_of(&object.node(id).mapping, *op, &object));
        Ok((now.as_ref() != Some(place)).then_some("the mapping has it otherwise by now"))
    }

    /// Whether nobody can want to take the change back any more.
    pub(super) fn is_old(&self) -> bool {
        is_old(&self.boot, self.at)
    }
}

impl Kept {
    pub(super) fn of_file(place: &Place, before: Option<(Vec<u8>, Access)>, written: Option<&[u8]>) -> Self {
        let before = before.map(|(content, access)| {
            let Access { mode, owner, attributes } = access;
            (STANDARD.encode(content), Attributes { mode, owner, extended: attributes })
        });
        let path = STANDARD.encode(place.path.as_os_str().as_bytes());
        Self::File { path, before, written: written.map(|content| digest(content, place)), left: None }
    }

    pub(super) fn of_property(undo: &Undo) -> Self {
        Self::Property(STANDARD.encode(undo.encode()))
    }
}

/// The digest of a file's content; the kernel adds line ends of its own.
pub(super) fn digest(content: &[u8], place: &Place) -> String {
    hex(&Sha256::digest(if place.is_kernels { content.trim_ascii() } else { content }))
}

/// The place that an operation changes as root, as the mapping writes it.
fn place_of(mapping: &NodeMapping, op: Verb, object: &ManagementObject) -> Option<String> {
    let call = match op {
        Verb::Set => mapping.set.as_deref().map(|sink| &sink.to),
        Verb::Add => mapping.add.as_deref(),
        _ => mapping.delete.as_deref(),
    };
    match call? {
        Call::File { path, privileged: true, .. } => Some(path.to_string()),
        Call::Bus { object: name, member, privileged: true, .. } => {
            let (_, bus) = object.objects.iter().find(|(known, _)| known == name)?;
            Some(format!("{} {} {} {member}", bus.name, bus.path, bus.interface))
        }
        Call::Run(program) => Some(program.argv.first().map(ToString::to_string).unwrap_or_default()),
        _ => None,
    }
}

/// Whether it was hours ago that a boot had come to that second. What is of an earlier boot is as old as this one.
pub(super) fn is_old(boot: &str, at: i64) -> bool {
    let since = if boot == boot_id() { at } else { 0 };
    booted().saturating_sub(since) > GOOD_FOR
}

/// The seconds since the machine was booted.
pub(super) fn booted() -> i64 {
    waking::booted().and_then(|time| i64::try_from(time.as_secs()).ok()).unwrap_or_default()
}
