//! Writing Package#0, for those who notify: the lab, the operator's tool, tests.

use thiserror::Error;

use super::package::{DIGEST_LENGTH, MAX_OPTIONS, MAX_VALUE, Malformed, Package0, VERSION, decode, option};
use crate::bearer::ConnectionType;
use crate::package::Profile;

/// Why a Package#0 can't be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unencodable {
    /// A value is longer or shorter than its option can hold.
    #[error("option {option} can't have {length} bytes")]
    Length {
        /// The option's number.
        option: u16,
        /// The value's length in bytes.
        length: usize,
    },
    /// There are more options than OC, which has five bits, can count.
    #[error("{0} options are more than a notification can have")]
    Options(usize),
    /// The time is missing, though the draft's digest needs one, or has more than four bytes.
    #[error("a draft notification can't be signed at {0:?}")]
    Time(Option<u64>),
    /// The package is one that a reader would refuse: a control character in the server id, ANY_AVAILABLE not last.
    #[error("the notification would be malformed: {0}")]
    Malformed(#[from] Malformed),
}

/// A notification to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutgoingNotification {
    /// The profile it is written for.
    pub profile: Profile,
    /// SERVER-ID, if it is sent.
    pub server_id: Option<String>,
    /// PREFERRED-CON-TYPE; empty: left out.
    pub preferred: Vec<ConnectionType>,
    /// NOTIFICATION-ID, if it is sent.
    pub id: Option<u16>,
    /// SHA256-DIGEST; [`OutgoingNotification::sign`] sets it.
    pub digest: Option<[u8; DIGEST_LENGTH]>,
    /// The time in POSIX seconds; in the draft it is sent with a digest only. [`OutgoingNotification::sign`] sets it.
    pub time: Option<u64>,
    /// Whether REQ-MOS is set.
    pub req_mos: bool,
    /// Requested-MO-CV: index into the last MOS array, cache validator (1–254 bytes).
    pub requested: Vec<(u16, Vec<u8>)>,
}

impl From<&Package0<'_>> for OutgoingNotification {
    /// Takes a notification that was decoded, to be written again, less what the decoder passes over.
    fn from(package: &Package0<'_>) -> Self {
        Self {
            profile: package.profile.unwrap_or_default(),
            server_id: package.server_id.map(str::to_owned),
            preferred: package.preferred.collect(),
            id: package.id,
            digest: package.digest.map(|digest| *digest.value()),
            time: package.time,
            req_mos: package.req_mos,
            requested: package.requested.map(|(index, validator)| (index, validator.to_vec())).collect(),
        }
    }
}

impl OutgoingNotification {
    /// Writes the package as it is.
    ///
    /// # Errors
    /// If a value doesn't fit its option, there are too many options, or no reader would take the result.
    pub fn encode(&self) -> Result<Vec<u8>, Unencodable> {
        let mut writer = Writer::default();
        if let Some(server_id) = &self.server_id {
            writer.push(option::SERVER_ID, server_id.as_bytes(), 1..=MAX_VALUE)?;
        }
        if !self.preferred.is_empty() {
            let types: Vec<u8> = self.preferred.iter().map(|connection| *connection as u8).collect();
            writer.push(option::PREFERRED_CON_TYPE, &types, 1..=MAX_VALUE)?;
        }
        if let Some(id) = self.id {
            writer.push(option::NOTIFICATION_ID, &id.to_be_bytes(), 2..=2)?;
        }
        match self.profile {
            Profile::Draft => self.push_draft(&mut writer)?,
            Profile::Approved => self.push_approved(&mut writer)?,
        }
        for (index, validator) in &self.requested {
            let value = [&index.to_be_bytes(), validator.as_slice()].concat();
            writer.push(option::REQUESTED_MO_CV, &value, 3..=256)?;
        }
        let bytes = writer.finish()?;
        decode(&bytes)?;
        Ok(bytes)
    }

