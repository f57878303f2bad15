//! The process: start, reload, stop, and what goes wrong with its files.

use std::time::Duration;

use nix::sys::signal::Signal;
use omadm_agent::lab::gateway::Account;
use omadm_agent::lab::notifier::Notification;
use omadm_agent::lab::{Reply, files};
use serde_json::json;

use crate::support;
use crate::support::{Agent, BENCH, Bench, Setup, commands, ddf};

#[tokio::test]
async fn sigterm_ends_an_idle_agent_and_one_in_the_middle_of_a_session() {
    let bench = Bench::new().await;
    bench.start().await.stop().await;

    // The server does not answer.
    bench.answer([commands(json!([])).after(Duration::from_secs(3600))]);
    let agent = bench.start().await;
    bench.notify().await;
    bench.until(&agent, "Package#1", |exchanges| !exchanges.is_empty()).await;
    agent.stop().await;

    // A script runs.
    bench.play(json!([[["EXEC", format!("{BENCH}//Operations/Slow")]]]));
    let agent = bench.start().await;
    bench.notify().await;
    support::appears(&bench.gateway.path("slowed")).await;
    let told = std::time::Instant::now();
    agent.stop().await;
    assert!(told.elapsed() < Duration::from_secs(4), "it does not wait for the script");
}

#[tokio::test]
async fn a_change_that_has_begun_is_made_whole_before_the_agent_ends() {
    const KNOBS: &str = "urn:bench:mo:knobs:1.0";
    let leaf = |name: &str| ddf::node(name, "chr", "Get Replace", "One", "");
    let root =
        ddf::node("Knobs", "node", "Get Replace", "One", &["First", "Second", "Third"].map(leaf).concat());
    let mapping = "instances = [\"1\"]\n\
         [node.First]\nget = { file = \"@folder@/first\" }\nset = { file = \"@folder@/first\" }\n\
         [node.Second]\nget = { file = \"@folder@/second\" }\nverify = false\n\
         set = { run = [\"@folder@/turn\", \"{}\", \"@folder@/second\", \"@folder@/pipe\"] }\n";
    let bench = Bench::playing(json!([[["HGET", "{repository}/knobs", format!("{KNOBS}//")]]])).await;
    ddf::put(&bench.gateway, KNOBS, "Knobs", &root, mapping);
    let program = "#!/bin/sh\n: >\"$2.begun\"\nread -r line <\"$3\"\necho \"$1\" >\"$2\"\n";
    files::put(&bench.gateway.path("turn"), program, files::PROGRAM).unwrap();
    let data = json!({"MOData": {"First": "1", "Second": "2", "Third": "3"}});
    bench.repository.put("/knobs", "application/dmmo+json", data.to_string());

    let mut agent = bench.start().await;
    bench.notify().await;
    support::appears(&bench.gateway.path("second.begun")).await;
    agent.signal(Signal::SIGTERM);
    bench.release(0).await;
    assert!(agent.exit().await.success(), "{}", agent.log());

    bench.play(json!([[["GET", format!("{KNOBS}//")]]]));
    let agent = bench.start().await;
    bench.notify().await;
    bench.until(&agent, "what was changed", |exchanges| exchanges.len() >= 3).await;
    let read: serde_json::Value = serde_json::from_slice(&bench.packages()[2].part(1).unwrap().body).unwrap();
    assert_eq!(read["MOData"]["Knobs"], json!({"First": "1", "Second": "2", "Third": "3"}));
    agent.stop().await;
}

#[tokio::test]
async fn sigint_ends_it_as_well() {
    let bench = Bench::new().await;
    let mut agent = bench.start().await;
    agent.signal(Signal::SIGINT);
    assert!(agent.exit().await.success(), "{}", agent.log());
}

