//! What the environment tells the function.

use cdr::Lateness;
use features::HOUR_MS;

/// Kinesis keeps records for a year at most.
const YEAR_HOURS: i64 = 8_760;

/// Everything the function is told when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// `STREAM_NAME`: the stream that records go on.
    pub stream_name: String,
    /// `FEATURES_FILE`: the definitions in the function's zip, for the region of national numbers; `None` for the default
    /// set.
    pub features_file: Option<String>,
    /// `ALLOWED_LATENESS_HOURS` (24): as that of count-calls, which would set aside what is older.
    pub lateness: Lateness,
    /// `STACK`: the dimension of metrics; `None`: none are written.
    pub stack: Option<String>,
}

/// A variable that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name} {rule}")]
pub struct ConfigurationError {
    name: &'static str,
    rule: &'static str,
}

impl Configuration {
    /// Reads the variables through `variable`. One that is empty counts as not set.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigurationError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let wrong = |name, rule| ConfigurationError { name, rule };
        let hours = variable("ALLOWED_LATENESS_HOURS")
            .map_or(Some(24), |text| text.parse().ok().filter(|hours| (1..=YEAR_HOURS).contains(hours)));
        let hours = hours.ok_or(wrong("ALLOWED_LATENESS_HOURS", "must be a whole number of hours from 1 to 8760"))?;
        Ok(Self {
            stream_name: variable("STREAM_NAME").ok_or(wrong("STREAM_NAME", "must name the Kinesis stream"))?,
            features_file: variable("FEATURES_FILE"),
            lateness: Lateness { allowed_ms: hours * HOUR_MS },
            stack: variable("STACK"),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let read = |pairs: &[(&str, &str)]| {
            Configuration::read(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
        };
        assert!(read(&[("STREAM_NAME", "")]).unwrap_err().to_string().contains("STREAM_NAME must name"));
        let good = read(&[("STREAM_NAME", "calls"), ("FEATURES_FILE", ""), ("ALLOWED_LATENESS_HOURS", "")]).unwrap();
        assert_eq!((good.features_file, good.lateness.allowed_ms), (None, 24 * HOUR_MS));
        for wrong in ["0", "8761", "a day"] {
            let error = read(&[("STREAM_NAME", "calls"), ("ALLOWED_LATENESS_HOURS", wrong)]).unwrap_err();
            assert!(error.to_string().contains("ALLOWED_LATENESS_HOURS"), "{wrong}");
        }
    }
}
