//! The rules: what a day may look like, by the days before it. Numbers in, findings out.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use snapshot::{DayMeasures, Finding, NotJudged, PrefixMix, Severity, UtcDay};

use crate::error::by_reason;
use crate::quality::bounds::Bounds;
use crate::quality::hours;
use crate::quality::mix::distance;

/// What findings about records of no known day are about.
const NO_DAY: &str = "records of no known day";

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    VolumeLow,
    VolumeHigh,
    DayShrank,
    DuplicatesHigh,
    InvalidHigh,
    InvalidReason,
    FieldVanished,
    NullsHigh,
    HourGap,
    PrefixesOther,
    PrefixesMoved,
}

impl Rule {
    /// Its name in findings and documentation.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::VolumeLow => "volume_low",
            Self::VolumeHigh => "volume_high",
            Self::DayShrank => "day_shrank",
            Self::DuplicatesHigh => "duplicates_high",
            Self::InvalidHigh => "invalid_high",
            Self::InvalidReason => "invalid_reason",
            Self::FieldVanished => "field_vanished",
            Self::NullsHigh => "nulls_high",
            Self::HourGap => "hour_gap",
            Self::PrefixesOther => "prefixes_other",
            Self::PrefixesMoved => "prefixes_moved",
        }
    }

    /// Whether breaking it stops a run: only what spoils features does, and what can hardly be chance.
    pub(crate) const fn severity(self) -> Severity {
        match self {
            Self::VolumeLow | Self::DayShrank | Self::InvalidHigh | Self::FieldVanished => Severity::Hard,
            // A campaign of fraud moves prefixes, and is when features are wanted most.
            Self::PrefixesOther
            | Self::VolumeHigh
            | Self::DuplicatesHigh
            | Self::InvalidReason
            | Self::NullsHigh
            | Self::HourGap
            | Self::PrefixesMoved => Severity::Soft,
        }
    }

    const fn remedy(self) -> &'static str {
        match self {
            Self::VolumeLow => {
                "look whether files of that day are missing, and run again when they are there; if the day is not over, give an earlier --as-of"
            }
            Self::VolumeHigh => "look for calls that were sent again under other ids, or read from two sources",
            Self::DayShrank => {
                "look which files of that day were replaced or emptied, and put them back, or run again when they are whole"
            }
            Self::DuplicatesHigh => {
                "look for a producer or a copy job that sends its records twice; each counts once"
            }
            Self::InvalidHigh | Self::InvalidReason => {
                "look at records with that reason, and mend their producer; records put right in place are read by the next run"
            }
            Self::FieldVanished | Self::NullsHigh => "ask the producers of that field whether they still send it",
            Self::HourGap => {
                "look whether files of those hours are missing; what comes late is taken in by the next run"
            }
            Self::PrefixesOther | Self::PrefixesMoved => {
                "look whether numbers are written as before (their default_region too), whether customers were added or lost, and for a campaign of fraud"
            }
        }
    }

    /// A finding; `figure` is worse than `bound`. `told` says of what day and which rule already.
    fn finding(self, date: UtcDay, about: &str, (figure, bound): (f64, f64), told: &str) -> Finding {
        Finding {
            rule: self.name().to_owned(),
            severity: self.severity(),
            date,
            about: about.to_owned(),
            figure: rounded(figure),
            bound: rounded(bound),
            told: told.to_owned(),
            remedy: self.remedy().to_owned(),
            accepted_by: None,
        }
    }
}

/// Whether a finding is one that was accepted before, and not much worse. A day that has shrunk was accepted as it was
/// then: if it shrinks again, that is another finding.
pub(crate) fn is_as_accepted(finding: &Finding, accepted: &Finding, bounds: &Bounds) -> bool {
    let of = |finding: &Finding| (finding.rule.clone(), finding.date, finding.about.clone());
    let worse = match finding.rule == Rule::VolumeLow.name() {
        true => accepted.figure - finding.figure,
        false => finding.figure - accepted.figure,
    };
    of(finding) == of(accepted) && finding.rule != Rule::DayShrank.name() && worse <= bounds.accepted_slack
}

