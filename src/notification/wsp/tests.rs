use proptest::prelude::*;

use super::*;

const BODY: &[u8] = b"\x20\x00";

fn push(headers: &[&[u8]]) -> Vec<u8> {
    let headers = headers.concat();
    let length = u8::try_from(headers.len()).unwrap();
    assert!(length < 128);
    [&[0x42, 0x06, length], headers.as_slice(), BODY].concat()
}

fn accepted(headers: &[&[u8]]) -> bool {
    let datagram = push(headers);
    match unwrap(&datagram) {
        Ok(body) => body == BODY,
        Err(_) => false,
    }
}

fn error(headers: &[&[u8]]) -> NotPush {
    unwrap(&push(headers)).unwrap_err()
}

#[test]
fn reads_the_usual_push() {
    assert_eq!(unwrap(b"\x01\x06\x03\xd8\xaf\x87\x20\x00"), Ok(BODY));
    assert_eq!(unwrap(b"\x01\x06\x03\xd8\xaf\x87"), Ok(&[][..]));
}

#[test]
fn reads_every_form_of_content_type() {
    let forms: [&[u8]; 13] = [
        b"\xd8",
        b"\x01\xd8",
        b"\x1f\x01\xd8",
        b"\x1f\x80\x01\xd8",
        b"\x02\x01\x58",
        b"\x03\x02\x00\x58",
        b"\x03\xd8\x81\xea",             // charset=utf-8
        b"\x06\xd8\x85\x31\x2e\x30\x00", // a text parameter
        b"application/vnd.syncml.dm.notification\0",
        b"Application/VND.SyncML.dm.notification\0",
        b"\x7fapplication/vnd.syncml.dm.notification\0",
        b"application/vnd.syncml.dm.notification; v=1\0",
        b"\x1f\x29application/vnd.syncml.dm.notification\0\x81\xea",
    ];
    for form in forms {
        assert!(accepted(&[form, b"\xaf\x87"]), "{form:x?}");
    }
}

#[test]
fn refuses_other_content_types() {
    let forms: [&[u8]; 10] = [
        b"\xc4",
        b"\x58\x00",
        b"\x00",
        b"\x01\xc4",
        b"\x03\xc4\x81\xd8",
        b"\x03\x02\x01\x58",
        b"\x02\x00\x58",
        b"application/vnd.syncml.dm.notificatio\0",
        b"application/vnd.syncml.dm.notifications\0",
        b"\x04app\0",
    ];
    for form in forms {
        assert_eq!(error(&[form, b"\xaf\x87"]), NotPush::ContentType, "{form:x?}");
    }
}

#[test]
fn reads_every_form_of_application_id() {
    let forms: [&[u8]; 8] = [
        b"\xaf\x87",
        b"\xaf\x01\x07",
        b"\xaf\x02\x00\x07",
        b"\xafx-wap-application:syncml.dm\0",
        b"\xaf\x7fX-WAP-Application:syncml.dm\0",
        b"X-Wap-Application-Id\0\x87",
        b"x-wap-application-id\0\x01\x07",
        b"\xaf\x87\xaf\x87",
    ];
    for form in forms {
        assert!(accepted(&[b"\xd8", form]), "{form:x?}");
    }
    assert!(accepted(&[b"\xd8", b"X-Wap\0x\0", b"\xafx-wap-application:syncml.dm\0"]));
}

#[test]
fn refuses_other_applications() {
    let others: [&[u8]; 7] = [
        b"\xaf\x84",
        b"\xaf\x01\x04",
        b"\xaf\x02\x01\x07",
        b"\xaf\x00",
        b"\xafx-wap-application:mms.ua\0",
        b"\xaf\x87\xaf\x84",
        b"\xaf\x84\xaf\x87",
    ];
    for other in others {
        assert_eq!(error(&[b"\xd8", other]), NotPush::OtherApplication, "{other:x?}");
    }
    // Not that header: another name, another code page.
    let none: [&[u8]; 5] = [b"", b"\xae\x87", b"\x7f\x02\xaf\x87", b"\x02\xaf\x87", b"X-Other\0\xaf"];
    for none in none {
        assert_eq!(error(&[b"\xd8", none]), NotPush::NoApplication, "{none:x?}");
    }
}

