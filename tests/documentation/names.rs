//! Names in backticks are those of something: a path of the repository, a test, a module and what it has, a target of
//! the Makefile. `NAME` in a path stands for any name.

use std::path::{Path, PathBuf};

use super::pages::{files, pages, prose};
use crate::support::named::{exists, root};

/// What a page has in backticks, with the lines.
fn names(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        found.extend(line.split('`').skip(1).step_by(2).map(|name| (number, name.to_owned())));
    }
    found
}

/// Lines with a backtick that none on the same line closes: what is broken over two lines, nobody looks up.
fn broken(text: &str) -> Vec<usize> {
    let is_odd = |line: &str| line.matches('`').count() % 2 == 1;
    prose(text).into_iter().filter(|(_, line)| is_odd(line)).map(|(number, _)| number).collect()
}

/// What is wrong with a name; none: nothing, or it is no name of ours.
fn problem(name: &str) -> Option<String> {
    if let Some(target) = name.strip_prefix("make ") {
        let target = target.split(' ').next().unwrap_or_default();
        let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
        let is_there = makefile.lines().any(|line| line.starts_with(&format!("{target}:")));
        return (!is_there).then(|| format!("the Makefile has no {target}"));
    }
    if name.contains(char::is_whitespace) {
        return None;
    }
    let is_test = name.contains("::") && (name.starts_with("tests/") || name.contains("::tests::"));
    if is_test {
        return (!exists(name)).then(|| format!("there is no test {name}"));
    }
    let is_code = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '(' | ')' | '!');
    if name.contains("::") && name.chars().all(is_code) {
        return (!is_item(name)).then(|| format!("there is no {name}"));
    }
    (name.contains('/') && !is_path(name)).then(|| format!("there is no file or folder {name}"))
}

/// Whether a path of the repository is there. What is below none of its folders is another path, or none.
fn is_path(name: &str) -> bool {
    let mut components = name.trim_end_matches('/').split('/');
    let first = components.next().unwrap_or_default();
    if first.is_empty() || first.starts_with('.') && first != ".ci" || !root().join(first).exists() {
        return true;
    }
    let is_any = |component: &&str| component.contains("NAME") || component.contains(['*', '<', '{', '…']);
    let known: PathBuf = components.take_while(|component| !is_any(component)).collect();
    root().join(first).join(known).exists()
}

/// Whether the word stands in the text, and not as a part of another.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// The text of a module, all below it included.
fn texts(module: &Path) -> Vec<String> {
    let mut all = files(module, "rs", true);
    all.extend(Some(module.with_extension("rs")).filter(|file| file.is_file()));
    all.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

/// Whether a room, and what is named of it, is there; or a type and what is named of that. Of other crates nothing is
/// known.
fn is_item(name: &str) -> bool {
    let name = name.trim_start_matches("crate::").trim_end_matches(['(', ')', '!']);
    let mut segments = name.split("::").collect::<Vec<_>>();
    let first = segments[0];
    let sources = root().join("src");
    if first.starts_with(char::is_uppercase) {
        let defined = |text: &String| {
            ["struct", "enum", "trait", "type"].iter().any(|kind| has_word(text, &format!("{kind} {first}")))
        };
        let all = texts(&sources);
        let used = all.iter().filter(|text| has_word(text, first));
        return all.iter().any(defined)
            && used.clone().any(|text| segments[1..].iter().all(|word| has_word(text, word)));
    }
    let mut module = sources;
    while let Some(segment) = segments.first() {
        let next = module.join(segment);
        if !next.is_dir() && !next.with_extension("rs").is_file() {
            break;
        }
        module = next;
        segments.remove(0);
    }
    if module == root().join("src") {
        let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
        let is_crate =
            manifest.lines().any(|line| line.replace('-', "_").starts_with(&format!("{first} = ")));
        return is_crate || first == "std";
    }
    let all = texts(&module);
    segments.iter().all(|word| all.iter().any(|text| has_word(text, word)))
}

#[test]
fn every_name_in_backticks_is_there() {
    let (mut lost, mut count) = (Vec::new(), 0);
    for page in pages() {
        // What has been is told there; and what is told there has a test of its own.
        if ["CHANGELOG.md", "tests/conformance.md"].contains(&&*page.path.to_string_lossy()) {
            continue;
        }
        for line in broken(&page.text) {
            lost.push(format!("{}:{line}: a name is broken over two lines", page.path.display()));
        }
        for (line, name) in names(&page.text) {
            count += 1;
            lost.extend(problem(&name).map(|problem| format!("{}:{line}: {problem}", page.path.display())));
        }
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
    assert!(count > 100, "only {count} names were found");
}

#[test]
fn a_name_that_is_not_there_is_noticed() {
    for name in [
        "src/lib.rs",
        "src/NAME/mod.rs",
        "mo/*/*.toml",
        "/etc/omadm/mo.d",
        "make check",
        "uri::client",
        "uri::client::ClientUri",
        "uri::server::tests::every_template_expands",
        "tests/conformance::every_test_that_is_named_exists",
        "Profile::Draft",
        "tokio::select!",
        "GET",
        "[\"[::]:2948\"]",
        "urn:oma:mo:oma-dm-devinfo:1.2//DevID",
    ] {
        assert_eq!(problem(name), None, "{name}");
    }
    for name in [
        "src/nowhere.rs",
        "src/nowhere/NAME.rs",
        "make nowhere",
        "uri::client::Nowhere",
        "uri::server::tests::every_template",
        "tests/conformance::nowhere",
        "Profile::Nowhere",
        "Nowhere::Draft",
        "nowhere::Draft",
    ] {
        assert!(problem(name).is_some(), "{name}");
    }
}
