//! Much of everything that a gateway may have, as files.

use std::fmt::Write as _;

/// Leases of dnsmasq.
pub(crate) fn leases(count: usize) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let (high, low) = (number >> 8, number & 255);
        let _ =
            writeln!(text, "4102444800 02:00:5e:00:{high:02x}:{low:02x} 10.0.{high}.{low} host-{number} *");
        text
    })
}

/// What dpkg says of its packages.
pub(crate) fn packages(count: usize) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let _ = write!(
            text,
            "Package: package-{number}\nStatus: install ok installed\nPriority: optional\nSection: net\n\
             Installed-Size: 1234\nMaintainer: Somebody <a@b.example>\nArchitecture: amd64\n\
             Version: 1.{number}-2\nDepends: libc6 (>= 2.34), libssl3 (>= 3.0.0)\n\
             Description: what package {number} is good for\n It is long.\n .\n And has lines.\n\n"
        );
        text
    })
}

/// Network interfaces below `/sys`.
pub(crate) fn links(count: usize) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for number in 0..count {
        let of = |file: &str| format!("sys/class/net/eth{number}/{file}");
        for (file, content) in [("ifindex", (number + 1).to_string()), ("mtu", "1500".to_owned())] {
            all.push((of(file), content));
        }
        for file in ["operstate", "carrier", "flags", "type", "statistics/rx_bytes", "statistics/tx_bytes"] {
            all.push((of(file), "1".to_owned()));
        }
    }
    all
}
