//! EXEC: checked once more, begun, followed to its end, whether anybody still listens or not.

use std::path::Path;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json};
use tokio::time::{Duration, Instant, sleep_until};

use super::begun::Begun;
use super::connection::Listener;
use super::effects::{check_limits, check_run, filled, process};
use super::node::NodeAt;
use super::object::{self, check_program};
use super::outcome::{Failure, Outcome};
use super::results::Pending;
use super::rules::Rules;
use super::{file, kept};
use crate::backend::{self, End, Exit, Machine, NOT_NOW, Reports, Running};
use crate::helper_protocol::{ExecEnd, HelperOp, HelperReply, HelperRequest, MAX_OUTPUT, code};
use crate::mo::mapping::{Call, Exec};

/// The time between two frames of what a program reports: ten a second at most.
const PAUSE: Duration = Duration::from_millis(100);

/// Executes a node; its result, or why it did not begin, is left for whoever asks for the request's id. Before anything
/// else its place is taken, and whoever listens is told so: who is gone by then has given it up, and may have said so.
pub(super) async fn execute(
    request: &HelperRequest,
    op: &HelperOp,
    machine: &Machine,
    rules: &Rules,
    listener: &mut Listener,
) -> Outcome {
    let id = &request.id;
    let pending = Pending::take(id, rules)?;
    listener.tell(&HelperReply { id: id.clone(), taken: true, ..HelperReply::default() }).await;
    let done = if listener.is_gone() {
        Err(Failure::new(code::NOT_NOW, "nobody waits for it any more"))
    } else {
        async {
            let object = object::read(&request.folder, &request.sha256, rules)?;
            let goes_on = object.ids().find(|id| object.path(*id) == op.node);
            let goes_on =
                goes_on.and_then(|id| object.node(id).mapping.exec.as_ref()).is_some_and(|exec| exec.resume);
            let mut begun = goes_on.then(|| Begun::find(request, op, rules)).transpose()?;
            let as_begun = begun.as_ref().map_or_else(|| Ok(op.clone()), |begun| begun.as_begun(op))?;
            let node = NodeAt::find(&as_begun, &request.server, false, (&object, machine, rules)).await?;
            let exec = node.mapping().exec.as_ref();
            let exec = exec.ok_or_else(|| Failure::refused("the mapping says nothing of EXEC"))?;
            if op.resumed && !exec.resume {
                return Err(Failure::refused("the mapping does not have it go on after a reboot"));
            }
            may_begin(exec, &node).await?;
            if let Some(begun) = &mut begun {
                begun.begins(&as_begun, rules)?;
            }
            let running = begin(exec, &node).await.inspect_err(|_| {
                if let Some(Err(error)) = begun.as_mut().map(Begun::did_not_begin) {
                    log::warn!("{}: that it did not begin can't be noted: {error}", node.client_uri());
                }
            })?;
            let end = follow(id, exec, running, &node, listener).await;
            if let Some(Err(error)) = begun.as_mut().map(Begun::ends) {
                log::warn!("{}: that it has ended can't be noted: {error}", node.client_uri());
            }
            Ok(end)
        }
        .await
    };
    let end = match &done {
        Ok(end) => end.clone(),
        Err(Failure { code, why }) => {
            ExecEnd { code: Some(*code), error: Some(why.clone()), ..ExecEnd::default() }
        }
    };
    if let Err(error) = pending.leave(&end) {
        log::error!("{}: the result of {:?} can't be left for the agent: {error}", request.folder, op.node);
    }
    serde_json::to_value(done?).map(Some).map_err(|error| Failure::new(code::FAILED, error))
}

/// Checks that what the mapping says may begin now; one that goes on was let begin before.
async fn may_begin(exec: &Exec, node: &NodeAt<'_>) -> Result<(), Failure> {
    if !node.resumed {
        check_window(exec, node).await?;
        if exec.veto {
            ask_vetoes(node).await?;
        }
    }
    if let Call::Run(program) = &exec.call {
        check_run(program, node)?;
    }
    Ok(())
}

