//! Links as the machine's services know them: a gateway in a network of its own, with a bus of its own.

use std::time::Duration;

use omadm_agent::bearer::ConnectionType::{Mobile, Wireline};
use omadm_agent::bearer::{ConnectionType, Link, Modem, Told, look};
use omadm_agent::lab::Options;
use omadm_agent::lab::notifier::Notification;
use serde_json::{Value, json};

use crate::support::bus::Daemon;
use crate::support::links::{Modems, Networks, Resolver, State};
use crate::support::{Agent, Bench, SESSIONINFO, Setup, commands, network};

const WIRELINE: [u8; 4] = [10, 0, 1, 2];
const MOBILE: [u8; 4] = [10, 0, 2, 2];

/// A gateway with two ways to its server: `eth0`, by which routing leads there, and `usb0`, which looks like Ethernet.
/// The account has these further lines, and another host in its address where one is given.
async fn gateway(config: &str, extra: &'static str, host: Option<&'static str>) -> Bench {
    network::run("mount -t tmpfs tmpfs /run; ip netns add gw; ip addr add 192.0.2.1/32 dev lo").await;
    for (name, number) in [("eth0", 1), ("usb0", 2)] {
        network::run(&format!(
            "ip link add {name} netns gw type veth peer name to-{name}
             ip addr add 10.0.{number}.1/24 dev to-{name}; ip link set to-{name} up
             ip -n gw addr add 10.0.{number}.2/24 dev {name}; ip -n gw link set {name} up
             ip -n gw route add default via 10.0.{number}.1 dev {name} metric {number}"
        ))
        .await;
    }
    let mut bench = Bench::with(Setup {
        config: config.to_owned(),
        account: Box::new(move |account, _| {
            if !extra.is_empty() {
                account.extra = extra.to_owned();
            }
            let port = account.server_uri.split(':').nth(2).unwrap().split('/').next().unwrap().to_owned();
            if let Some(host) = host {
                account.server_uri = format!("https://{host}:{port}/dm?id=[DevID]");
            }
            account.server_uri += "&home=[MCC]-[MNC]&now=[CMCC]-[CMNC]&name=[SPName]";
        }),
        server: Box::new(move |options, authority| Options {
            listen: ([192, 0, 2, 1], 0).into(),
            identity: Some(authority.server_for(host.unwrap_or("192.0.2.1")).unwrap()),
            ..options
        }),
    })
    .await;
    bench.gateway.configure(([0, 0, 0, 0], 2948).into(), config).unwrap();
    bench.udp = ([10, 0, 1, 2], 2948).into();
    bench
}

async fn start(bench: &Bench) -> Agent {
    let mut agent = Agent::spawn_in_network(&bench.gateway, "gw").await;
    agent.ready().await;
    agent
}

/// What a session tells of itself.
fn reads() -> Value {
    json!([[["GET", format!("{SESSIONINFO}//")]]])
}

async fn ask(bench: &Bench, preferred: &[ConnectionType]) {
    let preferred = preferred.to_vec();
    bench.send(&Notification { preferred, ..bench.notification() }).await;
}

/// Where the last package came from, and what its session told of itself.
fn last(bench: &Bench) -> (std::net::IpAddr, u64, u64) {
    let from = bench.tape.requests("dm").last().unwrap().peer.ip();
    let packages = bench.packages();
    let body = &packages.last().unwrap().part(1).unwrap().body;
    let told: Value = serde_json::from_slice(body).unwrap();
    let info = &told["MOData"]["SessionInfoMO"];
    (from, info["CBT"].as_u64().unwrap(), info["ROAMING"].as_u64().unwrap())
}

