//! `omadmctl mo list`: which management objects are served, and why the others are not.

use omadm_agent::lab::files;
use serde_json::Value;

use crate::ctl::{Said, ctl, ctl_as_wide};
use crate::support::local::Agent;
use crate::support::{Bench, Setup};

const ONE: &str = r#"moid = "urn:x-acme:mo:NAME:1.0"
root = "R"
instances = ["1"]
[node.A]
default = "a"
"#;

fn mapping(name: &str, more: &str) -> String {
    format!("{more}{}", ONE.replace("NAME", name))
}

/// The objects that a command tells programs of, by their names.
#[track_caller]
fn objects(said: &Said) -> (Value, impl Fn(&str) -> Value + use<>) {
    let answer: Value = serde_json::from_str(&said.out).unwrap();
    let objects = answer["objects"].clone();
    let one = move |name: &str| {
        let mut all = objects.as_array().unwrap().iter();
        all.find(|object| object["name"] == name).cloned().unwrap_or_else(|| panic!("{name}: {objects}"))
    };
    (answer, one)
}

#[tokio::test]
async fn the_running_agent_says_what_it_serves_and_why_not_the_rest() {
    let config = "[objects]\ndisable = [\"off\"]\n".to_owned();
    let bench = Bench::with(Setup { config, ..Setup::default() }).await;
    let put = |name: &str, more: &str| {
        bench.gateway.put_mo(name, &format!("{name}.toml"), &mapping(name, more)).unwrap();
    };
    put("sound", "");
    put("off", "");
    put("lacks", "needs = [\"/gone/a\", \"/gone/b\"]\n");
    put("broken", "frobnicate = 1\n");
    let agent = Agent::start(&bench).await;
    let bus = agent.bus.address();
    let said = ctl(&bus, &["mo", "list", "--json"]).await;
    let (answer, one) = objects(&said);
    assert_eq!(
        (said.code, &answer["ok"], &answer["agent"]),
        (Some(1), &Value::Bool(false), &Value::Bool(true))
    );
    assert_eq!(one("sound")["instances"], serde_json::json!(["urn:x-acme:mo:sound:1.0/1/"]));
    assert_eq!((&one("sound")["served"], &one("sound")["why"]), (&Value::Bool(true), &Value::Null));
    for (name, why) in [
        ("off", "`disable`"),
        ("lacks", "no /gone/a, nor /gone/b"),
        ("broken", "broken.toml:1: frobnicate: "),
    ] {
        let one = one(name);
        assert_eq!((&one["served"], &one["instances"]), (&Value::Bool(false), &Value::Null), "{one}");
        assert!(one["why"].as_str().unwrap().contains(why), "{one}");
    }
    // Who asks for what is not there hears the same.
    for (name, why) in [
        ("off", "the object off is not served: switched off: `disable` below [objects] names it"),
        ("lacks", "the object lacks is not served: not on this machine: there is no /gone/a, nor /gone/b"),
        ("broken", "the object broken is not served: "),
        ("sounds", "no object here has that MOID; did you mean urn:x-acme:mo:sound:1.0?\n"),
    ] {
        let uri = format!("urn:x-acme:mo:{name}:1.0//A");
        for words in [&["get", uri.as_str()][..], &["tree", &uri], &["set", "--dry-run", &uri, "a"]] {
            let said = ctl(&bus, words).await;
            let told = format!("urn:x-acme:mo:{name}:1.0: not found: {why}");
            assert!(said.code == Some(1) && said.err.starts_with(&told), "{words:?}: {}", said.err);
            assert!(name != "broken" || said.err.contains("broken.toml:1: frobnicate: "), "{}", said.err);
        }
    }
    let said = ctl(&bus, &["get", "urn:x-acme:mo:sound:1.0//B"]).await;
    assert_eq!(said.err, "urn:x-acme:mo:sound:1.0/1/: node \"B\": not found\n");
    // One that breaks is served as it was.
    put("sound", "frobnicate = 1\nquux = 1\n");
    assert_eq!(ctl(&bus, &["reload"]).await.code, Some(1));
    let (_, one) = objects(&ctl(&bus, &["mo", "list", "--json"]).await);
    let sound = one("sound");
    assert_eq!(sound["served"], true, "{sound}");
    let why = sound["why"].as_str().unwrap();
    assert!(why.starts_with("as it was: ") && why.contains("sound.toml:1: frobnicate"), "{why}");
    assert!(why.contains("; 1 more: `omadmctl mo check "), "{why}");
    let people = ctl(&bus, &["mo", "list"]).await;
    assert_eq!(people.code, Some(1));
    let shown = people.out;
    assert!(shown.starts_with("NAME ") && shown.contains("\nNOT SERVED  WHY\n"), "{shown}");
    assert!(shown.contains("\noff         switched off: "), "{shown}");
    // In a pipe each is one line.
    assert!(shown.lines().any(|line| line.chars().count() > 80), "{shown}");
    for width in [60, 80] {
        let shown = ctl_as_wide(&bus, &["mo", "list"], Some(width)).await.out;
        assert!(shown.lines().all(|line| line.chars().count() <= width), "{shown}");
    }
    agent.stop().await;
}

#[tokio::test]
async fn without_an_agent_the_folders_are_listed_and_that_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (name, more) in
        [("a/one/one.toml", ""), ("b/one/one.toml", ""), ("b/two/two.toml", "needs = [\"/gone\"]\n")]
    {
        files::put(&path(name), mapping(&name[2..5], more), files::PLAIN).unwrap();
    }
    let mo = ["a", "b"].map(|name| path(name).display().to_string());
    let config = path("omadmd.toml");
    files::put(&config, format!("[paths]\nmo = {mo:?}\n"), files::PLAIN).unwrap();
    let config = config.display().to_string();
    let said = ctl("unix:path=/nowhere", &["mo", "list", &config, "--json"]).await;
    let (answer, _) = objects(&said);
    assert_eq!((said.code, &answer["agent"]), (Some(0), &Value::Bool(false)), "{}", said.err);
    let told: Vec<_> = answer["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| (&object["served"], &object["why"]))
        .collect();
    assert!(told[0].1.as_str().unwrap().ends_with("b/one replaces it"), "{told:?}");
    // Whether it is served, the agent alone would know.
    assert_eq!(told[1], (&Value::Null, &Value::Null));
    assert_eq!(told[2].1, "not on this machine: there is no /gone");
    let shown = ctl("unix:path=/nowhere", &["mo", "list", &config]).await.out;
    assert!(shown.starts_with("NAME  ROOT\none   urn:x-acme:mo:one:1.0\n"), "{shown}");
    // Nobody was asked, so nobody is missed; without a file, it is told that nobody has answered.
    assert_eq!(said.err, "");
    let said = ctl("unix:path=/nowhere", &["mo", "list"]).await;
    assert!(said.err.contains("listed is what the folders hold"), "{}", said.err);
    files::put(&path("b/one/one.toml"), "moid = 1\n", files::PLAIN).unwrap();
    let broken = ctl("unix:path=/nowhere", &["mo", "list", &config]).await;
    assert!(broken.code == Some(1) && broken.out.contains("one.toml:1: moid"), "{}", broken.out);
}
