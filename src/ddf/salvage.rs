//! Salvaging a description from a document that is not well-formed XML.
//!
//! Vendors publish pages around a tree, comments with `--` in them, tags that are never closed, `<` as it is. Of all
//! that the framework's own elements are kept, in the order and nesting in which a tree can have them.

use crate::base::OneByOne as _;
use crate::base::OrderedMap;
use std::fmt::Write;

/// The most elements open at once; what is deeper is no description.
const MAX_OPEN: usize = 256;
/// The spans in which nothing is a tag: comments, literal text, instructions.
const SPANS: [(&str, &str); 3] = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")];

/// A framework element: its name, and the elements in which it may stand.
pub(super) struct KnownElement {
    pub(super) name: &'static str,
    pub(super) within: &'static [&'static str],
    pub(super) holds: Holds,
}

#[derive(PartialEq)]
pub(super) enum Holds {
    Elements,
    /// One of a few words, each an element.
    Words,
    Text,
}

impl KnownElement {
    const fn new(name: &'static str, within: &'static [&'static str], holds: Holds) -> Self {
        Self { name, within, holds }
    }
}

const TREE: &str = "MgmtTree";
const NODE: &str = "Node";
const FORMAT: &str = "DFFormat";
const IN_TREE: &[&str] = &[TREE];
const IN_NODE: &[&str] = &[NODE];
const IN_PROPERTIES: &[&str] = &["DFProperties", NODE];
pub(super) const KNOWN: [KnownElement; 21] = [
    KnownElement::new(TREE, &[], Holds::Elements),
    KnownElement::new("VerDTD", IN_TREE, Holds::Text),
    KnownElement::new("Man", IN_TREE, Holds::Text),
    KnownElement::new("Mod", IN_TREE, Holds::Text),
    KnownElement::new(NODE, &[NODE, TREE], Holds::Elements),
    KnownElement::new("NodeName", IN_NODE, Holds::Text),
    KnownElement::new("Path", IN_NODE, Holds::Text),
    KnownElement::new("DFProperties", IN_NODE, Holds::Elements),
    KnownElement::new("AccessType", IN_PROPERTIES, Holds::Words),
    KnownElement::new("DefaultValue", IN_PROPERTIES, Holds::Text),
    KnownElement::new("Description", IN_PROPERTIES, Holds::Text),
    KnownElement::new(FORMAT, IN_PROPERTIES, Holds::Words),
    KnownElement::new("Occurrence", IN_PROPERTIES, Holds::Words),
    KnownElement::new("Scope", IN_PROPERTIES, Holds::Words),
    KnownElement::new("DFTitle", IN_PROPERTIES, Holds::Text),
    KnownElement::new("DFType", IN_PROPERTIES, Holds::Words),
    KnownElement::new("CaseSense", IN_PROPERTIES, Holds::Words),
    KnownElement::new("MIME", &["DFType"], Holds::Text),
    KnownElement::new("DDFName", &["DFType"], Holds::Text),
    KnownElement::new("ZeroOrN", &["Occurrence"], Holds::Text),
    KnownElement::new("OneOrN", &["Occurrence"], Holds::Text),
];

fn known(name: &str) -> Option<&'static KnownElement> {
    KNOWN.iter().find(|known| known.name.eq_ignore_ascii_case(name))
}

/// The framework's elements in `text` as a well-formed document, each in its line; none if there is no tree that is
/// whole.
pub(super) fn salvage(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let (start, root) =
        first_tag(&lower, TREE).map(|at| (at, TREE)).or(Some((first_tag(&lower, NODE)?, NODE)))?;
    let mut salvage =
        Salvage { out: String::new(), open: Vec::new(), prefix: "", skipped: None, ends: ends(text) };
    blank(text.get(..start)?, &mut salvage.out);
    salvage.out.push_str("<MgmtTree>");
    if root == NODE {
        salvage.open.extend(known(TREE));
    }
    let mut rest = text.get(start..)?;
    let last_ends = SPANS.map(|(_, close)| text.rfind(close).map_or(usize::MAX, |at| text.len() - at));
    while !rest.is_empty() && salvage.open.len() <= MAX_OPEN {
        let (token, length) = token(rest, &last_ends);
        let (piece, after) = rest.split_at_checked(length)?;
        salvage.take(&token, piece, rest.len());
        rest = after;
    }
    let is_whole = salvage.open.len() == usize::from(root == NODE);
    salvage.out.push_str("</MgmtTree>");
    is_whole.then_some(salvage.out)
}

