//! What became of a call, by the cause that ended it: ITU-T Q.850, which SS7, ISDN and, by RFC 3398, SIP switches write.

use cdr::Outcome;

/// The outcome of a call that ended with this cause. A call that was answered is answered, whatever ended it.
///
/// Of one that was not: 16 (normal clearing) was given up by the caller, for only he can end a call that nobody has
/// taken; 17 is busy, and so is 21, a call that was rejected on purpose; 18, 19, 20 and 31 rang in vain, or where nobody
/// was (RFC 3398 makes "temporarily unavailable" of them). All else could not be completed.
pub(crate) const fn outcome(cause: u32, answered: bool) -> Outcome {
    if answered {
        return Outcome::Answered;
    }
    match cause {
        16 => Outcome::Canceled,
        17 | 21 => Outcome::Busy,
        18 | 19 | 20 | 31 => Outcome::NoAnswer,
        _ => Outcome::Failed,
    }
}
