//! Alarms of a mapping: what is read of them, and what is wrong with them.

use super::*;
use crate::mo::alarm::{Condition, Threshold};

const NODES: &str = r#"
moid = "urn:acme:mo:board:1.0"
root = "Board"
instances = ["1"]
[node."Zones/<zone>"]
list = { glob = "/sys/class/thermal/thermal_zone*" }
[node."Zones/<zone>/Celsius"]
format = "float"
get = { file = "/sys/class/thermal/thermal_zone{zone}/temp" }
[node."Zones/<zone>/Most"]
format = "int"
get = { value = 90 }
[node."Fans/<fan>"]
[node."Fans/<fan>/Speed"]
format = "int"
[node."Alarm/Limit"]
format = "int"
[node.Name]
[node.Secret]
access = "replace"
[node.On]
format = "bool"
"#;
const ALERT: &str = "alert = { type = \"urn:x:at:1\" }\n";

fn object(alarm: &str) -> Result<ManagementObject, Problems> {
    let bench = Bench::new();
    bench.file("mo/board/board.toml", &format!("{NODES}[alarm.hot]\n{alarm}{ALERT}"));
    let mut problems = Problems::default();
    load::load_one(&bench.path("mo/board"), &mut problems).ok_or(problems)
}

/// The only problem with an alarm.
fn wrong(alarm: &str) -> String {
    let problems = object(alarm).expect_err(alarm);
    let all: Vec<_> = problems.iter().collect();
    assert_eq!(all.len(), 1, "{alarm}: {problems}");
    assert!(all[0].key.starts_with("alarm.hot") && all[0].line.is_some(), "{alarm}: {problems}");
    all[0].what.clone()
}

#[test]
fn an_alarm_names_its_leaf_and_the_way_to_its_limits() {
    let alarm = "leaf = \"Zones/<zone>/Celsius\"\nabove = { leaf = \"Zones/<zone>/Most\" }\nclear = { leaf = \"Alarm/Limit\" }\nfor = \"1min\"\n";
    let object = object(alarm).unwrap_or_else(|problems| panic!("{problems}"));
    let alarm = &object.alarms[0];
    let find = |path: &str| object.find(path).unwrap();
    assert_eq!((alarm.name.as_str(), alarm.at), ("hot", find("Zones/<zone>/Celsius")));
    let limit = Threshold::Leaf { up: 1, down: vec![find("Zones/<zone>/Most")] };
    let clear = Threshold::Leaf { up: 3, down: vec![find("Alarm"), find("Alarm/Limit")] };
    assert_eq!(alarm.condition, Condition::Above { limit, clear: Some(clear) });
    assert_eq!((alarm.every, alarm.hold.as_secs()), (None, 60));
}

#[test]
fn what_is_fixed_has_the_format_of_the_leaf() {
    let condition = |alarm: &str| {
        object(alarm).unwrap_or_else(|problems| panic!("{problems}")).alarms[0].clone().condition
    };
    assert_eq!(
        condition("leaf = \"On\"\nequals = true\n"),
        Condition::Equals(Threshold::Fixed(Value::Bool(true)))
    );
    assert_eq!(
        condition("leaf = \"Name\"\nequals = 7\n"),
        Condition::Equals(Threshold::Fixed(Value::Text("7".into())))
    );
    let limit = Threshold::Fixed(Value::Float(0.5));
    assert_eq!(condition("leaf = \"Alarm/Limit\"\nbelow = 0.5\n"), Condition::Below { limit, clear: None });
    assert_eq!(condition("list = \"Fans/<fan>\"\n"), Condition::Listed);
}

