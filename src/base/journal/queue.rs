//! The queue of log lines that wait to be written: bounded, and waited for only at the end of the process.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The most lines that wait. More are lost, and counted.
const MOST: usize = 1000;
/// How long the writing thread waits for another line before it ends.
const IDLE: Duration = Duration::from_secs(2);
/// How long the end of the process waits, at most, until all lines are written.
const LAST: Duration = Duration::from_millis(300);

#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<QueueState<T>>,
    /// Wakes the writing thread.
    more: Condvar,
    /// Wakes whoever waits until all is written.
    done: Condvar,
}

#[derive(Debug)]
struct QueueState<T> {
    lines: VecDeque<T>,
    lost: usize,
    /// Whether a thread writes, or waits for more.
    has_writer: bool,
    /// Whether that thread is writing a line just now.
    is_writing: bool,
    /// Whether that thread waits for more lines.
    is_idle: bool,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        let state = QueueState {
            lines: VecDeque::new(),
            lost: 0,
            has_writer: false,
            is_writing: false,
            is_idle: false,
        };
        Self { state: Mutex::new(state), more: Condvar::new(), done: Condvar::new() }
    }

    /// Adds a line, if there is room. Returns whether the caller is to see to it that a thread writes.
    pub(super) fn push(&self, line: T) -> bool {
        let mut state = self.lock();
        if state.lines.len() < MOST {
            state.lines.push_back(line);
        } else {
            state.lost = state.lost.saturating_add(1);
        }
        let has_writer = std::mem::replace(&mut state.has_writer, true);
        let is_idle = state.is_idle;
        drop(state);
        if is_idle {
            self.more.notify_one();
        }
        !has_writer
    }

    /// The next line to be written, and how many were lost before it; none where there was none for a while.
    pub(super) fn next(&self) -> Option<(T, usize)> {
        let mut state = self.lock();
        state.is_writing = false;
        if state.lines.is_empty() {
            self.done.notify_all();
        }
        let until = Instant::now() + IDLE;
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.is_writing = true;
                // They came when all others were waiting already.
                let lost = if state.lines.is_empty() { std::mem::take(&mut state.lost) } else { 0 };
                return Some((line, lost));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.has_writer = false;
                return None;
            }
            state.is_idle = true;
            let woken = self.more.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
            state.is_idle = false;
        }
    }

    /// Waits until all lines are written, but not for long.
    pub(super) fn wait_until_empty(&self) {
        let is_busy = |state: &mut QueueState<T>| !state.lines.is_empty() || state.is_writing;
        drop(self.done.wait_timeout_while(self.lock(), LAST, is_busy));
    }

    fn lock(&self) -> MutexGuard<'_, QueueState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_order_and_what_there_is_no_room_for_is_counted() {
        let queue = Queue::new();
        assert!(queue.push(0), "nobody writes");
        assert!((1..MOST + 7).all(|line| !queue.push(line)), "somebody does");
        let written: Vec<(usize, usize)> = (0..MOST).map_while(|_| queue.next()).collect();
        assert!(written.iter().map(|(line, _)| *line).eq(0..MOST));
        let lost: Vec<usize> = written.into_iter().map(|(_, lost)| lost).filter(|lost| *lost > 0).collect();
        assert_eq!(lost, [7]);
    }

    #[test]
    fn who_ends_waits_for_what_is_being_written_and_not_for_what_hangs() {
        let queue = Queue::new();
        queue.push(1);
        assert_eq!(queue.next(), Some((1, 0)));
        let begun = Instant::now();
        queue.wait_until_empty();
        assert!(begun.elapsed() >= LAST, "it is being written");
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(queue.next(), None, "for a while there is nothing"));
            queue.wait_until_empty();
        });
        assert!(queue.push(2), "who wrote has gone");
    }
}
