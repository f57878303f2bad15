//! Reading a node from its sources.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::ddf::Format;
use crate::mo::Value;
use crate::mo::fill::Variables;
use crate::mo::mapping::{NodeMapping, Pipeline, Source, SourceKind, TimeUnit};
use crate::mo::pipeline::Passed;
use crate::mo::select::json_text;

use super::answer::{Answer, MAX_TEXT, Raw, Reading};
use super::context::Context;
use super::error::BackendError;
use super::{builtin, bus, by_helper, dmi, file, machine_id, os_release, run};
use crate::helper_protocol::{HelperOp, Verb};

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
    for (position, source) in mapping.get.iter().enumerate() {
        match read_by_whom_may(source, position, format, context).await {
            Ok(Answer::Value(reading)) if reading.value.is_empty() => {
                empty.get_or_insert(reading);
            }
            Ok(Answer::Absent(why)) => {
                log::debug!("{}: a source has no value: {why}", context.request.client_uri());
                absent.push(why);
            }
            Ok(Answer::Unavailable(why)) if !patient => {
                log::debug!("{}: a source is unavailable: {why}", context.request.client_uri());
                unavailable.get_or_insert(why);
            }
            Ok(answer) => return Ok(answer),
            Err(error) if mapping.pin && patient => return Err(error),
            Err(error) => {
                log::debug!("{}: source passed over: {error}", context.request.client_uri());
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

/// The operation by which the helper is asked first for a node's value, where that is soon answered; none where it is
/// not asked first, or runs a program for it.
#[must_use]
pub fn first_asked(mapping: &NodeMapping, context: &Context<'_>) -> Option<HelperOp> {
    context.machine.helper.as_ref()?;
    let first = mapping.get.first().filter(|source| source.privileged && !mapping.pin)?;
    if matches!(first.from, SourceKind::Run(_)) {
        return None;
    }
    Some(HelperOp { source: Some(0), ..by_helper::op(Verb::Get, context).ok()? })
}

/// Asks one of a node's sources: through the helper where that takes root.
async fn read_by_whom_may(
    source: &Source,
    position: usize,
    format: Format,
    context: &Context<'_>,
) -> Result<Answer<Reading>, BackendError> {
    let Some(helper) = context.machine.helper.as_ref().filter(|_| source.privileged) else {
        return read_source(source, format, context).await;
    };
    let op = HelperOp { source: Some(position), ..by_helper::op(Verb::Get, context)? };
    let known = context.seen.and_then(|seen| seen.take_answer(&op));
    let reply = match known {
        Some(reply) => helper.checked(context.request.client_uri(), reply),
        None => by_helper::ask(helper, op, run::SOURCE_TIMEOUT, context).await,
    };
    let reply = match reply {
        Ok(reply) => reply,
        Err(later) if later.is_temporary() => return Ok(Answer::Unavailable(later.to_string())),
        Err(error) => return Err(error),
    };
    match reply.value {
        Some(json) => {
            let value = Value::from_json(format, &json)?;
            Ok(Answer::Value(Reading { value, transient: false }))
        }
        None => Ok(Answer::Absent(reply.error.unwrap_or_default())),
    }
}

/// Asks one source, as whoever this is.
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
        SourceKind::File { path, setting } => {
            let path = path.fill_path(&variables)?;
            match setting {
                Some(key) => {
                    let setting = key.filled(&variables)?;
                    file::setting(context.machine, &path, &setting, source.privileged).await?
                }
                None => file::read(context.machine, &path, source.privileged).await?,
            }
        }
        SourceKind::OsRelease(key) => os_release::get(context.machine, key).await?,
        SourceKind::MachineId(application) => {
            let answer = machine_id::get(context.machine, application).await?;
            transient = matches!(answer, Answer::Value((_, true)));
            answer.map(|(uuid, _)| Raw::Text(uuid))
        }
        SourceKind::Property { object, property } => bus::read(object, property, source, context).await?,
        SourceKind::Method { object, method, args } => {
            bus::answer(object, method, args, source, context).await?
        }
        SourceKind::Run(argv) => run::output(argv, source.privileged, context).await?.map(Raw::Bytes),
        SourceKind::Item(key) => item(context, key),
        SourceKind::Store => stored(context).map(|reading| Raw::Typed(reading.value)),
        SourceKind::Builtin(name) => builtin::get(name, context).await?.map(Raw::Text),
    };
    let raw = match answer {
        Answer::Value(raw) => raw,
        Answer::Absent(why) => return Ok(Answer::Absent(why)),
        Answer::Unavailable(why) => return Ok(Answer::Unavailable(why)),
    };
    let typed = typed(raw, &source.pipeline, &Named(&source.from, &variables), format, &variables)?;
    Ok(typed.map(|value| Reading { value, transient }))
}

/// The value that the content of a file stands for, which somebody else has read.
///
/// # Errors
/// [`BackendError`]
pub fn of_content(
    content: Vec<u8>,
    source: &Source,
    format: Format,
    context: &Context<'_>,
) -> Result<Answer<Value>, BackendError> {
    let variables = context.variables(None);
    let raw = match &source.from {
        SourceKind::File { setting, path } => {
            let path = path.fill_path(&variables)?;
            match setting.as_ref().map(|key| key.filled(&variables)).transpose()? {
                Some(setting) => match file::setting_of(&content, &path, &setting)? {
                    Answer::Value(raw) => raw,
                    other => return Ok(other.map(|_| Value::Null)),
                },
                None if dmi::is_placeholder(&path, &content) => return Ok(file::placeholder(&path)),
                None => Raw::Bytes(content),
            }
        }
        _ => Raw::Bytes(content),
    };
    typed(raw, &source.pipeline, &Named(&source.from, &variables), format, &variables)
}

/// The value that a program's standard output, or a method's answer, stands for.
///
/// # Errors
/// [`BackendError`]
pub fn of_output(
    output: Vec<u8>,
    pipeline: &Pipeline,
    format: Format,
    context: &Context<'_>,
) -> Result<Answer<Value>, BackendError> {
    typed(Raw::Bytes(output), pipeline, &"`result`", format, &context.variables(None))
}

/// A source by its name, whose braces are filled in when it is told.
struct Named<'a>(&'a SourceKind, &'a Variables<'a>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.named(self.1))
    }
}

