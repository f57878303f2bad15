//! Filling a [`Template`]'s braces. What is filled in comes from outside, so each place has its own rules:
//! a path gains no components, an argument does not turn into an option.

use std::borrow::Cow;

use thiserror::Error;

use super::Value;
use super::given::Given;
use super::template::{Piece, Template};
use super::value::excerpt;

/// The values that braces stand for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Variables<'a> {
    /// The node's value, for `{}`.
    pub value: Option<&'a str>,
    /// The names of un-named nodes on the way, for `{if}`: each with its label, and as the machine has it.
    pub names: &'a [(String, String)],
    /// The leaves that `input` lists, for `{../PkgURL}`.
    pub given: &'a [Given],
    /// The time when the system started, in seconds since 1970; none where the clock is not set.
    pub booted: Option<f64>,
}

/// Why a template can't be filled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FillError {
    /// Braces name something that is not at hand.
    #[error("nothing to fill in for `{{{0}}}`")]
    Missing(String),
    /// The path that comes of it would leave its place.
    #[error("{0} may not be part of a path")]
    Path(String),
    /// The argument that comes of it would be taken for an option.
    #[error("{0} would be taken for an option: write `--` before the argument")]
    Option(String),
    /// The key that comes of it is none that the file's syntax has.
    #[error("{key:?} can't be the key of a setting: {why}")]
    Key {
        /// The key.
        key: String,
        /// Why it is none.
        why: String,
    },
    /// The argument would have a NUL in it, which none can hold.
    #[error("{0} holds a NUL byte")]
    Nul(String),
}

impl Template {
    /// Fills in everything as it is.
    ///
    /// # Errors
    /// [`FillError::Missing`]
    pub fn fill_text(&self, variables: &Variables<'_>) -> Result<String, FillError> {
        let mut text = String::new();
        for piece in &self.0 {
            text.push_str(&variables.get(piece)?);
        }
        Ok(text)
    }

    /// Fills in a path: what is filled in is never empty, never `.`, and brings neither `/` nor `..` nor NUL.
    ///
    /// # Errors
    /// [`FillError::Missing`], [`FillError::Path`]
    pub fn fill_path(&self, variables: &Variables<'_>) -> Result<String, FillError> {
        let mut path = String::new();
        for piece in &self.0 {
            let text = variables.get(piece)?;
            let outside = !matches!(piece, Piece::Literal(_));
            if outside && (text.is_empty() || text.contains(['/', '\0']) || text.contains("..")) {
                return Err(FillError::Path(excerpt(&text)));
            }
            path.push_str(&text);
        }
        // Pieces that are harmless alone may be `..` together.
        if path.split('/').any(|component| component == "." || component == "..") {
            return Err(FillError::Path(excerpt(&path)));
        }
        Ok(path)
    }

    /// Fills in what is at hand; braces that are not stay.
    #[must_use]
    pub fn fill_partly(&self, variables: &Variables<'_>) -> Self {
        let fill = |piece: &Piece| {
            variables.get(piece).map_or_else(|_| piece.clone(), |text| Piece::Literal(text.into_owned()))
        };
        Self(self.0.iter().map(fill).collect())
    }

    /// Fills in what is at hand, and nothing for braces that are not.
    #[must_use]
    pub fn fill_leniently(&self, variables: &Variables<'_>) -> String {
        self.0.iter().map(|piece| variables.get(piece).unwrap_or_default()).collect()
    }

    fn fill_argument(&self, variables: &Variables<'_>, options_over: bool) -> Result<String, FillError> {
        let text = self.fill_text(variables)?;
        if text.contains('\0') {
            return Err(FillError::Nul(excerpt(&text)));
        }
        let mapped = matches!(self.0.first(), Some(Piece::Literal(literal)) if !literal.is_empty());
        if text.starts_with('-') && !mapped && !options_over {
            return Err(FillError::Option(excerpt(&text)));
        }
        Ok(text)
    }

    fn is(&self, text: &str) -> bool {
        matches!(self.0.as_slice(), [Piece::Literal(literal)] if literal == text)
    }
}

/// Fills in an argv. What is filled in never begins an argument with `-`, unless a literal `--` stands before it.
///
/// # Errors
/// [`FillError::Missing`], [`FillError::Option`], [`FillError::Nul`]
pub(crate) fn fill_argv(argv: &[Template], variables: &Variables<'_>) -> Result<Vec<String>, FillError> {
    let mut options_over = false;
    argv.iter()
        .map(|argument| {
            let filled = argument.fill_argument(variables, options_over)?;
            options_over |= argument.is("--");
            Ok(filled)
        })
        .collect()
}

