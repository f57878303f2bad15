//! Pipelines: what is done to a value between its source and the node: select → match → map → time → scale → format,
//! and backwards for `set`.
//!
//! A stage that finds nothing (a key that isn't there, no match, a value that `map` doesn't list) makes the value
//! *absent*, and says why: the next source has its turn. A stage that can't work on what it got is an error.

use thiserror::Error;

use super::calendar;
use super::fill::{FillError, Variables};
use super::pattern::Pattern;
use super::select::{Select, select, shown};
use super::template::{Piece, Template};
use super::value::excerpt;
use crate::ddf::Format;

/// A pipeline: what is done to a value between its source and the node, in this order; backwards for `set`.
#[derive(Clone, Debug, Default)]
pub struct Pipeline {
    /// `select`: steps into JSON, or `key = value` text.
    pub select: Vec<Select>,
    /// `match`: the first group of the first match.
    pub matching: Option<Pattern>,
    /// `map`: pairs from source to node.
    pub map: Vec<(String, String)>,
    /// `otherwise`: the value that `map` gives everything else.
    pub otherwise: Option<String>,
    /// `time`: the value counts time, and becomes a date.
    pub time: Option<TimeUnit>,
    /// `scale`: a factor.
    pub scale: Option<f64>,
    /// `format`: text with `{}` for the value.
    pub format: Option<Template>,
}

/// The unit that a number of `time` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// The units since 1970, so many in a second.
    Epoch(u32),
    /// The seconds since the system started.
    Boot,
}

/// Why a value did not pass a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PipelineError {
    /// The text has not the structure that `select` needs.
    #[error("`select` needs JSON, or `key = value` lines for a single key: {0}")]
    Select(String),
    /// The value is not the number that `scale` needs, or the result is none that a number can hold.
    #[error("`scale` can't be applied to {0}")]
    Scale(String),
    /// The value is not the number of seconds that `time` needs, which a date can show.
    #[error("`time` can't be applied to {0}")]
    Time(String),
    /// `format` could not be filled in.
    #[error("`format`: {0}")]
    Format(#[from] FillError),
    /// The value to set is not of the form that `format` gives.
    #[error("{0} does not look like what `format` makes")]
    Unformat(String),
    /// The value to set is not among those that `map` lists.
    #[error("{found} is not among {known}")]
    Unmap {
        /// The value that was to be set.
        found: String,
        /// The values that could be.
        known: String,
    },
    /// A stage has no way back.
    #[error("{0}")]
    OneWay(&'static str),
}

/// The result of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passed {
    /// The value that passed.
    Value(String),
    /// No value, for this reason.
    Absent(String),
}

