//! Slips in mappings that are served: each is a warning; and what only looks like one is none.

use super::mistakes::{HEAD, is_told, told_of};

const KEPT: &str = "[node.A]\n";
const FILE: &str = "/var/lib/acme/a";
const SECRETS: &str =
    "[node.Psk]\naccess = \"replace\"\n[node.User]\n[node.Do]\ninput = [\"Psk\", \"User\"]\n";

/// A leaf that reads and writes in this way, with these other keys.
fn leaf(keys: &str, get: &str, set: &str) -> String {
    format!("[node.A]\n{keys}\nget = {{ {get} }}\nset = {{ {set} }}\n")
}

fn exec(keys: &str) -> String {
    format!("[node.R]\nexec = {{ {keys} }}\n")
}

fn alarm(leaf: &str, keys: &str) -> String {
    format!("{leaf}\n[alarm.a]\nleaf = \"A\"\n{keys}\nalert = {{ type = \"urn:x:1\" }}\n")
}

#[track_caller]
fn all_told(cases: &[(String, &str)]) {
    for (tables, expected) in cases {
        is_told("warning", tables, expected);
    }
}

#[track_caller]
fn none_told(cases: &[String]) {
    for tables in cases {
        let (_, told) = told_of(&format!("{HEAD}{tables}\n"), "{}");
        assert_eq!(told, [""; 0], "{tables}");
    }
}

#[test]
fn set_writes_what_get_reads() {
    let file = format!("file = \"{FILE}\"");
    let of = |more: &str| format!("{file}{more}");
    all_told(&[
        (leaf("", &of(", key = \"A\""), &of(", key = \"B\"")), "`get` reads /var/lib/acme/a"),
        (leaf("", &file, "file = \"/var/lib/acme/b\""), "`set` writes /var/lib/acme/b, and"),
        (
            leaf("", "object = \"one\", property = \"A\"", "object = \"one\", property = \"B\""),
            "`set` writes one B",
        ),
        (
            leaf("format = \"int\"", &of(", match = '^A=(\\d+)'"), &of(", format = \"{}\"")),
            "replaces all of the file",
        ),
        (
            leaf("format = \"bool\"", &of(", map = { 0 = true, 1 = false }"), &of(", format = \"{}\"")),
            "disagree: \"true\"",
        ),
        (
            leaf(
                "format = \"bool\"",
                &of(", map = { 0 = true, 1 = false }"),
                &of(", map = { 1 = true, 0 = false }"),
            ),
            "is written as \"1\", which is read as \"false\"",
        ),
        (leaf("", &of(", format = \"{} C\""), &of(", format = \"{}\"")), "disagree: \"7 C\""),
        (leaf("", &of(", format = \"A{}\""), &of(", format = \"B{}\"")), "can't write \"A7\""),
        (leaf("format = \"int\"", &file, &of(", scale = 10")), "disagree: \"7\" is written as \"0.7\""),
    ]);
    none_told(&[
        leaf("verify = false", &of(", key = \"A\""), &of(", key = \"B\"")),
        leaf("", "file = \"/sys/class/x/actual\"", "file = \"/sys/class/x/wanted\""),
        leaf("format = \"int\"", &of(", match = '^(\\d+)'"), &of(", format = \"{}\"")),
        leaf("format = \"int\"", &of(", match = '^A=(\\d+)'"), &of(", key = \"A\", format = \"{}\"")),
        leaf("format = \"int\"", &of(", scale = 0.001"), &file),
        leaf("enum = [\"on\", \"off\"]", &of(", map = { 1 = \"on\", 0 = \"off\" }"), &file),
        leaf("", &file, "run = [\"/bin/x\", \"--\", \"{}\"]"),
    ]);
}

