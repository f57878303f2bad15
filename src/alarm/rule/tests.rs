use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn above(limit: i64, clear: Option<i64>) -> Condition {
    use crate::mo::alarm::Threshold::Fixed;
    Condition::Above { limit: Fixed(Value::Int(limit)), clear: clear.map(|clear| Fixed(Value::Int(clear))) }
}

fn rule(condition: &Condition) -> Rule<'_> {
    Rule { condition, hold: Duration::ZERO, tells_end: true }
}

fn value(value: i64, limit: i64, clear: Option<i64>) -> Reading {
    let [value, limit] = [value, limit].map(|number| Some(Value::Int(number)));
    Reading::Leaf(Comparison { value, limit, clear: clear.map(Value::Int) })
}

fn text(value: Option<&str>) -> Reading {
    Reading::Leaf(Comparison { value: value.map(|text| Value::Text(text.into())), limit: None, clear: None })
}

/// A leaf that is read again and again.
struct Leaf {
    state: AlarmState,
    start: Instant,
    heard: Vec<(u64, bool, u32)>,
    kept: usize,
}

impl Leaf {
    fn new() -> Self {
        Self { state: AlarmState::default(), start: Instant::now(), heard: Vec::new(), kept: 0 }
    }

    fn at(&self, second: u64) -> At {
        At { now: self.start + SECOND * u32::try_from(second).unwrap(), wall: 1_000_000 + second }
    }

    fn read(&mut self, rule: Rule<'_>, second: u64, reading: Option<&Reading>) {
        let step = self.state.step(rule, reading, self.at(second));
        self.state = step.state;
        self.kept += usize::from(step.keep);
        self.heard.extend(step.news.map(|news| (second, news.raised, news.omitted)));
    }

    /// The agent dies, and comes back at once.
    fn restart(&mut self, second: u64) {
        self.state = AlarmState::of(&self.state.record(), self.at(second));
    }
}

#[test]
fn it_is_raised_above_the_limit_and_over_at_the_bound_below_it() {
    let condition = above(85, Some(80));
    let mut leaf = Leaf::new();
    for (number, degrees) in [84, 85, 86, 90, 84, 81, 90, 80, 85, 86].into_iter().enumerate() {
        leaf.read(rule(&condition), number as u64 * 100, Some(&value(degrees, 85, Some(80))));
    }
    assert_eq!(leaf.heard, [(200, true, 0), (700, false, 0), (900, true, 0)]);
    assert_eq!(leaf.kept, 3, "flash does not wear of what is not told");
}

#[test]
fn below_is_the_same_the_other_way_round_and_a_bound_on_the_wrong_side_is_none() {
    use crate::mo::alarm::Threshold::Fixed;
    let condition = Condition::Below { limit: Fixed(Value::Int(10)), clear: None };
    for (clear, heard) in [
        (None, vec![(100, true, 0), (200, false, 0)]),
        (Some(5), vec![(100, true, 0), (200, false, 0)]),
        (Some(20), vec![(100, true, 0), (300, false, 0)]),
    ] {
        let mut leaf = Leaf::new();
        for (number, percent) in [10, 9, 10, 20].into_iter().enumerate() {
            leaf.read(rule(&condition), number as u64 * 100, Some(&value(percent, 10, clear)));
        }
        assert_eq!(leaf.heard, heard, "{clear:?}");
    }
}

#[test]
fn what_has_no_value_or_no_limit_neither_raises_nor_ends() {
    let condition = above(85, None);
    let mut leaf = Leaf::new();
    let nothing = |value: Option<Value>, limit| Reading::Leaf(Comparison { value, limit, clear: None });
    let odd = [
        nothing(None, Some(Value::Int(85))),
        nothing(Some(Value::Int(99)), None),
        nothing(Some(Value::Text("nan".into())), Some(Value::Int(85))),
        nothing(Some(Value::Null), Some(Value::Int(85))),
    ];
    for reading in &odd {
        leaf.read(rule(&condition), 0, Some(reading));
    }
    assert_eq!(leaf.heard, []);
    leaf.read(rule(&condition), 1, Some(&value(99, 85, None)));
    for reading in &odd {
        leaf.read(rule(&condition), 100, Some(reading));
    }
    assert_eq!(leaf.heard, [(1, true, 0)]);
}

