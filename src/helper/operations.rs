//! The operations of a request, done one after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::connection::Listener;
use super::effects;
use super::node::NodeAt;
use super::object;
use super::outcome::{Failure, Outcome, answered, reply};
use super::rules::Rules;
use super::{begun, exec, kept, sources};
use crate::backend::{self, Machine};
use crate::helper_protocol::{HelperOp, HelperRequest, MAX_OPS, VERSION, Verb, code, is_id};
use crate::mo::{ManagementObject, Value};

/// The longest name that a request may have, and the longest path of a node, in bytes.
const LONGEST_NAME: usize = 512;
/// How long what was read of an object's files counts for what is only read.
const FRESH: Duration = Duration::from_secs(1);

/// Does all operations of a request, and tells how each ended.
pub(super) async fn serve(
    request: &HelperRequest,
    machine: &Machine,
    rules: &Rules,
    listener: &mut Listener,
) {
    if let Err(failure) = check(request) {
        listener.tell(&reply(&request.id, 0, Err(failure))).await;
        return;
    }
    let (mut object, mut failed) = (Loaded::default(), 0_usize);
    for (index, op) in request.ops.iter().enumerate() {
        if listener.is_gone() {
            // Nobody will know: what has not begun never does.
            return;
        }
        if op.op != Verb::Exec {
            rules.bound(Duration::ZERO);
        }
        let outcome = match (op.op, &op.undo) {
            (Verb::Undo, Some(name)) => kept::put_back(name, machine, rules).await,
            (Verb::Forget, Some(name)) => kept::forget(name, rules).await,
            (Verb::Forget, None) if op.value.is_some() => match op.value.as_ref().and_then(Json::as_str) {
                Some(prefix) if is_id(prefix) => kept::forget_others(prefix, rules),
                _ => Err(Failure::new(code::BAD_REQUEST, "`value` is no beginning of names")),
            },
            (Verb::Undo | Verb::Forget, None) => Err(Failure::new(code::BAD_REQUEST, "`undo` is missing")),
            (Verb::Exec, _) => exec::execute(request, op, machine, rules, listener).await,
            (_, undo) => {
                // Before anything is looked at: once it is undone, it must not go on from what it saw.
                let lock = match undo {
                    Some(name) => kept::begin(name, rules).await.map(Some),
                    None => Ok(None),
                };
                match lock {
                    Ok(_lock) => match object.get(op.op, request, rules) {
                        Ok(object) => do_one(request, op, &(object, machine, rules)).await,
                        Err(failure) => Err(failure),
                    },
                    Err(failure) => Err(failure),
                }
            }
        };
        if let Err(Failure { code, why }) = &outcome {
            // That there is nothing, or nothing now, is an answer like others.
            let is_odd = !matches!(*code, code::ABSENT | code::NOT_NOW);
            failed += usize::from(is_odd);
            // One line a request: a batch of failures is told by its first.
            let level = if is_odd && failed == 1 { log::Level::Warn } else { log::Level::Debug };
            log::log!(level, "{} {:?} for {}: {code}: {why}", request.folder, op.node, request.server);
        }
        listener.tell(&reply(&request.id, index, outcome)).await;
    }
    if let Err(error) = begun::tidy(rules) {
        let folder = rules.kept.display();
        log::warn!("what is of no use any more, secrets maybe, can't be deleted from {folder}: {error}");
    }
}

/// The object of a request, as it was read last.
#[derive(Default)]
struct Loaded(Option<(Instant, Arc<ManagementObject>)>);

impl Loaded {
    /// The object for the next operation: what is changed is changed by the files as they are then, what is read by
    /// those of a second ago at the most.
    fn get(
        &mut self,
        op: Verb,
        request: &HelperRequest,
        rules: &Rules,
    ) -> Result<Arc<ManagementObject>, Failure> {
        if let Some((read, object)) = &self.0
            && matches!(op, Verb::Get | Verb::List)
            && read.elapsed() < FRESH
        {
            return Ok(Arc::clone(object));
        }
        let object = object::read(&request.folder, &request.sha256, rules)?;
        self.0 = Some((Instant::now(), Arc::clone(&object)));
        Ok(object)
    }
}

fn check(request: &HelperRequest) -> Result<(), Failure> {
    let bad = |why: &str| Err(Failure::new(code::BAD_REQUEST, why));
    match request {
        HelperRequest { v, .. } if *v != VERSION => {
            bad(&format!("version {v} of the protocol is not known here: {VERSION} is"))
        }
        HelperRequest { id, .. } if !is_id(id) => bad("`id` is none"),
        // What is said of them goes into the journal.
        HelperRequest { folder, server, .. } if ![folder, server].into_iter().all(|name| is_name(name)) => {
            bad("`folder` or `server` is no name")
        }
        HelperRequest { ops, .. } if !ops.iter().all(|op| is_name(&op.node) && is_name(&op.miid)) => {
            bad("`node` or `miid` is no name")
        }
        HelperRequest { ops, .. } if ops.is_empty() || ops.len() > MAX_OPS => {
            bad(&format!("expected 1 to {MAX_OPS} operations"))
        }
        HelperRequest { ops, .. } if ops.len() > 1 && ops.iter().any(|op| op.op == Verb::Exec) => {
            bad("an EXEC is a request of its own: its result is known by that's id")
        }
        _ => Ok(()),
    }
}

/// Whether a text may be a name or a path of names: short, and without line ends.
fn is_name(text: &str) -> bool {
    text.len() <= LONGEST_NAME && !text.contains(char::is_control)
}

async fn do_one(
    request: &HelperRequest,
    op: &HelperOp,
    at: &(Arc<ManagementObject>, &Machine, &Rules),
) -> Outcome {
    let (object, machine, rules) = at;
    let is_new = op.op == Verb::Add;
    let node = NodeAt::find(op, &request.server, is_new, (object, machine, rules)).await?;
    match op.op {
        Verb::Get => get(op, &node).await.map(Some),
        Verb::List => list(&node).await.map(Some),
        _ => effects::perform(op, &node).await,
    }
}

/// Reads a leaf from one of its sources, which is one that takes root.
async fn get(op: &HelperOp, node: &NodeAt<'_>) -> Result<Json, Failure> {
    let source = op.source.and_then(|position| node.mapping().get.get(position));
    let source = source.ok_or_else(|| Failure::not_found("the mapping has no such source"))?;
    if !source.privileged {
        return Err(Failure::refused("the agent reads that itself"));
    }
    let format = node.object.node(node.id).properties.format;
    let answer = sources::read(source, format, node).await?;
    answered(answer, |value: Value| {
        let mut json = Vec::new();
        value.write_json(&mut json);
        serde_json::from_slice(&json).map_err(|error| Failure::new(code::FAILED, error))
    })
}

/// Lists the children of an un-named node.
async fn list(node: &NodeAt<'_>) -> Result<Json, Failure> {
    let list = node.mapping().list.as_deref();
    let list = list.ok_or_else(|| Failure::refused("the mapping lists nothing there"))?;
    if !list.privileged {
        return Err(Failure::refused("the agent lists that itself"));
    }
    let children = node.children(list).await?;
    let element = |child: backend::Child| match child.item {
        Some(item) => Json::Array(vec![child.captured.into(), Arc::unwrap_or_clone(item)]),
        None => Json::Array(vec![child.captured.into()]),
    };
    answered(children, |children| Ok(children.into_iter().map(element).collect()))
}
