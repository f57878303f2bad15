//! `mo/diagnostics`, with the programs that drive it: ping and traceroute on loopback, a journal that the test plays.

use serde_json::{Value, json};

use super::*;
use crate::support::tools::written;

const DIAGNOSTICS: Published = Published { moid: "urn:x-omadm:mo:diagnostics:1.0", root: "Diagnostics" };

const NET_DEV: &str = "Inter-|   Receive                                                |  Transmit\n \
    face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
    lo: 1448 12 0 0 0 0 0 0 1448 12 0 0 0 0 0 0\n\
    wwan0:98765432109 4711 1 2 3 4 5 6 222 33 7 8 9 10 11 12\n";

const JOURNAL: &str = r#"
echo "$*" >>@folder@/calls
printf '2026-01-31T12:00:00+0000 gw pppd[9]: link \033[31mup\377\n2026-01-31T12:00:01+0000 gw pppd[9]: LCP "timeout"\n'
i=0; while [ $i -lt 1500 ]; do echo "2026-01-31T12:00:02+0000 gw pppd[9]: line $i of many, so that it is more than fits"; i=$((i + 1)); done
"#;

/// busybox has one of each; without it, they are those of the machine.
const REAL: &str = "exec busybox \"${0##*/}\" \"$@\"";

async fn started(programs: &[(&str, &str)]) -> (Bench, crate::support::Agent) {
    let bench = bench_with_programs("diagnostics", &[("proc/net/dev", NET_DEV)], programs).await;
    let agent = bench.start().await;
    (bench, agent)
}

/// The commands that write these leaves of a diagnosis and start it.
fn diagnosis(bench: &Bench, name: &str, leaves: &[(&str, Value)]) -> Vec<Value> {
    let mut commands: Vec<Value> = leaves
        .iter()
        .map(|(leaf, value)| DIAGNOSTICS.hget(bench, &format!("{name}/{leaf}"), value))
        .collect();
    commands.push(json!(["EXEC", DIAGNOSTICS.node(&format!("{name}/Operations/Start"))]));
    commands
}

#[tokio::test]
async fn the_counters_of_interfaces_are_one_file() {
    let (bench, agent) = started(&[]).await;
    let read = DIAGNOSTICS.read(&bench, &agent).await;
    let interfaces = read["Interfaces"].as_object().unwrap();
    assert_eq!(interfaces.keys().collect::<Vec<_>>(), ["lo", "wwan0"], "{}", agent.log());
    let expected = json!({
        "BytesReceived": 98765432109i64, "BytesSent": 222, "PacketsReceived": 4711, "PacketsSent": 33,
        "ErrorsReceived": 1, "ErrorsSent": 7, "DiscardPacketsReceived": 2, "DiscardPacketsSent": 8,
    });
    assert_eq!(interfaces["wwan0"], expected);
    assert_eq!(read["IPPing"]["DiagnosticsState"], "None");
    agent.stop().await;
}

#[tokio::test]
async fn a_host_is_pinged_and_the_way_to_it_is_traced() {
    let (bench, agent) = started(&[("ping", REAL), ("traceroute", REAL)]).await;
    let leaves = [("Host", json!("127.0.0.1")), ("NumberOfRepetitions", json!(2))];
    let (statuses, read) = DIAGNOSTICS.session(&bench, &agent, &diagnosis(&bench, "IPPing", &leaves)).await;
    assert_eq!(statuses, [200, 200, 200], "{}", agent.log());
    let ping = &read["IPPing"];
    assert_eq!(ping["DiagnosticsState"], "Complete", "{ping}");
    assert_eq!((&ping["SuccessCount"], &ping["FailureCount"]), (&json!(2), &json!(0)));
    let time = |name: &str| ping[format!("{name}ResponseTimeDetailed")].as_i64().unwrap();
    assert!(0 < time("Minimum") && time("Minimum") <= time("Average") && time("Average") <= time("Maximum"));

    let leaves = [("Host", json!("127.0.0.1")), ("NumberOfTries", json!(1))];
    let commands = diagnosis(&bench, "TraceRoute", &leaves);
    let (statuses, read) = DIAGNOSTICS.session(&bench, &agent, &commands).await;
    assert_eq!(statuses, [200, 200, 200], "{}", agent.log());
    let trace = &read["TraceRoute"];
    assert_eq!(
        (&trace["DiagnosticsState"], &trace["RouteHopsNumberOfEntries"]),
        (&json!("Complete"), &json!(1))
    );
    let hop = &trace["RouteHops"]["1"];
    assert_eq!((&hop["Host"], &hop["HostAddress"]), (&json!("127.0.0.1"), &json!("127.0.0.1")), "{trace}");
    assert_eq!(hop["ErrorCode"], 0, "{trace}");
    assert!(hop["RTTimes"].as_str().unwrap().parse::<u32>().is_ok(), "{trace}");
    agent.stop().await;
}

