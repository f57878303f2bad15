//! Limits of a leaf's value beyond its format: `min`, `max`, `enum`.

use std::cmp::Ordering;

use super::leaf_path::LeafPath;
use super::source::Source;
use super::value::excerpt;

/// The limits of a leaf's values.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// `min`: the lower bound.
    pub min: Option<Bound>,
    /// `max`: the upper bound.
    pub max: Option<Bound>,
    /// `enum`: the only values there are; empty: any.
    pub one_of: Vec<String>,
}

/// A bound, and where it comes from.
#[derive(Clone, Debug)]
pub enum Bound {
    /// A number that is written in the mapping.
    Number(String),
    /// The value of another leaf, as seen from this one.
    Leaf(LeafPath),
    /// The value of a source, as `get` has them.
    Source(Box<Source>),
}

/// The side that a bound is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The lower side: values are no smaller.
    Min,
    /// The upper side: values are no larger.
    Max,
}

impl Limits {
    /// The bounds that there are, each with its side.
    pub fn bounds(&self) -> impl Iterator<Item = (Side, &Bound)> {
        let all = [(Side::Min, self.min.as_ref()), (Side::Max, self.max.as_ref())];
        all.into_iter().filter_map(|(side, bound)| Some((side, bound?)))
    }

    /// Whether a bound is known only once something was read.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.bounds().any(|(_, bound)| !matches!(bound, Bound::Number(_)))
    }

    /// Checks that `value` is within the limits that are known without reading anything.
    ///
    /// # Errors
    /// It is not: why, for people.
    pub fn admit(&self, value: &str) -> Result<(), String> {
        if !self.one_of.is_empty() && !self.one_of.iter().any(|one| one == value) {
            let known: Vec<String> = self.one_of.iter().take(10).map(|one| excerpt(one)).collect();
            return Err(format!("{} is not among {}", excerpt(value), known.join(", ")));
        }
        self.bounds().try_for_each(|(side, bound)| match bound {
            Bound::Number(number) => side.admit(value, number),
            Bound::Leaf(_) | Bound::Source(_) => Ok(()),
        })
    }
}

impl Side {
    /// The key by which mappings know it.
    #[must_use]
    pub fn key(self) -> &'static str {
        if self == Self::Min { "min" } else { "max" }
    }

    /// Checks that `value` is on the right side of `bound`; what is no number is not.
    ///
    /// # Errors
    /// It is not: why, for people.
    pub fn admit(self, value: &str, bound: &str) -> Result<(), String> {
        let wrong = match self {
            Self::Min => Ordering::Less,
            Self::Max => Ordering::Greater,
        };
        match compare(value, bound) {
            Some(order) if order != wrong => Ok(()),
            Some(_) if self == Self::Min => {
                Err(format!("{} is below the minimum of {}", excerpt(value), excerpt(bound)))
            }
            Some(_) => Err(format!("{} is above the maximum of {}", excerpt(value), excerpt(bound))),
            None => Err(format!("{} and its limit {} can't be compared", excerpt(value), excerpt(bound))),
        }
    }
}

/// Compares two numbers; whole ones exactly.
pub(crate) fn compare(one: &str, other: &str) -> Option<Ordering> {
    let (one, other) = (one.trim(), other.trim());
    if let (Ok(one), Ok(other)) = (one.parse::<i64>(), other.parse::<i64>()) {
        return Some(one.cmp(&other));
    }
    one.parse::<f64>().ok()?.partial_cmp(&other.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_compared_exactly() {
        assert_eq!(compare("9007199254740993", "9007199254740992"), Some(Ordering::Greater));
        assert_eq!(compare("1.5", "2"), Some(Ordering::Less));
        assert_eq!(compare(" 2 ", "2.0"), Some(Ordering::Equal));
        for odd in ["", "nan", "two"] {
            assert_eq!(compare(odd, "1"), None, "{odd}");
        }
    }

    #[test]
    fn a_value_is_within_or_told_why_not() {
        let number = |text: &str| Some(Bound::Number(text.to_owned()));
        let limits = Limits { min: number("1"), max: number("10"), one_of: Vec::new() };
        limits.admit("1").unwrap();
        limits.admit("10").unwrap();
        assert_eq!(limits.admit("0").unwrap_err(), r#""0" is below the minimum of "1""#);
        assert_eq!(limits.admit("10.5").unwrap_err(), r#""10.5" is above the maximum of "10""#);
        limits.admit("many").unwrap_err();
        let limits = Limits { one_of: vec!["on".into(), "off".into()], ..Limits::default() };
        limits.admit("on").unwrap();
        assert_eq!(limits.admit("On").unwrap_err(), r#""On" is not among "on", "off""#);
    }
}