/// Begins what the mapping says.
async fn begin(exec: &Exec, node: &NodeAt<'_>) -> Result<Running, Failure> {
    match &exec.call {
        Call::Run(_) => Ok(backend::start(exec, &node.context()).await?),
        Call::File { path, privileged: true, .. } => {
            let place = file::at(&filled(path, &node.context())?, node.rules)?;
            let _turn = kept::turn(&place.path, node.rules).await?;
            file::write(&place, b"1", None, &process(), node.rules)?;
            Ok(Running::ended(End::Code(0)))
        }
        Call::Bus { privileged: true, .. } => Ok(backend::start(exec, &node.context()).await?),
        _ => Err(Failure::refused("the agent does that itself")),
    }
}

async fn check_window(exec: &Exec, node: &NodeAt<'_>) -> Result<(), Failure> {
    let Some(window) = &exec.window else { return Ok(()) };
    let zone = backend::zone(node.machine).await?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    match window.opens(now, |seconds| zone.at(seconds)) {
        Some((opens, _)) if opens <= now => Ok(()),
        _ => Err(Failure::new(code::NOT_NOW, "its window is closed")),
    }
}

async fn ask_vetoes(node: &NodeAt<'_>) -> Result<(), Failure> {
    for program in backend::programs(&node.rules.vetoes).await? {
        check_program(&program.to_string_lossy(), node.rules)?;
        let exit = backend::ask(&program, &node.context()).await?;
        let name = Path::new(&program).display();
        match exit.end {
            End::Code(0) => {}
            End::Code(NOT_NOW) => return Err(Failure::new(code::NOT_NOW, format!("{name} says: not now"))),
            end => return Err(Failure::refused(format!("{name} does not let it pass: it {end}"))),
        }
    }
    Ok(())
}

/// Follows an EXEC to its end, and tells what it reports meanwhile.
async fn follow(
    id: &str,
    exec: &Exec,
    mut running: Running,
    node: &NodeAt<'_>,
    listener: &mut Listener,
) -> ExecEnd {
    let reports = running.reports().cloned();
    let mut last = Map::new();
    let mut next = Instant::now();
    let exit = loop {
        let more = async {
            match &reports {
                Some(reports) => reports.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            exit = running.finish() => break exit,
            () = async { more.await; sleep_until(next).await; } => {}
        }
        next = Instant::now() + PAUSE;
        tell(id, admitted(exec, reports.as_ref(), node).await, &mut last, listener).await;
    };
    tell(id, admitted(exec, reports.as_ref(), node).await, &mut last, listener).await;
    ended(exec, exit, last)
}

/// What a program has reported, so far as the leaves may have it.
async fn admitted(exec: &Exec, reports: Option<&Reports>, node: &NodeAt<'_>) -> Map<String, Json> {
    let reported = reports.map(Reports::take).unwrap_or_default();
    let mut admitted = Map::new();
    for (key, value) in reported {
        let output = exec.output.iter().find(|output| output.key == key);
        let leaf = output.and_then(|output| output.path.find(node.object, node.id));
        let Some(leaf) = leaf else { continue };
        let within = async { check_limits(node, leaf, &node.value(leaf, &value)?).await };
        match within.await {
            Ok(()) => drop(admitted.insert(key, value)),
            Err(failure) => {
                log::warn!("{}: a report of {key} is passed over: {}", node.client_uri(), failure.why);
            }
        }
    }
    admitted
}

async fn tell(id: &str, output: Map<String, Json>, last: &mut Map<String, Json>, listener: &mut Listener) {
    if output.is_empty() {
        return;
    }
    last.extend(output.clone());
    listener.tell(&HelperReply { id: id.to_owned(), output, ..HelperReply::default() }).await;
}

fn ended(exec: &Exec, exit: Exit, output: Map<String, Json>) -> ExecEnd {
    let mut end = ExecEnd { output, truncated: exit.truncated, said: exit.said, ..ExecEnd::default() };
    match exit.end {
        End::Code(code) => end.exit = Some(code),
        End::Signal(signal) => end.signal = Some(signal),
        End::Timeout => end.timeout = true,
        End::Lost | End::Unsupported | End::NotBegun | End::Failed => {}
    }
    if exec.result.is_some() {
        end.truncated |= exit.stdout.len() > MAX_OUTPUT;
        let stdout = exit.stdout.get(..MAX_OUTPUT).unwrap_or(&exit.stdout);
        end.stdout = Some(STANDARD.encode(stdout));
    }
    end
}