#[tokio::test]
async fn a_modem_that_comes_late_is_mobile_whatever_it_looks_like() {
    network::of_its_own("a_modem_that_comes_late_is_mobile_whatever_it_looks_like", async {
        let mut daemon = Daemon::start();
        let bench = gateway(&daemon.config(), "", None).await;
        let mut agent = start(&bench).await;
        bench.play(reads());
        ask(&bench, &[Mobile]).await;
        agent.logged("that it waits", |line| line.contains("waiting for a preferred connection type")).await;

        // Its service comes, then the modem, then its connection.
        let state = State { registration: 5, operator: "310410", is_there: false, ..State::default() };
        let modems = Modems::start(&daemon, state).await;
        modems.state().is_there = true;
        modems.connect(Some("usb0")).await;
        bench.ended(&agent, 1).await;
        assert_eq!(last(&bench), (MOBILE.into(), 1, 1), "it roams");
        let target = bench.tape.requests("dm")[0].target();
        assert!(
            target.ends_with("&home=262-01&now=310-410&name=Home%20Mobile"),
            "of modem and SIM, and nobody has configured that: {target}"
        );

        // At home, and asked once for each look, and no more.
        {
            let mut state = modems.state();
            (state.registration, state.operator) = (1, "26201");
        }
        agent.at_rest().await;
        let before = modems.state().asked;
        bench.play(reads());
        ask(&bench, &[Mobile]).await;
        bench.ended(&agent, 2).await;
        assert_eq!(last(&bench), (MOBILE.into(), 1, 0));
        let asked = modems.state().asked - before;
        assert!((1..=4).contains(&asked), "{asked} readings");
        agent.at_rest().await;
        modems.state().asked = 0;
        modems.connect(None).await;
        modems.connect(Some("usb0")).await;
        agent.at_rest().await;
        assert_eq!(modems.state().asked, 0, "nobody waits: nobody asks");

        // A bus that was restarted.
        daemon.stop();
        daemon.start_again();
        let modems = Modems::start(&daemon, State { link: Some("usb0"), ..State::default() }).await;
        bench.play(reads());
        ask(&bench, &[Mobile, Wireline]).await;
        bench.ended(&agent, 3).await;
        assert_eq!(last(&bench), (MOBILE.into(), 1, 0));

        // A service that hangs.
        modems.state().hangs = true;
        bench.play(reads());
        ask(&bench, &[Mobile, Wireline]).await;
        bench.ended(&agent, 4).await;
        assert_eq!(last(&bench), (WIRELINE.into(), 3, 2), "nobody knows that one of them is mobile");
        let log = agent.stop().await;
        assert_eq!(log.matches("does not say which links there are").count(), 1, "{log}");
    })
    .await;
}

