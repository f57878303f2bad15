//! The completions for shells: what they offer is what `omadmctl` says it takes.

use std::process::Command;

use omadm_agent::lab::files;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/completions");

fn help(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_omadmctl")).args(words).arg("--help").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// A line of the table: a command, its options, and what its argument is, with `*` where there may be many.
fn line(command: &str) -> String {
    let help = help(&command.split(' ').collect::<Vec<_>>());
    let usage = help.lines().find_map(|line| line.strip_prefix("Usage: omadmctl [--json] ")).unwrap();
    let rest = usage.strip_prefix(command).unwrap();
    let mut options = Vec::new();
    for option in rest.split("--").skip(1) {
        let name: String = option.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
        let takes = option[name.len()..].strip_prefix(' ').is_some_and(|rest| !rest.starts_with('['));
        options.push(format!("--{name}{}", if takes { "=" } else { "" }));
    }
    let last = rest.rsplit(' ').next().unwrap().trim_matches(['[', ']', '…']);
    let kind = match (last, rest.ends_with('…')) {
        ("SERVER", _) => "server",
        ("DIR", false) => "dir",
        ("DIR", true) => "dir*",
        ("URI", _) => "uri",
        ("KEY", _) => "key",
        ("FILE", false) => "file",
        ("FILE", true) => "file*",
        _ => "",
    };
    format!("{command}|{}|{kind}", options.join(" "))
}

/// The table, as the help has it.
fn table() -> String {
    let help = help(&[]);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.take_while(|line| !line.is_empty());
    let command = |line: &str| line.trim_start().split("  ").next().unwrap().to_owned();
    // Names of two words that leave no room have one space behind them.
    let names: Vec<String> = commands.map(command).collect();
    names.iter().map(|name| line(name) + "\n").collect()
}

/// Compares the table in the completions of a program with this one, or writes it.
fn compare(files_of_program: [&str; 3], table: &str) {
    for name in files_of_program {
        let file = std::path::Path::new(FOLDER).join(name);
        let text = std::fs::read_to_string(&file).unwrap();
        let mark = if name.ends_with(".fish") { "'TABLE\n" } else { "<<'TABLE'\n" };
        let (before, rest) = text.split_once(mark).unwrap();
        let (_, after) = rest.split_once("TABLE").unwrap();
        let expected = format!("{before}{mark}{table}TABLE{after}");
        if std::env::var_os("WRITE").is_some() {
            files::put(&file, &expected, files::PLAIN).unwrap();
        } else {
            assert!(text == expected, "{name} differs from the help: WRITE=1 writes it");
        }
    }
}

#[test]
fn what_shells_complete_is_what_the_help_says() {
    let table = table();
    assert!(table.contains("session start||server\n") && table.contains("set|--dry-run|\n"), "{table}");
    compare(["omadmctl.bash", "_omadmctl", "omadmctl.fish"], &table);
}

/// A program's help for these words.
fn of_program(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).arg("--help").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The options that a help lists, with `=` those that take a text.
fn options(help: &str) -> Vec<String> {
    let lines =
        help.lines().skip_while(|line| *line != "Options:").skip(1).take_while(|line| !line.is_empty());
    let option = |line: &str| {
        let (_, rest) = line.split_once("--")?;
        let name = rest.split(' ').next()?;
        let takes = !rest[name.len()..].starts_with("  ") && rest.len() > name.len();
        Some(format!("--{name}{}", if takes { "=" } else { "" }))
    };
    lines.filter_map(option).collect()
}

#[test]
fn what_shells_complete_of_the_lab_is_what_its_help_says() {
    let lab = env!("CARGO_BIN_EXE_omadm-lab");
    let help = of_program(lab, &[]);
    let commands =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let line = |line: &str| {
        let command = line.split_whitespace().next().unwrap();
        let own = if command == "help" { String::new() } else { of_program(lab, &[command]) };
        let own: Vec<String> = options(&own).into_iter().filter(|option| option != "--help").collect();
        format!("{command}|{}\n", own.join(" "))
    };
    let table: String = commands.map(line).collect();
    assert!(table.contains("demo|--once --script= --verbose\n"), "{table}");
    compare(["omadm-lab.bash", "_omadm-lab", "omadm-lab.fish"], &table);
}

/// What bash offers at the end of a line.
fn bash(line: &str, path: &std::path::Path) -> Vec<String> {
    let script = format!(
        "source {FOLDER}/omadmctl.bash; read -ra COMP_WORDS <<<'{}'; \
         [[ '{line}' == *' ' ]] && COMP_WORDS+=(''); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _omadmctl; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        // As readline has it: a colon is a word of its own.
        line.replace(':', " : ")
    );
    let paths = format!("{}:{}", path.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash").args(["-c", &script]).env("PATH", paths).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let out = String::from_utf8(output.stdout).unwrap();
    out.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn a_real_bash_completes_commands_options_and_servers() {
    let folder = tempfile::tempdir().unwrap();
    let fake = "#!/bin/sh\necho '{\"accounts\":[{\"name\":\"A\",\"server\":\"acme\",\"uri\":\"u\"},{\"server\":\"other\"}]}'\n";
    files::put(&folder.path().join("omadmctl"), fake, files::PROGRAM).unwrap();
    std::fs::create_dir(folder.path().join("board")).unwrap();
    let bash = |line: &str| bash(line, folder.path());
    assert_eq!(bash("omadmctl st"), ["status"]);
    assert_eq!(bash("omadmctl session "), ["list", "start"]);
    assert_eq!(bash("omadmctl --json session st"), ["start"]);
    assert_eq!(bash("omadmctl session start "), ["acme", "other"]);
    assert_eq!(bash("omadmctl status a"), ["acme"]);
    assert_eq!(bash("omadmctl set --d"), ["--dry-run"]);
    assert_eq!(bash("omadmctl --v"), ["--version"]);
    let board = folder.path().join("board").display().to_string();
    let begun = format!("{}/b", folder.path().display());
    assert_eq!(bash(&format!("omadmctl mo check {begun}")), [board.as_str()]);
    // What has been given is not offered again, where one is all that there may be.
    assert_eq!(bash("omadmctl session start acme "), [""; 0]);
    assert_eq!(bash("omadmctl exec --wait --"), ["--dry-run", "--json", "--help"]);
    assert_eq!(bash("omadmctl --json exec --"), ["--dry-run", "--wait", "--help"]);
    assert_eq!(bash(&format!("omadmctl mo check {board} {begun}")), [board.as_str()]);
    assert_eq!(bash(&format!("omadmctl mo ddf {board} {begun}")), [""; 0]);
    assert_eq!(bash(&format!("omadmctl mo read --sysroot {board} {begun}")), [board.as_str()]);
}

#[test]
fn client_uris_and_keys_are_those_that_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let fake = r#"#!/bin/sh
case "$*" in
"mo list --json") echo '{"objects":[{"instances":["urn:m:a/1/","urn:m:a/2/"],"why":null},{"instances":null},{"instances":["urn:x/1/"]}]}' ;;
"tree urn:m:a/1/?lv=1 --json") echo '{"nodes":[{"uri":"urn:m:a/1//","node":true},{"node":true,"uri":"urn:m:a/1/Fan"},{"uri":"urn:m:a/1/Name","value":1}]}' ;;
"explain --json") echo '{"names":["get","list"],"ok":true,"version":1}' ;;
esac
"#;
    files::put(&folder.path().join("omadmctl"), fake, files::PROGRAM).unwrap();
    let bash = |line: &str| bash(line, folder.path());
    assert_eq!(bash("omadmctl get "), ["urn:m:a/1/", "urn:m:a/2/", "urn:x/1/"]);
    // What stands before the last colon is on the line already.
    assert_eq!(bash("omadmctl tree urn:m"), ["m:a/1/", "m:a/2/"]);
    assert_eq!(bash("omadmctl --json get urn:m:a/1/F"), ["a/1/Fan"]);
    assert_eq!(bash("omadmctl exec --wait urn:m:a/1/"), ["a/1/Fan", "a/1/Name"]);
    assert_eq!(bash("omadmctl get urn:x/1/ "), [""; 0]);
    assert_eq!(bash("omadmctl explain l"), ["list"]);
    assert_eq!(bash("omadmctl notify --server-id a h:1"), [""; 0]);
}

