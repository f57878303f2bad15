//! Finding the D-Bus object that a mapping means.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::properties::{INTERFACE, bounded, unknown};
use super::seen::{Key, Managed, ManagedResult, NamesResult, Properties, Seen, SeenObject, SeenResult};
use super::{Bus, BusMethod, READING, Trouble, convert};
use crate::backend::answer::{Answer, MAX_INPUT};
use crate::backend::context::Context;
use crate::backend::element::Element;
use crate::backend::error::BackendError;
use crate::base::Order as _;
use crate::mo::mapping::BusObject;

const MANAGER: &str = "org.freedesktop.DBus.ObjectManager";

/// An object as a mapping names it, at one node.
#[derive(Clone, Copy, Debug)]
pub(in crate::backend) struct ObjectAt<'a> {
    pub(super) object: &'a BusObject,
    /// The name in place of the `*` in its path, at and below a node that is listed from objects of this path, be it by
    /// another interface.
    pub(super) listed: Option<&'a str>,
}

impl<'a> ObjectAt<'a> {
    /// The object that the mapping calls `name`.
    pub(in crate::backend) fn of(name: &str, context: &Context<'a>) -> Result<Self, BackendError> {
        let object = context.objects.iter().find(|(known, _)| known == name).map(|(_, object)| object);
        let object = object.ok_or_else(|| BackendError::Bus {
            what: name.to_owned(),
            why: "no such object in the mapping".to_owned(),
            temporary: false,
        })?;
        let is_same = |listed: &str| {
            let mut others = context.objects.iter().filter(|(known, _)| known == listed);
            others.any(|(_, other)| (&other.name, &other.path) == (&object.name, &object.path))
        };
        let listed = context.listed.iter().rev().find(|(known, _)| is_same(known));
        Ok(Self { object, listed: listed.map(|(_, captured)| captured.as_str()) })
    }

    /// The name of a member of the object, as people are told of it.
    pub(super) fn named(&self, member: &str) -> String {
        let BusObject { name, path, interface, .. } = self.object;
        format!("{name} {} {interface}.{member}", path.replacen('*', self.listed.unwrap_or("*"), 1))
    }

    /// The paths that the object may have, the best first.
    pub(super) async fn paths(&self, bus: &Bus, seen: Option<&Seen>) -> Result<Vec<String>, Trouble> {
        let path = &self.object.path;
        let Some((before, after)) = path.split_once('*') else { return Ok(vec![path.clone()]) };
        if let Some(name) = self.listed {
            return match is_element(name) {
                true => Ok(vec![format!("{before}{name}{after}")]),
                false => Err(Trouble::Absent(format!("{name:?} is no object's name"))),
            };
        }
        let names = described(bus, self.object, seen).await?;
        Ok(names.into_iter().map(|name| format!("{before}{name}{after}")).collect())
    }

    /// Finds the first of the object's paths where the interface is, and the properties there.
    async fn find(&self, bus: &Bus, seen: &Seen) -> Result<SeenObject, Trouble> {
        let BusObject { name, interface, manager, .. } = self.object;
        let mut absent = format!("there is no {}", self.object.path);
        if let Some(manager) = manager {
            let managed = managed(bus, name, manager, Some(seen)).await?;
            let mut found = of_managed(&managed, self.object);
            let wanted = |(captured, _, _): &(&str, &str, &Properties)| {
                self.listed.is_none_or(|name| name == *captured)
            };
            let first = found.find(wanted).ok_or(Trouble::Absent(absent))?;
            return Ok(SeenObject { path: first.1.to_owned(), properties: first.2.clone(), size: 0 });
        }
        for path in self.paths(bus, Some(seen)).await? {
            match properties(bus, name, &path, interface).await {
                Ok((properties, size)) if !properties.is_empty() => {
                    return Ok(SeenObject { path, properties, size });
                }
                Ok(_) => absent = format!("{path} has no property of {interface}"),
                Err(Trouble::Absent(why)) => absent = why,
                Err(other) => return Err(other),
            }
        }
        Err(Trouble::Absent(absent))
    }

