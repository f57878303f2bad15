//! The machine below the tree: where values come from and go to, one file a kind.
//!
//! A *source* answers a value, that there is none (*absent*: the next source has its turn), or that it can't be told
//! right now (*unavailable*: asking again later makes sense). [`read`] asks a node's sources in order of preference;
//! [`perform`] and [`start`] are the outside effects; [`list()`] finds the children of an un-named node.

use std::path::PathBuf;
use std::sync::Arc;

use crate::ddf::Format;
use crate::mo::Value;
use crate::mo::fill::Variables;
use crate::mo::mapping::{BusObject, NodeMapping, Source, SourceKind};
use crate::mo::pipeline::json_text;

pub(crate) mod bus;
pub(crate) mod list;
pub(crate) mod run;
pub(crate) mod undo;

mod builtin;
mod dependencies;
mod dmi;
mod effect;
mod error;
mod file;
mod glob;
mod hardware;
mod machine_id;
mod os_release;

pub use bus::{Bus, Seen};
pub use dependencies::{Dependencies, has_change_events};
pub use effect::{Act, perform, prepare_undo, start, verified};
pub use error::BackendError;
pub use list::{Child, list};
pub use run::{End, Exit, Running};
pub use undo::{Undo, Undone};

/// The longest text of a value, in bytes.
pub const MAX_TEXT: usize = 64 << 10;
/// The most bytes that a file or a program may bring, before a pipeline picks from them.
pub const MAX_INPUT: usize = 1 << 20;

/// What a source says.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer<T> {
    /// This.
    Value(T),
    /// There is none, for this reason.
    Absent(String),
    /// It can't be told right now, for this reason.
    Unavailable(String),
}

impl<T> Answer<T> {
    fn absent(why: impl Into<String>) -> Self {
        Self::Absent(why.into())
    }
}

/// A value as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The value.
    pub value: Value,
    /// It is another one after the next boot: not to be pinned.
    pub transient: bool,
}

/// The machine that is managed.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Every path of a mapping is below it. Absolute symbolic links lead out of it.
    pub sysroot: PathBuf,
    /// Where its services are.
    pub bus: Arc<Bus>,
}

/// What the agent itself knows: session and account values. The machine's own are in `builtin`.
pub trait Builtins: Sync {
    /// The value of `name`, one of [`FROM_AGENT`](crate::mo::builtin::FROM_AGENT) or beginning with `account.`.
    fn get(&self, name: &str) -> Answer<String>;
}

/// On whose behalf; what scripts are told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// `OMADM_SERVER_ID`; empty where no server asked.
    pub server_id: &'a str,
    /// `OMADM_CLIENT_URI`
    pub client_uri: &'a str,
    /// `OMADM_MOID`
    pub moid: &'a str,
    /// `OMADM_MIID`
    pub miid: &'a str,
    /// `OMADM_RESUMED`: a program that goes on after a reboot.
    pub resumed: bool,
}

/// All that a source or an effect may need to know about the node it is for.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// `[object.NAME]`: what the mapping calls D-Bus objects.
    pub objects: &'a [(String, BusObject)],
    /// Which of these objects the un-named nodes on the way stand for: name, and what was captured of its path.
    pub listed: &'a [(String, String)],
    /// What the reading in progress has seen of D-Bus objects; none: each value is asked for anew.
    pub seen: Option<&'a Seen>,
    /// What a running service does not have yet is waited for: the time that `wait` gives is not over.
    pub expectant: bool,
    /// Label and captured name ([`Child::captured`]) of each un-named node on the way.
    pub names: &'a [(String, String)],
    /// The sibling leaves that `input` lists, and no others.
    pub siblings: &'a [(String, Value)],
    /// What the listing said about the nearest un-named node ([`Child::item`]).
    pub item: Option<&'a serde_json::Value>,
    /// What the store holds for the node.
    pub stored: Option<&'a Value>,
    /// What the agent itself knows.
    pub builtins: &'a dyn Builtins,
    /// On whose behalf.
    pub request: Request<'a>,
}

