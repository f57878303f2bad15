//! DDF: what is read is written as what is read the same; what readers overlook in it is told of any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use omadm_agent::ddf::{Format, parse, strict};

fuzz_target!(|bytes: &[u8]| {
    let told = strict(bytes, |format, value| (format == Format::Int && value.is_empty()).then(String::new));
    let Ok(read) = parse(bytes) else {
        return assert!(!told.is_empty(), "what is no DDF is told");
    };
    assert_eq!(parse(read.to_xml().as_bytes()), Ok(read));
});
