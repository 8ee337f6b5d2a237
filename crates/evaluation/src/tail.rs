//! The most suspicious values of innocent numbers.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::limits::TAIL_MAX;

/// The largest of many values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail {
    kept: BinaryHeap<Reverse<Ordered>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Ordered(f64);

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Tail {
    pub(crate) fn push(&mut self, value: f64) {
        if self.kept.len() < TAIL_MAX {
            self.kept.push(Reverse(Ordered(value)));
        } else if self.kept.peek().is_some_and(|Reverse(least)| least.0 < value) {
            self.kept.pop();
            self.kept.push(Reverse(Ordered(value)));
        }
    }

    pub(crate) fn take_in(&mut self, other: Self) {
        other.kept.into_iter().for_each(|Reverse(value)| self.push(value.0));
    }

    /// From the largest down, and whether all are there.
    pub(crate) fn descending(self) -> (Vec<f64>, bool) {
        let is_whole = self.kept.len() < TAIL_MAX;
        // Sorted by the reverse: the largest first.
        (self.kept.into_sorted_vec().into_iter().map(|Reverse(value)| value.0).collect(), is_whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_are_kept() {
        let mut first = Tail::default();
        let mut second = Tail::default();
        for value in 0..TAIL_MAX + 5 {
            first.push(value as f64);
        }
        second.push(1e9);
        second.push(1.0);
        first.take_in(second);
        let (values, is_whole) = first.descending();
        assert_eq!((values.len(), is_whole), (TAIL_MAX, false));
        assert_eq!(values[..2], [1e9, (TAIL_MAX + 4) as f64]);
        assert_eq!(values[TAIL_MAX - 1..], [6.0]);
        let mut few = Tail::default();
        [2.0, 3.0, -1.0].iter().for_each(|value| few.push(*value));
        assert_eq!(few.descending(), (vec![3.0, 2.0, -1.0], true));
    }
}
