//! Requests to the privileged helper: what is read is written and read again as the same, and no frame is too long.
#![no_main]

use libfuzzer_sys::fuzz_target;
use omadm_agent::helper_protocol::{MAX_FRAME, frame, length, parse};

fuzz_target!(|bytes: &[u8]| {
    if let Some((header, _)) = bytes.split_first_chunk() {
        assert!(length(*header).is_none_or(|length| length <= MAX_FRAME));
    }
    let Ok(request) = parse(bytes) else { return };
    let Some(framed) = frame(&request) else { return };
    let Some((header, content)) = framed.split_first_chunk() else { panic!("no header") };
    assert_eq!(length(*header), Some(content.len()));
    // What was left out is written, and may be a part too many.
    if let Ok(again) = parse(content) {
        assert_eq!(again, request);
    }
});
