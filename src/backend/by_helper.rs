//! What the privileged helper does for a node: values read, effects, EXECs.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json};
use tokio::time::{sleep, timeout};

use super::bus::Seen;
use super::context::{Context, Machine};
use super::error::BackendError;
use super::helper::{BEYOND, Helper, RESULTS, next};
use super::reports::Reports;
use super::run::{End, Exit, Running, SOURCE_TIMEOUT};
use crate::helper_protocol::{self as protocol, ExecEnd, HelperOp, HelperReply, HelperRequest, Verb, code};
use crate::mo::given::Given;
use crate::mo::mapping::{Call, Exec};

/// The time between two looks for the result of an EXEC whose requester is gone.
const LOOKING: Duration = Duration::from_secs(1);

/// A name for the request that has a call made, where that is the helper's to do.
#[must_use]
pub fn request_name(call: &Call, machine: &Machine) -> Option<String> {
    helper_of(call, machine).map(|_| Helper::name())
}

/// The helper, where a call is its to do.
pub(super) fn helper_for<'c>(call: &Call, context: &Context<'c>) -> Option<&'c Helper> {
    helper_of(call, context.machine)
}

fn helper_of<'m>(call: &Call, machine: &'m Machine) -> Option<&'m Helper> {
    let is_its = match call {
        Call::Run(_) => true,
        Call::File { privileged, .. } | Call::Bus { privileged, .. } => *privileged,
        Call::Store => false,
    };
    machine.helper.as_deref().filter(|_| is_its)
}

/// An operation on the node of the context.
pub(super) fn op(verb: Verb, context: &Context<'_>) -> Result<HelperOp, BackendError> {
    let (object, id) = context.node.ok_or(WITHOUT_NODE)?;
    let mut op = HelperOp::new(verb, object.path(id));
    op.vars.extend(context.names.iter().cloned());
    context.request.miid.clone_into(&mut op.miid);
    if !context.given.is_empty() {
        op.input = serde_json::from_slice(&Given::json(context.given)).unwrap_or_default();
    }
    Ok(op)
}

/// Has an operation done, which takes no longer than `limit` by itself.
pub(super) async fn ask(
    helper: &Helper,
    op: HelperOp,
    limit: Duration,
    context: &Context<'_>,
) -> Result<HelperReply, BackendError> {
    let request = request(Helper::name(), vec![op], context)?;
    helper.ask(&request, context.request.client_uri(), limit).await
}

/// Asks for the values of many leaves of the context's object over one connection, and has `seen` keep what is
/// answered. What is not, is asked for by itself later.
pub async fn ask_ahead(ops: Vec<HelperOp>, seen: &Seen, context: &Context<'_>) {
    let (Some(helper), Ok(request)) = (&context.machine.helper, request(Helper::name(), ops, context)) else {
        return;
    };
    let asked = async {
        let mut stream = helper.send(&request).await?;
        for _ in &request.ops {
            let reply = next(&mut stream).await?;
            if let Some(op) = request.ops.get(reply.index) {
                seen.answered(op, reply);
            }
        }
        Ok::<_, io::Error>(())
    };
    let why = match timeout(SOURCE_TIMEOUT + BEYOND, asked).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    log::debug!(
        "{}: asked for one by one: {}",
        context.request.client_uri(),
        helper.failed("values", &io::Error::other(why))
    );
}

/// Has a node executed; what becomes of that is told by what is returned.
pub(super) async fn start(
    helper: &Helper,
    exec: &Exec,
    context: &Context<'_>,
) -> Result<Running, BackendError> {
    let what = context.request.client_uri().to_owned();
    let op = HelperOp { resumed: context.request.resumed, ..op(Verb::Exec, context)? };
    let id = context.request.exec_id.map_or_else(Helper::name, str::to_owned);
    let request = request(id.clone(), vec![op], context)?;
    let place = helper.place_of_exec();
    let place =
        place.ok_or_else(|| helper.failed(&what, &io::Error::other("it executes as much as it may")))?;
    let mut stream = helper.send(&request).await.map_err(|error| helper.failed(&what, &error))?;
    let reports = reports(exec);
    let (heard, results) = (reports.clone(), helper.results().to_path_buf());
    // Its veto programs may take their time before it begins.
    let limit = if exec.veto { exec.timeout() * 2 } else { exec.timeout() } + BEYOND;
    let machine_helper = context.machine.helper.clone();
    let work = async move {
        let _place = place;
        let mut taken = false;
        let told = timeout(limit, async {
            loop {
                let reply = next(&mut stream).await?;
                taken |= reply.taken;
                report(heard.as_ref(), reply.output.clone());
                if reply.code.is_some() {
                    return Ok::<_, io::Error>(reply);
                }
            }
        });
        match told.await {
            Ok(Ok(reply)) => {
                if let Some(helper) = machine_helper {
                    helper.heed(reply.code);
                }
                exit_of_reply(&what, reply)
            }
            Ok(Err(error)) if !taken => {
                log::warn!(OMADM_CLIENT_URI = what.as_str(); "{what}: omadm-exec ended before it began ({error})");
                Exit::of(End::NotBegun)
            }
            silent => {
                let why = match silent {
                    Ok(Err(error)) => error.to_string(),
                    _ => "beyond its limit".to_owned(),
                };
                log::warn!(
                    OMADM_CLIENT_URI = what.as_str();
                    "{what}: omadm-exec fell silent ({why}): the EXEC may have ended all the same, its result is looked for"
                );
                // From here on it takes nothing that it has not taken yet, as nobody listens.
                drop(stream);
                let missing = if taken { End::Lost } else { End::NotBegun };
                collected(&what, &results, &id, heard.as_ref(), missing).await
            }
        }
    };
    Ok(Running::ending(work, reports))
}

