//! What documentation may name of this repository: its tests, by the names that `cargo nextest` gives them.

use std::path::{Path, PathBuf};

/// The folder of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The file that a test is in: `tests/session::x` is in tests/session.rs, `uri::client::tests::x` in the module of
/// that path, be it a file or a `mod` within the file of a module above.
fn file_of(modules: &[&str]) -> Option<PathBuf> {
    if let [folder_and_file] = modules
        && folder_and_file.starts_with("tests/")
    {
        return Some(root().join(format!("{folder_and_file}.rs")));
    }
    // By the house's rule tests are in a module of that name.
    if !modules.contains(&"tests") {
        return None;
    }
    let source = root().join("src");
    (1..=modules.len()).rev().find_map(|depth| {
        let (outer, inner) = modules.split_at(depth);
        let folder = outer.iter().fold(source.clone(), |path, module| path.join(module));
        let file =
            [folder.with_extension("rs"), folder.join("mod.rs")].into_iter().find(|file| file.is_file())?;
        let text = std::fs::read_to_string(&file).ok()?;
        inner.iter().all(|module| text.contains(&format!("mod {module} {{"))).then_some(file)
    })
}

/// Whether `file` has a function `name` that the test runner runs: a test attribute stands above it, and none that
/// switches it off.
fn has_test(file: &Path, name: &str) -> bool {
    let Ok(text) = std::fs::read_to_string(file) else { return false };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let called = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ")
            .and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with('('))
    };
    lines.iter().enumerate().filter(|(_, line)| called(line)).any(|(at, _)| {
        let above =
            lines.iter().take(at).rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        let attributes: Vec<&str> = above.copied().filter(|line| line.starts_with("#[")).collect();
        let is_test = |line: &&str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        attributes.iter().any(is_test) && !attributes.iter().any(|line| line.starts_with("#[ignore"))
    })
}

/// Whether there is a test of this name, and it runs.
pub(crate) fn exists(test: &str) -> bool {
    let parts: Vec<&str> = test.split("::").collect();
    match parts.as_slice() {
        [modules @ .., name] => file_of(modules).is_some_and(|file| has_test(&file, name)),
        [] => false,
    }
}
