//! The pages of documentation: which there are, and what of them is prose.

use std::path::{Path, PathBuf};

use crate::support::named::root;

/// A page of documentation.
pub(crate) struct Page {
    /// Below the repository's folder.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// All pages: `*.md` in the folder itself, and in those that have documentation.
pub(crate) fn pages() -> Vec<Page> {
    let mut found = files(&root(), "md", false);
    for folder in ["docs", "tests", "examples", "mo", "packaging", "lab", "src"] {
        found.extend(files(&root().join(folder), "md", true));
    }
    found.sort();
    let page = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        Page { path: path.strip_prefix(root()).unwrap().to_owned(), text }
    };
    found.into_iter().map(page).collect()
}

/// The files of this kind in a folder; `deep`: and in those below it.
pub(crate) fn files(folder: &Path, kind: &str, deep: bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy();
        // What a build or a fuzzer has left there is not ours.
        if path.is_dir() && deep && !["target", "corpus", "artifacts"].contains(&&*name) {
            found.extend(files(&path, kind, deep));
        } else if path.extension().is_some_and(|extension| extension == kind) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The lines of a page outside of code blocks, with their numbers.
pub(crate) fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut within = false;
    let mut lines = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            within = !within;
        } else if !within {
            lines.push((at + 1, line));
        }
    }
    lines
}