#[tokio::test]
async fn a_hundred_sessions_leave_nothing_behind() {
    let bench = Bench::new().await;
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let (files, memory) = (agent.open_files(), agent.resident());
    for number in 2..=100 {
        bench.session(&agent, number).await;
    }
    assert!(agent.open_files() <= files + 2, "{files} → {}", agent.open_files());
    assert!(agent.resident() < memory + (2 << 20), "{memory} → {}", agent.resident());
    agent.stop().await;
}

#[tokio::test]
async fn kill_and_start_again_in_the_middle_of_a_session() {
    let bench = Bench::new().await;
    for number in 1..=5 {
        bench.answer([commands(json!([])).after(Duration::from_secs(3600))]);
        let agent = bench.start().await;
        bench.notify().await;
        bench.until(&agent, "Package#1", |exchanges| exchanges.len() >= number).await;
        agent.kill().await;
    }
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert!(
        !bench
            .gateway
            .path("state")
            .read_dir()
            .unwrap()
            .any(|entry| { entry.unwrap().file_name().to_string_lossy().contains(".bad-") })
    );
    agent.stop().await;
}

#[tokio::test]
async fn check_names_every_problem_with_file_line_and_key() {
    let bench = Bench::new().await;
    let config = bench.gateway.config();
    let good = Agent::spawn(&bench.gateway, &["--config", config.to_str().unwrap(), "--check"]).await;
    let (status, log) = good.output().await;
    assert!(status.success(), "{log}");

    let text = std::fs::read_to_string(&config).unwrap();
    let text = format!("{text}[session]\nretries = \"many\"\nretrie = 3\n");
    files::put(&config, text, files::PLAIN).unwrap();
    let account = bench.gateway.path("accounts").join("bench.toml");
    let text = std::fs::read_to_string(&account).unwrap().replace("bench.notify", "no-such.notify");
    files::put(&account, text, files::PLAIN).unwrap();
    let bad = Agent::spawn(&bench.gateway, &["--config", config.to_str().unwrap(), "--check"]).await;
    let (status, log) = bad.output().await;
    assert_eq!(status.code(), Some(1), "{log}");
    for wanted in
        ["omadmd.toml:", "retries", "retrie:", "did you mean `retries`?", "bench.toml:", "no-such.notify"]
    {
        assert!(log.contains(wanted), "{wanted} is not in:\n{log}");
    }
}

