//! How far the prefixes of a day are from those of other days.

use std::collections::{BTreeMap, BTreeSet};

use snapshot::PrefixMix;

/// Prefixes named in a finding.
const NAMED: usize = 3;
/// What numbers without a prefix are called.
const NONE: &str = "no prefix";

/// How far a mix is from others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Distance {
    /// From 0 to 1.
    pub(crate) share: f64,
    /// Prefixes that have more or less than before, the most moved first.
    pub(crate) moved: Vec<String>,
}

/// The total variation distance between the shares of a day and those of the days before it, taken together: half the
/// sum of all differences, which is the share of calls that would have to be of another prefix for the two to be the
/// same. 0 is the same mix, 1 is one without a prefix in common.
///
/// Only the largest prefixes of a day are kept. What another may have had in `other` is at most what the smallest that
/// was kept had, and all of it is granted: so this is the distance where all prefixes were kept, and never more than it
/// where they were not. None where one side has no calls.
pub(crate) fn distance(day: &PrefixMix, before: &[&PrefixMix]) -> Option<Distance> {
    let total = day.total();
    let total_before: u64 = before.iter().map(|mix| mix.total()).sum();
    if total == 0 || total_before == 0 {
        return None;
    }
    let names: BTreeSet<&str> =
        before.iter().copied().chain([day]).flat_map(|mix| mix.kept.keys().map(String::as_str)).collect();
    let share = |calls: u64, of: u64| calls as f64 / of as f64;
    let (mut gained, mut lost) = (0.0, 0.0);
    let mut moves: Vec<(f64, &str)> = Vec::new();
    let mut compare = |name, (least, most): (f64, f64), (least_before, most_before): (f64, f64)| {
        let (more, less) = ((least - most_before).max(0.0), (least_before - most).max(0.0));
        gained += more;
        lost += less;
        moves.push((more.max(less), name));
    };
    for name in names {
        let (least, most) = calls_of(day, name);
        let all = before.iter().map(|mix| calls_of(mix, name));
        let (least_before, most_before) = all.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let now = (share(least, total), share(most, total));
        compare(name, now, (share(least_before, total_before), share(most_before, total_before)));
    }
    let (none, none_before) = (share(day.none, total), share(before.iter().map(|mix| mix.none).sum(), total_before));
    compare(NONE, (none, none), (none_before, none_before));
    moves.retain(|(moved, _)| *moved > 0.0);
    moves.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let moved = moves.iter().take(NAMED).map(|(_, name)| (*name).to_owned()).collect();
    // What some gain others lose; where much is in `other`, one side may say less than the other.
    Some(Distance { share: gained.max(lost), moved })
}

/// The least and the most that a prefix can have had.
fn calls_of(mix: &PrefixMix, name: &str) -> (u64, u64) {
    match mix.kept.get(name) {
        Some(calls) => (*calls, *calls),
        None => (0, mix.other.min(mix.kept.values().min().copied().unwrap_or(0))),
    }
}

