//! Properties of D-Bus objects, by `org.freedesktop.DBus.Properties`.

use std::fmt;

use zbus::wire::{OwnedVariant, Signature, Variant};

use super::properties::{INTERFACE, bounded, unknown};
use super::seen::{Seen, SeenObject};
use super::{Bus, BusMethod, ObjectAt, READING, SETTING, Trouble, convert};
use crate::backend::answer::{Answer, Raw};
use crate::backend::content::Content;
use crate::backend::context::Context;
use crate::backend::error::BackendError;
use crate::mo::mapping::Source;

/// The address of a property on the bus.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::backend) struct PropertyAddress {
    pub(in crate::backend) service: String,
    pub(in crate::backend) path: String,
    pub(in crate::backend) interface: String,
    pub(in crate::backend) property: String,
}

/// The target of a property that is to be set.
pub(in crate::backend) struct Target {
    pub(in crate::backend) address: PropertyAddress,
    /// The value that it has now; none: that can't be read.
    pub(in crate::backend) now: Option<OwnedVariant>,
    kind: Signature,
}

impl PropertyAddress {
    fn at(place: ObjectAt<'_>, path: String, property: &str) -> Self {
        let object = place.object;
        Self {
            service: object.name.clone(),
            path,
            interface: object.interface.clone(),
            property: property.to_owned(),
        }
    }

    /// A method of the interface by which the property is read and set.
    fn method(&self, name: &'static str) -> BusMethod<'_> {
        BusMethod { service: &self.service, path: &self.path, interface: INTERFACE, name }
    }

    /// Reads the property.
    pub(in crate::backend) async fn get(&self, bus: &Bus) -> Result<OwnedVariant, Trouble> {
        let (interface, property) = (self.interface.as_str(), self.property.as_str());
        let reply = bus.ask(self.method("Get"), READING, &(interface, property)).await;
        let reply = reply.and_then(bounded).map_err(unknown)?;
        let value: zbus::Result<OwnedVariant> = reply.body().deserialize();
        value.map_err(|error| Trouble::Refused("the reply to Get".to_owned(), error.to_string()))
    }

    /// Sets the property to `value`; the service has taken it on return.
    pub(in crate::backend) async fn set(&self, bus: &Bus, value: &Variant<'_>) -> Result<(), Trouble> {
        let body = (self.interface.as_str(), self.property.as_str(), value);
        bus.ask(self.method("Set"), SETTING, &body).await.map_err(unknown).map(drop)
    }
}

impl fmt::Display for PropertyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}.{}", self.service, self.path, self.interface, self.property)
    }
}

impl Target {
    /// Finds the property that the mapping names, in the first of the object's places that has it.
    pub(in crate::backend) async fn find(
        object: &str,
        property: &str,
        context: &Context<'_>,
    ) -> Result<Self, BackendError> {
        let place = ObjectAt::of(object, context)?;
        let found = Self::search(&context.machine.bus, place, property).await;
        found.map_err(|trouble| trouble.error(place.named(property)))
    }

    async fn search(bus: &Bus, place: ObjectAt<'_>, property: &str) -> Result<Self, Trouble> {
        let mut absent = format!("there is no {}", place.object.path);
        for path in place.paths(bus, None).await? {
            let address = PropertyAddress::at(place, path, property);
            let trouble = match address.get(bus).await {
                Ok(now) => {
                    let kind = now.value_signature().clone();
                    return Ok(Self { address, kind, now: Some(now) });
                }
                Err(Trouble::Unavailable(why)) => return Err(Trouble::Unavailable(why)),
                Err(trouble) => trouble,
            };
            // Perhaps it can only be set.
            let described =
                bus.describe(&address.service, &address.path, &address.interface).await.unwrap_or_default();
            let mut properties = described.properties.into_iter();
            match (properties.find(|(name, ..)| name == property), trouble) {
                (Some((_, kind, false)), _) => return Ok(Self { address, kind, now: None }),
                (_, Trouble::Absent(why)) => absent = why,
                (_, trouble) => return Err(trouble),
            }
        }
        Err(Trouble::Absent(absent))
    }

    /// A node's value as the property takes it.
    pub(in crate::backend) fn value(&self, content: &Content) -> Result<Variant<'static>, BackendError> {
        let value = match (&self.kind, self.now.as_deref()) {
            (Signature::Variant, Some(Variant::Variant(now))) => {
                convert::encode(now.value_signature(), content).map(|value| Variant::Variant(Box::new(value)))
            }
            (kind, _) => convert::encode(kind, content),
        };
        value.map_err(|why| BackendError::Bus { what: self.address.to_string(), why, temporary: false })
    }

    /// Sets the property to `value`; the service has taken it on return.
    pub(in crate::backend) async fn set(&self, value: &Variant<'_>, bus: &Bus) -> Result<(), BackendError> {
        self.address.set(bus, value).await.map_err(|trouble| trouble.error(self.address.to_string()))
    }
}

/// Reads the property of a source.
pub(in crate::backend) async fn read(
    object: &str,
    property: &str,
    source: &Source,
    context: &Context<'_>,
) -> Result<Answer<Raw>, BackendError> {
    let place = ObjectAt::of(object, context)?;
    let bus = &context.machine.bus;
    let value = match context.seen {
        Some(seen) => match place.seen(bus, seen).await {
            Ok(found) => of_found(bus, seen, &found, place, property).await,
            // One property that can't be told spoils all of them in some services.
            Err(Trouble::Denied(_) | Trouble::Refused(..)) => search(bus, place, property, Some(seen)).await,
            Err(other) => Err(other),
        },
        None => search(bus, place, property, None).await,
    };
    let what = || place.named(property);
    match value {
        Ok(value) => Ok(convert::raw(&value, !source.pipeline.select.is_empty())
            .map_or_else(|| Answer::Absent(format!("{}: has no text", what())), Answer::Value)),
        // Shortly after a start, what is not there may yet come: a modem takes its time to be probed.
        Err(Trouble::Absent(why)) if context.expectant => Ok(Answer::Unavailable(why)),
        Err(trouble) => trouble.answer(what).map_err(|error| error.or_helper(source.privileged)),
    }
}

/// The property of an object that was seen. One that is not among all is asked for by itself, of the first object only
/// where there is none such.
async fn of_found(
    bus: &Bus,
    seen: &Seen,
    found: &SeenObject,
    place: ObjectAt<'_>,
    property: &str,
) -> Result<OwnedVariant, Trouble> {
    if let Some(value) = found.properties.get(property) {
        return Ok(value.clone());
    }
    let address = PropertyAddress::at(place, found.path.clone(), property);
    if seen.lacks(&address) {
        return Err(Trouble::Absent(format!("{} has no {property} of {}", address.path, address.interface)));
    }
    let got = address.get(bus).await;
    if matches!(got, Err(Trouble::Absent(_))) {
        seen.note_lacking(address);
    }
    got
}

/// The property in the first of the object's places that has it.
async fn search(
    bus: &Bus,
    place: ObjectAt<'_>,
    property: &str,
    seen: Option<&Seen>,
) -> Result<OwnedVariant, Trouble> {
    let mut absent = format!("there is no {}", place.object.path);
    for path in place.paths(bus, seen).await? {
        match PropertyAddress::at(place, path, property).get(bus).await {
            Err(Trouble::Absent(why)) => absent = why,
            other => return other,
        }
    }
    Err(Trouble::Absent(absent))
}