/// A way with hops that do not answer, that are two, and that say no; and what no hop can be.
const ROUTE: &str = r#"
[ ! -e @folder@/gone ] || { echo 'far.example: Name or service not known' >&2; exit 2; }
cat <<'END'
traceroute to far.example (203.0.113.9), 64 hops max
 1  192.0.2.1  0.412 ms  1.700 ms  0.499 ms
 2  * * *
 3  198.51.100.7  12.1 ms 198.51.100.8  13.6 ms  *
 4  fe80::1%wwan0  20 ms !X  21 ms !X  *
 5  "},{"n":9,  7 ms  !99 \  7.0 ms
END
hop=6; while [ $hop -lt 90 ]; do echo "$hop  203.0.113.9  30.000 ms"; hop=$((hop + 1)); done
"#;

#[tokio::test]
async fn each_hop_of_a_way_is_a_row_and_there_are_never_more_than_64() {
    let (bench, agent) = started(&[("traceroute", ROUTE)]).await;
    let commands = diagnosis(&bench, "TraceRoute", &[("Host", json!("far.example"))]);
    let (_, read) = DIAGNOSTICS.session(&bench, &agent, &commands).await;
    let trace = &read["TraceRoute"];
    assert_eq!(
        (&trace["DiagnosticsState"], &trace["RouteHopsNumberOfEntries"]),
        (&json!("Complete"), &json!(64)),
        "{trace}\n{}",
        agent.log()
    );
    let hops = trace["RouteHops"].as_object().unwrap();
    assert_eq!(hops.len(), 64, "{trace}");
    let row = |host: &str, error: u32, times: &str| json!({"Host": host, "HostAddress": host, "ErrorCode": error, "RTTimes": times});
    for (hop, expected) in [
        ("1", row("192.0.2.1", 0, "0,2,0")),
        ("2", json!({"ErrorCode": 0})),
        ("3", row("198.51.100.8", 0, "12,14")),
        ("4", row("fe80::1%wwan0", 13, "20,21")),
        ("5", json!({"ErrorCode": 99, "RTTimes": "7,7"})),
        ("64", row("203.0.113.9", 0, "30")),
    ] {
        assert_eq!(hops[hop], expected, "{hop}");
    }
    // What the latest one has found is no result of one that fails.
    put_script(&bench, "gone", "");
    let (_, read) = DIAGNOSTICS.session(&bench, &agent, &commands).await;
    let trace = &read["TraceRoute"];
    assert_eq!(trace["DiagnosticsState"], "Error_CannotResolveHostName", "{trace}");
    assert!(trace["RouteHopsNumberOfEntries"].is_null() && trace["RouteHops"] == json!({}), "{trace}");
    agent.stop().await;
}

/// A name server as nslookup tells of it: one that answers, one that knows nothing, and one that is away.
const NSLOOKUP: &str = r#"
case $2 in
192.0.2.53)
    printf 'Server:\t\t192.0.2.53\nAddress:\t192.0.2.53#53\n\nNon-authoritative answer:\n'
    printf 'Name:\tfar.example"},{\nAddress: 203.0.113.9\nName:\tfar.example\nAddress: 2001:db8::9\nAddress: 203.0.113.9\n'
    octet=10; while [ $octet -lt 40 ]; do echo "Address: 203.0.113.$octet"; octet=$((octet + 1)); done
    ;;
192.0.2.54) printf 'Server:    192.0.2.54\nAddress:   192.0.2.54:53\n\n** server can'"'"'t find far.example: NXDOMAIN\n'; exit 1 ;;
*) echo ';; connection timed out; no servers could be reached'; exit 1 ;;
esac
"#;

