//! Announcing the paths that a thread's work goes to: whoever opens a file that another one names says so first,
//! however deep in a reader it is.

use std::cell::{Cell, RefCell};
use std::path::Path;

use super::paths::{AccessId, PathAccess};
use super::stuck::Stuck;

thread_local! {
    /// The access to paths of this thread's work; none where nobody minds that it waits, as a person who checks files.
    static ACCESS: Cell<Option<AccessId<'static>>> = const { Cell::new(None) };
    /// Why this thread's work kept away from a place: the work that hangs there; none where it met none.
    static HUNG_AT: RefCell<Option<Stuck>> = const { RefCell::new(None) };
}

/// Announces that this thread's work goes to `path`, before that is touched.
///
/// # Errors
/// Other work hangs there, or on the way: whatever comes of this work then is not what files say.
pub(crate) fn announce(path: &Path) -> Result<(), Stuck> {
    let Some(access) = ACCESS.get() else { return Ok(()) };
    access.enter(path).inspect_err(|stuck| HUNG_AT.set(Some(stuck.clone())))
}

/// Does `work` with [`announce`] bound to this piece of work's access to paths.
///
/// # Errors
/// What it met that hangs.
pub(super) fn do_announcing<T>(access: &PathAccess<'static>, work: impl FnOnce() -> T) -> Result<T, Stuck> {
    /// Clears the thread's access when the work is left, also by a panic.
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
