//! Where the work of a thread goes further than the file that it was given: whoever opens a file that another one names
//! says so first, however deep in a reader it is.

use std::cell::{Cell, RefCell};
use std::path::Path;

use super::paths::{AccessId, PathAccess};
use super::stuck::Stuck;

thread_local! {
    /// What this thread's work goes to paths by; none where nobody minds that it waits, as a person who checks files.
    static ACCESS: Cell<Option<AccessId<'static>>> = const { Cell::new(None) };
    /// What it met that hangs, and did not go to.
    static HUNG_AT: RefCell<Option<Stuck>> = const { RefCell::new(None) };
}

/// Says that this thread's work goes to `path`, before that is touched.
///
/// # Errors
/// Other work hangs there, or on the way: whatever comes of this work then is not what files say.
pub(crate) fn announce(path: &Path) -> Result<(), Stuck> {
    let Some(access) = ACCESS.get() else { return Ok(()) };
    access.enter(path).inspect_err(|stuck| HUNG_AT.set(Some(stuck.clone())))
}

/// Does `work`, and takes what it announces by [`announce`] for where this piece of work goes.
///
/// # Errors
/// What it met that hangs.
pub(super) fn do_announcing<T>(access: &PathAccess<'static>, work: impl FnOnce() -> T) -> Result<T, Stuck> {
    /// The thread has other work next, also after a panic.
    struct Leaving;
    impl Drop for Leaving {
        fn drop(&mut self) {
            ACCESS.set(None);
            HUNG_AT.set(None);
        }
    }
    let _leaving = Leaving;
    ACCESS.set(Some(access.id()));
    let done = work();
    HUNG_AT.take().map_or(Ok(done), Err)
}
