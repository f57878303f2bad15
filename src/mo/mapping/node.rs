//! Reading `[node."…"]`.

use std::collections::BTreeSet;
use std::time::Duration;

use regex_lite::{Regex, RegexBuilder};

use crate::spanned::ByteSize;
use crate::spanned::{Item, Reader};

use super::scalar::Scalar;
use super::{
    Call, Exec, List, ListFrom, NodeMapping, Pipeline, Program, Select, Sink, Source, SourceKind, Template,
};

const USER: &str = "omadm";
const TIMEOUT: Duration = Duration::from_secs(60);
const VERIFY: Duration = Duration::from_secs(5);
const MAX_CHILDREN: usize = 1024;
/// What a change can be.
const CHANGES: [&str; 4] = ["file", "object", "run", "store"];
/// What only a D-Bus object has.
const MEMBERS: [&str; 3] = ["method", "property", "args"];
const ALERT_TYPE: &str = "urn:x-omadm:at:exec:1.0:OperationComplete";
/// Compiled size in bytes: mapping files are written by hand.
const REGEX_SIZE: usize = 1 << 20;

/// Reads one node's table. `objects` are the names of the D-Bus objects there are.
pub(super) fn read(reader: &mut Reader<'_>, objects: &BTreeSet<String>) -> NodeMapping {
    let get = sources(reader, objects);
    let mut sets = one_or_many(reader, "set", |reader| sink(reader, objects));
    if sets.len() > 1 {
        reader.problem("set", "a value goes to one place: expected one table");
    }
    let mut input: Vec<String> = reader.or("input", Vec::new());
    let exec = reader.table("exec", |reader| {
        input.extend(reader.or("input", Vec::new()));
        exec(reader, objects)
    });
    let set = sets.pop().map(|(to, own)| {
        let own = own.map(|own| match own.invertible() {
            Ok(()) => own,
            Err(why) => {
                reader.problem(
                    "set",
                    format!("its own pipeline can't be run backwards: {why}; leave that out of `set`"),
                );
                Pipeline::default()
            }
        });
        Sink { pipeline: own.unwrap_or_else(|| inherited(&get, &to)), to }
    });
    NodeMapping {
        line: reader.located().line,
        add: reader.table("add", |reader| call(reader, &CHANGES, false, objects)).flatten(),
        delete: reader.table("delete", |reader| call(reader, &CHANGES, false, objects)).flatten(),
        list: reader.table("list", |reader| list(reader, objects)).flatten(),
        exec: exec.flatten(),
        pin: reader.or("pin", false),
        wait: reader.optional("wait"),
        pattern: regex(reader, "pattern", |pattern| format!(r"\A(?:{pattern})\z")),
        max_len: reader.optional("max-len").map(|ByteSize(bytes)| bytes),
        verify: verify(reader, set.as_ref()),
        input,
        get,
        set,
    }
}

/// `get` of a table that is no node's: the settings name sources too.
pub(crate) fn sources(reader: &mut Reader<'_>, objects: &BTreeSet<String>) -> Vec<Source> {
    one_or_many(reader, "get", |reader| source(reader, objects))
}

/// Without pipeline keys of its own, `set` runs backwards what reading the same place does.
fn inherited(get: &[Source], to: &Call) -> Pipeline {
    let same = |source: &&Source| match (&source.from, to) {
        (SourceKind::File(read), Call::File { path, .. }) => read == path,
        (
            SourceKind::Property { object, property },
            Call::Bus { object: called, member, method: false, .. },
        ) => (object, property) == (called, member),
        (SourceKind::Store, Call::Store) => true,
        _ => false,
    };
    get.iter().find(same).or(get.first()).map(|source| source.pipeline.clone()).unwrap_or_default()
}

fn verify(reader: &mut Reader<'_>, set: Option<&Sink>) -> Option<Duration> {
    match reader.raw("verify").map(|located| &located.item) {
        Some(Item::Boolean(false)) => None,
        Some(Item::Boolean(true)) => {
            reader.problem("verify", "expected false or a duration such as \"5s\"");
            None
        }
        Some(_) => reader.optional("verify"),
        None => matches!(set?.to, Call::File { .. } | Call::Bus { method: false, .. }).then_some(VERIFY),
    }
}

