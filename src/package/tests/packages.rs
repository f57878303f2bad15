//! Packages #1 and #3, byte by byte, and the form around data.

use serde_json::json;

use super::multipart::{FormPart, MultipartError, parse};
use super::server::{ReadError, decode1, decode3};
use super::*;

fn alert() -> Alert {
    Alert {
        alert_type: "urn:oma:at:scomo:1.0:OperationComplete".into(),
        mime_type: Some("text/plain".into()),
        source_uri: Some("urn:a//b".into()),
        target_uri: Some("urn:a//c".into()),
        mark: Some("warning".into()),
        data: Some(json!({})),
    }
}

fn text(encoded: &Encoded) -> &str {
    std::str::from_utf8(&encoded.body).unwrap()
}

fn status(code: u16, extra: &[&str]) -> Status {
    Status { code, extra: extra.iter().map(|&text| text.to_owned()).collect() }
}

#[test]
fn package1_is_empty_when_there_is_nothing_to_say() {
    for profile in [Profile::Draft, Profile::Approved] {
        let sent = encode1(profile, &Package1::default());
        assert_eq!((sent.content_type.as_str(), text(&sent)), (INITIATION, "{}"));
        let no_mos = encode1(profile, &Package1 { mos: Some(vec![]), ..Package1::default() });
        assert_eq!(text(&no_mos), r#"{"MOS":[]}"#);
    }
}

#[test]
fn package1_of_both_profiles() {
    let mo = |moid: &str, miids: &[&str]| SupportedMo {
        ddf: "http://d/".into(),
        moid: moid.into(),
        miids: miids.iter().map(|&miid| miid.to_owned()).collect(),
    };
    let bare = Alert {
        alert_type: "urn:t".into(),
        mime_type: None,
        source_uri: None,
        target_uri: None,
        mark: None,
        data: None,
    };
    let package = Package1 {
        mos: Some(vec![mo("urn:a", &["1", "2"]), mo("urn:b", &[])]),
        alerts: vec![alert(), bare],
        ..Package1::default()
    };
    let mos = r#""MOS":[{"DDF":"http://d/","MOID":"urn:a","MIID":["1","2"]},{"DDF":"http://d/","MOID":"urn:b","MIID":[]}]"#;
    let draft = r#""Alert":{"Items":[{"AlertType":"urn:oma:at:scomo:1.0:OperationComplete","MIMEType":"text/plain","SourceURI":"urn:a//b","Mark":"warning","Data":{}},{"AlertType":"urn:t"}]}"#;
    let approved = r#""Alert":[{"AlertType":"urn:oma:at:scomo:1.0:OperationComplete","SourceURI":"urn:a//b","TargetURI":"urn:a//c","Mark":"warning","DataType":"text/plain","Data":{}},{"AlertType":"urn:t"}]"#;
    assert_eq!(text(&encode1(Profile::Draft, &package)), format!("{{{mos},{draft}}}"));
    assert_eq!(text(&encode1(Profile::Approved, &package)), format!("{{{mos},{approved}}}"));
}

#[test]
fn only_the_approved_profile_says_why_a_session_is_held() {
    let mgmt = "urn:oma:at:dm:2.0:";
    for (reason, alert) in [
        (
            Reason::Server(Some(7)),
            format!(r#"{{"AlertType":"{mgmt}ServerInitiatedMgmt","Data":{{"NOTIFICATION-ID":7}}}}"#),
        ),
        (Reason::Server(None), format!(r#"{{"AlertType":"{mgmt}ServerInitiatedMgmt"}}"#)),
        (Reason::Client, format!(r#"{{"AlertType":"{mgmt}ClientInitiatedMgmt"}}"#)),
        (Reason::Bootstrap, format!(r#"{{"AlertType":"{mgmt}BootstrapComplete"}}"#)),
    ] {
        let package = Package1 { reasons: vec![reason], ..Package1::default() };
        assert_eq!(text(&encode1(Profile::Draft, &package)), "{}");
        assert_eq!(text(&encode1(Profile::Approved, &package)), format!(r#"{{"Alert":[{alert}]}}"#));
        let package = Package1 { alerts: vec![self::alert()], ..package };
        let sent = encode1(Profile::Approved, &package);
        let sent = text(&sent);
        assert!(sent.starts_with(&format!(r#"{{"Alert":[{alert},{{"AlertType""#)), "it comes first: {sent}");
    }
}

#[test]
fn only_the_drafts_servers_answer_alerts() {
    let package = Package2 { results: vec![200, 415], ..Package2::default() };
    assert_eq!(alert_results(Profile::Draft, &package), [200, 415]);
    assert!(alert_results(Profile::Approved, &package).is_empty());
}

#[test]
fn package3_of_both_profiles() {
    let package =
        Package3 { statuses: vec![status(200, &[]), status(201, &["urn:a/1/", "x"])], ..Package3::default() };
    let draft = encode3(Profile::Draft, &package, 1);
    assert_eq!(
        (draft.content_type.as_str(), text(&draft)),
        (RESPONSE, r#"{"Status":[[200],[201,"urn:a/1/","x"]]}"#)
    );
    let approved = encode3(Profile::Approved, &package, 1);
    assert_eq!(text(&approved), r#"{"Status":[{"sc":200},{"sc":201,"URI":["urn:a/1/","x"]}]}"#);
    assert_eq!(text(&encode3(Profile::Draft, &Package3::default(), 1)), r#"{"Status":[]}"#);
    let alerts = Package3 { alerts: vec![alert()], ..Package3::default() };
    assert!(text(&encode3(Profile::Draft, &alerts, 1)).starts_with(r#"{"Status":[],"Alert":{"Items":[{"#));
    assert!(text(&encode3(Profile::Approved, &alerts, 1)).starts_with(r#"{"Status":[],"Alert":[{"#));
}

fn with_data(bodies: &[&[u8]]) -> Package3 {
    let part = |(at, body): (usize, &&[u8])| Part {
        position: at + 1,
        content_type: "text/plain".into(),
        body: body.to_vec(),
    };
    Package3 {
        statuses: vec![status(200, &[]); bodies.len()],
        parts: bodies.iter().enumerate().map(part).collect(),
        alerts: vec![],
    }
}

#[test]
fn data_makes_a_form() {
    let sent = encode3(Profile::Draft, &with_data(&[b"IMEI:49", b""]), 0xab);
    assert_eq!(sent.content_type, "multipart/form-data; boundary=omadm-00000000000000ab");
    let expected = "--omadm-00000000000000ab\r\n\
        Content-Disposition: form-data\r\n\
        Content-Type: application/vnd.oma.dm.response+json\r\n\
        \r\n\
        {\"Status\":[[200],[200]]}\r\n\
        --omadm-00000000000000ab\r\n\
        Content-Disposition: form-data; name=\"1\"\r\n\
        Content-Type: text/plain\r\n\
        \r\n\
        IMEI:49\r\n\
        --omadm-00000000000000ab\r\n\
        Content-Disposition: form-data; name=\"2\"\r\n\
        Content-Type: text/plain\r\n\
        \r\n\
        \r\n\
        --omadm-00000000000000ab--\r\n";
    assert_eq!(text(&sent), expected);
}

#[test]
fn a_boundary_is_in_no_body() {
    let first = b"omadm-00000000000000ab".as_slice();
    let second = b"x\r\n--omadm-00000000000000ac--\r\n".as_slice();
    let package = with_data(&[first, second]);
    let sent = encode3(Profile::Draft, &package, 0xab);
    assert_eq!(sent.content_type, "multipart/form-data; boundary=omadm-00000000000000ad");
    assert_eq!(decode3(Profile::Draft, &sent.content_type, &sent.body).unwrap(), package);
    let mut package = with_data(&[b""]);
    package.statuses[0].extra = vec!["omadm-ffffffffffffffff".into()];
    let wrapped = encode3(Profile::Draft, &package, u64::MAX);
    assert_eq!(wrapped.content_type, "multipart/form-data; boundary=omadm-0000000000000000");
}

#[test]
fn a_media_type_cannot_add_headers() {
    for hostile in ["text/plain\r\nX: y", "text/plain\r\n\r\nbody", "é/b", "a\u{0}", ""] {
        let mut package = with_data(&[b"data"]);
        package.parts[0].content_type = hostile.into();
        let sent = encode3(Profile::Draft, &package, 1);
        let read = decode3(Profile::Draft, &sent.content_type, &sent.body).unwrap();
        assert_eq!(read.parts[0].content_type, "application/octet-stream", "{hostile:?}");
        assert_eq!(read.parts[0].body, b"data");
    }
}

const PART: &str = "Content-Disposition: form-data; name=\"1\"\r\nContent-Type: a/b\r\n\r\nx";

#[test]
fn forms_of_others_are_read() {
    let body = format!(
        "--b c\r\n{PART}\r\n--b c\r\ncontent-disposition:FORM-DATA;filename=\"a;\\\"b\"; Name=n\r\nX-Y: z\r\n\r\n--b\r\n--b c--"
    );
    let parts = parse("Multipart/Form-Data; charset=utf-8; Boundary=\"b c\"", body.as_bytes()).unwrap();
    let first = FormPart { name: Some("1".into()), content_type: Some("a/b"), body: b"x" };
    assert_eq!(parts, [first, FormPart { name: Some("n".into()), content_type: None, body: b"--b" }]);
}

#[test]
fn what_is_no_form_says_why() {
    use MultipartError::*;
    let form = "multipart/form-data; boundary=b";
    let whole = format!("--b\r\n{PART}\r\n--b--\r\n");
    assert_eq!(parse(form, whole.as_bytes()).unwrap().len(), 1);
    let cases = [
        ("application/json", whole.clone(), ContentType),
        ("multipart/form-data", whole.clone(), Boundary),
        ("multipart/form-data; boundary=", whole.clone(), Boundary),
        ("multipart/form-data; boundary=\"b", whole.clone(), Boundary),
        ("multipart/form-data; boundary=\"b\r\"", whole.clone(), Boundary),
        (form, String::new(), Start),
        (form, format!("\r\n{whole}"), Start),
        (form, "--b--\r\n".into(), Start),
        (form, whole.replace("\r\n", "\n"), Start),
        (form, format!("--b\r\n{PART}"), End(0)),
        (form, format!("--b\r\n{PART}\r\n--b"), End(0)),
        (form, format!("--b\r\n{PART}\r\n--bc--"), End(0)),
        (form, format!("--b\r\n{PART}\r\n--b\r\n{PART}"), End(1)),
        (form, format!("{whole}more"), Trailing),
        (form, "--b\r\nno headers\r\n--b--".into(), Headers(0)),
        (form, format!("--b\r\nno header\r\n{PART}\r\n--b--"), Headers(0)),
        (form, format!("--b\r\nContent-Type: c/d\r\n{PART}\r\n--b--"), Headers(0)),
        (form, format!("--b\r\nX: {}\r\n{PART}\r\n--b--", "x".repeat(9000)), Headers(0)),
        (form, "--b\r\nContent-Type: a/b\r\n\r\nx\r\n--b--".into(), Disposition(0)),
        (form, format!("--b\r\n{}\r\n--b--", PART.replace("form-data", "attachment")), Disposition(0)),
    ];
    for (content_type, body, expected) in cases {
        assert_eq!(parse(content_type, body.as_bytes()), Err(expected), "{body:?}");
    }
}

#[test]
fn a_bench_notices_a_wrong_package() {
    let form = |first: &str, rest: &str| {
        let body = format!(
            "--b\r\nContent-Disposition: form-data{first}\r\n\r\n{{\"Status\":[[200],[404]]}}{rest}\r\n--b--"
        );
        decode3(Profile::Draft, "multipart/form-data; boundary=b", body.as_bytes())
    };
    let response = format!("\r\nContent-Type: {RESPONSE}");
    let part = |name: &str| {
        format!("\r\n--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\nContent-Type: a/b\r\n\r\nx")
    };
    assert_eq!(form(&response, &part("2")).unwrap().parts.len(), 1);
    assert!(matches!(form(&response, ""), Err(ReadError::NoParts)));
    assert!(matches!(form("\r\nContent-Type: a/b", &part("1")), Err(ReadError::FirstPart)));
    assert!(matches!(form(&format!("; name=\"0\"{response}"), &part("1")), Err(ReadError::FirstPart)));
    for name in ["0", "3", "x", "", "-1"] {
        assert!(matches!(form(&response, &part(name)), Err(ReadError::Part(_))), "{name:?}");
    }
    assert!(matches!(form(&response, &(part("1") + &part("1"))), Err(ReadError::Part(_))));
    assert!(matches!(decode3(Profile::Draft, RESPONSE, br#"{"Status":[200]}"#), Err(ReadError::Json(_))));
    assert!(matches!(decode3(Profile::Draft, RESPONSE, br#"{"Status":[[]]}"#), Err(ReadError::Json(_))));
    assert!(matches!(
        decode3(Profile::Approved, RESPONSE, br#"{"Status":[[200]]}"#),
        Err(ReadError::Json(_))
    ));
    assert!(matches!(decode3(Profile::Draft, INITIATION, b"{}"), Err(ReadError::ContentType(_))));
    assert!(matches!(decode1(Profile::Draft, INITIATION, br#"{"Mos":[]}"#), Err(ReadError::Json(_))));
    assert!(matches!(decode1(Profile::Draft, RESPONSE, b"{}"), Err(ReadError::ContentType(_))));
}

#[test]
fn requested_objects_are_serialised_or_said_to_be_fresh() {
    let stale = r#"{"ClientURI":"urn:a/1/","MOData":{"A":{"L":1.50}}}"#;
    let requested =
        vec![RequestedMo::Fresh { client_uri: "urn:b/1/".into() }, RequestedMo::Stale(stale.into())];
    let package = Package1 { requested, ..Package1::default() };
    for profile in [Profile::Draft, Profile::Approved] {
        let sent = encode1(profile, &package);
        let text = format!(r#"{{"MOD":[{{"URI":"urn:b/1/","Code":304}},{stale}]}}"#);
        assert_eq!(String::from_utf8(sent.body.clone()).unwrap(), text);
        assert_eq!(server::decode1(profile, INITIATION, &sent.body).unwrap(), package);
        for bad in
            [r#"{"MOD":[{"URI":"urn:b/1/","Code":200}]}"#, r#"{"MOD":[{"URI":"x"}]}"#, r#"{"MOD":[7]}"#]
        {
            assert!(server::decode1(profile, INITIATION, bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
