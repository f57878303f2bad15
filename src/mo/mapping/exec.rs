//! Reading `exec`: what EXEC does, and how its end is told.

use crate::base::OrderedSet;
use crate::mo::window::Window;
use crate::package::is_alert_type;
use crate::spanned::{Item, Reader};

use super::call::call;
use super::input::leaf;
use super::parts::pairs;
use super::pipeline::pipeline;
use super::scalar::Scalar;
use super::{ANY_VETO, AlertData, Exec, ExecAlert, ExecResult, Output, Pipeline, Template, VETO};

const ALERT_TYPE: &str = "urn:x-omadm:at:exec:1.0:OperationComplete";
/// The seven marks of alerts (TS 5.3).
const MARKS: [&str; 7] =
    ["fatal", "critical", "minor", "warning", "informational", "harmless", "indeterminate"];

pub(super) fn exec(reader: &mut Reader<'_>, objects: &OrderedSet<String>) -> Option<Exec> {
    let call = call(reader, &["file", "object", "run"], false, objects);
    let own_status = |status: u16| (1000..2000).contains(&status);
    let codes = codes(reader, own_status, "the statuses (1000–1999) that they mean");
    let after_session = reader.or("after-session", false);
    let resume = reader.or("resume", false);
    let output = output(reader);
    let result = result(reader);
    let window = reader.parsed("window", |text: String| text.parse::<Window>());
    let veto = reader.or("veto", false);
    let said = alert_type(reader, "alert-type");
    if reader.has("alert") && reader.has("alert-type") {
        reader.problem("alert-type", "and `alert` exclude each other: write it as the `type` in `alert`");
    }
    let alert = reader.table("alert", alert);
    let (alert_type, alert) = match alert {
        Some((alert_type, alert)) => (alert_type, Some(alert)),
        None => (said, None),
    };
    let alert_type = alert_type.unwrap_or_else(|| ALERT_TYPE.to_owned());
    Some(Exec { call: call?, codes, after_session, alert_type, alert, resume, output, result, window, veto })
}

fn alert(reader: &mut Reader<'_>) -> (Option<String>, ExecAlert) {
    let alert_type = alert_type(reader, "type");
    let of_object = reader.parsed("source", |word: String| match word.as_str() {
        "node" => Ok(false),
        "object" => Ok(true),
        _ => Err(format!("expected \"node\" or \"object\", found {word:?}")),
    });
    let target = reader.parsed("target", |text: String| match Template::parse(&text) {
        Ok(Template(pieces)) if pieces.is_empty() => Err("expected what the alert is about".to_owned()),
        Ok(template) => Ok(template),
        Err(error) => Err(error.to_string()),
    });
    let data = reader.parsed("data", |text: String| match text.as_str() {
        "result-code" => Ok(AlertData::ResultCode),
        "dm1x" => Ok(AlertData::Dm1x),
        _ if text.contains('{') => match Template::parse(&text) {
            Ok(template) => Ok(AlertData::Text(template)),
            Err(error) => Err(error.to_string()),
        },
        _ => Err(format!("expected \"result-code\", \"dm1x\", or text with braces, found {text:?}")),
    });
    let codes = codes(reader, |_| true, "the numbers (up to 65535) that the alert tells");
    let otherwise = reader.parsed("otherwise", |number: u32| {
        u16::try_from(number).map_err(|_| format!("expected a number up to 65535, found {number}"))
    });
    let (ok, failed) =
        reader.table("mark", |reader| (mark(reader, "ok"), mark(reader, "failed"))).unwrap_or_default();
    let always = reader.or("always", false);
    let data = data.unwrap_or_default();
    (
        alert_type,
        ExecAlert { of_object: of_object == Some(true), target, data, codes, otherwise, ok, failed, always },
    )
}

pub(super) fn alert_type(reader: &mut Reader<'_>, key: &str) -> Option<String> {
    reader.parsed(key, |text: String| match is_alert_type(&text) {
        true => Ok(text),
        false => Err("expected a URN, or a reversed domain name such as \"org.example.update\""),
    })
}

pub(super) fn mark(reader: &mut Reader<'_>, key: &str) -> Option<String> {
    reader.parsed(key, |word: String| match MARKS.contains(&word.as_str()) {
        true => Ok(word),
        false => Err(format!("expected one of: {}; found {word:?}", MARKS.join(", "))),
    })
}

/// Reads the numbers that exit codes stand for.
fn codes(reader: &mut Reader<'_>, admits: impl Fn(u16) -> bool, what: &str) -> Vec<(i32, u16)> {
    let codes = pairs(reader, "codes", |code, Scalar(number)| {
        let number: u16 = number.parse().ok().filter(|number| admits(*number))?;
        let code = match code.strip_prefix("veto") {
            None => code.parse::<u8>().ok()?.into(),
            Some("") => ANY_VETO,
            Some(code) => VETO + i32::from(code.strip_prefix('-')?.parse::<u8>().ok()?),
        };
        Some((code, number))
    });
    codes.unwrap_or_else(|| {
        reader.problem("codes", format!("expected exit codes (0–255, `veto`, `veto-4`) and {what}"));
        Vec::new()
    })
}

fn output(reader: &mut Reader<'_>) -> Vec<Output> {
    let all = reader.parsed_each("output", |key: String| {
        let path = leaf(key.clone())?;
        Ok::<_, String>(Output { key, path })
    });
    all.unwrap_or_default()
}

fn result(reader: &mut Reader<'_>) -> Option<ExecResult> {
    if let Some(Item::Table(_)) = reader.raw("result").map(|located| &located.item) {
        let read = |reader: &mut Reader<'_>| {
            if !reader.has("leaf") {
                reader.here("expected the `leaf` that gets the result");
            }
            let path = reader.parsed("leaf", leaf);
            let pipeline = pipeline(reader);
            Some(ExecResult { path: path?, pipeline })
        };
        return reader.table("result", read).flatten();
    }
    let path = reader.parsed("result", leaf)?;
    Some(ExecResult { path, pipeline: Pipeline::default() })
}
