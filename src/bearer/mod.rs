//! What carries a session: which network interfaces are up, of which type each is, and which of them a
//! notification's preferred connection types lead to (TS 5.2.1.2, TS 11.4 CBT).

mod interfaces;
mod known_interfaces;
mod netlink_watch;

pub use interfaces::{Links, carrying, is_here, kind_of, links};
pub use known_interfaces::{Id, KnownInterfaces};
pub use netlink_watch::NetlinkWatch;

/// What the server would have the client connect over (TS 5.2.1.2 PREFERRED-CON-TYPE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ConnectionType {
    /// Whatever is available now.
    AnyAvailable = 0,
    /// 3GPP, 3GPP2, WiMAX…
    Mobile = 1,
    /// WLAN, Bluetooth…
    Wireless = 2,
    /// Ethernet, DSL…
    Wireline = 3,
}

/// Where a session's sockets are bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Wherever routing leads.
    Any,
    /// To this interface.
    Bound(String),
    /// None of the preferred types is available, and nothing else will do.
    Wait,
    /// One that is up may be of a preferred type: it is being looked at.
    Unknown,
}
