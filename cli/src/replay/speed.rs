//! How fast event time passes.

use std::str::FromStr;
use std::time::Duration;

/// Ten years: nobody waits for more.
const LONGEST_WAIT: Duration = Duration::from_hours(24 * 3_650);

/// How fast event time passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Speed {
    Ratio(f64),
    Max,
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let ratio = text.parse().ok().filter(|ratio: &f64| ratio.is_finite() && *ratio > 0.0);
        ratio
            .map(Self::Ratio)
            .ok_or_else(|| "wants a number above 0, such as 60 for a minute a second, or max".to_owned())
    }
}

impl Speed {
    /// How long after the first record one is due that came `after_ms` milliseconds after it.
    pub(crate) fn due(self, after_ms: i64) -> Duration {
        match self {
            Self::Max => Duration::ZERO,
            // A ratio close to 0 asks for longer than a clock can be set.
            Self::Ratio(ratio) => Duration::try_from_secs_f64(after_ms.max(0) as f64 / 1000.0 / ratio)
                .map_or(LONGEST_WAIT, |due| due.min(LONGEST_WAIT)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn speed_is_a_ratio_or_none() {
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert_eq!("60".parse(), Ok(Speed::Ratio(60.0)));
        for text in ["0", "-1", "NaN", "inf", "fast", ""] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
        }
        assert_eq!(Speed::Ratio(60.0).due(120_000), Duration::from_secs(2));
        assert_eq!(Speed::Ratio(1e-300).due(1), LONGEST_WAIT);
        assert_eq!(Speed::Max.due(i64::MAX), Duration::ZERO);
    }
}
