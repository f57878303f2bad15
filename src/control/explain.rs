//! `omadmctl explain [KEY]`: what the page of the mapping language says of a key.

use std::io::{self, Read as _, Write};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde_json::{Value as Json, json};

use super::table::Paper;
use super::terminal::{Terminal, printable};
use crate::base::Order as _;
use crate::base::regular;
use crate::spanned::meant;

/// The most bytes of the page, which has a tenth of that.
const LONGEST_PAGE: u64 = 1 << 20;
/// What a compressed page begins with (RFC 1952).
const GZIP: &[u8] = b"\x1f\x8b";

/// The entry of a key in a table of keys.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    /// The table that the key is in: `source`, `list`.
    table: String,
    key: String,
    kind: String,
    default: String,
    example: String,
    meaning: String,
}

/// Prints what `page` says of a key, or which keys there are; returns whether it knows it.
pub(super) fn explain<O: Write, E: Write>(
    key: Option<&str>,
    page: &Path,
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    let text = match read(page) {
        Ok(text) => text,
        Err(error) => {
            let why = format!(
                "{}: {error}: say where the page is by --page FILE, such as docs/mapping.md of the sources",
                page.display()
            );
            return terminal.fail("NoPage", &why, as_json);
        }
    };
    let entries = entries(&text);
    let Some(key) = key else {
        let mut keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
        keys.order();
        keys.dedup();
        if as_json {
            return terminal.answer(true, json!({ "names": keys }));
        }
        overview(&entries, Paper::stdout(), &mut terminal.out)?;
        terminal.out.flush()?;
        return Ok(true);
    };
    let found = match named(key, &entries) {
        Ok(found) => found,
        Err(why) => return terminal.fail("UnknownKey", &why, as_json),
    };
    if as_json {
        let all: Vec<Json> = found.iter().map(|entry| entry.to_json()).collect();
        return terminal.answer(true, json!({ "keys": all }));
    }
    let paper = Paper::stdout();
    for (number, entry) in found.iter().enumerate() {
        if number > 0 {
            writeln!(terminal.out)?;
        }
        entry.show(paper, &mut terminal.out)?;
    }
    terminal.out.flush()?;
    Ok(true)
}

/// Prints a line for each key, below the place where it stands.
fn overview(entries: &[Entry], paper: Paper, out: &mut impl Write) -> io::Result<()> {
    for (number, entry) in entries.iter().enumerate() {
        let before = number.checked_sub(1).and_then(|before| entries.get(before));
        if before.is_none_or(|before| before.table != entry.table) {
            if number > 0 {
                writeln!(out)?;
            }
            paper.head(out, &place(&entry.table))?;
        }
        let meaning = entry.meaning.split_once(". ").map_or(entry.meaning.as_str(), |(first, _)| first);
        paper.cut(out, &entry.key, meaning.trim_end_matches('.'))?;
    }
    Ok(())
}

/// The entries of a key: of `above`, all; of `alarm.above`, or as `--check` names it, those of its place. Or why there is
/// none.
fn named<'e>(key: &str, entries: &'e [Entry]) -> Result<Vec<&'e Entry>, String> {
    let (before, last) = split(key);
    let does_hold = |place: &str, entry: &Entry| places(&entry.table).contains(&place);
    // What is listed is told by its number: `get[1]`. What a name is, in the middle, is not looked at.
    let bare = |part: &'_ str| part.split('[').next().unwrap_or_default().to_owned();
    let mut parts = before.rsplit('.').map(bare).filter(|part| !part.is_empty());
    let is_known = |part: &String| entries.iter().any(|entry| does_hold(part, entry));
    let (nearest, outmost) = (parts.next(), parts.next_back());
    let place = nearest.clone().filter(is_known).or_else(|| outmost.filter(is_known));
    let known = |place: &Option<String>| -> Vec<&'e Entry> {
        let is_there = |entry: &&Entry| place.as_ref().is_none_or(|place| does_hold(place, entry));
        entries.iter().filter(is_there).collect()
    };
    let is_lost = nearest.is_some() && place.is_none();
    let found: Vec<&Entry> = known(&place).into_iter().filter(|entry| entry.key == last).collect();
    if !found.is_empty() && !is_lost {
        return Ok(found);
    }
    let asked = |word: &str, among: &[&'e str]| {
        let meant = meant(word, among.iter().copied());
        meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"))
    };
    if is_lost {
        let holders: Vec<&str> = entries.iter().flat_map(|entry| places(&entry.table)).copied().collect();
        let nearest = nearest.unwrap_or_default();
        let meant = asked(&nearest, &holders);
        return Err(format!("nothing in a mapping that holds keys is called {nearest:?}{meant}"));
    }
    let keys: Vec<&str> = known(&place).iter().map(|entry| entry.key.as_str()).collect();
    let meant = asked(last, &keys);
    Err(match place {
        Some(place) => format!("no key below `{place}` is called {last:?}{meant}"),
        None => format!("no key of a mapping is called {key:?}{meant}"),
    })
}

