//! Cache validators (TS 12), which tell a server that its copy of an instance is still good. Step 5 of a read.
//!
//! One is a truncated HMAC over *every* node of the instance, withheld ones and outside values included, and over the
//! description they are read by. It is computed whenever it is needed, so it can't be stale; it is keyed per device, so
//! it tells nothing of what it was made of.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::mo::{ManagementObject, Value};
use crate::store::{CacheKey, Stored};

use super::extent::Extent;
use super::read_view::ReadView;
use super::walk::{Step, Walk};
use crate::base::yielding::Yielder;
use crate::tree::error::TreeError;
use crate::tree::node::NodeRef;
use crate::tree::rights::SESSION_INFO;

/// The bytes of the HMAC that are kept.
const KEPT: usize = 16;

/// Whether an object's instances have a validator. What one server sees of a session, or of delegations, is its own.
pub(in crate::tree) fn is_cacheable(object: &ManagementObject) -> bool {
    object.moid != SESSION_INFO && !object.per_object
}

/// Whether the validator that a server holds is this one.
pub(in crate::tree) fn matches(validator: &str, held: &[u8]) -> bool {
    validator.as_bytes().ct_eq(held).into()
}

/// The validator of an instance of which everything was gathered.
pub(in crate::tree) async fn of(
    root: &NodeRef,
    key: &CacheKey,
    read_view: &ReadView,
) -> Result<String, TreeError> {
    let mut validator = Validator::new(root, key);
    let mut walk = Walk::new(root.clone(), Extent::ALL);
    let mut yielder = Yielder::default();
    while let Some(step) = walk.next(read_view)? {
        validator.step(&step);
        yielder.step().await;
    }
    Ok(validator.finish())
}

/// A validator in the making: takes each step of a walk over the whole instance.
#[derive(Debug)]
pub(in crate::tree) struct Validator(Hmac<Sha256>);

impl Validator {
    pub(in crate::tree) fn new(root: &NodeRef, key: &CacheKey) -> Self {
        let mut validator = Self(Hmac::new(&(*key).into()));
        // Another description may show other nodes.
        validator.0.update(&root.object.digest);
        validator.text(root.miid());
        validator
    }

    pub(in crate::tree) fn step(&mut self, step: &Step<'_>) {
        match step {
            Step::Open { node, known, .. } => {
                self.0.update(&[b'(', u8::from(*known)]);
                self.text(node.name());
            }
            Step::Leaf { node, value, .. } => {
                self.0.update(b"=");
                self.text(node.name());
                match value {
                    Some(value) => self.value(value),
                    None => self.0.update(b"-"),
                }
            }
            Step::Close => self.0.update(b")"),
        }
    }

    pub(in crate::tree) fn finish(self) -> String {
        let whole = self.0.finalize().into_bytes();
        URL_SAFE_NO_PAD.encode(whole.get(..KEPT).unwrap_or_default())
    }

    fn value(&mut self, value: &Value) {
        let record = Stored::encoded(value);
        self.0.update(&u64::try_from(record.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.0.update(&record);
    }

    /// Adds a text with its length: no two sequences of texts are one.
    fn text(&mut self, text: &str) {
        self.0.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.0.update(text.as_bytes());
    }
}
