//! What carries a session: which network interfaces are up, of which type each is, and which of them a
//! notification's preferred connection types lead to (TS 5.2.1.2, TS 11.4 CBT).

mod interfaces;
mod watch;

pub use interfaces::{Interface, addresses, carrying, is_here, up};
pub use watch::Watch;

use crate::notification::ConnectionType;

/// Where a session's sockets are bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Wherever routing leads.
    Any,
    /// To this interface.
    Bound(String),
    /// None of the preferred types is available, and nothing else will do.
    Wait,
}

/// Picks the first preferred type that is available; [`ConnectionType::AnyAvailable`] takes whatever is up.
#[must_use]
pub fn choose(preferred: &[ConnectionType], up: &[Interface]) -> Choice {
    if preferred.is_empty() {
        return Choice::Any;
    }
    for wanted in preferred {
        if *wanted == ConnectionType::AnyAvailable {
            return Choice::Any;
        }
        if let Some(found) = up.iter().find(|interface| interface.kind == Some(*wanted)) {
            return Choice::Bound(found.name.clone());
        }
    }
    Choice::Wait
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConnectionType::{AnyAvailable, Mobile, Wireless, Wireline};

    fn interface(name: &str, kind: Option<ConnectionType>) -> Interface {
        Interface { name: name.to_owned(), kind }
    }

    #[test]
    fn the_servers_order_decides() {
        let up =
            [interface("eth0", Some(Wireline)), interface("wwan0", Some(Mobile)), interface("tun0", None)];
        assert_eq!(choose(&[], &up), Choice::Any);
        assert_eq!(choose(&[Mobile, Wireline], &up), Choice::Bound("wwan0".into()));
        assert_eq!(choose(&[Wireless, Wireline], &up), Choice::Bound("eth0".into()));
        assert_eq!(choose(&[Wireless], &up), Choice::Wait);
        assert_eq!(choose(&[Wireless, AnyAvailable], &up), Choice::Any);
    }
}