    /// Finds the object as [`ObjectAt::find`] does, from what this reading has seen already.
    pub(super) async fn seen(&self, bus: &Bus, seen: &Seen) -> SeenResult {
        let BusObject { name, path, interface, .. } = self.object;
        let path = path.replacen('*', self.listed.unwrap_or("*"), 1);
        let key = (name.clone(), path, interface.clone());
        if let Some(known) = seen.object(&key) {
            return known;
        }
        let found = self.find(bus, seen).await.map(Arc::new);
        seen.keep(key, found.clone());
        found
    }
}

/// Whether the service of an object is not there.
pub(in crate::backend) async fn is_away(object: &str, context: &Context<'_>) -> bool {
    match ObjectAt::of(object, context) {
        Ok(found) => {
            let running = context.machine.bus.running(&[found.object.name.as_str()]).await;
            running.map_or(true, |running| running.is_empty())
        }
        Err(_) => false,
    }
}

/// The names that stand for the `*` as introspection has them, in the order of their numbers.
async fn described(bus: &Bus, object: &BusObject, seen: Option<&Seen>) -> Result<Vec<String>, Trouble> {
    let (before, after) = object.path.split_once('*').unwrap_or((&object.path, ""));
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let suffix = after.split('/').next().unwrap_or_default();
    let parent = if parent.is_empty() { "/" } else { parent };
    let children = child_names(bus, &object.name, parent, seen).await?;
    let captured = |child: &String| {
        let name = child.strip_prefix(prefix)?.strip_suffix(suffix)?;
        is_element(name).then(|| name.to_owned())
    };
    let mut names: Vec<String> = children.iter().filter_map(captured).collect();
    names.order_by_key(|name| in_order(name));
    names.dedup();
    Ok(names)
}

/// The names of the objects just below one, from what this reading has seen already.
async fn child_names(bus: &Bus, service: &str, path: &str, seen: Option<&Seen>) -> NamesResult {
    let key = (service.to_owned(), path.to_owned());
    if let Some(known) = seen.and_then(|seen| seen.children(&key)) {
        return known;
    }
    let names = bus.describe(service, path, "").await.map(|described| described.children.into());
    if let Some(seen) = seen {
        seen.keep_children(key, names.clone());
    }
    names
}

fn in_order(name: &str) -> (u64, String) {
    (name.parse().unwrap_or(u64::MAX), name.to_owned())
}

/// All that an object manager has, from what this reading has seen already.
pub(super) async fn managed(bus: &Bus, service: &str, path: &str, seen: Option<&Seen>) -> ManagedResult {
    match seen {
        Some(seen) => {
            seen.manager(service, path).get_or_init(|| all_managed(bus, service, path)).await.clone()
        }
        None => all_managed(bus, service, path).await,
    }
}

async fn all_managed(bus: &Bus, service: &str, path: &str) -> ManagedResult {
    let method = BusMethod { service, path, interface: MANAGER, name: "GetManagedObjects" };
    let reply = bus.ask(method, READING, &()).await.and_then(bounded).map_err(unknown)?;
    let read: zbus::Result<Managed> = reply.body().deserialize();
    let refused = |error: zbus::Error| Trouble::Refused("its object manager".to_owned(), error.to_string());
    read.map(Arc::new).map_err(refused)
}

/// The objects of a manager's that this one may mean, in the order of their numbers: what stands for the `*`, the path,
/// and the properties.
fn of_managed<'a>(
    managed: &'a Managed,
    object: &'a BusObject,
) -> impl Iterator<Item = (&'a str, &'a str, &'a Properties)> {
    let found = managed.iter().filter_map(|(path, interfaces)| {
        let properties = interfaces.get(&object.interface)?;
        let path = path.as_str();
        let captured = match object.path.split_once('*') {
            Some((before, after)) => {
                path.strip_prefix(before)?.strip_suffix(after).filter(|name| is_element(name))?
            }
            None => path.strip_suffix(object.path.as_str()).filter(|before| before.is_empty())?,
        };
        Some((captured, path, properties))
    });
    let mut found: Vec<_> = found.collect();
    found.order_by_key(|(captured, ..)| in_order(captured));
    found.into_iter()
}

