//! Which files use which by their own modules' names, and that none of them do so in a circle.

use std::collections::{BTreeMap, BTreeSet};

use super::{files, without_tests};

/// The source files by the path of the module that each is: `mo::mapping::node`.
type Modules = BTreeMap<String, Module>;

struct Module {
    file: String,
    /// Names that the module only hands on.
    handed_on: BTreeSet<String>,
    /// Paths of the crate that the module's code names.
    used: BTreeSet<String>,
}

fn module_of(file: &str) -> String {
    file.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::")
}

/// A path without `crate`, `self` and `super`, as a file of `module` has it; none: of another crate.
fn absolute(path: &str, module: &str, children: &BTreeSet<String>) -> Option<String> {
    let (first, rest) = path.split_once("::").unwrap_or((path, ""));
    let join =
        |base: &str| [base, rest].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("::");
    match first {
        "crate" => Some(rest.to_owned()),
        "self" => Some(join(module)),
        "super" => {
            let above = module.rsplit_once("::").map_or("", |(above, _)| above);
            if rest.starts_with("super") { absolute(rest, above, children) } else { Some(join(above)) }
        }
        // What a module declares itself it names without `self`.
        child if children.contains(&format!("{module}::{child}")) => Some(format!("{module}::{path}")),
        _ => None,
    }
}

/// `a::{b, c::{d, e as f}}` as `a::b`, `a::c::d`, `a::c::e`; of each, the name that it has here.
fn flattened(tree: &str) -> Vec<(String, String)> {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let (path, name) =
            tree.split_once(" as ").unwrap_or((tree, tree.rsplit("::").next().unwrap_or(tree)));
        return vec![(path.trim().trim_end_matches("::self").to_owned(), name.trim().to_owned())];
    };
    let (prefix, inner) = (&tree[..open], &tree[open + 1..tree.rfind('}').unwrap()]);
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => parts.push(&inner[std::mem::replace(&mut start, at + 1)..at]),
            _ => {}
        }
    }
    parts.push(&inner[start..]);
    let parts = parts.into_iter().filter(|part| !part.trim().is_empty()).flat_map(flattened);
    parts
        .map(|(path, name)| (format!("{prefix}{path}").trim_end_matches("::self").to_owned(), name))
        .collect()
}

/// Paths in a file's code: those of its `use`, and whether each is handed on; and those written out elsewhere.
fn named(code: &[String]) -> Vec<(String, Option<String>)> {
    let text = code.join("\n");
    let mut found = Vec::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("use ") {
        let before = rest[..at].rsplit('\n').next().unwrap_or_default().trim();
        let is_statement = before.is_empty() || (before.starts_with("pub") && !before.contains(' '));
        let end = rest[at..].find(';').map_or(rest.len(), |length| at + length);
        if !is_statement {
            rest = &rest[at + 4..];
            continue;
        }
        let paths = flattened(&rest[at + 4..end]).into_iter();
        found.extend(paths.map(|(path, name)| (path, before.starts_with("pub").then_some(name))));
        rest = &rest[end..];
    }
    let is_path = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = text.split(|c| !is_path(c)).filter(|word| word.contains("::"));
    found.extend(words.map(|word| (word.trim_end_matches(':').to_owned(), None)));
    found
}

fn modules() -> Modules {
    let files: Vec<_> = files().into_iter().filter(|(file, _)| !file.contains("tests")).collect();
    let children: BTreeSet<String> = files.iter().map(|(file, _)| module_of(file)).collect();
    let read = |(file, code): (String, Vec<String>)| {
        let module = module_of(&file);
        let (mut handed_on, mut used) = (BTreeSet::new(), BTreeSet::new());
        for (path, name) in named(without_tests(&code)) {
            let Some(path) = absolute(&path, &module, &children) else { continue };
            match name {
                Some(name) => handed_on.insert(name),
                None => used.insert(path),
            };
        }
        (module, Module { file, handed_on, used })
    };
    files.into_iter().map(read).collect()
}

/// The file that has what a path names; none where another file hands it on.
fn home<'m>(path: &str, modules: &'m Modules) -> Option<&'m str> {
    let mut name = path;
    while !modules.contains_key(name) {
        name = name.rsplit_once("::")?.0;
    }
    let module = &modules[name];
    let next = path[name.len()..].trim_start_matches("::").split("::").next()?;
    // What a module hands on is its face, and a module itself is no use of what is in it.
    (!next.is_empty() && !module.handed_on.contains(next)).then_some(&module.file)
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let modules = modules();
    let uses = |name: &str, module: &Module| {
        // A file may use what the module has that it is a part of.
        let above = |file: &str| name.starts_with(&format!("{}::", module_of(file)));
        let homes = module.used.iter().filter_map(|path| home(path, &modules));
        homes.filter(|home| *home != module.file && !above(home)).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let mut arrows: BTreeMap<String, BTreeSet<String>> =
        modules.iter().map(|(name, module)| (module.file.clone(), uses(name, module))).collect();
    assert!(arrows["session/driver.rs"].contains("session/machine.rs"), "{:?}", arrows["session/driver.rs"]);
    // Whoever uses nobody, or only such, is in no circle.
    loop {
        let free: Vec<_> =
            arrows.iter().filter(|(_, used)| used.is_empty()).map(|(file, _)| file.clone()).collect();
        if free.is_empty() {
            break;
        }
        arrows.retain(|file, _| !free.contains(file));
        arrows.values_mut().for_each(|used| used.retain(|file| !free.contains(file)));
    }
    // Nor is who is used by nobody that is left.
    loop {
        let used: BTreeSet<_> = arrows.values().flatten().cloned().collect();
        let count = arrows.len();
        arrows.retain(|file, _| used.contains(file));
        if arrows.len() == count {
            break;
        }
    }
    assert!(arrows.is_empty(), "{arrows:#?}");
}

#[test]
fn imports_are_read_as_they_are_written() {
    let paths = flattened("super::{self, a::{B, c as d}, e}");
    let expected = [("super", "self"), ("super::a::B", "B"), ("super::a::c", "d"), ("super::e", "e")];
    assert_eq!(paths, expected.map(|(path, name)| (path.to_owned(), name.to_owned())));
    let children = BTreeSet::from(["mo::load".to_owned()]);
    let at = |path| absolute(path, "mo", &children);
    assert_eq!(at("load::files"), Some("mo::load::files".to_owned()));
    assert_eq!(at("super::uri"), Some("uri".to_owned()));
    assert_eq!(at("std::fmt"), None);
}
