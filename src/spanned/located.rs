//! TOML values that remember the file and line they were written at.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Problems};
use crate::base::OneByOne as _;
use crate::base::Order as _;
use crate::base::{OrderedMap, OrderedSet};

/// A TOML value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    /// The file that the value was read from.
    pub file: Arc<Path>,
    /// The line of the value, from 1.
    pub line: usize,
    /// The value itself.
    pub item: Item,
}

/// A TOML value. Dates are kept as text: no key of ours takes one.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the variants are TOML's own types")]
pub enum Item {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Date(String),
    Array(Vec<Located>),
    Table(OrderedMap<String, Located>),
}

impl Item {
    /// The name of the value's type as an operator would say it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::Date(_) => "a date",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
        }
    }

    /// The value as a message shows it: short ones as they are, others by their type.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::String(text) if text.len() <= 60 => format!("{text:?}"),
            Self::Integer(number) => number.to_string(),
            _ => self.kind().to_owned(),
        }
    }
}

impl Located {
    /// The value of a key, where this is a table that has it.
    #[must_use]
    pub fn below(&self, key: &str) -> Option<&Self> {
        match &self.item {
            Item::Table(keys) => keys.get(key),
            _ => None,
        }
    }

    /// Parses TOML `text` that was read from `file`.
    ///
    /// # Errors
    /// Every syntax error that the parser recovers from, each with its line. What the parser says besides, of the same
    /// line or behind an array that is not closed, comes of the same fault, and is left out.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Problems> {
        let file: Arc<Path> = Arc::from(file);
        let lines = LineIndex::new(text);
        let (table, mut errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            let start = table.span().start;
            return Ok(table_at(&file, &lines, start, table.get_ref()));
        }
        let line_of = |error: &toml::de::Error| error.span().map(|span| lines.line(span.start));
        errors.order_by_key(line_of);
        let says = |what: &str| errors.iter().any(|error| error.message().contains(what));
        let first = errors.first().and_then(line_of);
        let open = |is_said: bool, pair| first.filter(|_| is_said).and_then(|line| opening(text, line, pair));
        let array = open(says("unclosed array,"), ['[', ']']);
        let unclosed = array.or_else(|| open(says("inline table"), ['{', '}']));
        let mut problems = Problems::default();
        let mut told = OrderedSet::new();
        for error in &errors {
            let line = line_of(error).map(|line| unclosed.map_or(line, |first| line.min(first)));
            if !told.insert(line) {
                continue;
            }
            let written = line.and_then(|line| text.lines().nth(line.saturating_sub(1)));
            let what = match written.and_then(quoted) {
                _ if line == unclosed && line.is_some() => match array {
                    Some(_) => "the array that begins here is not closed: expected `]`".to_owned(),
                    None => "the table that begins here is not closed: expected `}`".to_owned(),
                },
                Some(quoted) => {
                    format!("a name may hold letters, digits, `_` and `-`, or is written in quotes: {quoted}")
                }
                None if written.is_some_and(lacks_value) => "expected a value behind `=`".to_owned(),
                None => error.message().replace('\n', ", "),
            };
            let what = format!("not valid TOML: {what}");
            problems.push(Problem { file: file.to_path_buf(), line, key: String::new(), what });
        }
        Err(problems)
    }

    /// An empty table, for a file that isn't there and need not be.
    #[must_use]
    pub fn empty(file: &Path) -> Self {
        Self { file: Arc::from(file), line: 1, item: Item::Table(OrderedMap::new()) }
    }

    /// Lays `later` over `self`: key by key where both are tables, otherwise the later replaces (arrays too).
    #[must_use]
    pub fn merge(self, later: Self) -> Self {
        match (self.item, later.item) {
            (Item::Table(mut base), Item::Table(over)) => {
                for (key, value) in over {
                    let value = match base.remove(&key) {
                        Some(below) => below.merge(value),
                        None => value,
                    };
                    base.insert(key, value);
                }
                Self { file: later.file, line: later.line, item: Item::Table(base) }
            }
            (_, item) => Self { file: later.file, line: later.line, item },
        }
    }

    /// The folder of the file: relative paths in it start there.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.file.parent().map_or_else(PathBuf::new, Path::to_path_buf)
    }
}

fn table_at(file: &Arc<Path>, lines: &LineIndex, start: usize, table: &DeTable<'_>) -> Located {
    let members = table
        .iter()
        .map(|(key, value)| {
            // A table's own span may cover its header only; the key's is what a reader looks for.
            let at = key.span().start;
            (key.get_ref().to_string(), value_at(file, lines, at, value.get_ref()))
        })
        .one_by_one();
    Located { file: Arc::clone(file), line: lines.line(start), item: Item::Table(members) }
}

fn value_at(file: &Arc<Path>, lines: &LineIndex, start: usize, value: &DeValue<'_>) -> Located {
    let item = match value {
        DeValue::String(text) => Item::String(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Item::Integer(number),
            Err(_) => Item::Float(f64::INFINITY),
        },
        DeValue::Float(number) => Item::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(truth) => Item::Boolean(*truth),
        DeValue::Datetime(date) => Item::Date(date.to_string()),
        DeValue::Array(items) => Item::Array(
            items.iter().map(|item| value_at(file, lines, item.span().start, item.get_ref())).collect(),
        ),
        DeValue::Table(table) => return table_at(file, lines, start, table),
    };
    Located { file: Arc::clone(file), line: lines.line(start), item }
}

/// The byte offsets of line starts: an offset's line is found by bisection.
struct LineIndex(Vec<usize>);

impl LineIndex {
    fn new(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|&start| start <= offset).max(1)
    }
}

fn lacks_value(line: &str) -> bool {
    line.split_once('=').is_some_and(|(key, value)| !key.trim().is_empty() && value.trim().is_empty())
}

