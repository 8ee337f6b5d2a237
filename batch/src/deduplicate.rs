//! The same call reported twice is one call.

use std::collections::HashSet;

use features::Party;
use polars::prelude::{
    BooleanChunked, DataFrame, DataType, Expr, Int64Chunked, IntoColumn as _, IntoLazy as _, PlSmallStr,
    PolarsResult, SortMultipleOptions, UInt64Chunked, UniqueKeepStrategy, col,
};

use crate::day_columns::{
    ARRIVED_AT_MS, CONTENT, FILE, IDENTITY, POSITION, RECORD, STARTED_AT_MS, key_name, other_name,
};

/// The calls of a day, each once.
pub(crate) struct Deduplicated {
    pub(crate) frame: DataFrame,
    pub(crate) duplicates: u64,
    /// Among them, copies that differ from the one that is kept.
    pub(crate) differing: u64,
}

/// Of records with the same caller, call id and start minute keeps the one with the lowest arrival, then
/// position, then place in the files. A copy whose arrival is not known comes after those whose arrival is.
///
/// Call ids are told apart by the hash of the identity: two calls of one caller in one minute are taken for one with a
/// chance of 1 in 2^64. Most days have few copies, and only what has the same hash as another is sorted.
pub(crate) fn deduplicate(frame: DataFrame) -> PolarsResult<Deduplicated> {
    let Some(has_twin) = with_twins(frame.column(IDENTITY)?.u64()?) else {
        return Ok(Deduplicated { frame, duplicates: 0, differing: 0 });
    };
    let mut twins = frame.filter(&has_twin)?;
    let minutes = twins.column(STARTED_AT_MS)?.i64()?.iter().map(|ms| ms.map(|ms| ms.div_euclid(60_000)));
    let minutes: Int64Chunked = minutes.collect();
    twins.with_column(minutes.with_name(PlSmallStr::from_static(MINUTE)).into_column())?;
    let (key, other) = (key_name(Party::Caller), other_name(Party::Caller));
    let identity = [IDENTITY, key, other, MINUTE].map(col).to_vec();
    let order = SortMultipleOptions::new().with_nulls_last_multi([true; 4]);
    let records = twins.height();
    let sorted = twins.lazy().sort([ARRIVED_AT_MS, POSITION, FILE, RECORD], order).collect()?;
    let kept =
        sorted.clone().lazy().unique_stable_generic(Some(identity.clone()), UniqueKeepStrategy::First).collect()?;
    let duplicates = (records - kept.height()) as u64;
    let differing = if duplicates == 0 { 0 } else { count_differing(sorted, &identity)? };
    let mut frame = frame.filter(&!&has_twin)?;
    frame.vstack_mut_owned(kept.drop(MINUTE)?)?;
    frame.rechunk_mut_par();
    Ok(Deduplicated { frame, duplicates, differing })
}

/// The minute of event time, where it is needed.
const MINUTE: &str = "@minute";

/// Which records have the same hash as another one; `None` if there are none.
///
/// Few have. So a bit is looked at for each hash first, in a table with many more bits than hashes, and only those are
/// sorted that share theirs with another.
fn with_twins(hashes: &UInt64Chunked) -> Option<BooleanChunked> {
    let all = || hashes.iter().flatten();
    let (mut seen, mut shared) = (BitTable::for_hashes(hashes.len()), BitTable::for_hashes(hashes.len()));
    let mut is_any = false;
    for hash in all() {
        if seen.set(hash) {
            shared.set(hash);
            is_any = true;
        }
    }
    if !is_any {
        return None;
    }
    let mut suspects: Vec<u64> = all().filter(|hash| shared.has(*hash)).collect();
    suspects.sort_unstable();
    let twins = suspects.array_windows().filter(|[one, next]| one == next).map(|[one, _]| *one);
    let twins: HashSet<u64> = twins.collect();
    let has_twin = |hash| shared.has(hash) && twins.contains(&hash);
    (!twins.is_empty()).then(|| hashes.iter().map(|hash| hash.map(has_twin)).collect())
}

/// A bit for each of many groups of hashes.
struct BitTable {
    words: Vec<u64>,
}

impl BitTable {
    /// Bits a hash: of different hashes, one in so many shares its bit.
    const BITS_A_HASH: usize = 16;

    fn for_hashes(hashes: usize) -> Self {
        let bits = (hashes * Self::BITS_A_HASH).next_power_of_two().max(u64::BITS as usize);
        Self { words: vec![0; bits / u64::BITS as usize] }
    }

    /// Sets the bit of a hash, and says whether it was set.
    fn set(&mut self, hash: u64) -> bool {
        let (word, bit) = self.place(hash);
        let was_set = self.words[word] & bit != 0;
        self.words[word] |= bit;
        was_set
    }

    fn has(&self, hash: u64) -> bool {
        let (word, bit) = self.place(hash);
        self.words[word] & bit != 0
    }

