//! What comes from outside, on one core: Package#0, and the slowest document that a repository can send.

use std::fmt::Write;
use std::hint::black_box;
use std::time::Duration;

use omadm_agent::bearer::ConnectionType;
use omadm_agent::lab::notifier::Notification;
use omadm_agent::mo::tnds;
use omadm_agent::notification::package::decode;

use crate::{Table, millis, rate};

/// Packages for one timing: a look at the clock costs more than to decode one.
const BATCH: usize = 1000;

pub(crate) fn package0(table: &mut Table) {
    let secret = b"a secret of 24 characters".as_slice();
    let packages: Vec<Vec<u8>> = (0..8)
        .map(|id| {
            let preferred =
                if id % 2 == 0 { vec![] } else { vec![ConnectionType::Mobile, ConnectionType::AnyAvailable] };
            let notification =
                Notification { preferred, request_mos: id % 3 == 0, ..Notification::new("acme", secret, id) };
            notification.package().unwrap()
        })
        .collect();
    let decoded = rate(|| {
        for package in packages.iter().cycle().take(BATCH) {
            black_box(decode(black_box(package)).unwrap());
        }
    }) * BATCH as f64;
    table.row("Package#0: decode", per_second(decoded), "≥ 30 M/s", Some(decoded >= 30e6));
    let verified = rate(|| {
        for package in packages.iter().cycle().take(BATCH) {
            let digest = decode(black_box(package)).unwrap().digest.unwrap();
            assert!(black_box(digest.verify(secret, b"")));
        }
    }) * BATCH as f64;
    table.row("Package#0: decode and verify SHA-256", per_second(verified), "≥ 2 M/s", Some(verified >= 2e6));
}

/// As large as is retrieved, as many elements as are read, and all that can be mended at its end.
pub(crate) fn hostile_xml(table: &mut Table) {
    let mut document = "<MgmtTree><Node><NodeName>n</NodeName></Node>".to_owned();
    document.push_str(&"<x>abcdefghi</x>\n".repeat(66_000));
    document.push_str(&"y".repeat(3_000_000 - document.len()));
    for number in 0..16 {
        write!(document, "<p{number}:x/>").unwrap();
    }
    document.push_str("</MgmtTree>");
    let read = || black_box(tnds::parse(black_box(document.as_bytes())));
    assert!(read().is_ok(), "it is mended");
    let time = Duration::from_secs_f64(1.0 / rate(|| drop(read())));
    table.note(&format!("DM 1.x document of {} bytes, to be mended", document.len()), millis(time));
}

fn per_second(rate: f64) -> String {
    format!("{:.2} M/s", rate / 1e6)
}
