//! `docs/journal.md` has every line that the agent may write, as the sources and the catalogue have it. With `WRITE=1`
//! in the environment the test writes the page's tables anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::pages::files;
use crate::support::named::root;

/// All below this line is made of the sources.
const MARK: &str =
    "<!-- Below this line the page is made by `WRITE=1 make test ONLY=tests/documentation`. -->\n";

/// A call that writes a line.
struct Call {
    level: String,
    /// The constant of `journal::id`, if it has a MESSAGE_ID.
    id: Option<String>,
    fields: Vec<String>,
    message: String,
}

/// An entry of the catalogue.
struct Entry {
    subject: String,
    text: String,
}

/// The end of what begins with an opening bracket, brackets within it and text in quotes passed over.
fn closing(text: &str) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0_i32, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    panic!("no end: {text}");
}

/// The parts of `text` between separators that no bracket or quote encloses.
fn parts(text: &str, separator: char) -> Vec<&str> {
    let (mut depth, mut quoted, mut escaped, mut from) = (0_i32, false, false, 0);
    let mut found = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth -= 1,
            c if c == separator && depth == 0 && !quoted => {
                found.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    found.push(text[from..].trim());
    found.retain(|part| !part.is_empty());
    found
}

/// The message as a person reads it: names stay in their braces, what has none is `…`.
fn message(arguments: &[&str]) -> String {
    let literal = arguments[0].trim_matches('"').replace("\\\"", "\"").replace("\\n", " ");
    let literal = literal.split("\\\n").map(str::trim_start).collect::<Vec<_>>().join("");
    let mut values = arguments[1..].iter();
    let (mut shown, mut rest) = (String::new(), literal.as_str());
    while let Some((before, braces)) = rest.split_once('{') {
        let (name, after) = braces.split_once('}').unwrap();
        shown.push_str(before);
        match name.split(':').next().unwrap() {
            "" if values.next().is_some_and(|value| value.ends_with("{ \"\" } else { \"s\" }")) => {
                shown.push_str("(s)");
            }
            "" => shown.push('…'),
            name => write!(shown, "{{{name}}}").unwrap(),
        }
        rest = after;
    }
    shown + rest
}

/// The calls of `log::error!` and its like; of those that are not for developers.
fn calls() -> Vec<Call> {
    let mut found = Vec::new();
    for file in files(&root().join("src"), "rs", true) {
        let whole = std::fs::read_to_string(&file).unwrap();
        // The lab is no agent, and writes to its terminal.
        if file.starts_with(root().join("src/lab")) {
            continue;
        }
        let text = whole.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
        for (at, _) in text.match_indices("log::") {
            let rest = &text[at + "log::".len()..];
            let Some((level, _)) = rest.split_once("!(") else { continue };
            if !["error", "warn", "info", "log"].contains(&level) {
                continue;
            }
            let body = &rest[level.len() + 1..];
            let inner = &body[1..closing(body)];
            let halves = parts(inner, ';');
            let (pairs, format) = match halves.as_slice() {
                [pairs, format] => (*pairs, *format),
                [format] => ("", *format),
                _ => panic!("{}: {inner}", file.display()),
            };
            let mut arguments = parts(format, ',');
            let mut pairs = parts(pairs, ',');
            if level == "log" {
                // The level is the first argument, before the pairs or, without any, before the message.
                let _ = if pairs.is_empty() { arguments.remove(0) } else { pairs.remove(0) };
            }
            let pairs = pairs.iter().map(|pair| pair.split_once('=').unwrap());
            let mut call =
                Call { level: level.to_owned(), id: None, fields: Vec::new(), message: message(&arguments) };
            for (name, value) in pairs {
                match name.trim() {
                    "MESSAGE_ID" => call.id = value.rsplit("::").next().map(str::to_owned),
                    name => call.fields.push(name.to_owned()),
                }
            }
            found.push(call);
        }
    }
    found
}

/// The constants of `journal::id` with their values, in order.
fn ids() -> Vec<(String, String)> {
    let source = std::fs::read_to_string(root().join("src/base/journal.rs")).unwrap();
    let constant = |line: &str| {
        let (name, value) = line.trim().strip_prefix("pub(crate) const ")?.split_once(": &str = \"")?;
        Some((name.to_owned(), value.strip_suffix("\";")?.to_owned()))
    };
    source.lines().filter_map(constant).collect()
}

/// What the catalogue says, by MESSAGE_ID.
fn catalogue() -> BTreeMap<String, Entry> {
    let text = std::fs::read_to_string(root().join("systemd/omadm.catalog")).unwrap();
    let entry = |part: &str| {
        let (head, text) = part.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        let id = lines.next().unwrap().to_owned();
        let subject = lines.find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned();
        (id, Entry { subject, text: text.trim().to_owned() })
    };
    text.split("\n-- ").skip(1).map(entry).collect()
}

fn level(call: &Call) -> &str {
    if call.level == "log" { "varies" } else { &call.level }
}

fn tables() -> String {
    let (calls, catalogue) = (calls(), catalogue());
    let mut page = "\n## Messages with a MESSAGE_ID\n".to_owned();
    for (name, id) in ids() {
        let Entry { subject, text } = &catalogue[&id];
        write!(page, "\n### {subject}\n\nMESSAGE_ID `{id}`\n\n| level | message | fields |\n|---|---|---|\n")
            .unwrap();
        let own = calls.iter().filter(|call| call.id.as_deref() == Some(name.as_str()));
        let rows = lines(own);
        assert!(!rows.is_empty(), "nobody says {name}");
        write!(page, "{rows}\n{text}\n").unwrap();
    }
    page.push_str("\n## All other messages\n\n| level | message | fields |\n|---|---|---|\n");
    page.push_str(&lines(calls.iter().filter(|call| call.id.is_none())));
    page
}

/// A row for each of the calls, the gravest first.
fn lines<'c>(calls: impl Iterator<Item = &'c Call>) -> String {
    let mut rows: Vec<String> = calls
        .map(|call| {
            let fields: Vec<String> = call.fields.iter().map(|field| format!("`{field}`")).collect();
            format!("| {} | {} | {} |\n", level(call), call.message.replace('|', "\\|"), fields.join(" "))
        })
        .collect();
    let rank = |row: &String| ["| error", "| warn", "| info"].iter().position(|level| row.starts_with(level));
    rows.sort_by_key(|row| (rank(row).unwrap_or(3), row.clone()));
    rows.dedup();
    rows.concat()
}

