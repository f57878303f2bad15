//! Randomness, which is drawn outside and passed in.

/// Randomness, passed in by whoever has a source of it.
pub trait Random: Send {
    /// Uniform over all u64.
    fn next(&mut self) -> u64;

    /// Uniform over all u32.
    fn next_u32(&mut self) -> u32 {
        u32::try_from(self.next() >> 32).unwrap_or_default()
    }

    /// Another one, for a task of its own.
    fn fork(&mut self) -> Box<dyn Random>;
}
