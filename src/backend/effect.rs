//! Outside effects: `set`, `add`, `delete` and `exec`.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::run::{self, End, Running};
use super::undo::Undo;
use super::{Answer, BackendError, Context, file, read};
use crate::ddf::Format;
use crate::mo::Value;
use crate::mo::mapping::{Call, Exec, NodeMapping, Sink};

const NO_BUS: BackendError = BackendError::Unsupported("D-Bus");
const POLL: Duration = Duration::from_millis(100);

/// Something that a server's change does to the machine.
#[derive(Clone, Copy, Debug)]
pub enum Act<'a> {
    /// `set`: the value goes where it says, through the inverted pipeline.
    Set(&'a Sink, &'a Value),
    /// `add`: where that is a file, an empty one is made.
    Add(&'a Call),
    /// `delete`: where that is a file, it is removed.
    Delete(&'a Call),
}

impl Act<'_> {
    fn call(&self) -> &Call {
        match self {
            Self::Set(sink, _) => &sink.to,
            Self::Add(call) | Self::Delete(call) => call,
        }
    }

    /// Whether it is a program's, which nothing can take back.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(self.call(), Call::File { .. })
    }
}

/// What would take back an effect that has not happened yet: the intent to record. None where nothing can.
///
/// # Errors
/// [`BackendError`], if the file can't be read or the value does not pass the pipeline: what can't be taken back must
/// not begin.
pub async fn before(act: Act<'_>, context: &Context<'_>) -> Result<Option<Undo>, BackendError> {
    let Call::File { path, privileged } = act.call() else { return Ok(None) };
    let file = file::below(context.machine, &path.fill_path(&context.variables(None))?)?;
    let content = content(act, context)?;
    let prepared = file::blocking(file, move |file| {
        let content = content.map(|content| content.of_file(file));
        Undo::prepare(file, content.as_deref())
            .map_err(|error| BackendError::File { path: file.to_path_buf(), error })
    });
    prepared.await.map_err(|error| file::or_helper(error, *privileged))
}

/// Does it, and returns once that has happened.
///
/// # Errors
/// [`BackendError`]; [`BackendError::Unsupported`] for D-Bus and for the store, which is the tree's.
pub async fn perform(act: Act<'_>, context: &Context<'_>) -> Result<(), BackendError> {
    effect(act.call(), content(act, context)?, context).await
}

/// Starts what `exec` says. An EXEC of a file writes `1` to it, as triggers in sysfs want.
///
/// # Errors
/// As [`perform`]. How a program ends is told by [`Running::finish`].
pub async fn start(exec: &Exec, context: &Context<'_>) -> Result<Running, BackendError> {
    match &exec.call {
        Call::Run(program) => run::start(program, None, context),
        file @ Call::File { .. } => {
            effect(file, Some(Content::Text("1".to_owned())), context).await?;
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
        let reading = read(mapping, format, true, context).await;
        if matches!(&reading, Ok(Answer::Value(reading)) if reading.value == *written) {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return reading.map(|_| false);
        }
        sleep(POLL).await;
    }
}

/// What is written to a file, or given to a program.
enum Content {
    Text(String),
    Bytes(Vec<u8>),
}

impl Content {
    fn of_file(self, file: &Path) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes,
            // A text file's last line ends; an attribute takes just the value.
            Self::Text(text) if text.is_empty() || file::is_kernel(file) => text.into_bytes(),
            Self::Text(text) => (text + "\n").into_bytes(),
        }
    }
}

/// None: there is nothing to write, it is removed.
fn content(act: Act<'_>, context: &Context<'_>) -> Result<Option<Content>, BackendError> {
    Ok(match act {
        Act::Set(sink, Value::Bytes(bytes))
            if matches!(sink.to, Call::File { .. }) && sink.pipeline.is_empty() =>
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

async fn effect(call: &Call, content: Option<Content>, context: &Context<'_>) -> Result<(), BackendError> {
    match call {
        Call::File { path, privileged } => {
            let name = path.fill_path(&context.variables(None))?;
            let file = file::below(context.machine, &name)?;
            let done = match content {
                None => file::remove(file).await,
                Some(content) => {
                    let bytes = content.of_file(&file);
                    file::write(file, bytes).await
                }
            };
            done.map_err(|error| file::or_helper(error, *privileged))
        }
        Call::Run(program) => {
            let value = match &content {
                Some(Content::Text(text)) => Some(text.as_str()),
                _ => None,
            };
            let exit = run::start(program, value, context)?.finish().await;
            run::check(run::name(program), program.timeout, &exit)
        }
        Call::Bus { .. } => Err(NO_BUS),
        Call::Store => Err(BackendError::Unsupported("the store as an outside effect")),
    }
}