/// What the rules are asked about.
pub(crate) struct Asked<'a> {
    /// What was measured, of all days that are known.
    pub(crate) days: &'a BTreeMap<UtcDay, DayMeasures>,
    /// Days that are new or were built anew, and are over. Only the last ones are judged.
    pub(crate) judged: &'a BTreeSet<UtcDay>,
    /// Days of which records that are no valid call came or went, and that are over; in `judged` or not.
    pub(crate) invalid_changed: &'a BTreeSet<UtcDay>,
    /// Days that are new, were built anew or got records, and that may get more.
    pub(crate) unfinished: &'a BTreeSet<UtcDay>,
    /// Records that are no valid call and of no known day, which came since the run before.
    pub(crate) of_no_day: u64,
    /// The last day of the windows.
    pub(crate) as_of: UtcDay,
    /// Calls of each day in the snapshot that is published.
    pub(crate) published: &'a BTreeMap<UtcDay, u64>,
}

/// What the rules say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Judgement {
    /// Hard ones first.
    pub(crate) findings: Vec<Finding>,
    pub(crate) not_judged: Vec<NotJudged>,
    /// Days that were compared with days before them.
    pub(crate) days_judged: usize,
}

/// Judges days by those before them.
pub(crate) fn judge(asked: &Asked<'_>, bounds: &Bounds) -> Judgement {
    let mut said = Judgement { findings: shrunk(asked, bounds), ..Judgement::default() };
    let is_recent = |day: &&UtcDay| **day <= asked.as_of && **day > asked.as_of.plus(-bounds.days_judged);
    for date in asked.unfinished.iter().filter(is_recent) {
        said.not_judged.push(NotJudged { date: *date, why: "not all that arrived for it is known yet".to_owned() });
    }
    for date in asked.judged.union(asked.invalid_changed).filter(is_recent) {
        let compared = Compared::find(asked.days, *date, bounds);
        match compared.expected(bounds) {
            Ok(expected) => {
                said.days_judged += 1;
                if asked.judged.contains(date) {
                    compared.judge(expected, bounds, &mut said.findings);
                } else {
                    // Its calls are those that were published.
                    compared.invalid(bounds, &mut said.findings);
                }
            }
            Err(why) => said.not_judged.push(NotJudged { date: *date, why }),
        }
    }
    of_no_day(asked, bounds, &mut said.findings);
    said.findings.sort_by_key(|finding| (finding.severity, finding.date));
    said.not_judged.sort_by_key(|not| not.date);
    said
}

/// Days that have lost calls since they were published.
fn shrunk(asked: &Asked<'_>, bounds: &Bounds) -> Vec<Finding> {
    let found =
        asked.published.iter().filter(|(_, before)| **before >= bounds.calls_needed).filter_map(|(date, before)| {
            let now = asked.days.get(date).map_or(0, |day| day.counted);
            let lost = share(before.saturating_sub(now), *before);
            (lost > bounds.day_shrank).then(|| {
                let told = format!(
                    "{now} calls are left of {before} published, {} fewer; {} may go",
                    percent(lost),
                    percent(bounds.day_shrank)
                );
                Rule::DayShrank.finding(*date, "calls", (lost, bounds.day_shrank), &told)
            })
        });
    found.collect()
}

/// Records that could be of any day are compared with the calls of one. They may be of many days: that stops no run.
fn of_no_day(asked: &Asked<'_>, bounds: &Bounds, findings: &mut Vec<Finding>) {
    let Ok(expected) = Compared::find(asked.days, asked.as_of, bounds).expected(bounds) else { return };
    let found = asked.of_no_day as f64 / (asked.of_no_day as f64 + expected);
    if found > bounds.invalid_reason {
        let told = format!(
            "{} records that are no valid call came in files without a valid call and without a day in their names, {} of these and the {expected:.0} calls that a day has; at most {} is allowed",
            asked.of_no_day,
            percent(found),
            percent(bounds.invalid_reason)
        );
        findings.push(Rule::InvalidReason.finding(asked.as_of, NO_DAY, (found, bounds.invalid_reason), &told));
    }
}

/// A day, and the days before it that it is compared with: those that have calls.
struct Compared<'a> {
    days: &'a BTreeMap<UtcDay, DayMeasures>,
    date: UtcDay,
    before: Vec<(UtcDay, &'a DayMeasures)>,
}

