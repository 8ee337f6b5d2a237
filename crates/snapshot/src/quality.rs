//! The quality object of a run: what was measured of each day, what was found, and whether it stopped the run.
//!
//! It lies beside the manifest as `quality.json`. Measures of days that a run does not build anew are carried in it from
//! run to run, so that a day is judged against the days before it without reading them again. It has counts and
//! prefixes, never a number.

use std::collections::BTreeMap;
use std::fmt;

use objects::Objects;
use serde::{Deserialize, Serialize};

use crate::{QualityFile, RunId, SnapshotError, UtcDay};

/// Format of the quality object.
const FORMAT: u32 = 1;

/// What a run found of the quality of its calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    format: u32,
    /// The last day of the run's windows.
    pub as_of: UtcDay,
    /// The run.
    pub run: RunId,
    /// What came of it.
    pub verdict: Verdict,
    /// What broke a rule, hard ones first, by day.
    pub findings: Vec<Finding>,
    /// Days that were not judged, and why.
    pub not_judged: Vec<NotJudged>,
    /// Hard findings that were published all the same, by this run or before: they stop no run again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<Finding>,
    /// Records that are no valid call, by reason, of objects of which no day is known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub invalid_of_no_day: BTreeMap<String, u64>,
    /// What was measured, by the day on which calls began.
    pub days: BTreeMap<UtcDay, DayMeasures>,
}

/// What came of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No rule was broken.
    Passed,
    /// No day could be judged: there is too little history.
    NotJudged,
    /// Soft rules were broken, or hard ones as was accepted before.
    Warned,
    /// Hard rules were broken, and the run was told to publish all the same.
    Accepted,
    /// Hard rules were broken, and nothing was published.
    Stopped,
}

impl Verdict {
    /// As it is stored, and for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::NotJudged => "not_judged",
            Self::Warned => "warned",
            Self::Accepted => "accepted",
            Self::Stopped => "stopped",
        }
    }
}

/// What a broken rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It stops the run, unless that was accepted.
    Hard,
    /// It is told.
    Soft,
}

impl Severity {
    /// As it is stored, and for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
        }
    }
}

/// A rule that a day broke.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Name of the rule.
    pub rule: String,
    /// Whether it stops the run.
    pub severity: Severity,
    /// The day.
    pub date: UtcDay,
    /// Of what: `calls`, a field, a reason, a party's prefixes, hours.
    pub about: String,
    /// What was found; a share unless the rule says otherwise.
    pub figure: f64,
    /// The figure that would just have been allowed.
    pub bound: f64,
    /// The same as a sentence.
    pub told: String,
    /// What to do.
    pub remedy: String,
    /// The run that published it all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_by: Option<RunId>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} of {}: {} ({})", self.rule, self.about, self.date, self.told, self.remedy)
    }
}

/// A day that was not judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotJudged {
    /// The day.
    pub date: UtcDay,
    /// Why not.
    pub why: String,
}

/// What was measured of the calls of a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayMeasures {
    /// Calls counted.
    pub counted: u64,
    /// Copies of these.
    pub duplicates: u64,
    /// Records that are no valid call, by reason. A record that cannot be read has no day: those of an object are
    /// divided among the days of its valid calls, in proportion.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub invalid: BTreeMap<String, u64>,
    /// Calls without a field, for each field that the definitions name and a record may lack.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nulls: BTreeMap<String, u64>,
    /// Prefixes of callers.
    #[serde(default)]
    pub callers: PrefixMix,
    /// Prefixes of callees.
    #[serde(default)]
    pub callees: PrefixMix,
    /// Records by the hour in which they arrived, counted from the beginning of the day: 24 is the first hour of the day
    /// after it. Nothing later than that day is kept; empty where arrivals are not known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arrivals: BTreeMap<u32, u64>,
}

/// How the calls of a day divide among prefixes. Few prefixes are kept, those with most calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixMix {
    /// Calls by prefix, such as `+1202`.
    pub kept: BTreeMap<String, u64>,
    /// Calls of all other prefixes.
    pub other: u64,
    /// Calls of numbers without a prefix: those that are not E.164.
    pub none: u64,
}

impl PrefixMix {
    /// Calls in it.
    pub fn total(&self) -> u64 {
        self.kept.values().sum::<u64>() + self.other + self.none
    }
}