impl<'a> Variables<'a> {
    fn get<'p>(&self, piece: &'p Piece) -> Result<Cow<'p, str>, FillError>
    where
        'a: 'p,
    {
        match piece {
            Piece::Literal(text) => Ok(Cow::Borrowed(text.as_str())),
            Piece::Value => self.value.map(Cow::Borrowed).ok_or_else(|| FillError::Missing(String::new())),
            Piece::Variable(label) => {
                let name = self.names.iter().find(|(known, _)| known == label);
                name.map(|(_, name)| Cow::Borrowed(name.as_str()))
                    .ok_or_else(|| FillError::Missing(label.clone()))
            }
            Piece::Leaf(path) => {
                let value = self.given.iter().find(|given| given.path == *path);
                value
                    .and_then(|given| given.one())
                    .map(Value::to_text)
                    .ok_or_else(|| FillError::Missing(path.to_string()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn literal(text: &str) -> Piece {
        Piece::Literal(text.to_owned())
    }

    fn path(name: &str) -> Result<String, FillError> {
        let template =
            Template(vec![literal("/sys/class/net/"), Piece::Variable("if".into()), literal("/mtu")]);
        let names = [("if".to_owned(), name.to_owned())];
        template.fill_path(&Variables { names: &names, ..Variables::default() })
    }

    #[test]
    fn a_value_gains_no_path_components() {
        assert_eq!(path("eth0.100").unwrap(), "/sys/class/net/eth0.100/mtu");
        for hostile in ["../../etc", "..", ".", "a/b", "", "eth0\0", "a..b"] {
            assert!(matches!(path(hostile), Err(FillError::Path(_))), "{hostile:?}");
        }
    }

    #[test]
    fn pieces_do_not_add_up_to_dot_dot() {
        let template = Template(vec![literal("/a/."), Piece::Value, literal("/b")]);
        let variables = Variables { value: Some("."), ..Variables::default() };
        assert!(matches!(template.fill_path(&variables), Err(FillError::Path(_))));
    }

    #[test]
    fn an_argument_is_no_option_unless_options_are_over() {
        let argv = |pieces: Vec<Template>, value: &str| {
            fill_argv(&pieces, &Variables { value: Some(value), ..Variables::default() })
        };
        let word = |text: &str| Template(vec![literal(text)]);
        let value = || Template(vec![Piece::Value]);
        assert!(matches!(argv(vec![word("/bin/rm"), value()], "-rf"), Err(FillError::Option(_))));
        assert!(matches!(argv(vec![word("/bin/rm"), value(), word("--")], "-rf"), Err(FillError::Option(_))));
        assert_eq!(
            argv(vec![word("/bin/rm"), word("--"), value()], "-rf").unwrap(),
            ["/bin/rm", "--", "-rf"]
        );
        let option = Template(vec![literal("--level="), Piece::Value]);
        assert_eq!(argv(vec![word("/x"), option], "-5").unwrap(), ["/x", "--level=-5"]);
        // An empty literal in front protects nothing.
        let empty = Template(vec![literal(""), Piece::Value]);
        assert!(matches!(argv(vec![word("/x"), empty], "-5"), Err(FillError::Option(_))));
        assert!(matches!(argv(vec![word("/x"), value()], "a\0b"), Err(FillError::Nul(_))));
        // A value that is itself `--` ends no options.
        assert!(argv(vec![word("/x"), value(), value()], "--").is_err());
    }

    #[test]
    fn only_listed_leaves_are_there() {
        let given = [Given::of("Count", Value::Int(3))];
        let variables = Variables { given: &given, ..Variables::default() };
        let leaf = |text: &str| Template::parse(text).unwrap().fill_text(&variables);
        assert_eq!(leaf("{../Count}").unwrap(), "3");
        assert_eq!(leaf("{../Secret}").unwrap_err().to_string(), "nothing to fill in for `{../Secret}`");
        assert_eq!(leaf("{./Count}").unwrap_err().to_string(), "nothing to fill in for `{./Count}`");
        assert_eq!(leaf("{../../Count}").unwrap_err().to_string(), "nothing to fill in for `{../../Count}`");
    }

    #[test]
    fn what_is_filled_in_partly_is_filled_in_later_as_if_at_once() {
        let names = [("p".to_owned(), "{}".to_owned())];
        let first = Variables { names: &names, ..Variables::default() };
        let template = Template::parse("{{{p}}} {} {../Gone}").unwrap();
        let partly = template.fill_partly(&first).to_string();
        let last = Variables { value: Some("7"), ..Variables::default() };
        assert_eq!(Template::parse(&partly).unwrap().fill_leniently(&last), "{{}} 7 ");
    }

    proptest! {
        #[test]
        fn a_filled_path_keeps_its_shape(name in any::<String>()) {
            if let Ok(path) = path(&name) {
                prop_assert_eq!(path.split('/').count(), 6);
                prop_assert!(path.split('/').skip(1).all(|component| !component.is_empty() && component != ".."));
            }
        }
    }
}
