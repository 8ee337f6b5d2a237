//! What the environment tells the function.

use std::num::NonZeroUsize;

use objects::Location;

use crate::limits::{ARCHIVE_DELAY_MAX_MINUTES, THREADS_MAX};

/// Everything the function is told when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// `INPUT`: where the archive is, such as `s3://archive/raw`.
    pub input: Location,
    /// `OUTPUT`: where day tiles and snapshots go, such as `s3://snapshots`.
    pub output: Location,
    /// `FEATURES_FILE`: the definitions in the function's zip; `None` for the default set.
    pub features_file: Option<String>,
    /// `ARCHIVE_DELAY_MINUTES`: after how long everything that arrived at the stream is in the archive. `None`: nobody
    /// knows, and snapshots do not say that they are complete.
    pub archive_delay_minutes: Option<u32>,
    /// `THREADS`: threads to compute with; `None` for one a processor.
    pub threads: Option<NonZeroUsize>,
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
        let location = |name: &'static str, rule| {
            let text = variable(name).ok_or(ConfigurationError { name, rule })?;
            text.parse().map_err(|_| ConfigurationError { name, rule })
        };
        let number = |name: &'static str, max: usize, rule| match variable(name) {
            None => Ok(None),
            Some(text) => {
                let number = text.parse().ok().filter(|number: &NonZeroUsize| number.get() <= max);
                number.map(Some).ok_or(ConfigurationError { name, rule })
            }
        };
        let delay = number(
            "ARCHIVE_DELAY_MINUTES",
            ARCHIVE_DELAY_MAX_MINUTES as usize,
            "must be a whole number of minutes from 1 to 1440; leave it out where it is not known",
        )?;
        Ok(Self {
            input: location("INPUT", "must be where the archive is, such as s3://archive/raw")?,
            output: location("OUTPUT", "must be where day tiles and snapshots go, such as s3://snapshots")?,
            features_file: variable("FEATURES_FILE"),
            archive_delay_minutes: delay.map(|minutes| minutes.get() as u32),
            threads: number("THREADS", THREADS_MAX, "must be a whole number from 1 to 64")?,
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
        let good = [("INPUT", "s3://archive/raw"), ("OUTPUT", "s3://snapshots"), ("THREADS", "")];
        let configuration = read(&good).unwrap();
        assert_eq!((configuration.threads, configuration.archive_delay_minutes), (None, None));
        assert_eq!(configuration.input.to_string(), "s3://archive/raw");
        let delayed = read(&[good[0], good[1], ("ARCHIVE_DELAY_MINUTES", "20")]).unwrap();
        assert_eq!(delayed.archive_delay_minutes, Some(20));
        assert!(read(&good[..1]).unwrap_err().to_string().contains("OUTPUT"));
        for wrong in [
            ("INPUT", "gs://archive"),
            ("OUTPUT", ""),
            ("ARCHIVE_DELAY_MINUTES", "0"),
            ("ARCHIVE_DELAY_MINUTES", "1441"),
            ("THREADS", "many"),
        ] {
            let mut pairs = vec![wrong];
            pairs.extend(good);
            assert!(read(&pairs).unwrap_err().to_string().contains(wrong.0), "{wrong:?}");
        }
    }
}
