//! What a server of the approved enabler takes: it breaks off the session whose package it refuses, so the next session begins
//! with what this one has learnt.

/// The bound of alerts in one package, as far as sessions with a destination have learnt it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertBound {
    /// The most alerts that the server takes.
    pub most: usize,
    /// The number in the store of the alert that it refused alone.
    pub refused: Option<u64>,
}

impl Default for AlertBound {
    fn default() -> Self {
        Self { most: usize::MAX, refused: None }
    }
}
