//! The budget of GETs' data: each package may bring so much, and all sessions together, until their servers have it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The bytes that one permit is for.
const UNIT: usize = 1 << 10;
/// The permits of all sessions together: 64 MiB.
const ALL: usize = 64 << 10;
/// The bytes that each package may keep whatever others do.
const FREE: usize = 256 << 10;

/// The budget of the data that GETs of all sessions may bring together. Nobody waits for it: what finds none is
/// refused, as what is too large for one package is.
#[derive(Clone, Debug)]
pub struct DataBudget(Arc<Semaphore>);

/// The share of one package in the budget, until this is dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Semaphore>,
    /// The most bytes of the package's data.
    most: usize,
    bytes: usize,
    permit: Option<OwnedSemaphorePermit>,
    /// The refusal of an earlier GET, which later ones get too.
    over: Option<Over>,
}

/// Why there is no budget left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Over {
    /// The package brings no more than this.
    #[error("the GETs of one package bring at most {0} bytes (session.max-data)")]
    Package(usize),
    /// All sessions together bring no more.
    #[error("what the GETs of all sessions bring takes the {} bytes that it may until servers have it", ALL * UNIT)]
    All,
}

impl Default for DataBudget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ALL)))
    }
}

impl DataBudget {
    /// Opens the share of a package of at most so many bytes.
    #[must_use]
    pub fn share(&self, most: usize) -> Share {
        Share { budget: Arc::clone(&self.0), most, bytes: 0, permit: None, over: None }
    }
}

impl Share {
    /// The bytes that the package may bring yet.
    ///
    /// # Errors
    /// None; or something was refused before: the package may have thousands of the kind.
    pub fn left(&self) -> Result<usize, Over> {
        let (own, all) = (self.most.saturating_sub(self.bytes), self.left_of_all());
        match self.over {
            Some(over) => Err(over),
            None if own == 0 => Err(Over::Package(self.most)),
            None if all == 0 => Err(Over::All),
            None => Ok(own.min(all)),
        }
    }

    /// Takes so many bytes more from the budget.
    ///
    /// # Errors
    /// They are not to be had.
    pub fn take(&mut self, bytes: usize) -> Result<(), Over> {
        let all = self.bytes.saturating_add(bytes);
        if all > self.most {
            return Err(*self.over.insert(Over::Package(self.most)));
        }
        let wanted = all.saturating_sub(FREE).div_ceil(UNIT);
        if let Ok(more) = u32::try_from(wanted.saturating_sub(self.held()))
            && more > 0
        {
            let Ok(permit) = Arc::clone(&self.budget).try_acquire_many_owned(more) else {
                return Err(*self.over.insert(Over::All));
            };
            match &mut self.permit {
                Some(held) => held.merge(permit),
                none => *none = Some(permit),
            }
        }
        self.bytes = all;
        Ok(())
    }

    /// Refuses data that is larger than the `left` bytes: returns why they are not to be had.
    pub fn refuse(&mut self, left: usize) -> Over {
        let own = self.most.saturating_sub(self.bytes);
        *self.over.insert(if left < own { Over::All } else { Over::Package(self.most) })
    }

    fn left_of_all(&self) -> usize {
        let units = self.held().saturating_add(self.budget.available_permits());
        units.saturating_mul(UNIT).saturating_add(FREE).saturating_sub(self.bytes)
    }

    fn held(&self) -> usize {
        self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 16 << 20;

    #[test]
    fn four_large_packages_fill_it_and_small_ones_still_go() {
        let budget = DataBudget::default();
        let mut large: Vec<Share> = Vec::new();
        for _ in 0..4 {
            let mut share = budget.share(MOST);
            assert!((0..16).all(|_| share.take(1 << 20).is_ok()));
            large.push(share);
        }
        let mut one = budget.share(MOST);
        assert_eq!(one.take(1 << 20), Ok(()), "what each may keep anyway is not counted");
        // Before anything is made it is known.
        assert!(one.left().is_ok_and(|left| left < 1 << 20));
        assert_eq!(one.take(1 << 20), Err(Over::All), "full");
        assert_eq!(one.left(), Err(Over::All), "nothing more of this package is looked for");
        let mut small = budget.share(MOST);
        assert!(small.take(100 << 10).is_ok() && small.take(100 << 10).is_ok());
        large.pop();
        assert_eq!(one.take(1 << 20), Ok(()), "as soon as a package was answered");
    }

    #[test]
    fn a_package_brings_so_much_and_who_is_refused_hears_why() {
        let budget = DataBudget::default();
        let mut share = budget.share(MOST);
        assert_eq!((share.left(), share.take(MOST - 1), share.left()), (Ok(MOST), Ok(()), Ok(1)));
        assert_eq!(share.take(2), Err(Over::Package(MOST)));
        assert_eq!(share.take(1), Ok(()), "what fits still goes");
        let mut full = budget.share(10);
        assert_eq!((full.take(10), full.left()), (Ok(()), Err(Over::Package(10))));
        assert_eq!(budget.share(10).refuse(10), Over::Package(10));
        assert_eq!(budget.share(10).refuse(9), Over::All);
        assert_eq!(budget.share(0).left(), Err(Over::Package(0)));
    }
}
