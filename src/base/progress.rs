//! Progress: how far a piece of work has come, told to whoever follows it.

use std::fmt::{self, Arguments};
use std::sync::Arc;

/// Hears of each stage: its name, and what is to be said of it.
type Listener = dyn Fn(&str, &str) + Send + Sync;

/// The progress of a piece of work, which somebody may follow.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<Listener>>);

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "followed" } else { "not followed" })
    }
}

impl Progress {
    /// Makes progress of which `listener` hears.
    pub fn new(listener: impl Fn(&str, &str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// Tells that a stage is reached. Where nobody follows, nothing is written out.
    pub fn tell(&self, stage: &str, what: Arguments<'_>) {
        if let Some(listener) = &self.0 {
            listener(stage, &what.to_string());
        }
    }
}
