//! Reading a node's description: `format`, `occurs`, `access`… A mapping without a DDF describes its nodes with these
//! keys; in one that has a DDF they are compared with it.

use crate::ddf::{AccessType, Format, Occurrence, Scope};
use crate::spanned::{Item, Reader};
use crate::xml;

use super::scalar::Scalar;

/// The words of formats, as a message lists them.
const FORMATS: &str = "b64, bin, bool, chr, date, float, int, node, null, time or xml";

/// The description of a node in a mapping. What it does not say follows from the rest of the mapping.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::mo) struct Description {
    /// `format`: the format of its value.
    pub(in crate::mo) format: Option<Format>,
    /// `occurs`: how often it occurs.
    pub(in crate::mo) occurs: Option<Occurrence>,
    /// `scope`: whether it can be deleted.
    pub(in crate::mo) scope: Option<Scope>,
    /// `access`: what servers may do with it.
    pub(in crate::mo) access: Option<AccessType>,
    /// `default`: its value until one is set.
    pub(in crate::mo) default: Option<String>,
    /// `mime`: the media types of its value; none: unsaid.
    pub(in crate::mo) mime: Vec<String>,
    /// `title`: its name for people.
    pub(in crate::mo) title: Option<String>,
    /// `description`: what it is, for people.
    pub(in crate::mo) description: Option<String>,
}

/// Reads the descriptive keys of one node's table.
pub(super) fn read(reader: &mut Reader<'_>) -> Description {
    Description {
        format: reader.parsed("format", format),
        occurs: reader.parsed("occurs", occurs),
        scope: reader.parsed("scope", scope),
        access: access(reader),
        default: reader.parsed("default", |Scalar(value)| in_xml(value)),
        mime: mime(reader),
        title: reader.parsed("title", for_people),
        description: reader.parsed("description", for_people),
    }
}

fn format(word: String) -> Result<Format, String> {
    Format::from_word(&word).ok_or_else(|| format!("expected {FORMATS}, found {word:?}"))
}

fn occurs(mark: String) -> Result<Occurrence, String> {
    let most = |number: &str| {
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        number.parse().ok().filter(|most: &u32| digits && *most > 0)
    };
    let found = match mark.as_str() {
        "1" => Some(Occurrence::One),
        "?" => Some(Occurrence::ZeroOrOne),
        "*" => Some(Occurrence::ZeroOrMore),
        "+" => Some(Occurrence::OneOrMore),
        other => match (other.strip_prefix('*'), other.strip_prefix('+')) {
            (Some(number), _) => most(number).map(Occurrence::ZeroOrN),
            (_, Some(number)) => most(number).map(Occurrence::OneOrN),
            _ => None,
        },
    };
    let expected = "expected \"1\", \"?\", \"*\", \"+\", or with a bound \"*8\" or \"+8\"";
    found.ok_or_else(|| format!("{expected}, found {mark:?}"))
}

fn scope(word: String) -> Result<Scope, String> {
    match word.as_str() {
        "permanent" => Ok(Scope::Permanent),
        "dynamic" => Ok(Scope::Dynamic),
        _ => Err(format!("expected \"permanent\" or \"dynamic\", found {word:?}")),
    }
}

/// Reads `access`: words in one text, or an array of them.
fn access(reader: &mut Reader<'_>) -> Option<AccessType> {
    let words: Vec<String> = match reader.raw("access").map(|located| &located.item) {
        None => return None,
        Some(Item::Array(_)) => reader.optional("access")?,
        Some(_) => reader.optional::<String>("access")?.split_whitespace().map(str::to_owned).collect(),
    };
    let known = |word: &str| {
        let mut all = AccessType::ALL.into_iter();
        // DM 2.0 has no command that copies.
        all.find(|(one, name)| *one != AccessType::COPY && name.eq_ignore_ascii_case(word))
    };
    let mut access = AccessType::default();
    for word in &words {
        match known(word) {
            Some((one, _)) => access = access.with(one),
            None => {
                reader
                    .problem("access", format!("expected add, delete, exec, get or replace, found {word:?}"));
                return None;
            }
        }
    }
    if access.is_empty() {
        reader.problem("access", "allows nothing: expected words such as \"get\" or \"get replace\"");
        return None;
    }
    Some(access)
}

/// Reads `mime`: one type, or an array of them.
fn mime(reader: &mut Reader<'_>) -> Vec<String> {
    let types: Vec<String> = match reader.raw("mime").map(|located| &located.item) {
        Some(Item::String(one)) => vec![one.clone()],
        _ => reader.or("mime", Vec::new()),
    };
    let is_type = |text: &String| {
        let (kind, name) = text.split_once('/').unwrap_or_default();
        !kind.is_empty() && !name.is_empty() && text.chars().all(|c| c.is_ascii_graphic())
    };
    if !types.iter().all(is_type) {
        reader.problem("mime", "expected a media type such as \"text/plain\", or an array of them");
        return Vec::new();
    }
    let mut once: Vec<String> = Vec::new();
    for one in types {
        if !once.contains(&one) {
            once.push(one);
        }
    }
    once
}

/// Checks that a text comes back from a DDF as it is written.
fn in_xml(text: String) -> Result<String, &'static str> {
    if !xml::holds(&text) {
        return Err("has a control character, which no DDF can hold");
    }
    if text.trim() != text {
        return Err("begins or ends with white space, which a DDF does not keep");
    }
    Ok(text)
}

fn for_people(text: String) -> Result<String, &'static str> {
    let text = in_xml(text.trim().to_owned())?;
    if text.is_empty() { Err("is empty: leave it out") } else { Ok(text) }
}
