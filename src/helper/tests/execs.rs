//! EXECs: programs that misbehave, requesters that go.

use super::*;

fn exec(input: Json) -> Json {
    json!([{ "op": "exec", "node": "Do", "input": input, "miid": "1" }])
}

impl Bench {
    async fn end(&self, script: &str) -> (Vec<HelperReply>, Json) {
        self.script("bin/do", script);
        let id = format!("e-{}", unique());
        let replies = self.replies(&self.request(&id, exec(json!({})))).await;
        let last = replies.last().unwrap().clone();
        assert_eq!(last.code, Some(200), "{last:?}");
        let left: Json = serde_json::from_str(&self.text(&format!("run/results/{id}"))).unwrap();
        assert_eq!(last.value.as_ref(), Some(&left), "what is told is what is left");
        (replies, left)
    }
}

#[tokio::test]
async fn an_exec_is_told_what_it_is_and_tells_how_it_ends() {
    let bench = Bench::new();
    let script = "read input; printf '%s %s %s %s ' \"$OMADM_SERVER_ID\" \"$OMADM_CLIENT_URI\" \"$OMADM_MIID\" \"$input\"; env | wc -l; exit 3";
    bench.script("bin/do", script);
    let replies = bench.replies(&bench.request("a", exec(json!({ "PkgURL": "https://x" })))).await;
    assert!(replies[0].taken && replies[0].code.is_none());
    let value = replies[1].value.clone().unwrap();
    assert_eq!(value["exit"], 3);
    let said = base64(&value["stdout"]);
    assert!(said.starts_with(r#"acme urn:x-test:mo:gate:1.0/1/Do 1 {"PkgURL":"https://x"} "#), "{said}");
    let mode = fs::metadata(bench.path("run/results/a")).unwrap();
    assert_eq!(mode.mode() & 0o777, 0o640);
    assert_eq!((mode.uid(), mode.gid()), (0, AGENT.1));
}

fn base64(value: &Json) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn input_is_what_the_mapping_lists_and_what_its_leaves_may_have() {
    let bench = Bench::new();
    bench.script("bin/do", "true");
    for (input, code) in [
        (json!({ "PkgURL": "123456789012345678901" }), 406),
        (json!({ "Level": 3 }), 406),
        (json!({ "PkgURL": { "a": "b" } }), 406),
        (json!({ "PkgURL": "fine" }), 200),
    ] {
        let replies = bench.replies(&bench.request(&format!("i-{}", unique()), exec(input.clone()))).await;
        assert_eq!(replies[1].code, Some(code), "{input}");
    }
}

#[tokio::test]
async fn one_that_ignores_term_is_killed_at_its_limit() {
    let (_, end) = Bench::new().end("trap '' TERM; while :; do sleep 1; done").await;
    assert_eq!(end["timeout"], true);
}

#[tokio::test]
async fn one_that_forks_and_prints_without_end_and_closes_its_descriptors_comes_to_its_end() {
    let bench = Bench::new();
    let (_, end) = bench.end("head -c 3000000 /dev/zero | tr '\\0' x; exit 4").await;
    assert_eq!((&end["exit"], &end["truncated"]), (&json!(4), &json!(true)));
    let (_, end) = bench.end("exec <&- >&- 2>&- 3>&-; sleep 0.2; exit 5").await;
    assert_eq!(end["exit"], 5);
    let (_, end) = bench.end("sleep 60 & exit 6").await;
    assert_eq!(end["exit"], 6);
    // Of a session of its own, ignoring TERM, with all that its parent had open.
    let (_, end) = bench.end("setsid sh -c \"trap '' TERM; sleep 3\" & exit 7").await;
    assert_eq!(end["exit"], 7);
    let (_, end) = bench.end("for i in 1 2 3 4 5 6 7 8; do (sleep 0.1; sleep 3) & done; exit 8").await;
    assert_eq!(end["exit"], 8);
    let (_, end) = bench.end("kill -9 $$").await;
    assert_eq!(end["signal"], 9);
}

#[tokio::test]
async fn progress_is_told_while_it_runs_at_most_ten_times_a_second_and_checked() {
    let bench = Bench::new();
    let script = "i=0; while [ $i -lt 100 ]; do echo \"{\\\"State\\\": $i}\" >&3; i=$((i+1)); done; sleep 0.3; \
                  echo '{\"State\": 5000}' >&3; echo '{\"Level\": 1}' >&3; echo 'no' >&3; sleep 0.3; echo '{\"State\": 90}' >&3";
    let (replies, end) = bench.end(script).await;
    let frames: Vec<i64> = replies
        .iter()
        .filter(|reply| reply.code.is_none() && !reply.taken)
        .map(|reply| reply.output["State"].as_i64().unwrap())
        .collect();
    assert!((1..=9).contains(&frames.len()), "{frames:?}");
    assert!(frames.iter().all(|state| *state <= 100), "{frames:?}");
    assert_eq!(frames.last(), Some(&90));
    assert_eq!(end["output"], json!({ "State": 90 }));
}

#[tokio::test]
async fn a_script_that_somebody_else_may_write_is_not_run() {
    let bench = Bench::new();
    bench.script("bin/do", &format!("touch {}", bench.path("done").display()));
    let run =
        async || bench.replies(&bench.request(&format!("s-{}", unique()), exec(json!({})))).await[1].code;
    for name in ["bin/do", "bin"] {
        let before = fs::metadata(bench.path(name)).unwrap().mode();
        fs::set_permissions(bench.path(name), Permissions::from_mode(before | 0o020)).unwrap();
        assert_eq!(run().await, Some(403), "{name}");
        fs::set_permissions(bench.path(name), Permissions::from_mode(before)).unwrap();
    }
    chown(bench.path("bin/do"), Some(AGENT.0), None).unwrap();
    assert_eq!(run().await, Some(403));
    fs::remove_file(bench.path("bin/do")).unwrap();
    assert_eq!(run().await, Some(404));
    assert!(!bench.path("done").exists());
}

#[tokio::test]
async fn it_outlives_its_requester_and_is_never_done_twice() {
    let bench = Bench::new();
    let done = bench.path("done");
    bench.script("bin/do", &format!("sleep 0.5; echo x >> {}; exit 7", done.display()));
    let request = bench.request("gone-1", exec(json!({})));
    let (mut stream, helper) = bench.helper();
    stream.write_all(&frame(&request).unwrap()).await.unwrap();
    let result = bench.path("run/results/gone-1");
    assert!(next(&mut stream).await.unwrap().taken);
    drop(stream);
    assert_eq!(fs::read(&result).unwrap(), b"", "it runs");
    assert!(fs::File::open(&result).unwrap().try_lock_shared().is_err(), "whoever looks sees that");
    helper.await.unwrap().unwrap();
    let end: Json = serde_json::from_str(&bench.text("run/results/gone-1")).unwrap();
    assert_eq!(end["exit"], 7);
    assert!(fs::File::open(&result).unwrap().try_lock_shared().is_ok());
    let again = bench.replies(&request).await;
    assert_eq!((again[0].code, again[0].taken), (Some(400), false));
    assert_eq!(fs::read_to_string(done).unwrap(), "x\n");
}

#[tokio::test]
async fn a_veto_counts_here_as_well() {
    let bench = Bench::new();
    bench.script("bin/do", &format!("touch {}", bench.path("done").display()));
    let ops = json!([{ "op": "exec", "node": "Vetoed" }]);
    let run = async || bench.replies(&bench.request(&format!("v-{}", unique()), ops.clone())).await[1].code;
    bench.script("etc/veto.d/10-first", "exit 75");
    assert_eq!(run().await, Some(503));
    bench.script("etc/veto.d/10-first", "exit 1");
    assert_eq!(run().await, Some(403));
    assert!(!bench.path("done").exists());
    bench.script("etc/veto.d/10-first", "exit 0");
    assert_eq!(run().await, Some(200));
    assert!(bench.path("done").exists());
}

#[tokio::test]
async fn what_its_requester_has_given_up_does_not_begin_and_what_is_refused_says_so_to_whoever_collects() {
    let bench = Bench::new();
    bench.script("bin/do", &format!("touch {}", bench.path("done").display()));
    let (mut stream, helper) = bench.helper();
    stream.write_all(&frame(&bench.request("up-1", exec(json!({})))).unwrap()).await.unwrap();
    // It has not been read yet.
    drop(stream);
    helper.await.unwrap().unwrap();
    let left = |id: &str| serde_json::from_str::<Json>(&bench.text(&format!("run/results/{id}"))).unwrap();
    assert_eq!(left("up-1")["code"], 503);
    let refused = [
        ("up-2", json!([{ "op": "exec", "node": "Level" }]), 403),
        ("up-3", json!([{ "op": "exec", "node": "Nowhere" }]), 404),
        ("up-4", json!([{ "op": "exec", "node": "Do", "resumed": true }]), 403),
    ];
    for (id, ops, code) in refused {
        let replies = bench.replies(&bench.request(id, ops)).await;
        assert!(replies[0].taken);
        assert_eq!((replies[1].code, &left(id)["code"]), (Some(code), &json!(code)), "{id}");
    }
    let mut stale = bench.request("up-5", exec(json!({})));
    stale["sha256"] = "00".into();
    assert_eq!(bench.replies(&stale).await[1].code, Some(409));
    assert_eq!(left("up-5")["code"], 409);
    assert!(!bench.path("done").exists());
}

#[tokio::test]
async fn what_decides_is_never_run_as_the_agent() {
    let bench = Bench::new();
    let log = bench.path("as");
    bench.script("stage", &format!("echo \"$2 ${{4##*/}}\" >> {}; shift 3; exec \"$@\"", log.display()));
    bench.script("bin/do", "true");
    bench.script("bin/names", "echo eth0");
    bench.script("bin/most", "echo 1500");
    bench.script("etc/veto.d/10-first", "exit 0");
    let ops = json!([{ "op": "exec", "node": "Vetoed" }]);
    assert_eq!(bench.replies(&bench.request("who", ops)).await[1].code, Some(200));
    let mtu = |value: i64| json!({ "op": "set", "node": "Named/<if>/Mtu", "vars": { "if": "eth0" }, "value": value });
    assert_eq!(bench.one(mtu(1400)).await.0, 200);
    bench.refused(mtu(1501), 406, "outside of a limit").await;
    let ran = bench.text("as");
    let ran: Vec<&str> = ran.lines().collect();
    let (names, most) = ("omadm-run names", "omadm-run most");
    assert_eq!(ran, ["omadm-run 10-first", "omadm do", names, most, names, most]);
}

#[tokio::test]
async fn names_in_input_are_names_as_deep_as_the_path_and_its_values_are_within_limits() {
    let bench = Bench::new();
    bench.script("bin/do", "read input; echo \"$input\"");
    bench.write("data/most", "120\n");
    let run = async |input: Json| {
        let ops = json!([{ "op": "exec", "node": "Count", "input": { "Users/*/Age": input } }]);
        bench.replies(&bench.request(&format!("n-{}", unique()), ops)).await[1].clone()
    };
    assert_eq!(run(json!({ "ann": 30, "bob": 31 })).await.code, Some(200));
    let (long, deep) = ("x".repeat(256), json!({ "ann": { "bob": 1 } }));
    let odd =
        [json!({ "": 1 }), json!({ "a\nb": 1 }), json!({ long: 1 }), deep, json!(5), json!({ "ann": 121 })];
    for odd in odd {
        let reply = run(odd.clone()).await;
        assert_eq!(reply.code, Some(406), "{odd}: {reply:?}");
    }
}

#[tokio::test]
async fn names_in_input_are_those_of_the_list_where_there_is_one() {
    let bench = Bench::new();
    bench.script("bin/do", "read input; echo \"$input\"");
    bench.script("bin/most", "echo 9000");
    let run = async |name: &str| {
        let ops = json!([{ "op": "exec", "node": "Resize", "input": { "Links/*/Mtu": { "eth0": 1400, name: 1400 } } }]);
        bench.replies(&bench.request(&format!("l-{}", unique()), ops)).await[1].clone()
    };
    assert_eq!(run("eth1").await.code, Some(200));
    let reply = run("eth2").await;
    assert_eq!(reply.code, Some(404), "{reply:?}");
}

#[tokio::test]
async fn a_report_is_within_a_limit_that_has_to_be_read() {
    let bench = Bench::new();
    bench.write("data/most", "50\n");
    let script = "echo '{\"Limited\": 51}' >&3; sleep 0.3; echo '{\"Limited\": 50}' >&3; sleep 0.3; \
                  echo '{\"Limited\": 52}' >&3";
    bench.script("bin/do", script);
    let ops = json!([{ "op": "exec", "node": "Tells" }]);
    let replies = bench.replies(&bench.request("tells", ops)).await;
    let told: Vec<_> = replies.iter().filter(|reply| !reply.output.is_empty()).collect();
    assert_eq!(told.len(), 1, "{replies:?}");
    assert_eq!(told[0].output["Limited"], 50);
    assert_eq!(replies.last().unwrap().value.as_ref().unwrap()["output"], json!({ "Limited": 50 }));
}

#[tokio::test]
async fn an_instance_is_one_that_there_may_be() {
    let bench = Bench::new();
    bench.script("bin/do", "true");
    for (miid, code) in [("1", 200), ("2", 406), ("", 200), ("../1", 406)] {
        let ops = json!([{ "op": "exec", "node": "Do", "miid": miid }]);
        let replies = bench.replies(&bench.request(&format!("m-{}", unique()), ops)).await;
        assert_eq!(replies[1].code, Some(code), "{miid:?}");
    }
}

#[tokio::test]
async fn results_are_bounded_in_bytes_and_the_oldest_go_first_whoever_locks_them() {
    let bench = Bench::new();
    bench.script("bin/do", "true");
    fs::create_dir_all(bench.path("run/results")).unwrap();
    let whole = format!("{{\"exit\":0,\"stdout\":\"{}\"}}", "A".repeat(900 << 10));
    let mut held = Vec::new();
    for number in 0..40_u64 {
        let name = format!("run/results/old-{number}");
        bench.write(&name, &whole);
        let file = fs::File::options().write(true).open(bench.path(&name)).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(4000 - number)).unwrap();
        // As the agent may, which reads them.
        let file = fs::File::open(bench.path(&name)).unwrap();
        file.lock().unwrap();
        held.push(file);
    }
    let replies = bench.replies(&bench.request("new-1", exec(json!({})))).await;
    assert_eq!(replies[1].code, Some(200));
    let left: Vec<_> = fs::read_dir(bench.path("run/results")).unwrap().map(|entry| entry.unwrap()).collect();
    let bytes: u64 = left.iter().map(|entry| entry.metadata().unwrap().len()).sum();
    assert!(bytes <= 16 << 20, "{bytes}");
    assert!(!bench.path("run/results/old-0").exists());
    assert!(bench.path("run/results/old-39").exists());
    assert!(bench.path("run/results/new-1").exists());
}
