//! The fenced blocks of all pages.

use std::collections::{BTreeMap, BTreeSet};

use super::mapping::{described, head};
use super::pages::pages;
use super::{LEAST, MAPPING};
use crate::support::checked::Folder;
use crate::support::page::{blocks, joined};

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
    for page in pages() {
        let (page, text) = (page.path.to_str().unwrap().to_owned(), page.text);
        for (number, (info, body)) in blocks(&text).into_iter().enumerate() {
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
                ("toml", "") if body.starts_with("# /etc/omadm/accounts.d/") => {
                    folder.put("accounts/block.toml", &body, 0o644);
                    folder.check("")
                }
                ("toml", "") if body.starts_with("# /etc/omadm/mo.d/gateway/") => {
                    folder.mo("gateway/gateway.toml", &body);
                    folder.mo("gateway/gateway.ddf.xml", &described("Gateway", &paths_in(&body)));
                    folder.check("")
                }
                ("toml", "") if page == "docs/mapping.md" => {
                    let paths = paths_in(&body);
                    assert!(!paths.is_empty(), "{body}");
                    folder.mo("block/block.toml", &head("block", "", &body));
                    folder.mo("block/board.ddf.xml", &described("Board", &paths));
                    folder.check("")
                }
                ("toml", file) if file.contains('/') => {
                    folder.mo(file, &joined(&text, &info));
                    let others = blocks(&text)
                        .into_iter()
                        .filter_map(|(info, body)| Some((info.strip_prefix("xml ")?.to_owned(), body)));
                    let own = file.split_once('/').unwrap().0;
                    let own = others
                        .filter(|(other, _)| other.split_once('/').is_some_and(|(name, _)| name == own));
                    own.for_each(|(file, body)| folder.mo(&file, &body));
                    folder.check("")
                }
                ("toml", other) => panic!("{page}: a block of TOML for {other:?}"),
                _ => continue,
            };
            assert_eq!(said, [""; 0], "{page}: block {number}:\n{body}");
            *counts.entry(page.clone()).or_insert(0) += 1;
        }
    }
    let most =
        [("README.md", 2), ("docs/mapping.md", 7), ("docs/configuration.md", 4), ("docs/accounts.md", 3)];
    assert!(most.iter().all(|(page, least)| counts[*page] >= *least), "{counts:?}");
}

/// The nodes to copy are a whole description once they are in one, and need no mapping but the two that are the
/// machine's.
#[test]
fn the_nodes_to_copy_are_a_description() {
    let nodes = blocks(MAPPING).into_iter().find(|(info, _)| info == "xml nodes").unwrap().1;
    let folder = Folder::new();
    let mapping = head("copied", "", "[node.\"Leases/<mac>/Address\"]\nget = { value = \"a\" }\n");
    folder.mo("copied/copied.toml", &mapping);
    let root = crate::support::ddf::node("Board", "node", "Get", "One", &nodes);
    folder.mo("copied/board.ddf.xml", &format!("<MgmtTree><VerDTD>1.2</VerDTD>{root}</MgmtTree>"));
    assert_eq!(folder.check(""), [""; 0]);
}
