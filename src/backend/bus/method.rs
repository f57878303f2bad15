//! Method calls, with arguments from a mapping.

use std::time::Duration;

use zbus::Message;
use zbus::wire::{OwnedVariant, Structure, StructureBuilder, Variant};

use super::properties::bounded;
use super::{Bus, BusMethod, ObjectAt, READING, Seen, Trouble, convert};
use crate::backend::answer::{Answer, Raw};
use crate::backend::context::Context;
use crate::backend::error::BackendError;
use crate::mo::mapping::{Source, Template};

/// A method call that is ready to be made.
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
    let place = ObjectAt::of(object, context)?;
    let mut filled = Vec::with_capacity(args.len());
    for template in args {
        filled.push(template.fill_text(&context.variables(value))?);
    }
    let found = Method::find(&context.machine.bus, place, name, &filled, None).await;
    found.map_err(|trouble| trouble.error(place.named(name)))
}

/// The answer of a method as a source: one value as it is, several as an array.
pub(in crate::backend) async fn answer(
    object: &str,
    name: &str,
    args: &[Template],
    source: &Source,
    context: &Context<'_>,
) -> Result<Answer<Raw>, BackendError> {
    let place = ObjectAt::of(object, context)?;
    let what = || place.named(name);
    let mut filled = Vec::with_capacity(args.len());
    for template in args {
        filled.push(template.fill_text(&context.variables(None))?);
    }
    let bus = &context.machine.bus;
    let replied = async {
        let method = Method::find(bus, place, name, &filled, context.seen).await?;
        values(method.invoke(bus, READING).await?)
    };
    match replied.await {
        Ok(values) => {
            let selected = !source.pipeline.select.is_empty();
            let raw = match values.as_slice() {
                [one] => convert::raw(one, selected),
                several => convert::all(several),
            };
            Ok(raw.map_or_else(|| Answer::Absent(format!("{} answers nothing", what())), Answer::Value))
        }
        Err(Trouble::Absent(why)) if context.expectant => Ok(Answer::Unavailable(why)),
        Err(trouble) => trouble.answer(what).map_err(|error| error.or_helper(source.privileged)),
    }
}

fn values(reply: Message) -> Result<Vec<OwnedVariant>, Trouble> {
    let reply = bounded(reply)?;
    let body = reply.body();
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let odd = |error: &dyn std::fmt::Display| Trouble::Refused("the reply".to_owned(), error.to_string());
    let values: Structure<'_> = body.deserialize().map_err(|error| odd(&error))?;
    let owned = values.fields().iter().map(|value| OwnedVariant::try_from(value.clone()));
    owned.collect::<Result<_, _>>().map_err(|error| odd(&error))
}

impl Method {
    async fn find(
        bus: &Bus,
        place: ObjectAt<'_>,
        name: &str,
        args: &[String],
        seen: Option<&Seen>,
    ) -> Result<Self, Trouble> {
        let object = place.object;
        let mut absent = format!("there is no {}", object.path);
        for path in place.paths(bus, seen).await? {
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

    /// Calls the method, once, and waits for its end.
    pub(in crate::backend) async fn call(self, bus: &Bus, limit: Duration) -> Result<(), BackendError> {
        let what = format!("{} {} {}.{}", self.service, self.path, self.interface, self.name);
        self.invoke(bus, limit).await.map(drop).map_err(|trouble| trouble.error(what))
    }

    /// Calls the method, once, and returns its answer, as a source of it would.
    pub(in crate::backend) async fn ask(
        self,
        bus: &Bus,
        limit: Duration,
        selected: bool,
    ) -> Result<Vec<u8>, BackendError> {
        let what = format!("{} {} {}.{}", self.service, self.path, self.interface, self.name);
        let values = match self.invoke(bus, limit).await {
            Ok(reply) => values(reply),
            Err(trouble) => Err(trouble),
        };
        let raw = match values.map_err(|trouble| trouble.error(what))?.as_slice() {
            [one] => convert::raw(one, selected),
            several => convert::all(several),
        };
        Ok(raw.map(Raw::into_bytes).unwrap_or_default())
    }

    async fn invoke(self, bus: &Bus, limit: Duration) -> Result<Message, Trouble> {
        let Self { service, path, interface, name, args } = self;
        let method = BusMethod { service: &service, path: &path, interface: &interface, name: &name };
        if args.is_empty() {
            return bus.call(method, limit, &()).await;
        }
        let mut body = StructureBuilder::new();
        for arg in args {
            body.push_value(arg);
        }
        match body.build() {
            Ok(body) => bus.call(method, limit, &body).await,
            Err(error) => Err(Trouble::Refused("args".to_owned(), error.to_string())),
        }
    }
}
