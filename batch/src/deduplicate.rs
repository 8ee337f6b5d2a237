//! The same call reported twice is one call.

use polars::prelude::{
    DataFrame, DataType, IntoLazy as _, PolarsResult, SortMultipleOptions, UniqueKeepStrategy, col,
};

use features::{Field, Party};

use crate::day_columns::{ARRIVED_AT_MS, CONTENT, FILE, POSITION, RECORD, START_MINUTE};

/// The calls of a day, each once.
pub(crate) struct Deduplicated {
    pub(crate) frame: DataFrame,
    pub(crate) duplicates: u64,
    /// Among them, copies that differ from the one that is kept.
    pub(crate) differing: u64,
}

/// Of records with the same caller, call id and start minute keeps the one with the lowest arrival, then
/// position, then place in the files. A copy whose arrival is not known comes after those whose arrival is.
pub(crate) fn deduplicate(frame: DataFrame) -> PolarsResult<Deduplicated> {
    let identity = [Field::Number(Party::Caller).as_str(), Field::CallId.as_str(), START_MINUTE].map(col).to_vec();
    let records = frame.height();
    let order = SortMultipleOptions::new().with_nulls_last_multi([true; 4]);
    let sorted = frame.lazy().sort([ARRIVED_AT_MS, POSITION, FILE, RECORD], order).collect()?;
    let kept =
        sorted.clone().lazy().unique_stable_generic(Some(identity.clone()), UniqueKeepStrategy::First).collect()?;
    let duplicates = (records - kept.height()) as u64;
    let differing = if duplicates == 0 { 0 } else { count_differing(sorted, &identity)? };
    Ok(Deduplicated { frame: kept, duplicates, differing })
}

fn count_differing(sorted: DataFrame, identity: &[polars::prelude::Expr]) -> PolarsResult<u64> {
    let differs = col(CONTENT).neq(col(CONTENT).first()).sum().cast(DataType::UInt64).alias(CONTENT);
    let counts = sorted.lazy().group_by_stable(identity).agg([differs]).select([col(CONTENT).sum()]).collect()?;
    Ok(counts.column(CONTENT)?.u64()?.get(0).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use features::Row;

    use super::*;
    use crate::day_columns::{Arrival, DayColumns};

    /// Call id, minute, arrival, position, file, trunk.
    type Record = (&'static str, i64, Option<i64>, Option<&'static str>, u64, &'static str);

    /// The trunks of the records that are kept.
    fn kept(records: &[Record]) -> (Vec<String>, u64, u64) {
        let set = features::FeatureSet::default_set().unwrap();
        let plan = cdr::NumberPlan::new("US").unwrap();
        let mut columns = DayColumns::new(&[Field::CallId, Field::Number(Party::Caller), Field::Trunk]);
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
}
