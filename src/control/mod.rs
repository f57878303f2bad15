//! `omadmctl`, the operator's tool.
//!
//! The package has it as a second name of `omadmd`, for the sake of its size on flash: [`is_called`] tells which of
//! the two is meant.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::ExitCode;

mod agent;
mod cli;
mod client;
mod config;
mod ddf;
mod exec;
mod explain;
mod findings;
mod folder;
mod help;
mod hint;
mod marks;
mod mo;
mod mo_list;
mod notify;
mod reading;
mod report;
mod session;
mod status;
mod system;
mod table;
mod terminal;
mod tree;

use serde_json::json;

use cli::{Command, Omadmctl};
use terminal::Terminal;

use crate::cli::Stop;

/// The program's name.
const NAME: &str = "omadmctl";

/// Whether a program that was started as `argv0` is `omadmctl`.
#[must_use]
pub fn is_called(argv0: Option<&OsStr>) -> bool {
    argv0.and_then(|path| Path::new(path).file_name()).is_some_and(|name| name == NAME)
}

/// Runs `omadmctl`. Exits with 0, with 1 if what was asked for failed, with 2 where the arguments are wrong: then
/// nothing was asked or done.
#[must_use]
pub fn omadmctl() -> ExitCode {
    let arguments = match Omadmctl::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(stop) => return stopped(stop),
    };
    let as_json = arguments.json;
    let mut terminal = Terminal { out: io::stdout().lock(), err: io::stderr().lock() };
    let is_well = match &arguments.command {
        Command::DdfShow { files } => ddf::show(files, as_json, &mut terminal),
        Command::DdfCheck { files } => ddf::check(files, as_json, &mut terminal),
        Command::MoCheck { sysroot, folders } => {
            mo::check(folders, sysroot.as_deref(), as_json, &mut terminal)
        }
        Command::MoList { file } => mo_list::show(file.as_deref(), as_json, &mut terminal),
        Command::MoDdf { folder } => mo::ddf(folder, as_json, &mut terminal),
        Command::MoNew { file } => mo::new(file, as_json, &mut terminal),
        Command::MoRead { sysroot, folders } => reading::show(folders, sysroot, as_json, &mut terminal),
        Command::Status { server } => status::show(server.as_deref(), as_json, &mut terminal),
        Command::SessionStart { server } => session::start(server, as_json, &mut terminal),
        Command::SessionList => status::sessions(as_json, &mut terminal),
        Command::AlertList => agent::alerts(as_json, &mut terminal),
        Command::AccountList => status::accounts(as_json, &mut terminal),
        Command::AccountTest { server } => session::test(server, as_json, &mut terminal),
        Command::Get { client_uri } => agent::get(client_uri, as_json, &mut terminal),
        Command::Tree { client_uri } => tree::show(client_uri, as_json, &mut terminal),
        Command::Set { client_uri, value, is_dry } => {
            agent::set((client_uri, value), *is_dry, as_json, &mut terminal)
        }
        Command::Exec { client_uri, is_dry, waits } => {
            exec::run(client_uri, *is_dry, *waits, as_json, &mut terminal)
        }
        Command::Notify(what) => notify::send(what, as_json, &mut terminal),
        Command::Report { folder } => report::make(folder.as_deref(), as_json, &mut terminal),
        Command::Order { method, kinds, arguments } => {
            agent::order(method, (kinds, arguments.clone()), as_json, &mut terminal)
        }
        Command::ConfigCheck { file } => config::check(file.as_deref(), as_json, &mut terminal),
        Command::Explain { page, key } => explain::explain(key.as_deref(), page, as_json, &mut terminal),
    };
    match is_well {
        Ok(true) => ExitCode::SUCCESS,
        // Whoever read the answer has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = terminal.complain(&format!("{NAME}: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Answers where there is no command to be done: with help as wide as the terminal, or that the arguments are wrong,
/// which programs are told as well.
fn stopped(stop: Stop) -> ExitCode {
    let asks_for_json =
        std::env::args_os().skip(1).take_while(|word| word != "--").any(|word| word == "--json");
    let wrong = match &stop {
        Stop::Wrong(what) => Some(what.clone()),
        Stop::Nothing(_) => Some("expected a command".to_owned()),
        Stop::Help(_) | Stop::Version => None,
    };
    if let Some(what) = wrong.filter(|_| asks_for_json) {
        let mut terminal = Terminal { out: io::stdout().lock(), err: io::stderr().lock() };
        // Whoever does not listen needs no answer.
        let _ = terminal.answer(false, json!({ "error": "WrongUsage", "why": what }));
    }
    let stop = match stop {
        Stop::Help(help) => Stop::Help(table::help_to_fit(&help)),
        Stop::Nothing(help) => Stop::Nothing(table::help_to_fit(&help)),
        other => other,
    };
    stop.answer(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_the_name_decides() {
        for name in ["omadmctl", "/usr/bin/omadmctl", "./omadmctl"] {
            assert!(is_called(Some(OsStr::new(name))), "{name}");
        }
        for name in ["omadmd", "/omadmctl/omadmd", "omadmctl2", ""] {
            assert!(!is_called(Some(OsStr::new(name))), "{name}");
        }
        assert!(!is_called(None));
    }
}