#[tokio::test]
async fn check_warns_of_what_is_hardly_meant() {
    let bench = Bench::new().await;
    let accounts = bench.gateway.path("accounts");
    let put = |path: &std::path::Path, text: &str| files::put(path, text, files::PLAIN).unwrap();
    put(
        &accounts.join("odd.toml"),
        "server-id = \"odd\"\nserver-uri = \"https://dm.example/[DevId]\"\n\
         permissions = [\"*\", \"urn:oma:mo:oma-dm-devinfo:1.9\"]\n",
    );
    put(&accounts.join("acme.conf"), "");
    put(&accounts.join("odd.toml~"), "");
    put(&accounts.join("north.tml"), "");
    put(&accounts.join("south.toml.bak"), "");
    // What dpkg leaves, and what is of no account.
    put(&accounts.join("odd.toml.dpkg-old"), "");
    put(&accounts.join("odd.toml.dpkg-dist"), "");
    put(&accounts.join("odd.password"), "");
    let config = bench.gateway.config();
    let text = std::fs::read_to_string(&config).unwrap();
    put(&config, &format!("{text}[objects]\ndisable = [\"demp\", \"nothing\"]\n"));
    let line = text.lines().count() + 2;
    let disable = |rest: &str| {
        format!("omadmd.toml:{line}: objects.disable: no folder of `paths.mo` has an object {rest}")
    };
    let disables = [
        disable("\"demp\": nothing is switched off by it; did you mean \"demo\"?"),
        disable("\"nothing\": nothing is switched off by it"),
    ];
    put(&bench.gateway.path("mo/bench.toml"), "");
    std::fs::create_dir(bench.gateway.path("exec-veto.d")).unwrap();
    put(&bench.gateway.path("exec-veto.d/busy"), "#!/bin/sh\n");
    put(&bench.gateway.path("exec-veto.d/README"), "who is asked\n");
    let mapping = bench.gateway.path("mo/bench/bench.toml");
    put(&mapping.with_file_name("old.toml"), "");
    let text = std::fs::read_to_string(&mapping).unwrap();
    put(&mapping, &text.replacen("root = \"", "root = \"Other", 1));
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_omadmd"));
    let output = command.arg("--check").arg("--config").arg(bench.gateway.config()).output().await.unwrap();
    let (said, errors) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    assert!(said.ends_with("the configuration is sound\n"), "{said}");
    for wanted in [
        disables[0].as_str(),
        &disables[1],
        "accounts/north.tml: is not read: the file of an account ends in .toml",
        "accounts/south.toml.bak: is not read",
        "accounts/odd.toml:2: server-uri: `[DevId]` is no parameter, and becomes -1; did you mean `[DevID]`?",
        "accounts/odd.toml:3: permissions: no management object has the MOID \"urn:oma:mo:oma-dm-devinfo:1.9\"; did you mean",
        "accounts/acme.conf: is not read",
        "accounts/odd.toml~: is not read",
        "exec-veto.d/busy: is not executable, and so not asked about EXECs",
        "mo/bench.toml: is not read: each management object has a folder of its own",
        "mo/bench/old.toml: is not read: the mapping is bench.toml",
        "mo/bench/bench.toml:4: root: ",
        "mo/bench/bench.toml:3: ddf-uri: nobody can have the host omadm.example",
        "omadmd.toml: objects.ddf-base: is not set: a server that wants the description (DDF) of demo, devinfo, ",
    ] {
        let line = said.lines().find(|line| line.contains(wanted));
        assert!(line.is_some_and(|line| line.starts_with("warning: /")), "{wanted} is not in:\n{said}");
    }
    // That the bench is in /tmp is no mistake of its files.
    let told = said.lines().filter(|line| !line.contains("PrivateTmp=")).count();
    assert_eq!(told, 15, "{said}");
}

#[tokio::test]
async fn what_is_not_installed_or_disabled_is_not_served() {
    let config = "sysroot = \"@folder@/root\"\n[objects]\ndisable = [\"off\"]\n".to_owned();
    let bench = Bench::with(Setup { config, ..Setup::default() }).await;
    let moid = |name: &str| format!("urn:x-omadm:mo:{name}:1.0");
    let put = |name: &str, needs: &str| {
        let moid = moid(name);
        let mapping = format!(
            "moid = \"{moid}\"\nroot = \"R\"\ninstances = [\"1\"]\n{needs}\n[node.A]\ndefault = \"a\"\n"
        );
        bench.gateway.put_mo(name, &format!("{name}.toml"), &mapping).unwrap();
    };
    put("radio", "needs = [\"/usr/bin/radio\"]");
    put("off", "");
    // What is wrong with it is nobody's concern.
    bench.gateway.put_mo("off", "off.toml", "moid = 1\n").unwrap();
    let account = bench.gateway.path("accounts/other.toml");
    let listed = format!(
        "server-id = \"other\"\nserver-uri = \"https://dm.example/\"\npermissions = [\"{}\"]\n",
        moid("radio")
    );
    files::put(&account, listed, files::PLAIN).unwrap();
    let mut check = tokio::process::Command::new(env!("CARGO_BIN_EXE_omadmd"));
    let said = check.arg("--check").arg("--config").arg(bench.gateway.config()).output().await.unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let said = String::from_utf8(said.stdout).unwrap();
    let wanted = format!("permissions: {} is not served: there is no /usr/bin/radio\n", moid("radio"));
    assert!(said.contains(&wanted), "{said}");
    std::fs::remove_file(&account).unwrap();

    let mut agent = bench.start().await;
    let commands =
        json!([[["GET", format!("{}//A", moid("radio"))], ["GET", format!("{}//A", moid("off"))]]]);
    bench.play(commands.clone());
    bench.session(&agent, 1).await;
    assert_eq!(bench.statuses(), [[404, 404]], "{}", agent.log());
    files::put(&bench.gateway.path("root/usr/bin/radio"), "", files::PROGRAM).unwrap();
    agent.logged("of the object", |line| line.contains("management objects: new radio")).await;
    bench.play(commands);
    bench.session(&agent, 2).await;
    assert_eq!(bench.statuses(), [[404, 404], [200, 404]], "{}", agent.log());
    std::fs::remove_file(bench.gateway.path("root/usr/bin/radio")).unwrap();
    agent.logged("of its end", |line| line.contains("management objects: removed radio")).await;
    agent.stop().await;
}

