//! Outside effects: `set`, `add`, `delete` and `exec`.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::run::{self, End, Running};
use super::{Answer, BackendError, Context, file, read};
use crate::ddf::Format;
use crate::mo::Value;
use crate::mo::mapping::{Call, Exec, NodeMapping, Sink};

const NO_BUS: BackendError = BackendError::Unsupported("D-Bus");
const POLL: Duration = Duration::from_millis(100);

/// What a file was before an effect on it, for taking the effect back. Only files can be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    /// The file.
    pub path: PathBuf,
    /// Its content; none: it was not there.
    pub content: Option<Vec<u8>>,
}

impl Undo {
    /// Makes the file what it was.
    ///
    /// # Errors
    /// [`BackendError::File`]
    pub async fn undo(self) -> Result<(), BackendError> {
        match self.content {
            Some(content) => file::write(self.path, content).await,
            None => file::remove(self.path).await,
        }
    }
}

/// What would take back an effect that has not happened yet: the intent to record. None where nothing can.
///
/// # Errors
/// [`BackendError`], if the file can't be read: an effect that can't be taken back must not begin.
pub async fn before(call: &Call, context: &Context<'_>) -> Result<Option<Undo>, BackendError> {
    let Call::File { path, .. } = call else { return Ok(None) };
    let path = path.fill_path(&context.variables(None))?;
    let file = file::below(context.machine, &path)?;
    match file::content(context.machine, &path).await {
        Ok(Answer::Value(content)) => Ok(Some(Undo { path: file, content: Some(content) })),
        Ok(Answer::Absent(_)) if file::is_kernel(&file) => Ok(None),
        Ok(Answer::Absent(_)) => Ok(Some(Undo { path: file, content: None })),
        // Attributes that can only be written.
        Ok(Answer::Unavailable(_)) => Ok(None),
        Err(_) if file::is_kernel(&file) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a value where `set` says, through the inverted pipeline, and returns once that has happened.
///
/// # Errors
/// [`BackendError`]; [`BackendError::Unsupported`] for D-Bus and for the store, which is the tree's.
pub async fn set(sink: &Sink, value: &Value, context: &Context<'_>) -> Result<Option<Undo>, BackendError> {
    if let (Value::Bytes(bytes), Call::File { .. }, true) = (value, &sink.to, sink.pipeline.is_empty()) {
        return effect(&sink.to, Content::Bytes(bytes), context).await;
    }
    let text = sink.pipeline.invert(&value.to_text(), &context.variables(None))?;
    effect(&sink.to, Content::Text(&text), context).await
}

/// Does what `add` or `delete` says, and returns once that has happened. Where that is a file, `value` is written to
/// it; without a value, which is `delete`, it is removed.
///
/// # Errors
/// As [`set`].
pub async fn call(
    call: &Call,
    value: Option<&Value>,
    context: &Context<'_>,
) -> Result<Option<Undo>, BackendError> {
    let text = value.map(Value::to_text);
    effect(call, text.as_deref().map_or(Content::Nothing, Content::Text), context).await
}

/// Starts what `exec` says. An EXEC of a file writes `1` to it, as triggers in sysfs want.
///
/// # Errors
/// As [`set`]. How a program ends is told by [`Running::finish`].
pub async fn start(exec: &Exec, context: &Context<'_>) -> Result<Running, BackendError> {
    match &exec.call {
        Call::Run(program) => run::start(program, None, context),
        file @ Call::File { .. } => {
            effect(file, Content::Text("1"), context).await?;
            Ok(Running::ended(End::Code(0)))
        }
        Call::Bus { .. } => Err(NO_BUS),
        Call::Store => Err(BackendError::Unsupported("EXEC of a stored node")),
    }
}

/// Reads a node back until it has the value that was written, for as long as its `verify` allows. True at once where
/// there is nothing to read back.
///
/// # Errors
/// The last reading's [`BackendError`].
pub async fn verified(
    mapping: &NodeMapping,
    format: Format,
    written: &Value,
    context: &Context<'_>,
) -> Result<bool, BackendError> {
    let (Some(limit), false) = (mapping.verify, mapping.get.is_empty()) else { return Ok(true) };
    let deadline = Instant::now() + limit;
    loop {
        let reading = read(mapping, format, context).await;
        if matches!(&reading, Ok(Answer::Value(reading)) if reading.value == *written) {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return reading.map(|_| false);
        }
        sleep(POLL).await;
    }
}

#[derive(Clone, Copy)]
enum Content<'a> {
    Nothing,
    Text(&'a str),
    Bytes(&'a [u8]),
}

async fn effect(
    call: &Call,
    content: Content<'_>,
    context: &Context<'_>,
) -> Result<Option<Undo>, BackendError> {
    match call {
        Call::File { path, privileged } => {
            let undo = before(call, context).await?;
            let name = path.fill_path(&context.variables(None))?;
            let file = file::below(context.machine, &name)?;
            let done = match content {
                Content::Nothing => file::remove(file).await,
                Content::Bytes(bytes) => file::write(file, bytes.to_vec()).await,
                Content::Text(text) => {
                    // A text file's last line ends; an attribute takes just the value.
                    let end = if text.is_empty() || file::is_kernel(&file) { "" } else { "\n" };
                    file::write(file, format!("{text}{end}").into_bytes()).await
                }
            };
            done.map_err(|error| file::or_helper(error, *privileged))?;
            Ok(undo)
        }
        Call::Run(program) => {
            let value = if let Content::Text(text) = content { Some(text) } else { None };
            let exit = run::start(program, value, context)?.finish().await;
            run::check(run::name(program), program.timeout, &exit)?;
            Ok(None)
        }
        Call::Bus { .. } => Err(NO_BUS),
        Call::Store => Err(BackendError::Unsupported("the store as an outside effect")),
    }
}
