//! Regular expressions of mappings. Mappings have scores of them, and each takes kilobytes once it is compiled, more than
//! all else that is known of its node: the agent keeps the texts, and compiles one when it is used.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use regex_lite::{Captures, Error, Regex, RegexBuilder};

/// The largest compiled regular expression, in bytes: mapping files are written by hand.
const LARGEST: usize = 1 << 20;
/// The most compiled regular expressions that are kept for their next use: more than the nodes of one record have.
const MOST_COMPILED: usize = 8;

/// The regular expressions that were used last, the latest at the end. One is used for thousands of records in a row, and
/// shared: a clone would lose the memory that it works in.
static COMPILED: Mutex<Vec<(Pattern, Arc<Regex>)>> = Mutex::new(Vec::new());

/// A regular expression that can be compiled, as text.
#[derive(Clone)]
pub struct Pattern(Arc<Inner>);

struct Inner {
    text: Box<str>,
    /// How many groups it has, the whole match being one.
    groups: usize,
    /// The names of those that have one.
    names: Box<[Box<str>]>,
}

impl Pattern {
    /// Makes one of a text.
    ///
    /// # Errors
    /// It is no regular expression, or a very large one.
    pub fn new(text: &str) -> Result<Self, Error> {
        let regex = compile(text)?;
        let names = regex.capture_names().flatten().map(Into::into).collect();
        Ok(Self(Arc::new(Inner { text: text.into(), groups: regex.captures_len(), names })))
    }

    /// The text, as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// How many groups it has, the whole match being one.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.0.groups
    }

    /// The names of its groups, so far as they have one.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.names.iter().map(|name| &**name)
    }

    /// Whether a text matches.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.compiled().is_ok_and(|regex| regex.is_match(text))
    }

    /// What the groups have of the first match in a text.
    #[must_use]
    pub fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        self.compiled().ok()?.captures(text)
    }

    /// The regular expression itself, for many texts in a row.
    ///
    /// # Errors
    /// None that [`Pattern::new`] would not have had.
    pub fn compiled(&self) -> Result<Arc<Regex>, Error> {
        if let Some(regex) = self.known(&mut compiled()) {
            return Ok(regex);
        }
        let regex = Arc::new(compile(self.as_str())?);
        let mut compiled = compiled();
        if compiled.len() >= MOST_COMPILED {
            compiled.remove(0);
        }
        compiled.push((self.clone(), Arc::clone(&regex)));
        Ok(regex)
    }

    /// The compiled one, if it is kept: it is the latest then.
    fn known(&self, compiled: &mut Vec<(Self, Arc<Regex>)>) -> Option<Arc<Regex>> {
        let at = compiled.iter().position(|(known, _)| known == self)?;
        let found = compiled.remove(at);
        let regex = Arc::clone(&found.1);
        compiled.push(found);
        Some(regex)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.as_str() == other.as_str()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Forgets what was compiled: whoever is at rest has no use for it.
pub(crate) fn forget_compiled() {
    *compiled() = Vec::new();
}

fn compiled() -> MutexGuard<'static, Vec<(Pattern, Arc<Regex>)>> {
    COMPILED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn compile(text: &str) -> Result<Regex, Error> {
    RegexBuilder::new(text).multi_line(true).size_limit(LARGEST).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_its_text_says_however_many_others_were_used_since() {
        let all: Vec<Pattern> =
            (0..=MOST_COMPILED).map(|n| Pattern::new(&format!("^(?<name>x{n})(y)?$")).unwrap()).collect();
        for _ in 0..2 {
            for (n, pattern) in all.iter().enumerate() {
                let text = format!("a\nx{n}y");
                assert!(pattern.is_match(&text) && !pattern.is_match("x"), "a line of the text is enough");
                assert_eq!(&pattern.captures(&text).unwrap()["name"], format!("x{n}"));
                assert_eq!((pattern.groups(), pattern.names().collect::<Vec<_>>()), (3, vec!["name"]));
            }
        }
        assert!(Pattern::new("(").is_err() && Pattern::new("(?:x{999}){999}").is_err());
    }

    #[test]
    fn few_are_kept_and_none_at_rest() {
        // Of other tests there may be some as well.
        for n in 0..2 * MOST_COMPILED {
            assert!(Pattern::new(&format!("few {n}")).unwrap().is_match(&format!("few {n}")));
            assert!(compiled().len() <= MOST_COMPILED);
        }
        let last = Pattern::new("the last").unwrap();
        assert_eq!(last.known(&mut compiled()).map(|_| ()), None, "to have one is not to use it");
        let mut kept = vec![(last.clone(), last.compiled().unwrap())];
        assert!(
            Pattern::new("the last").unwrap().known(&mut kept).is_some(),
            "after a reload it is another one"
        );
    }
}
