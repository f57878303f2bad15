//! Heartbeats: how the loop knows that its tasks advance.
//!
//! The watchdog is told that the agent is well only while every task of the loop is: sessions, bootstraps,
//! registrations, configurations, looks for subscriptions, and the reading of files. A task's heart beats whenever the
//! task is run, be it that what it waits for has come or that the time for that is over. So nothing has to say that it
//! waits, or for how long.
//!
//! Every wait for something outside has a limit of its own, all of them below [`LONGEST_SILENCE`]: names, connections,
//! a silent server, `Retry-After`, `exec.sync-limit`, files, other people's buses. Whoever has not been run for longer
//! waits for what has no limit, or overran it: that is a standstill. It is long, so that a wait of which nobody thought
//! here costs the notice of a standstill, never a healthy agent. What may be longer in good order is waited for
//! [`patiently`]: programs and method calls, whose limit the mapping names, and the end of another's change.
//!
//! A program that outlives its command and what follows a session have no heart: they run for as long as a server may
//! have them run, and hold up nobody.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::base::crash_guard::{CrashGuard, Fatal};

/// The longest silence of a healthy task: twice the longest limit that any wait has, as nobody waits longer without
/// being woken.
pub(crate) const LONGEST_SILENCE: Duration = Duration::from_secs(2 * 3600);
/// How often a task that waits [`patiently`] wakes up.
const LOOK: Duration = Duration::from_secs(1800);

/// The heart of one task: its name, and when it beat last.
#[derive(Debug)]
struct Heart {
    name: String,
    last: Mutex<Instant>,
}

/// The hearts of all tasks that run.
#[derive(Debug, Default)]
pub(crate) struct Hearts(Vec<Weak<Heart>>);

/// A task's work whose heart is watched until it is over or dropped.
#[must_use = "nothing is done before it is awaited"]
pub(crate) struct WatchedWork<T> {
    heart: Arc<Heart>,
    work: Pin<Box<dyn Future<Output = T> + Send>>,
}

impl<T> Future for WatchedWork<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let polled = self.work.as_mut().poll(context);
        *self.heart.last.lock().unwrap_or_else(PoisonError::into_inner) = now();
        polled
    }
}

impl Hearts {
    /// Gives `work` a heart of its own, which is watched from now on.
    pub(crate) fn watch<T>(
        &mut self,
        name: String,
        work: impl Future<Output = T> + Send + 'static,
    ) -> WatchedWork<T> {
        let heart = Arc::new(Heart { name, last: Mutex::new(now()) });
        self.0.retain(|known| known.strong_count() > 0);
        self.0.push(Arc::downgrade(&heart));
        WatchedWork { heart, work: Box::pin(work) }
    }

    /// Gives `work`, which may end the agent, a watched heart of its own: it is not done where it ended the agent
    /// twice.
    pub(crate) fn watch_risky<T: 'static>(
        &mut self,
        crash_guard: &Arc<CrashGuard>,
        name: String,
        work: impl Future<Output = T> + Send + 'static,
    ) -> WatchedWork<Result<T, Fatal>> {
        let risky = Arc::clone(crash_guard).run_risky(name.clone(), work);
        self.watch(name, risky)
    }

    /// A task that has been silent for too long, if any: its name, and for how long.
    #[must_use]
    pub(crate) fn silent(&self, now: Instant) -> Option<(String, Duration)> {
        self.0.iter().filter_map(Weak::upgrade).find_map(|heart| {
            let last = *heart.last.lock().unwrap_or_else(PoisonError::into_inner);
            let silent = now.saturating_duration_since(last);
            (silent > LONGEST_SILENCE).then(|| (heart.name.clone(), silent))
        })
    }
}

/// The time now, by the clock that timers go by.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Waits for work that ends by itself, however much later that is.
pub(crate) async fn patiently<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        if let Ok(done) = timeout(LOOK, work.as_mut()).await {
            return done;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_secs(1);

    /// Runs `work`, and returns after how long it first stood still, if it did.
    pub(crate) async fn standstill(work: impl Future<Output = ()> + Send + 'static) -> Option<Duration> {
        let (mut hearts, begun) = (Hearts::default(), now());
        let task = tokio::spawn(hearts.watch("a".to_owned(), work));
        while !task.is_finished() {
            if hearts.silent(now()).is_some() {
                task.abort();
                return Some(now() - begun);
            }
            tokio::time::sleep(MOMENT * 60).await;
        }
        assert_eq!(hearts.silent(now() + LONGEST_SILENCE * 2), None, "it is over");
        None
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_without_a_limit_stands_still_and_what_has_one_does_not() {
        let found = standstill(std::future::pending()).await.unwrap();
        assert!(found > LONGEST_SILENCE && found < LONGEST_SILENCE + MOMENT * 120, "{found:?}");
        let hour = MOMENT * 3600;
        let waits = async move {
            for _ in 0..24 {
                tokio::time::sleep(hour).await;
            }
        };
        assert_eq!(standstill(waits).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_patiently_waits_as_long_as_it_takes_also_for_several_at_once() {
        let day = MOMENT * 24 * 3600;
        let both = async move {
            // The one that ends first takes no patience from the other, however they overlap.
            let first = async { patiently(tokio::time::sleep(day)).await };
            let second = async {
                tokio::time::sleep(MOMENT).await;
                patiently(tokio::time::sleep(day * 2)).await;
            };
            tokio::join!(first, second);
        };
        assert_eq!(standstill(both).await, None);
        // Nor does it leave any behind, also where it is given up.
        let after = async move {
            let _ = timeout(MOMENT, patiently(std::future::pending::<()>())).await;
            std::future::pending::<()>().await;
        };
        assert!(standstill(after).await.is_some_and(|found| found < LONGEST_SILENCE + MOMENT * 120));
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_that_stands_still_is_named_among_those_that_do_not() {
        let mut hearts = Hearts::default();
        assert_eq!(hearts.silent(now()), None);
        let advancing = tokio::spawn(hearts.watch("a".to_owned(), patiently(std::future::pending::<()>())));
        let stuck = tokio::spawn(hearts.watch("b".to_owned(), std::future::pending::<()>()));
        tokio::time::sleep(LONGEST_SILENCE).await;
        assert_eq!(hearts.silent(now()), None);
        tokio::time::sleep(MOMENT).await;
        assert_eq!(hearts.silent(now()).map(|(name, _)| name).as_deref(), Some("b"));
        stuck.abort();
        assert!(stuck.await.is_err());
        assert_eq!(hearts.silent(now()), None, "it is no more");
        advancing.abort();
    }
}
