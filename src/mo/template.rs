//! Templates: text with braces; `{}` the value, `{if}` a variable, `{../PkgURL}` another leaf, `{{` and `}}` literal.

use std::fmt;

use super::leaf_path::LeafPath;

/// A template: text with braces, split once when the mapping is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(pub Vec<Piece>);

/// A piece of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text as it is.
    Literal(String),
    /// `{}`: the value.
    Value,
    /// `{if}`: the name of the un-named node with that label.
    Variable(String),
    /// `{../PkgURL}`: another leaf.
    Leaf(LeafPath),
}

/// Why text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace without its partner.
    #[error("`{0}` stands alone: write `{0}{0}` for a literal brace")]
    Alone(char),
    /// Braces hold something that has no meaning.
    #[error(
        "`{{{0}}}` has no meaning: expected `{{}}`, a variable such as `{{if}}`, or a leaf such as \
         `{{../PkgURL}}` beside the node (write `{{{{` and `}}}}` for literal braces)"
    )]
    Unknown(String),
}

impl Template {
    /// Splits `text` at its braces.
    ///
    /// # Errors
    /// [`TemplateError`]
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, brace, after)) = next_brace(rest) {
            literal.push_str(before);
            if let Some(after) = after.strip_prefix(brace) {
                literal.push(brace);
                rest = after;
                continue;
            }
            let (name, after) = match (brace, after.split_once('}')) {
                ('{', Some(split)) => split,
                _ => return Err(TemplateError::Alone(brace)),
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::braced(name)?);
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        // Most are one piece, and kept as long as the agent runs.
        pieces.shrink_to_fit();
        Ok(Self(pieces))
    }

    /// The text, where there are no braces in it.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether any braces stand for a leaf.
    #[must_use]
    pub fn has_leaves(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Leaf(_)))
    }

    /// The literal text that it begins with, up to the first braces.
    #[must_use]
    pub fn literal_start(&self) -> &str {
        if let Some(Piece::Literal(text)) = self.0.first() { text } else { "" }
    }
}

impl Piece {
    fn braced(name: &str) -> Result<Self, TemplateError> {
        if name.is_empty() {
            return Ok(Self::Value);
        }
        if is_variable(name) {
            return Ok(Self::Variable(name.to_owned()));
        }
        let leaf = LeafPath::from_node(name).filter(|path| !path.is_of_many() && !name.contains('{'));
        leaf.map(Self::Leaf).ok_or_else(|| TemplateError::Unknown(name.to_owned()))
    }
}

/// Whether `name` can be a variable: a letter, then letters, digits, `-` and `_`.
pub(super) fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// The text before the next brace, the brace, and what follows it.
fn next_brace(text: &str) -> Option<(&str, char, &str)> {
    let at = text.find(['{', '}'])?;
    let (before, rest) = text.split_at(at);
    let mut rest = rest.chars();
    Some((before, rest.next()?, rest.as_str()))
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}"))?,
                Piece::Value => f.write_str("{}")?,
                Piece::Variable(name) => write!(f, "{{{name}}}")?,
                Piece::Leaf(path) => write!(f, "{{{path}}}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn braces_are_split() {
        let template = Template::parse("a{{{}}}-{if}{../Pkg URL}").unwrap();
        let expected = [
            Piece::Literal("a{".into()),
            Piece::Value,
            Piece::Literal("}-".into()),
            Piece::Variable("if".into()),
            Piece::Leaf(LeafPath::from_node("../Pkg URL").unwrap()),
        ];
        assert_eq!(template.0, expected);
        assert_eq!(Template::parse("").unwrap().literal(), Some(""));
        assert_eq!(Template::parse("/x/{if}").unwrap().literal_start(), "/x/");
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        for wrong in [
            "{",
            "}",
            "a}b",
            "{if",
            "{ }",
            "{..}",
            "{../}",
            "{../a//b}",
            "{../*/b}",
            "{./}",
            "{a b}",
            "{{}",
            "{/x}",
        ] {
            assert!(Template::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_template_once_escaped(text: String) {
            let escaped = text.replace('{', "{{").replace('}', "}}");
            let template = Template::parse(&escaped).unwrap();
            prop_assert_eq!(template.literal(), Some(text.as_str()));
        }

        #[test]
        fn what_is_written_is_read_back(text in "([a-z/{}.]|\\{\\}|\\{if\\}|\\{\\.\\./A\\}){0,12}") {
            if let Ok(template) = Template::parse(&text) {
                prop_assert_eq!(Template::parse(&template.to_string()).unwrap(), template);
            }
        }
    }
}