fn source(reader: &mut Reader<'_>, objects: &BTreeSet<String>) -> Option<Source> {
    const KINDS: [&str; 9] =
        ["value", "file", "os-release", "machine-id", "object", "run", "item", "store", "builtin"];
    let kind = kind(reader, &KINDS)?;
    let from = match kind {
        "value" => reader.optional("value").map(|Scalar(text)| SourceKind::Value(text)),
        "file" => template(reader, "file").map(SourceKind::File),
        "os-release" => reader.optional("os-release").map(SourceKind::OsRelease),
        "machine-id" => machine_id(reader).map(SourceKind::MachineId),
        "object" => object(reader, objects).and_then(|object| {
            reader.required("property").map(|property| SourceKind::Property { object, property })
        }),
        "run" => argv(reader, "run").map(SourceKind::Run),
        "item" => reader.optional("item").map(SourceKind::Item),
        "store" => truth(reader, "store").then_some(SourceKind::Store),
        _ => reader.optional("builtin").map(SourceKind::Builtin),
    };
    let privileged = matches!(kind, "file" | "object" | "run") && reader.or("privileged", false);
    let pipeline = pipeline(reader);
    Some(Source { from: from?, pipeline, privileged })
}

fn sink(reader: &mut Reader<'_>, objects: &BTreeSet<String>) -> Option<(Call, Option<Pipeline>)> {
    let to = call(reader, &CHANGES, true, objects);
    let own = ["select", "match", "map", "scale", "format"].iter().any(|key| reader.raw(key).is_some());
    let pipeline = own.then(|| pipeline(reader));
    Some((to?, pipeline))
}

/// A call of one of the `allowed` kinds; a D-Bus property only where there is a value for it.
fn call(
    reader: &mut Reader<'_>,
    allowed: &[&'static str],
    has_value: bool,
    objects: &BTreeSet<String>,
) -> Option<Call> {
    match kind(reader, allowed)? {
        "file" => {
            let path = template(reader, "file");
            let privileged = reader.or("privileged", false);
            Some(Call::File { path: path?, privileged })
        }
        "object" => bus_call(reader, has_value, objects),
        "run" => {
            let argv = argv(reader, "run");
            let user: String = reader.or("user", USER.to_owned());
            let timeout = timeout(reader);
            if user.is_empty() || user.contains(|c: char| c.is_whitespace() || c == ':' || c == '/') {
                reader.problem("user", "expected the name of a user");
            }
            Some(Call::Run(Program { argv: argv?, user, timeout }))
        }
        _ => truth(reader, "store").then_some(Call::Store),
    }
}

fn bus_call(reader: &mut Reader<'_>, property_allowed: bool, objects: &BTreeSet<String>) -> Option<Call> {
    let object = object(reader, objects);
    let kind =
        if property_allowed { kind(reader, &["property", "method"]) } else { kind(reader, &["method"]) };
    let kind = kind?;
    let member = reader.optional(kind);
    let method = kind == "method";
    let args = if method { templates(reader, "args").unwrap_or_default() } else { Vec::new() };
    let timeout = if method { timeout(reader) } else { TIMEOUT };
    let privileged = reader.or("privileged", false);
    Some(Call::Bus { object: object?, member: member?, method, args, timeout, privileged })
}

fn timeout(reader: &mut Reader<'_>) -> Duration {
    let timeout = reader.or("timeout", TIMEOUT);
    if timeout.is_zero() {
        reader.problem("timeout", "must be more than nothing");
    }
    timeout
}

fn exec(reader: &mut Reader<'_>, objects: &BTreeSet<String>) -> Option<Exec> {
    let call = call(reader, &["file", "object", "run"], false, objects);
    let codes = pairs(reader, "codes", |code, Scalar(status)| {
        let status: u16 = status.parse().ok().filter(|status| (1000..2000).contains(status))?;
        Some((code.parse::<u8>().ok()?.into(), status))
    });
    let codes = codes.unwrap_or_else(|| {
        reader.problem("codes", "expected exit codes (0–255) and the statuses (1000–1999) that they mean");
        Vec::new()
    });
    let after_session = reader.or("after-session", false);
    let alert_type = reader.parsed("alert-type", |text: String| match crate::package::is_alert_type(&text) {
        true => Ok(text),
        false => Err("expected a URN, or a reversed domain name such as \"org.example.update\""),
    });
    let alert_type = alert_type.unwrap_or_else(|| ALERT_TYPE.to_owned());
    let resume = reader.or("resume", false);
    Some(Exec { call: call?, codes, after_session, alert_type, resume })
}

fn list(reader: &mut Reader<'_>, objects: &BTreeSet<String>) -> Option<List> {
    let from = match kind(reader, &["glob", "run", "object"])? {
        "glob" => glob(reader),
        "run" => list_run(reader),
        _ => object(reader, objects).map(ListFrom::Object),
    };
    let max = usize::try_from(reader.or("max", u32::try_from(MAX_CHILDREN).unwrap_or(u32::MAX)));
    let max = max.unwrap_or(MAX_CHILDREN);
    if max == 0 {
        reader.problem("max", "expected at least 1");
    }
    Some(List { from: from?, max })
}

fn glob(reader: &mut Reader<'_>) -> Option<ListFrom> {
    let pattern: String = reader.optional("glob")?;
    if !pattern.starts_with('/') || !pattern.contains('*') {
        reader.problem("glob", "expected an absolute path with a `*` where the names are");
    } else if let Err(error) = glob::Pattern::new(&pattern) {
        reader.problem("glob", format!("not a pattern: {error}"));
    }
    Some(ListFrom::Glob(pattern))
}

fn list_run(reader: &mut Reader<'_>) -> Option<ListFrom> {
    let argv = argv(reader, "run");
    let json = reader.or("json", false);
    let lines = reader.or("lines", !json);
    let key = reader.optional("key");
    let matching = regex(reader, "match", str::to_owned);
    if json == lines {
        reader.here("a listing is either `json = true` or `lines = true`");
    }
    if key.is_some() && !json {
        reader.problem("key", "only with `json = true`");
    }
    if matching.is_some() && json {
        reader.problem("match", "only with `lines = true`");
    }
    Some(ListFrom::Run { argv: argv?, json, key, matching })
}

fn pipeline(reader: &mut Reader<'_>) -> Pipeline {
    let map = pairs(reader, "map", |source, Scalar(node)| Some((source.to_owned(), node)));
    let map = map.unwrap_or_else(|| {
        reader.problem("map", "expected a table of strings such as { up = \"1\" }");
        Vec::new()
    });
    let scale = reader.optional("scale");
    if scale == Some(0.0) {
        reader.problem("scale", "a factor of 0 leaves nothing");
    }
    Pipeline {
        select: select(reader),
        matching: regex(reader, "match", str::to_owned),
        map,
        scale,
        format: template(reader, "format"),
    }
}

/// `".key"`, `"[1]"`, several in a row, with `json` before them where one wants to say so.
fn select(reader: &mut Reader<'_>) -> Vec<Select> {
    let written = match reader.raw("select").map(|located| &located.item) {
        None => return Vec::new(),
        Some(Item::Array(_)) => reader.optional::<Vec<String>>("select").map(|steps| steps.concat()),
        Some(_) => reader.optional::<String>("select"),
    };
    let Some(written) = written else { return Vec::new() };
    steps(&written).unwrap_or_else(|| {
        reader.problem("select", "expected steps such as \".key\", \"[1]\" or \"json.modem[0].imei\"");
        Vec::new()
    })
}

fn steps(written: &str) -> Option<Vec<Select>> {
    let mut rest = written.strip_prefix("json").unwrap_or(written);
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (index, after) = after.split_once(']')?;
            steps.push(Select::Index(index.trim().parse().ok()?));
            rest = after;
        } else {
            let key = rest.strip_prefix('.')?;
            let (key, after) = key.split_at(key.find(['.', '[']).unwrap_or(key.len()));
            if key.is_empty() {
                return None;
            }
            steps.push(Select::Key(key.to_owned()));
            rest = after;
        }
    }
    Some(steps)
}

