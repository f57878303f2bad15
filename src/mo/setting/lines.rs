//! Lines of a settings file: where they begin, and how they end.

use std::ops::Range;

/// A file's lines, each as the bytes without its end; a byte order mark belongs to none.
pub(super) fn lines(file: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = if file.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    std::iter::from_fn(move || {
        let rest = file.get(at..).filter(|rest| !rest.is_empty())?;
        let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let start = at;
        at += length + 1;
        let line = rest.get(..length).unwrap_or_default();
        let end = if line.ends_with(b"\r") { length - 1 } else { length };
        Some(start..start + end)
    })
}

/// The end of the file's lines; LF where there is none.
pub(super) fn end_of(file: &[u8]) -> &'static str {
    let first = file.iter().position(|byte| *byte == b'\n');
    match first.and_then(|at| file.get(..at)) {
        Some(line) if line.ends_with(b"\r") => "\r\n",
        _ => "\n",
    }
}

/// The number of the line that `at` is in, from 1.
pub(super) fn number(file: &[u8], at: usize) -> usize {
    1 + file.iter().take(at).filter(|byte| **byte == b'\n').count()
}

/// The place and the text to put there so that `line` stands after `at`, the end of a line that may be the last and
/// unfinished.
pub(super) fn after(file: &[u8], at: usize, line: &str) -> (usize, String) {
    let end = end_of(file);
    let rest = file.get(at..).unwrap_or_default();
    match rest.iter().position(|byte| *byte == b'\n') {
        Some(length) => (at + length + 1, format!("{line}{end}")),
        None if file.is_empty() || file.ends_with(b"\n") || file == b"\xef\xbb\xbf" => {
            (file.len(), format!("{line}{end}"))
        }
        None => (file.len(), format!("{end}{line}{end}")),
    }
}

/// The content of `file` with `new` in the place of `place`.
pub(super) fn splice(file: &[u8], place: std::ops::Range<usize>, new: &[u8]) -> Vec<u8> {
    let (before, rest) = file.split_at(place.start.min(file.len()));
    let after = rest.get(place.len()..).unwrap_or_default();
    [before, new, after].concat()
}
