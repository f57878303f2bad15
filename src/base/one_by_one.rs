//! Sets and maps that are filled item by item.

/// Fills a set or a map item by item. `collect` sorts the items of a tree first, by some 4 KiB of code for each type
/// that is sorted; what is collected here is short.
pub(crate) trait OneByOne: Iterator + Sized {
    /// The set or map of all items; of those with equal keys, a map has the last.
    fn one_by_one<C: Default + Extend<Self::Item>>(self) -> C {
        let mut all = C::default();
        all.extend(self);
        all
    }
}

impl<I: Iterator> OneByOne for I {}
