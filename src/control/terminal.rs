//! The terminal of `omadmctl`.

use std::io::{self, Write};

/// The two outputs: where answers and complaints go.
pub(super) struct Terminal<O, E> {
    pub(super) out: O,
    pub(super) err: E,
}

impl<O: Write, E: Write> Terminal<O, E> {
    /// Prints a complaint, after all that was answered before it.
    pub(super) fn complain(&mut self, what: &str) -> io::Result<()> {
        // A disk that is full need not keep anybody from hearing so.
        let _ = self.out.flush();
        writeln!(self.err, "{what}")
    }
}