/// Which one of `kinds` the table is; none or several are a problem.
fn kind(reader: &mut Reader<'_>, kinds: &[&'static str]) -> Option<&'static str> {
    let found: Vec<&'static str> = kinds.iter().copied().filter(|kind| reader.raw(kind).is_some()).collect();
    let members: Vec<&'static str> = MEMBERS.into_iter().filter(|key| reader.has(key)).collect();
    let apart = !kinds.contains(&"method") && kinds.contains(&"object");
    match (found.as_slice(), members.as_slice()) {
        ([one], [member, ..]) if apart && *one != "object" => {
            reader.problem(
                member,
                format!("a D-Bus object's `{member}` and `{one}` exclude each other: keep one of the two"),
            );
            reader.give_up();
            None
        }
        ([], [member, ..]) if apart => {
            reader.problem(member, format!("`{member}` needs the `object` that has it"));
            reader.give_up();
            None
        }
        ([one], _) => Some(one),
        ([], _) => {
            reader.here(format!("expected one of: {}", kinds.join(", ")));
            None
        }
        (several, _) => {
            let several = several.join(", ");
            reader.here(format!("expected one of these only: {several}: they exclude each other"));
            reader.give_up();
            None
        }
    }
}

/// A table, or an array of tables.
fn one_or_many<T>(reader: &mut Reader<'_>, key: &str, read: impl Fn(&mut Reader<'_>) -> Option<T>) -> Vec<T> {
    if let Some(Item::Array(_)) = reader.raw(key).map(|located| &located.item) {
        let all = reader.array(key, |located, path, problems| {
            let mut reader = Reader::at(located, path, problems);
            let value = if matches!(located.item, Item::Table(_)) { read(&mut reader) } else { None };
            reader.finish();
            value
        });
        return all.unwrap_or_default().into_iter().flatten().collect();
    }
    match reader.raw(key).map(|located| &located.item) {
        None => Vec::new(),
        Some(Item::Table(_)) => reader.table(key, read).flatten().into_iter().collect(),
        Some(other) => {
            reader.problem(key, format!("expected a table or an array of tables, found {}", other.kind()));
            Vec::new()
        }
    }
}

