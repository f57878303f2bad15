//! What an operation does to the machine: `set`, `add`, `delete`.

use super::kept::{self, Kept};
use super::node::NodeAt;
use super::object::check_program;
use super::outcome::{Failure, Outcome};
use super::{file, sources};
use crate::backend::{self, Act, Answer, Context, Prepared};
use crate::ddf::Format;
use crate::helper_protocol::{HelperOp, Verb, code};
use crate::mo::Value;
use crate::mo::limit::Bound;
use crate::mo::mapping::{Call, Program, Template};

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
        check_limits(node, value).await?;
    }
    let act = match (op.op, &value) {
        (Verb::Set, Some(value)) => mapping.set.as_ref().map(|sink| Act::Set(sink, value)),
        (Verb::Add, _) => mapping.add.as_ref().map(Act::Add),
        _ => mapping.delete.as_ref().map(Act::Delete),
    };
    let act = act.ok_or_else(|| Failure::refused("the mapping says nothing of that"))?;
    if let Call::Run(Program { timeout, .. }) | Call::Bus { timeout, .. } = act.call() {
        node.rules.bound(*timeout);
    }
    match act.call() {
        Call::File { path, privileged: true, .. } => {
            let context = node.context();
            let place = file::at(&filled(path, &context)?, node.rules)?;
            let content = backend::file_content(act, &context)?;
            let before = file::found(&place, node.rules);
            // An attribute that can't be read can't be put back either.
            let before = if place.is_kernels { before.ok().flatten() } else { before? };
            let content = match content {
                Some(content) => {
                    let base = before.as_ref().map(|(content, _)| content.as_slice()).unwrap_or_default();
                    Some(backend::content_with(content, &place.path, Some(base))?)
                }
                None => None,
            };
            if let Some(name) = &op.undo {
                let kept = if place.is_kernels && before.is_none() {
                    Kept::Nothing
                } else {
                    Kept::of_file(&place, before, content.as_deref())
                };
                kept::keep(name, &kept, node.rules)?;
            }
            let tag = op.undo.clone().unwrap_or_else(process);
            match content {
                Some(content) => file::write(&place, &content, None, &tag, node.rules)?,
                None => file::remove(&place)?,
            }
        }
        Call::Bus { method, privileged: true, .. } => {
            let context = node.context();
            let undo = if *method {
                None
            } else {
                backend::prepare_undo(act, &mut Prepared::default(), &context).await?
            };
            if let Some(name) = &op.undo {
                let kept = undo.as_ref().map_or(Kept::Nothing, Kept::of_property);
                kept::keep(name, &kept, node.rules)?;
            }
            backend::perform(act, undo.as_ref(), &context).await?;
        }
        Call::Run(program) => {
            check_run(program, node)?;
            if let Some(name) = &op.undo {
                kept::keep(name, &Kept::Nothing, node.rules)?;
            }
            backend::perform(act, None, &node.context()).await?;
        }
        _ => return Err(Failure::refused("the agent does that itself")),
    }
    Ok(None)
}

/// Checks that a program may be begun.
pub(super) fn check_run(program: &Program, node: &NodeAt<'_>) -> Result<(), Failure> {
    check_program(program.argv.first().and_then(Template::literal).unwrap_or_default(), node.rules)
}

/// Checks a value against limits that have to be read: of sources, and of leaves that have some. What is stored only
/// the agent knows, and only the agent can check.
async fn check_limits(node: &NodeAt<'_>, value: &Value) -> Result<(), Failure> {
    for (side, bound) in node.mapping().limits.bounds() {
        let answer = match bound {
            Bound::Number(_) => continue,
            Bound::Source(source) => sources::read(source, Format::Chr, node).await?,
            Bound::Leaf(path) => {
                let Some(leaf) = path.find(node.object, node.id) else { continue };
                let leaf = node.object.node(leaf);
                if leaf.mapping.get.is_empty() {
                    continue;
                }
                sources::read_leaf(&leaf.mapping, leaf.properties.format, node).await?
            }
        };
        match answer {
            Answer::Value(limit) if !limit.is_empty() => {
                // Why would quote the limit, which may be what only root reads.
                let outside = |_| Failure::unfit("the value is outside of a limit that was read");
                side.admit(&value.to_text(), &limit.to_text()).map_err(outside)?;
            }
            Answer::Value(_) | Answer::Absent(_) => {}
            Answer::Unavailable(why) => return Err(Failure::new(code::NOT_NOW, why)),
        }
    }
    Ok(())
}
