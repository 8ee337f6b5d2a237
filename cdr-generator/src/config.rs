//! What is asked of the generator, and what is refused.

/// What to generate. [`Config::new`] fills in all but four fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Decides everything else: the same configuration gives the same bytes.
    pub seed: u64,
    /// The last moment: every call has ended by then. Milliseconds since 1970 UTC.
    pub end_ms: i64,
    /// How many UTC days there are; the last one is the day of `end_ms` and ends with it.
    pub days: u32,
    /// How many numbers place ordinary calls.
    pub subscribers: u32,
    /// Ordinary calls and messages that a subscriber places on an average day of a week.
    pub calls_per_subscriber_day: f64,
    /// Share of ordinary records that are messages.
    pub sms_share: f64,
    /// Share of a subscriber's contacts that live in another country.
    pub international_share: f64,
    /// Share of mobile subscribers that are abroad at a time.
    pub roaming_share: f64,
    /// Share of ordinary calls whose caller withholds the number.
    pub anonymous_share: f64,
    /// How many campaigns there are of each scheme. The first runs at the end of the period, the others before.
    pub campaigns_per_scheme: u32,
    /// Multiplies the strength of every campaign: 1 leaves them as they are, less makes them harder to tell from
    /// ordinary callers, more makes them easier.
    pub strength: f64,
    /// Share of calls whose record is sent again, with the same bytes.
    pub duplicate_share: f64,
    /// Share of records that arrive minutes to hours late.
    pub late_share: f64,
    /// Share of records that are overtaken by those of a minute or so later.
    pub disorder_share: f64,
    /// Broken records sent for each call.
    pub invalid_share: f64,
}

/// A configuration that cannot be generated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// A whole number outside its bounds.
    #[error("{field} is {value}: wants {min} to {max}")]
    OutOfBounds {
        /// The field of [`Config`].
        field: &'static str,
        /// What was given.
        value: u64,
        /// The least that is allowed.
        min: u64,
        /// The most that is allowed.
        max: u64,
    },
    /// A share that is no share.
    #[error("{field} is {value}: wants a share between 0 and {max}")]
    NotAShare {
        /// The field of [`Config`].
        field: &'static str,
        /// What was given.
        value: f64,
        /// The most that is allowed.
        max: f64,
    },
    /// A rate of calls that is none, or too high.
    #[error("calls_per_subscriber_day is {value}: wants more than 0 and at most {max}")]
    BadRate {
        /// What was given.
        value: f64,
        /// The most that is allowed with so many subscribers.
        max: f64,
    },
    /// A strength at which a campaign is nothing, or more than its numbers can place.
    #[error("strength is {value}: wants {min} to {max}")]
    BadStrength {
        /// What was given.
        value: f64,
        /// The least that is allowed.
        min: f64,
        /// The most that is allowed.
        max: f64,
    },
    /// The period begins or ends where no call can be.
    #[error(
        "end_ms {end_ms} with {days} days: wants a period within the years 2000 to 2099, in milliseconds since 1970 UTC"
    )]
    BadPeriod {
        /// What was given.
        end_ms: i64,
        /// What was given.
        days: u32,
    },
}

/// The most subscribers: the number plans of the small countries hold no more.
pub const MAX_SUBSCRIBERS: u32 = 5_000_000;

/// The longest period, in days: ten years.
pub const MAX_DAYS: u32 = 3_660;

/// The most calls a day, all subscribers together: a minute of them is held in memory.
pub const MAX_CALLS_PER_DAY: f64 = 1e9;

/// The most campaigns of one scheme.
pub const MAX_CAMPAIGNS_PER_SCHEME: u32 = 1_000;

/// The least strength: below it most campaigns would place no call at all.
pub const MIN_STRENGTH: f64 = 0.01;

/// The greatest strength: a campaign of it places more calls a minute than most switches have lines.
pub const MAX_STRENGTH: f64 = 4.0;

/// The largest share of duplicates and of broken records: more than one a call is another kind of test.
pub const MAX_REPEAT_SHARE: f64 = 1.0;

pub(crate) const MINUTE_MS: i64 = 60_000;
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;

impl Config {
    /// The defaults: 20,000 subscribers and 90 days are about two million calls.
    pub const fn new(seed: u64, end_ms: i64, days: u32, subscribers: u32) -> Self {
        Self {
            seed,
            end_ms,
            days,
            subscribers,
            calls_per_subscriber_day: 1.1,
            sms_share: 0.06,
            international_share: 0.06,
            roaming_share: 0.03,
            anonymous_share: 0.01,
            campaigns_per_scheme: 4,
            strength: 1.0,
            duplicate_share: 0.01,
            late_share: 0.005,
            disorder_share: 0.05,
            invalid_share: 0.002,
        }
    }

