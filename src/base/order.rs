//! Putting things in order, by code that is in the program once.

use std::cmp::Ordering;

/// Puts the elements of a slice in order. The standard library's sorting is some 4 KiB of code for each type that is
/// sorted; here it sorts the elements' positions, whatever they are, and only their moving is there for each type.
pub(crate) trait Order<T> {
    /// Puts the elements in the order that `compare` says; equal ones keep theirs.
    fn order_by(&mut self, compare: impl FnMut(&T, &T) -> Ordering);

    /// Puts the elements in their own order.
    fn order(&mut self)
    where
        T: Ord,
    {
        self.order_by(T::cmp);
    }

    /// Puts the elements in the order of their keys; those of equal keys keep theirs.
    fn order_by_key<K: Ord>(&mut self, mut key: impl FnMut(&T) -> K) {
        self.order_by(|one, other| key(one).cmp(&key(other)));
    }
}

impl<T> Order<T> for [T] {
    fn order_by(&mut self, mut compare: impl FnMut(&T, &T) -> Ordering) {
        let mut from = positions(self.len(), &mut |one, other| match (self.get(one), self.get(other)) {
            (Some(one), Some(other)) => compare(one, other),
            _ => Ordering::Equal,
        });
        // Each cycle of the permutation once: at `at` belongs what is at `from[at]`.
        for start in 0..from.len() {
            let mut at = start;
            while let Some(next) = from.get_mut(at).map(|next| std::mem::replace(next, at)) {
                if next == start || next == at {
                    break;
                }
                self.swap(at, next);
                at = next;
            }
        }
    }
}

/// The positions of so many elements, in order.
fn positions(length: usize, compare: &mut dyn FnMut(usize, usize) -> Ordering) -> Vec<usize> {
    let mut all: Vec<usize> = (0..length).collect();
    all.sort_by(|one, other| compare(*one, *other));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_orders_as_the_standard_library_does(all in prop::collection::vec((0..9_u8, any::<u16>()), 0..60)) {
            let mut expected = all.clone();
            expected.sort_by_key(|(key, _)| *key);
            let mut ordered = all.clone();
            ordered.order_by_key(|(key, _)| *key);
            prop_assert_eq!(&ordered, &expected, "equal ones keep their order");
            expected.sort_unstable();
            ordered.order();
            prop_assert_eq!(ordered, expected);
        }
    }
}
