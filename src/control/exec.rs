//! `omadmctl exec URI`: a node, executed, and perhaps waited for.

use std::future::poll_fn;
use std::io::{self, Write};
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream as _;
use serde_json::{Value as Json, json};
use tokio::time::timeout;
use zbus::MessageStream;

use super::agent::{explained, may_change, told};
use super::client::{AskError, Client, values};
use super::hint;
use super::terminal::Terminal;

/// How long nothing may be heard until it is looked whether the node is still being executed.
const QUIET: Duration = Duration::from_secs(5);

/// Executes a node; returns whether that was a success.
pub(super) fn run<O: Write, E: Write>(
    client_uri: &str,
    is_dry: bool,
    waits: bool,
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    if !may_change("execute", is_dry, as_json, terminal)? {
        return Ok(false);
    }
    let done = Client::connect().and_then(|client| {
        let done = client.runtime.block_on(execute(&client, client_uri, is_dry, waits));
        done.map_err(|error| explained(&client, client_uri, error))
    });
    let (node, status, what) = match done {
        Ok(done) => done,
        Err(error) => return told(&error, as_json, terminal),
    };
    let is_well = is_success(status);
    let hint = (!is_well).then(hint::of_exec);
    if as_json {
        let mut members = json!({ "node": node, "status": status, "what": what, "dryRun": is_dry });
        if let (Some(members), Some(hint)) = (members.as_object_mut(), hint) {
            members.insert("lookAt".to_owned(), hint.into());
        }
        return terminal.answer(is_well, members);
    }
    let would = if is_dry { "it may be executed: " } else { "" };
    let colon = if what.is_empty() { "" } else { ": " };
    terminal.say(&format!("{node}: {would}{status}{colon}{what}"))?;
    if let Some(hint) = hint {
        terminal.complain(&format!("look at {hint}"))?;
    }
    Ok(is_well)
}

/// Has the node executed; returns its ClientURI, the status, and what there is to say of it.
async fn execute(
    client: &Client,
    client_uri: &str,
    is_dry: bool,
    waits: bool,
) -> Result<(String, u64, String), AskError> {
    // What ends at once is heard as well.
    let mut signals = if waits { Some(client.signals(None).await?) } else { None };
    let answer = client.call("Exec", "sb", json!([client_uri, is_dry])).await?;
    let text = |at: usize| answer.get(at).and_then(Json::as_str).unwrap_or_default().to_owned();
    let (node, status) = (text(0), answer.get(1).and_then(Json::as_u64).unwrap_or_default());
    match &mut signals {
        Some(signals) if status == 202 => {
            let status = end(client, &node, signals).await?;
            Ok((node, status, ended(status)))
        }
        _ => Ok((node, status, text(2))),
    }
}

/// What there is to say of an end that only its status is known of.
fn ended(status: u64) -> String {
    if is_success(status) { String::new() } else { "it has ended, and not well".to_owned() }
}

fn is_success(status: u64) -> bool {
    matches!(status, 200..300 | 1200..1300)
}

/// Waits for the end of an EXEC; returns its status.
async fn end(client: &Client, node: &str, signals: &mut MessageStream) -> Result<u64, AskError> {
    let mut is_gone = false;
    loop {
        let next = poll_fn(|context| Pin::new(&mut *signals).poll_next(context));
        match timeout(QUIET, next).await {
            Ok(Some(Ok(message))) => {
                let is_end =
                    message.header().member().is_some_and(|member| member.as_str() == "ExecFinished");
                if let ([ended, status], true) = (values(&message).as_slice(), is_end)
                    && ended == node
                {
                    return Ok(status.as_u64().unwrap_or_default());
                }
            }
            Ok(_) => return Err(AskError::NoAgent),
            Err(_) if is_gone => {
                let why = format!("{node} is not executed any more, and nobody has told how that ended");
                return Err(AskError::Refused { name: "Unknown".to_owned(), why });
            }
            Err(_) => {
                let answer = client.call("Status", "", json!([])).await?;
                let text = answer.first().and_then(Json::as_str).unwrap_or_default();
                let status: Json = serde_json::from_str(text).unwrap_or_default();
                let execs = status.get("execs").and_then(Json::as_array);
                // What has ended just now may be told yet.
                is_gone = execs.is_none_or(|execs| execs.iter().all(|exec| exec != node));
            }
        }
    }
}
