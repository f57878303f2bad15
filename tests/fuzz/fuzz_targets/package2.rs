//! Package#2: what is read can be written again and means the same then.
#![no_main]

use libfuzzer_sys::fuzz_target;
use omadm_agent::package::{REQUEST, decode, server};

fuzz_target!(|body: &[u8]| {
    let Ok(read) = decode(Some(REQUEST), body) else { return };
    let written = server::encode2(&read);
    let again = decode(Some(&written.content_type), &written.body).expect("what was written can be read");
    assert_eq!(again, read);
});