#[test]
fn limits_let_something_through() {
    all_told(&[
        (format!("{KEPT}enum = [\"on\", \"auto\"]\nmax-len = 2"), "`enum` has \"auto\", which can't be set"),
        (format!("{KEPT}enum = [\"on\"]\npattern = '[A-Z]+'"), "`enum` has \"on\", which can't be set"),
        (format!("{KEPT}format = \"int\"\nmax = 10\nmax-len = 1"), "`max` has \"10\", which can't be set"),
        (format!("{KEPT}pattern = ''"), "only the empty text"),
        (format!("{KEPT}pattern = '/^a+$/'"), "is in slashes"),
        (format!("{KEPT}pattern = '^https://'"), "only \"https://\" can be set"),
        (format!("{KEPT}pattern = '[a-z]{{8,63}}'\nmax-len = 6"), "has 8 at least"),
        (
            format!(
                "[node.A]\nformat = \"int\"\nget = {{ file = \"{FILE}\", scale = 0.1 }}\nset = {{ file = \"{FILE}\" }}\nmax = {{ file = \"{FILE}\" }}"
            ),
            "`max` reads the leaf's own file",
        ),
        (
            leaf(
                "enum = [\"on\"]",
                &format!("file = \"{FILE}\", map = {{ 1 = \"on\", 0 = \"off\" }}"),
                "file = \"/var/lib/acme/a\"",
            ),
            "`map` makes \"off\", which `enum` lacks",
        ),
    ]);
    none_told(&[
        format!("{KEPT}pattern = '[a-z]{{2,63}}'\nmax-len = 6"),
        format!("{KEPT}pattern = '/dev/[a-z]+'"),
        format!("{KEPT}pattern = '^https://.*'"),
    ]);
}

#[test]
fn sources_are_asked_and_kept() {
    let get = |keys: &str, get: &str| format!("[node.A]\n{keys}\nget = {get}\n");
    let file = format!("{{ file = \"{FILE}\" }}");
    all_told(&[
        (get("", &format!("[{{ builtin = \"hostname\" }}, {file}]")), "never gets behind builtin hostname"),
        (
            get("access = \"get\"\ndefault = 1", &format!("[{{ store = true }}, {file}]")),
            "never gets behind store",
        ),
        (get("", &format!("[{file}, {file}]")), "has /var/lib/acme/a twice"),
        (
            get("set = { store = true }", &format!("[{file}, {{ store = true }}]")),
            "only when /var/lib/acme/a has none",
        ),
        (get("", "{ object = \"one\", method = \"Reboot\" }"), "seems to do something"),
        (format!("{KEPT}pin = true"), "`get` asks none"),
        (get("pin = true", &format!("[{{ store = true }}, {file}]")), "what servers set is never read"),
        (format!("{KEPT}wait = \"5s\""), "`wait` is for sources"),
        (get("wait = \"60d\"", &file), "more than an hour"),
        (get("pin = true", "{ file = \"/proc/uptime\" }"), "what changes all the time"),
        (get("", "{ builtin = \"random-uuid\" }"), "another UUID at each reading"),
        (get("", &format!("{{ file = \"{FILE}\", scale = 0.1 }}")), "which is served as text"),
        (format!("{}[node.B]\nget = {file}\n", get("", &file)), "the same as that of [node.A]"),
        (
            format!(
                "{}[node.L]\n[node.\"L/B\"]\nget = {file}\nset = {file}\n",
                get(&format!("set = {file}"), &file)
            ),
            "`set` writes what [node.A] writes too",
        ),
    ]);
    none_told(&[
        get("", &format!("[{{ builtin = \"language\" }}, {file}]")),
        get("set = { store = true }", &format!("[{{ store = true }}, {file}]")),
        get("pin = true", "{ builtin = \"random-uuid\" }"),
        get("", "{ object = \"one\", method = \"Settings\" }"),
        get("", &format!("[{{ file = \"{FILE}\", match = '(a)' }}, {{ file = \"{FILE}\", match = '(b)' }}]")),
    ]);
}

