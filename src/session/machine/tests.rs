use serde_json::{Value as Json, json};

use super::*;

const LIMITS: SessionLimits =
    SessionLimits { retries: 2, packages: 10, alerts: usize::MAX, refuses_first: false };

fn start() -> (SessionMachine, Action) {
    SessionMachine::start(Profile::Draft, LIMITS, 7, "https://dm.example/a".into(), Package1::default())
}

fn package2(commands: Json) -> Event {
    Event::Answered(PackageAnswer {
        status: 200,
        content_type: Some("application/vnd.oma.dm.request+json".into()),
        body: json!({ "CMD": commands }).to_string().into_bytes(),
        retry_after: None,
        location: None,
    })
}

fn http(status: u16, retry_after: Option<u64>) -> Event {
    let retry_after = retry_after.map(Duration::from_secs);
    Event::Answered(PackageAnswer { status, retry_after, ..PackageAnswer::default() })
}

fn done(code: u16) -> Event {
    let status = Status { code, extra: Vec::new() };
    Event::Executed(Done { status, data: None, continue_at: None })
}

fn with_data(bytes: usize) -> Event {
    let status = Status { code: 200, extra: Vec::new() };
    Event::Executed(Done { status, data: Some(("text/plain".into(), vec![b'x'; bytes])), continue_at: None })
}

fn name(action: &Action) -> &str {
    match action {
        Action::Execute { command, .. } => command.verb.name(),
        other => panic!("not a command: {other:?}"),
    }
}

fn posted(action: &Action) -> (&str, String) {
    match action {
        Action::Post { uri, package } => (uri, String::from_utf8_lossy(&package.body).into_owned()),
        other => panic!("not a package: {other:?}"),
    }
}

fn failure(action: Action) -> (SessionFailure, Again) {
    match action {
        Action::Finish(Outcome::Failed { failure, again }) => (failure, again),
        other => panic!("not a failure: {other:?}"),
    }
}

#[test]
fn commands_run_one_by_one_and_package3_answers_in_their_order() {
    let (mut machine, action) = start();
    assert_eq!(posted(&action), ("https://dm.example/a", "{}".to_owned()));
    let action = machine.handle(package2(json!([["GET", "a"], ["EXEC", "b"]])), 0);
    assert_eq!(name(&action), "GET");
    let action = machine.handle(done(404), 0);
    assert_eq!(name(&action), "EXEC");
    assert_eq!(machine.handle(done(1201), 0), Action::Gather { most: usize::MAX });
    let action = machine.handle(Event::Gathered(Vec::new()), 0);
    let (_, body) = posted(&action);
    assert_eq!(serde_json::from_str::<Json>(&body).unwrap(), json!({ "Status": [[404], [1201]] }));
    let _ = machine.handle(http(204, None), 0);
    assert_eq!(machine.handle(Event::Delivered, 0), Action::Finish(Outcome::Completed));
}

#[test]
fn end_runs_what_stands_before_and_after_it_and_sends_nothing() {
    let (mut machine, _) = start();
    let action = machine.handle(package2(json!([["END"], ["EXEC", "b"]])), 0);
    assert_eq!(name(&action), "END");
    assert_eq!(name(&machine.handle(done(200), 0)), "EXEC");
    assert_eq!(machine.handle(done(200), 0), Action::Finish(Outcome::Completed));
}

#[test]
fn an_end_with_parameters_is_no_end() {
    let (mut machine, _) = start();
    let _ = machine.handle(package2(json!([["END", "x"]])), 0);
    assert_eq!(machine.handle(done(400), 0), Action::Gather { most: usize::MAX });
}

