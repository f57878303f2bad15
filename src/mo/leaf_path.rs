//! Paths to other leaves, as seen from a node.

use std::fmt;

/// A path from a node to a leaf of the same instance: so many nodes up, and from there down by these names.
///
/// `input`, `output` and `result` write it from the node's parent: `PkgURL` is beside the node, `Update/PkgURL` in what
/// is beside it or in itself, `../PkgURL` one further up; `./PkgURL` is in the node whatever that is called. Braces
/// write it from the node: `{./PkgURL}`, `{../PkgURL}`, `{../../PkgURL}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafPath {
    /// The number of nodes to go up; 0: in the node itself, 1: beside it.
    pub up: usize,
    /// The names to go down, at least one. [`LeafPath::EACH`] stands for every un-named node.
    pub steps: Vec<String>,
}

impl LeafPath {
    /// The step that stands for every un-named node there.
    pub const EACH: &str = "*";

    /// Reads a path as `input` writes it: from the node's parent.
    #[must_use]
    pub fn from_parent(text: &str) -> Option<Self> {
        match text.strip_prefix("./") {
            Some(within) => Self::down(0, within),
            None => Self::upwards(1, text),
        }
    }

    /// Reads a path as braces write it: from the node.
    #[must_use]
    pub fn from_node(text: &str) -> Option<Self> {
        match text.strip_prefix("./") {
            Some(within) => Self::down(0, within),
            None => Self::upwards(0, text).filter(|path| path.up > 0),
        }
    }

    fn upwards(mut up: usize, mut text: &str) -> Option<Self> {
        while let Some(rest) = text.strip_prefix("../") {
            (up, text) = (up + 1, rest);
        }
        Self::down(up, text)
    }

    fn down(up: usize, text: &str) -> Option<Self> {
        let steps: Vec<String> = text.split('/').map(str::to_owned).collect();
        let is_name = |step: &String| !matches!(step.as_str(), "" | "." | "..");
        steps.iter().all(is_name).then_some(Self { up, steps })
    }

    /// Whether the path leads to any number of leaves.
    #[must_use]
    pub fn is_of_many(&self) -> bool {
        self.stars() > 0
    }

    /// The number of steps that stand for every un-named node.
    #[must_use]
    pub fn stars(&self) -> usize {
        self.steps.iter().filter(|step| *step == Self::EACH).count()
    }
}

/// Written as in braces.
impl fmt::Display for LeafPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.up == 0 { "./" } else { "" })?;
        (0..self.up).try_for_each(|_| f.write_str("../"))?;
        f.write_str(&self.steps.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(up: usize, steps: &[&str]) -> Option<LeafPath> {
        Some(LeafPath { up, steps: steps.iter().map(|&step| step.to_owned()).collect() })
    }

    #[test]
    fn from_the_parent_and_from_the_node() {
        assert_eq!(LeafPath::from_parent("A"), path(1, &["A"]));
        assert_eq!(LeafPath::from_parent("B/A"), path(1, &["B", "A"]));
        assert_eq!(LeafPath::from_parent("../A"), path(2, &["A"]));
        assert_eq!(LeafPath::from_parent("../../B/*/A"), path(3, &["B", "*", "A"]));
        assert_eq!(LeafPath::from_parent("./A"), path(0, &["A"]));
        assert_eq!(LeafPath::from_node("./A"), path(0, &["A"]));
        assert_eq!(LeafPath::from_node("../A"), path(1, &["A"]));
        assert_eq!(LeafPath::from_node("../../A"), path(2, &["A"]));
        assert_eq!(LeafPath::from_node("A"), None);
        for wrong in ["", "/", "/A", "A/", "A//B", "..", "../", ".", "./", "A/../B", "./../A"] {
            assert_eq!(LeafPath::from_parent(wrong), None, "{wrong:?}");
            assert_eq!(LeafPath::from_node(wrong), None, "{wrong:?}");
        }
        for shown in ["./A", "../A", "../../B/A"] {
            assert_eq!(LeafPath::from_node(shown).unwrap().to_string(), shown);
        }
    }
}
