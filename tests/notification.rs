//! Which datagrams start a session, and what happens to the others.

use std::time::{Duration, SystemTime};

use omadm_agent::bearer::ConnectionType;
use omadm_agent::lab::gateway::Account;
use omadm_agent::lab::notifier::Notification;
use omadm_agent::lab::{Options, files};
use omadm_agent::notification::outgoing::OutgoingNotification;
use omadm_agent::notification::wsp::Push;
use omadm_agent::package::Profile;
use serde_json::json;

use crate::support;
use crate::support::{Agent, Bench, SECRET, SERVER_ID, SESSIONINFO, Setup, network};

#[tokio::test]
async fn duplicates_are_dropped_even_over_a_restart_and_a_power_cut() {
    let bench = Bench::new().await;
    let agent = bench.start().await;
    let first = bench.notification();
    bench.send(&first).await;
    bench.ended(&agent, 1).await;
    bench.send(&first).await;
    bench.session(&agent, 2).await;
    agent.stop().await;

    let agent = bench.start().await;
    bench.send(&first).await;
    bench.session(&agent, 3).await;
    agent.kill().await;

    let agent = bench.start().await;
    bench.send(&first).await;
    bench.session(&agent, 4).await;
    assert_eq!(bench.packages().len(), 4, "each repetition was dropped before the good one that followed");
    agent.stop().await;
}

#[tokio::test]
async fn what_is_not_from_the_server_starts_nothing() {
    let bench = Bench::new().await;
    let mut agent = bench.start().await;
    let now = SystemTime::now();
    let minutes = |count: u64| Duration::from_secs(60 * count);
    let good = bench.notification();
    let bad = [
        Notification { secret: b"a guess".to_vec(), ..good.clone() },
        Notification { server_id: "somebody".to_owned(), ..good.clone() },
        Notification { at: now - minutes(6), ..good.clone() },
        Notification { at: now - minutes(60 * 24 * 365), ..good.clone() },
    ];
    for notification in &bad {
        bench.send(notification).await;
    }
    let line = agent.logged("of the first", |line| line.contains("datagram dropped: wrong-digest 1 (")).await;
    assert!(line.contains(&format!("({SERVER_ID}, secret in /")), "which secret was tried: {line}");
    assert!(!line.contains(SECRET), "{line}");
    let whole = good.datagram().unwrap();
    for length in 0..whole.len() {
        bench.send_raw(&whole[..length]).await;
    }
    for place in 0..whole.len() {
        let mut flipped = whole.clone();
        // The TID, and reserved bits of the header that the digest covers.
        flipped[place] ^= 0x40;
        if place > 0 {
            bench.send_raw(&flipped).await;
        }
    }
    bench.send_raw(&[whole.as_slice(), b"\0"].concat()).await;
    // None of them has used up the good one's id.
    bench.send(&good).await;
    bench.ended(&agent, 1).await;
    assert_eq!(bench.packages().len(), 1);
    agent.stop().await;
}

#[tokio::test]
async fn five_thousand_hostile_datagrams_do_not_hinder_a_good_one() {
    let bench = Bench::new().await;
    let agent = bench.start().await;
    bench.session(&agent, 1).await;
    let (files, memory) = (agent.open_files(), agent.resident());
    let good = bench.notification().datagram().unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for _ in 0..5000 {
        let mut datagram = good.clone();
        match random() % 4 {
            0 => datagram = (0..random() % 1400).map(|_| random().to_le_bytes()[3]).collect(),
            1 => datagram.truncate(usize::try_from(random()).unwrap() % datagram.len()),
            2 => datagram.extend_from_slice(&random().to_le_bytes()),
            _ => {
                let place = 1 + usize::try_from(random()).unwrap() % (datagram.len() - 1);
                datagram[place] ^= 1 << (random() % 8);
            }
        }
        if datagram != good {
            socket.send_to(&datagram, bench.udp).await.unwrap();
        }
    }
    // A datagram may be lost in a full buffer; the server would send it again.
    let mut session = 1;
    while session < 2 {
        bench.notify().await;
        let ends = |tape: &omadm_agent::lab::Tape| tape.requests("dm").len() > 1;
        if bench.tape.until(Duration::from_millis(500), ends).await {
            session += 1;
        }
    }
    bench.ended(&agent, 2).await;
    assert!(agent.resident() < memory + (2 << 20), "{} → {}", memory, agent.resident());
    assert!(agent.open_files() <= files + 2, "{} → {}", files, agent.open_files());
    // What no line has told yet is told at the end.
    agent.signal(nix::sys::signal::Signal::SIGTERM);
    let (_, log) = agent.output().await;
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("dropped: ")).collect();
    assert!((1..=3).contains(&lines.len()), "one line a minute:\n{log}");
    let count = |line: &str| -> u32 {
        let before = line.split(" datagram").next().unwrap();
        before.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let counted: u32 = lines.iter().map(|line| count(line)).sum();
    assert!((100..=5000).contains(&counted), "{counted} of 5000:\n{log}");
}

