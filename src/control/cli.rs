//! The command line of `omadmctl`.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::Arg;

use crate::cli::{Stop, value};

/// The arguments of `omadmctl`: what it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Omadmctl {
    /// Whether it answers in JSON.
    pub(super) json: bool,
    /// The command that it is to do.
    pub(super) command: Command,
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Print device descriptions as trees.
    DdfShow { files: Vec<PathBuf> },
    /// Say what is wrong with device descriptions, also what readers overlook.
    DdfCheck { files: Vec<PathBuf> },
    /// Say all that is wrong with mappings, and what is hardly meant; with a sysroot, what they say there too.
    MoCheck { sysroot: Option<PathBuf>, folders: Vec<PathBuf> },
    /// Write the DDF that servers fetch.
    MoDdf { folder: PathBuf },
    /// Write a mapping to begin with, for a DDF.
    MoNew { file: PathBuf },
    /// Read every source once, and print the values, or why there are none.
    MoRead { sysroot: PathBuf, folders: Vec<PathBuf> },
    /// Say what a key of the mapping language means.
    Explain { page: PathBuf, key: String },
}

/// The path where what the page of the mapping language says of keys is installed.
const PAGE: &str = "/usr/share/omadm/keys.md.gz";

/// The help for a command.
struct About {
    /// The words that call the command.
    words: &'static str,
    /// The arguments after them.
    arguments: &'static str,
    /// The purpose of the command, in a line.
    does: &'static str,
    /// The rest of the help.
    more: &'static str,
}

const COMMANDS: [About; 7] = [
    About {
        words: "ddf show",
        arguments: "FILE…",
        does: "Print a device description as a tree",
        more: NOTATION,
    },
    About {
        words: "ddf check",
        arguments: "FILE…",
        does: "Say what is wrong with a device description, also what readers overlook",
        more: STRICT,
    },
    About {
        words: "mo check",
        arguments: "[--read [--sysroot DIR]] DIR…",
        does: "Say all that is wrong with mappings, and what is hardly meant",
        more: CHECKING,
    },
    About {
        words: "mo ddf",
        arguments: "DIR",
        does: "Write the DDF that servers fetch: the object's own, or the one made from its mapping",
        more: DESCRIBING,
    },
    About {
        words: "mo new",
        arguments: "FILE",
        does: "Write a mapping to begin with, for a DDF",
        more: BEGINNING,
    },
    About {
        words: "mo read",
        arguments: "[--sysroot DIR] DIR…",
        does: "Read every source once, and print the values, or why there are none",
        more: READING,
    },
    About {
        words: "explain",
        arguments: "[--page FILE] KEY",
        does: "Say what a key of the mapping language means",
        more: EXPLAINING,
    },
];

const NOTATION: &str = "\
FILE is a DDF, or `-` for the standard input.

Columns: name, format (`node`: an interior node), access, scope (nothing: dynamic), and what else there is:
where a root hangs in a DM 1.x tree, the MOID, the title of a node without name, a leaf's MIME type and
default value.

Names: <x>     assigned at run time
       [Name]  assigned at run time; what stands there is a logical name

Occurrence, after the name:
        none   exactly once
        ?      zero or one
        *      zero or more        *N     up to N
        +      one or more         +N     one to N

What is wrong with a file is told as FILE:LINE:COLUMN: on the standard error.";

const STRICT: &str = "\
FILE is a DDF, or `-` for the standard input.
Held to the DTD, but for the order of elements: what is missing, unknown, twice there, or misspelt, and nodes that
contradict themselves. Each line is FILE:LINE: what is wrong. Exits with 1 if there is any.

Example:
  omadmctl ddf check board.ddf.xml";

const CHECKING: &str = "\
DIR is a folder with a mapping, or a folder of such folders.
Each line is FILE:LINE: KEY: what is wrong, in the order of files and lines; what is served nevertheless begins
with `warning:`. Exits with 1 if anything is wrong. The agent need not run. A program that this machine lacks is a
warning here, and an error of `omadmd --check`, which reads the settings too.
With `--read`, what is sound is then read as by `omadmctl mo read`: the tree with its values, or why there are none.
A source that fails, other than one that has nothing to say, makes it exit with 1.

Examples:
  omadmctl mo check board
  omadmctl mo check --read board
  omadmctl mo check /etc/omadm/mo.d";

const DESCRIBING: &str = "\
DIR is a folder with a mapping.

Examples:
  omadmctl mo ddf board >board.ddf.xml
  omadmctl mo ddf board | omadmctl ddf show -";

const BEGINNING: &str = "\
FILE is the DDF. What is written passes `omadmctl mo check` as it is; what is TODO in it is yours.

Example, of a folder that is named as its mapping:
  mkdir board && cp acme-1.0.ddf.xml board/board.ddf.xml
  omadmctl mo new board/board.ddf.xml >board/board.toml";