/// Whether a name can be part of an object path.
fn is_element(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// All properties of an object's interface, and the size of the reply in bytes.
pub(super) async fn properties(
    bus: &Bus,
    service: &str,
    path: &str,
    interface: &str,
) -> Result<(Properties, usize), Trouble> {
    let method = BusMethod { service, path, interface: INTERFACE, name: "GetAll" };
    let reply = bus.ask(method, READING, &(interface,)).await;
    let reply = reply.and_then(bounded).map_err(unknown)?;
    let body = reply.body();
    let read: zbus::Result<Properties> = body.deserialize();
    let properties =
        read.map_err(|error| Trouble::Refused("the reply to GetAll".to_owned(), error.to_string()))?;
    Ok((properties, body.len()))
}

/// The children that objects of a kind make, `max` and one more at the most: the name of each, and its properties as
/// JSON.
pub(in crate::backend) async fn children(
    name: &str,
    max: usize,
    context: &Context<'_>,
) -> Result<Answer<Vec<Element>>, BackendError> {
    let place = ObjectAt::of(name, context)?;
    let bus = &context.machine.bus;
    let BusObject { name, path, interface, manager } = place.object;
    let Some((before, after)) = path.split_once('*') else {
        let why = "its path has no `*`: it is one object".to_owned();
        return Err(BackendError::List { from: format!("{name} {path}"), why });
    };
    if let Some(manager) = manager {
        return match managed(bus, name, manager, context.seen).await {
            Ok(managed) => {
                let found = of_managed(&managed, place.object).take(max.saturating_add(1));
                Ok(Answer::Value(
                    found.map(|(captured, _, properties)| element(captured, properties)).collect(),
                ))
            }
            Err(trouble) => trouble.answer(|| place.named("*")),
        };
    }
    let names = match described(bus, place.object, context.seen).await {
        Ok(names) => names,
        Err(trouble) => return trouble.answer(|| place.named("*")),
    };
    let (mut children, mut size) = (Vec::new(), 0);
    for child in names {
        let path = format!("{before}{child}{after}");
        let found = match one_of_all(bus, (name.clone(), path, interface.clone()), context.seen).await {
            Ok(found) => found,
            // It is of another kind, or has gone meanwhile.
            Err(Trouble::Absent(_)) => continue,
            Err(trouble) => return trouble.answer(|| place.named("*")),
        };
        size += found.size;
        if size > MAX_INPUT {
            return Err(BackendError::TooLarge { what: place.named("*"), limit: MAX_INPUT });
        }
        children.push(element(&child, &found.properties));
        if children.len() > max {
            break;
        }
    }
    Ok(Answer::Value(children))
}

/// One object of a list, from what this reading has seen already; its leaves are read from there.
async fn one_of_all(bus: &Bus, key: Key, seen: Option<&Seen>) -> SeenResult {
    if let Some(known) = seen.and_then(|seen| seen.object(&key)) {
        return known;
    }
    let (service, path, interface) = &key;
    let (properties, size) = properties(bus, service, path, interface).await?;
    let found = Arc::new(SeenObject { path: path.clone(), properties, size });
    // One that has no properties is none where a value is read.
    if let Some(seen) = seen.filter(|_| !found.properties.is_empty()) {
        seen.keep(key, Ok(Arc::clone(&found)));
    }
    Ok(found)
}

fn element(captured: &str, properties: &Properties) -> Element {
    let item: Map<String, Json> =
        properties.iter().map(|(name, value)| (name.clone(), convert::json(value))).collect();
    Element { captured: captured.to_owned(), item: Some(Json::Object(item)) }
}
