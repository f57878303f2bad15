//! Types of alerts.

/// Whether this names a type of alerts: a URN, or a reversed domain name, as the management objects of DM 1.x have.
#[must_use]
pub fn is_alert_type(text: &str) -> bool {
    const LONGEST: usize = 255;
    let visible = text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic());
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_urn = match text.split_at_checked(4) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("urn:") => {
            rest.split_once(':').is_some_and(|(space, name)| is_label(space) && !name.is_empty())
        }
        _ => false,
    };
    let is_domain = || {
        text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.contains('.')
            && text.split('.').all(is_label)
    };
    visible && (is_urn || is_domain())
}
