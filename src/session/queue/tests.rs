use super::*;
use crate::base::waking::Anchor;
use crate::notification::Trigger;
use crate::session::machine::SessionFailure;

fn request(server_id: &str, id: u16, req_mos: bool) -> SessionRequest {
    let trigger =
        Trigger { server_id: server_id.into(), notification_id: Some(id), req_mos, ..Trigger::default() };
    SessionRequest { trigger, at: None, cause: Cause::Notification }
}

fn failed(again: Again) -> Outcome {
    Outcome::Failed { failure: SessionFailure::Http(500), again }
}

fn unreachable() -> Outcome {
    let failure = SessionFailure::Unreachable { attempts: 6, why: "silence".into() };
    Outcome::Failed { failure, again: Again::Later }
}

fn report(server_id: &str, number: usize) -> Destination {
    Destination {
        uri: Some(format!("https://elsewhere.example/{number}")),
        ..Destination::of(&server_id.into())
    }
}

const WAIT: Duration = Duration::from_secs(900);

/// With every bearer up but this one.
fn steps(queue: &mut Queue, now: Instant, down: &[ConnectionType], has_alerts: bool) -> Vec<Step> {
    let choose = |preferred: &[ConnectionType]| match preferred {
        [] => Choice::Any,
        _ if preferred.iter().any(|one| !down.contains(one)) => Choice::Any,
        _ => Choice::Wait,
    };
    queue.due(
        now,
        &Circumstances { choose: &choose, bearer_wait: WAIT, metered: None, has_alerts: &|_| has_alerts },
    )
}

/// What begins.
fn begin(queue: &mut Queue, now: Instant) -> Vec<SessionRequest> {
    let begun = |step| match step {
        Step::Begin(request) => request,
        other => panic!("does not begin: {other:?}"),
    };
    steps(queue, now, &[], true).into_iter().map(begun).collect()
}

#[test]
fn while_one_runs_others_become_one() {
    let now = Instant::now();
    let mut queue = Queue::default();
    queue.ask(request("a", 1, false), now);
    assert_eq!(begin(&mut queue, now).len(), 1);
    queue.ask(request("a", 2, true), now);
    queue.ask(request("a", 3, false), now);
    assert!(begin(&mut queue, now).is_empty());
    assert_eq!(queue.ended(&Destination::of(&"a".into()), &Outcome::Completed, now, 0), None);
    let next = begin(&mut queue, now);
    assert_eq!(next, [request("a", 3, true)], "REQ-MOS is OR-ed, the newest id counts");
    queue.ended(&Destination::of(&"a".into()), &Outcome::Completed, now, 0);
    assert!(begin(&mut queue, now).is_empty() && queue.next_wake().is_none());
}

#[test]
fn servers_do_not_wait_for_each_other_but_for_a_free_place() {
    let now = Instant::now();
    let mut queue = Queue::default();
    let servers: Vec<String> = (0..=MOST_RUNNING).map(|number| format!("{number:03}")).collect();
    for server in &servers {
        queue.ask(request(server, 1, false), now);
    }
    assert_eq!(begin(&mut queue, now).len(), MOST_RUNNING);
    assert_eq!(queue.next_wake(), None);
    queue.ended(&Destination::of(&"001".into()), &Outcome::Completed, now, 0);
    assert_eq!(
        begin(&mut queue, now),
        [request(ServerId::from(servers[MOST_RUNNING].as_str()).as_str(), 1, false)]
    );
}

#[test]
fn a_failed_session_comes_back_later_and_a_notification_brings_it_forward() {
    let now = Instant::now();
    let mut queue = Queue::default();
    queue.ask(request("a", 1, true), now);
    begin(&mut queue, now);
    let wait = queue.ended(&Destination::of(&"a".into()), &failed(Again::Later), now, u32::MAX).unwrap();
    assert_eq!(wait, Duration::from_millis(29_999));
    assert!(begin(&mut queue, now).is_empty());
    assert_eq!(queue.next_wake(), Some(now + wait));
    queue.ask(request("a", 2, false), now);
    assert_eq!(begin(&mut queue, now), [request("a", 2, true)]);
    let wait = queue.ended(&Destination::of(&"a".into()), &failed(Again::Later), now, u32::MAX).unwrap();
    assert_eq!(wait, Duration::from_millis(59_999), "failures add up");
}