#[test]
fn what_turns_must_hold_and_its_end_need_not() {
    let condition = above(85, None);
    let rule = Rule { hold: SECOND * 60, ..rule(&condition) };
    let mut leaf = Leaf::new();
    let mut read = |second, degrees| leaf.read(rule, second, Some(&value(degrees, 85, None)));
    read(0, 90);
    read(50, 84);
    read(55, 90);
    read(100, 95);
    assert_eq!(leaf.state.reads_at(rule), Some(leaf.at(115).now));
    leaf.read(rule, 114, Some(&value(90, 85, None)));
    assert_eq!(leaf.heard, []);
    leaf.read(rule, 115, Some(&value(90, 85, None)));
    leaf.read(rule, 200, Some(&value(84, 85, None)));
    assert_eq!(leaf.heard, [(115, true, 0), (200, false, 0)]);
    assert_eq!(leaf.state.reads_at(rule), None);
}

#[test]
fn time_in_which_it_can_not_be_read_does_not_count_as_time_that_it_holds() {
    let condition = above(85, None);
    let rule = Rule { hold: SECOND * 60, ..rule(&condition) };
    for unread in [Reading::Unread, Reading::Leaf(Comparison { value: None, limit: None, clear: None })] {
        let mut leaf = Leaf::new();
        leaf.read(rule, 0, Some(&value(90, 85, None)));
        leaf.read(rule, 30, Some(&unread));
        leaf.read(rule, 50, Some(&unread));
        assert_eq!(leaf.state.reads_at(rule), None, "there is nothing to be read for");
        leaf.read(rule, 100, Some(&value(90, 85, None)));
        assert_eq!(leaf.state.reads_at(rule), Some(leaf.at(130).now), "nor does it begin anew");
        leaf.read(rule, 129, Some(&value(90, 85, None)));
        assert_eq!(leaf.heard, []);
        leaf.read(rule, 130, Some(&value(90, 85, None)));
        assert_eq!(leaf.heard, [(130, true, 0)]);
    }
}

#[test]
fn what_begins_and_ends_within_the_minute_is_told_where_its_end_is_not() {
    let condition = above(85, None);
    let rule = Rule { tells_end: false, ..rule(&condition) };
    let mut leaf = Leaf::new();
    for (second, degrees) in [(0, 90), (5, 80), (10, 91), (15, 80), (20, 92), (25, 80)] {
        leaf.read(rule, second, Some(&value(degrees, 85, None)));
    }
    leaf.read(rule, 60, None);
    assert_eq!(leaf.heard, [(0, true, 0), (60, true, 1)]);
    // Servers know of no end, and it has ended all the same.
    leaf.restart(100);
    leaf.read(rule, 130, Some(&value(80, 85, None)));
    leaf.read(rule, 140, Some(&value(90, 85, None)));
    assert_eq!(leaf.heard.last(), Some(&(140, true, 0)));
}

#[test]
fn servers_hear_once_a_minute_and_how_much_was_left_out() {
    let condition = above(85, None);
    let mut leaf = Leaf::new();
    for second in 0..=200 {
        let degrees = if second % 2 == 0 { 90 } else { 80 };
        leaf.read(rule(&condition), second, Some(&value(degrees, 85, None)));
    }
    assert_eq!(leaf.heard, [(0, true, 0), (60, true, 59), (120, true, 59), (180, true, 59)]);
    assert_eq!(leaf.state.tells_at(), Some(leaf.at(240).now));
    leaf.read(rule(&condition), 201, Some(&value(80, 85, None)));
    leaf.read(rule(&condition), 240, None);
    assert_eq!(leaf.heard.last(), Some(&(240, false, 20)), "the last of it is told, without a reading");
    leaf.read(rule(&condition), 300, None);
    assert_eq!((leaf.heard.len(), leaf.state.tells_at()), (5, None));
}

#[test]
fn an_end_that_is_not_told_is_known_all_the_same() {
    let condition = above(85, None);
    let rule = Rule { tells_end: false, ..rule(&condition) };
    let mut leaf = Leaf::new();
    for (second, degrees) in [(0, 90), (100, 80), (101, 90), (110, 80), (120, 90), (161, 90)] {
        leaf.read(rule, second, Some(&value(degrees, 85, None)));
    }
    assert_eq!(leaf.heard, [(0, true, 0), (101, true, 0), (161, true, 0)]);
}

