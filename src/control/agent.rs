//! What the running agent is asked for: `reload`, `get`, `set`, `alert raise`, `config-request`, and others.

use std::io::{self, Write};

use serde_json::{Value as Json, json};

use super::client::{AskError, Client, reason};
use super::hint;
use super::mo_list::unserved;
use super::table::Paper;
use super::terminal::Terminal;
use crate::ddf::Format;
use crate::mo::calendar;
use crate::tree::{CUT, EMPTY};

/// Says why the agent did not do it; returns that it did not.
pub(super) fn told<O: Write, E: Write>(
    error: &AskError,
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    terminal.fail(error.name(), &error.to_string(), as_json)?;
    if let (AskError::Refused { why, .. }, false) = (error, as_json)
        && let Some(hint) = hint::of_command(why)
    {
        terminal.complain(&format!("look at {hint}"))?;
    }
    Ok(false)
}

/// Says beforehand that only root may do this, and what anybody may; returns whether it may be asked for.
pub(super) fn may_change<O: Write, E: Write>(
    what: &str,
    is_dry: bool,
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    if is_dry || nix::unistd::geteuid().is_root() {
        return Ok(true);
    }
    let why = format!(
        "only root may {what} a node: use `sudo`; with --dry-run, which checks it and does nothing, members of the group \
         omadm-admin may ask as well"
    );
    terminal.fail("NotRoot", &why, as_json)
}

/// Why a ClientURI leads nowhere, where that is for its whole object.
pub(super) fn explained(client: &Client, client_uri: &str, error: AskError) -> AskError {
    match error {
        AskError::Refused { name, why } if name == "NotFound" => {
            let object =
                unserved(client, client_uri).map_or_else(String::new, |object| format!(": {object}"));
            AskError::Refused { name, why: format!("{why}{object}") }
        }
        error => error,
    }
}

/// Writes a node; returns whether that was done, or may be.
pub(super) fn set<O: Write, E: Write>(
    (client_uri, value): (&str, &str),
    is_dry: bool,
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    if !may_change("write", is_dry, as_json, terminal)? {
        return Ok(false);
    }
    let done = Client::connect().and_then(|client| {
        let set = client.ask("Set", "ssb", json!([client_uri, value, is_dry]));
        set.map_err(|error| explained(&client, client_uri, error))
    });
    match done {
        Ok(_) if as_json => terminal.answer(true, json!({})),
        Ok(_) => Ok(true),
        Err(error) => told(&error, as_json, terminal),
    }
}

/// Asks for something that is answered by that it is done, or by what it has brought.
pub(super) fn order<O: Write, E: Write>(
    method: &str,
    (kinds, arguments): (&'static str, Json),
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    let done = Client::connect().and_then(|client| client.ask(method, kinds, arguments));
    let brought = match done {
        Ok(values) => values.into_iter().next(),
        Err(error) => return told(&error, as_json, terminal),
    };
    if as_json {
        let members = brought.map_or_else(|| json!({}), |brought| json!({ "instances": brought }));
        return terminal.answer(true, members);
    }
    for line in brought.iter().filter_map(Json::as_array).flatten().filter_map(Json::as_str) {
        terminal.say(line)?;
    }
    Ok(true)
}

/// Prints what is at a ClientURI: a leaf's value, anything else as JSON. What of it can't be read is told, with its
/// reason. Returns whether there is anything.
pub(super) fn get<O: Write, E: Write>(
    client_uri: &str,
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    let read = Client::connect().and_then(|client| {
        let value = match client.json("Get", "s", json!([client_uri])) {
            // A leaf may be described, and have no value: why is in its outline.
            Err(error) if error.name() == "NotFound" => {
                let missing = missing(&client, client_uri, true);
                return match missing.is_empty() {
                    true => Err(explained(&client, client_uri, error)),
                    false => Ok((Json::Null, missing)),
                };
            }
            read => read?,
        };
        let missing =
            if is_leaf(&value) { Vec::new() } else { missing(&client, client_uri, value.is_null()) };
        Ok((value, missing))
    });
    let (value, missing) = match read {
        Ok(read) => read,
        Err(error) => return told(&error, as_json, terminal),
    };
    let is_there = !value.is_null();
    if as_json {
        return terminal.answer(is_there, json!({ "value": value, "missing": missing }));
    }
    match value {
        Json::Null if missing.is_empty() => terminal.complain("nothing is there")?,
        Json::Null => {}
        Json::String(text) => terminal.put(&text)?,
        value => terminal.put(&format!("{value:#}"))?,
    }
    for node in &missing {
        let text = |name: &str| node.get(name).and_then(Json::as_str).unwrap_or_default();
        let why = reason(text("uri"), text("why"));
        terminal.complain(&format!("{}: no value: {why}", text("uri")))?;
    }
    Ok(is_there)
}

fn is_leaf(value: &Json) -> bool {
    !matches!(value, Json::Null | Json::Object(_) | Json::Array(_))
}

/// The nodes that have no value, each with the reason; with `all`, also those whose value is empty, and those that were
/// not asked for. In the answer of a node above them they are left out, or look empty.
fn missing(client: &Client, client_uri: &str, all: bool) -> Vec<Json> {
    // What there is was read: no more is lost by this.
    let Ok(Json::Array(mut nodes)) = client.json("Tree", "s", json!([client_uri])) else { return Vec::new() };
    let is_meant = |why: &str| all || !matches!(why, CUT | EMPTY);
    nodes.retain(|node| node.get("why").and_then(Json::as_str).is_some_and(is_meant));
    nodes
}

/// Prints the alerts that wait, as a table.
pub(super) fn alerts<O: Write, E: Write>(as_json: bool, terminal: &mut Terminal<O, E>) -> io::Result<bool> {
    let listed = match Client::connect().and_then(|client| client.json("ListAlerts", "", json!([]))) {
        Ok(listed) => listed,
        Err(error) => return told(&error, as_json, terminal),
    };
    if as_json {
        return terminal.answer(true, json!({ "alerts": listed }));
    }
    let cells = |waiting: &Json| {
        let of = |json: Option<&Json>| match json {
            Some(Json::String(text)) => text.clone(),
            None | Some(Json::Null) => String::new(),
            Some(other) => other.to_string(),
        };
        let alert = |name: &str| of(waiting.get("alert").and_then(|alert| alert.get(name)));
        let time = waiting.get("time").and_then(Json::as_f64);
        let time = time.and_then(|time| calendar::utc(time, Format::Chr)).unwrap_or_default();
        let of_alert = ["AlertType", "Mark", "SourceURI", "TargetURI", "Data"].map(alert);
        let [server, report_to] = ["server", "reportTo"].map(|name| of(waiting.get(name)));
        [time, server].into_iter().chain(of_alert).chain([report_to]).collect()
    };
    let rows: Vec<Vec<String>> = listed.as_array().into_iter().flatten().map(cells).collect();
    if rows.is_empty() {
        writeln!(terminal.out, "no alert waits")?;
    }
    let headers = ["TIME", "SERVER", "TYPE", "MARK", "SOURCE", "TARGET", "DATA", "REPORT TO"];
    Paper::stdout().table(&mut terminal.out, &headers, &rows)?;
    terminal.out.flush()?;
    Ok(true)
}
