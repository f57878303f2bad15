//! Package#3 with the data of GETs: what is read can be written again and means the same then.
//! The input is the Content-Type, a line feed, the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use omadm_agent::package::{Package3, Profile, encode3, server};

/// The writer replaces media types that could break a header; floating-point numbers in alerts may lose a bit.
fn comparable(mut package: Package3) -> Package3 {
    for part in &mut package.parts {
        part.content_type.clear();
    }
    for alert in &mut package.alerts {
        alert.data = None;
    }
    package
}

fuzz_target!(|input: &[u8]| {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(content_type) = std::str::from_utf8(&input[..end]) else { return };
    let body = &input[end + 1..];
    for profile in [Profile::Draft, Profile::Approved] {
        let Ok(read) = server::decode3(profile, content_type, body) else { continue };
        let written = encode3(profile, &read, body.len() as u64);
        let again = server::decode3(profile, &written.content_type, &written.body)
            .expect("what was written can be read");
        assert_eq!(comparable(again), comparable(read));
    }
});
