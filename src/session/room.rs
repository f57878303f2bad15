//! What all sessions may keep in memory together of what GETs have returned, until their servers have it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// In all, in KiB: 64 MiB.
const ALL: usize = 64 << 10;
/// So much each package may keep whatever others do.
const FREE: usize = 256 << 10;

/// The room for all sessions. Nobody waits for it: what finds none is refused, as what is too large for one package is.
#[derive(Clone, Debug)]
pub struct Room(Arc<Semaphore>);

/// What one package takes of it.
#[derive(Debug, Default)]
pub(super) struct Taken {
    bytes: usize,
    permit: Option<OwnedSemaphorePermit>,
}

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ALL)))
    }
}

impl Room {
    /// Takes so many bytes more for a package; whether they were to be had.
    pub(super) fn take(&self, bytes: usize, taken: &mut Taken) -> bool {
        let all = taken.bytes.saturating_add(bytes);
        let wanted = all.saturating_sub(FREE).div_ceil(1 << 10);
        let held = taken.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if let Ok(more) = u32::try_from(wanted.saturating_sub(held))
            && more > 0
        {
            let Ok(permit) = Arc::clone(&self.0).try_acquire_many_owned(more) else { return false };
            match &mut taken.permit {
                Some(held) => held.merge(permit),
                none => *none = Some(permit),
            }
        }
        taken.bytes = all;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_large_packages_fill_it_and_small_ones_still_go() {
        let room = Room::default();
        let mut large: Vec<Taken> = Vec::new();
        for _ in 0..4 {
            let mut taken = Taken::default();
            assert!((0..16).all(|_| room.take(1 << 20, &mut taken)));
            large.push(taken);
        }
        let mut one = Taken::default();
        assert!(room.take(1 << 20, &mut one), "what each may keep anyway is not counted");
        assert!(!room.take(1 << 20, &mut one), "full");
        let mut small = Taken::default();
        assert!(room.take(100 << 10, &mut small) && room.take(100 << 10, &mut small));
        large.pop();
        assert!(room.take(1 << 20, &mut one), "as soon as a package was answered");
    }
}
