//! Every bound of the rules, in one place.

/// What the rules allow. Shares are parts of 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bounds {
    /// Only the last days are judged against the days before them: what was published long ago is not news.
    pub(crate) days_judged: i32,
    /// Days before the judged one that it is compared with: four of each weekday.
    pub(crate) days_compared: i32,
    /// With fewer days that have calls among these, nothing is judged: a week has every weekday.
    pub(crate) days_needed: usize,
    /// With fewer calls a day, chance alone moves shares of prefixes past the bounds.
    pub(crate) calls_needed: u64,
    /// Calls, relative to those expected. Half a day that is missing must be found; days of the same weekday differ
    /// less, public holidays apart.
    pub(crate) volume_low: f64,
    /// Calls, relative to those expected: all of them twice under other ids.
    pub(crate) volume_high: f64,
    /// Share of a day's published calls that a later run may lose: an object put right may take some back.
    pub(crate) day_shrank: f64,
    /// Share of copies, more than before: copies count once and harm nothing, but say that something was sent twice.
    pub(crate) duplicates_high: f64,
    /// Share of records that are no valid call, more than before: their calls are missing from every feature.
    pub(crate) invalid_high: f64,
    /// The same for one reason: a new mistake of one producer.
    pub(crate) invalid_reason: f64,
    /// Share of calls without a field, more than before: most of its producers have ceased to send it.
    pub(crate) field_vanished: f64,
    /// The same, still worth a look.
    pub(crate) nulls_high: f64,
    /// Records that usually arrive in an hour, from which on an hour without any is no chance.
    pub(crate) hour_gap: f64,
    /// Distance of the prefix mix from that before: numbers are read otherwise, or are of other customers.
    pub(crate) prefixes_other: f64,
    /// The same, still worth a look: weekends and campaigns move less.
    pub(crate) prefixes_moved: f64,
    /// How much worse a finding that was accepted may become before it counts as another.
    pub(crate) accepted_slack: f64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            days_judged: 7,
            days_compared: 28,
            days_needed: 7,
            calls_needed: 500,
            volume_low: 0.6,
            volume_high: 2.0,
            day_shrank: 0.1,
            duplicates_high: 0.1,
            invalid_high: 0.1,
            invalid_reason: 0.01,
            field_vanished: 0.5,
            nulls_high: 0.1,
            hour_gap: 20.0,
            prefixes_other: 0.5,
            prefixes_moved: 0.2,
            accepted_slack: 0.05,
        }
    }
}