#[tokio::test]
async fn each_answer_to_a_name_is_a_row() {
    let (bench, agent) = started(&[("nslookup", NSLOOKUP)]).await;
    let many = format!(
        "203.0.113.9,2001:db8::9,{}",
        (10..18).map(|octet| format!("203.0.113.{octet}")).collect::<Vec<_>>().join(",")
    );
    for (server, state, good, expected) in [
        (
            "192.0.2.53",
            "Complete",
            2,
            json!({
                "Status": "Success", "AnswerType": "NonAuthoritative", "HostNameReturned": "far.example,",
                "IPAddresses": many, "DNSServerIP": "192.0.2.53",
            }),
        ),
        (
            "192.0.2.54",
            "Error_HostNameNotResolved",
            0,
            json!({"Status": "Error_HostNameNotResolved", "AnswerType": "None", "DNSServerIP": "192.0.2.54"}),
        ),
        (
            "192.0.2.55",
            "Error_HostNameNotResolved",
            0,
            json!({"Status": "Error_DNSServerNotAvailable", "AnswerType": "None"}),
        ),
    ] {
        let leaves = [
            ("HostName", json!("far.example")),
            ("DNSServer", json!(server)),
            ("NumberOfRepetitions", json!(2)),
        ];
        let (_, mut read) =
            DIAGNOSTICS.session(&bench, &agent, &diagnosis(&bench, "NSLookup", &leaves)).await;
        let found = &mut read["NSLookup"];
        assert_eq!(
            (&found["DiagnosticsState"], &found["SuccessCount"], &found["ResultNumberOfEntries"]),
            (&json!(state), &json!(good), &json!(2)),
            "{found}\n{}",
            agent.log()
        );
        for number in ["1", "2"] {
            let row = found["Result"][number].as_object_mut().unwrap();
            assert!(row.remove("ResponseTime").unwrap().is_u64(), "{server}");
            assert_eq!(json!(row), expected, "{server}");
        }
        assert_eq!(found["Result"].as_object().unwrap().len(), 2);
    }
    agent.stop().await;
}

#[tokio::test]
async fn what_a_server_writes_is_no_option_and_what_fails_says_how() {
    let (bench, agent) =
        started(&[("ping", "echo 'ping: bad address' >&2; exit 1"), ("getent", "exit 2")]).await;
    for host in ["-f", "--help", "a b", "$(id)", "a\nb", "@x"] {
        let written = [DIAGNOSTICS.hget(&bench, "IPPing/Host", &json!(host))];
        let (statuses, _) = DIAGNOSTICS.session(&bench, &agent, &written).await;
        assert_eq!(statuses, [500], "{host:?}: {}", agent.log());
    }
    for (name, leaf, host, state) in [
        ("IPPing", "Host", "gone.example", "Error_CannotResolveHostName"),
        ("NSLookup", "HostName", "gone.example", "Error_HostNameNotResolved"),
        ("Download", "DownloadURL", "http://127.0.0.1:1/x", "Error_InitConnectionFailed"),
    ] {
        let commands = diagnosis(&bench, name, &[(leaf, json!(host))]);
        let (statuses, read) = DIAGNOSTICS.session(&bench, &agent, &commands).await;
        assert_eq!(statuses, [200, 500], "{name}: {}", agent.log());
        assert_eq!(read[name]["DiagnosticsState"], state, "{}", agent.log());
    }
    agent.stop().await;
}

#[tokio::test]
async fn a_name_is_looked_up_and_a_document_fetched() {
    let (bench, agent) = started(&[]).await;
    put_script(&bench, "sysroot/etc/omadm/diagnostics.conf", "local = yes\n");
    let leaves = [("HostName", json!("localhost")), ("NumberOfRepetitions", json!(3))];
    let (statuses, read) = DIAGNOSTICS.session(&bench, &agent, &diagnosis(&bench, "NSLookup", &leaves)).await;
    assert_eq!(statuses, [200, 200, 200], "{}", agent.log());
    let found = &read["NSLookup"];
    assert_eq!(
        (&found["DiagnosticsState"], &found["SuccessCount"]),
        (&json!("Complete"), &json!(3)),
        "{found}"
    );
    assert_eq!(found["ResultNumberOfEntries"], 3, "{found}");
    for number in ["1", "2", "3"] {
        let row = &found["Result"][number];
        assert_eq!(row["Status"], "Success", "{found}");
        let addresses: Vec<&str> = row["IPAddresses"].as_str().unwrap().split(',').collect();
        assert!(addresses.contains(&"127.0.0.1") || addresses.contains(&"::1"), "{addresses:?}");
    }

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/file", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        let body = "x".repeat(5000);
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nConnection: close\r\n\r\n{body}").unwrap();
    });
    let leaves = [("DownloadURL", json!(url))];
    let (statuses, read) = DIAGNOSTICS.session(&bench, &agent, &diagnosis(&bench, "Download", &leaves)).await;
    server.join().unwrap();
    assert_eq!(statuses, [200, 200], "{}", agent.log());
    let fetched = &read["Download"];
    assert_eq!(fetched["DiagnosticsState"], "Complete", "{fetched}");
    assert_eq!((&fetched["TestBytesReceived"], &fetched["ResponseCode"]), (&json!(5000), &json!(200)));
    let (begun, ended) = (fetched["ROMTime"].as_str().unwrap(), fetched["EOMTime"].as_str().unwrap());
    assert!(begun.starts_with("20") && begun.ends_with('Z') && begun <= ended, "{fetched}");
    agent.stop().await;
}

