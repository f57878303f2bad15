//! Randomness, drawn outside and passed in.

/// A source of random numbers, passed in by whoever has one.
pub trait Random: Send {
    /// The next random number, uniform over all u64.
    fn next(&mut self) -> u64;

    /// The next random number, uniform over all u32.
    fn next_u32(&mut self) -> u32 {
        u32::try_from(self.next() >> 32).unwrap_or_default()
    }

    /// Makes another source, for a task of its own.
    fn fork(&mut self) -> Box<dyn Random>;
}