#[test]
fn un_named_nodes_have_their_children() {
    let list = "[node.\"L/<l>\"]\nlist = { glob = \"/s/net/*/mtu\" }\n";
    let inner = |glob: &str, file: &str| {
        format!(
            "{list}[node.\"L/<l>/S/<s>\"]\nlist = {{ glob = \"{glob}\" }}\n[node.\"L/<l>/S/<s>/C\"]\nget = {{ file = \"{file}\" }}\n"
        )
    };
    all_told(&[
        ("[node.\"L/<l>\"]\naccess = \"get\"\n[node.\"L/<l>/A\"]".into(), "it stays empty"),
        (format!("{list}delete = {{ store = true }}"), "the `list` brings it again"),
        (inner("/s/net/eth0/st/*", "/s/net/{l}/st/{s}"), "`list` has no `{l}`"),
        (inner("/s/net/{l}/st/*", "/s/net/eth0/st/{s}"), "`get` has no `{l}`"),
        (
            "[node.\"L/<l>\"]\n[node.\"L/<l>/R\"]\nexec = { run = [\"/bin/x\", \"{l}\"] }".into(),
            "omadm-exec takes no such `{l}`",
        ),
    ]);
    none_told(&[
        "[node.\"L/<l>\"]\n[node.\"L/<l>/A\"]".into(),
        inner("/s/net/{l}/st/*", "/s/net/{l}/st/{s}"),
        inner("/s/block/{l}/{l}*/part", "/s/class/{s}/size"),
    ]);
}

#[test]
fn words_mean_what_they_do_where_they_are() {
    let run = |words: &str| format!("[node.A]\nget = {{ run = [{words}] }}\n");
    let numbers = |words: &str| {
        format!(
            "[node.A]\nformat = \"int\"\nmin = -5\nget = {{ file = \"{FILE}\" }}\nset = {{ run = [{words}] }}\n"
        )
    };
    all_told(&[
        (run("\"/bin/echo\", \"a\", \"|\", \"grep\""), "hands \"|\" to the program"),
        (run("\"/bin/echo\", \"a\", \"2>/dev/null\""), "hands \"2>/dev/null\""),
        (run("\"/bin/echo\", \"$(hostname)\""), "no shell is there"),
        (run("\"/bin/echo\", \"$HOME\""), "no shell is there"),
        (run("\"/bin/ls\", \"/run/*\""), "no shell is there"),
        (run("\"/bin/cat\", \"~/x\""), "no shell is there"),
        (
            numbers("\"/bin/sh\", \"-c\", 'echo \"$1\"', \"{}\"").replace("min = -5", "min = 0"),
            "what follows the text is $0",
        ),
        (
            "[node.WifiKey]\naccess = \"replace\"\nset = { run = [\"/bin/x\", \"--\", \"{}\"] }".into(),
            "shows the value to everybody",
        ),
        (
            format!(
                "{SECRETS}exec = {{ run = [\"/bin/x\", \"{{../User}}\", \"--key={{../Psk}}\", \"{{../Psk}}\"] }}"
            ),
            "`exec.run` shows {../Psk} to",
        ),
        (
            format!(
                "{SECRETS}access = \"replace\"\nset = {{ run = [\"/bin/x\", \"{{../Psk}}\", \"{{}}\"] }}"
            ),
            "`set.run` shows {../Psk} to",
        ),
        (numbers("\"/bin/x\", \"{}\""), "numbers below 0 are refused"),
        (
            format!("[node.A]\nget = {{ file = \"{FILE}\", map = {{ up = \"on\", default = \"off\" }} }}"),
            "write `otherwise`",
        ),
    ]);
    none_told(&[
        run("\"/bin/sh\", \"-c\", \"cat /run/* | grep $HOME 2>/dev/null\""),
        run("\"/usr/bin/cut\", \"-d\", \"|\""),
        run("\"/usr/bin/awk\", '$1 == 1'"),
        numbers("\"/bin/sh\", \"-c\", 'echo \"$1\"', \"sh\", \"--\", \"{}\""),
        numbers("\"/bin/sh\", \"-c\", 'echo \"$1\"', \"--\", \"{}\""),
        numbers("\"/bin/x\", \"--level={}\""),
        "[node.Number]\naccess = \"replace\"\nset = { run = [\"/bin/x\", \"--\", \"{}\"] }".into(),
        "[node.WifiKey]\naccess = \"replace\"\ninput = [\"WifiKey\"]\nset = { run = [\"/bin/x\"] }".into(),
        format!("{SECRETS}exec = {{ run = [\"/bin/x\", \"{{../User}}\"] }}"),
        format!("{SECRETS}exec = {{ run = [\"/bin/x\", \"{{../Psk}}\"] }}")
            .replace("access = \"replace\"", ""),
        leaf(
            "",
            &format!("file = \"{FILE}\", map = {{ fast = \"on\", default = \"off\" }}"),
            &format!("file = \"{FILE}\""),
        ),
    ]);
}