const READING: &str = "\
DIR is a folder with a mapping, such as /etc/omadm/mo.d/board; `--sysroot DIR` is where the machine's files
are, if not in /.

Below a leaf are the sources that were asked before its value, or instead of one, and what each said; and the
limits that are read.
The agent need not run. What programs and files say depends on who asks; as the agent:
  sudo -u omadm omadmctl mo read /etc/omadm/mo.d/board";

const EXPLAINING: &str = "\
KEY is one of the language, such as `list`; of several with one name, `list.match` is that of a list.
`--page FILE` is a page with tables of keys, as docs/mapping.md has them, if not that of the package in
/usr/share/omadm.

Example:
  omadmctl explain otherwise

The whole language: man omadm-mo";

/// All arguments, before it is known what they mean.
#[derive(Default)]
struct Arguments {
    json: bool,
    is_help: bool,
    reads: bool,
    sysroot: Option<PathBuf>,
    page: Option<PathBuf>,
    words: Vec<OsString>,
}

impl Arguments {
    fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Stop> {
        let mut read = Self::default();
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("json") => read.json = true,
                Arg::Long("read") => read.reads = true,
                Arg::Long("sysroot") => read.sysroot = Some(value(&mut parser, "sysroot")?),
                Arg::Long("page") => read.page = Some(value(&mut parser, "page")?),
                Arg::Short('h') | Arg::Long("help") => read.is_help = true,
                Arg::Short('V') | Arg::Long("version") => return Err(Stop::Version),
                Arg::Value(word) => read.words.push(word),
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(read)
    }

    /// The command that is meant, and the arguments after its words.
    fn command(&self) -> Result<(&'static About, Vec<PathBuf>), Stop> {
        let word = |at: usize| self.words.get(at).and_then(|word| word.to_str()).unwrap_or_default();
        let [first, second] = [word(0), word(1)];
        let is_it = |about: &&About| match about.words.split_once(' ') {
            Some(both) => both == (first, second),
            None => about.words == first,
        };
        if let Some(about) = COMMANDS.iter().find(is_it) {
            let rest = self.words.iter().skip(about.words.split(' ').count());
            return Ok((about, rest.map(PathBuf::from).collect()));
        }
        let is_room =
            COMMANDS.iter().any(|about| about.words.split_once(' ').is_some_and(|(room, _)| room == first));
        Err(match (first, second) {
            _ if self.is_help => Stop::Help(help(first)),
            ("", _) => Stop::Nothing(help("")),
            (_, "") if is_room => Stop::Nothing(help(first)),
            (_, _) if is_room => Stop::Wrong(format!("`{first} {second}` is no command")),
            _ => Stop::Wrong(format!("{first:?} is no command")),
        })
    }
}

impl Omadmctl {
    /// Reads the arguments; the program's name is not among them.
    ///
    /// # Errors
    /// [`Stop`]
    pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Stop> {
        let read = Arguments::read(arguments)?;
        let (about, mut rest) = read.command()?;
        if read.is_help {
            return Err(Stop::Help(about.help()));
        }
        let wrong = |what: String| Stop::Wrong(format!("{}: {what}", about.words));
        if read.reads && about.words != "mo check" {
            return Err(wrong("has no option --read".to_owned()));
        }
        match about.words {
            "mo read" => {}
            "mo check" if read.reads => {}
            "mo check" if read.sysroot.is_some() => return Err(wrong("--sysroot is for --read".to_owned())),
            _ if read.sysroot.is_some() => return Err(wrong("has no option --sysroot".to_owned())),
            _ => {}
        }
        if read.page.is_some() && about.words != "explain" {
            return Err(wrong("has no option --page".to_owned()));
        }
        if rest.is_empty() || rest.iter().any(|path| path.as_os_str().is_empty()) {
            return Err(wrong(format!("expected {}", about.arguments)));
        }
        if rest.len() > 1 && !about.arguments.ends_with('…') {
            return Err(wrong(format!("expected {} and nothing else", about.arguments)));
        }
        let mut one = || rest.pop().unwrap_or_default();
        let command = match about.words {
            "ddf show" => Command::DdfShow { files: rest },
            "ddf check" => Command::DdfCheck { files: rest },
            "mo check" => {
                let root = || read.sysroot.unwrap_or_else(|| "/".into());
                Command::MoCheck { sysroot: read.reads.then(root), folders: rest }
            }
            "mo ddf" => Command::MoDdf { folder: one() },
            "mo new" => Command::MoNew { file: one() },
            "mo read" => {
                Command::MoRead { sysroot: read.sysroot.unwrap_or_else(|| "/".into()), folders: rest }
            }
            _ => Command::Explain {
                page: read.page.unwrap_or_else(|| PAGE.into()),
                key: one().to_string_lossy().into_owned(),
            },
        };
        Ok(Self { json: read.json, command })
    }
}