#[test]
fn what_could_never_be_told_as_meant_is_told_when_it_is_read() {
    let celsius = "leaf = \"Zones/<zone>/Celsius\"\n";
    for (alarm, expected) in [
        ("above = 1\n".to_owned(), "expected the `leaf` whose value is watched"),
        (format!("{celsius}list = \"Fans/<fan>\"\nabove = 1\n"), "exclude each other"),
        (celsius.to_owned(), "expected one of: above, below, equals, changes"),
        (format!("{celsius}above = 1\nbelow = 0\n"), "expected one of these only: above, below"),
        (format!("{celsius}changes = false\n"), "expected true"),
        (format!("{celsius}above = \"85\"\n"), "expected a number, or { leaf = \"Alarm/Limit\" }"),
        (format!("{celsius}above = {{}}\n"), "`leaf` is missing"),
        (format!("{celsius}above = 1\nclear = 2\n"), "`clear` is 2, and `above` 1: expected 1 at most"),
        (format!("{celsius}below = 1\nclear = 0\n"), "expected 1 at least"),
        (format!("{celsius}changes = true\nclear = 0\n"), "`changes` has nothing between"),
        (format!("{celsius}above = 1\nevery = \"0s\"\n"), "a duration from \"1s\" to \"1d\""),
        (format!("{celsius}above = 1\nfor = 60\n"), "a duration from \"1s\" to \"1d\""),
        (format!("{celsius}above = 1\nhold = \"1s\"\n"), "unknown key"),
        ("leaf = \"Zones/<zone>/Celsus\"\nabove = 1\n".to_owned(), "did you mean `Celsius`?"),
        ("leaf = \"Zones/<z>/Celsius\"\nabove = 1\n".to_owned(), "write `<zone>`"),
        (
            "leaf = \"Zones/0/Celsius\"\nabove = 1\n".to_owned(),
            "there is no `0` below `Zones`; there are: <zone>",
        ),
        ("leaf = \"Zones\"\nabove = 1\n".to_owned(), "which is no leaf"),
        ("leaf = \"Name\"\nabove = 1\n".to_owned(), "has format chr: expected int or float"),
        ("leaf = \"Secret\"\nchanges = true\n".to_owned(), "which servers may not read"),
        ("leaf = \"On\"\nequals = \"open\"\n".to_owned(), "`equals` is what format bool can't hold"),
        (format!("{celsius}above = {{ leaf = \"Name\" }}\n"), "has format chr: expected int or float"),
        (format!("{celsius}above = {{ leaf = \"Alarm\" }}\n"), "which is no leaf"),
        (format!("{celsius}above = {{ leaf = \"Limit\" }}\n"), "there is no `Limit` below the root"),
        (format!("{celsius}above = {{ leaf = \"Fans/<fan>/Speed\" }}\n"), "which one is meant"),
        ("list = \"Fans\"\n".to_owned(), "expected an un-named node"),
        ("list = \"Fans/<fan>\"\nchanges = true\n".to_owned(), "is for a `leaf`"),
    ] {
        let told = wrong(&alarm);
        assert!(told.contains(expected), "{alarm}: {told}");
    }
}

#[test]
fn what_an_alert_lacks_is_told_and_so_are_too_many_alarms() {
    let bench = Bench::new();
    let told = |alarms: &str| {
        bench.file("mo/board/board.toml", &format!("{NODES}{alarms}"));
        let mut problems = Problems::default();
        load::load_one(&bench.path("mo/board"), &mut problems);
        problems.to_string()
    };
    let alarm = |alert: &str| format!("[alarm.a]\nleaf = \"Name\"\nchanges = true\n{alert}\n");
    assert!(told(&alarm("")).contains("`alert` is missing"));
    assert!(told(&alarm("alert = { mark = \"warning\" }")).contains("`type` is missing"));
    assert!(told(&alarm("alert = { type = \"hot\" }")).contains("expected a URN, or a reversed domain name"));
    assert!(
        told(&alarm("alert = { type = \"urn:x:1\", mark = \"bad\" }")).contains("expected one of: fatal")
    );
    let many: String =
        (0..65).map(|number| alarm(ALERT).replace("alarm.a", &format!("alarm.a{number}"))).collect();
    assert!(told(&many).contains("expected 64 alarms at most, found 65"));
}
