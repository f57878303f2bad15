//! Decoding Package#0 (TS 5.2.1, 7.1), and checking its digest.
//!
//! A notification is decoded in one pass that borrows everything and allocates nothing, since anybody may send
//! one. It says itself which wire profile it was written for: a SHA256-DIGEST of 36 bytes and an option 5
//! without a value are the draft's, a digest of 32 bytes and an option 5 of 4 or 8 bytes the approved
//! enabler's. An option 6 without a value asks for the MOS array in either; with a value it is an unknown
//! option of the draft. A notification that mixes the two is malformed.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::bearer::ConnectionType;
use crate::package::Profile;

/// The VER of the notification's header (TS 5.2.1.1).
pub(super) const VERSION: u16 = 2;
/// The most options, as OC has five bits.
pub(super) const MAX_OPTIONS: usize = 31;
/// The longest value of an option, as Option-Length has twelve bits.
pub(super) const MAX_VALUE: usize = 0x0fff;
/// The octets of a SHA-256 digest.
pub(super) const DIGEST_LENGTH: usize = 32;

/// The option numbers (TS 5.2.1.2 table 1, and what the approved enabler and CR 001 add).
pub(super) mod option {
    /// SERVER-ID
    pub(in super::super) const SERVER_ID: u16 = 1;
    /// PREFERRED-CON-TYPE
    pub(in super::super) const PREFERRED_CON_TYPE: u16 = 2;
    /// NOTIFICATION-ID
    pub(in super::super) const NOTIFICATION_ID: u16 = 3;
    /// SHA256-DIGEST, preceded by the time in the draft
    pub(in super::super) const DIGEST: u16 = 4;
    /// REQ-MOS in the draft, TIMESTAMP in the approved enabler
    pub(in super::super) const REQ_MOS_OR_TIMESTAMP: u16 = 5;
    /// REQ-MOS in the approved enabler
    pub(in super::super) const REQ_MOS: u16 = 6;
    /// Requested-MO-CV, the one that may repeat
    pub(in super::super) const REQUESTED_MO_CV: u16 = 7;
}

/// Why a datagram is no Package#0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The datagram ends within the header, an option or an option's value.
    #[error("it ends within its header or an option")]
    Truncated,
    /// The VER of the header isn't 2.
    #[error("its version is {0} instead of 2")]
    Version(u8),
    /// Bytes follow the options that OC counts.
    #[error("{0} bytes follow the last option")]
    Trailing(usize),
    /// Option-Delta is 0 where the option can't be repeated, or comes first.
    #[error("option {0} is repeated")]
    Repeated(u16),
    /// An option's value has a length that its format doesn't allow.
    #[error("option {option} has {length} bytes")]
    Length {
        /// The option's number.
        option: u16,
        /// The length of its value in bytes.
        length: usize,
    },
    /// SERVER-ID is not UTF-8, or has control characters (RFC 5198).
    #[error("the server id is not Net-Unicode")]
    ServerId,
    /// PREFERRED-CON-TYPE goes on after ANY_AVAILABLE.
    #[error("ANY_AVAILABLE is not the last connection type")]
    AnyNotLast,
    /// The package has both an option of the draft and one of the approved enabler.
    #[error("it mixes options of the draft and of the approved enabler")]
    MixedProfiles,
}

impl Malformed {
    /// The name under which such datagrams are counted, which stays the same.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Version(_) => "version",
            Self::Trailing(_) => "trailing-bytes",
            Self::Repeated(_) => "repeated-option",
            Self::Length { .. } => "option-length",
            Self::ServerId => "server-id-text",
            Self::AnyNotLast => "any-not-last",
            Self::MixedProfiles => "mixed-profiles",
        }
    }
}

/// A notification, borrowed from the datagram that brought it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Package0<'a> {
    /// SERVER-ID; never empty.
    pub server_id: Option<&'a str>,
    /// PREFERRED-CON-TYPE; none if absent or empty.
    pub preferred: Preferred<'a>,
    /// NOTIFICATION-ID.
    pub id: Option<u16>,
    /// SHA256-DIGEST.
    pub digest: Option<Digest<'a>>,
    /// The time when the notification was sent, in POSIX seconds: part of the draft's digest option, an option of its
    /// own in the approved enabler. Not to be believed without a digest.
    pub time: Option<u64>,
    /// Whether REQ-MOS is set.
    pub req_mos: bool,
    /// Requested-MO-CV, all of them.
    pub requested: Requested<'a>,
    /// The profile that the notification was written for; none if nothing in it tells.
    pub profile: Option<Profile>,
}