impl Pipeline {
    /// Whether the pipeline does nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.select.is_empty()
            && self.matching.is_none()
            && self.map.is_empty()
            && self.time.is_none()
            && self.scale.is_none()
            && self.format.is_none()
    }

    /// Runs a value from source to node. Where `scale` leaves a fraction and the node is an `int`, the nearest whole
    /// number counts, halves away from zero. `variables.value` is not looked at.
    ///
    /// # Errors
    /// [`PipelineError`]
    pub fn apply(
        &self,
        input: &str,
        format: Format,
        variables: &Variables<'_>,
    ) -> Result<Passed, PipelineError> {
        let absent = |why: String| Ok(Passed::Absent(why));
        let selected = if self.select.is_empty() {
            Some(input.to_owned())
        } else {
            select(&self.select, input).map_err(|error| PipelineError::Select(error.to_string()))?
        };
        let Some(mut text) = selected else {
            return absent(format!("`select` finds no {} in {}", shown(&self.select), excerpt(input)));
        };
        if let Some(pattern) = &self.matching {
            let group = pattern.captures(&text).and_then(|found| found.get(1).or_else(|| found.get(0)));
            let Some(group) = group else {
                return absent(format!("`match` finds nothing in {}", excerpt(&text)));
            };
            text = group.as_str().to_owned();
        }
        if !self.map.is_empty() {
            let mapped = self.map.iter().find(|(source, _)| *source == text).map(|(_, node)| node);
            let Some(node) = mapped.or(self.otherwise.as_ref()) else {
                return absent(format!("`map` has no {}, and there is no `otherwise`", excerpt(&text)));
            };
            text.clone_from(node);
        }
        if let Some(unit) = self.time {
            let Some(date) = date(&text, unit, format, variables.booted)? else {
                return absent("the system's clock is not set, and `time` counts from the start".to_owned());
            };
            text = date;
        }
        if let Some(factor) = self.scale {
            text = scale(&text, |number| number * factor, format == Format::Int)?;
        }
        if let Some(template) = &self.format {
            text = template.fill_text(&Variables { value: Some(&text), ..*variables })?;
        }
        Ok(Passed::Value(text))
    }

    /// Runs a value from node to source: what to set outside so that reading gives `value`.
    ///
    /// # Errors
    /// [`PipelineError`]
    pub fn invert(&self, value: &str, variables: &Variables<'_>) -> Result<String, PipelineError> {
        self.invertible().map_err(PipelineError::OneWay)?;
        let mut text = value.to_owned();
        if let Some(template) = &self.format {
            let cut = template.0.iter().position(|piece| *piece == Piece::Value).unwrap_or(template.0.len());
            let (before, after) = template.0.split_at(cut);
            let fill = |pieces: &[Piece]| Template(pieces.to_vec()).fill_text(variables);
            let (prefix, suffix) = (fill(before)?, fill(after.get(1..).unwrap_or_default())?);
            let inner = text.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(&suffix));
            text = inner.ok_or_else(|| PipelineError::Unformat(excerpt(&text)))?.to_owned();
        }
        if let Some(factor) = self.scale {
            text = scale(&text, |number| number / factor, false)?;
        }
        if !self.map.is_empty() {
            let Some((source, _)) = self.map.iter().find(|(_, node)| *node == text) else {
                let known: Vec<String> = self.map.iter().take(10).map(|(_, node)| excerpt(node)).collect();
                return Err(PipelineError::Unmap { found: excerpt(&text), known: known.join(", ") });
            };
            text.clone_from(source);
        }
        Ok(text)
    }

    /// Checks that `set` can run the pipeline backwards.
    ///
    /// # Errors
    /// What stands in the way, for people.
    pub fn invertible(&self) -> Result<(), &'static str> {
        if !self.select.is_empty() {
            return Err("`select` can't be inverted: it names a part of a whole that `set` doesn't have");
        }
        if self.matching.is_some() {
            return Err("`match` can't be inverted: it forgets what is around the match");
        }
        if self.time.is_some() {
            return Err("`time` can't be inverted: it is for reading");
        }
        let twice = |(index, (_, node)): (usize, &(String, String))| {
            self.map.iter().skip(index + 1).any(|(_, other)| other == node)
        };
        if self.map.iter().enumerate().any(twice) {
            return Err("`map` can't be inverted: two of its entries give the same value");
        }
        if self.scale.is_some_and(|factor| factor == 0.0 || !factor.is_finite()) {
            return Err("`scale` can't be inverted: its factor is zero or not finite");
        }
        let values = |pieces: &[Piece]| pieces.iter().filter(|piece| **piece == Piece::Value).count();
        if self.format.as_ref().is_some_and(|template| values(&template.0) != 1) {
            return Err("`format` can't be inverted: it must hold `{}` exactly once");
        }
        Ok(())
    }
}

/// The date, time or both of a number of seconds; `None` where the clock is not set that it takes.
fn date(
    text: &str,
    unit: TimeUnit,
    format: Format,
    booted: Option<f64>,
) -> Result<Option<String>, PipelineError> {
    let wrong = || PipelineError::Time(excerpt(text));
    let number: f64 = text.trim().parse().map_err(|_| wrong())?;
    let seconds = match (unit, booted) {
        (TimeUnit::Epoch(units), _) => number / f64::from(units),
        (TimeUnit::Boot, Some(booted)) => booted + number,
        (TimeUnit::Boot, None) => return Ok(None),
    };
    calendar::utc(seconds, format).map(Some).ok_or_else(wrong)
}

fn scale(text: &str, apply: impl Fn(f64) -> f64, whole: bool) -> Result<String, PipelineError> {
    let wrong = || PipelineError::Scale(excerpt(text));
    let number: f64 = text.trim().parse().map_err(|_| wrong())?;
    let result = apply(number);
    if !result.is_finite() {
        return Err(wrong());
    }
    if whole {
        return Ok(positive_zero(result.round()).to_string());
    }
    // 15 digits are what a double holds for sure: 3 × 0.1 is 0.3, not 0.30000000000000004.
    let rounded: f64 = format!("{result:.14e}").parse().map_err(|_| wrong())?;
    Ok(positive_zero(rounded).to_string())
}

