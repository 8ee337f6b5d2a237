//! Every value of the snapshot's wide face against the recount: every entity with a call in the longest window,
//! every feature, every window, and no entity more.

use std::collections::HashMap;
use std::sync::Arc;

use ::features::{Feature, FeatureSet, Level, Party, Sketch, Value, Window};
use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _};
use oracle::{Denominator, Recount};
use snapshot::{Snapshot, UtcDay};

use crate::demo::compare::{Tally, masked, oracle_level, oracle_party};
use crate::demo::material::first_day_of_windows;
use crate::progress;

/// Compares all of them.
pub(crate) async fn check(
    snapshot: &Snapshot,
    set: &Arc<FeatureSet>,
    truth: &Arc<Recount>,
    as_of: UtcDay,
) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let bar = progress::bar("check snapshot", 6, "levels");
    // The callees' phones, most of the work, on one core; all else on the other.
    let mut tables: Vec<_> = Party::ALL.iter().flat_map(|party| Level::ALL.map(|level| (*party, level))).collect();
    tables.sort_by_key(|table| *table != (Party::Callee, Level::Phone));
    let mut checks = futures::stream::iter(tables)
        .map(|(party, level)| async move {
            let table = Table::read(snapshot, set, party, level).await?;
            let (truth, set) = (Arc::clone(truth), Arc::clone(set));
            let checked = tokio::task::spawn_blocking(move || table.check(&set, &truth, as_of)).await;
            checked.context("the check broke")
        })
        .buffer_unordered(2);
    while let Some(checked) = checks.try_next().await? {
        tally.add(checked);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(tally)
}

/// The wide face of a party and level in memory, column by column.
struct Table {
    party: Party,
    level: Level,
    /// Feature, days, and the column.
    columns: Vec<(usize, u32)>,
    rows: HashMap<String, Vec<Value>>,
}

impl Table {
    async fn read(snapshot: &Snapshot, set: &FeatureSet, party: Party, level: Level) -> anyhow::Result<Self> {
        let (mut columns, mut rows) = (Vec::new(), HashMap::<String, Vec<Value>>::new());
        for (place, feature) in set.features().iter().enumerate() {
            if feature.party != party || !feature.levels.contains(&level) {
                continue;
            }
            for window in &feature.batch {
                let id = feature.id(Window::Batch(*window));
                let mut values = std::pin::pin!(snapshot.column(party, level, &id));
                while let Some((key, value)) = values.try_next().await? {
                    rows.entry(key).or_default().push(value);
                }
                columns.push((place, window.days()));
            }
        }
        Ok(Self { party, level, columns, rows })
    }

    fn check(mut self, set: &FeatureSet, truth: &Recount, as_of: UtcDay) -> Tally {
        let mut tally = Tally::default();
        let (party, level) = (oracle_party(self.party), oracle_level(self.level));
        let end_ms = as_of.plus(1).start_ms();
        let mut days: Vec<u32> = self.columns.iter().map(|(_, days)| *days).collect();
        days.sort_unstable();
        days.dedup();
        for key in truth.entities(party, level) {
            if days.is_empty() || truth.calls(party, level, &key, (first_day_of_windows(as_of), end_ms)) == 0 {
                continue;
            }
            let Some(row) = self.rows.remove(&*key) else {
                tally.differ(|| format!("{level:?} {} of {party:?} is not in the snapshot", masked(&key)));
                continue;
            };
            for window in &days {
                let from_ms = as_of.plus(1 - *window as i32).start_ms();
                let days_covered = Denominator::Days(i64::from(*window));
                let answers: HashMap<_, _> =
                    truth.answers(party, level, &key, (from_ms, end_ms), days_covered).into_iter().collect();
                for ((place, own), value) in self.columns.iter().zip(&row).filter(|((_, own), _)| own == window) {
                    let feature = &set.features()[*place];
                    let what = || format!("{}_{own}d of {party:?} {level:?} {}", feature.name, masked(&key));
                    match answers.get(feature.name.as_str()) {
                        Some(answer) => {
                            tally.compare(*value, *answer, error_of(set, feature, *answer, &answers), what);
                        }
                        None => tally.differ(|| format!("{} is not known to the recount", feature.name)),
                    }
                }
            }
        }
        for key in self.rows.keys() {
            tally.differ(|| format!("{level:?} {} of {party:?} has no call", masked(key)));
        }
        tally
    }
}

/// The wide face does not say which values are estimates: those are that count more than a sketch holds.
fn error_of(
    set: &FeatureSet,
    feature: &Feature,
    answer: oracle::Answer,
    answers: &HashMap<&'static str, oracle::Answer>,
) -> f64 {
    let slots = feature.formula.slots();
    let sketched: Vec<_> = (0..set.slots(feature.party).len())
        .filter(|slot| slots.has(*slot))
        .filter(|slot| set.slots(feature.party)[*slot].kind == ::features::SlotKind::Distinct)
        .collect();
    let Some(slot) = sketched.first() else { return 0.0 };
    // The count itself, or for a ratio the count of the feature that shows the same slot alone.
    let count = set
        .features()
        .iter()
        .find(|other| other.party == feature.party && other.formula == ::features::Formula::Slot(*slot));
    let distinct = count.and_then(|count| answers.get(count.name.as_str())).copied().unwrap_or(answer);
    match distinct {
        oracle::Answer::Integer(count) if count as usize > ::features::SPARSE_MAX => Sketch::relative_error(),
        _ => 0.0,
    }
}
