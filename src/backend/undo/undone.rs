//! The result of undoing an effect.

/// How undoing an effect ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undone {
    /// All is what it was before the effect.
    Restored,
    /// Somebody has changed the thing since: it was left alone.
    Foreign,
    /// What was there before is not known: what the effect has done stays.
    Impossible,
}