/// dpkg makes the folder, unpacks each file beside its name, and gives all of them their names when the whole package is
/// unpacked; on slow flash that takes its time.
#[tokio::test]
async fn an_object_that_dpkg_unpacks_is_served_when_it_is_whole_and_nothing_is_said_before() {
    let bench = Bench::new().await;
    let mut agent = bench.start().await;
    let (objects, others) = (bench.gateway.path("mo"), bench.gateway.path("root"));
    let object = objects.join("radio");
    let rest = async || tokio::time::sleep(Duration::from_millis(2500)).await;
    let put = |file: &str, content: &str| {
        // Its own temporary names are not dpkg's.
        files::put(&others.join("new"), content, files::PLAIN).unwrap();
        std::fs::rename(others.join("new"), object.join(format!("{file}.dpkg-new"))).unwrap();
    };
    let name = |file: &str| {
        std::fs::rename(object.join(format!("{file}.dpkg-new")), object.join(file)).unwrap();
    };
    let mapping = |data: &str| {
        format!(
            "moid = \"urn:x-test:mo:radio:1.0\"\nroot = \"R\"\ninstances = [{{ miid = \"1\", data = \"{data}\" }}]\n\n[node.A]\n"
        )
    };
    std::fs::create_dir(objects.join("radio.dpkg-new")).unwrap();
    rest().await;
    std::fs::rename(objects.join("radio.dpkg-new"), &object).unwrap();
    rest().await;
    put("radio.toml", &mapping("first.json"));
    rest().await;
    put("first.json", "{\"A\": \"a\"}");
    name("radio.toml");
    rest().await;
    let wrong =
        |log: &str| log.lines().any(|line| line.starts_with("error") || line.contains("stays as it was"));
    assert!(!wrong(&agent.log()) && !agent.log().contains("new radio"), "{}", agent.log());
    name("first.json");
    agent.logged("of the object", |line| line.contains("management objects: new radio")).await;

    // An upgrade: the files before have another name as well until those after have theirs.
    for file in ["radio.toml", "first.json"] {
        std::fs::hard_link(object.join(file), object.join(format!("{file}.dpkg-tmp"))).unwrap();
    }
    put("radio.toml", &mapping("second.json").replace("[node.A]", "[node.A]\n[node.B]"));
    put("second.json", "{\"A\": \"a\"}");
    name("radio.toml");
    rest().await;
    assert!(!wrong(&agent.log()) && !agent.log().contains("removed radio"), "{}", agent.log());
    name("second.json");
    for file in ["first.json", "radio.toml.dpkg-tmp", "first.json.dpkg-tmp"] {
        std::fs::remove_file(object.join(file)).unwrap();
    }
    agent.logged("of the upgrade", |line| line.contains("management objects: changed radio")).await;
    assert!(!wrong(&agent.log()), "{}", agent.log());

    // What is no more than wrong is said.
    files::put(&object.join("radio.toml"), "moid = 1\n", files::PLAIN).unwrap();
    agent
        .logged("of what is wrong", |line| line.contains("radio: the management object stays as it was"))
        .await;
    agent.stop().await;
}

#[tokio::test]
async fn a_broken_account_is_skipped_and_the_others_work() {
    let bench = Bench::new().await;
    files::put(&bench.gateway.path("accounts").join("broken.toml"), "server-id = 5\n", files::PLAIN).unwrap();
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    assert!(agent.log().contains("broken.toml"), "{}", agent.log());
    agent.stop().await;
}