#[test]
fn what_is_scheduled_for_tomorrow_does_not_put_off_the_next_attempt() {
    let now = Instant::now();
    let mut queue = Queue::default();
    queue.ask(request("a", 1, false), now);
    begin(&mut queue, now);
    let tomorrow = SessionRequest { cause: Cause::Schedule, ..request("a", 0, false) };
    queue.ask(tomorrow, now + Duration::from_secs(86_400));
    let wait = queue.ended(&Destination::of(&"a".into()), &failed(Again::Later), now, 1 << 31).unwrap();
    assert_eq!(queue.next_wake(), Some(now + wait));
}

#[test]
fn what_cannot_be_helped_is_not_tried_again_and_retry_after_is_honoured() {
    let now = Instant::now();
    let mut queue = Queue::default();
    queue.ask(request("a", 1, true), now);
    begin(&mut queue, now);
    assert_eq!(queue.ended(&Destination::of(&"a".into()), &failed(Again::Never), now, 5), None);
    assert_eq!(queue.next_wake(), None);
    queue.ask(request("a", 2, true), now);
    begin(&mut queue, now);
    let wait =
        queue.ended(&Destination::of(&"a".into()), &failed(Again::After(Duration::from_secs(600))), now, 0);
    assert_eq!(wait, Some(Duration::from_secs(600)));
}

#[test]
fn a_later_request_does_not_put_off_an_earlier_one() {
    let now = Instant::now();
    let mut queue = Queue::default();
    queue.ask(request("a", 1, false), now);
    let scheduled = SessionRequest { cause: Cause::Schedule, ..request("a", 0, false) };
    queue.ask(scheduled, now + Duration::from_secs(60));
    assert_eq!(begin(&mut queue, now), [request("a", 1, false)]);
}

#[test]
fn a_place_that_a_server_named_runs_beside_the_servers_own_session() {
    let now = Instant::now();
    let mut queue = Queue::default();
    let elsewhere = report("a", 0);
    let to_report = SessionRequest::to(&elsewhere, Cause::Alert);
    queue.ask(request("a", 1, false), now);
    queue.ask(to_report.clone(), now);
    assert_eq!(begin(&mut queue, now), [request("a", 1, false), to_report.clone()]);
    assert_eq!(queue.next_wake(), None);
    queue.ask(to_report.clone(), now);
    queue.ask(request("a", 2, false), now);
    assert!(begin(&mut queue, now).is_empty(), "one session a place");
    queue.ended(&Destination::of(&"a".into()), &Outcome::Completed, now, 0);
    assert_eq!(queue.next_wake(), Some(now));
    assert_eq!(begin(&mut queue, now), [request("a", 2, false)], "the silence of the other is nothing to it");
    queue.ended(&elsewhere, &Outcome::Completed, now, 0);
    assert_eq!(begin(&mut queue, now), [to_report]);
    assert!(begin(&mut queue, now).is_empty());
    queue.ended(&elsewhere, &Outcome::Completed, now, 0);
    queue.ended(&Destination::of(&"a".into()), &Outcome::Completed, now, 0);
    assert_eq!(queue.running(), 0);
}

#[test]
fn a_server_that_names_silent_places_occupies_few_of_all() {
    let now = Instant::now();
    let mut queue = Queue::default();
    for number in 0..3 * MOST_REPORTS {
        queue.ask(SessionRequest::to(&report("a", number), Cause::Alert), now);
    }
    assert_eq!(begin(&mut queue, now).len(), MOST_REPORTS);
    assert_eq!(queue.next_wake(), None, "the others have to wait for one to end");
    queue.ask(SessionRequest::to(&report("b", 0), Cause::Alert), now);
    queue.ask(request("a", 1, false), now);
    assert_eq!(begin(&mut queue, now).len(), 2);
    queue.ended(&report("a", 0), &Outcome::Completed, now, 0);
    assert_eq!(begin(&mut queue, now).len(), 1);
}