/// Waits for the end of an EXEC that an earlier life of the agent has asked for under this name. Whether there still is
/// a helper does not matter, nor whether there still is the node.
pub(super) fn collect(helper: Option<&Helper>, exec: Option<&Exec>, id: &str) -> Running {
    let reports = exec.and_then(reports);
    let results = helper.map_or(Path::new(RESULTS), Helper::results).to_path_buf();
    let (heard, id) = (reports.clone(), id.to_owned());
    // Whoever asked is gone: what was not taken by now never is.
    let collected = async move { collected("EXEC", &results, &id, heard.as_ref(), End::Lost).await };
    Running::ending(collected, reports)
}

const WITHOUT_NODE: BackendError = BackendError::Unsupported("a privileged source outside of an object");

fn request(id: String, ops: Vec<HelperOp>, context: &Context<'_>) -> Result<HelperRequest, BackendError> {
    let (object, _) = context.node.ok_or(WITHOUT_NODE)?;
    Ok(HelperRequest {
        v: protocol::VERSION,
        id,
        server: context.request.server_id.map_or_else(String::new, |id| id.as_str().to_owned()),
        folder: object.name.clone(),
        sha256: protocol::hex(&object.files_digest),
        ops,
    })
}

fn reports(exec: &Exec) -> Option<Reports> {
    let keys: Vec<String> = exec.output.iter().map(|output| output.key.clone()).collect();
    (!keys.is_empty()).then(|| Reports::new(keys))
}

fn report(reports: Option<&Reports>, output: Map<String, Json>) {
    if let Some(reports) = reports.filter(|_| !output.is_empty()) {
        reports.put(output);
    }
}

/// The exit that the last reply to an EXEC tells. `what` is it for messages.
#[must_use]
pub fn exit_of_reply(what: &str, reply: HelperReply) -> Exit {
    let end = reply.value.and_then(|value| serde_json::from_value::<ExecEnd>(value).ok());
    if let (Some(code::OK), Some(end)) = (reply.code, end) {
        return exit_of_end(what, end);
    }
    let why = reply.error.unwrap_or_default();
    refused(what, reply.code, &why)
}

/// The end of what the helper did not begin.
fn refused(what: &str, code: Option<u16>, why: &str) -> Exit {
    log::warn!(OMADM_CLIENT_URI = what; "{what}: omadm-exec does not execute it: {why}");
    let end = match code {
        Some(code::NOT_NOW | code::STALE) => End::NotBegun,
        Some(code::REFUSED | code::UNFIT | code::BAD_REQUEST) => End::Unsupported,
        _ => End::Failed,
    };
    Exit { said: why.to_owned(), ..Exit::of(end) }
}

/// The exit that the end of an EXEC is, or that it never began. `what` is it for messages.
#[must_use]
pub fn exit_of_end(what: &str, end: ExecEnd) -> Exit {
    if end.code.is_some() {
        return refused(what, end.code, end.error.as_deref().unwrap_or_default());
    }
    let how = match end {
        ExecEnd { timeout: true, .. } => End::Timeout,
        ExecEnd { exit: Some(exit), .. } => End::Code(exit),
        ExecEnd { signal: Some(signal), .. } => End::Signal(signal),
        _ => End::Lost,
    };
    let stdout = end.stdout.and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    Exit { end: how, stdout, truncated: end.truncated, said: end.said }
}

/// Waits for the result of an EXEC, as long as a helper works at it.
/// `missing` is how it ended where there is no place for its result.
async fn collected(what: &str, results: &Path, id: &str, reports: Option<&Reports>, missing: End) -> Exit {
    let path = results.join(id);
    let mut was_free = false;
    loop {
        let (content, is_held) = match look(&path) {
            Ok(found) => found,
            Err(error) => {
                log::warn!("the result of an EXEC is not at {}: {error}", path.display());
                return Exit::of(if error.kind() == io::ErrorKind::NotFound { missing } else { End::Lost });
            }
        };
        if let Some(end) = protocol::parse_end(&content) {
            report(reports, end.output.clone());
            return exit_of_end(what, end);
        }
        if !is_held && was_free {
            return Exit::of(End::Lost);
        }
        // Between the look at the content and that at the lock it may have come to its end.
        was_free = !is_held;
        sleep(LOOKING).await;
    }
}

/// The content of a result's file, and whether somebody still works at it.
fn look(path: &Path) -> io::Result<(Vec<u8>, bool)> {
    let mut file = File::open(path)?;
    let mut content = Vec::new();
    (&mut file).take(protocol::MAX_FRAME as u64).read_to_end(&mut content)?;
    Ok((content, file.try_lock_shared().is_err()))
}