/// The last line up to this one with an array, or an inline table, that is not closed there.
fn opening(text: &str, line: usize, [opens, closes]: [char; 2]) -> Option<usize> {
    let open = |written: &&str| {
        let value = written.split_once('=').map_or("", |(_, value)| value);
        value.matches(opens).count() > value.matches(closes).count()
    };
    let lines: Vec<&str> = text.lines().take(line).collect();
    lines.iter().rposition(open).map(|at| at + 1)
}

/// A table's header, or a key and the `=` behind it, with quotes where it lacks them; none where it lacks none.
fn quoted(line: &str) -> Option<String> {
    let line = line.trim();
    let (open, name, close) = match line.strip_prefix("[[").map(|rest| ("[[", rest, "]]")) {
        Some((open, rest, close)) => (open, rest.split_once("]]")?.0, close),
        None => match line.strip_prefix('[') {
            Some(rest) => ("[", rest.split_once(']')?.0, "]"),
            None => ("", line.split_once('=')?.0, " = …"),
        },
    };
    if name.contains(['"', '\'', '#']) {
        return None;
    }
    let is_plain = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let parts: Vec<&str> = name.split('.').map(str::trim).collect();
    if parts.iter().any(|part| part.is_empty()) || parts.iter().all(|part| is_plain(part)) {
        return None;
    }
    let quote = |part: &&str| if is_plain(part) { (*part).to_owned() } else { format!("\"{part}\"") };
    Some(format!("{open}{}{close}", parts.iter().map(quote).collect::<Vec<_>>().join(".")))
}

impl Problems {
    /// Adds a problem with the value at `at`, whose dotted key is `key`.
    pub fn at(&mut self, at: &Located, key: impl Into<String>, what: impl Into<String>) {
        let (file, line) = (at.file.to_path_buf(), Some(at.line));
        self.push(Problem { file, line, key: key.into(), what: what.into() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Located {
        Located::parse(Path::new("t.toml"), text).unwrap()
    }

    fn get<'a>(located: &'a Located, key: &str) -> &'a Located {
        let Item::Table(table) = &located.item else { panic!("not a table") };
        table.get(key).unwrap()
    }

    #[test]
    fn values_know_their_lines() {
        let root = parse("a = 1\n\n[t]\nb = [\n  2,\n  3,\n]\n");
        assert_eq!(get(&root, "a").line, 1);
        assert_eq!(get(&root, "t").line, 3);
        let b = get(get(&root, "t"), "b");
        assert_eq!(b.line, 4);
        let Item::Array(items) = &b.item else { panic!("not an array") };
        assert_eq!((items[0].line, items[1].line), (5, 6));
    }

    #[test]
    fn merge_goes_key_by_key_and_arrays_replace() {
        let merged = parse("[s]\na = 1\nl = [1, 2]\n[k]\nx = 1\n").merge(parse("[s]\nl = [3]\nb = 2\n"));
        let s = get(&merged, "s");
        assert_eq!(get(s, "a").item, Item::Integer(1));
        assert_eq!(get(s, "b").item, Item::Integer(2));
        let Item::Array(items) = &get(s, "l").item else { panic!("not an array") };
        assert_eq!(items.len(), 1);
        assert_eq!(get(get(&merged, "k"), "x").item, Item::Integer(1));
    }

    #[test]
    fn elements_of_an_array_of_tables_stand_where_their_headers_are() {
        let root = parse("\u{feff}x = 0x10\n[[t]]\na = 1\n\n[[t]]\na = -1_000\n");
        assert_eq!(get(&root, "x").item, Item::Integer(16));
        let Item::Array(items) = &get(&root, "t").item else { panic!("not an array") };
        assert_eq!((items[0].line, items[1].line), (2, 5));
        assert_eq!(get(&items[1], "a").item, Item::Integer(-1000));
    }

    #[test]
    fn each_value_keeps_its_file_through_a_merge() {
        let merged =
            parse("[s]\na = 1\n").merge(Located::parse(Path::new("u.toml"), "[s]\nb = 1\n").unwrap());
        let s = get(&merged, "s");
        assert_eq!(&*get(s, "a").file, Path::new("t.toml"));
        assert_eq!(&*get(s, "b").file, Path::new("u.toml"));
    }

    #[test]
    fn one_fault_is_one_problem() {
        for (text, line, what) in [
            ("a = [\"x\", \"y\"\nb = \"/x\"\n[s]\nc = 1\n", 1, "the array that begins here is not closed"),
            ("[s]\na = [\"[::]:1\", [\n[t]\nc = 1\n", 2, "the array that begins here is not closed"),
            ("[s]\na = { x = 1\nb = 2\n[t]\nc = 1\n", 2, "the table that begins here is not closed"),
            ("a: 1\n", 1, "key with no value, expected `=`"),
            ("; comment\na = 1\n", 1, "key with no value, expected `=`"),
            ("a = 1\n=======\nb = 1\n", 2, "extra `=`"),
            ("[s]\na =\nb = 1\n", 2, "expected a value behind `=`"),
            ("[s\na = 1\n", 1, "unclosed table"),
        ] {
            let problems = Located::parse(Path::new("t.toml"), text).unwrap_err();
            let only = problems.iter().next().unwrap();
            assert_eq!((problems.len(), only.line), (1, Some(line)), "{text}: {problems}");
            assert!(only.what.contains(what), "{problems}");
        }
    }

    #[test]
    fn every_syntax_error_is_reported_with_its_line() {
        let problems = Located::parse(Path::new("t.toml"), "a = \nb = 1\nc = ]\n").unwrap_err();
        let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
        assert!(lines.contains(&Some(1)) && lines.contains(&Some(3)), "{problems}");
    }
}
