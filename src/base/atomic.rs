//! A number of 64 bits that threads share, on every machine.
//!
//! Some routers' processors (32-bit MIPS, PowerPC, ARM before version 6) have no instruction that changes 64 bits at once,
//! and there the standard library has no `AtomicU64`. What counts bytes or seconds takes this one.

#[cfg(target_has_atomic = "64")]
pub use std::sync::atomic::AtomicU64;

#[cfg(not(target_has_atomic = "64"))]
pub use locked::AtomicU64;

/// The same behind a lock. Compiled for tests everywhere, as most machines that run them have no need of it.
#[cfg(any(test, not(target_has_atomic = "64")))]
#[cfg_attr(target_has_atomic = "64", expect(unreachable_pub, reason = "named by tests only"))]
mod locked {
    use std::sync::atomic::Ordering;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// A number behind a lock. What is called as in the standard library's `AtomicU64` does the same; whatever order is
    /// asked for, there is the strictest.
    #[derive(Debug, Default)]
    pub struct AtomicU64(Mutex<u64>);

    impl AtomicU64 {
        /// A number that begins as this one.
        #[must_use]
        pub const fn new(number: u64) -> Self {
            Self(Mutex::new(number))
        }

        /// No panic leaves a number half changed.
        fn number(&self) -> MutexGuard<'_, u64> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn change(&self, change: impl FnOnce(u64) -> u64) -> u64 {
            let mut number = self.number();
            let was = *number;
            *number = change(was);
            was
        }

        /// The number.
        pub fn load(&self, _: Ordering) -> u64 {
            *self.number()
        }

        /// Makes it this number.
        pub fn store(&self, number: u64, _: Ordering) {
            *self.number() = number;
        }

        /// Adds to it, and begins again at 0 past the greatest; returns what it was.
        pub fn fetch_add(&self, more: u64, _: Ordering) -> u64 {
            self.change(|number| number.wrapping_add(more))
        }

        /// Raises it to this number where it is less; returns what it was.
        pub fn fetch_max(&self, other: u64, _: Ordering) -> u64 {
            self.change(|number| number.max(other))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::locked;

    #[test]
    fn the_one_behind_a_lock_does_what_the_standard_librarys_does() {
        let (ours, theirs) = (locked::AtomicU64::new(u64::MAX - 1), AtomicU64::new(u64::MAX - 1));
        let numbers = [0, 1, 5, u64::from(u32::MAX) + 1, u64::MAX, 2];
        for number in numbers {
            assert_eq!(ours.fetch_add(number, Relaxed), theirs.fetch_add(number, Relaxed));
            assert_eq!(ours.load(Relaxed), theirs.load(Relaxed));
            assert_eq!(ours.fetch_max(number, Relaxed), theirs.fetch_max(number, Relaxed));
            assert_eq!(ours.load(Relaxed), theirs.load(Relaxed));
        }
        for number in numbers {
            ours.store(number, Relaxed);
            theirs.store(number, Relaxed);
            assert_eq!(ours.fetch_max(3, Relaxed), theirs.fetch_max(3, Relaxed));
            assert_eq!(ours.load(Relaxed), theirs.load(Relaxed));
        }
    }

    #[test]
    fn nothing_that_threads_add_is_lost() {
        let count = Arc::new(locked::AtomicU64::default());
        let add = |count: Arc<locked::AtomicU64>| {
            std::thread::spawn(move || {
                for _ in 0..1000 {
                    count.fetch_add(1, Relaxed);
                }
            })
        };
        let threads: Vec<_> = (0..4).map(|_| add(Arc::clone(&count))).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(count.load(Relaxed), 4000);
    }
}
