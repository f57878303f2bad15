//! The prolog of a document, which stands before its element, reduced to what the XML parser understands.
//!
//! Everything else is blanked out, so that lines and columns stay what they are.

/// What the prolog says of entities.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Prolog {
    /// Whether the document type refers to something outside, which is never fetched: entities may be declared there.
    pub(super) is_external: bool,
}

/// The text without its XML declaration (it has been decoded; the rest of it is of no use), and with nothing in its
/// document type but entities.
pub(super) fn cleaned(text: &str) -> (String, Prolog) {
    let mut out = String::with_capacity(text.len());
    let mut prolog = Prolog { is_external: false };
    let mut rest = text;
    while let Some((piece, kind)) = next_piece(rest) {
        match kind {
            Kind::Kept => out.push_str(piece),
            Kind::Blank => blank(piece, &mut out),
            Kind::Doctype => {
                prolog.is_external |= doctype(piece, &mut out);
            }
        }
        rest = rest.get(piece.len()..).unwrap_or_default();
    }
    out.push_str(rest);
    (out, prolog)
}

enum Kind {
    Kept,
    Blank,
    Doctype,
}

/// The next piece of the prolog; none where the document's element begins, or what is no XML.
fn next_piece(text: &str) -> Option<(&str, Kind)> {
    let first = text.chars().next()?;
    if first == '\u{feff}' || first == '\0' {
        return Some((text.get(..first.len_utf8())?, Kind::Blank));
    }
    if first.is_whitespace() {
        let length = text.len() - text.trim_start().len();
        return Some((text.get(..length)?, if first.is_ascii() { Kind::Kept } else { Kind::Blank }));
    }
    if text.starts_with("<!--") {
        return Some((upto(text, 4, "-->")?, Kind::Kept));
    }
    if let Some(declaration) = text.strip_prefix("<?xml")
        && declaration.starts_with(|c: char| c.is_whitespace() || c == '?')
    {
        return Some((upto(text, 5, "?>")?, Kind::Blank));
    }
    if text.starts_with("<?") {
        return Some((upto(text, 2, "?>")?, Kind::Kept));
    }
    if text.get(..KEYWORD.len())?.eq_ignore_ascii_case(KEYWORD) {
        return Some((text.get(..doctype_length(text)?)?, Kind::Doctype));
    }
    None
}

/// The start of `text` through the first `end` after `skip` bytes.
fn upto<'a>(text: &'a str, skip: usize, end: &str) -> Option<&'a str> {
    let found = text.get(skip..)?.find(end)?;
    text.get(..skip + found + end.len())
}

const KEYWORD: &str = "<!DOCTYPE";
/// The spans in which brackets are text: comments, instructions and literals.
const SPANS: [(&str, &str); 4] = [("<!--", "-->"), ("<?", "?>"), ("\"", "\""), ("'", "'")];

fn doctype_length(text: &str) -> Option<usize> {
    let mut rest = text;
    let mut in_subset = false;
    loop {
        if let Some((open, close)) = SPANS.iter().find(|(open, _)| rest.starts_with(open)) {
            rest = rest.get(upto(rest, open.len(), close)?.len()..)?;
            continue;
        }
        let mut characters = rest.chars();
        match characters.next()? {
            '[' => in_subset = true,
            ']' => in_subset = false,
            '>' if !in_subset => return Some(text.len() - characters.as_str().len()),
            _ => {}
        }
        rest = characters.as_str();
    }
}

/// Keeps the document type's name and the entities that have a value here. Returns whether anything external is
/// referred to.
fn doctype(text: &str, out: &mut String) -> bool {
    let start = out.len();
    let mut is_external = false;
    let mut has_entities = false;
    let named = text.get(KEYWORD.len()..).map_or(0, |rest| {
        let name = rest.trim_start();
        rest.len() - name.len() + name.find(|c: char| c.is_whitespace() || "[>".contains(c)).unwrap_or(0)
    });
    out.push_str(KEYWORD);
    out.push_str(text.get(KEYWORD.len()..KEYWORD.len() + named).unwrap_or_default());
    let mut rest = text.get(KEYWORD.len() + named..).unwrap_or_default();
    while let Some(first) = rest.chars().next() {
        let (length, is_kept) = if rest.starts_with("<!ENTITY") {
            let length = entity_length(rest).unwrap_or(rest.len());
            let is_internal = is_internal(rest.get(..length).unwrap_or_default());
            has_entities |= is_internal;
            is_external |= !is_internal;
            (length, is_internal)
        } else if let Some((open, close)) = SPANS.iter().find(|(open, _)| rest.starts_with(open)) {
            (upto(rest, open.len(), close).map_or(rest.len(), str::len), false)
        } else {
            is_external |= ["SYSTEM", "PUBLIC", "%"].iter().any(|word| rest.starts_with(word));
            (first.len_utf8(), matches!(first, '[' | ']') || rest == ">")
        };
        let (piece, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        if is_kept {
            out.push_str(piece);
        } else {
            blank(piece, out);
        }
        rest = after;
    }
    if !has_entities {
        out.truncate(start);
        blank(text, out);
    }
    is_external
}

fn entity_length(text: &str) -> Option<usize> {
    let mut rest = text;
    loop {
        rest = rest.get(rest.find(['"', '\'', '>'])?..)?;
        let first = rest.chars().next()?;
        if first == '>' {
            return Some(text.len() - rest.len() + 1);
        }
        rest = rest.get(1 + rest.get(1..)?.find(first)? + 1..)?;
    }
}

/// Whether a declaration is `<!ENTITY name "value">`, and not a parameter entity or one that is elsewhere.
fn is_internal(declaration: &str) -> bool {
    let mut words = declaration.split_whitespace().skip(1);
    let is_general = words.next().is_some_and(|name| !name.starts_with('%'));
    is_general && words.next().is_some_and(|value| value.starts_with(['"', '\'']))
}

fn blank(text: &str, out: &mut String) {
    out.extend(text.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
}
