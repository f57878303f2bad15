//! Table `push`: `R` or `U`, the registration id, and where the server was told, joined by `\0`.

/// A registration that a server is to be told, and what has become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Whether the server is told to register; else to unregister.
    pub register: bool,
    /// The registration id.
    pub id: String,
    /// The address where the server was told; none: it still is to be.
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
