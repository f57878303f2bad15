//! The protocol between the agent and `omadm-exec`, its privileged helper: version 1.
//!
//! A frame is the length of its content, four bytes, the highest first, and then as many bytes of JSON, at most
//! [`MAX_FRAME`]. A connection carries one [`HelperRequest`], then [`HelperReply`]s until each of its operations has
//! one with a `code`, in order; then the helper closes it. An EXEC is `taken` first: a connection that ends before that
//! has begun nothing. Requests have no member that is not known here; replies and results may.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// The version of the protocol.
pub const VERSION: u32 = 1;
/// The longest content of a frame, in bytes.
pub const MAX_FRAME: usize = 1 << 20;
/// The most operations of one request.
pub const MAX_OPS: usize = 1024;
/// The most members and elements in a request: sixteen an operation.
const MOST_PARTS: usize = 16 * MAX_OPS;
/// The most levels of a request.
const DEEPEST: usize = 16;
/// The most bytes of a program's output that a reply carries.
pub const MAX_OUTPUT: usize = 640 << 10;

/// The codes of replies. They are meant as HTTP means them.
pub mod code {
    /// It is done.
    pub const OK: u16 = 200;
    /// There is no value.
    pub const ABSENT: u16 = 204;
    /// The request can't be understood.
    pub const BAD_REQUEST: u16 = 400;
    /// The files on this machine do not allow it, or can't be trusted.
    pub const REFUSED: u16 = 403;
    /// There is no such folder, node or element.
    pub const NOT_FOUND: u16 = 404;
    /// A value is none that the node may have.
    pub const UNFIT: u16 = 406;
    /// The folder is another than the one that the agent has loaded.
    pub const STALE: u16 = 409;
    /// It was tried, and failed.
    pub const FAILED: u16 = 500;
    /// It can't be done now.
    pub const NOT_NOW: u16 = 503;
    /// A time limit was reached.
    pub const TIMEOUT: u16 = 504;
}

/// The values of replies to [`Verb::Undo`].
pub mod undone {
    /// All is what it was before.
    pub const RESTORED: &str = "restored";
    /// Somebody has changed it since: it was left alone.
    pub const FOREIGN: &str = "foreign";
    /// The operation had not begun, and is refused from now on.
    pub const NOTHING_KEPT: &str = "nothing-kept";
    /// The operation was done, and nobody knows what was there before.
    pub const IMPOSSIBLE: &str = "impossible";
}

/// A request: operations on one management object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HelperRequest {
    /// The version of the protocol, [`VERSION`].
    pub v: u32,
    /// The name of the request: letters, digits and `-`, at most 64. The result of an EXEC is kept under it.
    pub id: String,
    /// The server on whose behalf it is; empty where none is.
    pub server: String,
    /// The name of the object's folder.
    pub folder: String,
    /// The digest of the folder's files as the agent has loaded them, in hexadecimal.
    pub sha256: String,
    /// The operations, done one after the other.
    pub ops: Vec<HelperOp>,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// A leaf is read, from one of its privileged sources.
    Get,
    /// A leaf is written.
    Set,
    /// An un-named node is added.
    Add,
    /// An un-named node is deleted.
    Delete,
    /// A node is executed.
    Exec,
    /// The children of an un-named node are listed.
    List,
    /// What an operation has kept under `undo` is put back, once that is over; if it has not begun, it never does.
    Undo,
    /// What an operation has kept under `undo` is deleted; without `undo`, what all have kept whose name does not begin
    /// with `value`.
    Forget,
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HelperOp {
    /// What it does.
    pub op: Verb,
    /// The path of the node below the object's root, as the mapping writes it: `Links/<if>/Mtu`.
    #[serde(default)]
    pub node: String,
    /// The names of the un-named nodes on the way, by their labels, as the machine has them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, String>,
    /// The value that is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// The leaves that the node's `input` lists, with their values.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub input: Map<String, Json>,
    /// The instance, which programs are told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub miid: String,
    /// Which of the leaf's sources is read, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<usize>,
    /// Whether an EXEC goes on after a reboot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumed: bool,
    /// The name under which what was there before is kept, put back, or deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<String>,
}

impl HelperOp {
    /// Makes an operation on the node of this path, without anything more.
    #[must_use]
    pub fn new(op: Verb, node: String) -> Self {
        Self {
            op,
            node,
            vars: BTreeMap::new(),
            value: None,
            input: Map::new(),
            miid: String::new(),
            source: None,
            resumed: false,
            undo: None,
        }
    }
}

/// A reply: that an operation is over, or what its program has reported meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HelperReply {
    /// The id of the request.
    pub id: String,
    /// The index of the operation, from 0.
    pub index: usize,
    /// How it ended, one of [`code`]; none: it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Whether the place of an EXEC's result is taken by now: from here on that tells how it ended, or why it did not
    /// begin.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taken: bool,
    /// What was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// Why it failed, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the program of an EXEC has reported, by the leaves of its `output`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub output: Map<String, Json>,
}