#[test]
fn of_a_place_that_a_server_named_nothing_stays_when_there_is_nothing_to_say_there() {
    let now = Instant::now();
    let mut queue = Queue::default();
    for number in 0..1000 {
        let destination = report("a", number);
        queue.ask(SessionRequest::to(&destination, Cause::Alert), now);
        begin(&mut queue, now);
        queue.outage(&destination).failed(now);
        let outcome = match number % 3 {
            0 => Outcome::Completed,
            1 => failed(Again::Never),
            _ => unreachable(),
        };
        queue.ended(&destination, &outcome, now, u32::MAX);
    }
    // Its alerts had to go.
    let later = now + Duration::from_secs(60);
    assert!(steps(&mut queue, later, &[], false).is_empty());
    let much_later = later + Duration::from_secs(3600);
    assert!(steps(&mut queue, much_later, &[], false).is_empty());
    assert!(queue.lines.is_empty(), "{} lines", queue.lines.len());
    assert_eq!(queue.next_wake(), None);
}

#[test]
fn the_schedule_outlives_an_alert_that_rode_in_a_running_session() {
    let now = Instant::now();
    let every = Duration::from_secs(60);
    let mut queue = Queue::default();
    queue.ask(request("a", 1, false), now);
    begin(&mut queue, now);
    queue.ask(SessionRequest::plain(&"a".into(), Cause::Alert), now);
    queue.ended(&Destination::of(&"a".into()), &Outcome::Completed, now, 0);
    queue.ask(SessionRequest::plain(&"a".into(), Cause::Schedule), now + every);
    assert!(steps(&mut queue, now, &[], false).is_empty(), "it has been told");
    assert_eq!(queue.next_wake(), Some(now + every));
    let due = steps(&mut queue, now + every, &[], false);
    assert_eq!(due, [Step::Begin(SessionRequest::plain(&"a".into(), Cause::Schedule))]);
}

#[test]
fn backoff_holds_against_all_but_notifications_and_the_operator() {
    let now = Instant::now();
    let hour = Duration::from_secs(3600);
    for cause in [Cause::Alert, Cause::Schedule, Cause::Boot, Cause::Retry, Cause::Bootstrap] {
        let mut queue = Queue::default();
        queue.ask(SessionRequest::plain(&"a".into(), Cause::Schedule), now);
        begin(&mut queue, now);
        queue.ended(&Destination::of(&"a".into()), &failed(Again::After(hour)), now, 0);
        queue.ask(SessionRequest::plain(&"a".into(), cause), now);
        assert!(begin(&mut queue, now).is_empty(), "{cause:?}");
        assert_eq!(queue.next_wake(), Some(now + hour), "{cause:?}");
        assert_eq!(begin(&mut queue, now + hour).len(), 1, "{cause:?}: one session for both");
        queue.ended(&Destination::of(&"a".into()), &Outcome::Completed, now + hour, 0);
        queue.ask(SessionRequest::plain(&"a".into(), Cause::Alert), now + hour);
        assert_eq!(begin(&mut queue, now + hour).len(), 1, "it is over when a session goes well");
    }
    for cause in [Cause::Notification, Cause::Unproven, Cause::Operator] {
        let mut queue = Queue::default();
        queue.ask(SessionRequest::plain(&"a".into(), Cause::Schedule), now);
        begin(&mut queue, now);
        queue.ended(&Destination::of(&"a".into()), &failed(Again::After(hour)), now, 0);
        queue.ask(SessionRequest::plain(&"a".into(), cause), now);
        assert_eq!(begin(&mut queue, now), [SessionRequest::plain(&"a".into(), cause)]);
    }
    let mut queue = Queue::default();
    queue.hold_fatal(&Destination::of(&"a".into()), now + hour);
    queue.ask(SessionRequest::plain(&"a".into(), Cause::Boot), now);
    assert!(begin(&mut queue, now).is_empty() && begin(&mut queue, now + hour).len() == 1);
}