#[tokio::test]
async fn a_damaged_store_makes_way() {
    let bench = Bench::new().await;
    bench.start().await.stop().await;
    let state = bench.gateway.path("state");
    let store = state.read_dir().unwrap().next().expect("a store was made").unwrap().path();
    files::put(&store, "this is no database", files::SECRET).unwrap();
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let kept = state.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(kept.into_iter().any(|name| name.contains(".bad-")));
    agent.stop().await;
}

#[tokio::test]
async fn the_first_contact_happens_once_and_later_boots_are_quiet() {
    let setup = support::Setup {
        account: Box::new(|account, _| account.extra = "schedule = { at-boot = false }\n".to_owned()),
        ..support::Setup::default()
    };
    let bench = Bench::with(setup).await;
    let agent = bench.start().await;
    bench.ended(&agent, 1).await;
    // Another start may follow only when the contact is on disk: a second session comes after that.
    bench.session(&agent, 2).await;
    agent.stop().await;
    let agent = bench.start().await;
    bench.session(&agent, 3).await;
    assert_eq!(bench.packages().len(), 3);
    agent.stop().await;
}

#[tokio::test]
async fn an_account_that_was_removed_and_made_again_is_a_new_one_and_has_a_first_contact() {
    let setup = support::Setup {
        account: Box::new(|account, _| account.extra = "schedule = { at-boot = false }\n".to_owned()),
        ..support::Setup::default()
    };
    let bench = Bench::with(setup).await;
    // Where one is left, that the other is gone is certain.
    let other = Account {
        secret: Some("other secret".to_owned()),
        extra: "schedule = { at-boot = false, first-contact = false }\n".to_owned(),
        ..Account::new("other", &format!("{}/other", bench.server.origin()), &bench.authority)
    };
    bench.gateway.put_account(&other).unwrap();
    let mut agent = bench.start().await;
    bench.ended(&agent, 1).await;
    let file = bench.gateway.path("accounts").join(format!("{}.toml", support::SERVER_ID));
    let text = std::fs::read_to_string(&file).unwrap();
    for (sessions, while_it_runs) in [(2, true), (3, false)] {
        if while_it_runs {
            std::fs::remove_file(&file).unwrap();
            agent.logged("that it is gone", |line| line.contains("1 account,")).await;
        } else {
            agent.stop().await;
            std::fs::remove_file(&file).unwrap();
            agent = bench.start().await;
            agent.stop().await;
            agent = bench.start().await;
        }
        files::put(&file, text.clone(), files::PLAIN).unwrap();
        bench.ended(&agent, sessions).await;
    }
    assert_eq!(bench.packages().len(), 3, "nor has any other: {}", agent.log());
    agent.stop().await;
}

#[tokio::test]
async fn of_a_session_that_fails_after_its_account_was_removed_no_attempt_follows_nor_is_said_to() {
    let bench = Bench::with(support::Setup {
        config: "[session]\nretries = 0\n".into(),
        account: Box::new(|account, _| {
            account.extra = "schedule = { at-boot = false, first-contact = false }\n".to_owned();
        }),
        ..support::Setup::default()
    })
    .await;
    // Where one is left, that the other is gone is certain.
    let other = Account {
        secret: Some("other secret".to_owned()),
        extra: "schedule = { at-boot = false, first-contact = false }\n".to_owned(),
        ..Account::new("other", &format!("{}/other", bench.server.origin()), &bench.authority)
    };
    bench.gateway.put_account(&other).unwrap();
    let file = bench.gateway.path("accounts").join(format!("{}.toml", support::SERVER_ID));
    let text = std::fs::read_to_string(&file).unwrap();
    for is_back in [false, true] {
        files::put(&file, text.clone(), files::PLAIN).unwrap();
        let mut agent = bench.start().await;
        bench.answer([Reply::status(503).after(Duration::from_secs(4))]);
        bench.notify().await;
        agent.logged("the begin", |line| line.contains("bench: session") && line.contains("begins")).await;
        std::fs::remove_file(&file).unwrap();
        agent.logged("that it is gone", |line| line.contains("1 account,")).await;
        if is_back {
            files::put(&file, text.clone(), files::PLAIN).unwrap();
            agent.logged("that it is back", |line| line.contains("2 accounts,")).await;
        }
        agent.logged("the end", |line| line.contains("bench: session") && line.contains("failed")).await;
        bench.send(&Notification::new("other", b"other secret", u16::from(is_back) + 1)).await;
        agent
            .logged("another one", |line| line.contains("other: session") && line.contains("ended well"))
            .await;
        assert!(
            !agent.log().contains("next attempt") && !agent.log().contains("not tried again"),
            "{}",
            agent.log()
        );
        agent.stop().await;
    }
}

