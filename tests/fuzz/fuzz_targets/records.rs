//! Listings: lines and JSON, of any text, and each element has a name that comes from it.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use omadm_agent::backend::{Answer, elements};
use omadm_agent::mo::select::Select;
use omadm_agent::mo::{Pattern, RecordsShape};

static SHAPES: LazyLock<Vec<RecordsShape>> = LazyLock::new(|| {
    let lines = |regex: Option<&str>, key: Option<&str>| RecordsShape::Lines {
        matching: regex.map(|regex| Pattern::new(regex).expect("a regular expression")),
        key: key.map(str::to_owned),
    };
    let json = |select: &[Select], key: Option<&str>| RecordsShape::Json {
        select: select.to_vec(),
        key: key.map(str::to_owned),
    };
    let ports = [Select::Key("ports".to_owned()), Select::Index(0)];
    vec![
        lines(None, None),
        lines(Some(r"(?m)^port (\w+)(?: (\d+))?"), None),
        lines(Some(r"(?m)^(?<expiry>\d+) (?<mac>\S+) (?<ip>\S+)(?: \*| (?<host>\S+))?$"), Some("mac")),
        lines(Some(r"(?m)^(?<a>x)?(?<b>y)?"), Some("a")),
        json(&[], None),
        json(&[], Some("name")),
        json(&ports, None),
        json(&ports, Some("name")),
    ]
});

fuzz_target!(|text: &str| {
    for shape in SHAPES.iter() {
        for by_position in [false, true] {
            let Ok(Answer::Value(found)) = elements(text.as_bytes(), shape, 1024, by_position) else { continue };
            if let RecordsShape::Lines { .. } = shape {
                assert!(found.len() <= text.lines().count());
                assert!(found.iter().all(|element| text.contains(&element.captured)));
            }
        }
    }
});
