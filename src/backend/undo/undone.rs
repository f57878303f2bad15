//! What came of taking an effect back.

/// How taking back ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undone {
    /// All is what it was before the effect.
    Restored,
    /// Somebody has changed it since: it was left alone.
    Foreign,
}
