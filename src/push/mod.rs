//! The bridge to a push service (TS Appendix D.2). A push client on the device hands over what the service tells it:
//! the registration id that it got or lost, and each push message. The agent tells the id to the DM Server, and takes a
//! message for the Package#0 that it is.
//!
//! [`bridge`] decides when and what, [`registration`] is the HTTP exchange.

pub(crate) mod bridge;
pub(crate) mod registration;

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use crate::notification::gate::MAX_DATAGRAM;
use crate::uri::ServerId;

/// The base64 of push payloads: services differ in whether they pad.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The longest registration id that is taken, in bytes.
pub const LONGEST_ID: usize = 4096;

/// Why something that a push client handed over was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// No account has this server id.
    #[error("no account has the server id {0:?}")]
    UnknownServer(ServerId),
    /// The account says nothing of push.
    #[error("the account {0:?} has no push registration")]
    NoPush(ServerId),
    /// The registration id is empty, too long, or holds control characters.
    #[error("the registration id is empty, too long, or holds control characters")]
    BadId,
    /// The payload is no base64.
    #[error("the payload is not base64 of at most {MAX_DATAGRAM} bytes")]
    NotBase64,
    /// The Package#0 was turned away, for the reason that the journal counts it under.
    #[error("the notification was dropped: {0}")]
    Dropped(&'static str),
    /// The registration can't be kept in the store.
    #[error("the store failed")]
    Store,
}

/// The Package#0 in a push message (TS D.2.5), whose base64 may be broken into lines, padded or not, of either
/// alphabet.
///
/// # Errors
/// [`PushError::NotBase64`]
pub fn payload(base64: &str) -> Result<Vec<u8>, PushError> {
    if base64.len() > 2 * MAX_DATAGRAM {
        return Err(PushError::NotBase64);
    }
    let standard = |c: char| match c {
        '-' => '+',
        '_' => '/',
        other => other,
    };
    let text: String = base64.chars().filter(|c| !c.is_ascii_whitespace()).map(standard).collect();
    let bytes = BASE64.decode(text).map_err(|_| PushError::NotBase64)?;
    if bytes.is_empty() || bytes.len() > MAX_DATAGRAM { Err(PushError::NotBase64) } else { Ok(bytes) }
}

/// Checks an id that a push client hands over.
///
/// # Errors
/// [`PushError::BadId`]
pub fn checked_id(id: &str) -> Result<(), PushError> {
    let good = !id.is_empty() && id.len() <= LONGEST_ID && !id.chars().any(char::is_control);
    if good { Ok(()) } else { Err(PushError::BadId) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_read_padded_or_not_and_in_either_alphabet() {
        let bytes = [0x20, 0xfb, 0xff, 0x3e];
        for text in ["IPv/Pg==", "IPv/Pg", "IPv_Pg", " IPv/\r\nPg==\n"] {
            assert_eq!(payload(text).as_deref(), Ok(&bytes[..]), "{text:?}");
        }
        for text in ["", "=", "IPv/P", "IPv/Pg=!", "not base64"] {
            assert_eq!(payload(text), Err(PushError::NotBase64), "{text:?}");
        }
        let large = base64::engine::general_purpose::STANDARD.encode(vec![0; MAX_DATAGRAM + 1]);
        assert_eq!(payload(&large), Err(PushError::NotBase64));
    }

    #[test]
    fn an_id_is_bounded_and_printable() {
        assert_eq!(checked_id("APA91b:x-_/+"), Ok(()));
        for id in ["", "a\nb", &"x".repeat(LONGEST_ID + 1)] {
            assert_eq!(checked_id(id), Err(PushError::BadId));
        }
    }
}