/// Decodes a notification. Unknown options and unknown connection types are passed over, RESERVED is ignored.
///
/// # Errors
/// If the bytes are not exactly one Package#0 (TS 7.1).
pub fn decode(bytes: &[u8]) -> Result<Package0<'_>, Malformed> {
    let (header, mut rest) = bytes.split_first_chunk().ok_or(Malformed::Truncated)?;
    let header = u16::from_be_bytes(*header);
    let version = header >> 12;
    if version != VERSION {
        return Err(Malformed::Version(version.to_le_bytes()[0]));
    }
    let mut package = Package0::default();
    let mut number = 0;
    for _ in 0..(header >> 7) & 0x1f {
        let (delta, value, tail) = split_option(rest)?;
        number += delta;
        if delta == 0 && number != option::REQUESTED_MO_CV {
            return Err(Malformed::Repeated(number));
        }
        let wrong_length = Malformed::Length { option: number, length: value.len() };
        match number {
            option::SERVER_ID if value.is_empty() => return Err(wrong_length),
            option::SERVER_ID => package.server_id = Some(net_unicode(value)?),
            option::PREFERRED_CON_TYPE => package.preferred = Preferred::new(value)?,
            option::NOTIFICATION_ID => {
                package.id = Some(u16::from_be_bytes(value.try_into().map_err(|_| wrong_length)?));
            }
            option::DIGEST => {
                package.profile = Some(match value.len() {
                    36 => Profile::Draft,
                    32 => Profile::Approved,
                    _ => return Err(wrong_length),
                });
                let (time, digest) = value.split_last_chunk().ok_or(wrong_length)?;
                package.time = time.first_chunk().map(|time| u32::from_be_bytes(*time).into());
                let (before, _) =
                    bytes.split_at_checked(bytes.len() - tail.len() - DIGEST_LENGTH).ok_or(wrong_length)?;
                package.digest = Some(Digest { before, value: digest, after: tail });
            }
            option::REQ_MOS_OR_TIMESTAMP => {
                let profile = if value.is_empty() { Profile::Draft } else { Profile::Approved };
                if *package.profile.get_or_insert(profile) != profile {
                    return Err(Malformed::MixedProfiles);
                }
                if profile == Profile::Draft {
                    package.req_mos = true;
                } else {
                    package.time = Some(posix_time(value).ok_or(wrong_length)?);
                }
            }
            option::REQ_MOS if value.is_empty() => {
                package.profile.get_or_insert(Profile::Approved);
                package.req_mos = true;
            }
            option::REQ_MOS if package.profile == Some(Profile::Approved) => return Err(wrong_length),
            option::REQUESTED_MO_CV => {
                if !(3..=256).contains(&value.len()) {
                    return Err(wrong_length);
                }
                if package.requested.left == 0 {
                    package.requested.options = rest;
                }
                package.requested.left += 1;
            }
            _ => {}
        }
        rest = tail;
    }
    if rest.is_empty() { Ok(package) } else { Err(Malformed::Trailing(rest.len())) }
}

/// The next option's delta and value, and what follows it (TS 7.1.2).
fn split_option(bytes: &[u8]) -> Result<(u16, &[u8], &[u8]), Malformed> {
    let (head, rest) = bytes.split_first_chunk().ok_or(Malformed::Truncated)?;
    let head = u16::from_be_bytes(*head);
    let (value, tail) = rest.split_at_checked(usize::from(head) & MAX_VALUE).ok_or(Malformed::Truncated)?;
    Ok((head >> 12, value, tail))
}

/// Reads UTF-8 without control characters. RFC 5198 also wants NFC; text that isn't simply names no account.
fn net_unicode(value: &[u8]) -> Result<&str, Malformed> {
    let text = str::from_utf8(value).map_err(|_| Malformed::ServerId)?;
    // Most are plain: that is told without decoding a character.
    let is_plain = value.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if is_plain || !text.chars().any(char::is_control) { Ok(text) } else { Err(Malformed::ServerId) }
}

fn posix_time(value: &[u8]) -> Option<u64> {
    if let Ok(short) = value.try_into() {
        return Some(u32::from_be_bytes(short).into());
    }
    value.try_into().ok().map(u64::from_be_bytes)
}

/// The SHA256-DIGEST of a notification, with the parts of the package around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest<'a> {
    before: &'a [u8],
    value: &'a [u8; DIGEST_LENGTH],
    after: &'a [u8],
}

