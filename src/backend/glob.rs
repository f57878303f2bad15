//! Paths that match a pattern with `*`, `?` and `[…]`, and `**` for any number of folders.
//!
//! The walk is our own, name by name: names that are not UTF-8 are passed over, and before a folder is looked into it
//! is made sure that nobody hangs there.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use crate::base::Order as _;
use crate::base::lane::{PathAccess, Stuck};
use crate::base::rooted;

/// The most folders that `**` goes down.
const DEEPEST: usize = 32;

/// The options of matching: a leading dot is matched by a dot only, as shells do it.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// A pattern, split into its components.
#[derive(Debug)]
pub(super) struct Glob {
    /// The path before the first component that is no plain name.
    folder: String,
    components: Vec<Component>,
}

#[derive(Debug)]
enum Component {
    Name(String),
    Matching(Pattern),
    /// `**`: any number of folders.
    Folders,
}

/// The receiver of paths that match: returns whether it wants more.
type Receiver<'f> = dyn FnMut(&Path) -> bool + 'f;

/// A name escaped, as a pattern that matches nothing else.
pub(super) fn escape(name: &str) -> String {
    Pattern::escape(name)
}

impl Glob {
    /// Splits an absolute pattern into its components.
    pub(super) fn parse(pattern: &str) -> Result<Self, String> {
        let mut folder = String::from("/");
        let mut components = Vec::new();
        for text in pattern.split('/').filter(|text| !text.is_empty() && *text != ".") {
            match Component::parse(text)? {
                Component::Name(name) if components.is_empty() => {
                    if !folder.ends_with('/') {
                        folder.push('/');
                    }
                    folder.push_str(&name);
                }
                component => components.push(component),
            }
        }
        Ok(Self { folder, components })
    }

    /// The folder that the walk begins in.
    pub(super) fn folder(&self) -> &str {
        &self.folder
    }

    /// Tells `found` all paths that match, beginning in `folder`, in the order of names, until it says that this is
    /// enough. Links lead to what is below `root`. Returns how many names are not UTF-8.
    ///
    /// # Errors
    /// A folder on the way hangs. One that can't be looked into for another reason holds nothing.
    pub(super) fn walk(
        &self,
        root: &Path,
        folder: &Path,
        access: &PathAccess<'_>,
        found: &mut Receiver<'_>,
    ) -> Result<usize, Stuck> {
        let mut walk = Walk { root, access, found, unnamed: 0, enough: false };
        walk.go(folder, &self.components, 0)?;
        Ok(walk.unnamed)
    }
}

impl Component {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "**" {
            return Ok(Self::Folders);
        }
        let pattern = Pattern::new(text).map_err(|error| error.to_string())?;
        // `[[]` is what `[` becomes when it is to be taken literally.
        let mut plain = text.to_owned();
        for c in ['[', ']', '*', '?'] {
            plain = plain.replace(&format!("[{c}]"), if c == '[' { "\u{0}" } else { "" });
        }
        let plain = !plain.contains(['[', '*', '?']);
        Ok(if plain { Self::Name(literal(text)) } else { Self::Matching(pattern) })
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Name(plain) => plain == name,
            Self::Matching(pattern) => {
                let dots = name.starts_with('.') && !pattern.as_str().starts_with('.');
                !dots && pattern.matches_with(name, OPTIONS)
            }
            Self::Folders => !name.starts_with('.'),
        }
    }
}

/// The name that a pattern without wildcards stands for.
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let class = rest.strip_prefix('[').and_then(|inside| inside.chars().next());
        if let Some(class) = class {
            out.push(class);
            rest = rest.get(class.len_utf8() + 2..).unwrap_or_default();
        } else {
            out.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
    }
    out
}

struct Walk<'w, 'f> {
    root: &'w Path,
    access: &'w PathAccess<'w>,
    found: &'w mut Receiver<'f>,
    unnamed: usize,
    enough: bool,
}

impl Walk<'_, '_> {
    fn go(&mut self, at: &Path, components: &[Component], depth: usize) -> Result<(), Stuck> {
        let Some((component, rest)) = components.split_first() else {
            self.enough = !(self.found)(at);
            return Ok(());
        };
        match component {
            Component::Name(name) => {
                let next = at.join(name);
                let place = self.place(&next, rooted::follow);
                self.access.enter(&place)?;
                if fs::metadata(&place).is_ok() { self.go(&next, rest, depth) } else { Ok(()) }
            }
            Component::Matching(_) => {
                for next in self.entries(at, component)? {
                    if self.enough {
                        break;
                    }
                    self.go(&next, rest, depth)?;
                }
                Ok(())
            }
            Component::Folders => {
                if !rest.is_empty() {
                    self.go(at, rest, depth)?;
                }
                if depth == DEEPEST {
                    return Ok(());
                }
                for next in self.entries(at, component)? {
                    if self.enough {
                        break;
                    }
                    let place = self.place(&next, rooted::follow_to_name);
                    self.access.enter(&place)?;
                    // A link may lead back up.
                    if fs::symlink_metadata(&place).is_ok_and(|found| found.is_dir()) {
                        if rest.is_empty() {
                            self.enough = !(self.found)(&next);
                        }
                        self.go(&next, components, depth + 1)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Where a path is that the walk has come to. A circle of links leads to nothing that is there.
    fn place<'p>(&self, path: &'p Path, follow: fn(&Path, &Path) -> io::Result<PathBuf>) -> Cow<'p, Path> {
        match path.strip_prefix(self.root) {
            Ok(below) if self.root != Path::new("/") => {
                Cow::Owned(follow(self.root, below).unwrap_or_default())
            }
            _ => Cow::Borrowed(path),
        }
    }

    /// The entries of a folder that match, in the order of names.
    fn entries(&mut self, folder: &Path, component: &Component) -> Result<Vec<PathBuf>, Stuck> {
        let place = self.place(folder, rooted::follow);
        self.access.enter(&place)?;
        let Ok(entries) = fs::read_dir(&place) else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for name in entries.map_while(Result::ok).map(|entry| entry.file_name()) {
            match name.to_str() {
                Some(text) if component.matches(text) => names.push(name),
                Some(_) => {}
                None => self.unnamed += 1,
            }
        }
        names.order();
        Ok(names.iter().map(OsStr::new).map(|name| folder.join(name)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_is_a_plain_name() {
        for name in ["eth0", "[ab]", "a*b?c", "]", "[[]]", "[!a]"] {
            let text = escape(name);
            let Ok(Component::Name(plain)) = Component::parse(&text) else { panic!("{text}") };
            assert_eq!(plain, name);
        }
        for pattern in ["tty*[0-9]", "?", "[a]b[!c]", "*", "[]a]"] {
            assert!(matches!(Component::parse(pattern), Ok(Component::Matching(_))), "{pattern}");
        }
        for wrong in ["a**", "[a", "***"] {
            assert!(Component::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Glob::parse("/sys//class/[[]x]/./*/y").unwrap().folder(), "/sys/class/[x]");
    }
}
