use serde_json::json;

use super::*;

fn read_(data: &Json) -> Result<Account, String> {
    read(data, &Settings::default()).map(|read| read.account).map_err(|error| error.to_string())
}

fn draft() -> Json {
    json!({
        "ServerID": "acme", "Name": "Acme", "SrvURI": "https://dm.example/[DevID]",
        "Permissions": {"1": {"MOID": "urn:a"}, "2": {"MOID": "*"}},
        "AuthNoti": {"AuthType": 0, "AuthSecret": "s3cret"},
        "Push": {"GCM": {"SenderID": "1", "RegURL": "https://p.example/r", "UnRegURL": "https://p.example/u", "RegParams": "a=b"}, "Other": {"x": 1}},
    })
}

fn approved() -> Json {
    json!({
        "SrvID": "acme", "SrvURI": "https://dm.example/", "Perm": {"x": {"MOID": "*"}},
        "Auth": {
            "Noti": {"Type": 0, "Data": BASE64_STANDARD.encode(b"\0data"), "Secret": BASE64_STANDARD.encode(b"\xffsecret")},
            "Trsp": {"Data": BASE64_STANDARD.encode("gw-[DevID]"), "Secret": BASE64_STANDARD.encode("pw")},
            "Bootstrap": {
                "ServerURI": "https://b.example/[DevID]", "SecMode": "AP8=",
                "ClientPubKey": "AQ==", "ServerPubKey": "Ag==", "ClientSecretKey": "Aw==",
            },
        },
        "Push": {"GCM": {"SenderID": "1", "RegURI": "https://p.example/r", "UnRegURI": "https://p.example/u"}},
    })
}

#[test]
fn both_texts_make_the_same_kind_of_account() {
    let account = read_(&draft()).unwrap();
    assert_eq!((account.profile, account.server_id.as_str()), (Profile::Draft, "acme"));
    assert_eq!(account.permissions.iter().map(|one| one.moid.as_str()).collect::<Vec<_>>(), ["urn:a", "*"]);
    let notification = account.notification.unwrap();
    assert_eq!((notification.secret.expose(), notification.require_digest), (&b"s3cret"[..], true));
    assert_eq!(account.push.unwrap().params.as_deref(), Some("a=b"));
    assert!(account.file.as_os_str().is_empty());

    let account = read_(&json!({"DMAcc": approved()})).unwrap();
    assert_eq!((account.profile, account.name.as_str()), (Profile::Approved, "acme"));
    let notification = account.notification.unwrap();
    assert_eq!(notification.secret.expose(), b"\xffsecret");
    assert_eq!(notification.data.unwrap().expose(), b"\0data");
    let Auth::Basic { user, password } = account.auth else { panic!("not basic") };
    assert_eq!((user.as_str(), password.expose()), ("gw-[DevID]", &b"pw"[..]));
    let bootstrap = account.bootstrap.unwrap();
    assert_eq!(bootstrap.server_uri, "https://b.example/[DevID]");
    assert_eq!(bootstrap.sec_mode, Some(vec![0, 0xff]));
}

#[test]
fn what_is_reserved_for_others_is_passed_over() {
    for (data, known) in [(draft(), read_(&draft())), (approved(), read_(&approved()))] {
        let mut data = data;
        data["Ext"] = json!({"Vendor": {"x": 1}});
        data["Push"]["Ext"] = json!({"Vendor": {"x": 1}});
        data["Push"]["Standard"] = json!({"Address": "x"});
        data["Push"]["GCM"]["Ext"] = json!({"x": 1});
        assert_eq!(read_(&data).unwrap(), known.unwrap());
        data["Push"] = json!({"Ext": {}});
        assert_eq!(read_(&data).unwrap().push, None);
    }
}

#[test]
fn what_the_store_keeps_makes_the_account_again() {
    let settings = Settings::default();
    for data in [draft(), json!({"DMAcc": approved()})] {
        let read = read(&data, &settings).unwrap();
        assert_eq!(from_record(&read.record, &settings).unwrap(), read.account);
        assert!(!format!("{read:?}").contains("s3cret"));
    }
    assert!(from_record(&Secret::new(b"{}".to_vec()), &settings).is_err());
}

#[test]
fn an_account_keeps_its_ca_when_the_settings_say_nothing_of_bootstraps_any_more() {
    let under = |uri: Option<&str>, pem: Option<&[u8]>| {
        let mut settings = Settings::default();
        settings.bootstrap.uri = uri.map(str::to_owned);
        settings.bootstrap.ca_pem = pem.map(<[u8]>::to_vec);
        settings
    };
    let uri = Some("https://b.example/");
    let record = read(&draft(), &under(uri, Some(b"old"))).unwrap().record;
    let ca = |settings: Settings| from_record(&record, &settings).unwrap().tls.ca_pem;
    assert_eq!(ca(under(None, None)), Some(b"old".to_vec()));
    assert_eq!(ca(under(uri, Some(b"new"))), Some(b"new".to_vec()), "the operator has another one");
    assert_eq!(ca(under(uri, None)), None, "or trusts the system's");
}

