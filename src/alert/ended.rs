//! The alert that tells how an EXEC ended (TS 5.4.5).

use serde_json::json;

use crate::exec::Finished;
use crate::mo::fill::Variables;
use crate::mo::mapping::Template;
use crate::package::Alert;
use crate::store::records::EndData;

/// The alert of an EXEC that outlived its command: its result as data.
#[must_use]
pub fn of_exec(finished: &Finished) -> Alert {
    let Some(alert) = &finished.alert else {
        return Alert {
            alert_type: finished.alert_type.clone(),
            mime_type: Some("application/json".to_owned()),
            source_uri: Some(finished.client_uri.clone()),
            target_uri: None,
            mark: None,
            data: Some(json!({ "ResultCode": finished.code })),
        };
    };
    let number = alert.number(finished.exit, finished.code);
    let data = match &alert.data {
        EndData::ResultCode => json!({ "ResultCode": number }),
        EndData::Dm1x => json!({ "DM1x": number }),
        EndData::Text(template) => json!({ "DM1x": text(template, number) }),
    };
    let went_well = finished.exit == Some(0) || matches!(number, 200..300 | 1200..1300);
    Alert {
        alert_type: alert.alert_type.clone(),
        mime_type: alert.mime_type.clone(),
        source_uri: Some(alert.source.clone()),
        target_uri: alert.target.clone(),
        mark: if went_well { alert.ok.clone() } else { alert.failed.clone() },
        data: Some(data),
    }
}

fn text(template: &str, number: u16) -> String {
    let number = number.to_string();
    let variables = Variables { value: Some(&number), ..Variables::default() };
    Template::parse(template).map_or(number.clone(), |template| template.fill_leniently(&variables))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::records::EndAlert;

    fn alert(data: EndData) -> EndAlert {
        EndAlert {
            alert_type: "org.example.update".into(),
            mime_type: Some("int".into()),
            source: "urn:m/1".into(),
            target: Some("urn:m/1/X".into()),
            data,
            codes: vec![(0, 1200), (10, 402), (11, 250)],
            otherwise: Some(409),
            ok: Some("informational".into()),
            failed: Some("critical".into()),
        }
    }

    fn finished(exit: Option<i32>, code: u16, alert: Option<EndAlert>) -> Finished {
        Finished {
            number: 1,
            server_id: "a".into(),
            client_uri: "urn:m/1/Do".into(),
            alert_type: "urn:x:plain".into(),
            code,
            report_to: None,
            exit,
            alert,
            why: String::new(),
        }
    }

    #[test]
    fn without_more_in_the_mapping_the_status_is_told() {
        let told = of_exec(&finished(Some(7), 1407, None));
        assert_eq!((told.alert_type.as_str(), told.mark), ("urn:x:plain", None));
        assert_eq!(told.source_uri.as_deref(), Some("urn:m/1/Do"));
        assert_eq!(told.data, Some(json!({"ResultCode": 1407})));
    }

    #[test]
    fn its_own_codes_say_what_is_told_and_how_important_it_is() {
        let told = |exit, code| {
            let told = of_exec(&finished(exit, code, Some(alert(EndData::Dm1x))));
            (told.data.unwrap()["DM1x"].as_u64().unwrap(), told.mark.unwrap())
        };
        let (well, badly) = ("informational".to_owned(), "critical".to_owned());
        assert_eq!(told(Some(0), 200), (1200, well.clone()));
        assert_eq!(told(Some(10), 500), (402, badly.clone()));
        assert_eq!(told(Some(11), 500), (250, well), "a success of the maker's own");
        assert_eq!(told(Some(12), 500), (409, badly.clone()));
        assert_eq!(told(None, 500), (409, badly.clone()), "killed, or nobody saw its end");
        // A veto program's codes are those of the program, where nothing else is said of them.
        assert_eq!(told(Some(256 + 10), 500), (402, badly.clone()));
        let codes = vec![(4, 403), (5, 404), (256 + 4, 1406), (512, 1407)];
        let vetoed = EndAlert { codes, ..alert(EndData::Dm1x) };
        for (exit, number) in [(4, 403), (256 + 4, 1406), (256 + 5, 1407), (512, 1407), (7, 409)] {
            assert_eq!(vetoed.number(Some(exit), 500), number, "{exit}");
        }
        let plain = EndAlert { codes: Vec::new(), otherwise: None, ..alert(EndData::ResultCode) };
        let told = |exit, code| of_exec(&finished(exit, code, Some(plain.clone()))).data.unwrap();
        assert_eq!(told(Some(0), 200), json!({"ResultCode": 200}));
        assert_eq!(told(Some(3), 1503), json!({"ResultCode": 1503}));
    }

    #[test]
    fn a_success_that_its_codes_do_not_have_is_no_failure() {
        let alert = EndAlert { codes: vec![(10, 402)], ..alert(EndData::Dm1x) };
        assert_eq!(of_exec(&finished(Some(0), 200, Some(alert))).data, Some(json!({"DM1x": 200})));
    }

    #[test]
    fn a_text_goes_around_the_number() {
        let data = EndData::Text("<ResultCode>{}</ResultCode><Identifier>{../ID}</Identifier>".into());
        let told = of_exec(&finished(Some(0), 200, Some(alert(data))));
        let expected = "<ResultCode>1200</ResultCode><Identifier></Identifier>";
        assert_eq!(told.data, Some(json!({"DM1x": expected})));
        assert_eq!(told.target_uri.as_deref(), Some("urn:m/1/X"));
    }
}
