//! The manual pages of programs have what the programs say themselves. With `WRITE=1` in the environment the test
//! writes the commands of `omadmctl` anew.

use std::fmt::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::{made, section, terms, told};
use crate::support::named::root;

const OMADMD: &str = env!("CARGO_BIN_EXE_omadmd");
const OMADMCTL: &str = env!("CARGO_BIN_EXE_omadmctl");
const LAB: &str = env!("CARGO_BIN_EXE_omadm-lab");

/// The commands of `omadmctl` stand between these lines of its page.
const FROM: &str =
    "<!-- Below this line the page is made by `WRITE=1 make test ONLY=tests/documentation`. -->\n";
const TO: &str = "<!-- Above this line the page is made. -->\n";

/// What a program says with these arguments and `--help`.
fn help(program: &str, called: &str, arguments: &[&str]) -> String {
    let said = Command::new(program).arg0(called).args(arguments).arg("--help").output().unwrap();
    assert!(said.status.success(), "{called} {arguments:?}");
    String::from_utf8(said.stdout).unwrap()
}

/// The long options in a text.
fn options(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| word.starts_with("--") && word.len() > 3).map(str::to_owned).collect()
}

/// The commands that a help lists, each with what it does.
fn commands(help: &str) -> Vec<(String, String)> {
    let (_, list) = help.split_once("\nCommands:\n").unwrap();
    let lines = list.lines().take_while(|line| line.starts_with("  "));
    // What does not fit goes on in a line that begins further in.
    let lines = lines.filter(|line| !line.starts_with("   "));
    lines
        .map(|line| line.trim().split_once("  ").unwrap())
        .map(|(words, does)| (words.to_owned(), does.trim().to_owned()))
        .collect()
}

/// A sentence as Markdown has it: what is not in backticks is meant as it stands.
fn escaped(line: &str) -> String {
    let parts = line.split('`').enumerate().map(|(at, part)| {
        let marks = ['\\', '<', '*', '_', '['];
        let plain = at % 2 == 0;
        part.chars().fold(String::new(), |mut text, c| {
            text.extend((plain && marks.contains(&c)).then_some('\\'));
            text.push(c);
            text
        })
    });
    parts.collect::<Vec<_>>().join("`")
}

/// A paragraph of a help: prose, which is set anew, and what stands in columns or is indented, which is not.
fn paragraph(text: &str) -> String {
    let in_columns = text.lines().any(|line| line.trim().contains("   "));
    let mut made = String::new();
    let mut prose: Vec<&str> = Vec::new();
    let mut code: Vec<&str> = Vec::new();
    for line in text.lines() {
        if in_columns || line.starts_with("  ") { code.push(line) } else { prose.push(line) }
    }
    if !prose.is_empty() {
        let _ = writeln!(made, "{}\n", escaped(&prose.join(" ")));
    }
    if !code.is_empty() {
        let indent = code.iter().map(|line| line.len() - line.trim_start().len()).min().unwrap_or_default();
        let lines: Vec<&str> = code.iter().map(|line| &line[indent..]).collect();
        let _ = writeln!(made, "```\n{}\n```\n", lines.join("\n"));
    }
    made
}

/// What `omadmctl` says of its commands, as Markdown.
fn commands_of_omadmctl() -> String {
    let mut page = String::new();
    for (words, does) in commands(&help(OMADMCTL, "omadmctl", &[])) {
        let own = help(OMADMCTL, "omadmctl", &words.split(' ').collect::<Vec<_>>());
        let (_, own) = own.split_once("Usage: ").unwrap();
        let (usage, more) = own.split_once('\n').unwrap_or((own, ""));
        let stop = if does.ends_with('.') { "" } else { "." };
        let _ = writeln!(page, "\n### {words}\n\n`{usage}`\n\n{}{stop}\n", escaped(&does));
        let paragraphs =
            more.split("\n\n").map(|text| text.trim_matches('\n')).filter(|text| !text.is_empty());
        page.extend(paragraphs.map(paragraph));
        page.truncate(page.trim_end().len());
        page.push('\n');
    }
    format!("{page}\n")
}

