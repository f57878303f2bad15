//! What the running agent is asked for: `reload`, `get`, `session list`, `alert raise`, `config-request`.

use std::io::{self, Write};

use serde_json::{Value as Json, json};

use super::client::{AskError, Client};
use super::hint;
use super::terminal::Terminal;

/// Says why the agent did not do it; returns that it did not.
pub(super) fn told<O: Write, E: Write>(
    error: &AskError,
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    if as_json {
        let name = match error {
            AskError::NoBus(_) => "NoBus",
            AskError::NoAgent => "NoAgent",
            AskError::Denied(_) => "AccessDenied",
            AskError::Late => "Late",
            AskError::Refused { name, .. } => name,
        };
        writeln!(terminal.out, "{}", json!({ "error": name, "why": error.to_string() }))?;
    }
    terminal.complain(&error.to_string())?;
    if let (AskError::Refused { why, .. }, false) = (error, as_json)
        && let Some(hint) = hint::of_command(why)
    {
        terminal.complain(&format!("look at {hint}"))?;
    }
    Ok(false)
}

/// Asks for something that is answered by that it is done.
pub(super) fn order<O: Write, E: Write>(
    method: &str,
    (kinds, arguments): (&'static str, Json),
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    match Client::connect().and_then(|client| client.ask(method, kinds, arguments)) {
        Ok(values) => {
            let value = values.first().cloned().unwrap_or(Json::Null);
            if as_json {
                writeln!(terminal.out, "{}", json!({ "done": true, "answer": value }))?;
            }
            for line in value.as_array().into_iter().flatten().filter_map(Json::as_str).filter(|_| !as_json) {
                terminal.say(line)?;
            }
            Ok(true)
        }
        Err(error) => told(&error, as_json, terminal),
    }
}

/// Prints what is at a ClientURI: a leaf's value, anything else as JSON.
pub(super) fn get<O: Write, E: Write>(
    client_uri: &str,
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    let read = Client::connect().and_then(|client| client.json("Get", "s", json!([client_uri])));
    match read {
        Ok(value) => {
            match value {
                Json::String(text) if !as_json => terminal.say(&text)?,
                Json::Null if !as_json => terminal.complain("nothing is there, or it has no value")?,
                value if as_json => writeln!(terminal.out, "{value}")?,
                value => terminal.say(&format!("{value:#}"))?,
            }
            Ok(true)
        }
        Err(error) => told(&error, as_json, terminal),
    }
}

/// Prints the alerts that wait, one a line.
pub(super) fn alerts<O: Write, E: Write>(as_json: bool, terminal: &mut Terminal<O, E>) -> io::Result<bool> {
    let listed = match Client::connect().and_then(|client| client.json("ListAlerts", "", json!([]))) {
        Ok(listed) => listed,
        Err(error) => return told(&error, as_json, terminal),
    };
    if as_json {
        writeln!(terminal.out, "{}", json!({ "version": 1, "alerts": listed }))?;
        return Ok(true);
    }
    for waiting in listed.as_array().into_iter().flatten() {
        let text = |name: &str| waiting.get(name).and_then(Json::as_str).unwrap_or_default();
        let alert = waiting.get("alert").cloned().unwrap_or_default();
        terminal.say(&format!("{}  {}{alert}", text("server"), text("reportTo")))?;
    }
    Ok(true)
}
