//! One training set: labels in, wide Parquet out.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use features::{DAY_MS, Feature, FeatureSet, Value};

use crate::archive::Seen;
use crate::cells::Cells;
use crate::entities::{Entities, parties};
use crate::evaluate::{Column, Evaluator, columns};
use crate::kept::KeptCalls;
use crate::labels::{Label, Labels};
use crate::moment::Moment;
use crate::parquet_file::{Kind, ParquetFile};
use crate::{Archive, TrainingError};

/// Calls kept in memory unless told otherwise, some 500 bytes each.
pub const CALLS_IN_MEMORY: usize = 1_000_000;
/// Rows that are computed and written together. With some 250 columns their values take some 30 MB.
const ROWS_A_GROUP: usize = 8_192;
/// Columns of ours beside those of the labels.
const KEY: &str = "key";
const AS_OF: &str = "as_of";
const COVERAGE: &str = "coverage";

/// What decides what counts, and what it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether calls count that became known after the label's time: what the service answers now for that `as_of`,
    /// rather than what was known then.
    pub late_arrivals: bool,
    /// Calls kept in memory at most. Where the labels touch more, the archive is read several times.
    pub calls_in_memory: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { late_arrivals: false, calls_in_memory: CALLS_IN_MEMORY }
    }
}

/// How far the archive covers what a row asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Coverage {
    /// From the beginning of the longest window up to the label's time.
    Whole,
    /// The archive begins on a later day than the longest window: longer windows may lack calls.
    BeginsLater,
    /// The last that the archive knows of is before the label's time: the newest calls may be missing.
    EndsEarlier,
    /// The archive holds nothing of what any window covers.
    Outside,
}

impl Coverage {
    /// Every coverage.
    pub const ALL: [Self; 4] = [Self::Whole, Self::BeginsLater, Self::EndsEarlier, Self::Outside];

    /// As the column has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::BeginsLater => "begins_later",
            Self::EndsEarlier => "ends_earlier",
            Self::Outside => "outside",
        }
    }
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Report {
    /// Rows written, one a label.
    pub rows: u64,
    /// Columns of features.
    pub features: usize,
    /// Records of the archive.
    pub records: u64,
    /// Those of them that are no valid call, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// When the first call of the archive began and the last that it knows of, in milliseconds since 1970 UTC.
    pub span: (i64, i64),
    /// Calls that touch an entity of a label, each once a stretch of labels.
    pub calls: u64,
    /// Stretches of labels for which the archive was read.
    pub stretches: u64,
    /// How often a call was left out of a row since it became known only after the label's time.
    pub not_yet_known: u64,
    /// Rows by how far the archive covers them.
    pub coverage: BTreeMap<Coverage, u64>,
}

/// What a training set is made with.
#[derive(Clone, Copy)]
pub struct TrainingSet<'a> {
    /// The features.
    pub set: &'a Arc<FeatureSet>,
    /// The calls.
    pub archive: Archive<'a>,
    /// What decides what counts.
    pub options: Options,
}