#[test]
fn no_other_failure_shortens_what_a_server_asked_for() {
    let now = Instant::now();
    let hour = Duration::from_secs(3600);
    for outcome in
        [unreachable(), failed(Again::Later), failed(Again::After(hour / 60)), failed(Again::Never)]
    {
        let mut queue = Queue::default();
        queue.ask(SessionRequest::plain(&"a".into(), Cause::Schedule), now);
        begin(&mut queue, now);
        queue.ended(&Destination::of(&"a".into()), &failed(Again::After(hour)), now, 0);
        queue.ask(request("a", 1, false), now);
        assert_eq!(begin(&mut queue, now).len(), 1);
        queue.ended(&Destination::of(&"a".into()), &outcome, now, 0);
        // The network may be another one: the server has said it all the same.
        queue.network_came_up(now, &mut || 0);
        let line = queue.lines.get_mut(&Destination::of(&"a".into())).unwrap();
        line.notified = None;
        queue.ask(SessionRequest::plain(&"a".into(), Cause::Alert), now);
        queue.ask(SessionRequest::plain(&"a".into(), Cause::Schedule), now);
        let before = now + hour - Duration::from_secs(1);
        assert!(begin(&mut queue, before).is_empty(), "{outcome:?}");
        assert_eq!(begin(&mut queue, now + hour).len(), 1, "{outcome:?}");
    }
}

#[test]
fn what_has_ended_the_agent_begins_for_nobody_who_has_not_proved_who_he_is() {
    let now = Instant::now();
    let hour = Duration::from_secs(3600);
    let held = || {
        let mut queue = Queue::default();
        queue.hold_fatal(&Destination::of(&"a".into()), now + hour);
        queue
    };
    for cause in [Cause::Unproven, Cause::Alert, Cause::Schedule, Cause::Retry] {
        let mut queue = held();
        queue.ask(SessionRequest::plain(&"a".into(), cause), now);
        assert!(begin(&mut queue, now).is_empty(), "{cause:?}");
        assert_eq!(queue.next_wake(), Some(now + hour), "{cause:?}");
    }
    for cause in [Cause::Notification, Cause::Operator] {
        for outcome in [unreachable(), failed(Again::Later), failed(Again::Never)] {
            let mut queue = held();
            queue.ask(SessionRequest::plain(&"a".into(), cause), now);
            assert_eq!(begin(&mut queue, now).len(), 1, "{cause:?}");
            queue.ended(&Destination::of(&"a".into()), &outcome, now, 0);
            queue.lines.get_mut(&Destination::of(&"a".into())).unwrap().notified = None;
            queue.ask(SessionRequest::plain(&"a".into(), Cause::Unproven), now);
            assert!(begin(&mut queue, now).is_empty(), "{cause:?}: {outcome:?} lifts it");
        }
    }
}

#[test]
fn another_network_is_no_help_to_a_server_that_is_overloaded_or_to_what_fails_on_the_device() {
    let now = Instant::now();
    let why = || "x".to_owned();
    for failure in [SessionFailure::Unavailable { attempts: 6, why: why() }, SessionFailure::Transport(why())]
    {
        let mut queue = Queue::default();
        queue.ask(SessionRequest::plain(&"a".into(), Cause::Schedule), now);
        begin(&mut queue, now);
        let outcome = Outcome::Failed { failure, again: Again::Later };
        let wait = queue.ended(&Destination::of(&"a".into()), &outcome, now, u32::MAX).unwrap();
        assert!(!queue.wants_network(), "{outcome:?}");
        queue.network_came_up(now, &mut || 0);
        assert_eq!(queue.next_wake(), Some(now + wait), "{outcome:?}");
    }
}

#[test]
fn notifications_that_become_one_session_ask_for_all_that_either_asked_for() {
    let now = Instant::now();
    let mut queue = Queue::default();
    let asking = |id, requested: &[(u16, &[u8])]| {
        let mut request = request("a", id, false);
        request.trigger.requested = requested.iter().map(|(index, cv)| (*index, cv.to_vec())).collect();
        request
    };
    queue.ask(asking(1, &[(0, b"x"), (1, b"old"), (1, b"older")]), now);
    queue.ask(asking(2, &[(1, b"new"), (2, b"y")]), now);
    queue.ask(SessionRequest::plain(&"a".into(), Cause::Alert), now);
    let merged = asking(2, &[(0, b"x"), (1, b"new"), (2, b"y")]);
    assert_eq!(begin(&mut queue, now), [merged], "what it holds of an object the newer one knows better");
    let many = |id, first: u16| {
        let requested: Vec<(u16, &[u8])> = (first..first + 200).map(|index| (index, &b"x"[..])).collect();
        asking(id, &requested)
    };
    queue.ended(&Destination::of(&"a".into()), &Outcome::Completed, now, 0);
    (0..50).for_each(|round| queue.ask(many(3 + round, round * 200), now));
    let [merged] = begin(&mut queue, now).try_into().unwrap();
    assert!(merged.trigger.requested.len() <= 256 && merged.trigger.requested.last().unwrap().0 == 9_999);
}