#[test]
fn the_page_of_omadmctl_has_what_the_help_of_each_command_says() {
    let path = root().join("docs/manual/omadmctl.1.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(FROM).expect("the mark below which the page is made");
    let (written, after) = rest.split_once(TO).expect("the mark above which the page is made");
    let wanted = commands_of_omadmctl();
    if std::env::var_os("WRITE").is_some() {
        #[expect(clippy::disallowed_methods, reason = "a developer's own file")]
        std::fs::write(&path, format!("{before}{FROM}{wanted}{TO}{after}")).unwrap();
        return;
    }
    let differs = written.lines().zip(wanted.lines()).find(|(page, help)| page != help);
    assert!(
        written == wanted,
        "{} is not what the help says: WRITE=1 make test ONLY=tests/documentation writes it anew; {differs:?}",
        path.display()
    );
    assert!(wanted.matches("\n### ").count() >= 7, "{wanted}");
}

/// Options of a program that its page does not have, and the other way round.
fn strangers(page: &str, help: &str) -> Vec<String> {
    let (page, known) = (told(page), options(help));
    let told_of = options(&page);
    let missing = known.iter().filter(|option| !told_of.contains(option));
    let own = page.lines().filter(|line| line.starts_with("--") || line.starts_with("-h,")).flat_map(options);
    let invented = own.filter(|option| !known.contains(option));
    missing.cloned().chain(invented).collect()
}

#[test]
fn the_pages_of_programs_have_their_options() {
    let pages = made();
    let helper = help(OMADMD, "omadm-exec", &[]);
    for (page, help) in [("omadmd.8", help(OMADMD, "omadmd", &[])), ("omadm-exec.8", helper)] {
        assert!(options(&help).len() > 2, "{help}");
        assert_eq!(strangers(&pages[page], &help), [""; 0], "{page}");
    }
    let whole = help(OMADMCTL, "omadmctl", &[]);
    for option in options(&whole) {
        assert!(section(&pages["omadmctl.1"], "OPTIONS").contains(&option.replace('-', "\\-")), "{option}");
    }
    let page = &pages["omadm-lab.1"];
    for (command, _) in commands(&help(LAB, "omadm-lab", &[])) {
        if command == "help" {
            continue;
        }
        let own = help(LAB, "omadm-lab", &[&command]);
        let (_, from) =
            page.split_once(&format!("\n.SS {command}\n")).unwrap_or_else(|| panic!("no {command}"));
        let from = from.split("\n.S").next().unwrap();
        let wanted = own.replace("--help", "");
        assert!(!options(&wanted).is_empty(), "{own}");
        assert_eq!(strangers(from, &wanted), [""; 0], "{command}");
    }
}

#[test]
fn what_is_no_option_of_a_program_is_noticed() {
    let page = ".TP\n\\fB\\-\\-config\\fR \\fIFILE\\fR\nRead it.\n.TP\n\\fB\\-\\-chekc\\fR\nCheck, as journalctl \\-\\-grep.\n";
    assert_eq!(strangers(page, "Options: --config FILE, --check"), ["--check", "--chekc"]);
    assert_eq!(paragraph("Say <x>\nall.\n  omadmctl x"), "Say \\<x> all.\n\n```\nomadmctl x\n```\n\n");
    assert_eq!(paragraph("?      one\n*      any"), "```\n?      one\n*      any\n```\n\n");
}

/// What the package brings, by the list of its files: whole paths.
fn brought() -> Vec<String> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let assets = manifest.lines().filter_map(|line| {
        let line = line.trim().strip_prefix("[\"")?.strip_suffix("\"],")?;
        let mut cells = line.split("\", \"");
        Some((cells.next()?.to_owned(), cells.next()?.to_owned()))
    });
    let path = |(from, to): (String, String)| {
        let name = if to.ends_with('/') { from.rsplit('/').next().unwrap_or_default() } else { "" };
        format!("/{to}{name}")
    };
    assets.map(path).collect()
}

/// Whether the package, systemd or the agent has this path: it is brought, made at a start, or a place where the agent
/// looks.
fn is_ours(path: &str, brought: &[String]) -> bool {
    let text = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
    let units = ["omadmd.service", "omadm-exec.socket", "omadm-exec@.service", "tmpfiles.d/omadm.conf"];
    let units: String = units.map(|unit| text(&format!("systemd/{unit}"))).concat();
    let states = |name| units.contains(&format!("StateDirectory={name}\n"));
    let help = help(OMADMD, "omadmd", &[]);
    let both = ["/usr/lib", "/etc"].map(|above| help.replace("{/usr/lib,/etc}", above)).concat();
    let settings = text("packaging/config/omadmd.toml");
    let folder = format!("{path}/");
    brought.iter().any(|file| file == path || file.starts_with(&folder))
        || units
            .lines()
            .any(|line| line == format!("ListenStream={path}") || line.starts_with(&format!("d {path} ")))
        || path.strip_prefix("/var/lib/").is_some_and(states)
        || settings.contains(&format!("\"{path}\""))
        || both.contains(&format!(" {folder}"))
}

#[test]
fn every_path_on_the_pages_of_programs_is_ours() {
    let pages = made();
    let brought = brought();
    let mut count = 0;
    for page in ["omadmd.8", "omadm-exec.8", "omadmctl.1"] {
        let terms = terms(section(&pages[page], "FILES"));
        for path in terms.keys().flat_map(|term| term.split(", ")) {
            let path =
                ["/*.toml", "/*/", "/*", "/"].iter().find_map(|end| path.strip_suffix(end)).unwrap_or(path);
            assert!(is_ours(path, &brought), "{page}: {path}");
            count += 1;
        }
    }
    assert!(count > 15, "{count}");
    assert!(!is_ours("/etc/omadm/account.d", &brought) && !is_ours("/var/lib/omadm-exe", &brought));
}
