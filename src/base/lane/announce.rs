//! Where the work of a thread goes further than the file that it was given: whoever opens a file that another one names
//! says so first, however deep in a reader it is.

use std::cell::{Cell, RefCell};
use std::path::Path;

use super::places::{Mark, Spot};
use super::stuck::Stuck;

thread_local! {
    /// The work of this thread; none where nobody minds that it waits, as a person who checks files.
    static HERE: Cell<Option<Mark<'static>>> = const { Cell::new(None) };
    /// What kept it from going on.
    static MET: RefCell<Option<Stuck>> = const { RefCell::new(None) };
}

/// Says that this thread's work goes to `path`, before that is touched.
///
/// # Errors
/// Other work hangs there, or on the way: whatever comes of this work then is not what files say.
pub(crate) fn going(path: &Path) -> Result<(), Stuck> {
    let Some(here) = HERE.get() else { return Ok(()) };
    here.enter(path).inspect_err(|stuck| MET.set(Some(stuck.clone())))
}

/// Does `work`, all of whose [`going`] is noted at this spot.
///
/// # Errors
/// What it met that hangs.
pub(super) fn work_at<T>(spot: &Spot<'static>, work: impl FnOnce() -> T) -> Result<T, Stuck> {
    /// The thread has other work next, also after a panic.
    struct Leaving;
    impl Drop for Leaving {
        fn drop(&mut self) {
            HERE.set(None);
            MET.set(None);
        }
    }
    let _leaving = Leaving;
    HERE.set(Some(spot.mark()));
    let done = work();
    MET.take().map_or(Ok(done), Err)
}