#[test]
fn the_last_cont_rules_from_package3_on_and_for_its_retries() {
    let (mut machine, _) = start();
    let _ = machine.handle(package2(json!([["CONT", "x"], ["CONT", "y"], ["GET", "a"]])), 0);
    let cont = |uri: &str| {
        let status = Status { code: 200, extra: Vec::new() };
        Event::Executed(Done { status, data: None, continue_at: Some(uri.into()) })
    };
    let _ = machine.handle(cont("https://x.example/"), 0);
    let _ = machine.handle(cont("https://y.example/"), 0);
    let _ = machine.handle(done(200), 0);
    let sent = machine.handle(Event::Gathered(Vec::new()), 0);
    assert_eq!(posted(&sent).0, "https://y.example/");
    let _ = machine.handle(http(503, None), 0);
    assert_eq!(machine.handle(Event::Waited, 0), sent);
    let _ = machine.handle(package2(json!([["GET", "a"]])), 0);
    let _ = machine.handle(done(200), 0);
    let action = machine.handle(Event::Gathered(Vec::new()), 0);
    assert_eq!(posted(&action).0, "https://y.example/", "and for all that follow");
}

#[test]
fn a_lost_answer_sends_the_same_package_again_and_executes_nothing_twice() {
    let (mut machine, _) = start();
    let _ = machine.handle(package2(json!([["EXEC", "b"]])), 0);
    let _ = machine.handle(done(200), 0);
    let sent = machine.handle(Event::Gathered(Vec::new()), 0);
    let lost = || Event::Undelivered { why: "connection lost".into(), remedy: Remedy::Retry };
    assert_eq!(machine.handle(lost(), u32::MAX), Action::Wait(Duration::from_millis(999)));
    assert_eq!(machine.handle(Event::Waited, 0), sent);
    assert_eq!(machine.handle(lost(), u32::MAX), Action::Wait(Duration::from_millis(1_999)));
    assert_eq!(machine.handle(Event::Waited, 0), sent);
    let (failure, again) = failure(machine.handle(lost(), 0));
    assert_eq!(failure, SessionFailure::Unreachable { attempts: 3, why: "connection lost".into() });
    assert_eq!(again, Again::Later);
}

#[test]
fn a_delivered_package_gives_the_next_one_all_its_retries() {
    let (mut machine, _) = start();
    let _ = machine.handle(http(503, None), 0);
    let _ = machine.handle(Event::Waited, 0);
    let _ = machine.handle(package2(json!([])), 0);
    let _ = machine.handle(Event::Gathered(Vec::new()), 0);
    for _ in 0..2 {
        assert!(matches!(machine.handle(http(503, None), 0), Action::Wait(_)));
        let _ = machine.handle(Event::Waited, 0);
    }
    assert!(matches!(machine.handle(http(503, None), 0), Action::Finish(_)));
}

#[test]
fn a_server_that_says_it_is_not_available_is_reached_all_the_same() {
    for status in [408, 429, 500, 503, 200] {
        let (mut machine, _) = start();
        let mut action = machine.handle(http(status, None), 0);
        while let Action::Wait(_) = action {
            let _ = machine.handle(Event::Waited, 0);
            action = machine.handle(http(status, None), 0);
        }
        let (failure, again) = failure(action);
        assert!(matches!(failure, SessionFailure::Unavailable { .. }), "{status}: {failure:?}");
        assert!(!failure.is_of_the_way() && again == Again::Later, "{status}");
    }
}

#[test]
fn retry_after_is_waited_for_or_left_to_another_session() {
    let (mut machine, _) = start();
    let action = machine.handle(http(503, Some(20)), 0);
    assert_eq!(action, Action::Wait(Duration::from_secs(20)));
    let _ = machine.handle(Event::Waited, 0);
    let (_, again) = failure(machine.handle(http(429, Some(7200)), 0));
    assert_eq!(again, Again::After(Duration::from_secs(7200)));
}

#[test]
fn other_statuses_end_the_session_for_good() {
    for status in [301, 307, 400, 401, 403, 404, 413, 415] {
        let (mut machine, _) = start();
        assert_eq!(
            failure(machine.handle(http(status, None), 0)),
            (SessionFailure::Http(status), Again::Never)
        );
    }
    let (mut machine, _) = start();
    let location = Some("https://portal.example/".to_owned());
    let moved = PackageAnswer { status: 302, location, ..PackageAnswer::default() };
    let (why, again) = failure(machine.handle(Event::Answered(moved), 0));
    assert!(why.to_string().contains("302: go to https://portal.example/; that is not done"), "{why}");
    assert_eq!(again, Again::Never);
}

