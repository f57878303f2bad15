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
    command.args(folder).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            terminal.complain(&format!("{PROGRAM}: {error}: is the package installed?"))?;
            return Ok(false);
        }
    };
    let path = String::from_utf8_lossy(&output.stdout);
    match as_json && output.status.success() {
        true => writeln!(terminal.out, "{}", json!({ "version": 1, "path": path.trim_end() }))?,
        false => write!(terminal.out, "{path}")?,
    }
    terminal.out.flush()?;
    Ok(output.status.success())
}