#[tokio::test]
async fn a_new_account_takes_effect_by_itself_and_a_broken_one_stays_as_it_was() {
    let bench = Bench::new().await;
    let mut agent = bench.start().await;
    let other = Account {
        secret: Some("other secret".to_owned()),
        ..Account::new("other", &format!("{}/other", bench.server.origin()), &bench.authority)
    };
    bench.gateway.put_account(&other).unwrap();
    let first = bench.gateway.path("accounts").join("bench.toml");
    files::put(&first, "server-id = \"bench\"\nserver-uri = 5\n", files::PLAIN).unwrap();
    agent.logged("about both accounts", |line| line.contains("2 accounts")).await;
    bench.send(&Notification::new("other", b"other secret", 1)).await;
    bench.ended(&agent, 1).await;
    assert_eq!(bench.tape.requests("dm")[0].path, "/other");
    bench.session(&agent, 2).await;
    assert_eq!(bench.tape.requests("dm")[1].path, "/dm");
    agent.stop().await;
}

#[tokio::test]
async fn settings_take_effect_on_reload() {
    let bench = Bench::new().await;
    let mut agent = bench.start().await;
    let config = bench.gateway.config();
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace("[notification]\n", "[notification]\naccept-bare = true\n");
    files::put(&config, text, files::PLAIN).unwrap();
    bench.send_raw(&bench.notification().package().unwrap()).await;
    bench.session(&agent, 1).await;
    agent.signal(Signal::SIGHUP);
    agent.said("RELOADING=1").await;
    let line = agent.logged("about the reload", |line| line.contains("configuration read again")).await;
    let accounts = format!("; accounts: unchanged {}", support::SERVER_ID);
    assert!(line.contains(&accounts) && line.contains("; management objects: unchanged bench"), "{line}");
    bench.send_raw(&bench.notification().package().unwrap()).await;
    bench.ended(&agent, 2).await;
    assert_eq!(bench.packages().len(), 2);

    files::put(&config, "[notification]\nlisten = 5\n", files::PLAIN).unwrap();
    agent.signal(Signal::SIGHUP);
    agent.logged("about the broken file", |line| line.contains("omadmd.toml:2")).await;
    bench.session(&agent, 3).await;
    agent.stop().await;
}

