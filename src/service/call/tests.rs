//! Tests of which calls there are.

use roxmltree::{Document, Node, ParsingOptions};
use serde_json::json;

use super::*;
use crate::service::introspection::describe;

fn called<'a>(path: &'a str, interface: Option<&'a str>, member: &'a str, kinds: &'a str) -> Called<'a> {
    Called { path, interface, member, kinds }
}

fn name(refused: Result<Route, Refusal>) -> String {
    let name = refused.unwrap_err().name;
    name.strip_prefix("org.freedesktop.DBus.Error.").unwrap().to_owned()
}

fn named<'a>(node: Node<'a, 'a>, kind: &'static str) -> impl Iterator<Item = (&'a str, Node<'a, 'a>)> {
    let nodes = node.children().filter(move |node| node.has_tag_name(kind));
    nodes.map(|node| (node.attribute("name").unwrap(), node))
}

/// The types of the arguments that go `direction`.
fn kinds(method: Node<'_, '_>) -> String {
    let arguments = method.children().filter(|node| node.attribute("direction") == Some("in"));
    arguments.map(|argument| argument.attribute("type").unwrap()).collect()
}

#[test]
fn the_objects_say_of_themselves_what_can_be_called() {
    let mut methods = Vec::new();
    let mut properties = Vec::new();
    for path in [PATH, LOG_PATH] {
        let xml = describe(path);
        let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
        let document = Document::parse_with_options(&xml, options).unwrap();
        for (interface, node) in named(document.root_element(), "interface") {
            for (method, node) in named(node, "method") {
                assert!(
                    called(path, Some(interface), method, &kinds(node)).method().is_ok(),
                    "{path} {method}"
                );
                methods.push((interface.to_owned(), method.to_owned(), kinds(node)));
            }
            for (property, node) in named(node, "property") {
                let route =
                    called(path, Some(PROPERTIES), "Get", "ss").route(&[json!(interface), json!(property)]);
                assert!(route.is_ok(), "{property}: {route:?}");
                properties.push((property.to_owned(), node.attribute("type").unwrap().to_owned()));
            }
        }
    }
    for (interface, method, kinds) in METHODS {
        let method = (interface.to_owned(), method.to_owned(), kinds.to_owned());
        assert!(methods.contains(&method), "{method:?} is not described");
    }
    let known: Vec<_> =
        AGENTS.iter().chain(&LOGS).map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect();
    assert_eq!(properties, known);
}

#[test]
fn the_way_to_the_objects_is_described() {
    for (path, below) in
        [("/", ["org"].as_slice()), ("/org", &["omadm", "freedesktop"]), ("/org/omadm", &["Agent1"])]
    {
        let xml = describe(path);
        let document = Document::parse(&xml).unwrap();
        let names: Vec<_> = named(document.root_element(), "node").map(|(name, _)| name).collect();
        assert_eq!(names, below, "{path}");
        assert_eq!(called(path, None, "Introspect", "").route(&[]), Ok(Route::Introspect(path.to_owned())));
    }
}

#[test]
fn a_call_without_an_interface_is_that_of_the_only_one_that_has_the_method() {
    let request = called(PATH, None, "StartSession", "s").route(&[json!("acme")]);
    assert_eq!(request, Ok(Route::Loop(Request::StartSession("acme".to_owned()))));
    let request = called(PATH, Some(PUSH), "Unregister", "ss").route(&[json!("acme"), json!("1")]);
    let gone = Request::Registration { server: "acme".to_owned(), id: "1".to_owned(), register: false };
    assert_eq!(request, Ok(Route::Loop(gone)));
}

#[test]
fn what_there_is_not_is_refused_by_the_name_that_d_bus_has_for_it() {
    for (path, interface, member, kinds, expected) in [
        ("/org/omadm/Agent2", Some(AGENT), "Reload", "", "UnknownObject"),
        ("/org/omadm", Some(AGENT), "Reload", "", "UnknownInterface"),
        (LOG_PATH, Some(AGENT), "Reload", "", "UnknownInterface"),
        (PATH, Some(AGENT), "Register", "ss", "UnknownMethod"),
        (PATH, None, "Nothing", "", "UnknownMethod"),
        (PATH, Some(AGENT), "StartSession", "u", "InvalidArgs"),
        (PATH, Some(AGENT), "StartSession", "", "InvalidArgs"),
    ] {
        assert_eq!(name(called(path, interface, member, kinds).route(&[])), expected, "{path} {member}");
    }
    let get = |interface: &str, property: &str| {
        called(PATH, Some(PROPERTIES), "Get", "ss").route(&[json!(interface), json!(property)])
    };
    assert_eq!(name(get(AGENT, "Nothing")), "UnknownProperty");
    assert_eq!(name(get(PUSH, "Servers")), "UnknownProperty");
    let set = |property: &str| {
        called(PATH, Some(PROPERTIES), "Set", "ssv").route(&[json!(AGENT), json!(property), json!("x")])
    };
    assert_eq!(name(set("Servers")), "PropertyReadOnly");
    assert_eq!(name(set("Nothing")), "UnknownProperty");
}

#[test]
fn the_level_of_the_log_can_be_another_one_and_its_target_can_not() {
    let set = |property: &str| {
        called(LOG_PATH, Some(PROPERTIES), "Set", "ssv").route(&[
            json!(LOG_CONTROL),
            json!(property),
            json!("debug"),
        ])
    };
    assert_eq!(set("LogLevel"), Ok(Route::SetLogLevel("debug".to_owned())));
    assert_eq!(name(set("LogTarget")), "PropertyReadOnly");
    let all =
        |path, interface: &str| called(path, Some(PROPERTIES), "GetAll", "s").route(&[json!(interface)]);
    assert_eq!(all(LOG_PATH, LOG_CONTROL), Ok(Route::Log(None)));
    assert_eq!(all(PATH, PUSH), Ok(Route::NoProperties));
    assert_eq!(all(PATH, AGENT), Ok(Route::Loop(Request::Property(None))));
}