/// The offset of the first tag of this name, whatever its prefix; both texts are in lower case.
fn first_tag(lower: &str, name: &str) -> Option<usize> {
    let name = name.to_ascii_lowercase();
    lower.match_indices('<').map(|(at, _)| at).find(|&at| {
        let tag =
            lower.get(at + 1..).and_then(|tag| tag.split(|c| !is_of_name(c)).next()).unwrap_or_default();
        tag.rsplit(':').next() == Some(&name)
    })
}

/// The last end tag of each name, as its distance from the end of the text.
fn ends(text: &str) -> OrderedMap<&str, usize> {
    let tags = text.match_indices("</").filter_map(|(at, _)| Some((text.get(at + 2..)?, at)));
    tags.filter_map(|(tag, at)| Some((tag.split(|c| !is_of_name(c)).next()?, text.len() - at))).one_by_one()
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, ':' | '_' | '-' | '.')
}

enum Token<'a> {
    Start {
        name: &'a str,
        is_empty: bool,
    },
    End {
        name: &'a str,
    },
    Text,
    /// Literal text, in which nothing is a sign.
    Literal(&'a str),
    Nothing,
}

/// The first token in `text`, and its length. No end of a span is looked for where none can be: `last_ends` are their
/// distances from the end.
fn token<'a>(text: &'a str, last_ends: &[usize; SPANS.len()]) -> (Token<'a>, usize) {
    let Some(tag) = text.strip_prefix('<') else {
        return (Token::Text, text.find('<').unwrap_or(text.len()));
    };
    for ((open, close), last_end) in SPANS.iter().zip(last_ends) {
        if *last_end <= text.len()
            && let Some(inside) = text.strip_prefix(open)
            && let Some((inside, _)) = inside.split_once(*close)
        {
            let literal = if *close == "]]>" { Token::Literal(inside) } else { Token::Nothing };
            return (literal, open.len() + inside.len() + close.len());
        }
    }
    if tag.starts_with('!') {
        return (Token::Nothing, text.find('>').map_or(text.len(), |at| at + 1));
    }
    let name = tag.trim_start();
    let (is_end, name) = match name.strip_prefix('/') {
        Some(name) => (true, name.trim_start()),
        None => (false, name),
    };
    let name = name.split(|c| !is_of_name(c)).next().unwrap_or_default();
    match end_of_tag(tag) {
        Some(inside) if !name.is_empty() => {
            let is_empty = tag.get(..inside).is_some_and(|tag| tag.ends_with('/'));
            (if is_end { Token::End { name } } else { Token::Start { name, is_empty } }, inside + 2)
        }
        _ => (Token::Text, 1),
    }
}

/// The offset of a tag's `>`: no value quotes it, if values are quoted at all. Nothing has another `<` before it.
fn end_of_tag(tag: &str) -> Option<usize> {
    let tag = tag.get(..tag.find('<').unwrap_or(tag.len()))?;
    let mut quoted_by = None;
    for (at, sign) in tag.match_indices(['>', '"', '\'']) {
        match (sign, quoted_by) {
            (">", None) => return Some(at),
            (">", _) => {}
            (_, None) => quoted_by = Some(sign),
            (_, Some(quote)) => quoted_by = Some(quote).filter(|quote| *quote != sign),
        }
    }
    tag.find('>')
}