#[tokio::test]
async fn what_listens_on_the_gateway_itself_is_not_fetched_by_any_name_or_redirect() {
    const CURL: &str = "echo \"$*\" >>@folder@/asked; printf '0.1 0.1 0 302 http://inside.test:8080/reboot'";
    const GETENT: &str = "case $2 in outside.test) echo '192.0.2.7 STREAM' ;; inside.test) echo '127.0.0.1 STREAM' ;; \
                          *) exec /usr/bin/getent \"$@\" ;; esac";
    let (bench, agent) = started(&[("curl", CURL), ("getent", GETENT)]).await;
    let asked = || std::fs::read_to_string(bench.gateway.path("asked")).unwrap_or_default();
    for url in [
        "http://127.1/",
        "http://2130706433:80/",
        "https://[::1]:1/x",
        "http://inside.test/",
        "http://a@outside.test/",
    ] {
        let leaves = [("DownloadURL", json!(url))];
        let (_, read) = DIAGNOSTICS.session(&bench, &agent, &diagnosis(&bench, "Download", &leaves)).await;
        let state = read["Download"]["DiagnosticsState"].as_str().unwrap();
        assert!(state.starts_with("Error_"), "{url}: {state}");
        assert_eq!(asked(), "", "{url}");
    }
    let leaves = [("DownloadURL", json!("http://outside.test/file"))];
    let (_, read) = DIAGNOSTICS.session(&bench, &agent, &diagnosis(&bench, "Download", &leaves)).await;
    assert_eq!(read["Download"]["DiagnosticsState"], "Error_InitConnectionFailed", "{}", agent.log());
    let asked = asked();
    assert!(asked.lines().count() == 1 && asked.contains("--resolve outside.test:80:192.0.2.7 "), "{asked}");
    agent.stop().await;
}

#[tokio::test]
async fn an_excerpt_of_the_journal_is_filtered_printable_and_bounded() {
    let (bench, agent) = started(&[("journalctl", JOURNAL)]).await;
    let leaves = [
        ("Unit", json!("ppp@wan.service")),
        ("Priority", json!("warning")),
        ("Minutes", json!(5)),
        ("Lines", json!(2000)),
    ];
    let (statuses, read) = DIAGNOSTICS.session(&bench, &agent, &diagnosis(&bench, "Log", &leaves)).await;
    assert_eq!(statuses, [200; 5], "{}", agent.log());
    let excerpt = read["Log"]["Excerpt"].as_str().unwrap();
    assert!(excerpt.ends_with("line 1499 of many, so that it is more than fits"), "{excerpt}");
    assert!((59_900..=60_000).contains(&excerpt.len()), "{}", excerpt.len());
    let calls = written(&bench, "calls");
    assert_eq!(
        calls,
        "--quiet --no-pager --output=short-iso --priority=warning --since=-5min --unit=ppp@wan.service\n"
    );
    for (contains, expected) in [
        ("LCP", "2026-01-31T12:00:01+0000 gw pppd[9]: LCP \"timeout\""),
        ("up", "2026-01-31T12:00:00+0000 gw pppd[9]: link [31mup"),
        ("-e x", "no messages"),
    ] {
        let commands = diagnosis(&bench, "Log", &[("Contains", json!(contains))]);
        let (_, read) = DIAGNOSTICS.session(&bench, &agent, &commands).await;
        assert_eq!(read["Log"]["Excerpt"], expected, "{}", agent.log());
    }
    agent.stop().await;
}