    fn place(&self, hash: u64) -> (usize, u64) {
        ((hash / u64::from(u64::BITS)) as usize & (self.words.len() - 1), 1 << (hash % u64::from(u64::BITS)))
    }
}

fn count_differing(sorted: DataFrame, identity: &[Expr]) -> PolarsResult<u64> {
    let differs = col(CONTENT).neq(col(CONTENT).first()).sum().cast(DataType::UInt64).alias(CONTENT);
    let counts = sorted.lazy().group_by_stable(identity).agg([differs]).select([col(CONTENT).sum()]).collect()?;
    Ok(counts.column(CONTENT)?.u64()?.get(0).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use features::{Field, Row};
    use proptest::prelude::*;

    use super::*;
    use crate::day_columns::{Arrival, DayColumns, Kept};

    /// Call id, minute, arrival, position, file, trunk.
    type Record = (&'static str, i64, Option<i64>, Option<&'static str>, u64, &'static str);

    /// The trunks of the records that are kept.
    fn kept(records: &[Record]) -> (Vec<String>, u64, u64) {
        let set = features::FeatureSet::default_set().unwrap();
        let plan = cdr::NumberPlan::new("US").unwrap();
        let mut columns = DayColumns::new(&Kept { fields: vec![Field::Trunk], parties: vec![Party::Caller] });
        for (id, minute, arrived_at_ms, position, file, trunk) in records {
            let json = format!(
                r#"{{"call_id":"{id}","caller":"+12025550101","callee":"+12025550102","trunk":"{trunk}","outcome":"busy",
                "started_at":"2026-11-20T00:{minute:02}:00Z","ended_at":"2026-11-20T00:{minute:02}:01Z"}}"#
            );
            let call = cdr::parse(&plan, json.as_bytes()).unwrap().record;
            let position = position.map(str::to_owned);
            let arrival = Arrival { arrived_at_ms: *arrived_at_ms, position, file: *file, record: 0 };
            columns.push(&Row::new(&call, set.settings()), &arrival);
        }
        let done = deduplicate(columns.into_frame().unwrap()).unwrap();
        let mut trunks: Vec<String> = done
            .frame
            .column("trunk")
            .unwrap()
            .str()
            .unwrap()
            .iter()
            .map(|trunk| trunk.unwrap().to_owned())
            .collect();
        trunks.sort();
        (trunks, done.duplicates, done.differing)
    }

    #[test]
    fn the_first_copy_to_arrive_counts() {
        let late = ("a", 0, Some(9), Some("01"), 0, "late");
        let early = ("a", 0, Some(8), Some("02"), 1, "early");
        assert_eq!(kept(&[late, early]), (vec!["early".to_owned()], 1, 1));
        let before = ("a", 0, Some(8), Some("01"), 2, "before");
        assert_eq!(kept(&[late, early, before, before]), (vec!["before".to_owned()], 3, 2));
        let unknown = ("a", 0, None, None, 0, "unknown");
        assert_eq!(kept(&[unknown, late]), (vec!["late".to_owned()], 1, 1));
        let second_file = ("a", 0, None, None, 1, "second file");
        assert_eq!(kept(&[second_file, unknown]), (vec!["unknown".to_owned()], 1, 1));
    }

    #[test]
    fn another_minute_or_id_is_another_call() {
        let (trunks, duplicates, _) =
            kept(&[("a", 0, None, None, 0, "1"), ("a", 1, None, None, 0, "2"), ("b", 0, None, None, 0, "3")]);
        assert_eq!((trunks.len(), duplicates), (3, 0));
    }

    /// A name for each record.
    const TRUNKS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn of_each_call_the_first_copy_is_kept(
            copies in prop::collection::vec(
                (
                    prop::sample::select(vec!["a", "b", "c", "d", "e"]),
                    0i64..2,
                    prop::option::of(0i64..3),
                    prop::option::of(prop::sample::select(vec!["01", "02"])),
                ),
                1..TRUNKS.len(),
            ),
        ) {
            let records: Vec<Record> = (0..)
                .zip(&copies)
                .map(|(file, (id, minute, arrived, position))| {
                    (*id, *minute, *arrived, *position, file, TRUNKS[file as usize])
                })
                .collect();
            let mut first = BTreeMap::new();
            for record in &records {
                let (id, minute, arrived, position, file, trunk) = record;
                let order = (arrived.is_none(), arrived, position.is_none(), position, file, *trunk);
                let kept = first.entry((id, minute)).or_insert(order);
                *kept = order.min(*kept);
            }
            let mut expected: Vec<String> = first.values().map(|order| order.5.to_owned()).collect();
            expected.sort();
            // Every record differs from every other one in its trunk.
            let duplicates = (records.len() - expected.len()) as u64;
            prop_assert_eq!(kept(&records), (expected, duplicates, duplicates));
        }
    }
}
