//! Undoing an effect on a D-Bus property.

use zbus::wire::serialized::{Context, Data};
use zbus::wire::{LE, Variant, to_bytes};

use super::bytes::{read, write};
use super::undone::Undone;
use crate::backend::bus::{Bus, PropertyAddress};
use crate::backend::error::BackendError;

/// The undo of an effect on a property: what that was before, and what the effect makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfProperty {
    pub(super) address: PropertyAddress,
    /// The value before the effect, as it is on the bus, little endian.
    before: Vec<u8>,
    written: Vec<u8>,
    /// The value that the service showed when the effect had happened. Not on disk.
    shown: Option<Vec<u8>>,
}

impl OfProperty {
    pub(in crate::backend) fn new(
        address: PropertyAddress,
        before: &Variant<'_>,
        written: &Variant<'_>,
    ) -> Result<Self, BackendError> {
        let encoded = |value| encoded(value).map_err(|error| failed(&address, error.to_string()));
        let (before, written) = (encoded(before)?, encoded(written)?);
        Ok(Self { address, before, written, shown: None })
    }

    /// Performs the effect itself, on the object that it was found at: another may be the first of its kind by now.
    pub(in crate::backend) async fn perform(&self, bus: &Bus) -> Result<(), BackendError> {
        self.set(&self.written, bus).await
    }

    pub(super) async fn note(&mut self, bus: &Bus) {
        self.shown = self.now(bus).await.ok();
    }

    /// Makes the property what it was. That it is that already says nothing: a service may show late what it has taken.
    /// What it was when nobody could look is nobody else's.
    pub(super) async fn undo(self, bus: &Bus) -> Result<Undone, BackendError> {
        if let (Some(shown), Ok(now)) = (&self.shown, self.now(bus).await)
            && ![&self.before, &self.written, shown].contains(&&now)
        {
            return Ok(Undone::Foreign);
        }
        match self.set(&self.before, bus).await {
            // What is refused now was so before.
            Err(_) if self.now(bus).await.is_ok_and(|now| now == self.before) => Ok(Undone::Restored),
            other => other.map(|()| Undone::Restored),
        }
    }

    pub(super) async fn roll_back(self, bus: &Bus) -> Result<Undone, BackendError> {
        let now = self.now(bus).await?;
        if now == self.before {
            return Ok(Undone::Restored);
        }
        if now != self.written {
            return Ok(Undone::Foreign);
        }
        self.set(&self.before, bus).await.map(|()| Undone::Restored)
    }

    async fn now(&self, bus: &Bus) -> Result<Vec<u8>, BackendError> {
        let address = &self.address;
        let now = address.get(bus).await.map_err(|trouble| trouble.error(address.to_string()))?;
        encoded(&now).map_err(|error| failed(address, error.to_string()))
    }

    async fn set(&self, value: &[u8], bus: &Bus) -> Result<(), BackendError> {
        let address = &self.address;
        let value = Data::new(value, context());
        let (value, _): (Variant<'_>, usize) =
            value.deserialize().map_err(|error| failed(address, error.to_string()))?;
        address.set(bus, &value).await.map_err(|trouble| trouble.error(address.to_string()))
    }

    pub(super) fn size(&self) -> usize {
        let PropertyAddress { service, path, interface, property } = &self.address;
        let named: usize = [service, path, interface, property].iter().map(|name| name.len()).sum();
        64 + named + self.before.len() + self.written.len()
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let PropertyAddress { service, path, interface, property } = &self.address;
        for text in [service, path, interface, property] {
            write(text.as_bytes(), out);
        }
        write(&self.before, out);
        write(&self.written, out);
    }

    pub(super) fn decode(record: &[u8]) -> Option<Self> {
        let mut rest = record;
        let mut next = || {
            let (bytes, after) = read(rest)?;
            rest = after;
            Some(bytes.to_vec())
        };
        let mut text = || String::from_utf8(next()?).ok();
        let address =
            PropertyAddress { service: text()?, path: text()?, interface: text()?, property: text()? };
        let found = Self { address, before: next()?, written: next()?, shown: None };
        rest.is_empty().then_some(found)
    }
}

fn context() -> Context {
    Context::new(LE, 0)
}

fn encoded(value: &Variant<'_>) -> zbus::Result<Vec<u8>> {
    Ok(to_bytes(context(), value)?.to_vec())
}

fn failed(address: &PropertyAddress, why: String) -> BackendError {
    BackendError::Bus { what: address.to_string(), why, temporary: false }
}

#[cfg(test)]
mod tests {
    use super::super::Undo;
    use super::*;

    #[test]
    fn it_comes_back_from_disk() {
        let name = |text: &str| text.to_owned();
        let address = PropertyAddress {
            service: name("org.t.M"),
            path: name("/0"),
            interface: name("org.t.I"),
            property: name("P"),
        };
        let before = Variant::Array(vec!["a", "b"].into());
        let undo = Undo::Property(OfProperty::new(address, &before, &Variant::U32(7)).unwrap());
        let record = undo.encode();
        assert_eq!(Undo::decode(&record), Some(undo));
        for length in 0..record.len() {
            assert_eq!(Undo::decode(&record[..length]), None, "{length} bytes");
        }
        assert_eq!(Undo::decode(&[record.as_slice(), b"x"].concat()), None);
    }
}
