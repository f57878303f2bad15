//! The completions in each shell that they are for: the real one, which is asked what it offers.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use omadm_agent::lab::files;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/completions");
const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// What a completion of bash offers: as readline calls it, but for colons.
const BASH: &str = r#"
source $0/$1.bash
read -ra COMP_WORDS <<<"$2"
[[ $2 == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
$(complete -p $1 | sed 's/.*-F \([^ ]*\).*/\1/')
printf '%s\n' "${COMPREPLY[@]}"
"#;

/// What a completion of zsh offers: what the system's own would do with it is stood in for.
const ZSH: &str = r#"
emulate -R zsh
compadd() {
    local word
    while [[ $1 != -- ]]; do shift; done
    shift
    for word; do [[ $word != $PREFIX* ]] || print -r -- $word; done
}
_files() {
    local -a found
    if [[ $1 == -/ ]]; then found=($PREFIX*(N/)); else found=($PREFIX*(N)); fi
    (( ! $#found )) || print -rl -- $found
}
words=(${=2})
[[ $2 == *' ' ]] && words+=('')
CURRENT=$#words
PREFIX=$words[-1]
source $0/_$1
"#;

const FISH: &str = "source $argv[1]/$argv[2].fish; complete -C $argv[3]";

/// What a shell offers at the end of a line.
fn offered(shell: &str, line: &str, path: &Path) -> BTreeSet<String> {
    let program = line.split(' ').next().unwrap();
    let paths = format!("{}:{}", path.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(shell);
    match shell {
        "bash" => command.args(["--norc", "--noprofile", "-c", BASH]),
        "zsh" => command.args(["-f", "-c", ZSH]),
        _ => command.args(["--no-config", "-c", FISH]),
    };
    command.args([FOLDER, program, line]).env("PATH", paths).env("HOME", path).current_dir(path);
    let output =
        command.output().unwrap_or_else(|error| panic!("{shell}: {error}: packaging/prepare installs it"));
    assert!(output.stderr.is_empty(), "{shell}: {line}: {}", String::from_utf8_lossy(&output.stderr));
    let out = String::from_utf8(output.stdout).unwrap();
    // fish puts behind a tab what a word is.
    let words =
        out.lines().map(|line| line.split('\t').next().unwrap_or_default().trim_end_matches('/').to_owned());
    words.filter(|word| !word.is_empty()).collect()
}

const FAKE: &str = r#"#!/bin/sh
case "$*" in
"account list --json") echo '{"accounts":[{"name":"A","server":"acme","uri":"u"},{"server":"other"}]}' ;;
"mo list --json") echo '{"objects":[{"instances":["urn:m:a/1/","urn:m:a/2/"],"why":null},{"instances":null}]}' ;;
"tree urn:m:a/1/?lv=1 --json") echo '{"nodes":[{"uri":"urn:m:a/1//","node":true},{"node":true,"uri":"urn:m:a/1/Fan"}]}' ;;
"explain --json") echo '{"names":["get","list"],"ok":true,"version":1}' ;;
esac
"#;

#[test]
fn each_shell_offers_the_same() {
    let folder = tempfile::tempdir().unwrap();
    files::put(&folder.path().join("omadmctl"), FAKE, files::PROGRAM).unwrap();
    std::fs::create_dir(folder.path().join("board")).unwrap();
    files::put(&folder.path().join("beacon"), "", files::PLAIN).unwrap();
    for (line, expected) in [
        ("omadmctl st", &["status"][..]),
        ("omadmctl he", &["help"]),
        ("omadmctl session ", &["list", "start"]),
        ("omadmctl help se", &["session", "set"]),
        ("omadmctl help session ", &["list", "start"]),
        ("omadmctl help session start ", &[]),
        ("omadmctl help get ", &[]),
        ("omadmctl --json session st", &["start"]),
        ("omadmctl session start ", &["acme", "other"]),
        ("omadmctl status a", &["acme"]),
        ("omadmctl session start acme ", &[]),
        ("omadmctl exec --wait --", &["--dry-run", "--json", "--help"]),
        ("omadmctl --v", &["--version"]),
        ("omadmctl mo check b", &["board"]),
        ("omadmctl mo new b", &["beacon", "board"]),
        ("omadmctl explain l", &["list"]),
        ("omadmctl notify --server-id ", &["acme", "other"]),
        ("omadmctl notify --prefer m", &["mobile"]),
        ("omadmctl alert raise --mark mi", &["minor"]),
        ("omadmctl alert raise --source ", &[]),
        ("omadmd --", &["--config", "--check", "--help", "--version"]),
        ("omadmd --config be", &["beacon"]),
        ("omadm-lab ", &["demo", "serve", "notify", "help", "--help", "--version"]),
        ("omadm-lab help d", &["demo"]),
        ("omadm-lab serve --", &["--listen", "--host", "--accounts", "--script", "--verbose", "--help"]),
        ("omadm-lab serve --accounts b", &["board"]),
        ("omadm-lab serve --script be", &["beacon"]),
        ("omadm-lab serve --host ", &[]),
        ("omadm-lab notify --prefer w", &["wireless", "wireline"]),
    ] {
        let expected: BTreeSet<String> = expected.iter().map(|word| (*word).to_owned()).collect();
        for shell in SHELLS {
            assert_eq!(offered(shell, line, folder.path()), expected, "{shell}: {line}");
        }
    }
    // To bash, a colon ends a word: that is looked at with its other completions.
    for shell in ["zsh", "fish"] {
        for (line, expected) in [
            ("omadmctl get ", &["urn:m:a/1", "urn:m:a/2"][..]),
            ("omadmctl tree urn:m:a/1/F", &["urn:m:a/1/Fan"]),
        ] {
            let expected: BTreeSet<String> = expected.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(offered(shell, line, folder.path()), expected, "{shell}: {line}");
        }
    }
}

/// The options of the agent's own are in its completions as they are: there is no table.
#[test]
fn what_shells_complete_of_the_agent_is_what_its_help_says() {
    let output = Command::new(env!("CARGO_BIN_EXE_omadmd")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let options = help.lines().skip_while(|line| *line != "Options:").take_while(|line| !line.is_empty());
    let options: BTreeSet<String> = options
        .filter_map(|line| Some(format!("--{}", line.split_once("--")?.1.split(' ').next()?)))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    for shell in SHELLS {
        assert_eq!(offered(shell, "omadmd --", folder.path()), options, "{shell}");
    }
}

/// As somebody types it: zsh itself puts in what is offered.
#[test]
fn what_is_typed_in_zsh_is_completed() {
    let folder = tempfile::tempdir().unwrap();
    let typed = format!(
        "PS1='> '; fpath=({FOLDER} $fpath); autoload -Uz compinit; compinit -u -D; unsetopt beep; \
         omadmctl() {{ printf '<%s>' \"$@\"; }}\nomadmctl help mo che\t\nomadmctl sess\tsta\tx\nexit\n"
    );
    let input = folder.path().join("typed");
    files::put(&input, &typed, files::PLAIN).unwrap();
    let output = Command::new("script")
        .args(["--quiet", "--echo", "never", "--return", "--command", "zsh -f -i", "/dev/null"])
        .stdin(std::fs::File::open(&input).unwrap())
        .env("TERM", "dumb")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("<help><mo><check>") && said.contains("<session><start><x>"), "{said}");
}
