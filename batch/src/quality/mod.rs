//! Whether the calls of a run look like those of the days before, and what to do if not.
//!
//! Each day is measured when it is built, from calls that are in memory then; the measures of all other days come from
//! the quality object of the run before. So no call is read for it, and a run that reads little has the measures of one
//! that reads all.

use std::collections::{BTreeMap, BTreeSet};

use objects::Objects;
use snapshot::{
    DayMeasures, DayTiles, Finding, Ledger, Manifest, NotJudged, Quality, QualityFile, Severity, SnapshotError,
    UtcDay, Verdict, quality_key,
};

use crate::quality::bounds::Bounds;
use crate::quality::rules::{Asked, is_as_accepted, judge};
use crate::{BatchError, BatchOptions};

mod bounds;
mod hours;
pub(crate) mod measure;
mod mix;
mod rules;

/// What hard findings do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HardFindings {
    /// Nothing is published.
    #[default]
    Stop,
    /// Someone has looked, or nobody will: they are told, and the snapshot is published.
    Accept,
}

/// What the run before has left to judge by.
#[derive(Debug, Default)]
pub(crate) struct Before {
    /// The last day of its windows; None where nothing is gone on from.
    as_of: Option<UtcDay>,
    /// Calls counted in each of its days.
    counted: BTreeMap<UtcDay, u64>,
    days: BTreeMap<UtcDay, DayMeasures>,
    /// Records that are no valid call, and of which no day is known.
    of_no_day: u64,
    accepted: Vec<Finding>,
    /// Why its measures are not known, where they ought to be.
    lost: Option<String>,
}

/// What a run has made, before it is published.
pub(crate) struct Candidate<'a> {
    /// Days built anew.
    pub(crate) rebuilt: &'a BTreeSet<UtcDay>,
    /// What was measured of them.
    pub(crate) measured: BTreeMap<UtcDay, DayMeasures>,
    /// All days that have tiles, those of runs before too.
    pub(crate) days: &'a BTreeMap<UtcDay, DayTiles>,
    pub(crate) window: &'a BTreeSet<UtcDay>,
    pub(crate) ledger: &'a Ledger,
}

impl Before {
    /// Reads what the published run left. A quality object that is gone or damaged ends the run, unless hard findings
    /// are accepted: then days without measures are compared by their calls alone.
    pub(crate) async fn read(
        output: &Objects,
        manifest: &Manifest,
        hard_findings: HardFindings,
    ) -> Result<Self, BatchError> {
        let mut before = Self {
            as_of: (!manifest.files.is_empty()).then_some(manifest.as_of),
            counted: manifest.days.iter().map(|tiles| (tiles.date, tiles.counted)).collect(),
            ..Self::default()
        };
        match &manifest.quality {
            None => {}
            Some(file) => match Quality::read(output, file).await {
                Ok(quality) => {
                    before.of_no_day = total(&quality.invalid_of_no_day);
                    (before.days, before.accepted) = (quality.days, quality.accepted);
                }
                Err(SnapshotError::Objects(error)) => return Err(error.into()),
                Err(error) => {
                    let problem = match error {
                        SnapshotError::Corrupt { detail, .. } => format!("is damaged ({detail})"),
                        SnapshotError::Gone { location, .. } => format!("is in the manifest but not in {location}"),
                        SnapshotError::Format { found, known, .. } => {
                            format!("has format {found}, this program reads format {known}")
                        }
                        error => error.to_string(),
                    };
                    if hard_findings == HardFindings::Stop {
                        return Err(BatchError::NoMeasures { key: file.key.clone(), problem });
                    }
                    before.lost = Some(format!("{} {problem}: days before have no measures", file.key));
                }
            },
        }
        Ok(before)
    }

