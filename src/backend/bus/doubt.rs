//! What introspection says of the members that a mapping names: for `mo read`, before a server finds out.

use super::{Bus, ObjectAt};
use crate::backend::context::Context;

/// A member of a D-Bus object, as a mapping means it.
#[derive(Clone, Copy, Debug)]
pub enum BusMember<'a> {
    /// A property that is read, or set.
    Property {
        /// The name of the property.
        name: &'a str,
        /// Whether it is set.
        is_set: bool,
    },
    /// A method that is called with so many arguments.
    Method {
        /// The name of the method.
        name: &'a str,
        /// The number of its arguments.
        args: usize,
    },
}

/// What is wrong with a member, where the object is there and describes itself; none where nothing is, or nothing can
/// be told.
pub async fn bus_doubt(object: &str, member: BusMember<'_>, context: &Context<'_>) -> Option<String> {
    let place = ObjectAt::of(object, context).ok()?;
    let bus: &Bus = &context.machine.bus;
    let (service, interface) = (&place.object.name, &place.object.interface);
    let mut told = None;
    for path in place.paths(bus, None).await.ok()? {
        let described = bus.describe(service, &path, interface).await.ok()?;
        if !described.is_there {
            continue;
        }
        let why = match member {
            BusMember::Property { name, is_set } => {
                let found = described.properties.iter().find(|(known, ..)| known == name);
                match found {
                    None => Some(format!(
                        "has no property {name}; it has: {}",
                        names(described.properties.iter().map(|(name, ..)| name))
                    )),
                    Some(_) if is_set && described.read_only.iter().any(|known| known == name) => {
                        Some(format!("says that its property {name} can only be read"))
                    }
                    Some((.., false)) if !is_set => {
                        Some(format!("says that its property {name} can only be set"))
                    }
                    Some(_) => None,
                }
            }
            BusMember::Method { name, args } => {
                match described.methods.iter().find(|(known, _)| known == name) {
                    None => Some(format!(
                        "has no method {name}; it has: {}",
                        names(described.methods.iter().map(|(name, _)| name))
                    )),
                    Some((_, types)) if types.len() != args => Some(format!(
                        "has a method {name} that takes {} arguments, and `args` has {args}",
                        types.len()
                    )),
                    Some(_) => None,
                }
            }
        };
        // Of several objects, the first that has it counts.
        told = Some(format!("{interface} at {path} {}", why?));
    }
    told
}

fn names<'n>(names: impl Iterator<Item = &'n String>) -> String {
    let all: Vec<&str> = names.take(20).map(String::as_str).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}
