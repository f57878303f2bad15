use proptest::prelude::*;

use super::*;

fn name(text: &str) -> Segment {
    Segment::Name(text.to_owned())
}

fn nv(letter: char, path: &[&str], value: &str) -> NodeValue {
    NodeValue { letter, path: path.iter().map(|&s| s.to_owned()).collect(), value: value.to_owned() }
}

/// An address in the MO of TS 6.1.3.
fn example(instance: Selector, path: Vec<Segment>, node_values: Vec<NodeValue>) -> ClientUri {
    ClientUri { instance, path, node_values, ..ClientUri::root(&"urn:oma:mo:moid:1.0".into(), "") }
}

#[test]
fn the_ten_examples_of_ts_6_1_3() {
    use Segment::{Any, Letter};
    let x = Selector::Letter('x');
    let value = || name("Value");
    let cases = [
        ("left/", example(Selector::Name("left".into()), vec![], vec![])),
        ("/", example(Selector::Only, vec![], vec![])),
        ("(x)/?nv=(x)/ID:Temperature", example(x.clone(), vec![], vec![nv('x', &["ID"], "Temperature")])),
        (
            "(x)/Data/1/Value?nv=(x)/ID:GPS",
            example(x.clone(), vec![name("Data"), name("1"), value()], vec![nv('x', &["ID"], "GPS")]),
        ),
        (
            "right/Data/(x)/Value?nv=(x)/Date:12.1",
            example(
                Selector::Name("right".into()),
                vec![name("Data"), Letter('x'), value()],
                vec![nv('x', &["Date"], "12.1")],
            ),
        ),
        (
            "(x)/Data/(y)/Value?nv=(x)/ID:GPS&nv=(y)/Date:12.2",
            example(
                x.clone(),
                vec![name("Data"), Letter('y'), value()],
                vec![nv('x', &["ID"], "GPS"), nv('y', &["Date"], "12.2")],
            ),
        ),
        ("*/Setting", example(Selector::Any, vec![name("Setting")], vec![])),
        (
            "(x)/Data/*/Value?nv=(x)/ID:GPS",
            example(x.clone(), vec![name("Data"), Any, value()], vec![nv('x', &["ID"], "GPS")]),
        ),
        (
            "(x)/Data/*/Value?nv=(x)/ID:GPS&nv=(x)/Setting:0xB2",
            example(
                x,
                vec![name("Data"), Any, value()],
                vec![nv('x', &["ID"], "GPS"), nv('x', &["Setting"], "0xB2")],
            ),
        ),
        ("*/Data/*/Value", example(Selector::Any, vec![name("Data"), Any, value()], vec![])),
    ];
    for (text, expected) in cases {
        let text = format!("urn:oma:mo:moid:1.0/{text}");
        let uri = ClientUri::parse(&text).unwrap();
        assert_eq!(uri, expected, "{text}");
        assert_eq!(uri.to_string(), text);
    }
}

