//! The keys of stored nodes, ordered so that a subtree is one range.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};

use crate::uri::Moid;

/// The key of a stored node: MOID, MIID and the names from the instance's root down, joined by NUL (which no name can
/// hold).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeKey(String);

/// Keys are in the order of their bytes.
impl Borrow<[u8]> for NodeKey {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// As [`Borrow`] needs it.
impl Hash for NodeKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl NodeKey {
    /// The key that all instances of a management object are below.
    #[must_use]
    pub fn object(moid: &Moid) -> Self {
        Self(moid.as_str().to_owned())
    }

    /// The key of an instance's root.
    #[must_use]
    pub fn instance(moid: &Moid, miid: &str) -> Self {
        Self::joined(moid.as_str(), miid)
    }

    /// The key of the child called `name`.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        Self::joined(&self.0, name)
    }

    fn joined(above: &str, name: &str) -> Self {
        let mut key = String::with_capacity(above.len() + 1 + name.len());
        key.push_str(above);
        key.push('\0');
        key.push_str(name);
        Self(key)
    }

    /// The key of a node below the instance's root.
    #[must_use]
    pub fn node<'a>(moid: &Moid, miid: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().fold(Self::instance(moid, miid), |key, name| key.child(name))
    }

    /// The key of the node above; of an object's all instances there is none.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('\0').map(|(above, _)| Self(above.to_owned()))
    }

    /// The names from the root's child down; none of the root.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split('\0').skip(2)
    }

    /// The name of the node; of an instance's root its MIID.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('\0').next().unwrap_or_default()
    }

    /// The bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The bytes of this key, and of those that it is below, upwards.
    pub fn lineage(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::successors(Some(self.as_bytes()), |key| {
            let end = key.iter().rposition(|&byte| byte == 0)?;
            key.get(..end)
        })
    }

    /// Whether the key is `other`, or below it.
    #[must_use]
    pub fn is_at_or_below(&self, other: &Self) -> bool {
        self.0.strip_prefix(&other.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('\0'))
    }

    /// The MOID and number, if the bytes are those of the root of an instance whose MIID the agent may have assigned.
    pub(super) fn assigned(key: &[u8]) -> Option<(Moid, u64)> {
        let (moid, miid) = std::str::from_utf8(key).ok()?.split_once('\0')?;
        Some((moid.into(), miid.parse().ok()?))
    }

    /// The range of all keys below this one.
    pub(crate) fn below(&self) -> (Vec<u8>, Vec<u8>) {
        let bounded = |end: u8| [self.as_bytes(), &[end]].concat();
        (bounded(0), bounded(1))
    }
}

/// The key that cache validators are made with.
pub type CacheKey = [u8; 64];