#[test]
fn whoever_waits_for_a_bearer_keeps_nobody_waiting_and_the_newer_notification_counts() {
    use ConnectionType::{Mobile, Wireline};
    let now = Instant::now();
    let preferring = |id, preferred| {
        let mut request = request("a", id, id == 1);
        request.trigger.preferred = vec![preferred];
        request
    };
    let mut queue = Queue::default();
    queue.ask(preferring(1, Mobile), now);
    assert_eq!(steps(&mut queue, now, &[Mobile], true), [Step::Wait(preferring(1, Mobile))]);
    assert!(queue.wants_network() && queue.running() == 0);
    assert_eq!(queue.next_wake(), Some(now + WAIT));
    assert!(steps(&mut queue, now, &[Mobile], true).is_empty(), "it is said once");
    // An alert has no preferences.
    queue.ask(SessionRequest::plain(&"a".into(), Cause::Alert), now);
    assert_eq!(
        steps(&mut queue, now, &[Mobile], true),
        [Step::Begin(SessionRequest::plain(&"a".into(), Cause::Alert))]
    );
    queue.ended(&Destination::of(&"a".into()), &Outcome::Completed, now, 0);
    assert_eq!(queue.next_wake(), Some(now + WAIT), "what it waits for is still to come");
    queue.ask(preferring(2, Wireline), now);
    let mut merged = preferring(2, Wireline);
    merged.trigger.req_mos = true;
    assert_eq!(steps(&mut queue, now, &[Mobile], true), [Step::Begin(merged)]);
    assert!(!queue.wants_network());
}

#[test]
fn a_bearer_that_comes_up_begins_what_waits_for_it_and_one_that_does_not_is_given_up() {
    use ConnectionType::Mobile;
    let now = Instant::now();
    let mut mobile = request("a", 1, false);
    mobile.trigger.preferred = vec![Mobile];
    let mut queue = Queue::default();
    queue.ask(mobile.clone(), now);
    steps(&mut queue, now, &[Mobile], true);
    queue.network_changed();
    assert!(steps(&mut queue, now, &[Mobile], true).is_empty(), "another one came");
    queue.network_changed();
    assert_eq!(steps(&mut queue, now, &[], true), [Step::Begin(mobile.clone())]);
    queue.ended(&Destination::of(&"a".into()), &Outcome::Completed, now, 0);
    queue.ask(mobile.clone(), now);
    steps(&mut queue, now, &[Mobile], true);
    queue.network_changed();
    assert!(steps(&mut queue, now + WAIT / 2, &[Mobile], true).is_empty());
    assert_eq!(queue.next_wake(), Some(now + WAIT), "a look does not prolong it");
    assert_eq!(steps(&mut queue, now + WAIT, &[Mobile], true), [Step::GiveUp(mobile)]);
    assert_eq!(queue.next_wake(), None);
}

