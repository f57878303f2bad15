//! Reading a ClientURI, left to right.

use std::str::FromStr;

use percent_encoding::percent_decode_str;

use super::{
    ClientUri, ClientUriError, Fields, MAX_DEPTH, MAX_LENGTH, NodeValue, Segment, Selector,
    is_bare_in_instance,
};
use crate::uri::{PATH_OR_QUERY, UNRESERVED, is, is_escape};

impl ClientUri {
    /// Reads a ClientURI with all that its query says.
    ///
    /// # Errors
    /// Syntax, letters that don't fit together, more than [`MAX_LENGTH`] bytes or [`MAX_DEPTH`] names.
    pub fn parse(text: &str) -> Result<Self, ClientUriError> {
        Self::parse_for(text, Fields::READ)
    }

    /// Reads a ClientURI, and of its query the fields that mean something where it stands.
    ///
    /// # Errors
    /// As [`ClientUri::parse`].
    pub fn parse_for(text: &str, fields: Fields) -> Result<Self, ClientUriError> {
        client_uri(text, fields)
    }
}

impl FromStr for ClientUri {
    type Err = ClientUriError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

fn client_uri(text: &str, fields: Fields) -> Result<ClientUri, ClientUriError> {
    check_characters(text)?;
    let (address, query) = match text.split_once('?') {
        Some((address, query)) => (address, Some(query)),
        None => (text, None),
    };
    let (moid, rest) = address.split_once('/').ok_or(ClientUriError::NoInstance)?;
    let (instance, path) = rest.split_once('/').ok_or(ClientUriError::NoPath)?;
    if moid.is_empty() {
        return Err(ClientUriError::NoMoid);
    }
    let mut letters = Letters::default();
    let mut uri = ClientUri {
        moid: name(moid, is_bare_in_instance)?.into(),
        instance: selector(instance, &mut letters)?,
        path: segments(path, &mut letters)?,
        level: None,
        node_values: Vec::new(),
        cache_validator: None,
    };
    for field in query.unwrap_or_default().split('&') {
        read_field(field, fields, &mut uri)?;
    }
    letters.check(&uri.node_values)?;
    Ok(uri)
}

/// Checks that the text is ASCII, that every `%` starts an escape, and that no character is one that URIs never hold.
fn check_characters(text: &str) -> Result<(), ClientUriError> {
    if text.len() > MAX_LENGTH {
        return Err(ClientUriError::TooLong);
    }
    let bytes = text.as_bytes();
    let Some(at) = bytes.iter().position(|&byte| !is(byte, PATH_OR_QUERY) && byte != b'%') else {
        return check_escapes(bytes);
    };
    if bytes.iter().take(at).any(|&byte| byte == b'?') {
        return Err(ClientUriError::QueryCharacter { at });
    }
    let character = text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or_default();
    Err(ClientUriError::Character { character, at })
}

fn check_escapes(bytes: &[u8]) -> Result<(), ClientUriError> {
    for (at, _) in bytes.iter().enumerate().filter(|&(_, &byte)| byte == b'%') {
        if !bytes.get(at + 1..).is_some_and(is_escape) {
            return Err(ClientUriError::Escape { at });
        }
    }
    Ok(())
}

fn selector(text: &str, letters: &mut Letters) -> Result<Selector, ClientUriError> {
    Ok(match text {
        "" => Selector::Only,
        "*" => Selector::Any,
        _ => match x_name(text)? {
            Some(letter) => Selector::Letter(letters.take(letter)?),
            None => Selector::Name(name(text, is_bare_in_instance)?),
        },
    })
}

/// Reads the steps of a path, which lacks its leading `/`.
fn segments(path: &str, letters: &mut Letters) -> Result<Vec<Segment>, ClientUriError> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let mut segments = Vec::new();
    for text in path.split('/') {
        if segments.len() == MAX_DEPTH {
            return Err(ClientUriError::TooDeep);
        }
        segments.push(match text {
            "" => return Err(ClientUriError::EmptyName),
            "*" => Segment::Any,
            _ => match x_name(text)? {
                Some(letter) => Segment::Letter(letters.take(letter)?),
                None => Segment::Name(node_name(text)?),
            },
        });
    }
    Ok(segments)
}

/// The letter of `(x)`; none where the text has no parenthesis at all.
fn x_name(text: &str) -> Result<Option<char>, ClientUriError> {
    match text.as_bytes() {
        [b'(', letter, b')'] if letter.is_ascii_alphabetic() => Ok(Some(char::from(*letter))),
        bytes if bytes.iter().any(|byte| matches!(byte, b'(' | b')')) => {
            Err(ClientUriError::XName(text.to_owned()))
        }
        _ => Ok(None),
    }
}