#[test]
fn what_follows_an_option_is_what_it_takes() {
    let folder = tempfile::tempdir().unwrap();
    let fake = "#!/bin/sh\necho '{\"accounts\":[{\"server\":\"acme\"}]}'\n";
    files::put(&folder.path().join("omadmctl"), fake, files::PROGRAM).unwrap();
    let bash = |line: &str| bash(line, folder.path());
    assert_eq!(bash("omadmctl notify --server-id "), ["acme"]);
    assert_eq!(bash("omadmctl notify --prefer m"), ["mobile"]);
    assert_eq!(bash("omadmctl alert raise --mark mi"), ["minor"]);
    assert_eq!(bash("omadmctl alert raise --source "), [""; 0]);
    let begun = format!("{}/om", folder.path().display());
    assert_eq!(bash(&format!("omadmctl notify --secret-file {begun}")), [format!("{begun}admctl")]);
}

/// As somebody types it: readline knows which words are names of files.
#[test]
fn a_command_is_no_folder_that_is_called_so() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("mo/board")).unwrap();
    let typed = format!(
        "PS1='> '; bind 'set enable-bracketed-paste off'; source {FOLDER}/omadmctl.bash; cd {}; \
         omadmctl() {{ printf '<%s>' \"$@\"; }}\n\
         omadmctl mo\tche\tmo/bo\t\nexit\n",
        folder.path().display()
    );
    let input = folder.path().join("typed");
    files::put(&input, &typed, files::PLAIN).unwrap();
    let output = Command::new("script")
        .args([
            "--quiet",
            "--echo",
            "never",
            "--return",
            "--command",
            "bash --norc --noprofile -i",
            "/dev/null",
        ])
        .stdin(std::fs::File::open(&input).unwrap())
        .env("TERM", "dumb")
        .env("HISTFILE", "/dev/null")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("<mo><check><mo/board/>"), "{said}");
}
