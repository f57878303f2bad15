//! `run`, `exec`.

use super::*;

#[tokio::test]
async fn a_script_gets_the_documented_environment_and_no_more() {
    let environment = "/usr/bin/env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= | sort; pwd";
    let expected = |sysroot: &str| {
        text(&format!(
            "OMADM_CLIENT_URI=urn:x/1/Leaf\nOMADM_MIID=1\nOMADM_MOID=urn:x\nOMADM_SERVER_ID=acme\n{sysroot}\
             PATH=/usr/sbin:/usr/bin:/sbin:/bin\n/"
        ))
    };
    let bench = Bench::new();
    let sysroot = format!("OMADM_SYSROOT={}\n", bench.machine.sysroot.display());
    assert_eq!(bench.run(environment).await.unwrap(), expected(&sysroot));
    assert_eq!(Bench::real().run(environment).await.unwrap(), expected(""));
}

#[tokio::test]
async fn a_script_gets_the_listed_leaves_as_json() {
    let mut bench = Bench::new();
    bench.given =
        vec![Given::of("PkgURL", Value::Text("https://x/\"".into())), Given::of("N", Value::Int(3))];
    assert_eq!(bench.run("cat").await.unwrap(), text(r#"{"PkgURL":"https://x/\"","N":3}"#));
    // One that doesn't read it, and ends while we still write, is fine.
    bench.given = vec![Given::of("Big", Value::Text("x".repeat(60_000)))];
    assert_eq!(bench.run("exec <&-; echo done").await.unwrap(), text("done"));
    bench.given = vec![Given::of("Big", Value::Text("x".repeat(run::MAX_STDIN)))];
    assert!(matches!(bench.run("cat").await, Err(BackendError::TooLarge { .. })));
}

#[tokio::test]
async fn scripts_that_fail_say_how() {
    let bench = Bench::new();
    assert!(bench.run("echo no; exit 3").await.unwrap_err().to_string().ends_with("/bin/sh: exit code 3"));
    assert!(bench.run("kill -9 $$").await.unwrap_err().to_string().ends_with("ended by signal 9"));
    let error = bench.run("head -c 2000000 /dev/zero").await.unwrap_err();
    assert!(matches!(error, BackendError::TooLarge { limit: MAX_INPUT, .. }), "{error}");
    for program in ["sh", "/nonexistent/script"] {
        let get = vec![source(SourceKind::Run(vec![literal(program)]))];
        assert!(matches!(bench.read(get, Format::Chr).await, Err(BackendError::Program { .. })));
    }
}

#[tokio::test]
async fn braces_reach_scripts_as_one_argument() {
    let mut bench = Bench::new();
    bench.names = vec![("p".into(), "a b; $(id) '\"*".into())];
    let mut argv = shell("printf '%s|' \"$@\"");
    argv.push(Template(vec![Piece::Variable("p".into())]));
    let answer = bench.read(vec![source(SourceKind::Run(argv))], Format::Chr).await.unwrap();
    assert_eq!(answer, text("a b; $(id) '\"*|"));
}

async fn gone(pid: i32) -> bool {
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(5) {
        // A zombie of this process' orphans counts as gone as well.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH) || stat.contains(") Z ") {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

async fn pid_in(path: &Path) -> i32 {
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(5) {
        if let Ok(pid) = fs::read_to_string(path).unwrap_or_default().trim().parse() {
            return pid;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} was never written", path.display());
}

#[tokio::test]
async fn a_time_limit_ends_the_whole_group() {
    let bench = Bench::new();
    let pid = bench.path("pid");
    let script = format!("trap '' TERM\nsleep 600 &\necho $! > {}\nwait", pid.display());
    let mut running = bench.start(&script, Duration::from_millis(300)).await;
    let sleeper = pid_in(&pid).await;
    assert_eq!(running.finish().await.end, End::Timeout);
    assert!(gone(sleeper).await, "the child of a script that ignores TERM lives");
}

#[tokio::test]
async fn what_a_script_leaves_behind_does_not_hold_it_open() {
    let bench = Bench::new();
    let pid = bench.path("pid");
    let mut running =
        bench.start(&format!("sleep 600 &\necho $! > {}", pid.display()), Duration::from_secs(60)).await;
    let since = Instant::now();
    assert!(running.finish().await.success());
    assert!(since.elapsed() < Duration::from_secs(10), "waited for the pipe's other holder");
    assert!(gone(pid_in(&pid).await).await);
}

#[tokio::test]
async fn dropping_kills_and_giving_up_does_not() {
    let bench = Bench::new();
    let pid = bench.path("pid");
    let mut running =
        bench.start(&format!("echo $$ > {}\nsleep 600", pid.display()), Duration::from_secs(600)).await;
    let leader = pid_in(&pid).await;
    tokio::time::timeout(Duration::from_millis(50), running.finish()).await.unwrap_err();
    assert!(kill(Pid::from_raw(leader), None).is_ok(), "giving up waiting ended it");
    drop(running);
    assert!(gone(leader).await);
}

#[tokio::test]
async fn exec_codes() {
    let bench = Bench::new();
    let program = Program { argv: shell("exit 75"), user: "omadm".into(), timeout: Duration::from_secs(60) };
    let exec = Exec {
        call: Call::Run(program),
        codes: vec![(75, 1503)],
        after_session: false,
        alert_type: String::new(),
        alert: None,
        resume: false,
        output: Vec::new(),
        result: None,
        window: None,
        veto: false,
    };
    let exit = start(&exec, &bench.context()).await.unwrap().finish().await;
    assert_eq!((exit.success(), exit.mapped(&exec.codes)), (false, Some(1503)));
    let bus = Call::Bus {
        object: "o".into(),
        member: "m".into(),
        method: true,
        args: Vec::new(),
        timeout: Duration::from_secs(60),
        privileged: false,
    };
    let error = start(&Exec { call: bus, ..exec.clone() }, &bench.context()).await.unwrap_err();
    assert_eq!(error.to_string(), "o: no such object in the mapping");
    let trigger = bench.path("trigger");
    let file = Call::File { path: literal("/trigger"), setting: None, privileged: false };
    assert!(start(&Exec { call: file, ..exec }, &bench.context()).await.unwrap().finish().await.success());
    assert_eq!(fs::read_to_string(trigger).unwrap(), "1\n");
}

#[tokio::test]
async fn whoever_waits_for_a_program_of_days_does_not_stand_still() {
    const LIMIT: Duration = Duration::from_secs(10 * 24 * 3600);
    let mut running = Bench::real().start("sleep 3600", LIMIT).await;
    let (sender, ended) = tokio::sync::oneshot::channel();
    // From here on, days pass in no time.
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let waiting = async move {
        let _ = sender.send((running.finish().await.end, begun.elapsed()));
    };
    assert_eq!(crate::base::heartbeat::tests::standstill(waiting).await, None);
    let (end, took) = ended.await.unwrap();
    assert_eq!(end, End::Timeout);
    assert!(took >= LIMIT, "{took:?}");
}
