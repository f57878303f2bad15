//! The verbs of the DM commands (TS 5.4).

use std::fmt;

/// The verb of a command: what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// CONT: says where further packages go (TS 5.4.8).
    Cont,
    /// DEFAULT: says where a configuration that is not there comes from.
    Default,
    /// DELETE: removes nodes.
    Delete,
    /// END: ends the session (TS 5.4.9).
    End,
    /// EXEC: executes a node.
    Exec,
    /// GET: reads nodes.
    Get,
    /// HGET: has the client fetch from a data repository.
    Hget,
    /// HPOST: has the client POST to a data repository.
    Hpost,
    /// HPUT: has the client PUT to a data repository.
    Hput,
    /// SHOW: shows a page to the user.
    Show,
    /// SUB: subscribes to changes (approved profile).
    Sub,
    /// UNSUB: ends a subscription (approved profile).
    Unsub,
    /// Any other name, as sent; empty where the command's shape has none.
    Unknown(String),
}

impl Verb {
    /// The verbs that the TS has. One that is missing here is not recognised.
    pub(crate) const KNOWN: [Self; 12] = [
        Self::Cont,
        Self::Default,
        Self::Delete,
        Self::End,
        Self::Exec,
        Self::Get,
        Self::Hget,
        Self::Hpost,
        Self::Hput,
        Self::Show,
        Self::Sub,
        Self::Unsub,
    ];

    /// The verb as the TS writes it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Cont => "CONT",
            Self::Default => "DEFAULT",
            Self::Delete => "DELETE",
            Self::End => "END",
            Self::Exec => "EXEC",
            Self::Get => "GET",
            Self::Hget => "HGET",
            Self::Hpost => "HPOST",
            Self::Hput => "HPUT",
            Self::Show => "SHOW",
            Self::Sub => "SUB",
            Self::Unsub => "UNSUB",
            Self::Unknown(name) => name,
        }
    }
}

impl From<String> for Verb {
    fn from(name: String) -> Self {
        Self::KNOWN.into_iter().find(|verb| verb.name() == name).unwrap_or(Self::Unknown(name))
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
