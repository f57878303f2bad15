//! `omadmctl report`: the program that the package brings for it, which collects what somebody needs who is to help.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use super::terminal::Terminal;

/// The program.
const PROGRAM: &str = "/usr/lib/omadm/report";

/// Makes a support bundle in a folder, and prints its path; returns whether there is one.
pub(super) fn make<O: Write, E: Write>(
    folder: Option<&Path>,
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    let mut command = Command::new(PROGRAM);
    // Programs are told what it says there.
    let stderr = if as_json { Stdio::piped() } else { Stdio::inherit() };
    command.args(folder).stdin(Stdio::null()).stderr(stderr);
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            let why = format!("{PROGRAM}: {error}: is the package installed?");
            return terminal.fail("Failed", &why, as_json);
        }
    };
    let (path, is_made) = (String::from_utf8_lossy(&output.stdout), output.status.success());
    match (as_json, is_made) {
        (true, true) => return terminal.answer(true, json!({ "path": path.trim_end() })),
        (true, false) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let why = match said.lines().last() {
                Some(last) => last.to_owned(),
                None => format!("{PROGRAM}: {}", output.status),
            };
            return terminal.fail("Failed", &why, as_json);
        }
        (false, _) => write!(terminal.out, "{path}")?,
    }
    terminal.out.flush()?;
    Ok(is_made)
}
