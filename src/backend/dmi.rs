//! DMI fields of firmware that nobody told what to say.

use crate::base::Order as _;

/// Whether `path` is a DMI field whose text is a maker's placeholder: as good as no text at all.
pub(super) fn is_placeholder(path: &str, text: &[u8]) -> bool {
    const PLACEHOLDERS: [&str; 20] = [
        "asset-1234567890",
        "chassis manufacture",
        "chassis manufacturer",
        "default string",
        "empty",
        "invalid",
        "n/a",
        "no asset information",
        "none",
        "not applicable",
        "not available",
        "not specified",
        "o.e.m.",
        "oem",
        "system manufacturer",
        "system product name",
        "system version",
        "to be filled by o.e.m.",
        "undefined",
        "unknown",
    ];
    let generic = |text: &str| {
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0').to_ascii_lowercase();
        let zeros = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0' | b'x' | b'.' | b'-'));
        zeros || PLACEHOLDERS.contains(&text.as_str())
    };
    path.starts_with("/sys/class/dmi/id/") && std::str::from_utf8(text).is_ok_and(generic)
}

/// The text of a field, as it is meant.
pub(super) fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_matches(|c: char| c.is_whitespace() || c == '\0').to_owned()
}

/// Whether a serial number may be that of one machine only.
pub(super) fn is_sane_serial(serial: &str) -> bool {
    const WORDS: [&str; 6] = ["serial", "o.e.m", "default", "none", "not ", "unknown"];
    const COUNTS: [&str; 2] = ["01234567890123456789", "0123456789abcdef"];
    let lower = serial.to_ascii_lowercase();
    let printable =
        (4..=128).contains(&serial.len()) && serial.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let mut kinds: Vec<char> = lower.chars().filter(char::is_ascii_alphanumeric).collect();
    kinds.order();
    kinds.dedup();
    let counts = COUNTS.iter().any(|count| count.contains(&lower));
    printable
        && kinds.len() > 2
        && !counts
        && !WORDS.iter().any(|word| lower.contains(word))
        && !is_placeholder("/sys/class/dmi/id/", serial.as_bytes())
}

/// A UUID, if it may be that of one machine only.
pub(super) fn sane_uuid(text: &str) -> Option<String> {
    // What board makers' tools have in the place of one.
    const SAMPLES: [&str; 4] = [
        "03000200-0400-0500-0006-000700080009",
        "00020003-0004-0005-0006-000700080009",
        "03020100-0504-0706-0809-0a0b0c0d0e0f",
        "12345678-1234-5678-90ab-cddeefaabbcc",
    ];
    let lower = text.to_ascii_lowercase();
    let parts: Vec<usize> = lower.split('-').map(str::len).collect();
    let digits = lower.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    let sane =
        parts == [8, 4, 4, 4, 12] && digits && is_sane_serial(&lower) && !SAMPLES.contains(&lower.as_str());
    sane.then_some(lower)
}

#[cfg(test)]
mod tests {
    use super::is_placeholder;

    #[test]
    fn placeholders_are_no_names() {
        for junk in
            ["To Be Filled By O.E.M.\n", "Default string  ", "System Product Name", "x.x", "0000-00", "None"]
        {
            assert!(is_placeholder("/sys/class/dmi/id/product_name", junk.as_bytes()), "{junk}");
        }
        for real in ["PC Engines", "APU2", "1.0", "", "Empty Space Ltd"] {
            assert!(!is_placeholder("/sys/class/dmi/id/product_name", real.as_bytes()), "{real}");
        }
        assert!(!is_placeholder("/etc/vendor", b"None\n"));
    }
}
