//! What an operation does to the machine: `set`, `add`, `delete`.

use super::kept;
use super::node::NodeAt;
use super::object::check_program;
use super::outcome::{Failure, Outcome};
use super::record::{Kept, Record, digest};
use super::{file, sources};
use crate::backend::{self, Act, Answer, Context, Prepared};
use crate::ddf::Format;
use crate::helper_protocol::{HelperOp, Verb, code};
use crate::mo::limit::Bound;
use crate::mo::mapping::{Call, Program, Template};
use crate::mo::{NodeId, Value};

/// A path with all that the node knows filled in.
pub(super) fn filled(path: &Template, context: &Context<'_>) -> Result<String, Failure> {
    Ok(backend::filled_path(path, context)?)
}

/// A tag for what only this process writes.
pub(super) fn process() -> String {
    std::process::id().to_string()
}

/// Does what the mapping says of a `set`, an `add` or a `delete`.
pub(super) async fn perform(op: &HelperOp, node: &NodeAt<'_>) -> Outcome {
    let mapping = node.mapping();
    let value = match (op.op, &op.value) {
        (Verb::Set, Some(json)) => Some(node.value(node.id, json)?),
        (Verb::Set, None) => return Err(Failure::new(code::BAD_REQUEST, "`set` without a value")),
        (_, Some(_)) => return Err(Failure::new(code::BAD_REQUEST, "only `set` has a value")),
        (_, None) => None,
    };
    if let Some(value) = &value {
        check_limits(node, node.id, value).await?;
    }
    let act = match (op.op, &value) {
        (Verb::Set, Some(value)) => mapping.set.as_deref().map(|sink| Act::Set(sink, value)),
        (Verb::Add, _) => mapping.add.as_deref().map(Act::Add),
        _ => mapping.delete.as_deref().map(Act::Delete),
    };
    let act = act.ok_or_else(|| Failure::refused("the mapping says nothing of that"))?;
    if let Call::Run(Program { timeout, .. }) | Call::Bus { timeout, .. } = act.call() {
        node.rules.bound(*timeout);
    }
    match act.call() {
        Call::File { path, privileged: true, .. } => change_file(path, act, op, node).await?,
        Call::Bus { method, privileged: true, .. } => {
            let context = node.context();
            let undo = if *method {
                None
            } else {
                backend::prepare_undo(act, &mut Prepared::default(), &context).await?
            };
            if let Some(name) = &op.undo {
                let kept = undo.as_ref().map_or(Kept::Nothing, Kept::of_property);
                kept::keep(name, &Record::of(op.op, node, kept), node.rules)?;
            }
            backend::perform(act, undo.as_ref(), &context).await?;
        }
        Call::Run(program) => {
            check_run(program, node)?;
            if let Some(name) = &op.undo {
                kept::keep(name, &Record::of(op.op, node, Kept::Nothing), node.rules)?;
            }
            backend::perform(act, None, &node.context()).await?;
        }
        _ => return Err(Failure::refused("the agent does that itself")),
    }
    Ok(None)
}

/// Changes a file, in its turn; its record says before what was there, and after what is.
async fn change_file(path: &Template, act: Act<'_>, op: &HelperOp, node: &NodeAt<'_>) -> Result<(), Failure> {
    let (context, rules) = (node.context(), node.rules);
    let place = file::at(&filled(path, &context)?, rules)?;
    let _turn = kept::turn(&place.path, rules).await?;
    let content = backend::file_content(act, &context)?;
    let before = file::found(&place, rules);
    // An attribute that can't be read can't be put back either.
    let before = if place.is_kernels { before.ok().flatten() } else { before? };
    if op.op == Verb::Add && before.is_some() {
        return Err(Failure::unfit(format!("{} is there already", place.path.display())));
    }
    let content = match content {
        Some(content) => {
            let base = before.as_ref().map(|(content, _)| content.as_slice()).unwrap_or_default();
            Some(backend::content_with(content, &place.path, Some(base))?)
        }
        None => None,
    };
    let mut kept = None;
    if let Some(name) = &op.undo {
        let was = match before {
            None if place.is_kernels => Kept::Nothing,
            before => Kept::of_file(&place, before, content.as_deref()),
        };
        let record = Record::of(op.op, node, was);
        kept::keep(name, &record, rules)?;
        kept = Some((name, record));
    }
    let tag = op.undo.clone().unwrap_or_else(process);
    let now = match content {
        Some(_) if op.op == Verb::Add => Some(file::create(&place)?),
        Some(content) => file::write(&place, &content, None, &tag, rules)?,
        None => {
            file::remove(&place)?;
            None
        }
    };
    if let Some((name, mut record)) = kept {
        if let Kept::File { written, left, .. } = &mut record.kept {
            *left = now;
            if place.is_kernels {
                // What the kernel shows of a value is not always what was written.
                let shown = file::found(&place, rules)?;
                *written = shown.map(|(content, _)| digest(&content, &place));
            }
        }
        kept::keep(name, &record, rules)?;
    }
    Ok(())
}

/// Checks that a program may be begun.
pub(super) fn check_run(program: &Program, node: &NodeAt<'_>) -> Result<(), Failure> {
    check_program(program.argv.first().and_then(Template::literal).unwrap_or_default(), node.rules)
}

/// Checks a value against limits that have to be read: of sources, and of leaves that have some. What is stored only
/// the agent knows, and only the agent can check.
pub(super) async fn check_limits(node: &NodeAt<'_>, leaf: NodeId, value: &Value) -> Result<(), Failure> {
    for (side, bound) in node.object.node(leaf).mapping.limits.bounds() {
        // A leaf that the agent keeps, and that has no value, limits nothing.
        let mut is_kept = false;
        let answer = match bound {
            Bound::Number(_) => continue,
            Bound::Source(source) => sources::read(source, Format::Chr, node).await?,
            Bound::Leaf(path) => {
                let Some(leaf) = path.find(node.object, leaf) else { continue };
                let leaf = node.object.node(leaf);
                if leaf.mapping.get.is_empty() {
                    continue;
                }
                is_kept = leaf.mapping.is_kept();
                sources::read_leaf(&leaf.mapping, leaf.properties.format, node).await?
            }
        };
        match answer {
            Answer::Value(limit) if !limit.is_empty() => {
                // Why would quote the limit, which may be what only root reads.
                let outside = |_| Failure::unfit("the value is outside of a limit that was read");
                side.admit(&value.to_text(), &limit.to_text()).map_err(outside)?;
            }
            Answer::Value(_) | Answer::Absent(_) if is_kept => {}
            Answer::Value(_) | Answer::Absent(_) => {
                return Err(Failure::unfit(format!("`{}` has no value", side.key())));
            }
            Answer::Unavailable(why) => return Err(Failure::new(code::NOT_NOW, why)),
        }
    }
    Ok(())
}
