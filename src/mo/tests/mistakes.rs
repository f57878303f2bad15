//! Mistakes of those who write mappings: each is told, as an error or as a warning; and what is none is not.

use super::*;

pub(super) const HEAD: &str = r#"moid = "urn:acme:mo:board:1.0"
root = "Board"
instances = ["1"]
[object.one]
dbus = "org.x.M"
path = "/org/x/M"
interface = "org.x.M"
[object.all]
dbus = "org.x.M"
path = "/org/x/M/*"
interface = "org.x.M"
[object.also]
dbus = "org.x.M"
path = "/org/x/M/*"
interface = "org.x.N"
"#;
const LIST: &str = "[node.\"L/<l>\"]\nlist = { glob = \"/a/*\" }\n";
const RECORDS: &str = "[node.\"L/<l>\"]\nlist = { file = \"/a\", json = true, key = \"mac\" }\n";
const FILE: &str = "{ file = \"/var/lib/omadm/a\" }";

/// What is told of a mapping: errors, or else warnings.
pub(super) fn told_of(mapping: &str, seed: &str) -> (&'static str, Vec<String>) {
    let bench = Bench::new();
    bench.file("mo/board/seed.json", seed);
    bench.file("mo/board/board.toml", mapping);
    let read = load::One::read(&bench.path("mo/board"), None);
    let mut warnings = read.warnings;
    if let Some(object) = &read.object {
        warnings.append(crate::mo::check::warnings(object));
    }
    let warnings = crate::mo::check::to_keys(&warnings);
    let lines = |problems: &Problems| {
        let is_meant = |one: &&crate::spanned::Problem| {
            !one.what.starts_with("nothing names it") || one.key == "object.spare"
        };
        let line = |one: &crate::spanned::Problem| {
            assert!(one.line.is_some(), "{one}");
            format!("{}: {}", one.key, one.what)
        };
        problems.iter().filter(is_meant).map(line).collect()
    };
    if read.problems.is_empty() { ("warning", lines(&warnings)) } else { ("error", lines(&read.problems)) }
}

#[track_caller]
pub(super) fn is_told(severity: &str, tables: &str, expected: &str) {
    let (found, told) = told_of(&format!("{HEAD}{tables}\n"), "{}");
    assert!(
        found == severity && told.len() == 1 && told.iter().any(|line| line.contains(expected)),
        "{tables}\nexpected {severity}: {expected}\nfound {found}: {told:#?}"
    );
}

