//! The search for the element of a document that was never closed, where it is not well-formed. A parser stumbles over
//! it where the next end tag does not fit, which may be far from there.

/// An element that is never closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unclosed<'a> {
    pub(super) name: &'a str,
    /// The offset of its start tag.
    pub(super) at: usize,
    /// The end tag that comes instead, and its offset; none: the document ends.
    pub(super) instead: Option<(&'a str, usize)>,
}

/// The spans that are skipped: comments, literal text, instructions, declarations.
const SPANS: [(&str, &str); 4] = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>"), ("<!", ">")];

/// An element that is open.
#[derive(Clone, Copy)]
struct Open<'a> {
    name: &'a str,
    at: usize,
    /// The white space before its start tag, where nothing else is before it in its line.
    indent: Option<&'a str>,
}

/// The element that was never closed, as far as can be told; none where something else is wrong.
///
/// Elements of one name close each other, and the end tag that is missing is missed by the outermost: where lines are
/// indented, that tells which one it was.
pub(super) fn find(text: &str) -> Option<Unclosed<'_>> {
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut suspect = None;
    let mut line = LineCursor { start: 0, blank: true, at: 0 };
    let mut at = 0;
    while let Some(offset) = text.get(at..)?.find('<') {
        at += offset;
        let rest = text.get(at..)?;
        if let Some((start, end)) = SPANS.iter().find(|(start, _)| rest.starts_with(start)) {
            at += start.len() + rest.get(start.len()..)?.find(end)? + end.len();
            continue;
        }
        let length = tag(rest)?;
        let inner = rest.get(1..length - 1)?;
        let indent = line.indent(text, at);
        let instead = (name(inner.strip_prefix('/').unwrap_or(inner)), at);
        if inner.starts_with('/') {
            match open.pop() {
                Some(last) if last.name == instead.0 => {
                    let outer = indent
                        .zip(last.indent)
                        .is_some_and(|(end, start)| end.len() < start.len() && start.starts_with(end));
                    if outer && suspect.is_none() {
                        suspect = Some(Unclosed { name: last.name, at: last.at, instead: Some(instead) });
                    }
                }
                // An end tag of nothing that is open is itself what is wrong.
                Some(last) if open.iter().any(|open| open.name == instead.0) => {
                    return suspect.or(Some(Unclosed {
                        name: last.name,
                        at: last.at,
                        instead: Some(instead),
                    }));
                }
                _ => return None,
            }
        } else if !inner.ends_with('/') {
            open.push(Open { name: instead.0, at, indent });
        }
        at += length;
    }
    let last = open.pop()?;
    suspect.or(Some(Unclosed { name: last.name, at: last.at, instead: None }))
}

/// The length of the tag that `rest` begins with; none where it has no end before the next one.
fn tag(rest: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in rest.char_indices().skip(1) {
        match (quote, c) {
            (None, '>') => return Some(at + 1),
            (None, '<') => return None,
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

fn name(inner: &str) -> &str {
    inner.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default()
}

/// The line of a place in the text, known at the next place without a second look at what is before it: a document may
/// have one line.
struct LineCursor {
    start: usize,
    /// Whether there is white space alone up to `at`.
    blank: bool,
    at: usize,
}

impl LineCursor {
    /// Goes on to `at`, and returns what is before that in its line, if that is white space alone.
    fn indent<'a>(&mut self, text: &'a str, at: usize) -> Option<&'a str> {
        let passed = text.get(self.at..at)?;
        let is_blank = |text: &str| text.trim_start().is_empty();
        match passed.rsplit_once('\n') {
            Some((_, rest)) => (self.start, self.blank) = (at - rest.len(), is_blank(rest)),
            None => self.blank = self.blank && is_blank(passed),
        }
        self.at = at;
        text.get(self.start..at).filter(|_| self.blank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name and line of the unclosed element, and the line of what comes instead.
    fn found(text: &str) -> Option<(&str, usize, Option<usize>)> {
        let line = |at: usize| text[..at].matches('\n').count() + 1;
        find(text).map(|found| (found.name, line(found.at), found.instead.map(|(_, at)| line(at))))
    }

    #[test]
    fn the_element_that_was_never_closed_is_found_where_it_begins() {
        assert_eq!(found("<a>\n <b>\n  <c>x\n  <d/>\n </b>\n</a>"), Some(("c", 3, Some(5))));
        assert_eq!(found("<a>\n <b>\n"), Some(("b", 2, None)));
        assert_eq!(found("<a><b k='>'>\n<!-- <x> --><![CDATA[<y>]]><?z <z>?></a>"), Some(("b", 1, Some(2))));
    }

    #[test]
    fn of_elements_of_one_name_the_indentation_tells_which() {
        let text = "<t>\n  <n>\n    <n>\n      <v>1</v>\n    <n>\n    </n>\n  </n>\n</t>\n";
        assert_eq!(found(text), Some(("n", 3, Some(7))));
        assert_eq!(found(&text.replace("  ", "")), Some(("n", 2, Some(8))), "nothing tells");
    }

    #[test]
    fn a_document_of_one_line_costs_no_more_than_in_proportion_to_its_length() {
        let begun = std::time::Instant::now();
        let found = find(&"<n>".repeat(320_000)).map(|found| found.at);
        assert_eq!(found, Some(3 * 319_999));
        assert_eq!(
            find(&format!("{}{}", " ".repeat(1 << 20), "<n>".repeat(320_000))).map(|it| it.at % 3),
            Some(1)
        );
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "{:?}", begun.elapsed());
    }

    #[test]
    fn what_is_before_a_tag_in_its_line_is_no_indentation() {
        assert_eq!(found("<t>\n  <b>\n    x<n>\n  </n>\n  </b>\n</t><t>"), Some(("t", 6, None)));
        assert_eq!(found("<t>\n  <b>\n   <n>\n  </n>\n  </b>\n</t><t>"), Some(("n", 3, Some(4))));
    }

    #[test]
    fn an_end_tag_of_nothing_and_a_tag_without_an_end_are_something_else() {
        for text in ["<a>\n<b></c></a>", "<a></a></a>", "<a <b></b></a>", "</a>", "", "<a></a>"] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
