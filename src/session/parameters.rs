//! What the parameters of a ServerURI stand for on this device (TS 6.2).

use crate::tree::{Tree, TreeError, Visitor};
use crate::uri::server::Parameter;

const DEV_INFO: &str = "urn:oma:mo:oma-dm-devinfo:1.2";

/// The device's values, as they are for one session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    dev_id: String,
}

impl Parameters {
    /// `dev_id` is the value of DevInfo's DevID. A device without a modem has no network codes.
    #[must_use]
    pub fn new(dev_id: String) -> Self {
        Self { dev_id }
    }

    /// The device's values as they are now.
    ///
    /// # Errors
    /// DevID can't be read.
    pub async fn of(tree: &Tree, visitor: &Visitor<'_>) -> Result<Self, TreeError> {
        let dev_id = tree.own_leaf(DEV_INFO, "DevID", visitor).await?;
        Ok(Self::new(dev_id.unwrap_or_else(|| "-1".to_owned())))
    }

    /// DevID, also the value of the `OMADM-DevID` header.
    #[must_use]
    pub fn dev_id(&self) -> &str {
        &self.dev_id
    }

    /// A parameter's value; none becomes `-1`.
    #[must_use]
    pub fn value(&self, parameter: Parameter) -> Option<String> {
        match parameter {
            Parameter::DevId => Some(self.dev_id.clone()),
            _ => None,
        }
    }
}
