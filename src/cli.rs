//! Command lines: what the programs are asked for, and what they answer where that is nothing they can do.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::Arg;

use crate::config::Selection;

/// Why a program ends before it has begun.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The program is asked for this help.
    Help(String),
    /// The program is asked for its version.
    Version,
    /// The program is asked for nothing, and can't do without: what there is.
    Nothing(String),
    /// The arguments are wrong for this reason.
    Wrong(String),
}

impl Stop {
    /// Answers for the program of this name. Exits with 0, with 2 where the arguments are wrong.
    pub(crate) fn answer(self, program: &str) -> ExitCode {
        let (text, is_well) = match self {
            Self::Help(help) => (help, true),
            Self::Version => (format!("{program} {}\n", env!("CARGO_PKG_VERSION")), true),
            Self::Nothing(help) => (help, false),
            Self::Wrong(what) => {
                (format!("{program}: {what}\n`{program} --help` says what there is.\n"), false)
            }
        };
        // Whoever does not listen needs no answer.
        let _ = if is_well {
            io::stdout().lock().write_all(text.as_bytes())
        } else {
            io::stderr().lock().write_all(text.as_bytes())
        };
        if is_well { ExitCode::SUCCESS } else { ExitCode::from(2) }
    }
}

impl From<lexopt::Error> for Stop {
    fn from(error: lexopt::Error) -> Self {
        Self::Wrong(error.to_string())
    }
}

/// The value of an option, which is not empty.
///
/// # Errors
/// There is none.
pub(crate) fn value(parser: &mut lexopt::Parser, option: &str) -> Result<PathBuf, Stop> {
    let value = parser.value()?;
    if value.is_empty() {
        return Err(Stop::Wrong(format!("--{option} needs a value")));
    }
    Ok(value.into())
}

/// The options of `omadmd`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Omadmd {
    /// One file to read and no drop-ins, instead of the installed configuration.
    pub(crate) config: Option<PathBuf>,
    /// Whether to check the configuration, and exit.
    pub(crate) check: bool,
}

const HELP: &str = "\
The OMA DM agent: waits for notifications, runs management sessions with the servers it has accounts for, and
maps management objects onto this machine.

Without options it runs on the installed configuration, as omadmd.service starts it.

Usage: omadmd [OPTIONS]

Options:
      --config FILE  Read this one file and no drop-ins, instead of the installed configuration
      --check        Check settings, accounts and management objects, print all that is wrong with them, and
                     exit: 1 if anything is
  -h, --help         Print this
  -V, --version      Print the version

Files:
  /usr/lib/omadm/omadmd.toml     the vendor's settings
  /etc/omadm/omadmd.toml         yours; the later wins, key by key
  {/usr/lib,/etc}/omadm/omadmd.d/*.toml
                                 drop-ins, laid over both in the order of their names
  /etc/omadm/accounts.d/*.toml   one DM account each
  /etc/omadm/mo.d/*/             management objects: a mapping each, and a DDF where it has one
  /var/lib/omadm/                state

`systemctl reload omadmd` reads the settings again; accounts and management objects take effect by
themselves. `journalctl -u omadmd` says what the agent does.
";

impl Omadmd {
    /// Reads the arguments; the program's name is not among them.
    ///
    /// # Errors
    /// [`Stop`]
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Stop> {
        let mut asked = Self::default();
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("config") => asked.config = Some(value(&mut parser, "config")?),
                Arg::Long("check") => asked.check = true,
                Arg::Short('h') | Arg::Long("help") => return Err(Stop::Help(HELP.to_owned())),
                Arg::Short('V') | Arg::Long("version") => return Err(Stop::Version),
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(asked)
    }

    /// The configuration that is meant.
    #[must_use]
    pub(crate) fn selection(&self) -> Selection {
        self.config.clone().map_or_else(Selection::default, Selection::File)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Omadmd, Stop> {
        Omadmd::parse(arguments.iter().map(OsString::from))
    }

    #[track_caller]
    fn is_wrong(arguments: &[&str]) {
        let parsed = parse(arguments);
        assert!(matches!(parsed, Err(Stop::Wrong(_))), "{arguments:?}: {parsed:?}");
    }

    #[test]
    fn options_select_the_configuration() {
        let plain = parse(&[]).unwrap();
        assert_eq!((plain.selection(), plain.check), (Selection::default(), false));
        for arguments in [&["--check", "--config", "bench.toml"][..], &["--config=bench.toml", "--check"]] {
            let bench = parse(arguments).unwrap();
            assert_eq!((bench.selection(), bench.check), (Selection::File("bench.toml".into()), true));
        }
    }

    #[test]
    fn what_is_no_option_is_refused() {
        assert_eq!(parse(&["--version"]), Err(Stop::Version));
        assert_eq!(parse(&["-V"]), Err(Stop::Version));
        is_wrong(&["--config"]);
        is_wrong(&["--config", ""]);
        is_wrong(&["bench.toml"]);
        is_wrong(&["--password", "x"]);
        is_wrong(&["--check=yes"]);
    }

    #[test]
    fn the_help_names_the_files() {
        for help in ["--help", "-h"] {
            let Err(Stop::Help(help)) = parse(&["--check", help]) else { panic!("no help") };
            assert!(help.contains("/etc/omadm/accounts.d/"), "{help}");
            assert!(help.lines().all(|line| line.chars().count() <= 110), "{help}");
        }
    }
}