#[test]
fn a_change_is_any_other_value_and_the_first_one_is_none() {
    let condition = Condition::Changes;
    let mut leaf = Leaf::new();
    for (second, said) in [(0, None), (1, Some("a")), (100, Some("a")), (200, None), (300, Some("a"))] {
        leaf.read(rule(&condition), second, Some(&text(said)));
    }
    assert_eq!((leaf.heard.len(), leaf.kept), (0, 1));
    leaf.restart(350);
    leaf.read(rule(&condition), 400, Some(&text(Some("b"))));
    leaf.read(rule(&condition), 500, Some(&text(Some("a"))));
    assert_eq!(leaf.heard, [(400, true, 0), (500, true, 0)]);
}

#[test]
fn a_restart_tells_nothing_again_and_keeps_to_the_minute() {
    let condition = above(85, None);
    let mut leaf = Leaf::new();
    leaf.read(rule(&condition), 0, Some(&value(90, 85, None)));
    leaf.restart(10);
    leaf.read(rule(&condition), 11, Some(&value(90, 85, None)));
    leaf.read(rule(&condition), 12, Some(&value(80, 85, None)));
    leaf.restart(20);
    leaf.read(rule(&condition), 21, Some(&value(80, 85, None)));
    assert_eq!(leaf.heard, [(0, true, 0)]);
    leaf.read(rule(&condition), 60, None);
    assert_eq!(leaf.heard, [(0, true, 0), (60, false, 0)]);
}

#[test]
fn a_clock_that_was_set_back_costs_a_minute_and_one_that_was_set_forward_nothing() {
    let record = AlarmRecord { raised: true, value: None, told: 1_000_000 };
    let now = Instant::now();
    let waits = |wall| {
        let condition = above(85, None);
        let at = At { now, wall };
        let step = AlarmState::of(&record, at).step(rule(&condition), Some(&value(80, 85, None)), at);
        step.state.tells_at().map(|then| then - now)
    };
    assert_eq!(waits(1_000_010), Some(SECOND * 50));
    assert_eq!(waits(10), Some(SECOND * 60));
    assert_eq!(waits(9_000_000), None);
}

#[test]
fn elements_come_and_go_and_are_over_when_all_is_told() {
    let condition = Condition::Listed;
    let mut leaf = Leaf::new();
    let there = |there| Some(Reading::There(there));
    leaf.read(rule(&condition), 0, there(true).as_ref());
    leaf.read(rule(&condition), 1, there(false).as_ref());
    assert!(!leaf.state.is_over(leaf.at(1).now));
    leaf.read(rule(&condition), 60, None);
    assert_eq!(leaf.heard, [(0, true, 0), (60, false, 0)]);
    assert!(!leaf.state.is_over(leaf.at(61).now), "its minute is not over");
    assert!(leaf.state.is_over(leaf.at(120).now));
    let known = AlarmState::found_there();
    assert_eq!(known.step(rule(&condition), there(true).as_ref(), leaf.at(0)).news, None);
}

proptest! {
    /// Whatever is read and whenever the agent dies: servers hear at most once a minute, and at last what is so.
    #[test]
    fn what_servers_heard_last_is_so_a_minute_later(
        readings in prop::collection::vec((0u64..90, 70i64..100, any::<bool>()), 1..60),
        clear in prop::option::of(75i64..85),
        hold in 0u32..30,
    ) {
        let condition = above(85, clear);
        let rule = Rule { hold: SECOND * hold, ..rule(&condition) };
        let mut leaf = Leaf::new();
        let (mut second, mut is_raised) = (0, false);
        let mut last = 0;
        for (wait, degrees, dies) in readings {
            second += wait;
            if dies {
                leaf.restart(second);
            }
            leaf.read(rule, second, Some(&value(degrees, 85, clear)));
            last = degrees;
        }
        for _ in 0..3 {
            second += 61;
            leaf.read(rule, second, Some(&value(last, 85, clear)));
        }
        for (before, after) in leaf.heard.iter().zip(leaf.heard.iter().skip(1)) {
            prop_assert!(after.0 - before.0 >= 60, "{:?}", leaf.heard);
        }
        if let Some((_, raised, _)) = leaf.heard.last() {
            is_raised = *raised;
        }
        if last > 85 {
            prop_assert!(is_raised, "{:?}", leaf.heard);
        }
        if last <= clear.unwrap_or(85) {
            prop_assert!(!is_raised, "{:?}", leaf.heard);
        }
        let told = leaf.heard.len();
        leaf.restart(second + 100);
        leaf.read(rule, second + 100 , Some(&value(last, 85, clear)));
        leaf.read(rule, second + 300 , Some(&value(last, 85, clear)));
        prop_assert_eq!(leaf.heard.len(), told, "a restart is no news");
    }
}