/// How the program of an EXEC ended: the `value` of its reply, and the content of the file that outlives both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExecEnd {
    /// Why it never began, one of [`code`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The same, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The exit code, where it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Whether it was ended at its time limit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timeout: bool,
    /// What it wrote to standard output, in base64, where the mapping has a `result`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<String>,
    /// Whether there was more of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// The last that it reported of each leaf of its `output`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub output: Map<String, Json>,
    /// The last line that it wrote to the journal, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub said: String,
}

/// The first four bytes of the frame of so many bytes; none where they are too many.
#[must_use]
pub fn header(length: usize) -> Option<[u8; 4]> {
    (length <= MAX_FRAME).then(|| u32::try_from(length).ok().map(u32::to_be_bytes))?
}

/// The length of a frame's content by its first four bytes; none where it is longer than one may be.
#[must_use]
pub fn length(header: [u8; 4]) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(header)).ok().filter(|length| *length <= MAX_FRAME)
}

/// Makes the frame of a message; none where it is too long.
#[must_use]
pub fn frame(message: &impl Serialize) -> Option<Vec<u8>> {
    let json = serde_json::to_vec(message).ok()?;
    let mut frame = header(json.len())?.to_vec();
    frame.extend_from_slice(&json);
    Some(frame)
}

/// Reads a request from the content of its frame. What would take much more memory than the frame is none.
///
/// # Errors
/// Why it is none, for people.
pub fn parse(content: &[u8]) -> Result<HelperRequest, String> {
    if !is_small(content) {
        return Err("the request has too many parts, or too many levels".to_owned());
    }
    serde_json::from_slice(content).map_err(|error| format!("the request is none: {error}"))
}

/// Reads a reply from the content of its frame.
///
/// # Errors
/// Why it is none, for people.
pub fn parse_reply(content: &[u8]) -> Result<HelperReply, String> {
    serde_json::from_slice(content).map_err(|error| error.to_string())
}

/// Reads how an EXEC ended from the content of the file that it left; none: it has not come to its end.
#[must_use]
pub fn parse_end(content: &[u8]) -> Option<ExecEnd> {
    serde_json::from_slice(content).ok()
}

/// Whether JSON has no more than [`MOST_PARTS`] members and elements, and no more than [`DEEPEST`] levels: a frame full
/// of `0,` would become a hundred times as much.
fn is_small(json: &[u8]) -> bool {
    let (mut parts, mut depth, mut in_text, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => (parts, depth) = (parts + 1, depth + 1),
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => parts += 1,
            _ => {}
        }
        if parts > MOST_PARTS || depth > DEEPEST {
            return false;
        }
    }
    true
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a name may be that of a request or of what is kept: it is one of a file.
#[must_use]
pub fn is_id(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_tells_its_length_and_none_is_too_long() {
        let reply = HelperReply { id: "a-1".into(), code: Some(code::OK), ..HelperReply::default() };
        let framed = frame(&reply).unwrap();
        let (head, content) = framed.split_first_chunk().unwrap();
        assert_eq!(length(*head), Some(content.len()));
        assert_eq!(content, br#"{"id":"a-1","index":0,"code":200}"#);
        assert_eq!(serde_json::from_slice::<HelperReply>(content).unwrap(), reply);
        assert_eq!(length([0, 16, 0, 0]), Some(MAX_FRAME));
        assert_eq!(length([0, 16, 0, 1]), None);
        assert_eq!(length([255; 4]), None);
        assert_eq!(frame(&"x".repeat(MAX_FRAME)), None);
    }

    #[test]
    fn a_request_is_read_as_people_would_write_it_and_nothing_in_it_is_overlooked() {
        let text = r#"{"v":1,"id":"7","server":"acme","folder":"links","sha256":"00",
            "ops":[{"op":"set","node":"Links/<if>/Mtu","vars":{"if":"eth0"},"value":1400}]}"#;
        let request: HelperRequest = serde_json::from_str(text).unwrap();
        assert_eq!(request.ops[0].op, Verb::Set);
        assert_eq!(request.ops[0].vars["if"], "eth0");
        for odd in [text.replace("\"v\"", "\"user\":\"root\",\"v\""), text.replace("\"vars\"", "\"var\"")] {
            assert!(serde_json::from_str::<HelperRequest>(&odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn an_id_is_the_name_of_a_file_and_no_path() {
        assert!(is_id("12-1-9f"));
        for odd in ["", ".", "..", "a/b", "a.b", "ä", &"x".repeat(65)] {
            assert!(!is_id(odd), "{odd}");
        }
    }
}