#[test]
fn an_exec_tells_its_end_and_ends_nothing_else() {
    let run = "run = [\"/bin/x\"]";
    let leaves = "[node.S]\naccess = \"get\"\ndefault = 1\n";
    all_told(&[
        (exec("file = \"/sys/x\", codes = { 1 = 1500 }"), "there is none here"),
        (exec(&format!("{run}, codes = {{ 0 = 1500 }}")), "`exec.codes` tells 0"),
        (exec(&format!("{run}, alert = {{ codes = {{ 0 = 500 }} }}")), "`exec.alert` tells 0"),
        (exec(&format!("{run}, alert = {{ otherwise = 200 }}")), "tells them as success"),
        (exec(&format!("{run}, window = \"00:00-24:00\"")), "open all the time"),
        (exec(&format!("{run}, timeout = \"30ms\"")), "less than a second"),
        (exec("object = \"one\", method = \"Reboot\""), "say `after-session = true`"),
        (exec("run = [\"/bin/systemctl\", \"reboot\"]"), "say `after-session = true`"),
        (
            format!("{leaves}{}", exec(&format!("{run}, output = [\"S\"], result = \"S\""))),
            "is a leaf of `output` too",
        ),
        (
            format!("[node.T]\n[node.R]\ninput = [\"T\"]\nexec = {{ {run}, result = \"T\" }}"),
            "is a leaf of `input` too",
        ),
        (
            format!("[node.T]\naccess = \"replace\"\n{}", exec(&format!("{run}, result = \"T\""))),
            "that servers can't read",
        ),
        (
            format!("{}[node.Q]\nexec = {{ file = \"/sys/x\" }}\n", exec("file = \"/sys/x\"")),
            "`exec` does what that of [node.",
        ),
    ]);
    none_told(&[
        exec(&format!(
            "{run}, codes = {{ 0 = 1200, 2 = 1500 }}, alert = {{ codes = {{ 0 = 200, 3 = 402 }} }}"
        )),
        exec("run = [\"/usr/bin/logger\", \"reboot\"]"),
        exec("object = \"one\", method = \"Reboot\", after-session = true"),
        // What an EXEC fills has a value from it.
        format!("[node.T]\naccess = \"get\"\n{}", exec(&format!("{run}, result = \"T\""))),
        format!("[node.T]\naccess = \"get\"\n{}", exec(&format!("{run}, output = [\"T\"]"))),
    ]);
}