fn stored(context: &Context<'_>) -> Answer<Reading> {
    match context.stored {
        Some(value) => Answer::Value(Reading { value: value.clone(), transient: false }),
        None => Answer::absent("nothing stored"),
    }
}

fn item(context: &Context<'_>, key: &str) -> Answer<Raw> {
    // An element that has no members is meant as a whole.
    let member = |item| if key == "." { Some(item) } else { serde_json::Value::get(item, key) };
    let found = context.item.and_then(member);
    match found.and_then(json_text) {
        Some(text) => Answer::Value(Raw::Text(text)),
        None if found.is_some() => Answer::Absent(format!("{key:?} has no value in the listing")),
        None => Answer::Absent(format!("the listing has no {key:?}")),
    }
}

fn typed(
    raw: Raw,
    pipeline: &Pipeline,
    from: &dyn fmt::Display,
    format: Format,
    variables: &Variables<'_>,
) -> Result<Answer<Value>, BackendError> {
    let text = match raw {
        Raw::Typed(value) if pipeline.is_empty() => return Ok(Answer::Value(value)),
        Raw::Typed(value) => value.to_text().into_owned(),
        Raw::Text(text) => text,
        Raw::Bytes(bytes) => {
            if pipeline.is_empty() && matches!(format, Format::Bin | Format::B64) {
                return Ok(Answer::Value(Value::from_raw(format, &bytes)?));
            }
            let text = String::from_utf8(bytes).map_err(|_| BackendError::NotUtf8(from.to_string()))?;
            // A line's end, a device tree's NUL, a BIOS's padding: none is part of the value.
            text.trim_end_matches(|c: char| c.is_whitespace() || c == '\0').to_owned()
        }
    };
    let booted = if pipeline.time == Some(TimeUnit::Boot) { booted() } else { None };
    let odd = |why: &dyn fmt::Display| BackendError::Odd { from: from.to_string(), why: why.to_string() };
    let text = if pipeline.is_empty() {
        text
    } else {
        let passed = pipeline.apply(&text, format, &Variables { booted, ..*variables });
        match passed.map_err(|error| odd(&error))? {
            Passed::Value(text) => text,
            Passed::Absent(why) => return Ok(Answer::Absent(format!("{from}: {why}"))),
        }
    };
    if text.len() > MAX_TEXT && !matches!(format, Format::Bin | Format::B64) {
        return Err(BackendError::TooLarge { what: from.to_string(), limit: MAX_TEXT });
    }
    if text.is_empty() && matches!(format, Format::Int | Format::Float | Format::Bool) {
        return Ok(Answer::Absent(format!("{from}: empty")));
    }
    Value::from_text(format, &text).map(Answer::Value).map_err(|error| odd(&error))
}

/// The time when the system started, in seconds since 1970; none where its clock was not set yet.
fn booted() -> Option<f64> {
    // 2020: no gateway that runs this started before.
    const SET: f64 = 1_577_836_800.0;
    let up = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).ok()?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(now.as_secs_f64() - Duration::from(up).as_secs_f64()).filter(|booted| *booted >= SET)
}
