//! Outside effects: `set`, `add`, `delete` and `exec`.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::answer::Answer;
use super::by_helper::{self, helper_for};
use super::content::{Content, FileContent};
use super::context::{Context, Machine};
use super::error::BackendError;
use super::helper::Helper;
use super::read::read;
use super::run::{self, End, Heard, Running, Stdout};
use super::undo::{OfFile, OfHelper, OfProperty, Undo};
use super::{bus, file};
use crate::base::heartbeat;
use crate::ddf::Format;
use crate::helper_protocol::{Verb, code};
use crate::mo::Value;
use crate::mo::mapping::{Call, Exec, NodeMapping, Program, Sink};
use crate::mo::value::excerpt;

const POLL: Duration = Duration::from_millis(100);

/// An act: something that a server's change does to the machine.
#[derive(Clone, Copy, Debug)]
pub enum Act<'a> {
    /// `set`: the value goes where the sink says, through the inverted pipeline.
    Set(&'a Sink, &'a Value),
    /// `add`: the call adds a node; where that is a file, an empty one is made.
    Add(&'a Call),
    /// `delete`: the call deletes a node; where that is a file, it is removed.
    Delete(&'a Call),
}

impl Act<'_> {
    /// The call that the act makes.
    #[must_use]
    pub fn call(&self) -> &Call {
        match self {
            Self::Set(sink, _) => &sink.to,
            Self::Add(call) | Self::Delete(call) => call,
        }
    }
}

/// The effects of a change on files that were prepared so far: of each file the last one, and what it will hold then.
#[derive(Debug, Default)]
pub struct Prepared(HashMap<PathBuf, (OfFile, Vec<u8>)>);

/// Prepares the undo of an effect that has not happened yet: the intent to record. None where nothing can take it back.
/// It is for the machine as it will be after the effects in `before`, which it joins.
///
/// # Errors
/// [`BackendError`], if the file or the property can't be read or the value does not pass the pipeline: what can't be
/// taken back must not begin.
pub async fn prepare_undo(
    act: Act<'_>,
    before: &mut Prepared,
    context: &Context<'_>,
) -> Result<Option<Undo>, BackendError> {
    if helper_for(act.call(), context).is_some() {
        // What was there is the helper's to keep: it may be a secret of the machine's.
        let can_be_undone = !matches!(act.call(), Call::Run(_) | Call::Bus { method: true, .. });
        return Ok(
            can_be_undone.then(|| Undo::Helper(OfHelper::of(Helper::name(), context.request.client_uri())))
        );
    }
    match act.call() {
        Call::File { path, privileged, .. } => {
            let content = file_content(act, context)?;
            let name = path.fill_path(&context.variables(None))?;
            let file = changed_file(&name, content.is_some(), context).await?;
            let ahead = before.0.remove(&file);
            let prepared = file::blocking(file.clone(), move |path| {
                let (ahead, base) = ahead.unzip();
                let content =
                    content.map(|content| file::with(content, path, base.as_deref())).transpose()?;
                let undo = OfFile::prepare(path, content.as_deref(), ahead.as_ref());
                let undo = undo.map_err(|error| BackendError::File { path: path.to_path_buf(), error })?;
                Ok((undo, content))
            });
            let (undo, content) = prepared.await.map_err(|error| error.or_helper(*privileged))?;
            before.0.extend(undo.clone().zip(content).map(|last| (file, last)));
            Ok(undo.map(Undo::File))
        }
        Call::Bus { object, member, method: false, privileged, .. } => {
            let Some(content) = content(act, context)? else { return Ok(None) };
            let target = bus::Target::find(object, member, context).await;
            let target = target.map_err(|error| error.or_helper(*privileged))?;
            let written = target.value(&content)?;
            let Some(now) = &target.now else { return Ok(None) };
            OfProperty::new(target.address.clone(), now, &written).map(|undo| Some(Undo::Property(undo)))
        }
        Call::Bus { method: true, .. } | Call::Run(_) | Call::Store => Ok(None),
    }
}

/// Performs an act, and returns once that has happened: to the very thing that `undo`, of [`prepare_undo`], is about.
///
/// # Errors
/// [`BackendError`]; [`BackendError::Unsupported`] for the store, which is the tree's.
pub async fn perform(act: Act<'_>, undo: Option<&Undo>, context: &Context<'_>) -> Result<(), BackendError> {
    if let Some(helper) = helper_for(act.call(), context) {
        return perform_by_helper(helper, act, undo, context).await;
    }
    if let (Call::Bus { privileged, .. }, Some(Undo::Property(property))) = (act.call(), undo) {
        let done = property.perform(&context.machine.bus).await;
        return done.map_err(|error| error.or_helper(*privileged));
    }
    effect(act, undo, context).await
}

