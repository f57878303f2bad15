//! Progress: how far a piece of work has come, told to whoever follows it, and what it waits for.

use std::fmt::{self, Arguments};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::waking;

/// Hears of each stage: its name, and what is to be said of it.
type Listener = dyn Fn(&str, &str) + Send + Sync;

/// The progress of a piece of work, which somebody may follow, and look at.
#[derive(Clone, Default)]
pub struct Progress {
    listener: Option<Arc<Listener>>,
    wait: Option<Arc<Mutex<Wait>>>,
}

/// What is waited for.
struct Wait {
    what: String,
    /// The step of it that has to be done before; empty: none.
    step: &'static str,
    since: Instant,
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.listener.is_some() { "followed" } else { "not followed" })
    }
}

impl Progress {
    /// Makes progress of which `listener` hears.
    pub fn new(listener: impl Fn(&str, &str) + Send + Sync + 'static) -> Self {
        Self { listener: Some(Arc::new(listener)), wait: None }
    }

    /// The same, which can be asked what is waited for.
    #[must_use]
    pub fn watched(self) -> Self {
        let wait = Wait { what: String::new(), step: "", since: waking::now() };
        Self { wait: Some(Arc::new(Mutex::new(wait))), ..self }
    }

    /// Tells that a stage is reached. Where nobody follows, nothing is written out.
    pub fn tell(&self, stage: &str, what: Arguments<'_>) {
        if let Some(listener) = &self.listener {
            listener(stage, &what.to_string());
        }
    }

    /// Notes what is waited for from now on.
    pub fn waits(&self, what: Arguments<'_>) {
        self.note(|wait| *wait = Wait { what: what.to_string(), step: "", since: waking::now() });
    }

    /// Notes the step that has to be done before, from now on; an empty one: none.
    pub fn step(&self, step: &'static str) {
        self.note(|wait| (wait.step, wait.since) = (step, waking::now()));
    }

    fn note(&self, change: impl FnOnce(&mut Wait)) {
        if let Some(wait) = &self.wait {
            change(&mut wait.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// What is waited for, and since when; none where nobody notes it.
    #[must_use]
    pub fn waits_for(&self) -> Option<(String, Instant)> {
        let wait = self.wait.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        let what = match (wait.step, wait.what.as_str()) {
            ("", what) => what.to_owned(),
            (step, "") => step.to_owned(),
            (step, what) => format!("{step}, then {what}"),
        };
        Some((what, wait.since)).filter(|(what, _)| !what.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_waited_for_before_what_comes_after_it() {
        let progress = Progress::default().watched();
        let waits = || progress.waits_for().map(|(what, _)| what);
        assert_eq!(waits(), None);
        progress.step("the name");
        assert_eq!(waits().as_deref(), Some("the name"));
        progress.waits(format_args!("the answer to {}", 1));
        assert_eq!(waits().as_deref(), Some("the answer to 1"));
        progress.step("TCP");
        assert_eq!(progress.clone().waits_for().unwrap().0, "TCP, then the answer to 1");
        progress.step("");
        assert_eq!(waits().as_deref(), Some("the answer to 1"));
        progress.step("TLS");
        progress.waits(format_args!("the end"));
        assert_eq!(waits().as_deref(), Some("the end"));
        Progress::default().waits(format_args!("nobody looks"));
    }
}