#[test]
fn mistakes_that_would_do_something_else_are_errors() {
    let sh = "set = { run = [\"/bin/sh\", \"-c\"";
    for (tables, expected) in [
        (format!("[node.A]\naccess = \"replace\"\n{sh}, \"echo {{}} >/a\"] }}"), "would be read as commands"),
        (
            "[node.U]\n[node.A]\ninput = [\"U\"]\nexec = { run = [\"/usr/bin/env\", \"bash\", \"-eo\", \"pipefail\", \"-c\", \"wget {../U}\"] }".to_owned(),
            "would be read as commands",
        ),
        (format!("{LIST}[node.\"L/<l>/A\"]\nget = {{ run = [\"/bin/busybox\", \"ash\", \"-c\", \"cat {{l}}\"] }}"), "as commands"),
        (format!("[node.A]\npin = true\nget = {FILE}\nset = {FILE}"), "`set` could never change it"),
        (
            "[node.A]\nget = { file = \"/a\", key = \"B\" }\nset = { file = \"/a\" }".to_owned(),
            "`set` is all of /a, and `get` one setting of it",
        ),
        (
            "[node.A]\nget = { file = \"/a\" }\nset = { file = \"/a\", key = \"B\" }".to_owned(),
            "`get` is all of /a, and `set` one setting of it",
        ),
        (
            format!("{LIST}[node.\"L/<l>/A\"]\nget = {{ file = \"/a\", key = \"s {{m}}.a\", syntax = \"ini\" }}"),
            "`get.key`: no variable `{m}`; there are: {l}",
        ),
        (
            "[node.A]\nget = { file = \"/a\", key = \"A{\" }".into(),
            "`{` stands alone",
        ),
        (
            format!("{LIST}[node.\"L/<l>/A\"]\nget = {{ file = \"/a\", key = \"A-{{l}}\" }}"),
            "is no variable of a shell",
        ),
        (
            "[node.A]\nget = { file = \"/a\", key = \"A\" }\nset = { file = \"/a\", key = \"A_{}\" }".into(),
            "there is no value that `{}` could stand for",
        ),
        ("[node.A]\nget = { run = [\"/bin/x\"], key = \"port 1\" }".into(), "`select` or `match` picks a part"),
        ("[node.A]\nexec = { run = [\"/bin/x\"], privileged = true }".into(), "say `user = \"root\"`"),
        ("[node.A]\nenum = { file = \"/a\" }".into(), "expected an array"),
        ("[node.A]\naccess = \"get\"".into(), "or give it a `default`, or say `occurs = \"?\"`"),
        ("[node.A]\nformat = \"date\"\ndefault = \"tomorrow\"".into(), "expected a date as ISO 8601"),
        ("[node.A]\nformat = \"time\"\nget = { value = \"noon\" }".into(), "expected a time as ISO 8601"),
        ("[node.A]\nformat = \"date\"\nenum = [\"31.01.2026\"]".into(), "`enum` has what format date can't"),
        (format!("{LIST}occurs = \"?\""), "`occurs` says that there is one at most"),
        (format!("{LIST}occurs = \"1\""), "`occurs` says that there is one at most"),
        ("[node.\"L/<l>\"]\nlist = { object = \"one\" }".into(), "has no `*`, and so is one object"),
        ("[node.\"L/<l>\"]\nlist = { glob = \"/sys/hwmon*/temp*_x*\" }".replace("hwmon*", "hwmon0"), "more than one `*`"),
        (format!("{RECORDS}[node.\"L/<l>/M/<m>/A\"]\nget = {{ item = \"ip\" }}"), "at the nearest un-named node"),
        (
            format!("{RECORDS}[node.\"L/<l>/M/<m>\"]\nlist = {{ glob = \"/b/*\" }}\n[node.\"L/<l>/M/<m>/A\"]\nget = {{ item = \"ip\" }}"),
            "at the nearest un-named node",
        ),
        ("[node.A]\nget = []".into(), "is empty: expected at least one table"),
        ("[node.A]\nmin = 1".into(), "`min` is for numbers"),
        ("[node.A]\nformat = \"int\"\nmax = { leaf = \"../A\" }".into(), "`../A` is this leaf itself"),
        ("[node.B]\n[node.A]\nformat = \"int\"\nmax = { leaf = \"../B\" }".into(), "has format chr: expected int"),
        ("[node.A]\nget = { object = \"one\", property = \"foo bar\" }".into(), "expected a D-Bus name"),
        ("[node.A]\nexec = { object = \"one\", method = \"org.x.Do\" }".into(), "expected a D-Bus name"),
        ("[object.o]\ndbus = \"org.x\"\npath = \"/a/\"\ninterface = \"org.x\"".into(), "expected an object path"),
        ("[object.o]\ndbus = \"org.x\"\npath = \"/a/*/*\"\ninterface = \"org.x\"".into(), "expected an object path"),
        ("[object.o]\ndbus = \"org..x\"\npath = \"/a\"\ninterface = \"org.x\"".into(), "expected a bus name"),
        ("[object.o]\ndbus = \"org.x\"\npath = \"/a\"\ninterface = \"org\"".into(), "expected an interface"),
        (
            "[node.A]\nformat = \"int\"\n[alarm.a]\nleaf = \"A\"\nabove = { leaf = \"A\" }\nalert = { type = \"urn:x:1\" }".into(),
            "it is its own limit",
        ),
    ] {
        is_told("error", &tables, expected);
    }
}

