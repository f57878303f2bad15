use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::spanned::{ByteSize, FilePath};

fn parse(text: &str) -> Located {
    Located::parse(Path::new("/etc/t.toml"), text).unwrap()
}

/// Reads `text` with `read`, and what it noted, unknown keys included.
fn read<T>(text: &str, read: impl FnOnce(&mut Reader<'_>) -> T) -> (T, Vec<String>) {
    let root = parse(text);
    let mut problems = Problems::default();
    let mut reader = Reader::new(&root, &mut problems);
    let value = read(&mut reader);
    reader.finish();
    (value, problems.iter().map(ToString::to_string).collect())
}

#[test]
fn a_name_that_is_nearly_known_is_guessed() {
    let known = ["max-age", "retries", "uri", "accept-bare"];
    for (written, expected) in [
        ("Max-Age", Some("max-age")),
        ("max_age", Some("max-age")),
        ("retrise", Some("retries")),
        ("retrie", Some("retries")),
        ("accept-bares", Some("accept-bare")),
        ("urn", None),
        ("zzz", None),
    ] {
        assert_eq!(meant(written, known), expected, "{written}");
    }
}

#[test]
fn a_wrong_type_names_file_line_key_and_what_was_expected() {
    let (value, problems) = read("\n[s]\nretries = \"five\"\n", |r| r.table("s", |s| s.or("retries", 5_u32)));
    assert_eq!(value, Some(5));
    assert_eq!(
        problems,
        ["/etc/t.toml:3: s.retries: expected an integer from 0 to 4294967295, found \"five\""]
    );
}

#[test]
fn every_wrong_element_is_named_with_its_own_line() {
    let (value, problems) = read("a = [\n  \"x\",\n  1,\n  true,\n]\n", |r| r.optional::<Vec<String>>("a"));
    assert_eq!(value, None);
    assert_eq!(
        problems,
        [
            "/etc/t.toml:3: a[1]: expected a string, found 1",
            "/etc/t.toml:4: a[2]: expected a string, found true or false",
        ]
    );
}

#[test]
fn unknown_keys_are_found_at_every_level_and_in_array_elements() {
    let text =
        "top = 1\n[s]\nknown = 1\nodd = 2\n[[list]]\nname = \"a\"\n[[list]]\nname = \"b\"\nnmae = \"c\"\n";
    let ((), problems) = read(text, |r| {
        r.table("s", |s| s.optional::<i64>("known"));
        r.array("list", |item, key, problems| {
            let mut element = Reader::at(item, key, problems);
            element.required::<String>("name");
            element.finish();
        });
    });
    assert_eq!(
        problems,
        [
            "/etc/t.toml:4: s.odd: unknown key; expected one of: known",
            "/etc/t.toml:9: list[1].nmae: unknown key; expected one of: name; did you mean `name`?",
            "/etc/t.toml:1: top: unknown key; expected one of: list, s",
        ]
    );
}

#[test]
fn what_is_no_table_is_one_problem_and_its_keys_are_not_missed() {
    let ((), problems) = read("s = 1\n", |r| {
        r.table("s", |s| s.required::<i64>("a"));
    });
    assert_eq!(problems, ["/etc/t.toml:1: s: expected a table, found an integer"]);
}

#[test]
fn a_missing_key_is_reported_at_its_table() {
    let ((), problems) = read("\n[s]\n", |r| {
        r.table("s", |s| s.required::<bool>("on"));
    });
    assert_eq!(problems, ["/etc/t.toml:2: s: `on` is missing: expected true or false"]);
}

#[test]
fn keys_that_are_not_bare_are_quoted() {
    let ((), problems) = read("[node.\"Mem/Free\"]\nx = 1\n", |r| {
        r.tables("node", |_, _| ());
    });
    assert_eq!(
        problems.first().map(String::as_str),
        Some("/etc/t.toml:2: node.\"Mem/Free\".x: unknown key; none is expected here")
    );
}

#[test]
fn paths_start_in_the_folder_of_the_file_that_says_them() {
    let merged = parse("a = \"one\"\nb = \"two\"\nc = [\"x\", \"/y\"]\n")
        .merge(Located::parse(Path::new("/usr/lib/u.toml"), "b = \"three\"\n").unwrap());
    let mut problems = Problems::default();
    let mut reader = Reader::new(&merged, &mut problems);
    let path = |text: &str| Some(FilePath(PathBuf::from(text)));
    assert_eq!(reader.optional("a"), path("/etc/one"));
    assert_eq!(reader.optional("b"), path("/usr/lib/three"));
    assert_eq!(reader.optional("c"), Some(vec![FilePath("/etc/x".into()), FilePath("/y".into())]));
    assert!(problems.is_empty());
}

#[test]
fn sorted_problems_go_file_by_file_and_line_by_line() {
    let ((), unsorted) = read("b = 1\na = 2\n", |_| ());
    assert!(unsorted[0].contains(":2:"), "found by key: {unsorted:?}");
    let root = parse("b = 1\na = 2\n");
    let mut problems = Problems::default();
    Reader::new(&root, &mut problems).finish();
    problems.sort();
    assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [Some(1), Some(2)]);
}

#[test]
fn durations_and_sizes_are_read_and_their_overflow_is_no_panic() {
    let duration = |text: &str| Duration::from_item(&Item::String(text.to_owned()));
    assert_eq!(duration("1h 30min"), Some(Duration::from_secs(5400)));
    assert_eq!(duration("200ms"), Some(Duration::from_millis(200)));
    for wrong in [
        "",
        " ",
        "5",
        "s",
        "5 parsecs",
        "-5s",
        "5s5",
        "1.5h",
        "99999999999999999999s",
        "18446744073709551615d",
    ] {
        assert_eq!(duration(wrong), None, "{wrong:?}");
    }
    let size = |text: &str| ByteSize::from_item(&Item::String(text.to_owned()));
    assert_eq!(size("64KiB"), Some(ByteSize(65_536)));
    for wrong in ["", "1", "1MB", "1 MiB 1", "KiB", "18446744073709551615GiB"] {
        assert_eq!(size(wrong), None, "{wrong:?}");
    }
    assert_eq!(ByteSize::from_item(&Item::Integer(-1)), None);
}

proptest! {
    #[test]
    fn no_text_brings_a_duration_or_size_down(text in "\\PC*") {
        let item = Item::String(text);
        let _ = Duration::from_item(&item);
        let _ = ByteSize::from_item(&item);
    }

    #[test]
    fn no_text_brings_the_parser_down_and_problems_stay_within_the_file(text in "[a-z\\[\\]{}=\"'.#, \n0-9]*") {
        let lines = text.matches('\n').count() + 1;
        if let Err(problems) = Located::parse(Path::new("t"), &text) {
            prop_assert!(problems.iter().all(|problem| problem.line.is_none_or(|line| line <= lines)));
        }
    }
}
