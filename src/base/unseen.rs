//! Characters that nobody sees: text from outside must neither steer a terminal with them nor look like other text.

/// Whether a character is one that is not seen, and changes how what is around it is shown: a control character, one
/// that turns the direction of text or hides in it, one that begins a line. The two joiners are not among them: some
/// scripts are not written without.
pub(crate) fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_or_hides_text_is_not_seen() {
        let seen = "aä漢ש\u{301}\u{200c}\u{200d}👩\u{fe0f} ";
        assert!(!seen.contains(is_unseen), "{seen:?}");
        for c in [
            '\0', '\n', '\u{1b}', '\u{7f}', '\u{9b}', '\u{ad}', '\u{200b}', '\u{200f}', '\u{2029}',
            '\u{feff}',
        ] {
            assert!(is_unseen(c), "{c:?}");
        }
        let bidi = "\u{61c}\u{200e}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}\u{e0041}";
        assert!(bidi.chars().all(is_unseen));
    }
}
