//! What the privileged helper does for a node: values read, effects, EXECs.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json};
use tokio::time::{sleep, timeout};

use super::context::{Context, Machine};
use super::error::BackendError;
use super::helper::{BEYOND, Helper, next};
use super::reports::Reports;
use super::run::{End, Exit, NOT_NOW, Running};
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
    let request = request(Helper::name(), op, context)?;
    helper.ask(&request, context.request.client_uri, limit).await
}

/// Has a node executed; what becomes of that is told by what is returned.
pub(super) async fn start(
    helper: &Helper,
    exec: &Exec,
    context: &Context<'_>,
) -> Result<Running, BackendError> {
    let what = context.request.client_uri.to_owned();
    let op = HelperOp { resumed: context.request.resumed, ..op(Verb::Exec, context)? };
    let id = context.request.exec_id.map_or_else(Helper::name, str::to_owned);
    let request = request(id.clone(), op, context)?;
    let mut stream = helper.send(&request).await.map_err(|error| helper.failed(&what, &error))?;
    let reports = reports(exec);
    let (heard, results) = (reports.clone(), helper.results().to_path_buf());
    // Its veto programs may take their time before it begins.
    let limit = if exec.veto { exec.timeout() * 2 } else { exec.timeout() } + BEYOND;
    let machine_helper = context.machine.helper.clone();
    let work = async move {
        let told = timeout(limit, async {
            loop {
                let reply = next(&mut stream).await?;
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
                end_of(&what, reply)
            }
            Ok(Err(error)) => {
                log::warn!(
                    OMADM_CLIENT_URI = what.as_str();
                    "{what}: omadm-exec fell silent ({error}): the EXEC may have ended all the same, its result is looked for"
                );
                collected(&results, &id, heard.as_ref()).await
            }
            Err(_) => Exit::of(End::Timeout),
        }
    };
    Ok(Running::ending(work, reports))
}

/// Waits for the end of an EXEC that an earlier life of the agent has asked for under this name.
pub(super) fn collect(helper: &Helper, exec: &Exec, id: &str) -> Running {
    let reports = reports(exec);
    let (heard, results, id) = (reports.clone(), helper.results().to_path_buf(), id.to_owned());
    Running::ending(async move { collected(&results, &id, heard.as_ref()).await }, reports)
}

const WITHOUT_NODE: BackendError = BackendError::Unsupported("a privileged source outside of an object");

fn request(id: String, op: HelperOp, context: &Context<'_>) -> Result<HelperRequest, BackendError> {
    let (object, _) = context.node.ok_or(WITHOUT_NODE)?;
    Ok(HelperRequest {
        v: protocol::VERSION,
        id,
        server: context.request.server_id.map_or_else(String::new, |id| id.as_str().to_owned()),
        folder: object.name.clone(),
        sha256: protocol::hex(&object.files_digest),
        ops: vec![op],
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

/// The exit that a reply tells.
fn end_of(what: &str, reply: HelperReply) -> Exit {
    let end = reply.value.and_then(|value| serde_json::from_value::<ExecEnd>(value).ok());
    if let (Some(code::OK), Some(end)) = (reply.code, end) {
        return exit(end);
    }
    let why = reply.error.unwrap_or_default();
    log::warn!(OMADM_CLIENT_URI = what; "{what}: omadm-exec does not execute it: {why}");
    Exit::of(match reply.code {
        Some(code::NOT_NOW | code::STALE) => End::Code(NOT_NOW),
        Some(code::REFUSED | code::NOT_FOUND | code::UNFIT | code::BAD_REQUEST) => End::Unsupported,
        _ => End::Lost,
    })
}

fn exit(end: ExecEnd) -> Exit {
    let how = match end {
        ExecEnd { timeout: true, .. } => End::Timeout,
        ExecEnd { exit: Some(exit), .. } => End::Code(exit),
        ExecEnd { signal: Some(signal), .. } => End::Signal(signal),
        _ => End::Lost,
    };
    let stdout = end.stdout.and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    Exit { end: how, stdout, truncated: end.truncated }
}

/// Waits for the result of an EXEC, as long as a helper works at it.
async fn collected(results: &Path, id: &str, reports: Option<&Reports>) -> Exit {
    let path = results.join(id);
    let mut was_free = false;
    loop {
        let (content, is_held) = match look(&path) {
            Ok(found) => found,
            Err(error) => {
                log::warn!("the result of an EXEC is not at {}: {error}", path.display());
                return Exit::of(End::Lost);
            }
        };
        if let Ok(end) = serde_json::from_slice::<ExecEnd>(&content) {
            report(reports, end.output.clone());
            return exit(end);
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
