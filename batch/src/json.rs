//! What programs are told of a run: what `tollwatch batch --json` prints, and what the Lambda answers.

use objects::Location;
use serde_json::{Map, Value, json};
use snapshot::{Calls, Finding, UtcDay, Verdict};

use crate::{BatchReport, Outcome};

impl Outcome {
    /// The name in JSON and metrics: `nothing`, `ledger` or `snapshot`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::LedgerOnly => "ledger",
            Self::Snapshot => "snapshot",
        }
    }
}

impl BatchReport {
    /// The report as one object. `output` is where the run wrote, `today` the UTC day on which it was made.
    pub fn to_json(&self, output: &Location, today: UtcDay) -> Value {
        let manifest = &self.manifest;
        let seconds: Map<String, Value> = self
            .took
            .iter()
            .map(|(stage, took)| (stage.as_str().replace(' ', "_"), took.as_secs_f64().into()))
            .collect();
        json!({
            "output": output.to_string(),
            "run": manifest.run,
            "as_of": manifest.as_of,
            "feature_set_version": manifest.feature_set_version,
            "published": self.outcome.as_str(),
            "files": {
                "listed": self.input_files,
                "new": self.new_files,
                "read_again": self.older_files,
                "empty": self.empty_files,
                "gone": self.gone_files,
                "others": self.other_files,
            },
            "records_read": self.records_read,
            "days": self.days,
            "days_built": self.rebuilt,
            "missing_days": manifest.missing_days,
            "left_out": manifest.left_out,
            "calls": manifest.calls,
            "calls_of_days_to_come": self.calls_of_days_to_come(today),
            "quality": self.quality.as_ref().map(|quality| json!({
                "verdict": quality.verdict,
                "object": manifest.quality.as_ref().map(|file| output.join(&file.key).to_string()),
                "findings": quality.findings,
                "invalid_of_no_day": quality.invalid_of_no_day,
                "not_judged": quality.not_judged,
            })),
            "rows": manifest.rows,
            "seconds": seconds,
        })
    }

    /// Calls that cannot have begun yet; among those outside of the windows.
    pub fn calls_of_days_to_come(&self, today: UtcDay) -> u64 {
        self.outside.iter().filter(|(day, _)| **day > today).map(|(_, calls)| calls).sum()
    }
}

/// The same of a run that was stopped by what it found of the calls ([`crate::BatchError::Quality`]).
pub fn stopped_json(object: &str, findings: &[Finding], calls: &Calls) -> Value {
    json!({
        "published": Outcome::Nothing.as_str(),
        "calls": calls,
        "quality": { "verdict": Verdict::Stopped.as_str(), "object": object, "findings": findings },
    })
}
