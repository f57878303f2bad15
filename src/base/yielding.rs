//! Yielding: the agent has one thread, and long work on it lets other tasks run in between.

use std::time::{Duration, Instant};

/// The longest time that a task works without a pause.
const SLICE: Duration = Duration::from_millis(1);
/// The number of steps after which the clock is looked at: a step of a walk takes less time than that.
const STEPS: u32 = 64;

/// The pauses of one piece of long work; made when that begins.
#[derive(Debug)]
pub(crate) struct Yielder {
    since: Instant,
    steps: u32,
}

impl Default for Yielder {
    fn default() -> Self {
        Self { since: Instant::now(), steps: 0 }
    }
}

impl Yielder {
    /// Yields if it is time to, after a small step, of which there are many.
    pub(crate) async fn step(&mut self) {
        self.steps += 1;
        if self.steps >= STEPS {
            self.steps = 0;
            self.pause().await;
        }
    }

    /// Yields if it is time to, after a step that may itself have taken long.
    pub(crate) async fn pause(&mut self) {
        if self.since.elapsed() >= SLICE {
            tokio::task::yield_now().await;
            self.since = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_works_long_lets_others_work_and_who_does_not_goes_on() {
        let others = tokio::spawn(async {});
        let mut yielder = Yielder::default();
        yielder.step().await;
        assert!(!others.is_finished(), "one step is no reason");
        while yielder.since.elapsed() < SLICE {}
        for _ in 0..STEPS {
            yielder.step().await;
        }
        assert!(others.is_finished());
    }
}