#[test]
fn whoever_waits_for_a_look_is_not_given_up_and_wakes_nobody() {
    use ConnectionType::{AnyAvailable, Mobile};
    let now = Instant::now();
    let preferring = |id, preferred: &[ConnectionType]| {
        let mut request = request("a", id, false);
        request.trigger.preferred = preferred.to_vec();
        request
    };
    let unknown = |queue: &mut Queue, now| {
        let choose = |_: &[ConnectionType]| Choice::Unknown;
        queue.due(
            now,
            &Circumstances { choose: &choose, bearer_wait: WAIT, metered: None, has_alerts: &|_| true },
        )
    };
    let mut queue = Queue::default();
    queue.ask(preferring(1, &[Mobile]), now);
    assert!(queue.asks_for_bearer(now, false) && !queue.asks_for_bearer(now - WAIT, false));
    assert!(unknown(&mut queue, now).is_empty(), "nothing is said before it is known");
    assert!(!queue.asks_for_bearer(now, false) && queue.wants_network());
    assert_eq!(queue.next_wake(), None);
    queue.network_changed();
    assert!(queue.asks_for_bearer(now, false));
    assert_eq!(steps(&mut queue, now, &[Mobile], true), [Step::Wait(preferring(1, &[Mobile]))]);
    assert_eq!(queue.next_wake(), Some(now + WAIT));
    // What another look brings ends the wait, also where its time is over.
    queue.network_changed();
    assert!(unknown(&mut queue, now + WAIT).is_empty());
    queue.network_changed();
    assert_eq!(steps(&mut queue, now + WAIT, &[], true), [Step::Begin(preferring(1, &[Mobile]))]);
    // Where a session runs, nobody has to know.
    queue.ask(preferring(2, &[Mobile]), now + WAIT);
    assert!(!queue.asks_for_bearer(now + WAIT, false));
    queue.ended(&Destination::of(&"a".into()), &Outcome::Completed, now + WAIT, 0);
    assert!(queue.asks_for_bearer(now + WAIT, false));
    queue.ask(preferring(3, &[AnyAvailable]), now + WAIT);
    assert!(!queue.asks_for_bearer(now + WAIT, false), "whatever is up will do");
}

#[test]
fn what_could_not_be_reached_is_tried_soon_when_an_address_comes_up() {
    let now = Instant::now();
    let mut queue = Queue::default();
    let mut at = now;
    let mut wait = Duration::ZERO;
    queue.ask(request("a", 1, true), now);
    for _ in 0..8 {
        assert_eq!(begin(&mut queue, at).len(), 1);
        wait = queue.ended(&Destination::of(&"a".into()), &unreachable(), at, u32::MAX).unwrap();
        at += wait;
    }
    assert!(wait > Duration::from_secs(3000) && queue.wants_network());
    let up = at - wait;
    queue.network_came_up(up, &mut || u32::MAX / 2);
    let soon = queue.next_wake().unwrap();
    assert!(soon > up && soon < up + CHANGED_JITTER, "at a random time: {:?}", soon - up);
    assert!(!queue.wants_network());
    assert_eq!(begin(&mut queue, soon), [request("a", 1, true)]);
    let wait = queue.ended(&Destination::of(&"a".into()), &unreachable(), soon, u32::MAX).unwrap();
    assert!(wait < AGAIN.base, "backoff begins anew: {wait:?}");
    // What a server asked for itself has nothing to do with the network.
    begin(&mut queue, soon + wait);
    let hour = Duration::from_secs(3600);
    queue.ended(&Destination::of(&"a".into()), &failed(Again::After(hour)), soon + wait, 0);
    queue.network_came_up(soon + wait, &mut || 0);
    assert_eq!(queue.next_wake(), Some(soon + wait + hour));
}

#[test]
fn what_anybody_may_ask_for_is_rationed_and_what_a_server_signed_is_not() {
    let now = Instant::now();
    let session = |queue: &mut Queue, cause, at| {
        queue.ask(SessionRequest::plain(&"a".into(), cause), at);
        let begun = begin(queue, at).len();
        queue.ended(&Destination::of(&"a".into()), &failed(Again::Never), at, 0);
        begun
    };
    let mut queue = Queue::default();
    let begun: usize = (0..1000).map(|_| session(&mut queue, Cause::Unproven, now)).sum();
    assert_eq!(begun, 5);
    let begun: usize =
        (0..60).map(|second| session(&mut queue, Cause::Unproven, now + Duration::from_secs(second))).sum();
    assert!((5..=7).contains(&begun), "{begun} in a minute");
    assert_eq!((0..100).map(|_| session(&mut queue, Cause::Notification, now)).sum::<usize>(), 100);
    let mut queue = Queue::default();
    let alerts: usize = (0..1000).map(|_| session(&mut queue, Cause::Alert, now)).sum();
    assert_eq!(alerts, 20);
}

#[test]
fn what_a_notification_asks_for_is_known_before_it_is_asked_for() {
    let now = Instant::now();
    let mut queue = Queue::default();
    assert_eq!(queue.with_waiting(&request("a", 1, true)), request("a", 1, true));
    queue.ask(request("a", 1, true), now);
    assert_eq!(queue.with_waiting(&request("a", 2, false)), request("a", 2, true));
    assert_eq!(begin(&mut queue, now), [request("a", 1, true)]);
    queue.ended(&Destination::of(&"a".into()), &failed(Again::Later), now, 0);
    assert_eq!(begin(&mut queue, now), [request("a", 1, true)], "tried again, it still is a notification's");
}