impl Digest<'_> {
    /// The 32 bytes of the digest.
    #[must_use]
    pub fn value(&self) -> &[u8; DIGEST_LENGTH] {
        self.value
    }

    /// The offset in the package where the digest begins.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.before.len()
    }

    /// Whether the package was signed with `secret`, in constant time. `data` is the approved enabler's authentication
    /// data, empty for the draft.
    #[must_use]
    pub fn verify(&self, secret: &[u8], data: &[u8]) -> bool {
        self.compute(secret, data).ct_eq(self.value).into()
    }

    /// Computes what the digest must be: SHA-256 of the secret, the package with the digest itself all zeros (its time
    /// kept), and `data`.
    pub(super) fn compute(&self, secret: &[u8], data: &[u8]) -> [u8; DIGEST_LENGTH] {
        Sha256::new()
            .chain_update(secret)
            .chain_update(self.before)
            .chain_update([0; DIGEST_LENGTH])
            .chain_update(self.after)
            .chain_update(data)
            .finalize()
            .into()
    }
}

/// The connection types of PREFERRED-CON-TYPE that are known, most preferred first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preferred<'a>(&'a [u8]);

impl<'a> Preferred<'a> {
    fn new(value: &'a [u8]) -> Result<Self, Malformed> {
        let any = ConnectionType::AnyAvailable as u8;
        match value.split_last() {
            Some((_, earlier)) if earlier.contains(&any) => Err(Malformed::AnyNotLast),
            _ => Ok(Self(value)),
        }
    }
}

impl Iterator for Preferred<'_> {
    type Item = ConnectionType;

    fn next(&mut self) -> Option<ConnectionType> {
        loop {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            match first {
                0 => return Some(ConnectionType::AnyAvailable),
                1 => return Some(ConnectionType::Mobile),
                2 => return Some(ConnectionType::Wireless),
                3 => return Some(ConnectionType::Wireline),
                _ => {}
            }
        }
    }
}

/// The Requested-MO-CV options: index into the last MOS array, and the server's cache validator (1–254 bytes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requested<'a> {
    /// The options from the next of them on.
    options: &'a [u8],
    left: u8,
}

