//! The alerts that alarms tell servers, and the words that people get.

use serde_json::{Map, Value as Json};

use super::rule::News;
use crate::mo::Value;
use crate::mo::alarm::Alarm;
use crate::package::Alert;

/// The longest value that an alert has, in bytes. A longer one is left out: servers can read it.
const LONGEST: usize = 4096;

/// The alert about a leaf; or about the element of this name.
pub(super) fn alert(alarm: &Alarm, client_uri: &str, element: Option<&str>, news: &News) -> Alert {
    let told = &alarm.alert;
    let alert_type = if news.raised { Some(&told.alert_type) } else { told.cleared.as_ref() };
    let mut data = Map::new();
    let element = element.map(Json::from);
    data.extend(element.or_else(|| json(news.value.as_ref()?)).map(|value| ("Value".to_owned(), value)));
    data.extend(news.limit.as_ref().and_then(json).map(|limit| ("Limit".to_owned(), limit)));
    if news.omitted > 0 {
        data.insert("Omitted".to_owned(), news.omitted.into());
    }
    Alert {
        alert_type: alert_type.unwrap_or(&told.alert_type).clone(),
        mime_type: Some("application/json".to_owned()),
        source_uri: Some(client_uri.to_owned()),
        target_uri: None,
        mark: told.mark.clone(),
        data: Some(Json::Object(data)),
    }
}

fn json(value: &Value) -> Option<Json> {
    let mut text = Vec::new();
    value.write_json(&mut text);
    (text.len() <= LONGEST).then(|| serde_json::from_slice(&text).ok()).flatten()
}

/// The words that the journal has for news.
pub(super) fn shown(news: &News, element: Option<&str>) -> String {
    let number = |value: &Option<Value>| {
        value.as_ref().map(|value| value.to_text().chars().take(64).collect::<String>())
    };
    let mut text = match (element, news.raised) {
        (Some(_), true) => "has come".to_owned(),
        (Some(_), false) => "has gone".to_owned(),
        (None, true) => "is raised".to_owned(),
        (None, false) => "is over".to_owned(),
    };
    if let Some(value) = number(&news.value) {
        text.push_str(&format!(", value {value}"));
    }
    if let Some(limit) = number(&news.limit) {
        text.push_str(&format!(", limit {limit}"));
    }
    if news.omitted > 0 {
        text.push_str(&format!("; {} more in the minute before", news.omitted));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::mo::ManagementObject;
    use crate::mo::alarm::{AlarmAlert, Condition};

    fn alarm() -> Alarm {
        let alert = AlarmAlert {
            alert_type: "urn:x:hot".into(),
            mark: Some("warning".into()),
            cleared: Some("urn:x:cool".into()),
        };
        let (at, condition, hold) = (ManagementObject::ROOT, Condition::Changes, Duration::ZERO);
        Alarm { name: "hot".into(), line: 1, at, condition, every: None, hold, alert }
    }

    #[test]
    fn an_alert_has_the_leaf_its_value_and_its_limit_as_json_has_them() {
        let mut news =
            News { raised: true, value: Some(Value::Float(90.5)), limit: Some(Value::Int(85)), omitted: 0 };
        let told = alert(&alarm(), "urn:m/1/T", None, &news);
        assert_eq!((told.alert_type.as_str(), told.mark.as_deref()), ("urn:x:hot", Some("warning")));
        assert_eq!(told.source_uri.as_deref(), Some("urn:m/1/T"));
        assert_eq!(told.data, Some(json!({"Value": 90.5, "Limit": 85})));
        (news.raised, news.omitted) = (false, 3);
        let told = alert(&alarm(), "urn:m/1/T", None, &news);
        assert_eq!((told.alert_type.as_str(), told.mark.as_deref()), ("urn:x:cool", Some("warning")));
        assert_eq!(told.data, Some(json!({"Value": 90.5, "Limit": 85, "Omitted": 3})));
        assert_eq!(shown(&news, None), "is over, value 90.5, limit 85; 3 more in the minute before");
    }

    #[test]
    fn an_element_is_told_by_its_name_and_a_long_value_is_left_out() {
        let news = News { raised: true, value: None, limit: None, omitted: 0 };
        let told = alert(&alarm(), "urn:m/1/D/a%2Fb", Some("a/b"), &news);
        assert_eq!(told.data, Some(json!({"Value": "a/b"})));
        let news = News { value: Some(Value::Text("x".repeat(LONGEST))), ..news };
        assert_eq!(alert(&alarm(), "urn:m/1/T", None, &news).data, Some(json!({})));
        assert!(shown(&news, None).len() < 100);
    }
}