#[test]
fn the_approved_profile_leaves_to_the_schedule_what_the_draft_retries() {
    for status in [200, 408, 429, 500, 503, 599] {
        let uri = "https://dm.example/".to_owned();
        let (mut machine, _) = SessionMachine::start(Profile::Approved, LIMITS, 7, uri, Package1::default());
        let (why, again) = failure(machine.handle(http(status, None), 0));
        let empty = SessionFailure::Package("there is none: HTTP status 200 without a body".to_owned());
        assert_eq!(
            (why, again),
            (if status == 200 { empty } else { SessionFailure::Http(status) }, Again::Later)
        );
        let (mut machine, _) = start();
        assert!(matches!(machine.handle(http(status, None), 0), Action::Wait(_)), "{status}");
    }
}

#[test]
fn a_package2_that_cannot_be_read_executes_nothing() {
    for (content_type, body) in [
        ("application/vnd.oma.dm.request+json", "nonsense"),
        ("application/vnd.oma.dm.request+json", "{}"),
        ("application/vnd.oma.dm.request+json", r#"{"CMD":[["GET","a"]],"Cmd":[["GET","a"]]}"#),
        ("text/html", r#"{"CMD":[["EXEC","a"]]}"#),
    ] {
        let (mut machine, _) = start();
        let content_type = Some(content_type.to_owned());
        let answer = PackageAnswer {
            status: 200,
            content_type,
            body: body.as_bytes().to_vec(),
            ..PackageAnswer::default()
        };
        let (failure, again) = failure(machine.handle(Event::Answered(answer), 0));
        assert!(matches!(failure, SessionFailure::Package(_)), "{body}: {failure}");
        assert_eq!(again, Again::Never);
    }
}

#[test]
fn an_empty_command_array_is_answered_and_no_content_ends() {
    let (mut machine, _) = start();
    assert_eq!(machine.handle(package2(json!([])), 0), Action::Gather { most: usize::MAX });
    let action = machine.handle(Event::Gathered(Vec::new()), 0);
    assert_eq!(posted(&action).1, r#"{"Status":[]}"#);
    assert_eq!(machine.handle(http(204, None), 0), Action::Finish(Outcome::Completed));
}

#[test]
fn any_2xx_with_a_body_is_a_package2_but_204() {
    for status in [200, 201, 202, 206, 299] {
        let (mut machine, _) = start();
        let Event::Answered(answer) = package2(json!([["GET", "a"]])) else { panic!("no answer") };
        assert_eq!(
            name(&machine.handle(Event::Answered(PackageAnswer { status, ..answer }), 0)),
            "GET",
            "{status}"
        );
        let (mut machine, _) = start();
        assert!(matches!(machine.handle(http(status, None), 0), Action::Wait(_)), "{status} without a body");
    }
}

#[test]
fn a_server_that_never_ends_is_ended() {
    let (mut machine, _) = start();
    for _ in 1..LIMITS.packages {
        let _ = machine.handle(package2(json!([])), 0);
        assert!(matches!(machine.handle(Event::Gathered(Vec::new()), 0), Action::Post { .. }));
    }
    let _ = machine.handle(package2(json!([])), 0);
    let ended = failure(machine.handle(Event::Gathered(Vec::new()), 0));
    assert_eq!(ended, (SessionFailure::Endless(LIMITS.packages), Again::Never));
}

#[test]
fn a_get_that_is_refused_has_its_status_and_no_part() {
    let (mut machine, _) = start();
    let _ = machine.handle(package2(json!([["GET", "a"], ["GET", "b"], ["GET", "c"]])), 0);
    let _ = machine.handle(with_data(9), 0);
    let status = Status { code: 503, extra: Vec::new() };
    let _ = machine.handle(Event::Executed(Done { status, data: None, continue_at: None }), 0);
    let _ = machine.handle(with_data(1), 0);
    let action = machine.handle(Event::Gathered(Vec::new()), 0);
    let (_, body) = posted(&action);
    assert!(body.contains("[[200],[503],[200]]"), "the one that does not fit is refused");
    assert!(body.contains("name=\"1\"") && body.contains("name=\"3\"") && !body.contains("name=\"2\""));
}

fn alert() -> Alert {
    Alert {
        alert_type: "urn:x".into(),
        mime_type: None,
        source_uri: None,
        target_uri: None,
        mark: None,
        data: None,
    }
}

fn with_results(results: Json) -> Event {
    let body = json!({ "CMD": [["GET", "a"]], "Results": results }).to_string().into_bytes();
    Event::Answered(PackageAnswer {
        status: 200,
        content_type: Some("application/vnd.oma.dm.request+json".into()),
        body,
        retry_after: None,
        location: None,
    })
}

#[test]
fn alerts_are_delivered_when_their_package_was_answered_and_as_the_server_says() {
    let package1 = Package1 { alerts: vec![alert(), alert()], ..Package1::default() };
    let start =
        |profile| SessionMachine::start(profile, LIMITS, 7, "https://dm.example/".into(), package1.clone()).0;
    let mut machine = start(Profile::Draft);
    let action = machine.handle(with_results(json!([{ "Code": 200 }, { "Code": 415 }])), 0);
    assert_eq!(action, Action::Deliver { results: vec![200, 415], carried: 2, undeliverable: false });
    assert_eq!(name(&machine.handle(Event::Delivered, 0)), "GET", "and then the commands");
    let _ = machine.handle(done(200), 0);
    let _ = machine.handle(Event::Gathered(Vec::new()), 0);
    assert_eq!(
        name(&machine.handle(with_results(json!([415])), 0)),
        "GET",
        "nothing was sent that it could mean"
    );

    let mut machine = start(Profile::Approved);
    let delivered = || Action::Deliver { results: vec![], carried: 2, undeliverable: false };
    assert_eq!(machine.handle(with_results(json!([415])), 0), delivered());

    let mut machine = start(Profile::Draft);
    assert_eq!(machine.handle(http(204, None), 0), delivered());
    assert_eq!(machine.handle(Event::Delivered, 0), Action::Finish(Outcome::Completed));
}

#[test]
fn what_only_looks_like_an_answer_delivers_nothing() {
    let package1 = Package1 { alerts: vec![alert()], ..Package1::default() };
    for event in [
        http(503, None),
        http(404, None),
        Event::Undelivered { why: "gone".into(), remedy: Remedy::Later },
        // As a hotspot's login page.
        Event::Answered(PackageAnswer {
            status: 200,
            content_type: Some("text/html".into()),
            body: b"<html>".to_vec(),
            retry_after: None,
            location: None,
        }),
    ] {
        let (mut machine, _) =
            SessionMachine::start(Profile::Draft, LIMITS, 7, "https://dm.example/".into(), package1.clone());
        let action = machine.handle(event.clone(), 0);
        assert!(
            matches!(action, Action::Wait(_) | Action::Finish(Outcome::Failed { .. })),
            "{event:?}: {action:?}"
        );
    }
}

#[test]
fn statuses_of_execs_count_as_told_when_their_package_was_answered() {
    let (mut machine, _) = start();
    let _ = machine.handle(package2(json!([["EXEC", "b"]])), 0);
    let _ = machine.handle(done(200), 0);
    let _ = machine.handle(Event::Gathered(Vec::new()), 0);
    let _ = machine.handle(http(503, None), 0);
    let _ = machine.handle(Event::Waited, 0);
    let told = Action::Deliver { results: vec![], carried: 0, undeliverable: false };
    assert_eq!(machine.handle(http(204, None), 0), told);
}

#[test]
fn what_cannot_be_delivered_ends_the_session_and_says_whether_another_helps() {
    for (remedy, expected) in [(Remedy::Later, Again::Later), (Remedy::None, Again::Never)] {
        let (mut machine, _) = start();
        let action = machine.handle(Event::Undelivered { why: "no".into(), remedy }, 0);
        assert_eq!(failure(action), (SessionFailure::Transport("no".into()), expected));
    }
}

/// How many alerts a package has.
fn carried(action: &Action) -> usize {
    let (_, body) = posted(action);
    body.matches("urn:x").count()
}

#[test]
fn a_package_that_is_refused_for_its_alerts_is_sent_with_half_of_them_and_at_last_with_none() {
    for status in [400, 413] {
        let package1 = Package1 { alerts: vec![alert(); 5], ..Package1::default() };
        let (mut machine, mut action) =
            SessionMachine::start(Profile::Draft, LIMITS, 7, "https://dm.example/".into(), package1);
        for expected in [5, 2, 1] {
            assert_eq!(carried(&action), expected);
            action = machine.handle(http(status, None), 0);
        }
        assert_eq!(carried(&action), 0);
        let Action::Deliver { carried: 0, undeliverable: true, .. } = machine.handle(package2(json!([])), 0)
        else {
            panic!("the one that alone was refused is told to be undeliverable")
        };
        assert_eq!(machine.handle(Event::Delivered, 0), Action::Gather { most: 1 });
        let action = machine.handle(Event::Gathered(vec![alert()]), 0);
        assert_eq!(carried(&action), 1, "and the next one has its turn");
        let action = machine.handle(http(status, None), 0);
        assert_eq!(posted(&action).1, r#"{"Status":[]}"#, "Package#3 likewise");
        assert_eq!(
            failure(machine.handle(http(status, None), 0)),
            (SessionFailure::Http(status), Again::Never)
        );
    }
    let package1 = Package1 { alerts: vec![alert(); 5], ..Package1::default() };
    let (mut machine, _) =
        SessionMachine::start(Profile::Draft, LIMITS, 7, "https://dm.example/".into(), package1);
    let _ = machine.handle(http(413, None), 0);
    let delivered = Action::Deliver { results: vec![], carried: 2, undeliverable: false };
    assert_eq!(machine.handle(package2(json!([])), 0), delivered);
    assert_eq!(machine.handle(Event::Delivered, 0), Action::Gather { most: 2 });
}

/// The approved enabler breaks a session off whose package is refused.
#[test]
fn in_the_approved_profile_it_is_the_next_session_that_has_half_of_the_alerts() {
    let session = |limits, alerts| {
        let package1 = Package1 { alerts: vec![alert(); alerts], ..Package1::default() };
        SessionMachine::start(Profile::Approved, limits, 7, "https://dm.example/".into(), package1)
    };
    for status in [400, 413] {
        let mut limits = LIMITS;
        for (waiting, most) in [(5, 2), (2, 1), (1, 0)] {
            let (mut machine, action) = session(limits, waiting);
            assert_eq!(carried(&action), waiting);
            let refused = failure(machine.handle(http(status, None), 0));
            assert_eq!(refused, (SessionFailure::RefusedAlerts { status, most }, Again::Later));
            (limits.alerts, limits.refuses_first) = machine.alert_bound();
            assert_eq!((limits.alerts, limits.refuses_first), (most.max(1), most == 0));
        }
        let (mut machine, action) = session(limits, 1);
        assert_eq!(carried(&action), 0);
        let told = Action::Deliver { results: vec![], carried: 0, undeliverable: true };
        assert_eq!(machine.handle(http(204, None), 0), told, "the one that alone was refused is to blame");
        assert!(!machine.alert_bound().1);
        let (mut machine, _) = session(limits, 1);
        let refused = failure(machine.handle(http(status, None), 0));
        assert_eq!(refused, (SessionFailure::Http(status), Again::Never), "none is to blame");
        assert_eq!(machine.alert_bound(), (usize::MAX, false));
        let (machine, _) = session(limits, 0);
        assert!(!machine.alert_bound().1, "it waits no more");
    }
}

#[test]
fn without_alerts_a_refusal_is_final_and_where_nothing_helps_no_alert_is_to_blame() {
    let package1 = Package1 { alerts: vec![alert()], ..Package1::default() };
    let (mut machine, _) =
        SessionMachine::start(Profile::Draft, LIMITS, 7, "https://dm.example/".into(), package1.clone());
    let _ = machine.handle(http(400, None), 0);
    assert_eq!(failure(machine.handle(http(400, None), 0)), (SessionFailure::Http(400), Again::Never));
    let (mut machine, _) =
        SessionMachine::start(Profile::Draft, LIMITS, 7, "https://dm.example/".into(), package1);
    assert_eq!(failure(machine.handle(http(403, None), 0)), (SessionFailure::Http(403), Again::Never));
}
