//! Package#0: what decodes can be written again and means the same then.
#![no_main]

use libfuzzer_sys::fuzz_target;
use omadm_agent::notification::outgoing::OutgoingNotification;
use omadm_agent::notification::package::decode;

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = decode(bytes) else { return };
    if let Some(digest) = read.digest {
        assert!(!digest.verify(b"a secret that nobody knows", b""));
        assert_eq!(&bytes[digest.offset()..digest.offset() + 32], digest.value());
    }
    let outgoing = OutgoingNotification::from(&read);
    // A draft that asks for the MOS array by option 6 is written with option 5.
    let written = outgoing.encode().expect("what was read can be written");
    let again = decode(&written).expect("what was written can be read");
    assert_eq!(OutgoingNotification { profile: outgoing.profile, ..OutgoingNotification::from(&again) }, outgoing);
});
