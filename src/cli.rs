//! The command lines of the programs.

use std::path::PathBuf;

use clap::Parser;

use crate::config::Selection;

/// The OMA DM agent: waits for notifications, runs management sessions with the servers it has accounts for,
/// and maps management objects onto this machine.
///
/// Without options it runs on the installed configuration, as omadmd.service starts it.
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(name = "omadmd", version, after_help = FILES)]
pub(crate) struct Omadmd {
    /// Read this one file and no drop-ins, instead of the installed configuration
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Check settings, accounts and management objects, print all that is wrong with them, and exit: 1 if
    /// anything is
    #[arg(long)]
    pub check: bool,
}

const FILES: &str = "\
Files:
  /usr/lib/omadm/omadmd.toml     the vendor's settings
  /etc/omadm/omadmd.toml         yours; the later wins, key by key
  {/usr/lib,/etc}/omadm/omadmd.d/*.toml
                                 drop-ins, laid over both in the order of their names
  /etc/omadm/accounts.d/*.toml   one DM account each
  /etc/omadm/mo.d/*/             management objects: a DDF and its mapping
  /var/lib/omadm/                state

`systemctl reload omadmd` reads the settings again; accounts and management objects take effect by
themselves. `journalctl -u omadmd` says what the agent does.";

impl Omadmd {
    /// The configuration that is meant.
    #[must_use]
    pub(crate) fn selection(&self) -> Selection {
        self.config.clone().map_or_else(Selection::default, Selection::File)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Omadmd, clap::error::ErrorKind> {
        let program = ["omadmd"].iter().chain(arguments);
        Omadmd::try_parse_from(program).map_err(|error| error.kind())
    }

    #[test]
    fn the_definition_holds_together() {
        Omadmd::command().debug_assert();
    }

    #[test]
    fn options_select_the_configuration() {
        let plain = parse(&[]).unwrap();
        assert_eq!((plain.selection(), plain.check), (Selection::default(), false));
        let bench = parse(&["--check", "--config", "bench.toml"]).unwrap();
        assert_eq!((bench.selection(), bench.check), (Selection::File("bench.toml".into()), true));
    }

    #[test]
    fn what_is_no_option_is_refused() {
        use clap::error::ErrorKind;
        assert_eq!(parse(&["--version"]), Err(ErrorKind::DisplayVersion));
        assert_eq!(parse(&["--config"]), Err(ErrorKind::InvalidValue));
        assert_eq!(parse(&["--config", ""]), Err(ErrorKind::InvalidValue));
        assert_eq!(parse(&["bench.toml"]), Err(ErrorKind::UnknownArgument));
        assert_eq!(parse(&["--password", "x"]), Err(ErrorKind::UnknownArgument));
    }

    #[test]
    fn the_help_names_the_files() {
        let help = Omadmd::command().render_long_help().to_string();
        assert!(help.contains("/etc/omadm/accounts.d/"), "{help}");
    }
}
