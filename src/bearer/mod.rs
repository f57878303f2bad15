//! Bearers of sessions: which network interfaces are up, of which type each is, and which of them a notification's
//! preferred connection types lead to (TS 5.2.1.2, TS 11.4 CBT).

mod default_route;
mod interfaces;
mod known_interfaces;
mod link;
mod netlink_watch;
mod stack;

pub use interfaces::{Links, is_here, is_up, links, look, name_of};
pub use known_interfaces::{Id, KnownInterfaces};
pub use link::{Device, Interface, Link, Metered, Modem, Told};
pub use netlink_watch::{KernelTopic, NetlinkWatch};

/// The type of connection that the server would have the client connect over (TS 5.2.1.2 PREFERRED-CON-TYPE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ConnectionType {
    /// Whatever connection is available.
    AnyAvailable = 0,
    /// Mobile networks: 3GPP, 3GPP2, WiMAX…
    Mobile = 1,
    /// Wireless networks: WLAN, Bluetooth…
    Wireless = 2,
    /// Wired networks: Ethernet, DSL…
    Wireline = 3,
}

impl ConnectionType {
    /// The words for the types, by their numbers.
    const NAMES: [&str; 4] = ["any", "mobile", "wireless", "wireline"];

    /// The word for the type.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.get(self as usize).copied().unwrap_or_default()
    }

    /// The type that a word stands for.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        [Self::AnyAvailable, Self::Mobile, Self::Wireless, Self::Wireline]
            .into_iter()
            .find(|kind| kind.name() == word)
    }
}

/// The interface that a session's sockets are bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// No binding: wherever routing leads.
    Any,
    /// Bound to this interface.
    Bound(Id),
    /// None of the preferred types is available, and nothing else will do.
    Wait,
    /// An interface that is up may be of a preferred type: it is being looked at.
    Unknown,
}
