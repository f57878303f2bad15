//! Heartbeats: how the loop knows that a session advances.
//!
//! The watchdog is told that the agent is well only while each session that runs does so too. A session's heart beats
//! with each command, package, source and byte; between two beats it may be silent for a while, and longer where it
//! waits for something that has a bound of its own. Code says so where it waits, without being handed a heart: a
//! session's task carries its own along.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Between two beats a session computes, or commits to the store: nothing of that takes longer.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(120);

tokio::task_local! {
    static OWN: Arc<Heart>;
}

/// The heart of one session.
#[derive(Debug)]
pub struct Heart {
    name: String,
    rhythm: Mutex<Rhythm>,
}

/// When it last beat, and for how long it may now be silent.
#[derive(Clone, Copy, Debug)]
struct Rhythm {
    last: Instant,
    silence: Duration,
}

impl Heart {
    fn new(name: String, now: Instant) -> Arc<Self> {
        Arc::new(Self { name, rhythm: Mutex::new(Rhythm { last: now, silence: LONGEST_SILENCE }) })
    }

    /// Runs `work`, whose heart it is.
    pub async fn of<T>(self: Arc<Self>, work: impl Future<Output = T>) -> T {
        OWN.scope(self, work).await
    }

    fn beat(&self, now: Instant) {
        self.with(|rhythm| rhythm.last = now);
    }

    /// How long it has been silent, where that is too long.
    fn overdue(&self, now: Instant) -> Option<Duration> {
        let Rhythm { last, silence } = self.with(|rhythm| *rhythm);
        Some(now.saturating_duration_since(last)).filter(|silent| *silent > silence)
    }

    fn with<T>(&self, change: impl FnOnce(&mut Rhythm) -> T) -> T {
        change(&mut self.rhythm.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The hearts of all sessions that run.
#[derive(Debug, Default)]
pub struct Hearts(Vec<Weak<Heart>>);

impl Hearts {
    /// A new one; it counts until it is dropped.
    pub fn begin(&mut self, name: String, now: Instant) -> Arc<Heart> {
        let heart = Heart::new(name, now);
        self.0.retain(|known| known.strong_count() > 0);
        self.0.push(Arc::downgrade(&heart));
        heart
    }

    /// The one that has been silent for too long, if any: its name, and for how long.
    #[must_use]
    pub fn silent(&self, now: Instant) -> Option<(String, Duration)> {
        let overdue = |heart: Arc<Heart>| Some((heart.name.clone(), heart.overdue(now)?));
        self.0.iter().filter_map(Weak::upgrade).find_map(overdue)
    }
}

/// The session advances. Outside of one, nothing happens.
pub fn beat() {
    let _ = OWN.try_with(|heart| heart.beat(Instant::now()));
}

/// Waits for `work`, which comes to its end within `limit` by itself: until then, silence is no standstill.
pub async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> T {
    let _patience = Patience::begin(limit.saturating_add(LONGEST_SILENCE));
    work.await
}

/// Waits for what others hold, and let go of as long as they advance themselves.
pub async fn at_rest<T>(work: impl Future<Output = T>) -> T {
    let _patience = Patience::begin(Duration::MAX);
    work.await
}

/// A longer silence, until this is dropped.
struct Patience {
    before: Option<Duration>,
}

impl Patience {
    fn begin(silence: Duration) -> Self {
        let begin = |heart: &Arc<Heart>| {
            heart.with(|rhythm| {
                let before = rhythm.silence;
                *rhythm = Rhythm { last: Instant::now(), silence: before.max(silence) };
                before
            })
        };
        Self { before: OWN.try_with(begin).ok() }
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        let Some(before) = self.before else { return };
        let _ = OWN.try_with(|heart| {
            heart.with(|rhythm| *rhythm = Rhythm { last: Instant::now(), silence: before });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_secs(1);

    #[test]
    fn a_session_that_stands_still_is_named_and_one_that_is_over_is_not() {
        let (mut hearts, now) = (Hearts::default(), Instant::now());
        assert_eq!(hearts.silent(now), None);
        let advancing = hearts.begin("a".to_owned(), now);
        let stuck = hearts.begin("b".to_owned(), now);
        let late = now + LONGEST_SILENCE + MOMENT;
        advancing.beat(late - MOMENT);
        assert_eq!(hearts.silent(now + LONGEST_SILENCE), None);
        assert_eq!(hearts.silent(late), Some(("b".to_owned(), LONGEST_SILENCE + MOMENT)));
        stuck.beat(late);
        assert_eq!(hearts.silent(late), None);
        assert!(hearts.silent(late + LONGEST_SILENCE + MOMENT).is_some());
        drop((advancing, stuck));
        assert_eq!(hearts.silent(late + LONGEST_SILENCE + MOMENT), None);
    }

    #[tokio::test]
    async fn whoever_waits_within_a_bound_may_be_silent_until_then_and_no_longer() {
        let (mut hearts, now) = (Hearts::default(), Instant::now());
        let bound = Duration::from_secs(900);
        let heart = hearts.begin("a".to_owned(), now);
        let silent = |later: Duration| hearts.silent(Instant::now() + later).is_some();
        heart
            .of(async {
                within(bound, async {
                    // A shorter wait within it takes nothing away, neither while it lasts nor afterwards.
                    within(MOMENT, async { assert!(!silent(bound)) }).await;
                    beat();
                    assert!(!silent(bound));
                    assert!(silent(bound + LONGEST_SILENCE + MOMENT), "what has a bound keeps to it");
                })
                .await;
                assert!(silent(LONGEST_SILENCE + MOMENT) && !silent(LONGEST_SILENCE - MOMENT));
                at_rest(async { assert!(!silent(Duration::from_secs(1 << 30))) }).await;
                assert!(silent(LONGEST_SILENCE + MOMENT));
            })
            .await;
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_allows_nothing_any_more() {
        let (mut hearts, now) = (Hearts::default(), Instant::now());
        let heart = hearts.begin("a".to_owned(), now);
        heart
            .of(async {
                let forever = at_rest(std::future::pending::<()>());
                let _ = tokio::time::timeout(Duration::from_millis(1), forever).await;
                assert!(hearts.silent(Instant::now() + LONGEST_SILENCE + MOMENT).is_some());
            })
            .await;
    }
}
