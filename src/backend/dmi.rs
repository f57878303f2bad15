//! What firmware says where nobody told it what to say.

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
