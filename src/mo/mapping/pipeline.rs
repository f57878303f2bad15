//! Reading the keys of a pipeline.

use crate::spanned::{Item, Reader};

use super::parts::{pairs, pattern, template};
use super::scalar::Scalar;
use super::{Pipeline, Select, TimeUnit};

/// The keys that belong to a pipeline.
pub(super) const KEYS: [&str; 7] = ["select", "match", "map", "otherwise", "time", "scale", "format"];

pub(super) fn pipeline(reader: &mut Reader<'_>) -> Pipeline {
    let map = pairs(reader, "map", |source, Scalar(node)| Some((source.to_owned(), node)));
    let map = map.unwrap_or_else(|| {
        reader.problem("map", "expected a table of strings such as { up = \"1\" }");
        Vec::new()
    });
    let otherwise = reader.optional("otherwise").map(|Scalar(text)| text);
    if otherwise.is_some() && map.is_empty() {
        reader.problem("otherwise", "says what `map` does with everything else: it needs a `map`");
    }
    let time = reader.parsed("time", time_unit);
    let scale = reader.optional("scale");
    if scale == Some(0.0) {
        reader.problem("scale", "a factor of 0 leaves nothing");
    }
    if time.is_some() && scale.is_some() {
        reader.problem("scale", "`time` makes a date, which can't be scaled: keep one of the two");
    }
    Pipeline {
        select: select(reader),
        matching: pattern(reader, "match", str::to_owned),
        map,
        otherwise,
        time,
        scale,
        format: template(reader, "format"),
    }
}

/// Reads `select`: `".key"`, `"[1]"`, several in a row, with `json` before them where one wants to say so.
pub(super) fn select(reader: &mut Reader<'_>) -> Vec<Select> {
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

pub(super) fn steps(written: &str) -> Option<Vec<Select>> {
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

fn time_unit(name: String) -> Result<TimeUnit, String> {
    match name.as_str() {
        "epoch" => Ok(TimeUnit::Epoch(1)),
        "epoch-ms" => Ok(TimeUnit::Epoch(1000)),
        "epoch-us" => Ok(TimeUnit::Epoch(1_000_000)),
        "boot" => Ok(TimeUnit::Boot),
        _ => Err(format!(
            "expected \"epoch\", \"epoch-ms\", \"epoch-us\" (since 1970) or \"boot\" (seconds since the system started), found {name:?}"
        )),
    }
}
