//! `omadm-exec`, the privileged helper: it runs as root what files of root's say, for an agent that is nobody.
//!
//! systemd starts one for each connection to `/run/omadm/exec.sock`; elsewhere `omadm-exec --listen` does. It reads one
//! request ([`helper_protocol`](crate::helper_protocol)), and believes nothing of it:
//!
//! | step | where |
//! |---|---|
//! | who asks: the agent's user, or root | [`connection`] |
//! | the object's files: root's, in root's folders, the same that the agent has loaded | [`object`], [`walk`] |
//! | the node, what its mapping allows, the values, what variables stand for | [`node`], [`sources`], [`operations`] |
//! | files read and written by open folders; programs begun as the user of the mapping; D-Bus calls | [`file`](mod@file), [`stage`], `backend` |
//! | how an EXEC ended, for whoever asks later; which may go on after a reboot | [`results`], [`begun`] |
//! | what was there before a change | [`kept`], [`record`], [`lock`] |
//!
//! It reads no configuration and no sysroot, no environment changes what it does: [`rules`] are part of the program.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use crate::base::journal;

mod begun;
mod connection;
mod effects;
mod exec;
mod file;
mod kept;
mod listen;
mod lock;
mod node;
mod object;
mod operations;
mod outcome;
mod record;
mod results;
mod rules;
mod sources;
mod stage;
mod walk;

#[cfg(test)]
mod tests;

/// The program's name.
const NAME: &str = "omadm-exec";

const USAGE: &str = "\
omadm-exec, the privileged helper of omadmd

  omadm-exec                  serve one request on standard input, a socket, as systemd starts it
  omadm-exec --listen SOCKET  make the socket, and serve every request in a process of its own
  omadm-exec --help | --version";

/// Whether a program that was started as `argv0` is `omadm-exec`.
#[must_use]
pub fn is_called(argv0: Option<&OsStr>) -> bool {
    argv0.and_then(|path| Path::new(path).file_name()).is_some_and(|name| name == NAME)
}

/// Runs `omadm-exec`. Exits with 0 when a request was answered, with 1 if something failed, with 2 on wrong arguments.
#[must_use]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the answer to a person's question")]
pub fn omadm_exec() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(|argument| argument.to_str().unwrap_or_default()).collect();
    match words.as_slice() {
        ["--as", user, "--", _, ..] => {
            let error = stage::become_program(user, arguments.get(3..).unwrap_or_default());
            eprintln!("{NAME}: {error}");
            // As a shell says that a program can't be begun.
            ExitCode::from(126)
        }
        ["--help"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        ["--version"] => {
            println!("{NAME} {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        [] => ended(connection::serve_stdin()),
        ["--listen", socket] => ended(listen::listen(Path::new(socket))),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn ended(result: std::io::Result<()>) -> ExitCode {
    let code = match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    };
    log::logger().flush();
    code
}

/// Has what is said go to the journal.
fn speak() {
    journal::install(c"omadm-exec", log::LevelFilter::Info);
}
