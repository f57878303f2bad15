//! The two published wire formats.

use super::verb::Verb;

/// Which of the two published wire formats a server speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// The consolidated draft Technical Specification.
    #[default]
    Draft,
    /// The approved enabler of 2016.
    Approved,
}

impl Profile {
    /// Whether the profile has commands of this verb (TS 5.4); others are answered with 501.
    #[must_use]
    pub fn has_command(self, verb: &Verb) -> bool {
        match verb {
            Verb::Sub | Verb::Unsub => self == Self::Approved,
            Verb::Unknown(_) => false,
            _ => true,
        }
    }
}
