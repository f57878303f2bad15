//! The keys of stored nodes, ordered so that a subtree is one range.

use std::borrow::Borrow;

use crate::uri::Moid;

/// The key of a stored node: MOID, MIID and the names from the instance's root down, joined by NUL (which no name can
/// hold).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey(Vec<u8>);

/// Keys are in the order of their bytes.
impl Borrow<[u8]> for NodeKey {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl NodeKey {
    /// The key that all instances of a management object are below.
    #[must_use]
    pub fn object(moid: &Moid) -> Self {
        Self(moid.as_bytes().to_vec())
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The key of an instance's root.
    #[must_use]
    pub fn instance(moid: &Moid, miid: &str) -> Self {
        let mut key = Vec::with_capacity(moid.as_str().len() + miid.len() + 32);
        key.extend_from_slice(moid.as_bytes());
        key.push(0);
        key.extend_from_slice(miid.as_bytes());
        Self(key)
    }

    /// The key of the child called `name`.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let mut key = Vec::with_capacity(self.0.len() + 1 + name.len());
        key.extend_from_slice(&self.0);
        key.push(0);
        key.extend_from_slice(name.as_bytes());
        Self(key)
    }

    /// The key of a node below the instance's root.
    #[must_use]
    pub fn node<'a>(moid: &Moid, miid: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().fold(Self::instance(moid, miid), |key, name| key.child(name))
    }

    /// The bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes of this key, and of those that it is below, upwards.
    pub fn lineage(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::successors(Some(self.0.as_slice()), |key| {
            let end = key.iter().rposition(|&byte| byte == 0)?;
            key.get(..end)
        })
    }

    /// Whether the key is `other`, or below it.
    #[must_use]
    pub fn is_at_or_below(&self, other: &Self) -> bool {
        self.0.strip_prefix(other.0.as_slice()).is_some_and(|rest| rest.first().is_none_or(|&byte| byte == 0))
    }

    /// The MOID and number, if the key is the root of an instance whose MIID the agent may have assigned.
    pub(super) fn assigned(&self) -> Option<(Moid, u64)> {
        let (moid, miid) = std::str::from_utf8(&self.0).ok()?.split_once('\0')?;
        Some((moid.into(), miid.parse().ok()?))
    }

    /// The range of all keys below this one.
    pub(crate) fn below(&self) -> (Vec<u8>, Vec<u8>) {
        let mut start = self.0.clone();
        start.push(0);
        let mut end = self.0.clone();
        end.push(1);
        (start, end)
    }
}

/// The key that cache validators are made with.
pub type CacheKey = [u8; 64];