#[tokio::test]
async fn how_old_a_notification_may_be_is_the_operators_to_say() {
    for (max_age, sessions) in [("5min", 1), ("1h", 2)] {
        let bench = Bench::new().await;
        let config = std::fs::read_to_string(bench.gateway.config()).unwrap();
        let config =
            config.replace("[notification]\n", &format!("[notification]\nmax-age = \"{max_age}\"\n"));
        files::put(&bench.gateway.config(), config, files::PLAIN).unwrap();
        let agent = bench.start().await;
        let at = SystemTime::now() - Duration::from_secs(6 * 60);
        bench.send(&Notification { at, ..bench.notification() }).await;
        if sessions == 2 {
            bench.ended(&agent, 1).await;
        }
        bench.session(&agent, sessions).await;
        assert_eq!(bench.packages().len(), sessions, "{max_age}");
        agent.stop().await;
    }
}

/// Nobody signed these. An account with a secret wants to know who it was, unless it says otherwise.
#[tokio::test]
async fn without_a_digest_nothing_starts_where_there_is_a_secret() {
    let unsigned = |server_id: Option<&str>, id| {
        let server_id = server_id.map(str::to_owned);
        let package = OutgoingNotification {
            server_id,
            id: Some(id),
            req_mos: true,
            ..OutgoingNotification::default()
        };
        Push::default().wrap(&package.encode().unwrap())
    };
    let key = "notification = { ";
    for (written, admitted) in [
        (key.to_owned(), false),
        (format!("{key}require-digest = true, "), false),
        (format!("{key}require-digest = false, "), true),
    ] {
        let bench = Bench::new().await;
        let file = bench.gateway.path("accounts").join(format!("{SERVER_ID}.toml"));
        let text = std::fs::read_to_string(&file).unwrap().replace(key, &written);
        assert!(text.contains(&written));
        files::put(&file, text, files::PLAIN).unwrap();
        let agent = bench.start().await;
        bench.send_raw(&unsigned(Some("somebody"), 9001)).await;
        bench.send_raw(&unsigned(Some(SERVER_ID), 9002)).await;
        bench.send_raw(&unsigned(Some(SERVER_ID), 9002)).await;
        if admitted {
            bench.ended(&agent, 1).await;
        }
        // There is but one account that it can be for.
        bench.send_raw(&unsigned(None, 9003)).await;
        let expected = if admitted { 2 } else { 0 };
        if admitted {
            bench.ended(&agent, expected).await;
        }
        bench.session(&agent, expected + 1).await;
        let mos: Vec<bool> = bench.packages().iter().map(|p| p.json.get("MOS").is_some()).collect();
        assert_eq!(mos, [vec![true; expected], vec![false]].concat(), "{written}");
        agent.stop().await;
    }
}

