//! DDF: what is read is written as what is read the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use omadm_agent::ddf::parse;

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = parse(bytes) else { return };
    assert_eq!(parse(read.to_xml().as_bytes()), Ok(read));
});