#[test]
fn mistakes_that_are_served_are_warnings() {
    let alarm = "[alarm.a]\nleaf = \"A\"\nalert = { type = \"urn:x:1\" }\n";
    for (tables, expected) in [
        ("[node.A]\naccess = \"replace\"\nset = { run = [\"/bin/x\"] }".to_owned(), "reaches nothing"),
        (
            "[node.A]\naccess = \"replace\"\nset = { object = \"one\", method = \"Do\", args = [\"1\"] }".into(),
            "reaches nothing",
        ),
        (format!("{LIST}occurs = \"*8\""), "say `max = 8`"),
        ("[node.\"L/<l>\"]\nlist = { glob = \"/a/*/b/c*\" }".into(), "a `*` in several places"),
        (format!("[node.A]\nset = {FILE}"), "has a `set` and no `get`"),
        (format!("[node.A]\nget = {FILE}\npattern = \"a\""), "`pattern` is for what servers write"),
        (format!("[node.A]\nget = {FILE}\nenum = [\"a\"]"), "`enum` is for what servers write"),
        (format!("[node.A]\nformat = \"int\"\nget = {FILE}\nmax = 5"), "`max` is for what servers write"),
        ("[node.A]\npattern = \"[0-9]\"\ndefault = \"x\"".into(), "none that a server could set"),
        ("[node.A]\nmax-len = \"1B\"\ndefault = \"xy\"".replace("\"1B\"", "1"), "none that a server could set"),
        (
            "[node.A]\nenum = [\"on\", \"auto\"]\nget = { file = \"/a\", map = { 1 = \"on\" } }\nset = { file = \"/a\" }".to_owned(),
            "`enum` has \"auto\"",
        ),
        (format!("{LIST}[node.\"L/<l>/A\"]\nget = {{ value = \"{{l}}\" }}"), "braces in \"{l}\" are taken as they stand"),
        (
            format!("{LIST}[node.\"L/<l>/A\"]\nget = {{ file = \"/a/{{l}}\", map = {{ 0 = \"{{l}} off\" }}, otherwise = 1 }}"),
            "`map`: braces in \"{l} off\"",
        ),
        (format!("{LIST}[node.\"L/<l>/A\"]\ndefault = \"{{l}}\""), "`default`: braces in"),
        (
            "[node.\"L/<l>\"]\nlist = { file = \"/a\", match = 'a (?<x>.)\\nb', key = \"x\" }".into(),
            "`list.match` sees one line at a time",
        ),
        (
            "[node.A]\nexec = { run = [\"/bin/x\"], veto = true, codes = { 4 = 1404 } }".into(),
            "say `veto = …` in them",
        ),
        ("[node.A]\nget = { file = \"/a/${{X}}\" }".into(), "is taken literally"),
        ("[node.A]\nget = { file = \"/a/<if>/b\" }".into(), "is taken literally"),
        ("[node.A]\nget = { file = \"/a/*/b\" }".into(), "is taken literally"),
        ("[node.A]\nget = { file = \"/a\", match = '(a)|(b)' }".into(), "has several groups"),
        (format!("{LIST}[node.\"L/<l>/A\"]\nget = {{ file = \"/a/b\" }}"), "it is the same for each `<l>`"),
        (format!("{LIST}[node.\"L/<l>/A\"]\nget = {{ object = \"one\", property = \"A\" }}"), "the same for each"),
        (format!("{LIST}delete = {{ run = [\"/bin/rm\", \"/a/b\"] }}"), "`delete` has no `{l}`"),
        (
            "[node.A]\nformat = \"int\"\nget = { file = \"/a\", scale = 0.1 }\nset = { file = \"/a\", format = \"{}\" }".into(),
            "`set` and `get` disagree",
        ),
        (
            "[node.A]\nformat = \"int\"\nget = { file = \"/a\" }\nset = { file = \"/a\", scale = 10 }".into(),
            "`set` and `get` disagree",
        ),
        (format!("[node.A]\nenum = [\"on\", \"off\"]\n{alarm}equals = \"up\""), "none of the leaf's `enum`"),
        (
            format!("[node.A]\nget = {{ file = \"/a\", map = {{ 1 = \"on\" }}, otherwise = \"off\" }}\n{alarm}equals = \"up\""),
            "nothing that the leaf's `get` makes",
        ),
        (
            format!("[node.A]\n{}equals = \"x\"", alarm.replace("\" }", "\", cleared = \"urn:x:1\" }")),
            "`cleared` is the same as `type`",
        ),
    ] {
        is_told("warning", &tables, expected);
    }
    let (_, told) = told_of("moid = \"board\"\nroot = \"B\"\ninstances = [\"1\"]\n[node.A]\n", "");
    assert!(told.len() == 1 && told[0].starts_with("moid: \"board\" is no URN"), "{told:?}");
}

