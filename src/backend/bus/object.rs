//! Finding the D-Bus object that a mapping means.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::properties::{INTERFACE, bounded, unknown};
use super::seen::{Properties, Seen, SeenObject, SeenResult};
use super::{Bus, BusMethod, READING, Trouble, convert};
use crate::backend::answer::{Answer, MAX_INPUT};
use crate::backend::context::Context;
use crate::backend::element::Element;
use crate::backend::error::BackendError;
use crate::mo::mapping::BusObject;

/// An object as a mapping names it, at one node.
#[derive(Clone, Copy, Debug)]
pub(in crate::backend) struct ObjectAt<'a> {
    pub(super) object: &'a BusObject,
    /// The name in place of the `*` in its path, at and below a node that is listed from these objects.
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
        let listed = context.listed.iter().rev().find(|(known, _)| known == name);
        Ok(Self { object, listed: listed.map(|(_, captured)| captured.as_str()) })
    }

    /// The name of a member of the object, as people are told of it.
    pub(super) fn named(&self, member: &str) -> String {
        let BusObject { name, path, interface } = self.object;
        format!("{name} {} {interface}.{member}", path.replacen('*', self.listed.unwrap_or("*"), 1))
    }

    /// The paths that the object may have, the best first.
    pub(super) async fn paths(&self, bus: &Bus) -> Result<Vec<String>, Trouble> {
        let path = &self.object.path;
        let Some((before, after)) = path.split_once('*') else { return Ok(vec![path.clone()]) };
        if let Some(name) = self.listed {
            return match is_element(name) {
                true => Ok(vec![format!("{before}{name}{after}")]),
                false => Err(Trouble::Absent(format!("{name:?} is no object's name"))),
            };
        }
        let names = names(bus, self.object).await?;
        Ok(names.into_iter().map(|name| format!("{before}{name}{after}")).collect())
    }

    /// Finds the first of the object's paths where the interface is, and the properties there.
    pub(super) async fn find(&self, bus: &Bus) -> Result<SeenObject, Trouble> {
        let BusObject { name, interface, .. } = self.object;
        let mut absent = format!("there is no {}", self.object.path);
        for path in self.paths(bus).await? {
            match properties(bus, name, &path, interface).await {
                Ok((properties, _)) if !properties.is_empty() => return Ok(SeenObject { path, properties }),
                Ok(_) => absent = format!("{path} has no property of {interface}"),
                Err(Trouble::Absent(why)) => absent = why,
                Err(other) => return Err(other),
            }
        }
        Err(Trouble::Absent(absent))
    }

    /// Finds the object as [`ObjectAt::find`] does, from what this reading has seen already.
    pub(super) async fn seen(&self, bus: &Bus, seen: &Seen) -> SeenResult {
        let BusObject { name, path, interface } = self.object;
        let path = path.replacen('*', self.listed.unwrap_or("*"), 1);
        let key = (name.clone(), path, interface.clone());
        if let Some(known) = seen.lock().get(&key) {
            return known.clone();
        }
        let found = self.find(bus).await.map(Arc::new);
        seen.keep(key, found.clone());
        found
    }
}

/// The names that stand for the `*`, in the order of their numbers.
async fn names(bus: &Bus, object: &BusObject) -> Result<Vec<String>, Trouble> {
    let (before, after) = object.path.split_once('*').unwrap_or((&object.path, ""));
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let suffix = after.split('/').next().unwrap_or_default();
    let parent = if parent.is_empty() { "/" } else { parent };
    let children = bus.describe(&object.name, parent, "").await?.children;
    let captured = |child: &String| {
        let name = child.strip_prefix(prefix)?.strip_suffix(suffix)?;
        is_element(name).then(|| name.to_owned())
    };
    let mut names: Vec<String> = children.iter().filter_map(captured).collect();
    names.sort_by_cached_key(|name| (name.parse::<u64>().unwrap_or(u64::MAX), name.clone()));
    names.dedup();
    Ok(names)
}

/// Whether a name can be part of an object path.
fn is_element(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// All properties of an object's interface, and the size of the reply in bytes.
async fn properties(
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
    let BusObject { name, path, interface } = place.object;
    let Some((before, after)) = path.split_once('*') else {
        let why = "its path has no `*`: it is one object".to_owned();
        return Err(BackendError::List { from: format!("{name} {path}"), why });
    };
    let names = match names(bus, place.object).await {
        Ok(names) => names,
        Err(trouble) => return trouble.answer(|| place.named("*")),
    };
    let (mut children, mut size) = (Vec::new(), 0);
    for child in names {
        let path = format!("{before}{child}{after}");
        let (properties, bytes) = match properties(bus, name, &path, interface).await {
            Ok(found) => found,
            // It is of another kind, or has gone meanwhile.
            Err(Trouble::Absent(_)) => continue,
            Err(trouble) => return trouble.answer(|| place.named("*")),
        };
        size += bytes;
        if size > MAX_INPUT {
            return Err(BackendError::TooLarge { what: place.named("*"), limit: MAX_INPUT });
        }
        let item: Map<String, Json> =
            properties.iter().map(|(name, value)| (name.clone(), convert::json(value))).collect();
        children.push(Element { captured: child, item: Some(Json::Object(item)) });
        if children.len() > max {
            break;
        }
    }
    Ok(Answer::Value(children))
}