#[test]
fn what_is_no_client_uri_says_why() {
    use ClientUriError::*;
    let text = str::to_owned;
    let cases = [
        ("", NoInstance),
        ("urn:a", NoInstance),
        ("urn:a/left", NoPath),
        ("urn:a/left?lv=1", NoPath),
        ("urn:a?lv=1//", NoInstance),
        ("//", NoMoid),
        ("/left/Data", NoMoid),
        ("urn:a//Data/", EmptyName),
        ("urn:a//Data//Value", EmptyName),
        ("urn:a///", EmptyName),
        ("urn:a//Data#part", Character { character: '#', at: 11 }),
        ("urn:a//a b", Character { character: ' ', at: 8 }),
        (" urn:a//", Character { character: ' ', at: 0 }),
        ("urn:a//é", Character { character: 'é', at: 7 }),
        ("urn:a//?nv=(x)/a:\n", QueryCharacter { at: 17 }),
        ("urn:a//<x>", Character { character: '<', at: 7 }),
        ("urn:a//a%2", Escape { at: 8 }),
        ("urn:a//a%zz", Escape { at: 8 }),
        ("urn:a//?vendor=%", Escape { at: 15 }),
        ("urn:a//a%00", Undecodable(text("a%00"))),
        ("urn:a//a%0A", Undecodable(text("a%0A"))),
        ("urn:a//%C2%85", Undecodable(text("%C2%85"))),
        ("urn:a//%ff", Undecodable(text("%ff"))),
        ("urn:a/%00/", Undecodable(text("%00"))),
        ("urn:a//?cv=%00", UndecodableValue),
        ("urn:a/(x)/?nv=(x)/a:%80", UndecodableValue),
        ("urn:a//a:b", NameCharacter { character: ':', name: text("a:b") }),
        ("urn:a//a*", Wildcard(text("a*"))),
        ("urn:a/**/", Wildcard(text("**"))),
        ("urn:*/a/", Wildcard(text("urn:*"))),
        ("urn:a//(xy)?nv=(x)/a:1", XName(text("(xy)"))),
        ("urn:a//()", XName(text("()"))),
        ("urn:a//(1)?nv=(1)/a:1", XName(text("(1)"))),
        ("urn:a//a(x)?nv=(x)/a:1", XName(text("a(x)"))),
        ("urn:a//(x?nv=(x)/a:1", XName(text("(x"))),
        ("urn:a/(x)/(x)?nv=(x)/a:1", LetterTwice('x')),
        ("urn:a//(x)/b/(x)?nv=(x)/a:1", LetterTwice('x')),
        ("urn:a/(x)/", LetterUnresolved('x')),
        ("urn:a/(x)/(y)?nv=(x)/a:1", LetterUnresolved('y')),
        ("urn:a/(x)/?nv=(X)/a:1", LetterUnknown('X')),
        ("urn:a//?nv=(x)/a:1", LetterUnknown('x')),
        ("urn:a/*/*?nv=(x)/a:1", LetterUnknown('x')),
        ("urn:a//?lv=1&lv=1", FieldTwice("lv")),
        ("urn:a//?cv=a&cv=a", FieldTwice("cv")),
        ("urn:a//?lv", Level(text(""))),
        ("urn:a//?lv=", Level(text(""))),
        ("urn:a//?lv=0", Level(text("0"))),
        ("urn:a//?lv=-1", Level(text("-1"))),
        ("urn:a//?lv=+1", Level(text("+1"))),
        ("urn:a//?lv=1.5", Level(text("1.5"))),
        ("urn:a//?lv=%31", Level(text("%31"))),
        ("urn:a//?cv", CacheValidator),
        ("urn:a//?cv=", CacheValidator),
        ("urn:a/(x)/?nv=(x)/ID", NodeValue),
        ("urn:a/(x)/?nv", NodeValue),
        ("urn:a/(x)/?nv=x/ID:1", NodeValue),
        ("urn:a/(x)/?nv=(xx)/ID:1", XName(text("(xx)"))),
        ("urn:a/(x)/?nv=(x)ID:1", XName(text("(x)ID"))),
        ("urn:a/(x)/?nv=(x)/:1", EmptyName),
        ("urn:a/(x)/?nv=(x)//ID:1", EmptyName),
        ("urn:a/(x)/?nv=(x)/*:1", Wildcard(text("*"))),
    ];
    for (text, expected) in cases {
        assert_eq!(ClientUri::parse(text), Err(expected), "{text:?}");
    }
}

#[test]
fn no_error_quotes_what_a_field_compares_with() {
    for wrong in [
        "urn:a/(x)/?nv=(x)/Pin",
        "urn:a/(x)/?nv=s3cret",
        "urn:a/(x)/?nv=(x)/Pin:s3cret%80",
        "urn:a/(x)/?nv=(x)/Pin:s3cret#",
        "urn:a/(x)/?nv=(x)/Pin:s3cret%1",
        "urn:a/(x)/?nv=(x)/Pin:s3cret&nv=(y)/Pin:s3cret",
        "urn:a/(x)/?nv=(x)/Pin:s3cret&lv=0",
        "urn:a/?cv=s3cret%00",
    ] {
        let error = ClientUri::parse(wrong).unwrap_err().to_string();
        assert!(!error.contains("s3") && !error.contains('#'), "{wrong}: {error}");
    }
}

#[test]
fn a_field_that_does_not_apply_is_ignored_whatever_it_says() {
    let parse = |query: &str, fields| ClientUri::parse_for(&format!("urn:a//b?{query}"), fields);
    let bare = ClientUri::parse("urn:a//b").unwrap();
    for query in ["lv=0", "lv=x", "lv", "lv=1&lv=2", "cv", "cv=%00", "cv=a&cv=b", "lv=0&cv="] {
        assert!(parse(query, Fields::READ).is_err(), "{query}");
        assert_eq!(parse(query, Fields::TARGET).as_ref(), Ok(&bare), "{query}");
        assert_eq!(parse(query, Fields::SUBSCRIBE).is_ok(), !query.contains("lv"), "{query}");
    }
}

#[test]
fn an_encoded_delimiter_is_part_of_a_name() {
    let uri = ClientUri::parse("urn%3Aa/%2A/a%2Fb/%28x%29/%2a/..").unwrap();
    assert_eq!(uri.moid, "urn:a");
    assert_eq!(uri.instance, Selector::Name("*".into()));
    assert_eq!(uri.path, [name("a/b"), name("(x)"), name("*"), name("..")]);
    assert!(!uri.has_wildcard());
    assert_eq!(uri.to_string(), "urn:a/%2A/a%2Fb/%28x%29/%2A/..");
}