#[test]
fn the_page_of_the_journal_has_every_message() {
    let path = root().join("docs/journal.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (by_hand, made) = page.split_once(MARK).expect("the mark below which the page is made");
    let tables = tables();
    if std::env::var_os("WRITE").is_some() {
        #[expect(clippy::disallowed_methods, reason = "a developer's own file")]
        std::fs::write(&path, format!("{by_hand}{MARK}{tables}")).unwrap();
        return;
    }
    let differs = made.lines().zip(tables.lines()).find(|(page, sources)| page != sources);
    assert!(
        made == tables,
        "docs/journal.md is not what the sources say: WRITE=1 make test ONLY=tests/documentation writes it anew; {differs:?}"
    );
}

#[test]
fn the_page_of_the_journal_has_every_reason_to_drop_a_notification() {
    let page = std::fs::read_to_string(root().join("docs/journal.md")).unwrap();
    let (mut missing, mut count) = (Vec::new(), 0);
    for file in files(&root().join("src/notification"), "rs", true) {
        let text = std::fs::read_to_string(file).unwrap();
        let Some((_, reasons)) = text.split_once("fn reason(&self) -> &'static str {") else { continue };
        for line in reasons.split("\n    }\n").next().unwrap().lines() {
            let Some(reason) = line.split("=> \"").nth(1).and_then(|rest| rest.split('"').next()) else {
                continue;
            };
            count += 1;
            missing.extend(Some(reason.to_owned()).filter(|_| !page.contains(&format!("`{reason}`"))));
        }
    }
    assert!(missing.is_empty() && count > 20, "{count}, without {missing:?}");
}
