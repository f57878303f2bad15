//! Methods: a call with arguments from a mapping.

use std::time::Duration;

use zbus::wire::{StructureBuilder, Variant};

use super::{Bus, BusMethod, Place, Trouble, convert};
use crate::backend::context::Context;
use crate::backend::error::BackendError;
use crate::mo::mapping::Template;

/// A call that is ready to be made.
#[derive(Debug)]
pub(in crate::backend) struct Method {
    service: String,
    path: String,
    interface: String,
    name: String,
    args: Vec<Variant<'static>>,
}

/// Finds a method in the first of the object's places that has it, and fills in its arguments, typed as it takes them.
pub(in crate::backend) async fn method(
    object: &str,
    name: &str,
    args: &[Template],
    value: Option<&str>,
    context: &Context<'_>,
) -> Result<Method, BackendError> {
    let place = Place::of(object, context)?;
    let mut filled = Vec::with_capacity(args.len());
    for template in args {
        filled.push(template.fill_text(&context.variables(value))?);
    }
    let found = Method::find(&context.machine.bus, place, name, &filled).await;
    found.map_err(|trouble| trouble.error(place.named(name)))
}

impl Method {
    async fn find(bus: &Bus, place: Place<'_>, name: &str, args: &[String]) -> Result<Self, Trouble> {
        let object = place.object;
        let mut absent = format!("there is no {}", object.path);
        for path in place.paths(bus).await? {
            let described = match bus.describe(&object.name, &path, &object.interface).await {
                Ok(described) => described,
                Err(Trouble::Absent(why)) => {
                    absent = why;
                    continue;
                }
                Err(other) => return Err(other),
            };
            let Some((_, types)) = described.methods.into_iter().find(|(known, _)| known == name) else {
                absent = format!("{path} has no method {}.{name}", object.interface);
                continue;
            };
            let refused = |why: String| Trouble::Refused("args".to_owned(), why);
            if types.len() != args.len() {
                return Err(refused(format!(
                    "it takes {} arguments, and is given {}",
                    types.len(),
                    args.len()
                )));
            }
            let typed = types.iter().zip(args).map(|(kind, text)| convert::of_text(kind, text));
            return Ok(Self {
                service: object.name.clone(),
                path,
                interface: object.interface.clone(),
                name: name.to_owned(),
                args: typed.collect::<Result<_, _>>().map_err(refused)?,
            });
        }
        Err(Trouble::Absent(absent))
    }

    /// Calls it, once, and waits for its end.
    pub(in crate::backend) async fn call(self, bus: &Bus, limit: Duration) -> Result<(), BackendError> {
        let Self { service, path, interface, name, args } = self;
        let what = format!("{service} {path} {interface}.{name}");
        let method = BusMethod { service: &service, path: &path, interface: &interface, name: &name };
        let done = if args.is_empty() {
            bus.call(method, limit, &()).await
        } else {
            let mut body = StructureBuilder::new();
            for arg in args {
                body.push_value(arg);
            }
            match body.build() {
                Ok(body) => bus.call(method, limit, &body).await,
                Err(error) => Err(Trouble::Refused("args".to_owned(), error.to_string())),
            }
        };
        done.map(drop).map_err(|trouble| trouble.error(what))
    }
}
