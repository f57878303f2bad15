//! os-release(5), and other files of shell assignments.

use super::answer::{Answer, Raw};
use super::context::Machine;
use super::error::BackendError;
use super::file;

/// The value of `key` in the machine's os-release.
pub(super) async fn get(machine: &Machine, key: &str) -> Result<Answer<Raw>, BackendError> {
    Ok(assignment(machine, &["/etc/os-release", "/usr/lib/os-release"], key).await?.map(Raw::Text))
}

/// The value of `key` in the first of `paths` that is there.
pub(super) async fn assignment(
    machine: &Machine,
    paths: &[&str],
    key: &str,
) -> Result<Answer<String>, BackendError> {
    for path in paths {
        match file::content(machine, path).await? {
            Answer::Value(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                let value = last_assignment(&text, key);
                return Ok(value.map_or_else(|| Answer::Absent(format!("{path}: no {key}")), Answer::Value));
            }
            Answer::Absent(_) => {}
            Answer::Unavailable(why) => return Ok(Answer::Unavailable(why)),
        }
    }
    Ok(Answer::Absent(format!("there is no {}", paths.join(" or "))))
}

/// The value of the last assignment of `key`, which counts, as it would for a shell.
fn last_assignment(text: &str, key: &str) -> Option<String> {
    let value = |line: &str| line.trim_start().strip_prefix(key)?.strip_prefix('=').map(unquote);
    text.lines().rev().find_map(value)
}

/// The word without its quotes, as a shell makes it of one: quotes go, backslashes protect.
fn unquote(word: &str) -> String {
    let mut out = String::new();
    let mut quote = None;
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('\\', None) => out.extend(chars.next()),
            ('\\', Some('"')) => match chars.next() {
                Some(protected @ ('"' | '\\' | '$' | '`')) => out.push(protected),
                other => {
                    out.push('\\');
                    out.extend(other);
                }
            },
            (c, None) if c.is_whitespace() => break,
            (c, _) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_and_escapes_as_the_manual_has_them() {
        let text = "# ID=no\nID=debian\nVERSION=\"12 \\\"bookworm\\\" \\$5 \\n\"\nNAME='It is'\nEMPTY=\nV=a b\nX=\"open";
        let get = |key| last_assignment(text, key);
        assert_eq!(get("ID").unwrap(), "debian");
        assert_eq!(get("VERSION").unwrap(), "12 \"bookworm\" $5 \\n");
        assert_eq!(get("NAME").unwrap(), "It is");
        assert_eq!(get("EMPTY").unwrap(), "");
        assert_eq!(get("V").unwrap(), "a");
        assert_eq!(get("X").unwrap(), "open");
        assert_eq!(get("VERSION_ID"), None);
        assert_eq!(get("VERS"), None);
    }

    proptest! {
        #[test]
        fn what_is_quoted_reads_back(value in "[^\n\r]*") {
            let mut quoted = String::new();
            for c in value.chars() {
                if matches!(c, '"' | '\\' | '$' | '`') {
                    quoted.push('\\');
                }
                quoted.push(c);
            }
            prop_assert_eq!(last_assignment(&format!("K=\"{quoted}\""), "K").unwrap(), value);
        }
    }
}