struct Salvage<'a> {
    out: String,
    open: Vec<&'static KnownElement>,
    /// The prefix of the framework's names.
    prefix: &'a str,
    /// The foreign element that is being skipped, and how often it is in itself.
    skipped: Option<(&'a str, usize)>,
    /// The distance of each name's last end tag from the end of the document.
    ends: OrderedMap<&'a str, usize>,
}

impl<'a> Salvage<'a> {
    fn take(&mut self, token: &Token<'a>, piece: &'a str, left: usize) {
        match (token, self.skipped) {
            (Token::Start { name, is_empty }, Some((skipped, depth))) => {
                let deeper = usize::from(*name == skipped && !is_empty);
                self.skipped = Some((skipped, depth + deeper));
                blank(piece, &mut self.out);
            }
            (Token::End { name }, Some((skipped, depth))) => {
                self.skipped = if *name != skipped {
                    self.skipped
                } else {
                    depth.checked_sub(1).map(|depth| (skipped, depth))
                };
                blank(piece, &mut self.out);
            }
            (_, Some(_)) | (Token::Nothing, None) => blank(piece, &mut self.out),
            (Token::Start { name, is_empty }, None) => self.start(name, *is_empty, piece, left),
            (Token::End { name }, None) => self.end(name, piece),
            (Token::Text, None) => self.text(piece, false),
            (Token::Literal(text), None) => self.text(text, true),
        }
    }

    fn start(&mut self, name: &'a str, is_empty: bool, piece: &'a str, left: usize) {
        let (prefix, local) = name.rsplit_once(':').unwrap_or(("", name));
        let top = self.open.last();
        let element = known(local);
        if element.is_some_and(|known| known.name == TREE) {
            if self.open.is_empty() {
                self.prefix = prefix;
                self.open.extend(element.filter(|_| !is_empty));
            }
            return blank(piece, &mut self.out);
        }
        let is_own = prefix == self.prefix;
        // The one word that is also an element.
        let is_format = local == "node" || is_empty;
        let element = element.filter(|known| !(known.name == NODE && is_format && self.is_in_format()));
        let place = element.filter(|_| is_own).and_then(|element| Some((element, self.place(element)?)));
        if let Some((element, depth)) = place {
            self.close_to(depth);
            let _ = write!(self.out, "<{}>", element.name);
            self.open.push(element);
            blank(piece, &mut self.out);
            if is_empty {
                self.close_to(depth);
            }
        } else if top.is_some_and(|top| top.holds == Holds::Text) {
            self.text(piece, false);
        } else if is_own && top.is_some_and(|top| top.holds == Holds::Words) {
            if local.bytes().all(|byte| byte.is_ascii_alphanumeric())
                && !local.starts_with(|c: char| c.is_ascii_digit())
            {
                let _ = write!(self.out, "<{local}/>");
            }
            blank(piece, &mut self.out);
        } else {
            let has_end = self.ends.get(name).is_some_and(|end| *end < left);
            self.skipped = (!is_empty && has_end).then_some((name, 0));
            blank(piece, &mut self.out);
        }
    }

    fn is_in_format(&self) -> bool {
        self.open.last().is_some_and(|top| top.name == FORMAT)
    }

    /// The number of open elements that stay open around this one; none if it can't stand here.
    fn place(&self, element: &KnownElement) -> Option<usize> {
        let parent = self.open.iter().rposition(|open| element.within.contains(&open.name))?;
        Some(parent + 1)
    }

    fn end(&mut self, name: &str, piece: &str) {
        let (prefix, local) = name.rsplit_once(':').unwrap_or(("", name));
        let is_it = |open: &&KnownElement| prefix == self.prefix && open.name.eq_ignore_ascii_case(local);
        let is_format = local == "node" && self.is_in_format();
        match self.open.iter().rposition(is_it).filter(|_| !is_format) {
            Some(depth) => {
                self.close_to(depth);
                blank(piece, &mut self.out);
            }
            None => self.text(piece, false),
        }
    }

    fn close_to(&mut self, depth: usize) {
        while self.open.len() > depth {
            match self.open.pop() {
                // All trees become one.
                None | Some(KnownElement { name: TREE, .. }) => {}
                Some(KnownElement { name, .. }) => drop(write!(self.out, "</{name}>")),
            }
        }
    }