impl<'a> Compared<'a> {
    fn find(days: &'a BTreeMap<UtcDay, DayMeasures>, date: UtcDay, bounds: &Bounds) -> Self {
        let before = days.range(date.plus(-bounds.days_compared)..date).filter(|(_, day)| day.counted > 0);
        Self { days, date, before: before.map(|(date, day)| (*date, day)).collect() }
    }

    /// How many calls are to be expected: the median of the same weekday or that of all days, whichever is lower. So
    /// neither a Sunday nor the day a week after a campaign is found to lack calls. Or why nothing is to be said.
    fn expected(&self, bounds: &Bounds) -> Result<f64, String> {
        let days = self.before.len();
        if days < bounds.days_needed {
            return Err(format!(
                "{days} of the {} days before it have calls, {} are needed",
                bounds.days_compared, bounds.days_needed
            ));
        }
        let is_same = |date: &UtcDay| (self.date.days() - date.days()) % 7 == 0;
        let of = |same_only: bool| {
            let chosen = self.before.iter().filter(|(date, _)| !same_only || is_same(date));
            median(chosen.map(|(_, day)| day.counted as f64).collect())
        };
        let all = of(false).unwrap_or(0.0);
        let expected = of(true).map_or(all, |same| same.min(all));
        if expected < bounds.calls_needed as f64 {
            return Err(format!("days before it have some {expected:.0} calls, {} are needed", bounds.calls_needed));
        }
        Ok(expected)
    }