impl<'a> Context<'a> {
    fn variables(&self, value: Option<&'a str>) -> Variables<'a> {
        Variables { value, names: self.names, siblings: self.siblings }
    }
}

/// What a source brings, before its pipeline.
#[derive(Clone, Debug, PartialEq)]
enum Raw {
    Text(String),
    /// What a file or a program says: bytes for `bin` and `b64`, else text whose end is trimmed.
    Bytes(Vec<u8>),
    /// Typed already.
    Typed(Value),
}

/// Asks a node's sources in order of preference; a node without sources is in the store.
///
/// An empty value counts only where no later source has a better one. A source that fails or is unavailable is passed
/// over, and that is the answer where no later one has a value. Where the caller is `patient`, *unavailable* stops the
/// search, and so does a failure on a pinned node: a worse value must not be pinned because the better source had a bad
/// moment.
///
/// # Errors
/// The first source's [`BackendError`], as said.
pub async fn read(
    mapping: &NodeMapping,
    format: Format,
    patient: bool,
    context: &Context<'_>,
) -> Result<Answer<Reading>, BackendError> {
    if mapping.get.is_empty() {
        return Ok(stored(context));
    }
    let context = &Context { expectant: patient && mapping.wait.is_some(), ..*context };
    let (mut empty, mut failed, mut unavailable, mut absent) = (None, None, None, Vec::new());
    for source in &mapping.get {
        match read_source(source, format, context).await {
            Ok(Answer::Value(reading)) if reading.value.is_empty() => {
                empty.get_or_insert(reading);
            }
            Ok(Answer::Absent(why)) => {
                log::debug!("{}: a source has no value: {why}", context.request.client_uri);
                absent.push(why);
            }
            Ok(Answer::Unavailable(why)) if !patient => {
                unavailable.get_or_insert(why);
            }
            Ok(answer) => return Ok(answer),
            Err(error) if mapping.pin && patient => return Err(error),
            Err(error) => {
                log::debug!("{}: source passed over: {error}", context.request.client_uri);
                failed.get_or_insert(error);
            }
        }
    }
    match (empty, unavailable, failed) {
        (Some(reading), ..) => Ok(Answer::Value(reading)),
        (None, Some(why), _) => Ok(Answer::Unavailable(why)),
        (None, None, Some(error)) => Err(error),
        (None, None, None) => Ok(Answer::Absent(absent.join("; "))),
    }
}

/// Asks one source.
///
/// # Errors
/// [`BackendError`]
pub async fn read_source(
    source: &Source,
    format: Format,
    context: &Context<'_>,
) -> Result<Answer<Reading>, BackendError> {
    let variables = context.variables(None);
    let mut transient = false;
    let answer = match &source.from {
        SourceKind::Value(text) => Answer::Value(Raw::Text(text.clone())),
        SourceKind::File(path) => {
            let path = path.fill_path(&variables)?;
            file::read(context.machine, &path, source.privileged).await?
        }
        SourceKind::OsRelease(key) => os_release::get(context.machine, key).await?,
        SourceKind::MachineId(application) => {
            let answer = machine_id::get(context.machine, application).await?;
            transient = matches!(answer, Answer::Value((_, true)));
            answer.map(|(uuid, _)| Raw::Text(uuid))
        }
        SourceKind::Property { object, property } => bus::read(object, property, source, context).await?,
        SourceKind::Run(argv) => Answer::Value(Raw::Bytes(run::output(argv, context).await?)),
        SourceKind::Item(key) => item(context, key),
        SourceKind::Store => stored(context).map(|reading| Raw::Typed(reading.value)),
        SourceKind::Builtin(name) => builtin::get(name, context).await?.map(Raw::Text),
    };
    let raw = match answer {
        Answer::Value(raw) => raw,
        Answer::Absent(why) => return Ok(Answer::Absent(why)),
        Answer::Unavailable(why) => return Ok(Answer::Unavailable(why)),
    };
    Ok(typed(raw, source, format, &variables)?.map(|value| Reading { value, transient }))
}

impl<T> Answer<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Value(value) => Answer::Value(change(value)),
            Self::Absent(why) => Answer::Absent(why),
            Self::Unavailable(why) => Answer::Unavailable(why),
        }
    }
}

fn stored(context: &Context<'_>) -> Answer<Reading> {
    match context.stored {
        Some(value) => Answer::Value(Reading { value: value.clone(), transient: false }),
        None => Answer::absent("nothing stored"),
    }
}

fn item(context: &Context<'_>, key: &str) -> Answer<Raw> {
    match context.item.and_then(|item| item.get(key)).and_then(json_text) {
        Some(text) => Answer::Value(Raw::Text(text)),
        None => Answer::Absent(format!("the listing has no {key:?}")),
    }
}

fn typed(
    raw: Raw,
    source: &Source,
    format: Format,
    variables: &Variables<'_>,
) -> Result<Answer<Value>, BackendError> {
    let text = match raw {
        Raw::Typed(value) if source.pipeline.is_empty() => return Ok(Answer::Value(value)),
        Raw::Typed(value) => value.to_text().into_owned(),
        Raw::Text(text) => text,
        Raw::Bytes(bytes) => {
            if source.pipeline.is_empty() && matches!(format, Format::Bin | Format::B64) {
                return Ok(Answer::Value(Value::from_raw(format, &bytes)?));
            }
            let text =
                String::from_utf8(bytes).map_err(|_| BackendError::NotUtf8(source.from.to_string()))?;
            // A line's end, a device tree's NUL, a BIOS's padding: none is part of the value.
            text.trim_end_matches(|c: char| c.is_whitespace() || c == '\0').to_owned()
        }
    };
    let Some(text) = source.pipeline.apply(&text, format, variables)? else {
        return Ok(Answer::Absent(format!("{}: nothing matches", source.from)));
    };
    if text.len() > MAX_TEXT && !matches!(format, Format::Bin | Format::B64) {
        return Err(BackendError::TooLarge { what: source.from.to_string(), limit: MAX_TEXT });
    }
    if text.is_empty() && matches!(format, Format::Int | Format::Float | Format::Bool) {
        return Ok(Answer::Absent(format!("{}: empty", source.from)));
    }
    Ok(Answer::Value(Value::from_text(format, &text)?))
}

#[cfg(test)]
mod tests;