/// The number, with 0 for -0: that is no number to show people, and `-0` no int to everybody.
fn positive_zero(number: f64) -> f64 {
    if number == 0.0 { 0.0 } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn apply_as(pipeline: &Pipeline, input: &str, format: Format) -> Result<Option<String>, PipelineError> {
        let passed =
            pipeline.apply(input, format, &Variables { booted: Some(1e9), ..Variables::default() })?;
        Ok(if let Passed::Value(text) = passed { Some(text) } else { None })
    }

    fn apply(pipeline: &Pipeline, input: &str) -> Result<Option<String>, PipelineError> {
        apply_as(pipeline, input, Format::Chr)
    }

    fn matching(regex: &str) -> Pipeline {
        Pipeline { matching: Some(Pattern::new(regex).unwrap()), ..Pipeline::default() }
    }

    fn keys(keys: &[&str]) -> Pipeline {
        let select = keys.iter().map(|key| Select::Key((*key).to_owned())).collect();
        Pipeline { select, ..Pipeline::default() }
    }

    fn format(text: &str) -> Option<Template> {
        Some(Template(vec![Piece::Literal(text.to_owned()), Piece::Value]))
    }

    #[test]
    fn memory_in_kilobytes_from_meminfo() {
        let mut pipeline = matching(r"^MemAvailable:\s+(\d+)");
        pipeline.scale = Some(0.001);
        let meminfo = "MemTotal:       32000000 kB\nMemAvailable:   16259348 kB\n";
        assert_eq!(apply(&pipeline, meminfo).unwrap().unwrap(), "16259.348");
        let int = apply_as(&pipeline, meminfo, Format::Int);
        assert_eq!(int.unwrap().unwrap(), "16259");
        assert_eq!(apply(&pipeline, "MemTotal: 1 kB\n").unwrap(), None);
    }

    #[test]
    fn a_match_without_a_group_is_all_of_it() {
        assert_eq!(apply(&matching("[0-9]+"), "eth12").unwrap().unwrap(), "12");
        // The group did not take part: the whole match, not a panic and not nothing.
        assert_eq!(apply(&matching("a(b)?"), "a").unwrap().unwrap(), "a");
    }

    #[test]
    fn what_map_does_not_list_is_absent() {
        let pipeline = Pipeline { map: vec![("up".into(), "1".into())], ..Pipeline::default() };
        assert_eq!(apply(&pipeline, "up").unwrap().unwrap(), "1");
        assert_eq!(apply(&pipeline, "dormant").unwrap(), None);
        let error = pipeline.invert("2", &Variables::default()).unwrap_err();
        assert_eq!(error.to_string(), r#""2" is not among "1""#);
    }

    #[test]
    fn otherwise_is_what_map_says_of_all_else() {
        let map = vec![("up".into(), "1".into())];
        let pipeline = Pipeline { map, otherwise: Some("0".into()), ..Pipeline::default() };
        assert_eq!(apply(&pipeline, "up").unwrap().unwrap(), "1");
        assert_eq!(apply(&pipeline, "dormant").unwrap().unwrap(), "0");
        // What stands for many things is none of them.
        assert_eq!(pipeline.invert("1", &Variables::default()).unwrap(), "up");
        pipeline.invert("0", &Variables::default()).unwrap_err();
    }

    #[test]
    fn what_is_absent_says_why() {
        let absent = |pipeline: &Pipeline, input: &str| match pipeline
            .apply(input, Format::Chr, &Variables::default())
            .unwrap()
        {
            Passed::Absent(why) => why,
            Passed::Value(value) => panic!("{value}"),
        };
        let map = Pipeline { map: vec![("up".into(), "1".into())], ..Pipeline::default() };
        assert_eq!(absent(&map, "down"), r#"`map` has no "down", and there is no `otherwise`"#);
        assert_eq!(absent(&matching("x(.)"), "y"), r#"`match` finds nothing in "y""#);
        let steps =
            Pipeline { select: vec![Select::Key("a".into()), Select::Index(1)], ..Pipeline::default() };
        assert_eq!(absent(&steps, "{}"), r#"`select` finds no .a[1] in "{}""#);
    }

    #[test]
    fn time_becomes_a_date_in_utc() {
        let time = |unit, text: &str, format| {
            apply_as(&Pipeline { time: Some(unit), ..Pipeline::default() }, text, format)
        };
        for (unit, text, format, shown) in [
            (TimeUnit::Epoch(1), "1790000000", Format::Chr, "2026-09-21T14:13:20Z"),
            (TimeUnit::Epoch(1), "1790000000\n", Format::Date, "2026-09-21"),
            (TimeUnit::Epoch(1000), "1790000000999", Format::Time, "14:13:20Z"),
            (TimeUnit::Epoch(1_000_000), "-1", Format::Chr, "1969-12-31T23:59:59Z"),
            (TimeUnit::Boot, "12.75", Format::Chr, "2001-09-09T01:46:52Z"),
            (TimeUnit::Epoch(1), "951782400", Format::Date, "2000-02-29"),
            (TimeUnit::Epoch(1), "253402300799", Format::Chr, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(time(unit, text, format).unwrap().as_deref(), Some(shown));
        }
        for wrong in ["", "soon", "nan", "inf", "253402300800", "-1e12", "1e300"] {
            assert!(
                matches!(time(TimeUnit::Epoch(1), wrong, Format::Chr), Err(PipelineError::Time(_))),
                "{wrong}"
            );
        }
        let boot = Pipeline { time: Some(TimeUnit::Boot), ..Pipeline::default() };
        let unset = boot.apply("1", Format::Chr, &Variables::default()).unwrap();
        assert!(matches!(unset, Passed::Absent(_)), "{unset:?}");
        boot.invertible().unwrap_err();
    }

    #[test]
    fn select_walks_json() {
        let steps = vec![Select::Key("a".into()), Select::Index(1), Select::Key("b".into())];
        let pipeline = Pipeline { select: steps, ..Pipeline::default() };
        assert_eq!(apply(&pipeline, r#"{"a":[0,{"b":7}]}"#).unwrap().unwrap(), "7");
        for absent in [r#"{"a":[0]}"#, r#"{"a":{"b":1}}"#, r#"{"a":[0,{"b":null}]}"#, "3", "[]"] {
            assert_eq!(apply(&pipeline, absent).unwrap(), None, "{absent}");
        }
        apply(&pipeline, r#"{"a":["#).unwrap_err();
        apply(&keys(&["a"]), r#"{"a":"#).unwrap_err();
        assert_eq!(apply(&keys(&["a"]), r#"{"a":[1,"x"]}"#).unwrap().unwrap(), r#"[1,"x"]"#);
        // Depth is bounded by the JSON reader.
        apply(&pipeline, &"[".repeat(100_000)).unwrap_err();
    }

    #[test]
    fn select_reads_key_value_lines() {
        let text = "[main]\nname = \"old\"\nname2 = no\nname= 'gw 1'\nspeed: 100\n";
        assert_eq!(apply(&keys(&["name"]), text).unwrap().unwrap(), "gw 1");
        assert_eq!(apply(&keys(&["speed"]), text).unwrap().unwrap(), "100");
        assert_eq!(apply(&keys(&["nam"]), text).unwrap(), None);
        // A lone quote is no pair of quotes.
        assert_eq!(apply(&keys(&["a"]), "a = \"").unwrap().unwrap(), "\"");
    }

    #[test]
    fn scaled_numbers_look_like_a_person_wrote_them() {
        let scaled = |factor, text| apply(&Pipeline { scale: Some(factor), ..Pipeline::default() }, text);
        assert_eq!(scaled(0.1, "3").unwrap().unwrap(), "0.3");
        assert_eq!(scaled(0.001, "45000").unwrap().unwrap(), "45");
        assert_eq!(scaled(8.0, "9007199254740\n").unwrap().unwrap(), "72057594037920");
        assert_eq!(scaled(-1.0, "0").unwrap().unwrap(), "0");
        for wrong in ["", "warm", "1e999", "nan"] {
            scaled(2.0, wrong).unwrap_err();
        }
    }

    #[test]
    fn format_and_its_inverse() {
        let pipeline = Pipeline { format: format("IMEI:"), ..Pipeline::default() };
        assert_eq!(apply(&pipeline, "35").unwrap().unwrap(), "IMEI:35");
        assert_eq!(pipeline.invert("IMEI:35", &Variables::default()).unwrap(), "35");
        assert!(matches!(pipeline.invert("UUID:35", &Variables::default()), Err(PipelineError::Unformat(_))));
    }

    #[test]
    fn one_way_stages_say_so() {
        let twice = vec![("1".into(), "up".into()), ("2".into(), "up".into())];
        let one_way = [
            keys(&["a"]),
            matching("a"),
            Pipeline { map: twice, ..Pipeline::default() },
            Pipeline { scale: Some(0.0), ..Pipeline::default() },
            Pipeline { format: Some(Template(vec![Piece::Literal("on".into())])), ..Pipeline::default() },
        ];
        for pipeline in one_way {
            pipeline.invertible().unwrap_err();
            assert!(matches!(pipeline.invert("a", &Variables::default()), Err(PipelineError::OneWay(_))));
        }
    }

    proptest! {
        #[test]
        fn what_is_set_reads_back(number in -1_000_000_000i64..1_000_000_000, digits in 0i32..4, label in "[a-z]{0,4}:?") {
            let pipeline = Pipeline { scale: Some(10f64.powi(-digits)), format: format(&label), ..Pipeline::default() };
            let shown = apply(&pipeline, &number.to_string()).unwrap().unwrap();
            prop_assert_eq!(pipeline.invert(&shown, &Variables::default()).unwrap(), number.to_string());
        }

        #[test]
        fn nothing_panics(input in any::<String>()) {
            let _ = apply(&keys(&["a"]), &input);
            let _ = apply(&keys(&["a", "b"]), &input);
            let _ = apply(&Pipeline { scale: Some(3.0), ..Pipeline::default() }, &input);
        }
    }
}
