//! Requests that are none.

use super::*;

/// What the helper says to these bytes, and how it ends; the sender then waits.
async fn answer(bench: &Bench, bytes: &[u8]) -> (Option<HelperReply>, std::io::Result<()>) {
    let (mut stream, helper) = bench.helper();
    stream.write_all(bytes).await.unwrap();
    let reply = next(&mut stream).await;
    (reply, helper.await.unwrap())
}

#[tokio::test]
async fn a_frame_of_four_gigabytes_is_refused_before_it_is_there() {
    let (reply, ended) = answer(&Bench::new(), &[255, 255, 255, 255, b'{']).await;
    assert_eq!(reply, None);
    assert!(ended.unwrap_err().to_string().contains("longer than 1 MiB"));
}

#[tokio::test(start_paused = true)]
async fn half_a_frame_is_waited_for_five_seconds() {
    let bench = Bench::new();
    let whole = frame(&bench.request("a", json!([set("Level", json!(5))]))).unwrap();
    let begun = tokio::time::Instant::now();
    let (reply, ended) = answer(&bench, &whole[..whole.len() - 1]).await;
    assert_eq!(reply, None);
    assert_eq!(ended.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert_eq!(bench.text("data/level"), "3\n");
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_trickles_in_is_not_waited_for_longer() {
    let bench = Bench::new();
    let whole = frame(&bench.request("a", json!([set("Level", json!(5))]))).unwrap();
    let (mut stream, helper) = bench.helper();
    let begun = tokio::time::Instant::now();
    for byte in whole {
        if stream.write_all(&[byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(helper.await.unwrap().is_err());
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!(bench.text("data/level"), "3\n");
}

#[tokio::test]
async fn what_is_no_request_is_told_so() {
    let bench = Bench::new();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for text in ["", "{", "[]", "{}", "\"x\"", deep.as_str(), r#"{"v":1,"id":"a"}"#] {
        let mut bytes = u32::try_from(text.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend_from_slice(text.as_bytes());
        let (reply, _) = answer(&bench, &bytes).await;
        assert_eq!(reply.unwrap().code, Some(400), "{}", &text[..text.len().min(20)]);
    }
    let good = bench.request("a", json!([set("Level", json!(5))]));
    for (key, value) in [
        ("v", json!(2)),
        ("id", json!("../a")),
        ("id", json!("")),
        ("folder", json!("x".repeat(600))),
        ("server", json!("a\nsshd[1]: Accepted password for root")),
        ("ops", json!([])),
        ("ops", json!([{ "op": "get", "node": "Level\n", "source": 0 }])),
        ("ops", json!([{ "op": "get", "node": "x".repeat(600), "source": 0 }])),
        ("ops", json!([{ "op": "get", "node": "Level", "source": 0 }, { "op": "exec", "node": "Do" }])),
    ] {
        let mut odd = good.clone();
        odd[key] = value;
        let replies = bench.replies(&odd).await;
        assert_eq!(replies.len(), 1, "{odd}");
        assert_eq!(replies[0].code, Some(400), "{odd}");
    }
    assert_eq!(bench.text("data/level"), "3\n");
}

#[tokio::test]
async fn a_batch_is_answered_in_order_and_a_failure_costs_itself_alone() {
    let bench = Bench::new();
    let ops = json!([
        set("Level", json!(5)),
        set("Level", json!(50)),
        { "op": "get", "node": "Level", "source": 0 },
        { "op": "get", "node": "Nowhere", "source": 0 },
        { "op": "get", "node": "Links/<if>/Mtu", "vars": { "if": "eth0" }, "source": 0 },
    ]);
    let replies = bench.replies(&bench.request("a", ops)).await;
    let told: Vec<(usize, u16)> = replies.iter().map(|reply| (reply.index, reply.code.unwrap())).collect();
    assert_eq!(told, [(0, 200), (1, 406), (2, 200), (3, 404), (4, 200)]);
    assert_eq!(replies[2].value, Some(json!(5)));
    assert_eq!(replies[4].value, Some(json!(1500)));
    assert!(replies.iter().all(|reply| reply.id == "a"));
}

#[tokio::test]
async fn somebody_else_may_ask_for_nothing() {
    let bench = Bench::new();
    // Reached by anybody, unlike the helper's socket: what counts is who asks.
    fs::set_permissions(bench.folder.path(), Permissions::from_mode(0o755)).unwrap();
    let path = bench.path("socket");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
    let connect = "use Socket; socket(my $s, PF_UNIX, SOCK_STREAM, 0); \
         connect($s, pack_sockaddr_un($ARGV[0])) or exit 1; sysread($s, my $b, 1);";
    let mut client = std::os::unix::process::CommandExt::uid(
        std::process::Command::new("perl").args(["-e", connect]).arg(&path),
        65534,
    )
    .spawn()
    .unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let refused = connection::serve(stream, &bench.machine(), &bench.rules).await.unwrap_err();
    assert_eq!(refused.to_string(), "user 65534 may ask for nothing");
    client.wait().unwrap();
}

#[tokio::test]
async fn a_frame_that_would_take_much_memory_is_no_request() {
    let bench = Bench::new();
    let many = format!("{{{}\"z\":0}}", (0..60_000).map(|at| format!("\"k{at}\":[],")).collect::<String>());
    let deep = format!("{}{}", "[".repeat(50), "]".repeat(50));
    for value in [many, deep] {
        let text = bench.request("a", json!([set("Level", json!("HERE"))])).to_string();
        let text = text.replace("\"HERE\"", &value);
        let mut bytes = u32::try_from(text.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend_from_slice(text.as_bytes());
        let (reply, _) = answer(&bench, &bytes).await;
        let reply = reply.unwrap();
        assert_eq!(reply.code, Some(400), "{reply:?}");
        assert!(reply.error.unwrap().contains("too many"), "of its own bound, before it is built");
    }
    // Texts may have in them what they like.
    let text = "[{,".repeat(100_000);
    let (code, _) = bench.one(set("Level", json!(text))).await;
    assert_eq!(code, 406);
}

#[tokio::test(start_paused = true)]
async fn who_reads_slowly_is_waited_for_once_and_not_at_each_reply() {
    let bench = Bench::new();
    bench.write("data/host.conf", &format!("host={}\n", "a".repeat(50 << 10)));
    let get = json!({ "op": "get", "node": "Host", "source": 0 });
    let (code, value) = bench.one(get.clone()).await;
    assert_eq!((code, value.as_str().unwrap().len()), (200, 50 << 10));
    let ops: Vec<Json> = (0..60).map(|_| get.clone()).collect();
    let (mut stream, helper) = bench.helper();
    stream.write_all(&frame(&bench.request("a", json!(ops))).unwrap()).await.unwrap();
    let begun = tokio::time::Instant::now();
    let reading = async {
        let mut buffer = vec![0; 1 << 16];
        while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    };
    let (ended, ()) = tokio::join!(helper, reading);
    ended.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}
