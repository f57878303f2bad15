//! What an EXEC's program reports: any bytes, and only what `output` lists comes of them.
#![no_main]

use std::pin::pin;
use std::task::{Context, Waker};

use libfuzzer_sys::fuzz_target;
use omadm_agent::backend::Reports;

fuzz_target!(|bytes: &[u8]| {
    let keys = ["State", "../Note"];
    let reports = Reports::new(keys.map(str::to_owned).to_vec());
    // Bytes that are there make nobody wait.
    let read = pin!(reports.read(bytes, "job", "urn:m/1/Job"));
    assert!(read.poll(&mut Context::from_waker(Waker::noop())).is_ready());
    assert!(reports.take().keys().all(|key| keys.contains(&key.as_str())));
    assert!(reports.take().is_empty());
});