/// A gateway with two ways to its server: `eth0`, by which routing leads there, and `wwan0`.
#[tokio::test]
async fn the_connection_of_highest_priority_that_is_up_carries_the_session() {
    use ConnectionType::{AnyAvailable, Mobile, Wireless, Wireline};
    let test = "the_connection_of_highest_priority_that_is_up_carries_the_session";
    network::of_its_own(test, async {
        // Where the kernel's list of network namespaces is; the gateway is in one, its server is here.
        network::run("mount -t tmpfs tmpfs /run; ip netns add gw; ip addr add 192.0.2.1/32 dev lo").await;
        for (name, number) in [("eth0", 1), ("wwan0", 2)] {
            network::run(&format!(
                "ip link add {name} netns gw type veth peer name to-{name}
                 ip addr add 10.0.{number}.1/24 dev to-{name}; ip link set to-{name} up
                 ip -n gw addr add 10.0.{number}.2/24 dev {name}; ip -n gw link set {name} up
                 ip -n gw route add 192.0.2.1 via 10.0.{number}.1 dev {name} metric {number}"
            ))
            .await;
        }
        let mut bench = Bench::with(Setup {
            server: Box::new(|options, authority| Options {
                listen: ([192, 0, 2, 1], 0).into(),
                identity: Some(authority.server_for("192.0.2.1").unwrap()),
                ..options
            }),
            ..Setup::default()
        })
        .await;
        bench.gateway.configure(([0, 0, 0, 0], 2948).into(), "[session]\nbearer-wait = \"1s\"\n").unwrap();
        bench.udp = ([10, 0, 1, 2], 2948).into();
        let mut agent = Agent::spawn_in_network(&bench.gateway, "gw").await;
        agent.ready().await;

        let (wireline, mobile) = ([10, 0, 1, 2], [10, 0, 2, 2]);
        let mut expected = Vec::new();
        let mut hold = async |preferred: Vec<ConnectionType>, from: [u8; 4]| {
            bench.play(json!([[["GET", format!("{SESSIONINFO}//CBT")]]]));
            bench.send(&Notification { preferred, ..bench.notification() }).await;
            expected.extend([std::net::IpAddr::from(from); 2]);
            bench.ended(&agent, expected.len() / 2).await;
            let carriers: Vec<_> = bench.tape.requests("dm").iter().map(|r| r.peer.ip()).collect();
            assert_eq!(carriers, expected);
            let told = bench.packages().last().unwrap().part(1).unwrap().body.clone();
            assert_eq!(told, if from == mobile { b"1" } else { b"3" }, "the session knows what carries it");
        };
        hold(vec![], wireline).await;
        hold(vec![Mobile, Wireline], mobile).await;
        hold(vec![Wireline, Mobile], wireline).await;
        hold(vec![Wireless, Mobile, Wireline], mobile).await;
        hold(vec![Wireless, AnyAvailable], wireline).await;
        network::run("ip -n gw link set wwan0 down").await;
        hold(vec![Mobile, Wireline], wireline).await;
        hold(vec![Wireless, Mobile, AnyAvailable], wireline).await;
        bench.send(&Notification { preferred: vec![Wireless, Mobile], ..bench.notification() }).await;
        agent.logged("that it gave up", |line| line.contains("preferred connection types")).await;
        assert_eq!(bench.packages().len(), 14, "nothing else will do");
        agent.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_bare_package_needs_permission() {
    let refuse = Bench::new().await;
    let allow = Bench::new().await;
    let config = std::fs::read_to_string(allow.gateway.config()).unwrap();
    let config = config.replace("[notification]\n", "[notification]\naccept-bare = true\n");
    files::put(&allow.gateway.config(), config, files::PLAIN).unwrap();
    for (bench, sessions) in [(refuse, 1), (allow, 2)] {
        let agent = bench.start().await;
        bench.send_raw(&bench.notification().package().unwrap()).await;
        if sessions == 2 {
            bench.ended(&agent, 1).await;
        }
        bench.session(&agent, sessions).await;
        assert_eq!(bench.packages().len(), sessions);
        agent.stop().await;
    }
}

#[tokio::test]
async fn notifications_in_a_running_session_become_one_session_more() {
    let bench = Bench::new().await;
    let slow = support::commands(json!([])).after(Duration::from_secs(1));
    bench.answer([slow]);
    let agent = bench.start().await;
    bench.notify().await;
    bench.until(&agent, "Package#1", |exchanges| !exchanges.is_empty()).await;
    bench.notify().await;
    bench.send(&Notification { request_mos: true, ..bench.notification() }).await;
    bench.notify().await;
    bench.ended(&agent, 2).await;
    // The third session is this one: no other was waiting.
    bench.session(&agent, 3).await;
    let asked: Vec<_> = bench
        .packages()
        .iter()
        .filter(|package| package.initiation)
        .map(|package| package.json.get("MOS").is_some())
        .collect();
    assert_eq!(asked, [false, true, false], "REQ-MOS of any of them counts");
    agent.stop().await;
}

/// The newest is the one that came last, whatever its number.
#[tokio::test]
async fn of_notifications_that_wait_the_newest_is_reported() {
    let account = |account: &mut Account, _: &_| account.profile = Profile::Approved;
    let bench = Bench::with(Setup { account: Box::new(account), ..Setup::default() }).await;
    let slow = support::commands(json!([])).after(Duration::from_secs(1));
    bench.answer([slow]);
    let agent = bench.start().await;
    let of = |id| Notification { id, ..bench.notification() };
    bench.send(&of(400)).await;
    bench.until(&agent, "Package#1", |exchanges| !exchanges.is_empty()).await;
    bench.send(&Notification { request_mos: true, ..of(17) }).await;
    bench.send(&of(900)).await;
    bench.send(&of(500)).await;
    bench.ended(&agent, 2).await;
    let begun = bench.packages().into_iter().filter(|package| package.initiation);
    let told: Vec<_> =
        begun.map(|package| (package.json["Alert"][0].clone(), package.json.get("MOS").is_some())).collect();
    let by = |id: u16| json!({"AlertType": "urn:oma:at:dm:2.0:ServerInitiatedMgmt", "Data": {"NOTIFICATION-ID": id}});
    assert_eq!(told, [(by(400), false), (by(500), true)]);
    agent.stop().await;
}

#[tokio::test]
async fn an_account_without_its_secret_takes_no_notification() {
    let setup = Setup {
        account: Box::new(|account, _| account.secret = Some("another secret".to_owned())),
        ..Setup::default()
    };
    let bench = Bench::with(setup).await;
    let agent = bench.start().await;
    bench.notify().await;
    let good = Notification::new(SERVER_ID, b"another secret", 9999);
    bench.send(&good).await;
    bench.ended(&agent, 1).await;
    assert_eq!(bench.packages().len(), 1);
    assert!(!agent.log().contains(SECRET) && !agent.log().contains("another secret"));
    agent.stop().await;
}

/// A notification says itself which form it has, whatever profile the account's sessions have.
#[tokio::test]
async fn the_approved_form_is_told_from_the_draft() {
    for profile in [Profile::Draft, Profile::Approved] {
        let setup = Setup {
            account: Box::new(move |account, _| {
                account.profile = profile;
                account.data = Some("nonce".to_owned());
            }),
            ..Setup::default()
        };
        let bench = Bench::with(setup).await;
        let agent = bench.start().await;
        let approved = Notification {
            profile: Profile::Approved,
            data: b"nonce".to_vec(),
            request_mos: true,
            ..bench.notification()
        };
        bench.send(&Notification { data: b"another".to_vec(), ..approved.clone() }).await;
        bench.send(&approved).await;
        bench.ended(&agent, 1).await;
        bench.send(&Notification { request_mos: true, ..bench.notification() }).await;
        bench.ended(&agent, 2).await;
        let packages = bench.packages();
        assert_eq!(packages.len(), 2);
        assert!(packages.iter().all(|package| package.json.get("MOS").is_some()));
        agent.stop().await;
    }
}

#[tokio::test]
async fn a_session_waits_for_a_preferred_connection_and_gives_up() {
    let setup = Setup { config: "[session]\nbearer-wait = \"1s\"\n".to_owned(), ..Setup::default() };
    let bench = Bench::with(setup).await;
    let mut agent = bench.start().await;
    // Loopback is none of them, and a machine that runs tests has no modem that is up.
    let mobile = Notification { preferred: vec![ConnectionType::Mobile], ..bench.notification() };
    bench.send(&mobile).await;
    agent.logged("that it gave up", |line| line.contains("preferred connection types")).await;
    assert!(bench.packages().is_empty());
    let any = vec![ConnectionType::Mobile, ConnectionType::Wireline, ConnectionType::AnyAvailable];
    bench.send(&Notification { preferred: any, ..bench.notification() }).await;
    bench.ended(&agent, 1).await;
    agent.stop().await;
}

#[tokio::test]
async fn sessions_that_wait_for_a_bearer_keep_no_other_server_waiting() {
    let bench = Bench::new().await;
    for number in 0..5 {
        let account = Account {
            secret: Some(SECRET.to_owned()),
            ..Account::new(
                &format!("mobile-{number}"),
                &format!("{}/dm", bench.server.origin()),
                &bench.authority,
            )
        };
        bench.gateway.put_account(&account).unwrap();
    }
    let mut agent = bench.start().await;
    for number in 0..5 {
        let server_id = format!("mobile-{number}");
        let preferred = vec![ConnectionType::Mobile];
        bench.send(&Notification { server_id: server_id.clone(), preferred, ..bench.notification() }).await;
        let waits = format!("{server_id}: waiting for a preferred connection type");
        agent.logged("that it waits", |line| line.contains(&waits)).await;
    }
    bench.session(&agent, 1).await;
    agent.stop().await;
}
