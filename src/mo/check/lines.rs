//! Finding the line of the key that a finding is about: checks know that of the table only.

use std::path::{Path, PathBuf};

use crate::base::regular;
use crate::spanned::{Item, Located, Problem, Problems};

/// The largest mapping file that is looked into.
const LARGEST: u64 = 1 << 20;

/// Gives findings about mappings the line of the key that they name first, in backticks, where their table has it.
pub(crate) fn to_keys(problems: &Problems) -> Problems {
    let (mut last, mut found): (Option<(PathBuf, Option<Located>)>, _) = (None, Problems::default());
    for problem in problems {
        let mut problem = problem.clone();
        if last.as_ref().is_none_or(|(file, _)| *file != problem.file) {
            last = Some((problem.file.clone(), parsed(&problem.file)));
        }
        let root = last.as_ref().and_then(|(_, root)| root.as_ref());
        if let Some(line) = root.and_then(|root| line(root, &problem)) {
            problem.line = Some(line);
        }
        found.push(problem);
    }
    found
}

fn parsed(file: &Path) -> Option<Located> {
    if file.extension().is_none_or(|extension| extension != "toml") {
        return None;
    }
    let bytes = regular::read(file, LARGEST).ok()?;
    Located::parse(file, std::str::from_utf8(&bytes).ok()?).ok()
}

fn line(root: &Located, Problem { line, key, what, .. }: &Problem) -> Option<usize> {
    let table = steps(key).iter().try_fold(root, |at, step| member(at, step));
    let table = table.filter(|table| line.is_none_or(|line| line == table.line))?;
    let named = what.split('`').skip(1).step_by(2);
    let deepest = |name: &str| {
        let mut names = name.split('.');
        let first = member(table, names.next()?)?;
        let mut at = first;
        for name in names {
            at = member(at, name).unwrap_or(at);
        }
        Some(at.line)
    };
    named.take(3).find_map(deepest).or(line.is_none().then_some(table.line))
}

/// The member of a table; of an array, that of its first element which has one.
fn member<'a>(at: &'a Located, name: &str) -> Option<&'a Located> {
    match &at.item {
        Item::Table(table) => table.get(name),
        Item::Array(elements) => elements.iter().find_map(|element| match &element.item {
            Item::Table(table) => table.get(name),
            _ => None,
        }),
        _ => None,
    }
}

/// The steps of a dotted key, of which the last is quoted where it has to be: `node."A/B"`.
fn steps(key: &str) -> Vec<String> {
    match key.split_once(".\"") {
        Some((table, name)) => {
            let name = name.strip_suffix('"').unwrap_or(name);
            vec![table.to_owned(), name.replace("\\\"", "\"").replace("\\\\", "\\")]
        }
        None => key.split('.').map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::files;

    #[test]
    fn the_key_that_is_named_first_is_where_the_finding_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.toml");
        let text = "a = 1\n[node.\"A/B\"]\nformat = \"int\"\nget = [\n  { value = 1 },\n  { file = \"/x\", match = 'y' },\n]\nmin = 2\n";
        files::replace(&file, text.as_bytes(), 0o644).unwrap();
        for (line, key, what, expected) in [
            (Some(2), "node.\"A/B\"", "`min` is wrong", Some(8)),
            (Some(2), "node.\"A/B\"", "`get.match` is wrong", Some(6)),
            (Some(2), "node.\"A/B\"", "has `<Exec/>`, and a `get`", Some(4)),
            (Some(2), "node.\"A/B\"", "is wrong", Some(2)),
            (Some(5), "node.\"A/B\"", "`min` is wrong, as that line says", Some(5)),
            (None, "a", "is wrong", Some(1)),
            (None, "b", "is wrong", None),
        ] {
            let mut problems = Problems::default();
            problems.push(Problem { file: file.clone(), line, key: key.to_owned(), what: what.to_owned() });
            let found = to_keys(&problems);
            assert_eq!(found.iter().next().unwrap().line, expected, "{what}");
        }
    }
}
