//! Reading Package#2 (TS 5.2.3, 7.3).

use serde_json::value::RawValue;

use super::{Command, Package2, REQUEST, Verb, is_media_type, json, media};
use crate::base::Order as _;

/// The most media types of an `AcceptMO` that are looked at.
const MAX_ACCEPTED: usize = 32;

/// The names of the command array that are in use.
const COMMAND_ARRAYS: [&str; 3] = ["CMD", "Cmd", "Cmds"];

/// Why a body is no Package#2. The session has failed; nothing of it was executed.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The response has no Content-Type.
    #[error("package has no content type, expected {REQUEST}")]
    NoContentType,
    /// The response has another Content-Type.
    #[error("package has content type {0:?}, expected {REQUEST}")]
    ContentType(String),
    /// The body is no UTF-8, as JSON must be.
    #[error("package is not UTF-8: {0}")]
    NotUtf8(#[from] std::str::Utf8Error),
    /// The body is no JSON, or no JSON object.
    #[error("package is not a JSON object: {0}")]
    NotAnObject(#[source] serde_json::Error),
    /// None of `CMD`, `Cmd` and `Cmds` is there.
    #[error("package has no command array: none of CMD, Cmd and Cmds")]
    NoCommands,
    /// Two of the command arrays are there: which would be meant can't be known.
    #[error("package has both {0} and {1}")]
    CommandsTwice(&'static str, &'static str),
    /// A member that is read is there twice.
    #[error("package has {0} twice")]
    Twice(&'static str),
    /// `CMD` is there and no array.
    #[error("{0} is not an array")]
    CommandsNotAnArray(&'static str),
}

/// Reads a Package#2.
///
/// A malformed command is handed on as one, to be answered with 400; only what is wrong with the package as a
/// whole is an error. Unknown members are ignored.
///
/// # Errors
/// A wrong content type, no JSON object, not exactly one command array.
pub fn decode(content_type: Option<&str>, body: &[u8]) -> Result<Package2, PackageError> {
    match content_type {
        None => return Err(PackageError::NoContentType),
        Some(other) if !is_media_type(other, REQUEST) => {
            return Err(PackageError::ContentType(other.chars().take(100).collect()));
        }
        Some(_) => {}
    }
    let text = std::str::from_utf8(body)?;
    // RFC 8259 lets a reader overlook the mark that some servers' libraries write.
    let members = Members::read(text.strip_prefix('\u{feff}').unwrap_or(text))?;
    let (name, array) = members.commands.ok_or(PackageError::NoCommands)?;
    let mut commands = Vec::new();
    json::elements(array.get(), |element| commands.push(command(element.get())))
        .map_err(|_| PackageError::CommandsNotAnArray(name))?;
    commands.shrink_to_fit();
    Ok(Package2 {
        commands,
        accept_mo: members.session_info.and_then(accept_mo),
        results: members.results.or(members.status).map(results).unwrap_or_default(),
    })
}

/// The members of Package#2 that are read, each where it stands in the text.
#[derive(Default)]
struct Members<'a> {
    commands: Option<(&'static str, &'a RawValue)>,
    session_info: Option<&'a RawValue>,
    results: Option<&'a RawValue>,
    status: Option<&'a RawValue>,
}

impl<'a> Members<'a> {
    fn read(text: &'a str) -> Result<Self, PackageError> {
        let mut found = Self::default();
        let mut error = None;
        json::members(text, |key, value| {
            if let Err(wrong) = found.take(&key, value) {
                error.get_or_insert(wrong);
            }
        })
        .map_err(PackageError::NotAnObject)?;
        error.map_or(Ok(found), Err)
    }

    fn take(&mut self, key: &str, value: &'a RawValue) -> Result<(), PackageError> {
        if let Some(name) = COMMAND_ARRAYS.into_iter().find(|name| *name == key) {
            return match self.commands.replace((name, value)) {
                None => Ok(()),
                Some((before, _)) if before == name => Err(PackageError::Twice(name)),
                Some((before, _)) => Err(PackageError::CommandsTwice(before, name)),
            };
        }
        let (name, place) = match key {
            "SessionInfo" => ("SessionInfo", &mut self.session_info),
            "Results" => ("Results", &mut self.results),
            "Status" => ("Status", &mut self.status),
            _ => return Ok(()),
        };
        match place.replace(value) {
            None => Ok(()),
            Some(_) => Err(PackageError::Twice(name)),
        }
    }
}

/// Reads a command `["GET", "uri"]` or `{"GET": ["uri"]}`; anything else is a command that can only be refused.
fn command(text: &str) -> Command {
    match text.as_bytes().first() {
        Some(b'[') => array_command(text),
        Some(b'{') => object_command(text),
        _ => nameless(),
    }
}

fn array_command(text: &str) -> Command {
    if let Ok(mut strings) = serde_json::from_str::<Vec<String>>(text)
        && !strings.is_empty()
    {
        let verb = strings.remove(0).into();
        strings.shrink_to_fit();
        return Command { verb, parameters: Some(strings) };
    }
    // With a name it can be told whether the command is known at all: 501 comes before 400.
    let mut first = None;
    let _checked_before = json::elements(text, |element| {
        first.get_or_insert(element);
    });
    let name: String = first.and_then(|first| serde_json::from_str(first.get()).ok()).unwrap_or_default();
    Command { verb: name.into(), parameters: None }
}

fn object_command(text: &str) -> Command {
    let mut only = None;
    let mut count = 0_usize;
    let _checked_before = json::members(text, |name, parameters| {
        count += 1;
        only = Some((name, parameters));
    });
    match only {
        Some((name, parameters)) if count == 1 => {
            Command { verb: name.into(), parameters: serde_json::from_str(parameters.get()).ok() }
        }
        _ => nameless(),
    }
}

fn nameless() -> Command {
    Command { verb: Verb::Unknown(String::new()), parameters: None }
}

/// Reads `AcceptMO`, written as an HTTP Accept header or as an array of media types.
fn accept_mo(session_info: &RawValue) -> Option<Vec<String>> {
    let mut accepted = None;
    json::members(session_info.get(), |key, value| {
        if key == "AcceptMO" {
            accepted = Some(value);
        }
    })
    .ok()?;
    let text = accepted?.get();
    let list = serde_json::from_str::<String>(text)
        .or_else(|_| serde_json::from_str::<Vec<String>>(text).map(|types| types.join(",")))
        .ok()?;
    let mut ranges: Vec<(f32, String)> = list
        .split(',')
        .filter(|range| !media::essence(range).is_empty())
        .take(MAX_ACCEPTED)
        .map(|range| (media::quality(range), media::essence(range).to_ascii_lowercase()))
        .collect();
    ranges.order_by(|(a, _), (b, _)| b.total_cmp(a));
    let written = |(quality, media_type)| if quality > 0.0 { media_type } else { media_type + ";q=0" };
    Some(ranges.into_iter().map(written).collect())
}

fn results(array: &RawValue) -> Vec<u16> {
    let mut codes = Vec::new();
    let _not_an_array = json::elements(array.get(), |element| codes.push(result(element.get())));
    codes
}

/// Reads an alert's status `{"Code": 200}`; `{"sc": 200}`, `[200]` and `200` are read as well.
fn result(text: &str) -> u16 {
    let mut code = None;
    let _other_shape = match text.as_bytes().first() {
        Some(b'{') => json::members(text, |key, value| {
            if matches!(key.as_str(), "Code" | "sc") {
                code = Some(value.get());
            }
        }),
        Some(b'[') => json::elements(text, |element| {
            code.get_or_insert(element.get());
        }),
        _ => {
            code = Some(text);
            Ok(())
        }
    };
    code.and_then(|code| serde_json::from_str(code).ok()).unwrap_or(0)
}