    fn text(&mut self, text: &str, is_literal: bool) {
        match self.open.last().map(|open| &open.holds) {
            Some(Holds::Text) => {}
            Some(Holds::Words) if !text.starts_with('<') => {}
            _ => return blank(text, &mut self.out),
        }
        for c in text.chars() {
            match c {
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '&' if is_literal => self.out.push_str("&amp;"),
                '\t' | '\n' | '\r' => self.out.push(c),
                '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => self.out.push(char::REPLACEMENT_CHARACTER),
                c => self.out.push(c),
            }
        }
    }
}

/// Writes the line breaks of a text alone: lines stay what they are.
fn blank(text: &str, out: &mut String) {
    out.extend(text.chars().filter(|c| *c == '\n'));
}

#[cfg(test)]
mod tests {
    use super::super::{Ddf, parse, parse_forgiving};
    use super::*;

    const PROPERTIES: &str = "<DFProperties><AccessType><Get/></AccessType><DFFormat><chr/></DFFormat>\
                              <Occurrence><ZeroOrOne/></Occurrence></DFProperties>";

    /// A document with a root and a leaf, and what else stands in the leaf.
    fn tree(name: &str, more: &str) -> String {
        format!(
            "<MgmtTree><VerDTD>1.2</VerDTD><Node><NodeName>R</NodeName><DFProperties><DFFormat><node/></DFFormat>\
             </DFProperties><Node><NodeName>{name}</NodeName>{PROPERTIES}{more}</Node></Node></MgmtTree>"
        )
    }

    fn shown(text: &str) -> Ddf {
        assert!(parse(text.as_bytes()).is_err(), "for the agent it is none: {text}");
        let (ddf, overlooked) =
            parse_forgiving(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(!overlooked.is_empty(), "{text}");
        ddf
    }

    #[test]
    fn what_is_almost_a_tree_is_shown_as_it_was_meant() {
        let plain = tree("L", "");
        let expected = parse(plain.as_bytes()).unwrap();
        for odd in [
            format!("<!-- 1 -- 2 ---->\n{plain}"),
            plain.replace("<Node>", "<!----- node ----->\n<Node>"),
            format!("FILE INFORMATION\n a < b, R&D <who@acme.example>\n<?xml version=\"1.0\"?>\n{plain}"),
            format!("{plain}\n\u{1a}\0"),
            format!("# Page\n```xml\n{plain}\n```\nSee <br> & more"),
            format!("<c><![CDATA[{plain}]]></c>"),
            plain.replace("<MgmtTree>", "<MgmtTree xmlns=\u{201c}syncml:dmddf1.2\u{201d} a=b a='b>'>"),
            plain.replace("</NodeName>", "</Nodename>"),
            plain.replace("</Node></MgmtTree>", "</MgmtTree>"),
            plain.replace("</MgmtTree>", "</Node></MgmtTree>"),
            plain.replace("</DFProperties><Node>", "<Node>"),
            plain.replace("<Get/>", "<Get>").replace("<node/>", "<node>"),
            plain.replace("<Get/>", "< Get/>").replace("</Node>", "</ Node >"),
            plain.replace("<Get/>", "<Get\u{a0}/>\u{a0}<br>"),
            plain.replace("<MgmtTree>", "").replace("</MgmtTree>", "").replace("<VerDTD>1.2</VerDTD>", ""),
            tree("L", &format!("<v:a b='{}' c='>'/><v:d><Node/><v:d></v:d></v:d>", "x".repeat(5000))),
            tree("L", "<DFProperties><Foo><Description>no</Description></Foo></DFProperties><br>"),
        ] {
            let Ddf { roots, .. } = shown(&odd);
            assert_eq!(roots, expected.roots, "{odd}");
        }
        for odd in [plain.to_lowercase(), plain.to_uppercase()] {
            assert_eq!(shown(&odd).to_tree().to_lowercase(), expected.to_tree().to_lowercase());
        }
        let mixed = plain.replace("NodeName", "Nodename").replace("DFFormat", "DfFormat");
        assert_eq!(shown(&mixed.replace("</DfF", "</DFF")).roots, expected.roots);
        let (ddf, overlooked) = parse_forgiving(mixed.as_bytes()).unwrap();
        assert_eq!((ddf.roots, overlooked.len()), (expected.roots, 2));
    }

    #[test]
    fn signs_in_text_are_text() {
        let leaf = |name: &str, more: &str| shown(&tree(name, more)).roots[0].children[0].clone();
        assert_eq!(leaf("<X>", "").name, super::super::NodeName::Unnamed(Some("X".to_owned())));
        for (written, read) in [
            ("if a < b & c<=d<5 then <value>", "if a < b & c<=d<5 then <value>"),
            ("one<br>two<ul><li>&lt;three&gt;</ul>", "one<br>two<ul><li><three></ul>"),
            ("<!-- x -- y -->a\u{b}<![CDATA[<&amp;>]]>&#11;", "a\u{fffd}<&amp;>&#11;"),
        ] {
            let properties = leaf("L", &format!("<Description>{written}</Description>")).properties;
            assert_eq!(properties.description.as_deref(), Some(read));
        }
    }

    #[test]
    fn several_trees_are_one() {
        let two = format!("{}\n<?xml version='1.0'?>\n{}", tree("L", ""), tree("M", ""));
        assert_eq!(shown(&two).roots.len(), 2);
        let both = format!("<all>{}{}</all>", tree("L", ""), tree("M", ""));
        assert_eq!(parse(both.as_bytes()).unwrap().roots.len(), 2);
    }

    #[test]
    fn what_was_cut_off_is_not_shown() {
        let whole = tree("L", "");
        for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
            assert!(parse_forgiving(&whole.as_bytes()[..end]).is_err(), "{}", &whole[..end]);
        }
        for none in
            ["", "hello", "<html>404</html>", "<MgmtTree/>", "<MgmtTree></MgmtTree>", "<Nodes></Nodes>"]
        {
            assert!(parse_forgiving(none.as_bytes()).is_err(), "{none}");
        }
    }

