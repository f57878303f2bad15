//! Prefixes of namespaces that a vendor forgot to declare.

use std::collections::BTreeSet;

use super::references::literal;
use crate::base::OneByOne as _;

/// The most prefixes that may lack a declaration.
const MOST: usize = 16;

/// The text in which the element called `root` declares every prefix that is used and not declared up to there,
/// `refused` among them; none if there is no such element, nothing to do, or too much.
///
/// All at once: each of them alone would cost the document's length anew.
pub(super) fn declared(text: &str, root: &str, refused: &str) -> Option<String> {
    let after_name = after_name(text, root)?;
    let (before, after) = text.split_at_checked(after_name)?;
    let tag = after.get(..tag(after, |_| {}))?;
    let known: BTreeSet<&str> = [before, tag].into_iter().flat_map(declarations).one_by_one();
    let mut missing = used(text);
    missing.insert(refused);
    missing.retain(|prefix| !known.contains(prefix) && !["xml", "xmlns", ""].contains(prefix));
    if missing.is_empty() || missing.len() > MOST {
        return None;
    }
    let missing = missing.iter().map(|prefix| format!(" xmlns:{prefix}=\"urn:x-omadm:undeclared:{prefix}\""));
    Some(format!("{before}{}{after}", missing.collect::<String>()))
}

/// The offset behind the name in the first tag called `root`, whatever its prefix.
fn after_name(text: &str, root: &str) -> Option<usize> {
    text.match_indices(root).find_map(|(at, name)| {
        let before = text.get(..at)?;
        let tag = match before.strip_suffix(':') {
            Some(prefixed) => prefixed.trim_end_matches(|c: char| c.is_alphanumeric() || c == '-'),
            None => before,
        };
        tag.ends_with('<').then_some(at + name.len())
    })
}

fn declarations(text: &str) -> impl Iterator<Item = &str> {
    let names = text.match_indices("xmlns:").filter_map(|(at, xmlns)| text.get(at + xmlns.len()..));
    names.filter_map(|name| name.split(|c: char| c == '=' || c.is_whitespace()).next())
}

/// The prefixes of all elements and attributes.
fn used(text: &str) -> BTreeSet<&str> {
    let mut used = BTreeSet::new();
    let mut rest = text;
    while let Some(from) = rest.find('<').and_then(|at| rest.get(at..)) {
        let length = literal(from).unwrap_or_else(|| {
            tag(from, |words| {
                let words = words.split(|c: char| c.is_whitespace() || "</=".contains(c));
                used.extend(words.filter_map(|word| word.split_once(':')).map(|(prefix, _)| prefix));
            })
        });
        rest = from.get(length..).unwrap_or_default();
    }
    used
}

/// The length of the tag that `text` begins with, or is in; `each` is shown the pieces of it that no value quotes.
fn tag<'a>(text: &'a str, mut each: impl FnMut(&'a str)) -> usize {
    let mut rest = text;
    while let Some((words, sign)) = rest.find(['>', '"', '\'']).and_then(|at| rest.split_at_checked(at)) {
        each(words);
        let Some((sign, after)) = sign.split_at_checked(1) else { break };
        rest = after;
        if sign == ">" {
            return text.len() - rest.len();
        }
        let Some((_, after)) = rest.split_once(sign) else { break };
        rest = after;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_used_in_a_tag_and_not_declared_before_is_declared_at_once() {
        let text = "<!-- <no:t> --><out xmlns:k='u'><r xmlns:own='u' a='x:>y'><k:a v:b='q:r' w:c = \"\"/></own:x>\
                    <![CDATA[<n:o>]]>z:z<d:e xmlns:d='u'/></r></out>";
        let repaired = declared(text, "r", "v").unwrap();
        let new = |prefix: &str| format!(" xmlns:{prefix}=\"urn:x-omadm:undeclared:{prefix}\"");
        let expected = text.replace("<r ", &format!("<r{}{}{} ", new("d"), new("v"), new("w")));
        assert_eq!(repaired, expected);
        assert_eq!(declared(&repaired, "r", "v"), None, "nothing is left to do");
    }

    #[test]
    fn so_many_are_forgiven_and_no_more() {
        let text = |count: usize| {
            let used: String = (0..count).map(|number| format!("<p{number}:a/>")).collect();
            format!("<p0:r>{used}")
        };
        assert!(declared(&text(MOST), "r", "p0").is_some());
        assert_eq!(declared(&text(MOST + 1), "r", "p0"), None);
        assert_eq!(declared(&text(1), "other", "p0"), None);
        for cut in ["<r", "<r a='", "<r>", "<r><!--", "<r><x:", "<r x:a=\"y"] {
            let _ = declared(cut, "r", "");
        }
    }
}