#[test]
fn what_is_only_scheduled_can_be_held_back_and_what_somebody_asked_for_cannot() {
    let now = Instant::now();
    let until = now + Duration::from_secs(60);
    let mut queue = Queue::default();
    queue.hold(Some(until));
    queue.ask(SessionRequest::plain(&"a".into(), Cause::Boot), now);
    queue.ask(SessionRequest::plain(&"b".into(), Cause::Schedule), now);
    queue.ask(request("c", 1, false), now);
    assert_eq!(begin(&mut queue, now), [request("c", 1, false)]);
    assert_eq!(queue.next_wake(), Some(until));
    queue.ask(SessionRequest::plain(&"a".into(), Cause::Alert), now);
    assert_eq!(
        begin(&mut queue, now),
        [SessionRequest::plain(&"a".into(), Cause::Alert)],
        "an alert does not wait with the boot"
    );
    queue.hold(None);
    assert_eq!(begin(&mut queue, now), [SessionRequest::plain(&"b".into(), Cause::Schedule)]);
}

#[test]
fn an_account_that_is_gone_starts_nothing() {
    let now = Instant::now();
    let mut queue = Queue::default();
    queue.ask(request("a", 1, false), now);
    queue.keep(|server_id| server_id != "a", true);
    assert!(begin(&mut queue, now).is_empty());
}

/// Neither by itself, nor for an account of the same name that is there by then.
#[test]
fn a_session_whose_account_went_is_not_tried_again_and_leaves_nothing_to_the_next_of_its_name() {
    let now = Instant::now();
    let a = Destination::of(&"a".into());
    for is_back in [false, true] {
        for outcome in [failed(Again::Later), failed(Again::After(WAIT)), unreachable(), Outcome::Completed] {
            let mut queue = Queue::default();
            queue.ask(request("a", 1, false), now);
            assert_eq!(begin(&mut queue, now).len(), 1);
            queue.keep(|server_id| server_id != "a", true);
            assert!(queue.is_gone(&a));
            if is_back {
                queue.ask(SessionRequest::plain(&"a".into(), Cause::Boot), now);
                assert!(begin(&mut queue, now).is_empty(), "the other one still runs");
            }
            assert_eq!(queue.ended(&a, &outcome, now, u32::MAX), None, "{outcome:?}");
            assert!(!queue.is_gone(&a) && queue.running() == 0);
            let next = if is_back { vec![SessionRequest::plain(&"a".into(), Cause::Boot)] } else { vec![] };
            assert_eq!(begin(&mut queue, now), next, "{outcome:?}");
            assert_eq!(queue.next_wake(), None);
        }
    }
}

#[test]
fn a_session_whose_account_is_out_of_sight_for_a_while_is_tried_again() {
    let now = Instant::now();
    let a = Destination::of(&"a".into());
    let mut queue = Queue::default();
    queue.ask(request("a", 1, false), now);
    assert_eq!(begin(&mut queue, now).len(), 1);
    queue.keep(|server_id| server_id != "a", false);
    let wait = queue.ended(&a, &failed(Again::Later), now, u32::MAX).unwrap();
    assert_eq!(begin(&mut queue, now + wait).len(), 1);
}

#[test]
fn a_session_of_every_hour_is_due_after_an_hour_of_suspension() {
    const HOUR: Duration = Duration::from_secs(3600);
    // A machine that was booted a day ago.
    let anchor = Anchor { instant: Instant::now(), booted: HOUR * 24 };
    let mut queue = Queue::default();
    let trigger = Trigger { server_id: "a".into(), ..Trigger::default() };
    queue.ask(SessionRequest { trigger, at: None, cause: Cause::Schedule }, anchor.instant(HOUR * 24) + HOUR);
    let circumstances =
        Circumstances { choose: &|_| Choice::Any, bearer_wait: HOUR, metered: None, has_alerts: &|_| true };
    // CLOCK_MONOTONIC stands still meanwhile: nothing but the time since the boot says so.
    assert_eq!(queue.due(anchor.instant(HOUR * 25 - Duration::from_nanos(1)), &circumstances), []);
    let due = queue.due(anchor.instant(HOUR * 25), &circumstances);
    assert!(matches!(due[..], [Step::Begin(_)]), "{due:?}");
}

