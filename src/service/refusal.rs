//! Refusals: why a call is answered with an error, and the error's name.

use std::borrow::Cow;

/// Where the names of the agent's own errors begin.
const OWN: &str = "org.omadm.Agent1.Error.";
/// Where the names of D-Bus's errors begin.
const STANDARD: &str = "org.freedesktop.DBus.Error.";

/// A refusal: the name of an error, and what is wrong, or what to do, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The name of the error.
    pub name: String,
    /// What is wrong.
    pub why: Cow<'static, str>,
}

impl Refusal {
    /// Refuses with an error of the agent's own, by the last part of its name.
    pub fn own(name: &str, why: impl Into<Cow<'static, str>>) -> Self {
        Self { name: format!("{OWN}{name}"), why: why.into() }
    }

    /// Refuses with an error of D-Bus's, by the last part of its name.
    pub(super) fn standard(name: &str, why: impl Into<Cow<'static, str>>) -> Self {
        Self { name: format!("{STANDARD}{name}"), why: why.into() }
    }

    /// Refuses what was asked in a wrong way.
    pub fn invalid(why: impl Into<Cow<'static, str>>) -> Self {
        Self::own("InvalidArgument", why)
    }
}