#[test]
fn passes_over_other_headers_in_any_form() {
    let others: [&[u8]; 12] = [
        b"\x8d\x82",         // short-integer
        b"\x8d\x00",         // no octets
        b"\x8d\x02\xaf\x84", // octets that look like a header
        b"\x8d\x1e012345678901234567890123456789",
        b"\x8d\x1f\x21012345678901234567890123456789012",
        b"\x8dtext\0",
        b"\x8d\x7f\xd0\x90\0", // quoted, not ASCII
        b"\x8d\0",             // a value-length of none
        b"X-Name\0value\0",
        b"X-Name\0\x83",
        b"\x02\xaf\x84\x01", // another code page's 0x2F, and back
        b"\x7f\x20\xaf\x84\x7f\x01",
    ];
    for other in others {
        assert!(accepted(&[b"\xd8", other, b"\xaf\x87"]), "{other:x?}");
        assert!(accepted(&[b"\xd8\xaf\x87", other]), "{other:x?}");
    }
}

#[test]
fn refuses_broken_headers() {
    let truncated: [&[u8]; 9] = [
        b"\xaf",
        b"\xaf\x02\x07",
        b"\xafx-wap",
        b"\xaf\x1f",
        b"\xaf\x1f\x80",
        b"\xaf\x87\x8d",
        b"\xaf\x87X-Name",
        b"\xaf\x87X-Name\0",
        b"\xaf\x87\x7f",
    ];
    for headers in truncated {
        assert_eq!(error(&[b"\xd8", headers]), NotPush::Truncated, "{headers:x?}");
    }
    assert_eq!(error(&[b"\xd8\xaf\x87\x00"]), NotPush::Header(0));
    assert_eq!(error(&[b"\xd8\xaf\x87 \x00"]), NotPush::Header(b' '));
    assert_eq!(error(&[b"\xd8\xaf\x1f\xff\xff\xff\xff\xff\x01"]), NotPush::Uintvar);
}

#[test]
fn checks_the_frame() {
    assert_eq!(unwrap(b""), Err(NotPush::Truncated));
    assert_eq!(unwrap(b"\x01"), Err(NotPush::Truncated));
    assert_eq!(unwrap(b"\x01\x07\x03\xd8\xaf\x87"), Err(NotPush::PduType(7)));
    assert_eq!(unwrap(b"\x01\x06\x03\xd8\xaf"), Err(NotPush::Truncated));
    assert_eq!(unwrap(b"\x01\x06\x00"), Err(NotPush::Truncated));
    // 5 octets may hold 32 bits, and no more.
    assert_eq!(unwrap(b"\x01\x06\x80\x80\x80\x80\x03\xd8\xaf\x87\x20\x00"), Ok(BODY));
    assert_eq!(unwrap(b"\x01\x06\x80\x80\x80\x80\x80\x03\xd8\xaf\x87"), Err(NotPush::Uintvar));
    assert_eq!(unwrap(b"\x01\x06\x90\x80\x80\x80\x00"), Err(NotPush::Uintvar));
    assert_eq!(unwrap(b"\x01\x06\x8f\xff\xff\xff\x7f"), Err(NotPush::Truncated));
}

#[test]
fn takes_48_octets_of_headers_and_no_more() {
    let filled = |length: usize| [b"\xaf\x87\x8d".as_slice(), &vec![b'x'; length - 4], b"\0"].concat();
    assert!(accepted(&[b"\xd8", &filled(48)]));
    assert_eq!(error(&[b"\xd8", &filled(49)]), NotPush::TooLong(49));
    assert!(
        accepted(&[b"application/vnd.syncml.dm.notification\0", &filled(48)]),
        "the content type is none"
    );
}

#[test]
fn reads_what_it_writes() {
    for content_type in [ContentType::Short, ContentType::General, ContentType::Text] {
        for application in [Application::Short, Application::Long, Application::Text] {
            let datagram = Push { tid: 9, content_type, application }.wrap(BODY);
            assert_eq!(unwrap(&datagram), Ok(BODY));
        }
    }
}

proptest! {
    #[test]
    fn never_panics(datagram in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = unwrap(&datagram);
    }

    #[test]
    fn never_panics_in_the_headers(headers in proptest::collection::vec(any::<u8>(), 0..=48)) {
        let _ = unwrap(&push(&[b"\xd8", &headers]));
        let _ = unwrap(&push(&[&headers]));
    }

    #[test]
    fn no_part_of_the_headers_is_a_push(end in 0usize..48) {
        let datagram = Push { content_type: ContentType::Text, ..Push::default() }.wrap(b"");
        prop_assume!(end < datagram.len());
        prop_assert_eq!(unwrap(&datagram[..end]), Err(NotPush::Truncated));
    }

    #[test]
    fn a_value_of_any_length_is_passed_over(value in proptest::collection::vec(any::<u8>(), 0..40)) {
        let length = u8::try_from(value.len()).unwrap();
        prop_assert!(accepted(&[b"\xd8\x8d\x1f", &[length], &value, b"\xaf\x87"]));
        if length < 31 {
            prop_assert!(accepted(&[b"\xd8\x8d", &[length], &value, b"\xaf\x87"]));
        }
    }
}
