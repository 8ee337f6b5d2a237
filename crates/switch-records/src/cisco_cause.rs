//! Why a call that was not connected ended, by the causes of Cisco Unified CM.

use cdr::Outcome;

use crate::q850;

/// The outcome of a call that was never connected, by the causes of its two sides; 0 is none.
///
/// A cause is on the side that released the call. Up to 127 it is one of ITU-T Q.850, of which 122 to 126 are Cisco's
/// own here; above that, Cisco's documentation lists causes of SIP (such as 83886081 for 404 Not Found), whose last seven
/// bits are the cause of Q.850 for it, and a few of its own, whose last sixteen bits are 0.
pub(crate) fn outcome(originating: u32, terminating: u32) -> Outcome {
    let cause = if terminating == 0 { originating } else { terminating };
    match cause {
        // Both sides are 0 of calls that went on elsewhere before anybody answered, such as to another phone of a group.
        0 => Outcome::NoAnswer,
        CALL_SPLIT_OLD | CALL_SPLIT | CONFERENCE_DROP => Outcome::Canceled,
        _ => q850::outcome(cause & 0x7F, false),
    }
}

/// Call split, before release 5 or so.
const CALL_SPLIT_OLD: u32 = 126;
/// Call split: it was transferred, or became a conference.
const CALL_SPLIT: u32 = 393_216;
/// The last party of a conference was dropped.
const CONFERENCE_DROP: u32 = 458_752;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_outcomes() {
        for (originating, terminating, wanted) in [
            (16, 0, Outcome::Canceled),
            (0, 16, Outcome::Canceled),
            (0, 17, Outcome::Busy),
            (17, 0, Outcome::Busy),
            (0, 18, Outcome::NoAnswer),
            (0, 19, Outcome::NoAnswer),
            (0, 1, Outcome::Failed),
            (1, 0, Outcome::Failed),
            (0, 21, Outcome::Busy),
            (47, 0, Outcome::Failed),
            (0, 0, Outcome::NoAnswer),
            // Conference full.
            (262_144, 0, Outcome::Failed),
            (393_216, 0, Outcome::Canceled),
            (0, 458_752, Outcome::Canceled),
            (126, 0, Outcome::Canceled),
            // SIP 404 is Q.850 1, and 486 would be 17.
            (0, 83_886_081, Outcome::Failed),
            (0, 0x0B00_0011, Outcome::Busy),
        ] {
            assert_eq!(outcome(originating, terminating), wanted, "{originating} {terminating}");
        }
    }
}