    #[test]
    fn lines_stay_what_they_are() {
        let text = "one\n<!-- -- \n -->\n<MgmtTree\na=b>\n<v>\n</v><Node>\n<NodeName>N</NodeName></Node></MgmtTree>\n";
        let salvaged = salvage(text).unwrap();
        let line_of = |text: &str| text[..text.find("<NodeName>").unwrap()].matches('\n').count();
        assert_eq!(line_of(&salvaged), line_of(text));
    }

    #[test]
    fn nothing_grows_beyond_its_length() {
        for hostile in [
            "<!--",
            "<![CDATA[",
            "<?",
            "<a ",
            "<a '",
            "</a>",
            "<a>",
            "<MIME>",
            "<Node>",
            "<Node></Node>",
            "<",
            "<!",
        ] {
            let text = format!("<MgmtTree><Node>{}", hostile.repeat((1 << 20) / hostile.len()));
            // A MiB each: what took the square of it would not end.
            for text in [format!("{text}-->]]>?></a></Node></MgmtTree>"), text] {
                let size = salvage(&text).map_or(0, |salvaged| salvaged.len());
                assert!(size <= 2 * text.len(), "{hostile}: {size} of {}", text.len());
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_salvaged_can_be_read(text in "[<>/!a -]{0,40}", cut in 0usize..300) {
            let whole = tree("L", "<v:a b='c'/>");
            let (start, end) = whole.split_at(cut.min(whole.len()));
            if let Some(salvaged) = salvage(&format!("{start}{text}{end}")) {
                let read = parse_forgiving(salvaged.as_bytes()).map(|_| ());
                let is_empty = !salvaged.contains("<Node>");
                proptest::prop_assert!(read.is_ok() || is_empty, "{}: {:?}", salvaged, read);
            }
        }
    }
}