#[test]
fn the_query_is_read_field_by_field() {
    let uri =
        "urn:a/IMEI:49@x/(x)?v=1&lv=2&&nv=(x):a%26b%3D%3f&nv=(x)/b%2Fc/d:e:f=g/?&cv=%C3%A9&lv2=0&flag&LV=x";
    let uri = ClientUri::parse(uri).unwrap();
    assert_eq!(uri.instance, Selector::Name("IMEI:49@x".into()));
    assert_eq!(uri.level, Some(2));
    assert_eq!(uri.node_values, [nv('x', &[], "a&b=?"), nv('x', &["b/c", "d"], "e:f=g/?")]);
    assert_eq!(uri.cache_validator.as_deref(), Some("é"));
    assert_eq!(ClientUri::parse("urn:a//?").unwrap().to_string(), "urn:a//");
    assert_eq!(ClientUri::parse("urn:a/(x)/?nv=(x)/a:").unwrap().node_values, [nv('x', &["a"], "")]);
    assert_eq!(ClientUri::parse("urn:a//?lv=99999999999").unwrap().level, Some(u32::MAX));
}

#[test]
fn length_and_depth_are_bounded() {
    let deep = |n: usize| format!("urn:a/{}", "/n".repeat(n));
    assert_eq!(ClientUri::parse(&deep(MAX_DEPTH)).unwrap().path.len(), MAX_DEPTH);
    assert_eq!(ClientUri::parse(&deep(MAX_DEPTH + 1)), Err(ClientUriError::TooDeep));
    let nv = format!("urn:a/(x)/?nv=(x){}:1", "/n".repeat(MAX_DEPTH + 1));
    assert_eq!(ClientUri::parse(&nv), Err(ClientUriError::TooDeep));
    let long = |n: usize| format!("urn:a//{}", "n".repeat(n - 7));
    assert!(ClientUri::parse(&long(MAX_LENGTH)).is_ok());
    assert_eq!(ClientUri::parse(&long(MAX_LENGTH + 1)), Err(ClientUriError::TooLong));
}

#[test]
fn what_was_short_enough_to_be_read_stays_so_when_written() {
    let bare = "!$'()*+,;=:@/?";
    let start = format!("urn:a/(x)/?lv=07&nv=(x)/a:{bare}&cv={bare}");
    let text = format!("{start}{}", "/".repeat(MAX_LENGTH - start.len()));
    let uri = ClientUri::parse(&text).unwrap();
    assert_eq!(uri.node_values, [nv('x', &["a"], bare)]);
    let written = uri.to_string();
    assert_eq!(written, text.replace("lv=07", "lv=7"));
    assert_eq!(ClientUri::parse(&written), Ok(uri));
}

#[test]
fn only_wildcards_make_an_array() {
    for (text, wild) in
        [("urn:a/*/", true), ("urn:a//b/*", true), ("urn:a//b", false), ("urn:a/%2A/%2A", false)]
    {
        assert_eq!(ClientUri::parse(text).unwrap().has_wildcard(), wild, "{text}");
    }
}

/// Any URI that can be held, letters and all.
fn any_uri() -> impl Strategy<Value = ClientUri> {
    let text = "[^\\p{Cc}]{1,8}";
    let step = prop_oneof![4 => text.prop_map(Some), 1 => Just(None)];
    let query = (
        prop::option::of(1u32..),
        prop::option::of(text),
        prop::collection::vec(text, 0..3),
        "[^\\p{Cc}]{0,8}",
    );
    (text, 0..4, text, prop::collection::vec((step, any::<bool>()), 0..8), query).prop_map(
        |(moid, kind, miid, steps, (level, cache_validator, nv_path, nv_value))| {
            let mut letters = ('a'..='z').chain('A'..='Z');
            let mut used = Vec::new();
            let mut letter = || {
                let next = letters.next().unwrap();
                used.push(next);
                next
            };
            let instance = match kind {
                0 => Selector::Only,
                1 => Selector::Any,
                2 => Selector::Letter(letter()),
                _ => Selector::Name(miid),
            };
            let path = steps.into_iter().map(|(step, wild)| match step {
                Some(name) => Segment::Name(name),
                None if wild => Segment::Any,
                None => Segment::Letter(letter()),
            });
            let path = path.collect();
            let node_values = used
                .into_iter()
                .map(|letter| NodeValue { letter, path: nv_path.clone(), value: nv_value.clone() })
                .collect();
            ClientUri { moid: moid.into(), instance, path, level, node_values, cache_validator }
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(uri in any_uri()) {
        let text = uri.to_string();
        prop_assert_eq!(ClientUri::parse(&text), Ok(uri), "{}", text);
    }

    #[test]
    fn what_is_read_survives_writing(text in "u:a/[(x)*a%1-3/:é]{0,8}/[(xy)*a%12/:]{0,12}(\\?(nv=\\(x\\)/[a:%4]{0,5}|[lcnv]{2}=[a0-9&]{0,4}))?") {
        if let Ok(uri) = ClientUri::parse(&text) {
            prop_assert_eq!(ClientUri::parse(&uri.to_string()), Ok(uri));
        }
    }
}