    fn push_draft(&self, writer: &mut Writer) -> Result<(), Unencodable> {
        if let Some(digest) = &self.digest {
            let time = self.time.and_then(|time| u32::try_from(time).ok());
            let time = time.ok_or(Unencodable::Time(self.time))?;
            writer.push(option::DIGEST, &[&time.to_be_bytes(), digest.as_slice()].concat(), 36..=36)?;
        }
        if self.req_mos {
            writer.push(option::REQ_MOS_OR_TIMESTAMP, &[], 0..=0)?;
        }
        Ok(())
    }

    fn push_approved(&self, writer: &mut Writer) -> Result<(), Unencodable> {
        if let Some(digest) = &self.digest {
            writer.push(option::DIGEST, digest, 32..=32)?;
        }
        if let Some(time) = self.time {
            match u32::try_from(time) {
                Ok(short) => writer.push(option::REQ_MOS_OR_TIMESTAMP, &short.to_be_bytes(), 4..=4)?,
                Err(_) => writer.push(option::REQ_MOS_OR_TIMESTAMP, &time.to_be_bytes(), 8..=8)?,
            }
        }
        if self.req_mos {
            writer.push(option::REQ_MOS, &[], 0..=0)?;
        }
        Ok(())
    }

    /// Writes the package signed with `secret` (TS 5.2.1.2 SHA256-DIGEST). `data` is the approved profile's
    /// authentication data, empty for the draft; `time` is in POSIX seconds and may lack in the approved profile.
    ///
    /// # Errors
    /// As [`OutgoingNotification::encode`], and if the draft has no time, or one after 2106.
    pub fn sign(&self, secret: &[u8], data: &[u8], time: Option<u64>) -> Result<Vec<u8>, Unencodable> {
        let unsigned = Self { digest: Some([0; DIGEST_LENGTH]), time, ..self.clone() };
        let mut bytes = unsigned.encode()?;
        let digest = decode(&bytes)?.digest.map(|digest| (digest.offset(), digest.compute(secret, data)));
        if let Some((offset, value)) = digest
            && let Some(place) = bytes.get_mut(offset..offset + DIGEST_LENGTH)
        {
            place.copy_from_slice(&value);
        }
        Ok(bytes)
    }
}

/// A writer of options, which come in increasing order.
#[derive(Default)]
struct Writer {
    options: Vec<u8>,
    count: usize,
    last: u16,
}

impl Writer {
    fn push(
        &mut self,
        number: u16,
        value: &[u8],
        lengths: std::ops::RangeInclusive<usize>,
    ) -> Result<(), Unencodable> {
        let length = u16::try_from(value.len()).ok().filter(|_| lengths.contains(&value.len()));
        let length = length.ok_or(Unencodable::Length { option: number, length: value.len() })?;
        self.options.extend((((number - self.last) << 12) | length).to_be_bytes());
        self.options.extend(value);
        self.last = number;
        self.count += 1;
        Ok(())
    }

