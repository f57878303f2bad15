//! Instances of management objects, and where they come from.

use crate::uri::Moid;

/// An instance of a management object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instance {
    pub(super) miid: String,
    pub(super) provenance: Provenance,
}

/// Where an instance comes from: it rules who may use it (TS 11.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Provenance {
    /// The device brings the instance.
    Device,
    /// The instance stands for the DM account whose server id is its MIID.
    Account,
    /// The instance says who may do what with the instances of `moid`.
    Delegation { moid: Moid },
    /// A server created the instance.
    Created { creator: String },
}

impl Instance {
    /// Whether a server without rights on the instance must not learn that it is there.
    pub(super) fn is_private(&self) -> bool {
        matches!(self.provenance, Provenance::Account | Provenance::Delegation { .. })
    }
}