    /// Measures and judges. Tells whether the run may be published by the verdict.
    pub(crate) fn judge(self, candidate: Candidate<'_>, options: &BatchOptions) -> Quality {
        let bounds = Bounds::default();
        let (as_of, run) = (options.as_of, &options.run);
        let Candidate { rebuilt, mut measured, days, window, ledger } = candidate;
        let (mut invalid, of_no_day) = measure::invalid_by_day(ledger);
        let measures = days.values().map(|tiles| {
            let carried = || self.days.get(&tiles.date).cloned().unwrap_or_else(|| by_tiles(tiles));
            let mut day = measured.remove(&tiles.date).unwrap_or_else(carried);
            day.invalid = invalid.remove(&tiles.date).unwrap_or_default();
            (tiles.date, day)
        });
        let mut measures: BTreeMap<UtcDay, DayMeasures> = measures.collect();
        // Days without a tile that records came of, none of which could be read. Those of other days are let go.
        let unread = invalid.into_iter().filter(|(day, _)| window.contains(day));
        measures.extend(unread.map(|(day, invalid)| (day, DayMeasures { invalid, ..DayMeasures::default() })));

        let passed = window.iter().filter(|day| self.as_of.is_some_and(|before| **day > before));
        let fresh: BTreeSet<UtcDay> =
            rebuilt.iter().filter(|day| window.contains(day)).chain(passed).copied().collect();
        let before_ms = options.complete_for_arrivals_before;
        let is_over = |day: &UtcDay| before_ms.is_none_or(|before_ms| before_ms >= day.plus(1).start_ms());
        let (judged, mut unfinished): (BTreeSet<UtcDay>, BTreeSet<UtcDay>) = fresh.into_iter().partition(is_over);
        // A file without a valid call has no day built anew.
        let (invalid_changed, waiting): (BTreeSet<UtcDay>, BTreeSet<UtcDay>) =
            self.with_other_invalid(&measures).filter(|day| window.contains(day)).partition(is_over);
        unfinished.extend(waiting);
        let asked = Asked {
            days: &measures,
            judged: &judged,
            invalid_changed: &invalid_changed,
            unfinished: &unfinished,
            of_no_day: self.as_of.map_or(0, |_| total(&of_no_day).saturating_sub(self.of_no_day)),
            as_of,
            published: &self.counted,
        };
        let mut said = judge(&asked, &bounds);

        let mut accepted: Vec<Finding> =
            self.accepted.into_iter().filter(|finding| measures.contains_key(&finding.date)).collect();
        let mut is_stopped = false;
        for finding in said.findings.iter_mut().filter(|finding| finding.severity == Severity::Hard) {
            if let Some(known) = accepted.iter().find(|known| is_as_accepted(finding, known, &bounds)) {
                finding.accepted_by.clone_from(&known.accepted_by);
            } else if options.hard_findings == HardFindings::Accept {
                finding.accepted_by = Some(run.clone());
                let is_other = |known: &Finding| {
                    (&known.rule, known.date, &known.about) != (&finding.rule, finding.date, &finding.about)
                };
                accepted.retain(is_other);
                accepted.push(finding.clone());
            } else {
                // A first snapshot has none before it that would be better.
                is_stopped |= self.as_of.is_some();
            }
        }
        let is_accepted = said.findings.iter().any(|finding| finding.accepted_by.as_ref() == Some(run));
        let verdict = match () {
            () if is_stopped => Verdict::Stopped,
            () if is_accepted => Verdict::Accepted,
            () if !said.findings.is_empty() => Verdict::Warned,
            () if said.days_judged == 0 && !said.not_judged.is_empty() => Verdict::NotJudged,
            () => Verdict::Passed,
        };
        said.not_judged.extend(self.lost.map(|why| NotJudged { date: as_of, why }));
        let mut quality = Quality::new(as_of, run.clone(), measures);
        (quality.verdict, quality.findings, quality.not_judged) = (verdict, said.findings, said.not_judged);
        (quality.accepted, quality.invalid_of_no_day) = (accepted, of_no_day);
        quality
    }

    /// Days that have other records that are no valid call than the run before knew of.
    fn with_other_invalid(&self, measures: &BTreeMap<UtcDay, DayMeasures>) -> impl Iterator<Item = UtcDay> {
        let of = |days: &BTreeMap<UtcDay, DayMeasures>, day: &UtcDay| {
            days.get(day).map(|day| day.invalid.clone()).unwrap_or_default()
        };
        let days: BTreeSet<UtcDay> = measures.keys().chain(self.days.keys()).copied().collect();
        days.into_iter().filter(move |day| of(measures, day) != of(&self.days, day))
    }
}

/// As the manifest names it.
pub(crate) fn file_of(quality: &Quality, bytes: usize) -> QualityFile {
    let key = quality_key(quality.as_of, &quality.run);
    QualityFile { key, bytes: bytes as u64, verdict: quality.verdict }
}

fn total(invalid: &measure::Invalid) -> u64 {
    invalid.values().sum()
}

/// What the tiles of a day say that was never measured.
fn by_tiles(tiles: &DayTiles) -> DayMeasures {
    DayMeasures { counted: tiles.counted, duplicates: tiles.duplicates, ..DayMeasures::default() }
}