#[test]
fn a_certificate_is_shown_with_its_key() {
    let certified = rcgen::generate_simple_self_signed(["gw.example".to_owned()]).unwrap();
    let mut data = approved();
    data["Auth"]["Trsp"]["Data"] = BASE64_STANDARD.encode(certified.cert.pem()).into();
    assert!(
        read_(&data).unwrap_err().starts_with("Auth/Trsp/Secret: expected the certificate's private key")
    );
    data["Auth"]["Trsp"]["Secret"] = BASE64_STANDARD.encode(certified.signing_key.serialize_pem()).into();
    assert!(matches!(read_(&data).unwrap().auth, Auth::Certificate { .. }));
}

/// The data with one member changed, or taken away.
fn with(mut data: Json, pointer: &str, value: Option<Json>) -> Json {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = data.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => drop(parent.insert(name.to_owned(), value)),
        None => drop(parent.remove(name)),
    }
    data
}

#[test]
fn a_broken_account_is_refused_and_the_message_names_the_node() {
    for (pointer, value, expected) in [
        ("/ServerID", None, "expected one of ServerID and SrvID"),
        ("/SrvID", Some(json!("b")), "expected one of ServerID and SrvID"),
        ("/ServerID", Some(json!("a/b")), "ServerID: expected 1 to 255 bytes"),
        ("/ServerID", Some(json!("")), "ServerID: expected 1 to 255 bytes"),
        ("/ServerID", Some(json!(7)), "ServerID: expected a string"),
        ("/Name", Some(json!("a\u{7}")), "Name: expected at most 255 bytes"),
        ("/SrvURI", None, "SrvURI is missing"),
        ("/SrvURI", Some(json!("http://dm.example/")), "SrvURI: plain http is refused"),
        ("/SrvURI", Some(json!("https://[DevID].example/")), "SrvURI: templates such as"),
        (
            "/SrvURI",
            Some(json!("https://dm.example/".to_owned() + &"x".repeat(5000))),
            "SrvURI: expected an address of",
        ),
        ("/Permissions", None, "Permissions is missing"),
        ("/Permissions", Some(json!({})), "Permissions: expected 1 to 256"),
        ("/Permissions", Some(json!("*")), "Permissions: expected a JSON object"),
        ("/Permissions/1", Some(json!({})), "MOID is missing"),
        ("/Permissions/1", Some(json!({"MOID": "a b"})), "Permissions/1/MOID: expected a MOID"),
        ("/Permissions/1", Some(json!({"MOID": "a", "Rights": 15})), "Permissions/1/Rights: no such node"),
        ("/AuthNoti/AuthType", Some(json!(1)), "AuthNoti/AuthType: expected 0"),
        ("/AuthNoti/AuthType", None, "the notification's authentication type is missing"),
        ("/AuthNoti/AuthSecret", Some(json!("")), "the notification's secret is missing"),
        (
            "/AuthNoti/AuthSecret",
            Some(json!("x".repeat(LARGEST + 1))),
            "AuthNoti/AuthSecret: expected at most",
        ),
        ("/AuthNoty", Some(json!({})), "AuthNoty: no such node"),
        ("/Push/GCM/RegURL", None, "RegURL is missing"),
        ("/Push/GCM/RegURL", Some(json!("http://p.example/")), "Push/GCM/RegURL: plain http is refused"),
        ("/Push/GCM/RegParams", Some(json!("a b")), "Push/GCM/RegParams: expected a query"),
    ] {
        let error = read_(&with(draft(), pointer, value)).unwrap_err();
        assert!(error.starts_with(expected), "{pointer}: {error}");
    }
    for (pointer, value, expected) in [
        ("/Auth/Noti/Secret", json!("no base64!"), "Auth/Noti/Secret: expected base64"),
        ("/Auth/Trsp/Secret", json!(""), "Auth/Trsp/Secret: expected a password"),
        (
            "/Auth/Trsp/Data",
            json!(BASE64_STANDARD.encode("a:b")),
            "Auth/Trsp/Data: expected PEM certificates, or",
        ),
        ("/Auth/Other", json!({}), "Auth/Other: no such node"),
        ("/Auth/Bootstrap", json!({}), "ServerURI is missing"),
        ("/Auth/Bootstrap/ServerURI", json!("http://b.example/"), "Auth/Bootstrap/ServerURI: plain http"),
        ("/Auth/Bootstrap/SecMode", json!(1), "Auth/Bootstrap/SecMode: expected a string"),
        ("/Auth/Bootstrap/ClientPubKey", json!("?"), "Auth/Bootstrap/ClientPubKey: expected base64"),
        ("/Auth/Bootstrap/ServerPubKey", json!("?"), "Auth/Bootstrap/ServerPubKey: expected base64"),
        ("/Auth/Bootstrap/ClientSecretKey", json!({}), "Auth/Bootstrap/ClientSecretKey: expected a string"),
        ("/Auth/Bootstrap/Key", json!("AQ=="), "Auth/Bootstrap/Key: no such node"),
    ] {
        let error = read_(&with(approved(), pointer, Some(value))).unwrap_err();
        assert!(error.starts_with(expected), "{pointer}: {error}");
    }
    for data in [json!(null), json!([]), json!("x"), json!({}), json!({"DMAcc": null})] {
        assert!(read_(&data).is_err());
    }
    let many: Map<String, Json> =
        (0..257).map(|n| (n.to_string(), json!({"MOID": format!("urn:{n}")}))).collect();
    assert!(read_(&with(draft(), "/Permissions", Some(Json::Object(many)))).is_err());
}