/// With a link that costs, does not, or is not known.
fn metered_steps(queue: &mut Queue, now: Instant, leaves_metered: Option<bool>) -> Vec<Step> {
    let metered = MeteredCircumstances { leaves_metered: &|| leaves_metered, wait: WAIT };
    let choose = |_: &[ConnectionType]| Choice::Any;
    let (bearer_wait, metered) = (WAIT, Some(metered));
    queue.due(now, &Circumstances { choose: &choose, bearer_wait, metered, has_alerts: &|_| true })
}

#[test]
fn what_is_only_scheduled_waits_for_a_link_that_costs_nothing() {
    let now = Instant::now();
    let plain = |cause| SessionRequest::plain(&"a".into(), cause);
    for cause in [Cause::Boot, Cause::Bootstrap, Cause::Schedule] {
        let mut queue = Queue::default();
        queue.ask(plain(cause), now);
        assert!(queue.asks_for_bearer(now, true) && !queue.asks_for_bearer(now, false));
        assert_eq!(metered_steps(&mut queue, now, None), [], "nobody has looked yet");
        assert!(queue.next_wake().is_none() && queue.wants_network() && !queue.asks_for_bearer(now, true));
        queue.network_changed();
        assert_eq!(metered_steps(&mut queue, now, Some(true)), [Step::WaitMetered(plain(cause))]);
        assert_eq!(queue.next_wake(), Some(now + WAIT), "and nothing else wakes anybody");
        queue.network_changed();
        assert_eq!(metered_steps(&mut queue, now + WAIT / 2, Some(true)), [], "it is said once");
        assert_eq!(queue.next_wake(), Some(now + WAIT), "and does not take longer for it");
        queue.network_changed();
        assert_eq!(metered_steps(&mut queue, now + WAIT / 2, Some(false)), [Step::Begin(plain(cause))]);
    }
    let mut queue = Queue::default();
    queue.ask(plain(Cause::Schedule), now);
    metered_steps(&mut queue, now, Some(true));
    let [ends, begins] = metered_steps(&mut queue, now + WAIT, Some(true)).try_into().unwrap();
    assert_eq!((ends, begins), (Step::EndWait(plain(Cause::Schedule)), Step::Begin(plain(Cause::Schedule))));
}

#[test]
fn what_somebody_asks_for_goes_by_metered_links_and_a_scheduled_one_that_failed_does_not() {
    let now = Instant::now();
    let plain = |cause| SessionRequest::plain(&"a".into(), cause);
    for cause in [Cause::Notification, Cause::Unproven, Cause::Operator, Cause::Alert] {
        let mut queue = Queue::default();
        queue.ask(plain(Cause::Schedule), now);
        assert_eq!(metered_steps(&mut queue, now, Some(true)), [Step::WaitMetered(plain(Cause::Schedule))]);
        queue.ask(plain(cause), now);
        assert_eq!(metered_steps(&mut queue, now, Some(true)), [Step::Begin(plain(cause))], "{cause:?}");
        // The server has been talked to: what waits is not needed any more.
        queue.ended(&Destination::of(&"a".into()), &Outcome::Completed, now, 0);
        assert!(!queue.wants_network() && queue.next_wake().is_none(), "{cause:?}");
    }
    let mut queue = Queue::default();
    queue.ask(plain(Cause::Schedule), now);
    assert_eq!(metered_steps(&mut queue, now, Some(false)).len(), 1);
    let wait = queue.ended(&Destination::of(&"a".into()), &unreachable(), now, 0).unwrap();
    let again = metered_steps(&mut queue, now + wait, Some(true));
    assert_eq!(
        again,
        [Step::WaitMetered(plain(Cause::ScheduleRetry))],
        "the link that cost nothing has died"
    );
    queue.ask(plain(Cause::Alert), now + wait);
    assert_eq!(metered_steps(&mut queue, now + wait, Some(true)), [Step::Begin(plain(Cause::Alert))]);
}
