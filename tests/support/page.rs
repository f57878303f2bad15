//! The pages of `docs/`: their tables and their fenced blocks.
//!
//! A table of keys follows a comment `<!-- keys: NAME -->`; its columns are key, type, default, example, meaning, an
//! error. A table of statuses follows `<!-- statuses: NAME -->`; its columns are what happens, and what is said of it.

use std::collections::BTreeMap;

/// A row of a table of keys.
#[derive(Debug)]
pub(crate) struct Row {
    /// The key.
    pub(crate) key: String,
    /// As TOML; none: there is none, or the page says it in words.
    pub(crate) default: Option<String>,
    /// A right line, or a right value.
    pub(crate) example: String,
    /// A wrong one.
    pub(crate) wrong: String,
    /// What is said of that.
    pub(crate) message: String,
}

/// The tables of a page, by name.
pub(crate) fn tables(page: &str) -> BTreeMap<String, Vec<Row>> {
    let mut tables = BTreeMap::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(name) = line.strip_prefix("<!-- keys: ") else { continue };
        let name = name.strip_suffix(" -->").unwrap();
        let rows = lines.by_ref().skip_while(|line| !line.starts_with("|---")).skip(1);
        let rows: Vec<Row> = rows.take_while(|line| line.starts_with('|')).map(row).collect();
        assert!(!rows.is_empty(), "the table {name} has no rows");
        assert!(tables.insert(name.to_owned(), rows).is_none(), "the table {name} is there twice");
    }
    tables
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [key, _, default, example, meaning, error] = cells[..] else { panic!("six columns: {line}") };
    let code = |cell: &str| {
        let code = cell.strip_prefix('`')?.strip_suffix('`')?;
        (!code.contains('`')).then(|| code.to_owned())
    };
    assert!(meaning.ends_with(|end: char| end.is_ascii_punctuation()), "{line}");
    let (wrong, message) = error.split_once("`: ").unwrap_or_else(|| panic!("an error: {line}"));
    Row {
        key: code(key).unwrap_or_else(|| panic!("a key: {line}")),
        default: code(default)
            .filter(|default| !default.starts_with(char::is_alphabetic) || default.parse::<bool>().is_ok()),
        example: code(example).unwrap_or_else(|| panic!("an example: {line}")),
        wrong: wrong.trim_start_matches('`').to_owned(),
        message: message.to_owned(),
    }
}

/// The fenced blocks of a page, with what stands behind the three backticks.
pub(crate) fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some((_, info)) = line.split_once("```") else { continue };
        let indent = line.len() - line.trim_start().len();
        let body = lines.by_ref().take_while(|line| line.trim() != "```");
        let body: String = body.map(|line| format!("{}\n", line.get(indent..).unwrap_or_default())).collect();
        blocks.push((info.to_owned(), body));
    }
    blocks
}

/// The block with that behind its three backticks.
pub(crate) fn block(page: &str, info: &str) -> String {
    blocks(page).into_iter().find(|(known, _)| known == info).unwrap_or_else(|| panic!("no block {info}")).1
}

/// The blocks with that behind their three backticks, in one: a file that a page has in pieces.
pub(crate) fn joined(page: &str, info: &str) -> String {
    let pieces = blocks(page).into_iter().filter(|(known, _)| known == info).map(|(_, body)| body);
    pieces.collect::<Vec<_>>().join("\n")
}

/// A table of statuses: what happens, and what the page says of it.
pub(crate) fn statuses(page: &str, name: &str) -> BTreeMap<String, Vec<String>> {
    let mut lines = page.lines().skip_while(|line| *line != format!("<!-- statuses: {name} -->"));
    let rows = lines.by_ref().skip_while(|line| !line.starts_with("|---")).skip(1);
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows = rows.take_while(|line| line.starts_with('|')).map(cells);
    rows.map(|mut row| (row.remove(0), row)).collect()
}