impl TrainingSet<'_> {
    /// Computes a row for each label and writes them to `out`, in the order of the labels: their columns, then `key`,
    /// `as_of`, `coverage`, and a column a feature and window, named `<party>_<id>`. `done` hears how many files of the
    /// stretch at hand have been read.
    ///
    /// In memory are the labels, the calls that touch an entity of a stretch of labels, at most
    /// [`Options::calls_in_memory`] of them, and the values of some thousand rows.
    pub fn write(&self, labels: &Labels, out: &Path, done: &dyn Fn(usize)) -> Result<Report, TrainingError> {
        let columns = columns(self.set, &labels.rows);
        let mut file = self.create(labels, &columns, out)?;
        let mut report: Option<Report> = None;
        let mut next = 0;
        let mut length = labels.rows.len();
        while next < labels.rows.len() {
            let stretch = next..labels.rows.len().min(next + length);
            let rows = &labels.rows[stretch.clone()];
            let entities = Entities::of_labels(rows, self.set.settings().range_digits);
            let limit = self.options.calls_in_memory;
            let Some(kept) = KeptCalls::gather(self.archive, &entities, self.period(rows), limit, done)? else {
                if rows.len() == 1 {
                    return Err(TrainingError::TooManyCalls { line: rows[0].line, limit });
                }
                length = rows.len() / 2;
                continue;
            };
            let report = match &mut report {
                Some(report) => report,
                None => report.insert(begin(&kept.seen, columns.len())?),
            };
            report.stretches += 1;
            report.calls += kept.len() as u64;
            let evaluator = Evaluator {
                set: self.set,
                columns: &columns,
                entities: &entities,
                kept: &kept,
                late_arrivals: self.options.late_arrivals,
            };
            for first in stretch.clone().step_by(ROWS_A_GROUP) {
                let group = first..stretch.end.min(first + ROWS_A_GROUP);
                self.write_group(labels, group, &evaluator, &mut file, report)?;
            }
            next = stretch.end;
        }
        let report = report.ok_or(TrainingError::NoCalls { records: 0 })?;
        file.finish().map_err(TrainingError::Output)?;
        Ok(report)
    }

    fn create(&self, labels: &Labels, columns: &[Column], out: &Path) -> Result<ParquetFile, TrainingError> {
        let mut all: Vec<(String, Kind)> =
            labels.columns.iter().map(|(name, cells)| (name.clone(), cells.kind())).collect();
        let ours = [(KEY, Kind::Text), (AS_OF, Kind::Time), (COVERAGE, Kind::Text)];
        let ours = ours.map(|(name, kind)| (name.to_owned(), kind)).into_iter();
        let of_features = columns.iter().map(|column| {
            let feature = &self.set.features()[column.feature];
            (format!("{}_{}", feature.party.as_str(), feature.id(column.window)), kind_of(feature))
        });
        for (name, kind) in ours.chain(of_features) {
            if labels.columns.iter().any(|(taken, _)| *taken == name) {
                return Err(TrainingError::ColumnTaken { name });
            }
            all.push((name, kind));
        }
        let arrivals = if self.options.late_arrivals { "all" } else { "before the time of the row" };
        let about = [
            ("tollwatch.feature_set_version", self.set.version().to_owned()),
            ("tollwatch.arrivals", arrivals.to_owned()),
        ];
        ParquetFile::create(out, &all, &about).map_err(TrainingError::Output)
    }

    /// When the calls began that any window of these labels covers.
    fn period(&self, rows: &[Label]) -> Range<i64> {
        let from_ms = rows.iter().map(|label| self.longest(label).0).min().unwrap_or_default();
        let to_ms = rows.iter().map(|label| Moment::of(label.time_ms).as_of_ms).max().unwrap_or_default();
        from_ms..to_ms
    }

    /// What the windows of a label cover together.
    fn longest(&self, label: &Label) -> (i64, i64) {
        let (moment, level) = (Moment::of(label.time_ms), label.target.level);
        let features = parties(label).flat_map(|party| self.set.features_at(party, level));
        let windows = features.flat_map(|feature| feature.windows().map(move |window| (feature.party, window)));
        let spans = windows.filter_map(|(party, window)| moment.interval(self.set, party, level, window));
        spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((moment.as_of_ms, moment.as_of_ms))
    }

    fn coverage(&self, label: &Label, (first_ms, last_ms): (i64, i64)) -> Coverage {
        let (from_ms, to_ms) = self.longest(label);
        if first_ms >= to_ms || last_ms < from_ms {
            Coverage::Outside
        } else if last_ms < label.time_ms {
            Coverage::EndsEarlier
        } else if first_ms.div_euclid(DAY_MS) > from_ms.div_euclid(DAY_MS) {
            Coverage::BeginsLater
        } else {
            Coverage::Whole
        }
    }

    fn write_group(
        &self,
        labels: &Labels,
        group: Range<usize>,
        evaluator: &Evaluator<'_>,
        file: &mut ParquetFile,
        report: &mut Report,
    ) -> Result<(), TrainingError> {
        let rows = &labels.rows[group.clone()];
        let mut cells: Vec<Cells> = labels.columns.iter().map(|(_, cells)| part(cells, group.clone())).collect();
        let coverage: Vec<Coverage> = rows.iter().map(|label| self.coverage(label, report.span)).collect();
        cells.push(Cells::Texts(rows.iter().map(|label| Some(label.target.key.clone())).collect()));
        cells.push(Cells::Times(rows.iter().map(|label| Some(Moment::of(label.time_ms).as_of_ms)).collect()));
        cells.push(Cells::Texts(coverage.iter().map(|coverage| Some(coverage.as_str().to_owned())).collect()));
        let evaluated = evaluator.values(rows);
        let kinds = evaluator.columns.iter().map(|column| kind_of(&self.set.features()[column.feature]));
        let values: Vec<(Kind, Vec<Value>)> = kinds.zip(evaluated.columns).collect();
        file.write(&cells, &values).map_err(TrainingError::Output)?;
        report.rows += rows.len() as u64;
        report.not_yet_known += evaluated.not_yet_known;
        for coverage in coverage {
            *report.coverage.entry(coverage).or_default() += 1;
        }
        Ok(())
    }
}

fn begin(seen: &Seen, features: usize) -> Result<Report, TrainingError> {
    let span = seen.span.ok_or(TrainingError::NoCalls { records: seen.records })?;
    Ok(Report {
        rows: 0,
        features,
        records: seen.records,
        refused: seen.refused.clone(),
        span,
        calls: 0,
        stretches: 0,
        not_yet_known: 0,
        coverage: BTreeMap::new(),
    })
}

const fn kind_of(feature: &Feature) -> Kind {
    if feature.aggregate.is_integer() { Kind::Whole } else { Kind::Number }
}

fn part(cells: &Cells, rows: Range<usize>) -> Cells {
    match cells {
        Cells::Texts(all) => Cells::Texts(all[rows].to_vec()),
        Cells::Wholes(all) => Cells::Wholes(all[rows].to_vec()),
        Cells::Numbers(all) => Cells::Numbers(all[rows].to_vec()),
        Cells::Flags(all) => Cells::Flags(all[rows].to_vec()),
        Cells::Times(all) => Cells::Times(all[rows].to_vec()),
    }
}
