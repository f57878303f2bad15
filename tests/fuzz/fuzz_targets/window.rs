//! Windows of EXECs, with time zones of any bytes: the next opening is later than now, and open.
#![no_main]

use libfuzzer_sys::fuzz_target;
use omadm_agent::base::wall_time::Zone;
use omadm_agent::mo::window::Window;

// The bytes are a time, a window on a line, and a time zone.
fuzz_target!(|bytes: &[u8]| {
    let Some((now, rest)) = bytes.split_first_chunk() else { return };
    let mut parts = rest.splitn(2, |byte| *byte == b'\n');
    let (Some(Ok(text)), zone) = (parts.next().map(str::from_utf8), parts.next()) else { return };
    let Ok(window) = text.parse::<Window>() else { return };
    assert_eq!(window.to_string().parse(), Ok(window.clone()));
    let (now, zone) = (u32::from_be_bytes(*now).into(), Zone::of(zone.unwrap_or_default()));
    if let Some((at, shown)) = window.opens(now, |at| zone.at(at)) {
        assert!(at >= now && window.is_open(shown) && zone.at(at) == shown);
    }
});
