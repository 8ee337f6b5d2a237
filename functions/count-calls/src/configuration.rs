//! What the environment tells the function.

use cdr::Lateness;
use features::{DAY_MS, HOUR_MS};

use crate::counter::CounterSettings;
use crate::limits::REQUESTS_IN_FLIGHT;

/// Everything the function is told when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// `TILE_TABLE`: the table of tiles.
    pub tile_table: String,
    /// `QUARANTINE`: where records go that can never count, such as `s3://bucket`.
    pub quarantine: String,
    /// `QUARANTINE_QUEUE_URL`: the SQS queue that is told of each of them; `None` for none.
    pub quarantine_queue_url: Option<String>,
    /// `FEATURES_FILE`: the definitions in the function's zip; `None` for the default set.
    pub features_file: Option<String>,
    /// `STACK`: the dimension of metrics; `None`: none are written.
    pub stack: Option<String>,
    /// `STREAM_GENERATION` (default 1), `ALLOWED_LATENESS_HOURS` (24), `STREAM_RETENTION_HOURS` (24).
    pub settings: CounterSettings,
}

/// A variable that is missing or wrong.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name} {rule}")]
pub struct ConfigurationError {
    name: &'static str,
    rule: &'static str,
}

impl Configuration {
    /// Reads the variables through `variable`.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigurationError> {
        let required = |name: &'static str, rule| variable(name).ok_or(ConfigurationError { name, rule });
        let number = |name: &'static str, default: u32, max: u32| match variable(name) {
            None => Ok(default),
            Some(text) => text.parse().ok().filter(|number| (1..=max).contains(number)).ok_or(ConfigurationError {
                name,
                rule: "must be a whole number, at least 1 and no more than a stream or a window allows",
            }),
        };
        let url = |name: &'static str| match variable(name) {
            Some(text) if !text.starts_with("https://") && !text.starts_with("http://") => {
                let rule = "must be the URL of a queue, such as https://sqs.us-east-1.amazonaws.com/111122223333/NAME; \
                            leave it out for none";
                Err(ConfigurationError { name, rule })
            }
            text => Ok(text),
        };
        // Kinesis keeps records for a year at most.
        let year_hours = 8_760;
        let retention_ms = i64::from(number("STREAM_RETENTION_HOURS", 24, year_hours)?) * HOUR_MS;
        let allowed_ms = i64::from(number("ALLOWED_LATENESS_HOURS", 24, year_hours)?) * HOUR_MS;
        Ok(Self {
            tile_table: required("TILE_TABLE", "must name the table of tiles")?,
            quarantine: required("QUARANTINE", "must be a folder or an s3:// URL for records that cannot count")?,
            quarantine_queue_url: url("QUARANTINE_QUEUE_URL")?,
            features_file: variable("FEATURES_FILE"),
            stack: variable("STACK").filter(|stack| !stack.is_empty()),
            settings: CounterSettings {
                generation: number("STREAM_GENERATION", 1, u32::MAX)?,
                lateness: Lateness { allowed_ms },
                retention_ms,
                ..CounterSettings::default()
            },
        })
    }
}

impl Default for CounterSettings {
    /// What a stream with 24 hours of retention wants.
    fn default() -> Self {
        Self {
            generation: 1,
            lateness: Lateness { allowed_ms: DAY_MS },
            retention_ms: DAY_MS,
            covers_from_ms: None,
            requests_in_flight: REQUESTS_IN_FLIGHT,
        }
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
        assert!(read(&[]).unwrap_err().to_string().contains("TILE_TABLE"));
        let good = [("TILE_TABLE", "tiles"), ("QUARANTINE", "s3://bucket"), ("ALLOWED_LATENESS_HOURS", "48")];
        assert_eq!(read(&good).unwrap().settings.lateness.allowed_ms, 2 * DAY_MS);
        assert_eq!(read(&good).unwrap().quarantine_queue_url, None);
        for wrong in
            [("STREAM_GENERATION", "0"), ("QUARANTINE_QUEUE_URL", "quarantine"), ("QUARANTINE_QUEUE_URL", "")]
        {
            let pairs = [("TILE_TABLE", "tiles"), ("QUARANTINE", "q"), wrong];
            assert!(read(&pairs).unwrap_err().to_string().contains(wrong.0));
        }
    }
}