impl Quality {
    /// Of a run that has measured and not judged yet.
    pub const fn new(as_of: UtcDay, run: RunId, days: BTreeMap<UtcDay, DayMeasures>) -> Self {
        Self {
            format: FORMAT,
            as_of,
            run,
            verdict: Verdict::NotJudged,
            findings: Vec::new(),
            not_judged: Vec::new(),
            accepted: Vec::new(),
            invalid_of_no_day: BTreeMap::new(),
            days,
        }
    }

    /// Reads the quality object that a manifest names. One of another size than the manifest says is damaged.
    pub async fn read(objects: &Objects, file: &QualityFile) -> Result<Self, SnapshotError> {
        let json = objects.get(&file.key).await.map_err(|error| match error.is_not_found() {
            true => SnapshotError::gone(&file.key, objects),
            false => error.into(),
        })?;
        if json.len() as u64 != file.bytes {
            let detail = format!("it has {} bytes, the manifest says {}", json.len(), file.bytes);
            return Err(SnapshotError::corrupt(&file.key, detail));
        }
        Self::parse(&file.key, &json)
    }

    /// The JSON form, indented for people.
    pub fn to_json(&self) -> Result<Vec<u8>, SnapshotError> {
        let mut json =
            serde_json::to_vec_pretty(self).map_err(|error| SnapshotError::corrupt("quality.json", error))?;
        json.push(b'\n');
        Ok(json)
    }

    fn parse(key: &str, json: &[u8]) -> Result<Self, SnapshotError> {
        let corrupt = |error: serde_json::Error| SnapshotError::corrupt(key, error);
        let found: serde_json::Value = serde_json::from_slice(json).map_err(corrupt)?;
        if let Some(format) = found["format"].as_u64().filter(|format| *format != u64::from(FORMAT)) {
            let found = u32::try_from(format).unwrap_or(u32::MAX);
            return Err(SnapshotError::Format { key: key.to_owned(), found, known: FORMAT });
        }
        serde_json::from_value(found).map_err(corrupt)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn quality() -> Quality {
        let day: UtcDay = "2026-11-20".parse().unwrap();
        let measures = DayMeasures {
            counted: 9,
            duplicates: 2,
            invalid: [("bad_json".to_owned(), 1)].into(),
            nulls: [("cell_id".to_owned(), 4)].into(),
            callers: PrefixMix { kept: [("+1202".to_owned(), 5)].into(), other: 3, none: 1 },
            callees: PrefixMix::default(),
            arrivals: [(0, 5), (25, 6)].into(),
        };
        let finding = Finding {
            rule: "volume_low".to_owned(),
            severity: Severity::Hard,
            date: day,
            about: "calls".to_owned(),
            figure: 0.5,
            bound: 0.6,
            told: "half".to_owned(),
            remedy: "look".to_owned(),
            accepted_by: Some("r0".parse().unwrap()),
        };
        Quality {
            verdict: Verdict::Accepted,
            findings: vec![finding.clone()],
            not_judged: vec![NotJudged { date: day.plus(-1), why: "2 of 7 days".to_owned() }],
            accepted: vec![finding],
            invalid_of_no_day: [("bad_json".to_owned(), 7)].into(),
            ..Quality::new(
                day,
                "r1".parse().unwrap(),
                [(day, measures), (day.plus(-1), DayMeasures::default())].into(),
            )
        }
    }

    #[test]
    fn a_quality_object_reads_what_it_writes() {
        assert_eq!(Quality::parse("k", &quality().to_json().unwrap()).unwrap(), quality());
        assert_eq!(quality().days[&quality().as_of].callers.total(), 9);
        let json = String::from_utf8(quality().to_json().unwrap()).unwrap();
        for verdict in [Verdict::Passed, Verdict::NotJudged, Verdict::Warned, Verdict::Accepted, Verdict::Stopped] {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.as_str());
        }
        for severity in [Severity::Hard, Severity::Soft] {
            assert_eq!(serde_json::to_value(severity).unwrap(), severity.as_str());
        }
        assert!(json.contains(r#""25": 6"#), "{json}");
    }

    #[test]
    fn what_is_cut_or_of_another_format_is_told() {
        let json = quality().to_json().unwrap();
        assert!(matches!(Quality::parse("k", &json[..40]), Err(SnapshotError::Corrupt { .. })));
        let other = br#"{"format":2,"anything":true}"#;
        assert!(matches!(Quality::parse("k", other), Err(SnapshotError::Format { found: 2, known: 1, .. })));
    }
}
