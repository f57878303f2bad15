//! The members of a serialised management object that say where it belongs (TS 6.3.3, 7.5, Appendix E): each profile
//! has its own.

use super::model::MoHead;
use super::profile::Profile;
use super::{approved, draft};

impl Profile {
    /// The members that come before `MOData`, in order.
    #[must_use]
    pub fn head_members<'a>(self, head: &MoHead<'a>) -> Vec<(&'static str, &'a str)> {
        match self {
            Self::Draft => draft::head_members(head),
            Self::Approved => approved::head_members(head),
        }
    }

    /// Whether GET answers with an array where only one node is addressed.
    #[must_use]
    pub fn one_is_an_array(self) -> bool {
        match self {
            Self::Draft => draft::ONE_IS_AN_ARRAY,
            Self::Approved => approved::ONE_IS_AN_ARRAY,
        }
    }
}
