//! The length of the shortest text that a regular expression matches.

use std::iter::Peekable;
use std::str::Chars;

/// The fewest characters that match; none where that is not easily told.
pub(super) fn shortest(pattern: &str) -> Option<usize> {
    let mut rest = pattern.chars().peekable();
    let least = alternatives(&mut rest)?;
    rest.next().is_none().then_some(least)
}

fn alternatives(rest: &mut Peekable<Chars<'_>>) -> Option<usize> {
    let mut least = usize::MAX;
    loop {
        least = least.min(sequence(rest)?);
        if rest.next_if_eq(&'|').is_none() {
            return Some(least);
        }
    }
}

fn sequence(rest: &mut Peekable<Chars<'_>>) -> Option<usize> {
    let mut sum = 0_usize;
    while let Some(next) = rest.next_if(|next| !matches!(next, '|' | ')')) {
        let one = match next {
            '^' | '$' => 0,
            '(' => group(rest)?,
            '[' => class(rest)?,
            '\\' => escape(rest.next()?)?,
            _ => 1,
        };
        sum = sum.checked_add(one.checked_mul(times(rest)?)?)?;
    }
    Some(sum)
}

fn group(rest: &mut Peekable<Chars<'_>>) -> Option<usize> {
    if rest.next_if_eq(&'?').is_some() {
        // (?:…), or (?<name>…); flags are left alone.
        match rest.next()? {
            ':' => {}
            'P' | '<' => while rest.next()? != '>' {},
            _ => return None,
        }
    }
    let least = alternatives(rest)?;
    rest.next_if_eq(&')').map(|_| least)
}

fn class(rest: &mut Peekable<Chars<'_>>) -> Option<usize> {
    rest.next_if_eq(&'^');
    let mut is_first = true;
    loop {
        match rest.next()? {
            ']' if !is_first => return Some(1),
            '\\' => drop(rest.next()?),
            // [[:alpha:]] and sets of sets
            '[' => return None,
            _ => {}
        }
        is_first = false;
    }
}

fn escape(letter: char) -> Option<usize> {
    match letter {
        'b' | 'B' | 'A' | 'z' => Some(0),
        'x' | 'u' | 'U' | 'p' | 'P' => None,
        _ => Some(1),
    }
}

/// How often what stands before is there at least.
fn times(rest: &mut Peekable<Chars<'_>>) -> Option<usize> {
    let least = match rest.peek() {
        Some('*' | '?') => 0,
        Some('+') => 1,
        Some('{') => {
            rest.next();
            let mut digits = String::new();
            while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            while *rest.peek()? != '}' {
                rest.next();
            }
            digits.parse().ok()?
        }
        _ => return Some(1),
    };
    rest.next();
    rest.next_if_eq(&'?');
    Some(least)
}

#[cfg(test)]
mod tests {
    use super::shortest;

    #[test]
    fn the_fewest_characters() {
        for (pattern, least) in [
            ("", Some(0)),
            ("[0-9A-Za-z]{8,63}", Some(8)),
            (r"https://\S+", Some(9)),
            ("a|bc|", Some(0)),
            ("(ab|c)+d?", Some(1)),
            ("(?:ab){2}(?<x>y{3,})*", Some(4)),
            (r"^[]a\]]{2}$", Some(2)),
            (r"\d{1,3}(\.\d{1,3}){3}", Some(7)),
            (r"\p{L}", None),
            ("[[:alpha:]]", None),
            ("(?i)a", None),
            ("a)", None),
        ] {
            assert_eq!(shortest(pattern), least, "{pattern}");
        }
    }
}