impl<'a> Iterator for Requested<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (_, value, tail) = split_option(self.options).ok()?;
        self.options = tail;
        let (index, validator) = value.split_first_chunk()?;
        Some((u16::from_be_bytes(*index), validator))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A package with a header that announces `options` of (delta, value).
    fn package(options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes =
            ((VERSION << 12) | (u16::try_from(options.len()).unwrap() << 7)).to_be_bytes().to_vec();
        for (delta, value) in options {
            bytes.extend(((delta << 12) | u16::try_from(value.len()).unwrap()).to_be_bytes());
            bytes.extend(*value);
        }
        bytes
    }

    fn error(options: &[(u16, &[u8])]) -> Malformed {
        decode(&package(options)).unwrap_err()
    }

    #[test]
    fn reads_a_draft_notification_written_by_hand() {
        let mut bytes = vec![0x22, 0xff]; // VER 2, OC 5, all reserved bits set
        bytes.extend(b"\x10\x04acme");
        bytes.extend(b"\x10\x04\x03\x09\x01\x00");
        bytes.extend(b"\x10\x02\x12\x34");
        bytes.extend(b"\x10\x24\x01\x02\x03\x04");
        bytes.extend([7; 32]);
        bytes.extend(b"\x10\x00");
        let read = decode(&bytes).unwrap();
        assert_eq!(read.server_id, Some("acme"));
        assert_eq!(
            read.preferred.collect::<Vec<_>>(),
            [ConnectionType::Wireline, ConnectionType::Mobile, ConnectionType::AnyAvailable]
        );
        assert_eq!(read.id, Some(0x1234));
        assert_eq!(read.time, Some(0x0102_0304));
        assert_eq!(read.digest.unwrap().value(), &[7; 32]);
        assert_eq!(read.digest.unwrap().offset(), bytes.len() - 34);
        assert!(read.req_mos);
        assert_eq!(read.profile, Some(Profile::Draft));
    }

    #[test]
    fn reads_an_approved_notification_and_repeated_validators() {
        let bytes = package(&[
            (4, &[9; 32]),
            (1, &[0, 0, 0, 5]),
            (1, b""),
            (1, b"\x00\x02abc"),
            (0, b"\x01\x00d"),
            (6, b"unknown"),
        ]);
        let read = decode(&bytes).unwrap();
        assert_eq!((read.profile, read.time, read.req_mos), (Some(Profile::Approved), Some(5), true));
        assert_eq!(read.requested.collect::<Vec<_>>(), [(2, &b"abc"[..]), (256, b"d")]);
        let long_time = package(&[(5, &[0, 0, 0, 1, 0, 0, 0, 0])]);
        assert_eq!(decode(&long_time).unwrap().time, Some(1 << 32));
    }

    #[test]
    fn tells_the_profiles_apart() {
        let (draft, approved) = (Some(Profile::Draft), Some(Profile::Approved));
        type Case<'a> = (&'a [(u16, &'a [u8])], Option<Profile>, bool);
        let cases: [Case<'_>; 10] = [
            (&[], None, false),
            (&[(1, b"s"), (2, &[0, 1])], None, false),
            (&[(4, &[0; 36])], draft, false),
            (&[(4, &[0; 32])], approved, false),
            (&[(5, b"")], draft, true),
            (&[(5, &[0; 4])], approved, false),
            (&[(6, b"")], approved, true),
            (&[(4, &[0; 36]), (2, b"")], draft, true),
            (&[(6, b"history")], None, false),
            (&[(4, &[0; 36]), (2, b"history")], draft, false),
        ];
        for (options, profile, req_mos) in cases {
            let bytes = package(options);
            let read = decode(&bytes).unwrap();
            assert_eq!((read.profile, read.req_mos), (profile, req_mos), "{options:?}");
        }
        assert_eq!(error(&[(4, &[0; 36]), (1, &[0; 4])]), Malformed::MixedProfiles);
        assert_eq!(error(&[(4, &[0; 32]), (1, b"")]), Malformed::MixedProfiles);
        assert_eq!(error(&[(4, &[0; 32]), (2, b"x")]), Malformed::Length { option: 6, length: 1 });
    }

    #[test]
    fn refuses_what_is_malformed() {
        assert_eq!(decode(&[]), Err(Malformed::Truncated));
        assert_eq!(decode(&[0x20]), Err(Malformed::Truncated));
        assert_eq!(decode(&[0x10, 0]), Err(Malformed::Version(1)));
        assert_eq!(decode(&[0x20, 0, 0]), Err(Malformed::Trailing(1)));
        assert_eq!(decode(&[0x20, 0x80]), Err(Malformed::Truncated));
        assert_eq!(decode(&[0x20, 0x80, 0x1f, 0xff, 1]), Err(Malformed::Truncated));
        assert_eq!(error(&[(0, b"a")]), Malformed::Repeated(0));
        assert_eq!(error(&[(1, b"a"), (0, b"b")]), Malformed::Repeated(1));
        assert_eq!(error(&[(9, b"a"), (0, b"b")]), Malformed::Repeated(9));
        assert_eq!(error(&[(1, b"a\x00")]), Malformed::ServerId);
        assert_eq!(error(&[(1, b"a\xff")]), Malformed::ServerId);
        assert_eq!(error(&[(1, "a\u{85}".as_bytes())]), Malformed::ServerId);
        assert_eq!(error(&[(2, &[1, 0, 3])]), Malformed::AnyNotLast);
        for (number, length) in
            [(1, 0), (3, 1), (3, 3), (4, 0), (4, 35), (4, 33), (5, 3), (5, 5), (7, 2), (7, 257)]
        {
            assert_eq!(error(&[(number, &vec![0; length])]), Malformed::Length { option: number, length });
        }
    }

    #[test]
    fn each_option_but_one_comes_once() {
        let values: [&[u8]; 7] = [b"s", &[1], &[0, 1], &[0; 36], b"", b"", b"\x00\x01v"];
        for (number, value) in (1..).zip(values) {
            let twice = package(&[(number, value), (0, value)]);
            if number == option::REQUESTED_MO_CV {
                assert_eq!(decode(&twice).unwrap().requested.count(), 2);
            } else {
                assert_eq!(decode(&twice), Err(Malformed::Repeated(number)));
            }
        }
    }

    #[test]
    fn every_connection_type_is_known_by_its_number() {
        use ConnectionType::{AnyAvailable, Mobile, Wireless, Wireline};
        let bytes = package(&[(2, &[2, 200, 1, 3, 0])]);
        let read: Vec<_> = decode(&bytes).unwrap().preferred.collect();
        assert_eq!(read, [Wireless, Mobile, Wireline, AnyAvailable]);
    }

    #[test]
    fn no_connection_type_is_as_if_absent() {
        for none in [&b""[..], &[4], &[200, 255]] {
            assert_eq!(decode(&package(&[(2, none)])).unwrap().preferred.count(), 0, "{none:?}");
        }
    }

    #[test]
    fn takes_the_longest_there_can_be() {
        let value = vec![b'x'; MAX_VALUE];
        let mut options = vec![(15, &value[..]); MAX_OPTIONS];
        options[0].0 = 1;
        let bytes = package(&options);
        assert_eq!(decode(&bytes).unwrap().server_id.unwrap().len(), MAX_VALUE);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(read) = decode(&bytes) {
                let _ = (read.preferred.count(), read.requested.count());
            }
        }

        #[test]
        fn never_panics_behind_a_good_header(oc in 0u8..32, rest in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = vec![0x20 | (oc >> 1), oc << 7];
            bytes.extend(rest);
            if let Ok(read) = decode(&bytes) {
                prop_assert!(read.requested.count() <= MAX_OPTIONS);
            }
        }
    }
}