fn node_name(text: &str) -> Result<String, ClientUriError> {
    if text.is_empty() {
        return Err(ClientUriError::EmptyName);
    }
    name(text, |_| false)
}

/// Reads a name of unreserved characters, escapes, and whatever `bare` adds.
fn name(text: &str, bare: fn(u8) -> bool) -> Result<String, ClientUriError> {
    let allowed = |byte: u8| is(byte, UNRESERVED) || byte == b'%' || bare(byte);
    match text.bytes().position(|byte| !allowed(byte)) {
        None => decode(text),
        Some(_) if text.contains('*') => Err(ClientUriError::Wildcard(text.to_owned())),
        Some(at) => {
            let character = text.chars().nth(at).unwrap_or_default();
            Err(ClientUriError::NameCharacter { character, name: text.to_owned() })
        }
    }
}

fn decode(text: &str) -> Result<String, ClientUriError> {
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    match percent_decode_str(text).decode_utf8() {
        Ok(decoded) if !decoded.contains(char::is_control) => Ok(decoded.into_owned()),
        _ => Err(ClientUriError::Undecodable(text.to_owned())),
    }
}

/// Reads the value that a field compares with. It may be a secret: no error quotes it.
fn compared(text: &str) -> Result<String, ClientUriError> {
    decode(text).map_err(|_| ClientUriError::UndecodableValue)
}

/// Reads one field of the query. Fields that we don't know are a vendor's, and ignored; so are those that mean nothing
/// to the command.
fn read_field(field: &str, fields: Fields, uri: &mut ClientUri) -> Result<(), ClientUriError> {
    let (key, value) = field.split_once('=').unwrap_or((field, ""));
    match key {
        "lv" if !fields.level => Ok(()),
        "cv" if !fields.validator => Ok(()),
        "lv" if uri.level.is_some() => Err(ClientUriError::FieldTwice("lv")),
        "lv" => {
            uri.level = Some(level(value)?);
            Ok(())
        }
        "cv" if uri.cache_validator.is_some() => Err(ClientUriError::FieldTwice("cv")),
        "cv" if value.is_empty() => Err(ClientUriError::CacheValidator),
        "cv" => {
            uri.cache_validator = Some(compared(value)?);
            Ok(())
        }
        "nv" => {
            uri.node_values.push(node_value(value)?);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Reads the number of `lv`. A number too large for us is still a positive integer: no tree is that deep.
fn level(text: &str) -> Result<u32, ClientUriError> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        match text.parse().unwrap_or(u32::MAX) {
            0 => {}
            level => return Ok(level),
        }
    }
    Err(ClientUriError::Level(text.to_owned()))
}

fn node_value(text: &str) -> Result<NodeValue, ClientUriError> {
    let (path, value) = text.split_once(':').ok_or(ClientUriError::NodeValue)?;
    let (x, names) = match path.split_once('/') {
        Some((x, names)) => (x, Some(names)),
        None => (path, None),
    };
    let letter = x_name(x)?.ok_or(ClientUriError::NodeValue)?;
    let path = match names {
        Some(names) if names.split('/').count() > MAX_DEPTH => return Err(ClientUriError::TooDeep),
        Some(names) => names.split('/').map(node_name).collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    Ok(NodeValue { letter, path, value: compared(value)? })
}

/// The letters of a URI's x-names, in their order.
#[derive(Default)]
struct Letters(Vec<char>);

impl Letters {
    fn take(&mut self, letter: char) -> Result<char, ClientUriError> {
        if self.0.contains(&letter) {
            return Err(ClientUriError::LetterTwice(letter));
        }
        self.0.push(letter);
        Ok(letter)
    }

    /// Checks that each letter has an `nv` field, and each `nv` field a letter.
    fn check(&self, node_values: &[NodeValue]) -> Result<(), ClientUriError> {
        if let Some(stray) = node_values.iter().find(|nv| !self.0.contains(&nv.letter)) {
            return Err(ClientUriError::LetterUnknown(stray.letter));
        }
        match self.0.iter().find(|letter| !node_values.iter().any(|nv| nv.letter == **letter)) {
            Some(open) => Err(ClientUriError::LetterUnresolved(*open)),
            None => Ok(()),
        }
    }
}