/// Keeps the largest prefixes of a day; of equal ones those that sort first.
pub(crate) fn mix_of(calls: BTreeMap<&str, u64>, none: u64, kept_max: usize) -> PrefixMix {
    let mut largest: Vec<(&str, u64)> = calls.into_iter().collect();
    largest.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let rest = largest.split_off(kept_max.min(largest.len()));
    PrefixMix {
        kept: largest.into_iter().map(|(prefix, calls)| (prefix.to_owned(), calls)).collect(),
        other: rest.iter().map(|(_, calls)| calls).sum(),
        none,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn mix(kept: &[(&str, u64)], other: u64, none: u64) -> PrefixMix {
        PrefixMix { kept: kept.iter().map(|(name, calls)| ((*name).to_owned(), *calls)).collect(), other, none }
    }

    fn share(day: &PrefixMix, before: &[&PrefixMix]) -> f64 {
        distance(day, before).unwrap().share
    }

    #[test]
    fn the_distance_is_what_has_moved() {
        let usual = mix(&[("+1202", 60), ("+4420", 30)], 0, 10);
        assert!(share(&usual, &[&usual, &usual]) < 1e-12);
        // Ten of a hundred calls are of another prefix, whatever the days' sizes are.
        let moved = mix(&[("+1202", 100), ("+4420", 80)], 0, 20);
        let found = distance(&moved, &[&usual]).unwrap();
        assert!((found.share - 0.1).abs() < 1e-12, "{found:?}");
        assert_eq!(found.moved.len(), 2);
        let others = mix(&[("+252", 7)], 0, 0);
        assert!((share(&others, &[&usual]) - 1.0).abs() < 1e-12);
        let unnamed = distance(&mix(&[], 0, 5), &[&usual]).unwrap();
        assert!((unnamed.share - 0.9).abs() < 1e-12);
        assert_eq!(unnamed.moved[0], NONE);
        assert_eq!(distance(&mix(&[], 0, 0), &[&usual]), None);
        assert_eq!(distance(&usual, &[]), None);
    }

    #[test]
    fn a_prefix_that_may_be_among_the_others_is_granted_no_more_than_the_smallest_kept() {
        let usual = mix(&[("+1202", 60), ("+4420", 10)], 30, 0);
        let edge = mix(&[("+1202", 60), ("+353", 10)], 30, 0);
        assert!(share(&edge, &[&usual]) < 1e-12);
        let burst = mix(&[("+1202", 40), ("+252", 40)], 20, 0);
        assert!((share(&burst, &[&usual]) - 0.3).abs() < 1e-12);
    }

    #[test]
    fn the_largest_prefixes_are_kept() {
        let calls = [("+1", 3), ("+2", 9), ("+3", 3), ("+4", 1)].into();
        assert_eq!(mix_of(calls, 5, 2), mix(&[("+1", 3), ("+2", 9)], 4, 5));
        assert_eq!(mix_of([("+1", 3)].into(), 0, 2), mix(&[("+1", 3)], 0, 0));
    }

    proptest! {
        #[test]
        fn what_is_not_kept_makes_it_no_larger(
            days in prop::collection::vec((prop::collection::vec(0u64..50, 8), 0u64..20), 2..5),
            kept_max in 1usize..9,
        ) {
            let names = ["+1", "+2", "+3", "+4", "+5", "+6", "+7", "+8"];
            let cut = |kept_max| -> Vec<PrefixMix> {
                let of = |(calls, none): &(Vec<u64>, u64)| {
                    let calls = names.iter().copied().zip(calls.iter().copied()).filter(|(_, calls)| *calls > 0);
                    mix_of(calls.collect(), *none, kept_max)
                };
                days.iter().map(of).collect()
            };
            let measured = |mixes: &[PrefixMix]| {
                distance(&mixes[0], &mixes[1..].iter().collect::<Vec<_>>()).map(|found| found.share)
            };
            let (whole, cut) = (cut(8), cut(kept_max));
            prop_assert!(whole.iter().zip(&cut).all(|(whole, cut)| whole.total() == cut.total()));
            if let (Some(found), Some(true_distance)) = (measured(&cut), measured(&whole)) {
                prop_assert!(found <= true_distance + 1e-9, "{found} of {true_distance}");
                // By the definition, from all prefixes.
                let sum = |of: &dyn Fn(&PrefixMix) -> u64| whole[1..].iter().map(of).sum::<u64>() as f64;
                let all = sum(&PrefixMix::total);
                let day = whole[0].total() as f64;
                let of = |mix: &PrefixMix, name: &str| mix.kept.get(name).copied().unwrap_or(0);
                let mut half: f64 = names
                    .iter()
                    .map(|name| (of(&whole[0], name) as f64 / day - sum(&|mix| of(mix, name)) / all).abs())
                    .sum();
                half += (whole[0].none as f64 / day - sum(&|mix| mix.none) / all).abs();
                prop_assert!((half / 2.0 - true_distance).abs() < 1e-9);
            }
        }
    }
}
