//! A DM Server's side of the packages: reading #1 and #3, writing #2. For the lab and for tests.
//!
//! Members that a package of this profile doesn't have are errors here: a bench must notice them.

use serde::Serialize;

use super::multipart::{self, FormPart, MultipartError};
use super::{
    Command, Encoded, INITIATION, Package1, Package2, Package3, Part, Profile, REQUEST, RESPONSE, approved,
    draft, is_media_type, wire,
};

/// Why a body is no Package#1 or Package#3.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The Content-Type is another one.
    #[error("content type is {0:?}")]
    ContentType(String),
    /// The JSON isn't that of the package.
    #[error("not a package: {0}")]
    Json(#[from] serde_json::Error),
    /// The body isn't a form.
    #[error("not a form: {0}")]
    Form(#[from] MultipartError),
    /// The first part has a name, or isn't a Package#3.
    #[error("first part is not a nameless Package#3")]
    FirstPart,
    /// The form has no data of a GET: Package#3 must then be sent as itself.
    #[error("form has no part but Package#3")]
    NoParts,
    /// A part's name isn't the position of a command that has a status, is there twice or out of order, or has no type.
    #[error("part {0:?} names no command, comes out of order, or has no content type")]
    Part(String),
}

/// Reads Package#1.
///
/// # Errors
/// A wrong content type, or a body that isn't a Package#1 of the profile.
pub fn decode1(profile: Profile, content_type: &str, body: &[u8]) -> Result<Package1, ReadError> {
    if !is_media_type(content_type, INITIATION) {
        return Err(ReadError::ContentType(content_type.to_owned()));
    }
    Ok(match profile {
        Profile::Draft => draft::decode1(body)?,
        Profile::Approved => approved::decode1(body)?,
    })
}

/// Reads Package#3, with or without the data of GETs.
///
/// # Errors
/// A wrong content type, a malformed form, parts that belong to no command, a body that isn't a Package#3 of the
/// profile.
pub fn decode3(profile: Profile, content_type: &str, body: &[u8]) -> Result<Package3, ReadError> {
    if is_media_type(content_type, RESPONSE) {
        return response(profile, body);
    }
    if !is_media_type(content_type, multipart::FORM_DATA) {
        return Err(ReadError::ContentType(content_type.to_owned()));
    }
    let mut form = multipart::parse(content_type, body)?.into_iter();
    let first = form.next().filter(is_package3).ok_or(ReadError::FirstPart)?;
    let mut package = response(profile, first.body)?;
    for part in form {
        let part = read_part(part, package.statuses.len())?;
        if package.parts.last().is_some_and(|before| before.position >= part.position) {
            return Err(ReadError::Part(part.position.to_string()));
        }
        package.parts.push(part);
    }
    if package.parts.is_empty() {
        return Err(ReadError::NoParts);
    }
    Ok(package)
}

fn response(profile: Profile, body: &[u8]) -> Result<Package3, ReadError> {
    Ok(match profile {
        Profile::Draft => draft::decode3(body)?,
        Profile::Approved => approved::decode3(body)?,
    })
}

fn is_package3(part: &FormPart<'_>) -> bool {
    part.name.is_none() && part.content_type.is_some_and(|content_type| is_media_type(content_type, RESPONSE))
}

fn read_part(part: FormPart<'_>, commands: usize) -> Result<Part, ReadError> {
    let name = part.name.unwrap_or_default();
    let position = name.parse().ok().filter(|position| (1..=commands).contains(position));
    match (position, part.content_type) {
        (Some(position), Some(content_type)) => {
            Ok(Part { position, content_type: content_type.to_owned(), body: part.body.to_vec() })
        }
        _ => Err(ReadError::Part(name.into_owned())),
    }
}

/// Writes Package#2.
#[must_use]
pub fn encode2(package: &Package2) -> Encoded {
    let wire = Request {
        session_info: package.accept_mo.as_deref().map(|accept_mo| SessionInfo { accept_mo }),
        commands: package.commands.iter().map(command).collect(),
        results: package.results.iter().map(|&code| Code { code }).collect(),
    };
    Encoded { content_type: REQUEST.to_owned(), body: wire::bytes(&wire) }
}

/// The members of a command as written: a malformed command is written as one that is read as malformed.
fn command(command: &Command) -> Vec<Option<&str>> {
    let name = std::iter::once(Some(command.verb.name()));
    match &command.parameters {
        Some(parameters) => name.chain(parameters.iter().map(|parameter| Some(parameter.as_str()))).collect(),
        None => name.chain([None]).collect(),
    }
}

#[derive(Serialize)]
struct Request<'a> {
    #[serde(rename = "SessionInfo", skip_serializing_if = "Option::is_none")]
    session_info: Option<SessionInfo<'a>>,
    #[serde(rename = "CMD")]
    commands: Vec<Vec<Option<&'a str>>>,
    #[serde(rename = "Results", skip_serializing_if = "Vec::is_empty")]
    results: Vec<Code>,
}

#[derive(Serialize)]
struct SessionInfo<'a> {
    #[serde(rename = "AcceptMO")]
    accept_mo: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Code {
    code: u16,
}
