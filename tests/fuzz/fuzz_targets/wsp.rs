//! The WAP push: the body is the datagram's end, and can be wrapped again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use omadm_agent::notification::wsp::{Application, ContentType, Push, unwrap};

fuzz_target!(|datagram: &[u8]| {
    let Ok(body) = unwrap(datagram) else { return };
    assert!(datagram.ends_with(body));
    let forms = [
        Push { tid: datagram[0], ..Push::default() },
        Push { content_type: ContentType::Text, ..Push::default() },
        Push { content_type: ContentType::General, application: Application::Long, ..Push::default() },
    ];
    for form in forms {
        assert_eq!(unwrap(&form.wrap(body)), Ok(body));
    }
});
