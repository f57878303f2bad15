//! References to entities that nobody declares.

use crate::base::OneByOne as _;
use std::collections::BTreeSet;

const PREDEFINED: [&str; 5] = ["lt", "gt", "amp", "quot", "apos"];
/// The spans in which an ampersand is only that.
const LITERAL: [(&str, &str); 3] = [("<![CDATA[", "]]>"), ("<!--", "-->"), ("<?", "?>")];

/// The text in which each reference to an undeclared entity, and each ampersand that begins no reference, is text; none
/// if there was nothing to do.
pub(super) fn as_written(text: &str) -> Option<String> {
    let declared = declared(text);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<']) {
        let (before, from) = rest.split_at_checked(at)?;
        out.push_str(before);
        let (piece, after) = from.split_at_checked(literal(from).unwrap_or(1))?;
        out.push_str(if piece == "&" && !is_known(after, &declared) { "&amp;" } else { piece });
        rest = after;
    }
    out.push_str(rest);
    (out.len() > text.len()).then_some(out)
}

/// The names of the document type's entities. One that is only in a comment keeps a reference what it was: wrong.
fn declared(text: &str) -> BTreeSet<&str> {
    let words = text.match_indices("<!ENTITY").filter_map(|(at, word)| text.get(at + word.len()..));
    words.filter_map(|declaration| declaration.split_whitespace().next()).one_by_one()
}

/// The length of the literal span that starts here, in which no reference can be.
pub(super) fn literal(text: &str) -> Option<usize> {
    let (open, close) = LITERAL.into_iter().find(|(open, _)| text.starts_with(open))?;
    let inside = text.get(open.len()..)?;
    Some(inside.find(close).map_or(text.len(), |at| open.len() + at + close.len()))
}

/// Whether what stands behind an ampersand makes a reference that the XML parser knows.
fn is_known(after: &str, declared: &BTreeSet<&str>) -> bool {
    let end = after.find(|c: char| !(c.is_alphanumeric() || matches!(c, '#' | '_' | '-' | '.' | ':')));
    let Some((name, end)) = end.and_then(|end| after.split_at_checked(end)) else { return false };
    end.starts_with(';')
        && match name.strip_prefix('#') {
            Some(number) => is_number(number),
            None => PREDEFINED.contains(&name) || declared.contains(name),
        }
}

/// Whether `text` is the number of a character that XML can hold.
fn is_number(text: &str) -> bool {
    let (digits, radix) = match text.strip_prefix('x') {
        Some(hexadecimal) => (hexadecimal, 16),
        None => (text, 10),
    };
    let number = if digits.starts_with('+') { None } else { u32::from_str_radix(digits, radix).ok() };
    number.and_then(char::from_u32).is_some_and(
        |c| !matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}'),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_declares_becomes_text() {
        for (text, expected) in [
            ("a&nbsp;b &copy; & c &", "a&amp;nbsp;b &amp;copy; &amp; c &amp;"),
            ("<a b='&x;'/>&lt;&#10;&#x2F;&x;", "<a b='&amp;x;'/>&lt;&#10;&#x2F;&amp;x;"),
            ("&#;&#x;&#xg;&x y;", "&amp;#;&amp;#x;&amp;#xg;&amp;x y;"),
            ("&#0;&#11;&#xD83D;&#x110000;&#10;", "&amp;#0;&amp;#11;&amp;#xD83D;&amp;#x110000;&#10;"),
            ("<!ENTITY e 'v'>&e;&f;", "<!ENTITY e 'v'>&e;&amp;f;"),
            ("<![CDATA[&a;]]>&a;<!--&a;--><?p &a;?>&é;", "<![CDATA[&a;]]>&amp;a;<!--&a;--><?p &a;?>&amp;é;"),
            ("&a;<!-- &b;", "&amp;a;<!-- &b;"),
        ] {
            assert_eq!(as_written(text).as_deref(), Some(expected));
            assert_eq!(as_written(expected), None, "nothing is left to do");
        }
    }
}
