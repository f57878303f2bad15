//! `omadmctl config check [FILE]`: all that is wrong with all files, without the agent.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value as Json, json};

use super::client::Client;
use super::findings::Findings;
use super::terminal::Terminal;
use crate::config::{Environment, Selection};
use crate::daemon::{self, Checked};

/// Says what is wrong with the installed configuration, or with that of one file; returns whether nothing is.
pub(super) fn check<O: Write, E: Write>(
    file: Option<&Path>,
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    let selection = file.map_or_else(Selection::default, |file| Selection::File(file.to_path_buf()));
    let environment = Environment::current();
    let Checked { problems, warnings } = daemon::check(&selection, &environment);
    let mut findings = Findings::default();
    findings.errors(&problems);
    findings.warnings(&warnings);
    let findings = findings.sorted();
    if as_json {
        return terminal.answer(findings.is_well(), json!({ "findings": findings.to_json() }));
    }
    findings.show("the configuration is sound", &mut terminal.out)?;
    terminal.out.flush()?;
    if environment.uid != 0 && findings.mentions("Permission denied") {
        terminal.complain(
            "what only root and the agent may read is no mistake: `sudo omadmctl config check` reads it",
        )?;
    }
    // Root reads what the agent may not.
    if file.is_none() && findings.is_well() && is_found_broken() {
        terminal.complain(
            "the running agent has found a file that is broken, or that its user may not read: `omadmctl reload` has it read \
             again, and says which",
        )?;
    }
    Ok(findings.is_well())
}

/// Whether there is a running agent that has found its configuration broken.
fn is_found_broken() -> bool {
    let status = Client::connect().and_then(|client| client.json("Status", "", json!([])));
    status.is_ok_and(|status| status.pointer("/configuration/sound") == Some(&Json::Bool(false)))
}
