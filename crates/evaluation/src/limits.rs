//! Every bound, with its reason.

use features::{DAY_MS, MINUTE_MS};

/// Calls of one set of files in memory, at some 350 bytes each: they have to be put in order of arrival. Generated
/// calls come in that order and are not kept.
pub const CALLS_MAX: usize = 5_000_000;

/// How long after the end of a campaign a flag still counts for it: its last calls end, and their records come.
pub const GRACE_MS: i64 = 30 * MINUTE_MS;

/// How long after that its numbers count neither way: the longest stream window still has the campaign in it.
pub const AFTERMATH_MS: i64 = DAY_MS;

/// Campaigns of less strength are weak, and are told apart from the others.
pub const WEAK_BELOW: f64 = 0.5;

/// Bytes of a file of labels; a million labels are some 100 MB.
pub(crate) const LABEL_FILE_BYTES_MAX: u64 = 256 << 20;

/// Bytes of the name of a scheme or a campaign: it stands in tables.
pub(crate) const NAME_BYTES_MAX: usize = 64;

/// The greatest strength of a campaign: 1 is as plain as such fraud is described.
pub(crate) const STRENGTH_MAX: f64 = 100.0;

/// Schemes of one evaluation: each has a rule a feature and window, and each rule is tried at each record.
pub(crate) const SCHEMES_MAX: usize = 32;

/// Label problems that are told one by one; the others are counted.
pub(crate) const PROBLEMS_MAX: usize = 20;

/// Innocent values that are kept of a feature and window, the most suspicious ones: a threshold that names more
/// innocent numbers is of no use to a desk, and none is looked for there.
pub(crate) const TAIL_MAX: usize = 10_000;

/// A minute tile more than this many in an hour, and the hour gets a tile of its own: windows that have the hour whole
/// are then merged from one state.
pub(crate) const HOUR_TILE_FROM: usize = 8;

/// Features of a scheme and role that pairs are made of, the best ones by calibration: 15 pairs.
pub(crate) const PAIR_FEATURES: usize = 6;

/// Pairs of a scheme and role that are measured, the best ones by calibration.
pub(crate) const PAIRS_KEPT: usize = 3;

/// How many innocent numbers the thresholds that pairs are made of name alone: the steps are finer where it matters.
pub(crate) const PAIR_STEPS: [usize; LEVELS - 1] =
    [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 4_000, 7_000, TAIL_MAX - 1];

/// Thresholds of a feature in a pair: those steps and the one that was chosen for it alone.
pub(crate) const LEVELS: usize = 16;