/// As systemd does it: the socket is there before the agent, and a datagram that came first is not lost.
#[tokio::test]
async fn a_passed_socket_is_used_and_what_waits_in_it_is_read() {
    let bench = Bench::new().await;
    let socket = std::net::UdpSocket::bind(bench.udp).unwrap();
    bench.notify().await;
    let mut agent = Agent::spawn_with_socket(&bench.gateway, socket).await;
    agent.ready().await;
    bench.ended(&agent, 1).await;
    bench.session(&agent, 2).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_session_goes_on_with_the_descriptions_that_it_began_with() {
    let setup = support::Setup { config: "[exec]\nsync-limit = \"30s\"\n".to_owned(), ..Default::default() };
    let bench = Bench::with(setup).await;
    let get = json!(["GET", format!("{BENCH}//Fixed")]);
    bench.play(json!([[["EXEC", format!("{BENCH}//Operations/Late")]], [get]]));
    bench.play(json!([[get]]));
    let mut agent = bench.start().await;
    bench.notify().await;
    // It is open once the program has been begun.
    let pipe = bench.gateway.path("pipe");
    let open = move || std::fs::OpenOptions::new().write(true).open(pipe);
    let mut pipe = tokio::task::spawn_blocking(open).await.unwrap().unwrap();

    let file = bench.gateway.path("mo/bench/bench.ddf.xml");
    let ddf = std::fs::read_to_string(&file).unwrap();
    let (before, fixed) = ddf.split_once("<NodeName>Fixed</NodeName>").unwrap();
    let fixed = fixed.replacen("text/plain", "text/x-new", 1);
    files::put(&file, format!("{before}<NodeName>Fixed</NodeName>{fixed}"), files::PLAIN).unwrap();
    let line = agent.logged("of the new description", |line| line.contains("configuration read again")).await;
    assert!(line.contains("; management objects: changed bench; unchanged "), "{line}");
    std::io::Write::write_all(&mut pipe, b"0\n").unwrap();
    drop(pipe);
    bench.ended(&agent, 1).await;
    bench.session(&agent, 2).await;
    assert_eq!(bench.statuses(), [[200], [200], [200]]);
    let types: Vec<String> = bench
        .packages()
        .iter()
        .filter_map(|package| package.part(1).map(|part| part.content_type.clone()))
        .collect();
    assert_eq!(types, ["text/plain", "text/x-new"]);
    agent.stop().await;
}

#[tokio::test]
async fn the_journal_of_a_whole_life_says_what_an_operator_needs() {
    let bench = Bench::playing(json!([[
        ["GET", format!("{BENCH}//Absent")],
        ["EXEC", format!("{BENCH}//Operations/Fail")],
        ["FROBNICATE"]
    ]]))
    .await;
    let broken = bench.gateway.path("mo").join("broken");
    files::put(&broken.join("broken.toml"), "moid = 1\n", files::PLAIN).unwrap();
    files::put(&bench.gateway.path("accounts").join("bad.toml"), "server-id = 1\n", files::PLAIN).unwrap();
    let mut agent = bench.start().await;
    let udp = bench.udp;
    let begins = agent.logged("of its start", |line| line.contains("omadm-agent 0.")).await;
    assert!(begins.starts_with("info: ") && begins.contains(&format!("UDP {udp}")), "{begins}");
    assert!(begins.contains("1 account, ") && begins.contains("management objects"), "{begins}");
    let log = agent.log();
    let not = format!("error: {}: the management object is not served", broken.display());
    assert!(log.lines().any(|line| line == not), "{log}");
    assert!(log.lines().any(|line| line.ends_with("bad.toml: the account is not used")), "{log}");

    bench.session(&agent, 1).await;
    agent.logged("of its end", |line| line.contains("ended well")).await;
    let log = agent.log();
    let level = |what: &str| {
        let line = log.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}:\n{log}"));
        line.split(':').next().unwrap().to_owned()
    };
    assert_eq!(level("GET urn:x-omadm:mo:bench:1.0//Absent: 404"), "info", "the server asked in vain");
    assert_eq!(level("FROBNICATE: 501"), "info");
    assert_eq!(level("Operations/Fail: ended with code 75"), "warn", "a program has failed here:\n{log}");

    // The server does not answer: the agent's end is no failure of the session.
    bench.answer([commands(json!([])).after(Duration::from_secs(3600))]);
    bench.notify().await;
    bench.until(&agent, "Package#1", |exchanges| exchanges.len() >= 3).await;
    agent.signal(Signal::SIGTERM);
    let (_, log) = agent.output().await;
    assert!(
        log.contains("is broken off: the agent stops") && !log.contains("failed: the agent stops"),
        "{log}"
    );
}
