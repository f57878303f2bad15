//! Table `push`: `R` or `U`, the registration id, and where the server was told, joined by `\0`.

/// A task and what has become of it: what the store keeps for a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Register, or unregister.
    pub register: bool,
    /// The registration id.
    pub id: String,
    /// Where the server was told; none: it still is to be.
    pub told: Option<String>,
}

impl Registration {
    pub(in crate::store) fn encode(&self) -> Vec<u8> {
        let action = if self.register { "R" } else { "U" };
        format!("{action}\0{}\0{}", self.id, self.told.as_deref().unwrap_or_default()).into_bytes()
    }

    pub(in crate::store) fn decode(record: &[u8]) -> Option<Self> {
        let (action, rest) = std::str::from_utf8(record).ok()?.split_once('\0')?;
        let (id, told) = rest.split_once('\0')?;
        let told = (!told.is_empty()).then(|| told.to_owned());
        Some(Self { register: action == "R", id: id.to_owned(), told })
    }
}
