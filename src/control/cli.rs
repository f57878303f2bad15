//! The command line of `omadmctl`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// The operator's tool of the OMA DM agent.
///
/// Exits with 0, with 1 if what was asked for failed, with 2 on wrong arguments.
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(name = "omadmctl", version)]
pub struct Omadmctl {
    /// Answer in JSON
    #[arg(long, global = true)]
    pub json: bool,

    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Device descriptions (DDF)
    #[command(subcommand)]
    Ddf(Ddf),
    /// Management objects and their mappings
    #[command(subcommand)]
    Mo(Mo),
    /// Say what a key of the mapping language means
    #[command(after_help = "Example:  omadmctl explain otherwise\n\nThe whole language: man omadm-mo")]
    Explain {
        /// Where the page of the language is
        #[arg(long, value_name = "FILE", default_value = "/usr/share/omadm/mapping.md")]
        page: PathBuf,

        /// A key, such as `list`
        #[arg(value_name = "KEY")]
        key: String,
    },
}

/// What to do with management objects.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Mo {
    /// Say all that is wrong with mappings, and what is hardly meant
    #[command(after_help = CHECKING)]
    Check {
        /// Folders with a mapping, or folders of such folders
        #[arg(required = true, value_name = "DIR")]
        folders: Vec<PathBuf>,
    },

    /// Write the DDF that servers fetch: the object's own, or the one made from its mapping
    #[command(after_help = DESCRIBING)]
    Ddf {
        /// A folder with a mapping
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },

    /// Write a mapping to begin with, for a DDF
    #[command(after_help = BEGINNING)]
    New {
        /// The DDF
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },

    /// Read every source once, and print the values, or why there are none
    #[command(after_help = READING)]
    Read {
        /// Where the machine's files are
        #[arg(long, value_name = "DIR", default_value = "/")]
        sysroot: PathBuf,

        /// Folders with a mapping, such as /etc/omadm/mo.d/board
        #[arg(required = true, value_name = "DIR")]
        folders: Vec<PathBuf>,
    },
}

const CHECKING: &str = "\
Each line is FILE:LINE: KEY: what is wrong, in the order of files and lines; what is served nevertheless begins
with `warning:`. Exits with 1 if anything is wrong. The agent need not run. A program that this machine lacks is a
warning here, and an error of `omadmd --check`, which reads the settings too.

Examples:
  omadmctl mo check board
  omadmctl mo check /etc/omadm/mo.d";

const DESCRIBING: &str = "\
Examples:
  omadmctl mo ddf board >board.ddf.xml
  omadmctl mo ddf board | omadmctl ddf show -";

const BEGINNING: &str = "\
What is written passes `omadmctl mo check` as it is; what is TODO in it is yours.

Example, of a folder that is named as its mapping:
  mkdir board && cp acme-1.0.ddf.xml board/board.ddf.xml
  omadmctl mo new board/board.ddf.xml >board/board.toml";

const READING: &str = "\
Below a leaf are the sources that were asked before its value, or instead of one, and what each said.
The agent need not run. What programs and files say depends on who asks; as the agent:
  sudo -u omadm omadmctl mo read /etc/omadm/mo.d/board";

/// What to do with device descriptions.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Ddf {
    /// Print a device description as a tree
    #[command(after_help = NOTATION)]
    Show {
        /// DDF files; `-` is the standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },

    /// Say what is wrong with a device description, also what readers overlook
    #[command(after_help = STRICT)]
    Check {
        /// DDF files; `-` is the standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

const STRICT: &str = "\
Held to the DTD, but for the order of elements: what is missing, unknown, twice there, or misspelt, and nodes that
contradict themselves. Each line is FILE:LINE: what is wrong. Exits with 1 if there is any.

Example:
  omadmctl ddf check board.ddf.xml";

const NOTATION: &str = "\
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Omadmctl, clap::error::ErrorKind> {
        let program = ["omadmctl"].iter().chain(arguments);
        Omadmctl::try_parse_from(program).map_err(|error| error.kind())
    }

    #[test]
    fn the_definition_holds_together() {
        Omadmctl::command().debug_assert();
    }

    #[test]
    fn json_may_stand_anywhere() {
        for arguments in
            [["--json", "ddf", "show", "a"], ["ddf", "show", "--json", "a"], ["ddf", "show", "a", "--json"]]
        {
            let parsed = parse(&arguments).unwrap();
            assert!(parsed.json, "{arguments:?}");
            assert_eq!(parsed.command, Command::Ddf(Ddf::Show { files: vec!["a".into()] }));
        }
    }

    #[test]
    fn what_is_no_command_is_refused() {
        use clap::error::ErrorKind;
        assert_eq!(parse(&["ddf", "show"]), Err(ErrorKind::MissingRequiredArgument));
        assert_eq!(parse(&["ddf", "print", "a"]), Err(ErrorKind::InvalidSubcommand));
        for lacking in [&["ddf", "check"][..], &["mo", "check"], &["mo", "ddf"], &["mo", "new"]] {
            assert_eq!(parse(lacking), Err(ErrorKind::MissingRequiredArgument), "{lacking:?}");
        }
        assert_eq!(parse(&["ddf", "show", "--xml", "a"]), Err(ErrorKind::UnknownArgument));
        assert_eq!(parse(&[]), Err(ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand));
    }
}
