//! JSON for people: short values in one line, long strings and long lists cut.

use serde_json::Value;

/// How much is shown.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Columns of a line.
    pub width: usize,
    /// Characters of a string.
    pub text: usize,
    /// Members of an array or object.
    pub members: usize,
}

/// `value` as lines.
#[must_use]
pub fn lines(value: &Value, limits: Limits) -> Vec<String> {
    let mut out = Vec::new();
    write(value, "", "", 0, limits, &mut out);
    out
}

fn write(value: &Value, before: &str, after: &str, depth: usize, limits: Limits, out: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    let flat = flat(value, limits);
    let room = limits.width.saturating_sub(indent.len() + before.chars().count() + after.len());
    let members: Vec<(String, &Value)> = match value {
        Value::Array(list) => list.iter().map(|member| (String::new(), member)).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, member)| (format!("{}: ", quoted(key)), member)).collect()
        }
        _ => Vec::new(),
    };
    if members.is_empty() || (flat.chars().count() <= room && members.len() <= limits.members) {
        out.push(format!("{indent}{before}{flat}{after}"));
        return;
    }
    let (open, close) = if value.is_array() { ('[', ']') } else { ('{', '}') };
    out.push(format!("{indent}{before}{open}"));
    let shown = members.len().min(limits.members);
    for (index, (key, member)) in members.iter().take(shown).enumerate() {
        let comma = if index + 1 < members.len() { "," } else { "" };
        write(member, key, comma, depth + 1, limits, out);
    }
    if shown < members.len() {
        out.push(format!("{indent}  … {} more", members.len() - shown));
    }
    out.push(format!("{indent}{close}{after}"));
}

fn flat(value: &Value, limits: Limits) -> String {
    match value {
        Value::String(text) => quoted(&cut(text, limits.text)),
        Value::Array(list) if list.is_empty() => "[]".to_owned(),
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Array(list) => {
            let members: Vec<String> = list.iter().map(|member| flat(member, limits)).collect();
            format!("[{}]", members.join(", "))
        }
        Value::Object(map) => {
            let members: Vec<String> = map
                .iter()
                .map(|(key, member)| format!("{}: {}", quoted(key), flat(member, limits)))
                .collect();
            format!("{{ {} }}", members.join(", "))
        }
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// `text` in at most `limit` characters; where some are left out, the last one is `…`.
#[must_use]
pub fn cut(text: &str, limit: usize) -> String {
    if text.chars().nth(limit).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_in_a_line_and_the_rest_breaks() {
        let value = serde_json::json!({"CMD": [["GET", "urn:a//b"], ["END"]], "n": 1});
        let limits = Limits { width: 80, text: 60, members: 20 };
        assert_eq!(lines(&value, limits), [r#"{ "CMD": [["GET", "urn:a//b"], ["END"]], "n": 1 }"#]);
        let narrow = lines(&value, Limits { width: 24, ..limits });
        assert_eq!(
            narrow,
            ["{", "  \"CMD\": [", "    [\"GET\", \"urn:a//b\"],", "    [\"END\"]", "  ],", "  \"n\": 1", "}"]
        );
        assert!(narrow.iter().all(|line| line.chars().count() <= 24));
    }

    #[test]
    fn what_is_cut_is_said() {
        let limits = Limits { width: 20, text: 3, members: 2 };
        assert_eq!(lines(&serde_json::json!("äöüß"), limits), ["\"äö…\""]);
        assert_eq!(lines(&serde_json::json!([1, 2, 3]), limits), ["[", "  1,", "  2,", "  … 1 more", "]"]);
    }
}
