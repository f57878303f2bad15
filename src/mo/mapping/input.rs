//! Reading `input`: which other leaves programs and braces are given.

use crate::mo::leaf_path::LeafPath;
use crate::spanned::{Item, Problem, Reader};

use super::Input;
use super::scalar::Scalar;

/// The form of a path to a leaf, for people.
const EXPECTED: &str = "expected the way to a leaf such as \"PkgURL\" beside this node, \"./PkgURL\" in it or \"../PkgURL\" above";

/// Reads the leaves that `input` lists, after those that are known already: one that is listed again counts as it was
/// last.
pub(super) fn input(reader: &mut Reader<'_>, known: &mut Vec<Input>) {
    let all = reader.array("input", |located, path, problems| match &located.item {
        Item::String(key) => {
            let input = Input::new(key, None);
            if input.is_none() {
                let (file, line) = (located.file.to_path_buf(), Some(located.line));
                problems.push(Problem { file, line, key: path, what: format!("{EXPECTED}, found {key:?}") });
            }
            input
        }
        _ => {
            let mut reader = Reader::at(located, path, problems);
            let key: Option<String> = reader.required("leaf");
            let default = reader.optional("default").map(|Scalar(text)| text);
            let input = key.as_ref().and_then(|key| Input::new(key, default));
            if let (Some(key), None) = (&key, &input) {
                reader.problem("leaf", format!("{EXPECTED}, found {key:?}"));
            }
            if input.as_ref().is_some_and(|input| input.path.is_of_many() && input.default.is_some()) {
                reader.problem("default", "is for one leaf: with `*` there are as many as there are nodes");
            }
            reader.finish();
            input
        }
    });
    for input in all.unwrap_or_default().into_iter().flatten() {
        known.retain(|other| other.key != input.key);
        known.push(input);
    }
}

/// Reads one path to a leaf, as `input` writes it.
pub(super) fn leaf(key: String) -> Result<LeafPath, String> {
    let path = LeafPath::from_parent(&key).filter(|path| !path.is_of_many());
    path.ok_or_else(|| format!("{EXPECTED}, found {key:?}"))
}

impl Input {
    fn new(key: &str, default: Option<String>) -> Option<Self> {
        Some(Self { key: key.to_owned(), path: LeafPath::from_parent(key)?, default })
    }
}