impl About {
    fn help(&self) -> String {
        let Self { words, arguments, does, more } = self;
        format!("{does}\n\nUsage: omadmctl [--json] {words} {arguments}\n\n{more}\n")
    }
}

/// The help for the commands that begin with `word`; all for none of them.
fn help(word: &str) -> String {
    let begins = |about: &&About| about.words.split(' ').next() == Some(word);
    let some: Vec<&About> = COMMANDS.iter().filter(begins).collect();
    let shown = if some.is_empty() { COMMANDS.iter().collect() } else { some };
    let lines: String = shown.iter().map(|about| format!("  {:10} {}\n", about.words, about.does)).collect();
    format!(
        "The operator's tool of the OMA DM agent.\n\n\
         Exits with 0, with 1 if what was asked for failed, with 2 on wrong arguments.\n\n\
         Usage: omadmctl [--json] COMMAND\n\nCommands:\n{lines}\n\
         `omadmctl COMMAND --help` says more of each. `--json` answers in JSON, `--version` says which version this is.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Omadmctl, Stop> {
        Omadmctl::parse(arguments.iter().map(OsString::from))
    }

    #[track_caller]
    fn is_wrong(arguments: &[&str]) {
        let parsed = parse(arguments);
        assert!(matches!(parsed, Err(Stop::Wrong(_))), "{arguments:?}: {parsed:?}");
    }

    #[test]
    fn json_may_stand_anywhere() {
        for arguments in
            [["--json", "ddf", "show", "a"], ["ddf", "show", "--json", "a"], ["ddf", "show", "a", "--json"]]
        {
            let parsed = parse(&arguments).unwrap();
            assert!(parsed.json, "{arguments:?}");
            assert_eq!(parsed.command, Command::DdfShow { files: vec!["a".into()] });
        }
    }

    #[test]
    fn every_command_is_known_and_has_its_help() {
        for about in &COMMANDS {
            let words: Vec<&str> = about.words.split(' ').collect();
            assert!(parse(&[&words[..], &["a"]].concat()).is_ok(), "{}", about.words);
            let Err(Stop::Help(help)) = parse(&[&words[..], &["--help"]].concat()) else { panic!("no help") };
            assert!(help.contains(&format!("omadmctl [--json] {}", about.words)), "{help}");
            assert!(help.lines().all(|line| line.chars().count() <= 120), "{help}");
            let Err(Stop::Help(all)) = parse(&["--help"]) else { panic!("no help") };
            assert!(all.contains(about.does), "{all}");
        }
        let Err(Stop::Help(of_mo)) = parse(&["mo", "-h"]) else { panic!("no help") };
        assert!(of_mo.contains("mo read") && !of_mo.contains("ddf show"), "{of_mo}");
    }

    #[test]
    fn options_belong_to_their_command() {
        let read = parse(&["mo", "read", "--sysroot", "root", "a", "b"]).unwrap();
        let folders = vec!["a".into(), "b".into()];
        assert_eq!(read.command, Command::MoRead { sysroot: "root".into(), folders });
        is_wrong(&["mo", "check", "--sysroot", "root", "a"]);
        is_wrong(&["mo", "read", "--read", "a"]);
        let check = |sysroot: Option<&str>| Command::MoCheck {
            sysroot: sysroot.map(PathBuf::from),
            folders: vec!["a".into()],
        };
        assert_eq!(parse(&["mo", "check", "a"]).unwrap().command, check(None));
        assert_eq!(parse(&["mo", "check", "--read", "a"]).unwrap().command, check(Some("/")));
        let elsewhere = parse(&["mo", "check", "a", "--read", "--sysroot", "root"]);
        assert_eq!(elsewhere.unwrap().command, check(Some("root")));
        is_wrong(&["mo", "read", "--page", "page", "a"]);
        is_wrong(&["explain", "--page", "", "list"]);
        is_wrong(&["mo", "ddf", "a", "b"]);
    }

    #[test]
    fn what_is_no_command_is_refused() {
        is_wrong(&["ddf", "show"]);
        is_wrong(&["ddf", "print", "a"]);
        for lacking in
            [&["ddf", "check"][..], &["mo", "check"], &["mo", "ddf"], &["mo", "new"], &["mo", "read"]]
        {
            is_wrong(lacking);
        }
        is_wrong(&["ddf", "show", "--xml", "a"]);
        is_wrong(&["ddf", "show", ""]);
        assert!(matches!(parse(&[]), Err(Stop::Nothing(_))));
        assert!(matches!(parse(&["mo"]), Err(Stop::Nothing(_))));
        assert_eq!(parse(&["--version"]), Err(Stop::Version));
    }
}
