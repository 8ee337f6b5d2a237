//! A set of UTC days, for active days.

/// Days since 1970 UTC, the latest 128 of them at most: a bitmap that hangs from its last day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DaySet {
    last_day: i32,
    /// Bit `n` is day `last_day - n`; bit 0 is set unless the set is empty. High half first: 128 bits in one would be
    /// aligned to 16 bytes, and make every slot of every state half as large again.
    halves: [u64; 2],
}

impl DaySet {
    /// How many days a set reaches back.
    pub const SPAN_DAYS: u32 = u128::BITS;

    /// The set of one day.
    pub const fn of(day: i32) -> Self {
        Self { last_day: day, halves: [0, 1] }
    }

    /// From its parts, as stored; `None` where they are no set's parts.
    pub fn from_parts(last_day: i32, bits: u128) -> Option<Self> {
        (bits & 1 == 1).then_some(Self { last_day, halves: [(bits >> 64) as u64, bits as u64] })
    }

    /// The last day and the bitmap that hangs from it.
    pub const fn parts(self) -> (i32, u128) {
        (self.last_day, self.bits())
    }

    /// Whether no day is in it.
    pub const fn is_empty(self) -> bool {
        self.halves[1] == 0
    }

    /// How many days are in it.
    pub const fn count(self) -> u32 {
        self.bits().count_ones()
    }

    /// The union; days more than 127 before the last one fall out.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let (newer, older) = if self.last_day >= other.last_day { (self, other) } else { (other, self) };
        let gap = newer.last_day.abs_diff(older.last_day);
        let bits = newer.bits() | older.bits().checked_shl(gap).unwrap_or(0);
        Self { last_day: newer.last_day, halves: [(bits >> 64) as u64, bits as u64] }
    }

    const fn bits(self) -> u128 {
        (self.halves[0] as u128) << 64 | self.halves[1] as u128
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counts_the_days_a_set_would(days in prop::collection::vec(20_000i32..20_090, 0..40)) {
            let union = days.iter().fold(DaySet::default(), |set, day| set.union(DaySet::of(*day)));
            prop_assert_eq!(union.count() as usize, days.iter().collect::<BTreeSet<_>>().len());
            let reversed = days.iter().rev().fold(DaySet::default(), |set, day| DaySet::of(*day).union(set));
            prop_assert_eq!(union, reversed);
        }
    }

    #[test]
    fn a_day_far_before_the_last_falls_out() {
        assert_eq!(DaySet::of(1000).union(DaySet::of(872)).count(), 1);
        assert_eq!(DaySet::of(1000).union(DaySet::of(873)).count(), 2);
    }
}
