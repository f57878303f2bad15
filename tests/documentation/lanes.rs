//! The lanes that the page of the architecture has are the program's, with their bounds.

use omadm_agent::base::lane::{CONFIGURATION, DOCUMENTS, FILES, NAMES};

const PAGE: &str = include_str!("../../docs/architecture.md");

#[test]
fn the_page_of_the_architecture_has_every_lane_and_its_bounds() {
    let rows: Vec<&str> = PAGE.lines().filter(|line| line.starts_with("| lane `")).collect();
    let lanes = [FILES.lane(), CONFIGURATION.lane(), &NAMES, &DOCUMENTS];
    assert_eq!(rows.len(), lanes.len(), "{rows:#?}");
    for lane in lanes {
        let named = format!("| lane `{}`, at most {} |", lane.name(), lane.threads());
        let row = rows.iter().find(|row| row.starts_with(&named));
        let row = row.unwrap_or_else(|| panic!("no row begins with {named}"));
        let limit = format!("; {} s", lane.limit().as_secs());
        assert!(row.contains(&format!("{limit} ")), "{row}: not {limit}");
    }
}
