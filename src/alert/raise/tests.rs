use serde_json::{Value, json};

use super::*;

fn alert(mark: Option<&str>, data: Option<Value>) -> Alert {
    Alert {
        alert_type: "urn:x:at".into(),
        mime_type: None,
        source_uri: None,
        target_uri: None,
        mark: mark.map(str::to_owned),
        data,
    }
}

#[test]
fn the_seven_levels_of_importance_and_no_others() {
    for mark in ["fatal", "critical", "minor", "warning", "informational", "harmless", "indeterminate"] {
        assert_eq!(checked(alert(Some(mark), None)).unwrap().mark.as_deref(), Some(mark));
    }
    for mark in ["", "Fatal", "major", "fatal "] {
        assert!(matches!(checked(alert(Some(mark), None)), Err(RaiseError::Mark(_))), "{mark:?}");
    }
    assert_eq!(checked(alert(None, None)).unwrap().mark, None, "absent is omitted");
    assert!(
        Mark::Fatal > Mark::Critical && Mark::Warning < Mark::Minor && Mark::default() == Mark::Informational
    );
}

#[test]
fn data_that_is_no_object_becomes_one() {
    let data = |data| checked(alert(None, Some(data))).unwrap().data.unwrap();
    assert_eq!(data(json!({ "ResultCode": 1200 })), json!({ "ResultCode": 1200 }));
    for other in [json!("<x/>"), json!(1404), json!([1]), json!(null), json!(true)] {
        assert_eq!(data(other.clone()), json!({ "DM1x": other }));
    }
    assert_eq!(checked(alert(None, None)).unwrap().data, None);
}

#[test]
fn a_type_is_a_urn_or_a_reversed_domain_name_and_an_alert_has_a_size() {
    let of = |alert_type: &str| Alert { alert_type: alert_type.into(), ..alert(None, None) };
    let wrong = [
        "",
        "complete",
        "urn: x",
        "urn:x:y\n",
        "urn:x",
        "urn::y",
        "urn:x:",
        "https://example.com/",
        "a:b",
        ".org",
        "org.",
        "org..example",
        "org.exa mple",
        "org.-x",
        "1.2.3",
        "org.é",
    ];
    for alert_type in wrong.map(str::to_owned).into_iter().chain([format!("urn:x:{}", "y".repeat(250))]) {
        assert!(matches!(checked(of(&alert_type)), Err(RaiseError::Type(_))), "{alert_type:?}");
    }
    for alert_type in [
        "urn:oma:at:dm:2.0:BootstrapComplete",
        "URN:x-acme:at:1",
        "org.openmobilealliance.dm.firmwareupdate.devicerequest",
        "com.example.x_y-z",
    ] {
        assert!(checked(of(alert_type)).is_ok(), "{alert_type:?}");
    }
    let large = json!("x".repeat(MOST_BYTES));
    assert!(matches!(checked(alert(None, Some(large))), Err(RaiseError::TooLarge)));
}