    /// The first moment of the period: a midnight UTC. Milliseconds since 1970 UTC.
    pub const fn start_ms(&self) -> i64 {
        ((self.end_ms - 1).div_euclid(DAY_MS) + 1 - self.days as i64) * DAY_MS
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        within("subscribers", self.subscribers, 1, MAX_SUBSCRIBERS)?;
        within("days", self.days, 1, MAX_DAYS)?;
        within("campaigns_per_scheme", self.campaigns_per_scheme, 0, MAX_CAMPAIGNS_PER_SCHEME)?;
        for (field, value) in [
            ("sms_share", self.sms_share),
            ("international_share", self.international_share),
            ("roaming_share", self.roaming_share),
            ("anonymous_share", self.anonymous_share),
            ("late_share", self.late_share),
            ("disorder_share", self.disorder_share),
            ("duplicate_share", self.duplicate_share),
            ("invalid_share", self.invalid_share),
        ] {
            // Written so that NaN is refused.
            if !(0.0..=MAX_REPEAT_SHARE).contains(&value) {
                return Err(ConfigError::NotAShare { field, value, max: MAX_REPEAT_SHARE });
            }
        }
        if !(MIN_STRENGTH..=MAX_STRENGTH).contains(&self.strength) {
            return Err(ConfigError::BadStrength { value: self.strength, min: MIN_STRENGTH, max: MAX_STRENGTH });
        }
        let max = MAX_CALLS_PER_DAY / f64::from(self.subscribers);
        let value = self.calls_per_subscriber_day;
        if !(value > 0.0 && value <= max) {
            return Err(ConfigError::BadRate { value, max });
        }
        // The first bound keeps the arithmetic of the second from overflowing.
        if self.end_ms > cdr::TIME_UNTIL_MS || self.end_ms < cdr::TIME_FROM_MS || self.start_ms() < cdr::TIME_FROM_MS
        {
            return Err(ConfigError::BadPeriod { end_ms: self.end_ms, days: self.days });
        }
        Ok(())
    }
}

fn within(field: &'static str, value: u32, min: u32, max: u32) -> Result<(), ConfigError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::OutOfBounds { field, value: value.into(), min: min.into(), max: max.into() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MIDNIGHT: i64 = 1_795_219_200_000;

    fn broken(change: impl FnOnce(&mut Config)) -> String {
        let mut config = Config::new(1, MIDNIGHT, 90, 20_000);
        config.validate().unwrap();
        change(&mut config);
        config.validate().unwrap_err().to_string()
    }

    #[test]
    fn the_last_day_is_the_one_that_ends_with_the_period() {
        let start = |end_ms, days| Config::new(1, end_ms, days, 1).start_ms();
        assert_eq!(start(MIDNIGHT, 1), MIDNIGHT - DAY_MS);
        assert_eq!(start(MIDNIGHT + 1, 1), MIDNIGHT);
        assert_eq!(start(MIDNIGHT + 1, 90), MIDNIGHT - 89 * DAY_MS);
    }

    #[test]
    fn what_is_refused_is_named_with_its_bounds() {
        assert_eq!(broken(|c| c.subscribers = 0), "subscribers is 0: wants 1 to 5000000");
        assert_eq!(broken(|c| c.days = 0), "days is 0: wants 1 to 3660");
        assert_eq!(broken(|c| c.late_share = 1.5), "late_share is 1.5: wants a share between 0 and 1");
        assert_eq!(broken(|c| c.invalid_share = -0.1), "invalid_share is -0.1: wants a share between 0 and 1");
        assert_eq!(broken(|c| c.sms_share = f64::NAN), "sms_share is NaN: wants a share between 0 and 1");
        assert_eq!(broken(|c| c.strength = 0.0), "strength is 0: wants 0.01 to 4");
        assert_eq!(broken(|c| c.strength = f64::NAN), "strength is NaN: wants 0.01 to 4");
        assert_eq!(
            broken(|c| c.calls_per_subscriber_day = 0.0),
            "calls_per_subscriber_day is 0: wants more than 0 and at most 50000"
        );
        assert_eq!(
            broken(|c| c.end_ms = 86_400_000),
            "end_ms 86400000 with 90 days: wants a period within the years 2000 to 2099, in milliseconds since 1970 UTC"
        );
        assert!(broken(|c| c.end_ms = i64::MIN).contains("wants a period"));
        assert!(broken(|c| c.end_ms = i64::MAX).contains("wants a period"));
    }
}