/// The members of a table, each made by `read`; nothing if one can't be made.
fn pairs<T>(reader: &mut Reader<'_>, key: &str, read: impl Fn(&str, Scalar) -> Option<T>) -> Option<Vec<T>> {
    use crate::spanned::FromItem as _;
    match reader.raw(key).map(|located| &located.item) {
        None => Some(Vec::new()),
        Some(Item::Table(members)) => {
            members.iter().map(|(name, value)| read(name, Scalar::from_item(&value.item)?)).collect()
        }
        Some(_) => None,
    }
}

fn object(reader: &mut Reader<'_>, objects: &BTreeSet<String>) -> Option<String> {
    let name: String = reader.optional("object")?;
    if !objects.contains(&name) {
        reader.problem("object", format!("there is no [object.{name}]"));
    }
    Some(name)
}

fn machine_id(reader: &mut Reader<'_>) -> Option<[u8; 16]> {
    let text: String = reader.optional("machine-id")?;
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let number = if digits.len() == 32 { u128::from_str_radix(&digits, 16).ok() } else { None };
    if number.is_none() {
        reader.problem("machine-id", "expected the application's UUID: 32 hexadecimal digits");
    }
    number.map(u128::to_be_bytes)
}

fn truth(reader: &mut Reader<'_>, key: &str) -> bool {
    let truth = reader.or(key, false);
    if !truth {
        reader.problem(key, "expected true");
    }
    truth
}

fn template(reader: &mut Reader<'_>, key: &str) -> Option<Template> {
    let text: String = reader.optional(key)?;
    Template::parse(&text).map_err(|error| reader.problem(key, error.to_string())).ok()
}

fn argv(reader: &mut Reader<'_>, key: &str) -> Option<Vec<Template>> {
    let argv = templates(reader, key)?;
    if argv.is_empty() {
        reader.problem(key, "expected a program and its arguments");
        return None;
    }
    Some(argv)
}

fn templates(reader: &mut Reader<'_>, key: &str) -> Option<Vec<Template>> {
    let texts: Vec<Scalar> = reader.optional(key)?;
    let mut all = Vec::with_capacity(texts.len());
    for Scalar(text) in texts {
        match Template::parse(&text) {
            Ok(template) => all.push(template),
            Err(error) => reader.problem(key, format!("{text:?}: {error}")),
        }
    }
    Some(all)
}

/// `^` and `$` match at lines: most of what is matched are files of many lines.
fn regex(reader: &mut Reader<'_>, key: &str, around: impl Fn(&str) -> String) -> Option<Regex> {
    let pattern: String = reader.optional(key)?;
    if let Some(placeholder) = placeholder(&pattern) {
        reader.problem(
            key,
            format!("`{placeholder}` can't be filled in here: `{key}` is a regular expression and nothing else; a brace that is meant as such is written `\\{{`"),
        );
        return None;
    }
    let regex = RegexBuilder::new(&around(&pattern)).multi_line(true).size_limit(REGEX_SIZE).build();
    regex.map_err(|error| reader.problem(key, format!("not a regular expression: {error}"))).ok()
}

/// What looks like a variable in braces. A regular expression has none but after `\\p` and its like.
fn placeholder(pattern: &str) -> Option<&str> {
    let opens = pattern.match_indices('{').map(|(at, _)| at);
    opens.into_iter().find_map(|at| {
        let (before, rest) = pattern.split_at_checked(at)?;
        let name = rest.get(1..rest.find('}')?)?;
        let is_name = name.trim_start_matches("../").starts_with(|c: char| c.is_alphabetic());
        let is_escape = before.ends_with('\\')
            || ["\\p", "\\P", "\\x", "\\u", "\\U", "\\b"].iter().any(|escape| before.ends_with(escape));
        (is_name && !is_escape).then(|| rest.get(..name.len() + 2)).flatten()
    })
}
