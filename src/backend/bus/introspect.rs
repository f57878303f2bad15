//! Introspection: what an object says it has, by `org.freedesktop.DBus.Introspectable`.

use roxmltree::Node;
use zbus::Message;
use zbus::wire::Signature;

use super::{Bus, BusMethod, READING, Trouble};
use crate::xml::{self, DocumentLimits, Tolerance};

const LIMITS: DocumentLimits = DocumentLimits { bytes: 4 << 20, nodes: 200_000 };

/// An object's description.
#[derive(Debug, Default)]
pub(super) struct Description {
    /// The names of the objects just below it.
    pub(super) children: Vec<String>,
    /// The methods of one interface: name, and the types of what goes in.
    pub(super) methods: Vec<(String, Vec<Signature>)>,
    /// The properties of one interface: name and type, and whether each can be read.
    pub(super) properties: Vec<(String, Signature, bool)>,
    /// The properties that can't be set.
    pub(super) read_only: Vec<String>,
    /// Whether it has that interface.
    pub(super) is_there: bool,
    /// The properties of whose changes the interface says nothing.
    pub(super) silent: Vec<String>,
}

impl Bus {
    /// Asks the object what it has, and what of it belongs to `interface`.
    pub(super) async fn describe(
        &self,
        service: &str,
        path: &str,
        interface: &str,
    ) -> Result<Description, Trouble> {
        let introspectable = "org.freedesktop.DBus.Introspectable";
        let method = BusMethod { service, path, interface: introspectable, name: "Introspect" };
        let reply = self.ask(method, READING, &()).await?;
        let odd = |why: String| Trouble::Refused(format!("introspection of {path}"), why);
        let text = text_of(&reply).map_err(|error| odd(error.to_string()))?;
        let read = xml::read(text.as_bytes(), LIMITS, "node", Tolerance::Message, |document, _| {
            Description::of(document.root_element(), interface)
        });
        read.map_err(|error| odd(error.to_string()))
    }
}

fn text_of(reply: &Message) -> zbus::Result<String> {
    reply.body().deserialize()
}

impl Description {
    fn of(object: Node<'_, '_>, interface: &str) -> Self {
        let mut found = Self::default();
        for element in object.children() {
            match (element.tag_name().name(), element.attribute("name")) {
                ("node", Some(name)) => found.children.push(name.to_owned()),
                ("interface", Some(name)) if name == interface => found.interface(element),
                _ => {}
            }
        }
        found
    }

    /// Takes in an interface's members. A member whose type can't be read is none.
    fn interface(&mut self, interface: Node<'_, '_>) {
        self.is_there = true;
        let says_nothing = says_nothing(interface);
        for member in interface.children() {
            let Some(name) = member.attribute("name").map(str::to_owned) else { continue };
            match member.tag_name().name() {
                "method" => {
                    let goes_in = |arg: &Node<'_, '_>| {
                        arg.has_tag_name("arg") && arg.attribute("direction") != Some("out")
                    };
                    let types = member.children().filter(goes_in).map(|arg| signature(arg));
                    if let Some(types) = types.collect() {
                        self.methods.push((name, types));
                    }
                }
                "property" => {
                    if self::says_nothing(member).or(says_nothing) == Some(true) {
                        self.silent.push(name.clone());
                    }
                    if member.attribute("access") == Some("read") {
                        self.read_only.push(name.clone());
                    }
                    let readable = member.attribute("access") != Some("write");
                    self.properties.extend(signature(member).map(|kind| (name, kind, readable)));
                }
                _ => {}
            }
        }
    }
}

/// Whether a property, or all of an interface, change without a signal; none where nothing is said of it.
fn says_nothing(element: Node<'_, '_>) -> Option<bool> {
    let name = |child: &Node<'_, '_>| {
        child.attribute("name") == Some("org.freedesktop.DBus.Property.EmitsChangedSignal")
    };
    let said = element.children().filter(|child| child.has_tag_name("annotation")).find(name)?;
    Some(said.attribute("value") == Some("false"))
}

fn signature(element: Node<'_, '_>) -> Option<Signature> {
    Signature::try_from(element.attribute("type")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A description as GLib and systemd write it, document type and annotations included.
    const TEXT: &str = r#"<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<node>
 <interface name="org.t.Other"><property name="Power" type="s" access="readwrite"/></interface>
 <interface name="org.t.Modem">
  <method name="Rename">
   <arg type="s" direction="in"/><arg name="lasting" type="b"/><arg type="a{sv}" direction="out"/>
   <annotation name="org.freedesktop.DBus.Deprecated" value="true"/>
  </method>
  <method name="Odd"><arg type="?"/></method>
  <property name="Power" type="b" access="readwrite"/>
  <property name="Pin" type="s" access="write">
   <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="false"/>
  </property>
  <signal name="Gone"><arg type="u"/></signal>
 </interface>
 <node name="0"/><node name="10"/><node/>
</node>"#;

    #[test]
    fn members_are_those_of_the_interface() {
        let read = |text: &str| {
            xml::read(text.as_bytes(), LIMITS, "node", Tolerance::Message, |document, _| {
                Description::of(document.root_element(), "org.t.Modem")
            })
        };
        let found = read(TEXT).unwrap();
        let rename = ("Rename".to_owned(), vec![Signature::Str, Signature::Bool]);
        assert_eq!(found.methods, [rename], "what can't be called is not there");
        let properties =
            [("Power".to_owned(), Signature::Bool, true), ("Pin".to_owned(), Signature::Str, false)];
        assert_eq!(found.properties, properties);
        assert_eq!((found.is_there, found.silent), (true, vec!["Pin".to_owned()]));
        assert_eq!(found.children, ["0", "10"]);
        assert!(read("<node><interface").is_err());
    }
}