/// Starts what `exec` says, and waits for nothing of it. An EXEC of a file writes `1` to it, as triggers in sysfs want.
///
/// # Errors
/// As [`perform`], where it can't even begin. How it ends is told by [`Running::finish`].
pub async fn start(exec: &Exec, context: &Context<'_>) -> Result<Running, BackendError> {
    if let Some(helper) = helper_for(&exec.call, context) {
        return by_helper::start(helper, exec, context).await;
    }
    match &exec.call {
        Call::Run(program) => {
            let stdout = if exec.result.is_some() { Stdout::Keep } else { Stdout::Journal };
            let reports = exec.output.iter().map(|output| output.key.clone()).collect();
            run::start(program, None, Heard { stdout, reports }, context).await
        }
        Call::File { path, privileged, .. } => {
            let file = file::below(context.machine, &path.fill_path(&context.variables(None))?).await?;
            let (privileged, client_uri) = (*privileged, context.request.client_uri().to_owned());
            let content = FileContent::Whole(Content::Text("1".to_owned()));
            Ok(Running::of(async move {
                let done = file::write(file, content, None).await;
                let done = done.map(|()| Vec::new()).map_err(|error| error.or_helper(privileged));
                ended(done, &client_uri)
            }))
        }
        Call::Bus { object, member, args, timeout, privileged, .. } => {
            let method = bus::method(object, member, args, None, context).await;
            let method = method.map_err(|error| error.or_helper(*privileged))?;
            let (machine, limit) = (context.machine.clone(), *timeout);
            let client_uri = context.request.client_uri().to_owned();
            // Structures and arrays are told as JSON where something is picked from them.
            let selected = exec.result.as_ref().map(|result| !result.pipeline.select.is_empty());
            Ok(Running::of(async move {
                let done = match selected {
                    Some(selected) => method.ask(&machine.bus, limit, selected).await,
                    None => method.call(&machine.bus, limit).await.map(|()| Vec::new()),
                };
                ended(done, &client_uri)
            }))
        }
        Call::Store => Err(BackendError::Unsupported("EXEC of a stored node")),
    }
}

/// Waits for the end of an EXEC that the helper was asked for under this name, by whoever is not there any more, and
/// of a node that need not be.
#[must_use]
pub fn collect(exec: Option<&Exec>, id: &str, machine: &Machine) -> Running {
    by_helper::collect(machine.helper.as_deref(), exec, id)
}

/// Has the helper forget what it kept for undoing an effect that has become final. What it does not hear of it
/// forgets when the agent starts again.
pub async fn forget(undo: &Undo, machine: &Machine) {
    if let (Undo::Helper(undo), Some(helper)) = (undo, &machine.helper)
        && let Err(error) = helper.ask_of_undo(Verb::Forget, &undo.name).await
    {
        log::debug!("{undo}: what it was before is kept on: {error}");
    }
}

/// Has the helper forget what it kept for earlier lives of the agent, of which nothing is to be undone any more.
pub async fn forget_earlier(machine: &Machine) {
    if let Some(helper) = &machine.helper
        && let Err(error) = helper.ask_to_forget_earlier().await
    {
        log::debug!("what was before changes of earlier lives is kept on: {error}");
    }
}

/// Has the helper perform an act.
async fn perform_by_helper(
    helper: &Helper,
    act: Act<'_>,
    undo: Option<&Undo>,
    context: &Context<'_>,
) -> Result<(), BackendError> {
    let verb = match act {
        Act::Set(..) => Verb::Set,
        Act::Add(_) => Verb::Add,
        Act::Delete(_) => Verb::Delete,
    };
    let mut op = by_helper::op(verb, context)?;
    if let Act::Set(_, value) = act {
        let mut json = Vec::new();
        value.write_json(&mut json);
        op.value = serde_json::from_slice(&json).ok();
    }
    if let Some(Undo::Helper(undo)) = undo {
        op.undo = Some(undo.name.clone());
    }
    let limit = match act.call() {
        Call::Run(Program { timeout, .. }) | Call::Bus { timeout, .. } => *timeout,
        Call::File { .. } | Call::Store => Duration::ZERO,
    };
    let reply = heartbeat::patiently(by_helper::ask(helper, op, limit, context)).await?;
    if reply.code == Some(code::OK) {
        return Ok(());
    }
    let why = reply.error.unwrap_or_else(|| "omadm-exec has not done it".to_owned());
    Err(BackendError::Helper { what: context.request.client_uri().to_owned(), why, temporary: true })
}

/// The end of an EXEC that is no program, as if it were one.
fn ended(done: Result<Vec<u8>, BackendError>, client_uri: &str) -> (End, Vec<u8>) {
    let error = match done {
        Ok(answer) => return (End::Code(0), answer),
        Err(error) => error,
    };
    log::warn!(OMADM_CLIENT_URI = client_uri; "{client_uri}: EXEC failed: {error}");
    let end = if matches!(error, BackendError::NeedsHelper(_)) { End::Unsupported } else { End::Code(1) };
    (end, Vec::new())
}

