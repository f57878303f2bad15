mod packages;
mod request;

use proptest::prelude::*;

use super::*;

/// Text of every kind that JSON and form bodies could trip over.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,12}", "(\\PC|[\r\n\"\\\\\u{0}-]){0,6}"]
}

fn command() -> impl Strategy<Value = Command> {
    (text(), prop::option::of(prop::collection::vec(text(), 0..4)))
        .prop_map(|(name, parameters)| Command { verb: name.into(), parameters })
}

fn package2() -> impl Strategy<Value = Package2> {
    let media_type = "[a-z]{1,4}/[a-z+.*]{1,6}";
    let unwanted = prop::option::of("[a-z]{1,4}/[a-z+.*]{1,6};q=0");
    let media_types = (prop::collection::vec(media_type, 0..4), unwanted)
        .prop_map(|(types, unwanted)| types.into_iter().chain(unwanted).collect::<Vec<_>>());
    (
        prop::collection::vec(command(), 0..6),
        prop::option::of(media_types),
        prop::collection::vec(any::<u16>(), 0..4),
    )
        .prop_map(|(commands, accept_mo, results)| Package2 { commands, accept_mo, results })
}

fn alert() -> impl Strategy<Value = Alert> {
    let texts = prop::collection::vec(prop::option::of(text()), 4);
    (text(), texts, prop::option::of(text())).prop_map(|(alert_type, texts, data)| {
        let mut texts = texts.into_iter();
        let mut next = || texts.next().flatten();
        Alert {
            alert_type,
            mime_type: next(),
            source_uri: next(),
            target_uri: next(),
            mark: next(),
            data: data.map(|data| serde_json::json!({ "DM1x": data })),
        }
    })
}

fn package1() -> impl Strategy<Value = Package1> {
    let mo = (text(), text(), prop::collection::vec(text(), 0..3))
        .prop_map(|(ddf, moid, miids)| SupportedMo { ddf, moid: moid.into(), miids });
    let requested = prop_oneof![
        text().prop_map(|client_uri| RequestedMo::Fresh { client_uri }),
        (text(), text()).prop_map(|(client_uri, value)| {
            let json = serde_json::json!({"ClientURI": client_uri, "MOData": {"N": {"Leaf": value}}});
            RequestedMo::Stale(json.to_string())
        }),
    ];
    let reason = prop_oneof![
        prop::option::of(any::<u16>()).prop_map(Reason::Server),
        Just(Reason::Client),
        Just(Reason::Bootstrap),
    ];
    let reasons = prop::collection::vec(reason, 0..3);
    let mos = prop::option::of(prop::collection::vec(mo, 0..3));
    (mos, prop::collection::vec(alert(), 0..3), prop::collection::vec(requested, 0..3), reasons)
        .prop_map(|(mos, alerts, requested, reasons)| Package1 { mos, alerts, requested, reasons })
}

/// Bodies made of what boundaries are made of.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b"--".to_vec()),
        Just(b"omadm-0000000000000007".to_vec()),
        Just(b"omadm-00000000".to_vec()),
        prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn package3() -> impl Strategy<Value = Package3> {
    let status =
        (any::<u16>(), prop::collection::vec(text(), 0..3), prop::option::of(("[a-z/;= \"]{1,12}", body())));
    (prop::collection::vec(status, 0..5), prop::collection::vec(alert(), 0..3)).prop_map(
        |(commands, alerts)| {
            let mut package = Package3 { alerts, ..Package3::default() };
            for (at, (code, extra, data)) in commands.into_iter().enumerate() {
                package.statuses.push(Status { code, extra });
                if let Some((content_type, body)) = data {
                    let content_type = content_type.trim().to_owned();
                    let content_type = if content_type.is_empty() { "a/b".to_owned() } else { content_type };
                    package.parts.push(Part { position: at + 1, content_type, body });
                }
            }
            package
        },
    )
}

/// The draft has no place for a target.
fn without_targets(mut alerts: Vec<Alert>) -> Vec<Alert> {
    alerts.iter_mut().for_each(|alert| alert.target_uri = None);
    alerts
}

proptest! {
    #[test]
    fn package1_is_read_as_written(package in package1()) {
        let sent = encode1(Profile::Approved, &package);
        let read = server::decode1(Profile::Approved, &sent.content_type, &sent.body).unwrap();
        prop_assert_eq!(&read, &package);
        let sent = encode1(Profile::Draft, &package);
        let read = server::decode1(Profile::Draft, &sent.content_type, &sent.body).unwrap();
        let alerts = without_targets(package.alerts.clone());
        prop_assert_eq!(read, Package1 { alerts, reasons: Vec::new(), ..package });
    }

    #[test]
    fn package2_is_read_as_written(package in package2()) {
        let sent = server::encode2(&package);
        prop_assert_eq!(decode(Some(&sent.content_type), &sent.body).unwrap(), package);
    }

    #[test]
    fn package3_is_read_as_written(package in package3(), nonce in prop_oneof![Just(7), any::<u64>()]) {
        let sent = encode3(Profile::Approved, &package, nonce);
        let read = server::decode3(Profile::Approved, &sent.content_type, &sent.body).unwrap();
        prop_assert_eq!(&read, &package);
        let sent = encode3(Profile::Draft, &package, nonce);
        let read = server::decode3(Profile::Draft, &sent.content_type, &sent.body).unwrap();
        prop_assert_eq!(read, Package3 { alerts: without_targets(package.alerts.clone()), ..package });
    }

    #[test]
    fn any_body_is_a_package_or_an_error(body in "[\\[\\]{}:,\"CMDGET0-9eE.\\\\u-]{0,40}") {
        let _either = decode(Some(REQUEST), body.as_bytes());
        let _either = decode(Some(REQUEST), format!("{{\"CMD\":[{body}]}}").as_bytes());
    }

    #[test]
    fn any_form_is_read_or_refused(body in "(--b|\r\n|:|--|Content-Disposition|form-data|; name=|\"|x){0,24}") {
        let _either = multipart::parse("multipart/form-data; boundary=b", format!("--b\r\n{body}").as_bytes());
    }
}