    fn finish(self) -> Result<Vec<u8>, Unencodable> {
        let count = u16::try_from(self.count).ok().filter(|_| self.count <= MAX_OPTIONS);
        let header = (VERSION << 12) | (count.ok_or(Unencodable::Options(self.count))? << 7);
        Ok([&header.to_be_bytes(), self.options.as_slice()].concat())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option::of;
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn preferred() -> impl Strategy<Value = Vec<ConnectionType>> {
        use ConnectionType::{AnyAvailable, Mobile, Wireless, Wireline};
        let named = prop::sample::select(vec![Mobile, Wireless, Wireline]);
        (vec(named, 0..5), any::<bool>()).prop_map(|(mut types, any)| {
            types.extend(any.then_some(AnyAvailable));
            types
        })
    }

    prop_compose! {
        fn outgoing()(
            approved in any::<bool>(),
            server_id in of("[^\\pC]{1,40}"),
            preferred in preferred(),
            id in any::<Option<u16>>(),
            digest in any::<Option<[u8; 32]>>(),
            short_time in any::<u32>(),
            time in any::<Option<u64>>(),
            req_mos in any::<bool>(),
            requested in vec((any::<u16>(), vec(any::<u8>(), 1..=254)), 0..25),
        ) -> OutgoingNotification {
            let (profile, time) = match (approved, digest) {
                (true, _) => (Profile::Approved, time),
                (false, digest) => (Profile::Draft, digest.map(|_| short_time.into())),
            };
            OutgoingNotification { profile, server_id, preferred, id, digest, time, req_mos, requested }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(sent in outgoing()) {
            let bytes = sent.encode().unwrap();
            let read = decode(&bytes).unwrap();
            let told = sent.digest.is_some() || sent.req_mos || sent.time.is_some();
            prop_assert_eq!(read.profile, told.then_some(sent.profile));
            let again = OutgoingNotification { profile: sent.profile, ..OutgoingNotification::from(&read) };
            prop_assert_eq!(&again, &sent);
            prop_assert_eq!(again.encode().unwrap(), bytes);
        }

        #[test]
        fn no_part_of_it_can_be_read(sent in outgoing()) {
            let bytes = sent.encode().unwrap();
            for end in 0..bytes.len() {
                prop_assert_eq!(decode(&bytes[..end]), Err(Malformed::Truncated));
            }
        }

        #[test]
        fn a_changed_byte_never_verifies(
            sent in outgoing(), time in any::<u32>(), at in any::<prop::sample::Index>(), flip in 1u8..,
        ) {
            let mut bytes = sent.sign(b"secret", b"data", Some(time.into())).unwrap();
            prop_assert!(decode(&bytes).unwrap().digest.unwrap().verify(b"secret", b"data"));
            *at.get_mut(&mut bytes) ^= flip;
            if let Ok(Package0 { digest: Some(digest), .. }) = decode(&bytes) {
                prop_assert!(!digest.verify(b"secret", b"data"));
            }
        }
    }

    #[test]
    fn the_digest_is_of_secret_package_with_zeros_and_data() {
        let sent = OutgoingNotification {
            server_id: Some("acme".into()),
            req_mos: true,
            ..OutgoingNotification::default()
        };
        let signed = sent.sign(b"secret", b"", Some(0x0102_0304)).unwrap();
        let mut zeroed = b"secret\x21\x80\x10\x04acme\x30\x24\x01\x02\x03\x04".to_vec();
        zeroed.extend([0; 32]);
        zeroed.extend(b"\x10\x00");
        let expected: [u8; 32] = Sha256::digest(&zeroed).into();
        assert_eq!(signed[14..46], expected);

        let approved = OutgoingNotification { profile: Profile::Approved, ..sent };
        let signed = approved.sign(b"secret", b"data", Some(0x0102_0304)).unwrap();
        let mut zeroed = b"secret\x22\x00\x10\x04acme\x30\x20".to_vec();
        zeroed.extend([0; 32]);
        zeroed.extend(b"\x10\x04\x01\x02\x03\x04\x10\x00data");
        let expected: [u8; 32] = Sha256::digest(&zeroed).into();
        assert_eq!(signed[10..42], expected);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let plain = OutgoingNotification::default();
        let error = |outgoing: OutgoingNotification| outgoing.encode().unwrap_err();
        let long = OutgoingNotification { server_id: Some("x".repeat(4096)), ..plain.clone() };
        assert_eq!(error(long), Unencodable::Length { option: 1, length: 4096 });
        let empty = OutgoingNotification { server_id: Some(String::new()), ..plain.clone() };
        assert_eq!(error(empty), Unencodable::Length { option: 1, length: 0 });
        let many = OutgoingNotification { requested: vec![(0, vec![1]); 32], ..plain.clone() };
        assert_eq!(error(many), Unencodable::Options(32));
        let control = OutgoingNotification { server_id: Some("a\n".into()), ..plain.clone() };
        assert_eq!(error(control), Unencodable::Malformed(Malformed::ServerId));
        assert_eq!(plain.sign(b"s", b"", None), Err(Unencodable::Time(None)));
        assert_eq!(plain.sign(b"s", b"", Some(1 << 32)), Err(Unencodable::Time(Some(1 << 32))));
    }
}
