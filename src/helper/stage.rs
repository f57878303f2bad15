//! The second stage of a program: the helper's own program, which becomes a user for good, and then that program.
//!
//! The process that the helper makes is its own program once more, so that becoming somebody else takes no code between
//! `fork` and `exec`.

use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::unistd::{User, geteuid, initgroups, setgid, setuid};

/// Becomes `user`, and then the program that `argv` begins with.
///
/// # Errors
/// What keeps it from that; it does not return else.
pub(super) fn become_program(user: &str, argv: &[OsString]) -> io::Error {
    match try_to(user, argv) {
        Err(error) => error,
        Ok(never) => match never {},
    }
}

fn try_to(user: &str, argv: &[OsString]) -> io::Result<Infallible> {
    if geteuid().is_root() {
        let found = User::from_name(user)?;
        let found = found.ok_or_else(|| io::Error::other(format!("there is no user {user}")))?;
        if !found.uid.is_root() {
            let name = CString::new(found.name).map_err(io::Error::other)?;
            initgroups(&name, found.gid)?;
            setgid(found.gid)?;
            setuid(found.uid)?;
        }
    } else if User::from_uid(geteuid())?.is_none_or(|own| own.name != user) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "only root can become somebody else"));
    }
    let (program, arguments) = argv.split_first().ok_or_else(|| io::Error::other("there is no program"))?;
    // Unlike a bare `execv`, it gives back the default of SIGPIPE, which this program ignores: `yes | head` would not
    // end.
    let error = Command::new(program).args(arguments).exec();
    Err(io::Error::new(error.kind(), format!("{}: {error}", program.to_string_lossy())))
}