#[tokio::test]
async fn a_scheduled_session_waits_until_the_link_is_not_metered() {
    network::of_its_own("a_scheduled_session_waits_until_the_link_is_not_metered", async {
        let daemon = Daemon::start();
        let networks = Networks::start(&daemon, 1).await;
        let config = format!("{}[session]\nmetered = \"no-schedule\"\n", daemon.config());
        let bench = gateway(&config, "schedule = { at-boot = true, first-contact = false }\n", None).await;
        let mut agent = start(&bench).await;
        agent.logged("that it waits", |line| line.contains("the scheduled session waits, 604800 s")).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let timers = agent.timers();
        assert!(timers.iter().all(|timer| *timer > Duration::from_secs(600_000)), "{timers:?}");
        assert!(bench.packages().is_empty(), "{}", agent.log());
        // Another link, with a better route.
        networks.meter(2).await;
        bench.ended(&agent, 1).await;
        let log = agent.stop().await;
        assert_eq!(log.matches("the scheduled session waits").count(), 1, "{log}");
        assert!(log.contains("begins (boot)"), "{log}");

        // What somebody asks for does not wait, and tells the server what the schedule would.
        networks.meter(1).await;
        let mut agent = start(&bench).await;
        agent.logged("that it waits", |line| line.contains("the scheduled session waits")).await;
        bench.notify().await;
        bench.ended(&agent, 2).await;
        agent.at_rest().await;
        assert!(!agent.stop().await.contains("begins (boot)"));

        // Nor does it wait for ever.
        let config = config + "metered-wait = \"1s\"\n";
        bench.gateway.configure(([0, 0, 0, 0], 2948).into(), &config).unwrap();
        let mut agent = start(&bench).await;
        agent.logged("that it waits no longer", |line| line.contains("goes over a metered link")).await;
        bench.ended(&agent, 3).await;
        agent.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_link_that_dies_under_a_session_is_replaced_soon() {
    network::of_its_own("a_link_that_dies_under_a_session_is_replaced_soon", async {
        let daemon = Daemon::start();
        let _modems = Modems::start(&daemon, State { link: Some("usb0"), ..State::default() }).await;
        let bench = gateway(&daemon.config(), "", None).await;
        let mut agent = start(&bench).await;
        bench.answer([commands(json!([])).after(Duration::from_secs(60)), commands(json!([["END"]]))]);
        ask(&bench, &[Mobile, Wireline]).await;
        bench.until(&agent, "the package", |exchanges| !exchanges.is_empty()).await;
        // It has gone, with its address.
        let died = std::time::Instant::now();
        network::run("ip -n gw link set usb0 down").await;
        agent
            .logged("of it", |line| line.contains("the link usb0 is down: the session goes on over eth0"))
            .await;
        bench.ended(&agent, 1).await;
        assert!(died.elapsed() < Duration::from_secs(20), "{:?}", died.elapsed());
        let from: Vec<_> = bench.tape.requests("dm").iter().map(|request| request.peer.ip()).collect();
        assert_eq!(from[..2], [std::net::IpAddr::from(MOBILE), WIRELINE.into()]);
        agent.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_bound_session_resolves_names_on_its_link() {
    network::of_its_own("a_bound_session_resolves_names_on_its_link", async {
        let daemon = Daemon::start();
        let resolver = Resolver::start(&daemon, [192, 0, 2, 1]).await;
        let _modems = Modems::start(&daemon, State { link: Some("usb0"), ..State::default() }).await;
        let bench = gateway(&daemon.config(), "", Some("dm.link.test")).await;
        let agent = start(&bench).await;
        bench.play(reads());
        ask(&bench, &[Mobile]).await;
        bench.ended(&agent, 1).await;
        assert_eq!(last(&bench).0, std::net::IpAddr::from(MOBILE));
        let index = std::process::Command::new("ip")
            .args(["netns", "exec", "gw", "cat", "/sys/class/net/usb0/ifindex"])
            .output()
            .unwrap();
        let index: i32 = String::from_utf8_lossy(&index.stdout).trim().parse().unwrap();
        assert_eq!(*resolver.asked.lock().unwrap(), [(index, "dm.link.test".to_owned())]);
        agent.stop().await;
    })
    .await;
}

/// What the kernel itself makes of links upon links.
#[tokio::test]
async fn what_is_upon_links_is_what_is_below_it() {
    network::of_its_own("what_is_upon_links_is_what_is_below_it", async {
        network::run("mount -t sysfs sysfs /sys").await;
        network::run(
            "ip link add eth0 type veth peer name peer0; ip link set peer0 up
             ip addr add 192.0.2.2/24 dev eth0; ip link set eth0 up
             ip link add usb0 type veth peer name peer1; ip link set peer1 up; ip addr add 198.51.100.2/24 dev usb0; ip link set usb0 up
             ip route add default via 192.0.2.1 dev eth0",
        )
        .await;
        let mut made = Vec::new();
        for (name, line) in [
            ("usb0.7", "ip link add link usb0 name usb0.7 type vlan id 7"),
            ("br0", "ip link add br0 type bridge; ip link set usb0 master br0"),
            ("mac0", "ip link add link eth0 name mac0 type macvlan"),
            ("bond0", "ip link add bond0 type bond mode active-backup; ip link set mac0 down; ip link set mac0 master bond0"),
            ("gre1", "ip link add gre1 type gre local 198.51.100.2 remote 198.51.100.1"),
            ("ipip1", "ip link add ipip1 type ipip local 192.0.2.2 remote 203.0.113.1"),
            ("ipip2", "ip link add ipip2 type ipip local 192.0.2.2 remote 203.0.113.1 dev usb0"),
            ("wg0", "ip link add wg0 type wireguard"),
            ("tun0", "ip tuntap add tun0 mode tun"),
        ] {
            // Not every kernel has all of them.
            let done = std::process::Command::new("sh").args(["-ec", line]).status().unwrap();
            if done.success() {
                made.push(name);
            } else {
                eprintln!("{name}: this kernel has none of that");
            }
        }
        assert!(made.contains(&"br0") && made.contains(&"mac0"), "{made:?}");
        let modem = Modem { links: vec!["usb0".to_owned()], roams: Some(true), ..Modem::default() };
        let told = Told { modems: vec![modem], ..Told::default() };
        let mobile = Link { kind: Some(Mobile), metered: true, roaming: Some(true) };
        let wireline = Link { kind: Some(Wireline), metered: false, roaming: None };
        for (name, expected) in [
            ("usb0.7", mobile),
            ("br0", mobile),
            ("mac0", wireline),
            ("bond0", wireline),
            ("gre1", mobile),
            ("ipip1", wireline),
            ("ipip2", mobile),
            ("wg0", wireline),
            ("tun0", wireline),
        ] {
            if made.contains(&name) {
                let seen = look(name).await.unwrap();
                assert_eq!(told.link(name, &seen), expected, "{name}: {seen:?}");
            }
        }
    })
    .await;
}
