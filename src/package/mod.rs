//! Packages #1, #2 and #3 (TS 5.2, 7.2–7.4, Appendix E): a neutral model and the codec of each wire profile.
//!
//! The agent's side is here: [`decode`], [`encode1`], [`encode3`]. What a DM Server does is in [`server`].

pub(crate) mod approved;
pub(crate) mod draft;
pub(crate) mod multipart;
pub mod server;

mod alert_type;
mod json;
mod media;
mod model;
mod profile;
mod request;
mod serialisation;
#[cfg(test)]
mod tests;
mod verb;
mod wire;

pub use alert_type::is_alert_type;
pub use media::{INITIATION, REQUEST, RESPONSE, is_media_type, is_unwanted};
pub use model::{
    Alert, Command, Encoded, MoHead, Package1, Package2, Package3, Part, Reason, RequestedMo, Status,
    SupportedMo,
};
pub use profile::Profile;
pub use request::{PackageError, decode};
pub use verb::Verb;

/// The server's statuses for the alerts in the package that this answers, by position.
#[must_use]
pub fn alert_results(profile: Profile, package: &Package2) -> &[u16] {
    match profile {
        Profile::Draft => &package.results,
        Profile::Approved => approved::alert_results(package),
    }
}

/// Writes Package#1, ready to be posted.
#[must_use]
pub fn encode1(profile: Profile, package: &Package1) -> Encoded {
    match profile {
        Profile::Draft => draft::encode1(package),
        Profile::Approved => approved::encode1(package),
    }
}

/// Writes Package#3, ready to be posted; with the data of GETs where there is some (TS Appendix E).
///
/// The boundary between parts is made of `nonce`: a random number keeps others from guessing it.
#[must_use]
pub fn encode3(profile: Profile, package: &Package3, nonce: u64) -> Encoded {
    match profile {
        Profile::Draft => draft::encode3(package, nonce),
        Profile::Approved => approved::encode3(package, nonce),
    }
}