    /// The day itself; nothing where nothing came of it.
    fn day(&self) -> Cow<'a, DayMeasures> {
        self.days.get(&self.date).map_or_else(Cow::default, Cow::Borrowed)
    }

    fn judge(&self, expected: f64, bounds: &Bounds, findings: &mut Vec<Finding>) {
        let day = &*self.day();
        let volume = day.counted as f64 / expected;
        for (rule, bound, is_broken, word) in [
            (Rule::VolumeLow, bounds.volume_low, volume < bounds.volume_low, "at least"),
            (Rule::VolumeHigh, bounds.volume_high, volume > bounds.volume_high, "at most"),
        ] {
            if is_broken {
                let told = format!(
                    "{} calls are {} of the {expected:.0} that days before it have; {word} {} is allowed{}",
                    day.counted,
                    percent(volume),
                    percent(bound),
                    unread(&day.invalid)
                );
                findings.push(rule.finding(self.date, "calls", (volume, bound), &told));
            }
        }
        self.gaps(bounds, findings);
        self.invalid(bounds, findings);
        // Shares of few calls are chance. That there are few has been told.
        if day.counted >= bounds.calls_needed {
            self.duplicates(day, bounds, findings);
            self.nulls(day, bounds, findings);
            for (about, mix) in [("callers", callers as fn(&DayMeasures) -> &PrefixMix), ("callees", callees)] {
                self.prefixes(about, mix, day, bounds, findings);
            }
        }
    }

    fn duplicates(&self, day: &DayMeasures, bounds: &Bounds, findings: &mut Vec<Finding>) {
        let copies = |day: &DayMeasures| Some(share(day.duplicates, day.counted + day.duplicates));
        let rules = [(Rule::DuplicatesHigh, bounds.duplicates_high)];
        self.more_than_before("duplicates", "of the records are copies", day, &rules, copies, findings);
    }

    fn invalid(&self, bounds: &Bounds, findings: &mut Vec<Finding>) {
        let day = &*self.day();
        let records = |day: &DayMeasures| day.counted + day.duplicates + day.invalid.values().sum::<u64>();
        if records(day) < bounds.calls_needed {
            return;
        }
        let all = |day: &DayMeasures| Some(share(day.invalid.values().sum(), records(day)));
        let rules = [(Rule::InvalidHigh, bounds.invalid_high)];
        self.more_than_before("invalid records", "of the records are no valid call", day, &rules, all, findings);
        for reason in day.invalid.keys() {
            let of = |day: &DayMeasures| Some(share(day.invalid.get(reason).copied().unwrap_or(0), records(day)));
            let rules = [(Rule::InvalidReason, bounds.invalid_reason)];
            self.more_than_before(reason, "of the records are no valid call for it", day, &rules, of, findings);
        }
    }

    fn nulls(&self, day: &DayMeasures, bounds: &Bounds, findings: &mut Vec<Finding>) {
        for field in day.nulls.keys() {
            // A field that a day was not measured for is not known to be there.
            let of = |day: &DayMeasures| day.nulls.get(field).map(|nulls| share(*nulls, day.counted));
            let rules = [(Rule::FieldVanished, bounds.field_vanished), (Rule::NullsHigh, bounds.nulls_high)];
            self.more_than_before(field, "of the calls lack it", day, &rules, of, findings);
        }
    }

    /// Compares a share of the day with the median of those before it. Of several rules the first one that is broken
    /// is told.
    fn more_than_before(
        &self,
        about: &str,
        what: &str,
        day: &DayMeasures,
        rules: &[(Rule, f64)],
        of: impl Fn(&DayMeasures) -> Option<f64>,
        findings: &mut Vec<Finding>,
    ) {
        let Some(found) = of(day) else { return };
        let Some(before) = median(self.before.iter().filter_map(|(_, day)| of(day)).collect()) else { return };
        let broken = rules.iter().find(|(_, more)| found > before + more);
        if let Some((rule, more)) = broken {
            let told = format!(
                "{} {what}, {} in days before it; at most {} is allowed",
                percent(found),
                percent(before),
                percent(before + more)
            );
            findings.push(rule.finding(self.date, about, (found, before + more), &told));
        }
    }

    fn prefixes(
        &self,
        about: &str,
        mix: fn(&DayMeasures) -> &PrefixMix,
        day: &DayMeasures,
        bounds: &Bounds,
        findings: &mut Vec<Finding>,
    ) {
        let before: Vec<&PrefixMix> =
            self.before.iter().map(|(_, day)| mix(day)).filter(|mix| mix.total() > 0).collect();
        if before.len() < bounds.days_needed {
            return;
        }
        let Some(found) = distance(mix(day), &before) else { return };
        let rules = [(Rule::PrefixesOther, bounds.prefixes_other), (Rule::PrefixesMoved, bounds.prefixes_moved)];
        if let Some((rule, bound)) = rules.iter().find(|(_, bound)| found.share > *bound) {
            let told = format!(
                "{} of the calls are of other prefixes than in days before it ({} moved most); at most {} is allowed",
                percent(found.share),
                found.moved.join(", "),
                percent(*bound)
            );
            findings.push(rule.finding(self.date, about, (found.share, *bound), &told));
        }
    }

    fn gaps(&self, bounds: &Bounds, findings: &mut Vec<Finding>) {
        let usual = |hour: u32| {
            let known = self.before.iter().filter_map(|(date, _)| hours::records(self.days, *date, hour));
            median(known.map(|records| records as f64).collect()).unwrap_or(0.0)
        };
        let expected: Vec<f64> = (0..24).map(usual).collect();
        for (first, last) in hours::gaps(self.days, self.date, |hour| expected[hour as usize] >= bounds.hour_gap) {
            let least = expected[first as usize..=last as usize].iter().copied().fold(f64::INFINITY, f64::min);
            let about =
                if first == last { format!("hour {first:02}") } else { format!("hours {first:02} to {last:02}") };
            let told = format!(
                "no record arrived between others, {least:.0} or more an hour did in days before it; hours with {} or more may not be empty",
                bounds.hour_gap
            );
            findings.push(Rule::HourGap.finding(self.date, &about, (f64::from(last - first + 1), 0.0), &told));
        }
    }
}

const fn callers(day: &DayMeasures) -> &PrefixMix {
    &day.callers
}

const fn callees(day: &DayMeasures) -> &PrefixMix {
    &day.callees
}

/// Records of the day that are no valid call, which say why there are few calls.
fn unread(invalid: &BTreeMap<String, u64>) -> String {
    match invalid.values().sum::<u64>() {
        0 => String::new(),
        all => format!("; {all} records of that day are no valid call: {}", by_reason(invalid)),
    }
}

fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// Short, and the same on every machine.
fn rounded(figure: f64) -> f64 {
    (figure * 10_000.0).round() / 10_000.0
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(f64::midpoint(lower, *upper))
}

#[cfg(test)]
mod tests;