#[test]
fn what_is_meant_is_not_told() {
    for tables in [
        "[node.A]\naccess = \"replace\"\nset = { run = [\"/bin/sh\", \"-c\", 'echo \"$1\"', \"sh\", \"{}\"] }".to_owned(),
        "[node.A]\nget = { file = \"/a\", match = '^B=(.*)' }\nset = { file = \"/a\", key = \"B\", format = \"{}\" }".into(),
        "[node.A]\nexec = { run = [\"/bin/x\"], veto = true, codes = { 4 = 1404, veto-4 = 1405 } }".into(),
        "[node.A]\nexec = { run = [\"/bin/x\"], veto = true, alert = { codes = { 0 = 200 } } }".into(),
        "[node.A]\nformat = \"date\"\ndefault = \"2026-01-31\"".into(),
        "[node.A]\nformat = \"time\"\nget = { file = \"/a\", time = \"epoch\" }".into(),
        format!("{LIST}occurs = \"*8\"").replace("*\" }", "*\", max = 8 }"),
        "[node.\"L/<l>\"]\nlist = { object = \"all\" }\n[node.\"L/<l>/A\"]\nget = { object = \"also\", property = \"A\" }".into(),
        format!(
            "{LIST}[node.\"L/<l>/A\"]\nget = {{ file = \"/a\", key = [\"tunnel {{l}}\", \"up\"], syntax = \"ini\" }}\n\
             set = {{ file = \"/a\", key = [\"tunnel {{l}}\", \"up\"], syntax = \"ini\" }}"
        ),
        format!("{LIST}[node.\"L/<l>/A\"]\nget = {{ file = \"/a\", key = \"N_{{l}}\" }}"),
        format!("{LIST}[node.\"L/<l>/A\"]\nget = [{{ file = \"/a/{{l}}/b\" }}, {{ file = \"/a/b\" }}]"),
        format!("{RECORDS}[node.\"L/<l>/A\"]\nget = {{ item = \"ip\" }}\n[node.\"L/<l>/B\"]\nget = {{ value = 1 }}"),
        "[node.A]\naccess = \"get\"\nenum = [1, 2]\ndefault = 1\n[node.R]\nexec = { run = [\"/bin/x\"], output = [\"A\"] }".into(),
        "[node.A]\nformat = \"int\"\nget = { file = \"/a\", scale = 0.1 }\nset = { file = \"/a\" }\nmin = 1".into(),
        "[node.B]\nformat = \"int\"\n[node.A]\nformat = \"float\"\nmax = { leaf = \"../B\" }".into(),
    ] {
        let (_, told) = told_of(&format!("{HEAD}{tables}\n"), "{}");
        assert_eq!(told, [""; 0], "{tables}");
    }
}

#[test]
fn seeds_are_held_to_the_description_and_to_the_limits() {
    let told = |seed: &str| {
        let mapping = HEAD.replace("[\"1\"]", "[{ miid = \"1\", data = \"seed.json\" }]")
            + "[node.Level]\nformat = \"int\"\nmax = 9\n[node.\"L/<l>/A\"]\n[node.Temp]\nget = { file = \"/a\" }\n";
        told_of(&mapping, seed)
    };
    for (seed, expected) in [
        ("{\"Levle\": 5}", "`Levle` is no node of this object"),
        ("{\"Level\": \"5\"}", "`Level` does not fit: expected a whole number"),
        ("{\"Level\": 10}", "`Level` does not fit: \"10\" is above the maximum"),
        ("{\"L\": {\"x\": {\"B\": 1}}}", "`L/x/B` is no node of this object"),
        ("{\"L\": 1}", "`L` is an interior node"),
    ] {
        let (severity, told) = told(seed);
        assert!(severity == "error" && told.len() == 1 && told[0].contains(expected), "{seed}: {told:?}");
        assert!(told[0].starts_with("instances: the data of \"1\": "), "{told:?}");
    }
    assert_eq!(told("{\"Board\": {\"Level\": 9, \"L\": {\"x\": {\"A\": \"b\"}}}}"), ("warning", vec![]));
    let (severity, told) = told("{\"Temp\": \"5\"}");
    assert!(severity == "warning" && told.len() == 1 && told[0].contains("never read"), "{told:?}");
}