#[test]
fn alarms_are_raised_and_cleared() {
    let int = "[node.A]\nformat = \"int\"\nmin = 0\nmax = 100\n";
    let read = "[node.A]\nformat = \"int\"\nget = { file = \"/a\" }\n";
    let text = "[node.A]\npattern = '[a-z]+'\n";
    let cleared = |leaf: &str, keys: &str| alarm(leaf, keys).replace("\" }", "\", cleared = \"urn:x:2\" }");
    all_told(&[
        (alarm(int, "above = 100"), "`above` is at the leaf's `max`"),
        (alarm(int, "below = 0"), "`below` is at the leaf's `min`"),
        (alarm(int, "equals = 120"), "what no server may set"),
        (alarm(text, "equals = \"no host\""), "what no server may set"),
        (alarm(text, "equals = \"open\\n\""), "which no value has"),
        (alarm("[node.A]\nget = { value = \"x\" }", "changes = true"), "the leaf never does"),
        (alarm("[node.A]\npin = true\nget = { file = \"/a\" }", "changes = true"), "the leaf never does"),
        (alarm("[node.A]\nget = { file = \"/proc/uptime\" }", "changes = true"), "each time is an alert"),
        (
            alarm("[node.A]\nformat = \"float\"\nget = { file = \"/a\" }", "changes = true"),
            "each time is an alert",
        ),
        (cleared(text, "changes = true"), "of `changes` it is never told"),
        (
            alarm(
                &format!("{read}[node.B]\nformat = \"int\"\ndefault = 85"),
                "above = { leaf = \"B\" }\nclear = 90",
            ),
            "over the default of `above`",
        ),
        (
            format!(
                "{}[alarm.b]\nleaf = \"A\"\nabove = 5\nalert = {{ type = \"urn:x:3\" }}",
                alarm(read, "above = 5")
            ),
            "those of another alarm",
        ),
        (
            format!(
                "{}[alarm.b]\nleaf = \"A\"\nabove = 5\nalert = {{ type = \"urn:x:3\", cleared = \"urn:x:1\" }}",
                alarm(read, "above = 8")
            ),
            "the `type` of another alarm",
        ),
    ]);
    none_told(&[
        alarm(int, "above = 99"),
        alarm(read, "above = 100"),
        alarm(text, "equals = \"open\""),
        alarm("[node.A]\nget = { file = \"/a\" }", "changes = true"),
        cleared(text, "equals = \"open\""),
    ]);
}

#[test]
fn names_are_those_of_nodes() {
    let node = |path: &str| format!("[node.'{path}']\n[node.\"Memory/Total\"]\n");
    all_told(&[
        (node("urn:acme:mo:board:1.0/Free"), "leave the MOID out"),
        (node("Board/Memory/Free"), "leave `Board/` out"),
        (node("1/Memory/Free"), "leave `1/` out"),
        (node("\"Free"), "has a quote or a backslash in it"),
        (node("Memory\\Free"), "has a quote or a backslash in it"),
        (node("Free%20KiB"), "as %25"),
        (node("memory/Free"), "differ in case only"),
        (node("Memory.Free"), "write `/` between names"),
        (format!("{}[node.\"Polling/B\"]\n", node("Poling/A")), "differ in one letter"),
    ]);
    none_told(&[node("Rate %"), node("Board/Rate"), node("1/A"), node("v1.2"), node("Memory/total2")]);
}

#[test]
fn the_head_names_what_is_used() {
    let told = |mapping: &str| told_of(mapping, "{}").1;
    let head = "moid = \"urn:acme:mo:board:1.0\"\nroot = \"Board\"\n";
    let one = told(&format!("{head}ddf-uri = \"htps://acme.com/a.xml\"\ninstances = [\"1\"]\n[node.A]\n"));
    assert!(one.len() == 1 && one[0].contains("did you mean `https`"), "{one:?}");
    let one = told(&format!("{head}ddf-uri = \"acme.com/ddf/a.xml\"\ninstances = [\"1\"]\n[node.A]\n"));
    assert!(one.len() == 1 && one[0].contains("did you mean https://acme.com/"), "{one:?}");
    let spare = "[object.spare]\ndbus = \"org.x.M\"\npath = \"/org/x\"\ninterface = \"org.x.M\"\n";
    let one = told(&format!("{head}instances = [\"1\"]\n{spare}[node.A]\n"));
    assert!(one.len() == 1 && one[0].contains("nothing names it: org.x.M"), "{one:?}");
    let one = told(&format!("{head}instances = [\"eth0\", \"eth1\"]\n[node.A]\nget = {{ file = \"/a\" }}\n"));
    assert!(one.len() == 1 && one[0].contains("all of them say the same"), "{one:?}");
    let none = told(&format!(
        "{head}instances = [\"eth0\", \"eth1\"]\n[node.A]\n[node.B]\nget = {{ file = \"/a\" }}\n"
    ));
    assert_eq!(none, [""; 0]);
}