/// The last component of a key, after those before it.
fn split(key: &str) -> (&str, &str) {
    let (before, last) = key.rsplit_once('.').unwrap_or_default();
    if last.is_empty() { ("", key) } else { (before, last) }
}

/// The page, compressed or not.
fn read(page: &Path) -> io::Result<String> {
    let mut bytes = regular::read(page, LONGEST_PAGE)?;
    if bytes.starts_with(GZIP) {
        let mut plain = Vec::new();
        MultiGzDecoder::new(bytes.as_slice()).take(LONGEST_PAGE).read_to_end(&mut plain)?;
        bytes = plain;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Entry {
    fn show(&self, paper: Paper, out: &mut impl Write) -> io::Result<()> {
        paper.text(out, 0, &format!("{} in {}: {}", self.key, place(&self.table), self.kind))?;
        paper.text(out, 4, &self.meaning)?;
        for (what, cell) in [("default", &self.default), ("example", &self.example)] {
            if !cell.is_empty() {
                // An example is to be copied: it stays on its line.
                writeln!(out, "    {what}: {}", printable(cell))?;
            }
        }
        Ok(())
    }

    fn to_json(&self) -> Json {
        json!({
            "key": self.key,
            "in": self.table,
            "type": self.kind,
            "default": self.default,
            "example": self.example,
            "meaning": self.meaning,
        })
    }
}

/// The place where the keys of a table stand, for people.
fn place(table: &str) -> String {
    match table {
        "head" => "the head of the file".to_owned(),
        "instance" => "a table of `instances`".to_owned(),
        "object" => "[object.NAME]".to_owned(),
        "node" => "[node.\"PATH\"]".to_owned(),
        "source" => "a source (`get`)".to_owned(),
        "pipeline" => "a source, or a `set` (the pipeline)".to_owned(),
        "effect" => "an effect (`set`, `add`, `delete`, `exec`)".to_owned(),
        "exec-of-node" => "`exec`".to_owned(),
        "exec-alert" => "`alert` of an `exec`".to_owned(),
        "description" => "[node.\"PATH\"] (what a node is)".to_owned(),
        "list" => "`list`".to_owned(),
        "alarm" => "[alarm.NAME]".to_owned(),
        "alarm-alert" => "`alert` of an alarm".to_owned(),
        other => format!("`{other}`"),
    }
}

/// The keys that hold what is in a table.
fn places(table: &str) -> &[&str] {
    match table {
        "instance" => &["instances"],
        "object" => &["object"],
        "node" | "description" => &["node"],
        "source" => &["get"],
        "pipeline" => &["get", "set", "result"],
        "effect" => &["set", "add", "delete", "exec"],
        "exec-of-node" => &["exec"],
        "list" => &["list"],
        "alarm" => &["alarm"],
        "exec-alert" | "alarm-alert" => &["alert"],
        _ => &[],
    }
}

/// The rows of the tables that stand after a comment `<!-- keys: NAME -->`.
fn entries(page: &str) -> Vec<Entry> {
    let (mut table, mut found) = (None, Vec::new());
    for line in page.lines() {
        if let Some(name) = line.strip_prefix("<!-- keys: ").and_then(|rest| rest.strip_suffix(" -->")) {
            table = Some(name);
            continue;
        }
        let (Some(name), true) = (table, line.starts_with('|')) else {
            if !line.trim().is_empty() {
                table = None;
            }
            continue;
        };
        // A key is code; the head of the table is not, nor what is below it.
        if !line.starts_with("| `") {
            continue;
        }
        let mut cells = cells(line).into_iter().map(|cell| plain(&cell));
        let mut next = || cells.next().unwrap_or_default();
        let (key, kind, default, example, meaning) = (next(), next(), next(), next(), next());
        found.push(Entry { table: name.to_owned(), key, kind, default, example, meaning });
    }
    found
}

/// The cells of a table's row; `\|` is a bar within one.
fn cells(row: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut characters = row.trim().trim_start_matches('|').chars();
    while let Some(c) = characters.next() {
        match (c, cells.last_mut()) {
            ('|', _) => cells.push(String::new()),
            ('\\', Some(cell)) if characters.as_str().starts_with('|') => cell.extend(characters.next()),
            (c, Some(cell)) => cell.push(c),
            (_, None) => {}
        }
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

/// The text of a cell as people read it: of a link its text, and code without its marks where it is all there is.
fn plain(cell: &str) -> String {
    let (mut text, mut rest) = (String::new(), cell);
    while let Some((before, after)) = rest.split_once('[') {
        let link = after.split_once("](").and_then(|(name, rest)| Some((name, rest.split_once(')')?.1)));
        match link.filter(|(name, _)| !name.contains(['[', ']'])) {
            Some((name, after)) => {
                text.push_str(&format!("{before}{name}"));
                rest = after;
            }
            None => {
                text.push_str(&format!("{before}["));
                rest = after;
            }
        }
    }
    text.push_str(rest);
    let code = text.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    match code.filter(|code| !code.contains('`')) {
        Some(code) => code.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_page_is_found() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/mapping.md");
        let all = entries(&std::fs::read_to_string(page).unwrap());
        let of = |key: &str| -> Vec<&str> {
            all.iter().filter(|entry| entry.key == key).map(|entry| entry.table.as_str()).collect()
        };
        assert_eq!(of("moid"), ["head"]);
        assert_eq!(of("otherwise"), ["pipeline", "exec-alert"]);
        assert_eq!(of("key"), ["source", "effect", "list"]);
        assert_eq!(of("select"), ["pipeline", "list"]);
        let tables = |key: &str| -> Vec<&str> {
            let found = named(key, &all).unwrap();
            found.into_iter().map(|entry| entry.table.as_str()).collect()
        };
        assert_eq!(tables("list.match"), ["list"]);
        assert_eq!(tables("node.Ups.get.match"), ["pipeline"]);
        assert_eq!(tables("alarm.above"), ["alarm"]);
        assert_eq!(tables("exec.codes"), ["exec-of-node"]);
        assert_eq!(tables("exec.alert.codes"), ["exec-alert"]);
        assert_eq!(tables("node.Ups.get[1].match"), ["pipeline"]);
        assert_eq!(tables("node.\"Zones/<zone>\".list"), ["node"]);
        assert_eq!(tables("alarm.hot.above"), ["alarm"]);
        assert_eq!(tables("instances[0].miid"), ["instance"]);
        for (key, why) in [
            ("foo.list", "nothing in a mapping that holds keys is called \"foo\""),
            ("nod.list", "nothing in a mapping that holds keys is called \"nod\"; did you mean `node`?"),
            ("alarm.abvoe", "no key below `alarm` is called \"abvoe\"; did you mean `above`?"),
            ("alarm.syntax", "no key below `alarm` is called \"syntax\""),
            ("lst", "no key of a mapping is called \"lst\"; did you mean `list`?"),
            (".", "no key of a mapping is called \".\""),
            ("node.", "no key of a mapping is called \"node.\"; did you mean `node`?"),
        ] {
            assert_eq!(named(key, &all).unwrap_err(), why);
        }
        assert!(all.len() > 60 && all.iter().all(|entry| !entry.meaning.is_empty()), "{all:?}");
    }

    #[test]
    fn all_keys_are_told_in_a_line_each_below_their_place() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/mapping.md");
        let all = entries(&std::fs::read_to_string(page).unwrap());
        for width in [40, 80, 200] {
            let mut shown = Vec::new();
            overview(&all, Paper::plain(width), &mut shown).unwrap();
            let shown = String::from_utf8(shown).unwrap();
            assert!(shown.lines().all(|line| line.chars().count() <= width), "{width}:\n{shown}");
            let rows = shown.lines().filter(|line| line.starts_with("  ")).count();
            assert_eq!(rows, all.len(), "{shown}");
            assert!(shown.contains("\n\n[alarm.NAME]\n  leaf            The leaf that is "), "{shown}");
        }
    }

    #[test]
    fn an_entry_is_told_as_people_read_it() {
        let page = "<!-- keys: source -->\n\n| key | type | default | example | meaning | an error |\n|---|---|---|---|---|---|\n\
                    | `key` | text, or [array](#a) | | `{ key = \"a\\|b[0]\" }` | With `file`: [one](#b) of it. | |\n\nText | with | bars\n";
        let all = entries(page);
        assert_eq!(all.len(), 1);
        let mut shown = Vec::new();
        all[0].show(Paper::plain(80), &mut shown).unwrap();
        assert_eq!(
            String::from_utf8(shown).unwrap(),
            "key in a source (`get`): text, or array\n    With `file`: one of it.\n    example: { key = \"a|b[0]\" }\n"
        );
    }
}