/// Reads a node back until it has the value that was written, for as long as its `verify` allows; none at once where
/// there is nothing to read back. Some: what was read in its place, as people are told of it.
///
/// # Errors
/// The last reading's [`BackendError`].
pub async fn verified(
    mapping: &NodeMapping,
    format: Format,
    written: &Value,
    context: &Context<'_>,
) -> Result<Option<String>, BackendError> {
    let (Some(limit), false) = (mapping.verify, mapping.get.is_empty()) else { return Ok(None) };
    let deadline = Instant::now() + limit;
    loop {
        let reading = read(mapping, format, true, context).await;
        if matches!(&reading, Ok(Answer::Value(reading)) if is_same(&reading.value, written)) {
            return Ok(None);
        }
        if Instant::now() >= deadline {
            return reading.map(|read| {
                Some(match read {
                    Answer::Value(reading) => excerpt(&reading.value.to_text()),
                    Answer::Absent(why) | Answer::Unavailable(why) => format!("no value: {why}"),
                })
            });
        }
        sleep(POLL).await;
    }
}

/// Whether two values are the same: an array or an object may be written in many ways, and is read in one.
fn is_same(read: &Value, written: &Value) -> bool {
    let json = |value: &Value| {
        let json: serde_json::Value = serde_json::from_str(&value.to_text()).ok()?;
        (json.is_array() || json.is_object()).then_some(json)
    };
    read == written || json(read).is_some_and(|read| json(written) == Some(read))
}

/// The content that an act writes; none: it removes.
fn content(act: Act<'_>, context: &Context<'_>) -> Result<Option<Content>, BackendError> {
    Ok(match act {
        Act::Set(sink, Value::Bytes(bytes))
            if !matches!(sink.to, Call::Run(_)) && sink.pipeline.is_empty() =>
        {
            Some(Content::Bytes(bytes.clone()))
        }
        Act::Set(sink, value) => {
            Some(Content::Text(sink.pipeline.invert(&value.to_text(), &context.variables(None))?))
        }
        Act::Add(Call::File { .. }) => Some(Content::Text(String::new())),
        Act::Add(_) | Act::Delete(_) => None,
    })
}

/// The content that an effect on a file writes; none: it removes the file.
pub(crate) fn file_content(act: Act<'_>, context: &Context<'_>) -> Result<Option<FileContent>, BackendError> {
    if let Act::Set(Sink { to: Call::File { setting: Some(setting), .. }, pipeline }, value) = act {
        let text = pipeline.invert(&value.to_text(), &context.variables(None))?;
        let setting = setting.filled(&context.variables(None))?;
        return Ok(Some(FileContent::Setting { setting, value: text, format: plain_format(value) }));
    }
    Ok(content(act, context)?.map(FileContent::Whole))
}

/// The format that tells a number and a truth from a text.
fn plain_format(value: &Value) -> Format {
    match value {
        Value::Int(_) => Format::Int,
        Value::Float(_) => Format::Float,
        Value::Bool(_) => Format::Bool,
        _ => Format::Chr,
    }
}

/// The file that is written, or removed.
async fn changed_file(name: &str, is_written: bool, context: &Context<'_>) -> Result<PathBuf, BackendError> {
    match is_written {
        true => file::below(context.machine, name).await,
        false => file::below_by_name(context.machine, name).await,
    }
}

async fn effect(act: Act<'_>, undo: Option<&Undo>, context: &Context<'_>) -> Result<(), BackendError> {
    match act.call() {
        Call::File { path, privileged, .. } => {
            let name = path.fill_path(&context.variables(None))?;
            let content = file_content(act, context)?;
            let file = changed_file(&name, content.is_some(), context).await?;
            // Of a file whose setting is written, all else is what it was when its undoing was prepared.
            let expected = if let Some(Undo::File(file)) = undo { file.written } else { None };
            let done = match content {
                None => file::remove(file).await,
                Some(content) => file::write(file, content, expected).await,
            };
            done.map_err(|error| error.or_helper(*privileged))
        }
        Call::Run(program) => {
            let content = content(act, context)?;
            let value = content.as_ref().and_then(Content::text);
            let exit = run::start(program, value, Heard::NOTHING, context).await?.finish().await;
            run::check(run::name(program), program.timeout, &exit)
        }
        Call::Bus { object, member, method: false, privileged, .. } => {
            let Some(content) = content(act, context)? else { return Ok(()) };
            let target = bus::Target::find(object, member, context).await;
            let target = target.map_err(|error| error.or_helper(*privileged))?;
            let set = target.set(&target.value(&content)?, &context.machine.bus).await;
            set.map_err(|error| error.or_helper(*privileged))
        }
        Call::Bus { object, member, args, timeout, privileged, .. } => {
            let content = content(act, context)?;
            let value = content.as_ref().and_then(Content::text);
            let done = async {
                bus::method(object, member, args, value, context)
                    .await?
                    .call(&context.machine.bus, *timeout)
                    .await
            };
            heartbeat::patiently(done).await.map_err(|error| error.or_helper(*privileged))
        }
        Call::Store => Err(BackendError::Unsupported("the store as an outside effect")),
    }
}
