//! The fenced blocks and the links of all pages.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::mapping::{described, head};
use super::support::checked::Folder;
use super::support::page::blocks;
use super::{ACCOUNTS, CONFIGURATION, LEAST, MAPPING};

/// The paths of the nodes that a fragment of a mapping names.
fn paths_in(fragment: &str) -> BTreeSet<String> {
    let headers = fragment.lines().filter_map(|line| line.trim_start_matches('[').strip_prefix("node."));
    let paths = headers.map(|rest| match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap().to_owned(),
        None => rest.split([']', '.']).next().unwrap().to_owned(),
    });
    paths.collect()
}

#[test]
fn every_block_of_toml_on_the_pages_is_sound() {
    let mut counts = BTreeMap::new();
    for (page, text) in [("mapping", MAPPING), ("configuration", CONFIGURATION), ("accounts", ACCOUNTS)] {
        for (number, (info, body)) in blocks(text).into_iter().enumerate() {
            let folder = Folder::new();
            let programs = folder.path("lib").display().to_string();
            let (language, file) = info.split_once(' ').unwrap_or((&info, ""));
            let said = match (language, file) {
                ("toml", "account") => {
                    let whole =
                        if body.contains("server-id") { body.clone() } else { format!("{LEAST}{body}") };
                    folder.put("accounts/block.toml", &whole, 0o644);
                    folder.check("")
                }
                ("toml", "omadmd.toml") => folder.check(&body.replace("/usr/lib/acme", &programs)),
                ("toml", "") if page == "mapping" => {
                    let paths = paths_in(&body);
                    assert!(!paths.is_empty(), "{body}");
                    folder.mo("block/block.toml", &head("block", "", &body));
                    folder.mo("block/board.ddf.xml", &described("Board", &paths));
                    folder.check("")
                }
                ("toml", file) if file.contains('/') => {
                    folder.mo(file, &body);
                    let others = blocks(text)
                        .into_iter()
                        .filter_map(|(info, body)| Some((info.strip_prefix("xml ")?.to_owned(), body)));
                    others.for_each(|(file, body)| folder.mo(&file, &body));
                    folder.check("")
                }
                ("toml", other) => panic!("{page}: a block of TOML for {other:?}"),
                _ => continue,
            };
            assert_eq!(said, [""; 0], "{page}: block {number}:\n{body}");
            *counts.entry(page).or_insert(0) += 1;
        }
    }
    assert!(counts["mapping"] >= 7 && counts["configuration"] >= 4 && counts["accounts"] >= 3, "{counts:?}");
}

/// The nodes to copy are a whole description once they are in one, and need no mapping but the two that are the machine's.
#[test]
fn the_nodes_to_copy_are_a_description() {
    let nodes = blocks(MAPPING).into_iter().find(|(info, _)| info == "xml nodes").unwrap().1;
    let folder = Folder::new();
    let mapping = head("copied", "", "[node.\"Leases/<mac>/Address\"]\nget = { value = \"a\" }\n");
    folder.mo("copied/copied.toml", &mapping);
    let root = super::support::ddf::node("Board", "node", "Get", "One", &nodes);
    folder.mo("copied/board.ddf.xml", &format!("<MgmtTree><VerDTD>1.2</VerDTD>{root}</MgmtTree>"));
    assert_eq!(folder.check(""), [""; 0]);
}

#[test]
fn the_pages_lead_to_what_is_there() {
    let anchor = |heading: &str| {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>()
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples = fs::read_to_string(root.join("examples/gateway/README.md")).unwrap();
    let pages = [
        ("docs/mapping.md", MAPPING),
        ("docs/configuration.md", CONFIGURATION),
        ("docs/accounts.md", ACCOUNTS),
        ("examples/gateway/README.md", examples.as_str()),
    ];
    for (page, text) in pages {
        let outside: String = text.split("```").step_by(2).collect();
        for link in outside.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if link.starts_with("https://") {
                continue;
            }
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { root.join(page) } else { root.join(page).with_file_name(file) };
            assert!(target.exists(), "{page}: {link}");
            if !fragment.is_empty() {
                let there = fs::read_to_string(&target).unwrap();
                let headings = there.lines().filter(|line| line.starts_with('#'));
                assert!(headings.map(anchor).any(|anchor| anchor == fragment), "{page}: {link}");
            }
        }
    }
}
