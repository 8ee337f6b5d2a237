//! One leg of a call, as a switch wrote it.

use cdr::CallRecord;
use smol_str::SmolStr;

/// One leg of a call: what a row tells, and what ties it to the other rows of its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Names that the legs of a call share, such as Asterisk's linkedid: legs with a name in common, also through others,
    /// are one call. None where the switch writes one row a call: such a leg is a call by itself.
    pub links: Vec<SmolStr>,
    /// Where the leg stands in its call.
    pub role: Role,
    /// The leg as a call of its own. Its `call_id` is the one that the call is to have if this leg wins.
    pub call: CallRecord,
}

/// Where a leg stands in its call; the least one wins, and of equals the one that began first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The leg of the one who calls (FreeSWITCH's a leg, Twilio's parent call).
    Originating,
    /// One of several in the switch's own order, such as Asterisk's sequence.
    Numbered(u64),
    /// The leg towards one who is called.
    Terminating,
}

/// What becomes of the legs of a call. A reader names its calls accordingly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Legs {
    /// They are one call, which all its legs name alike.
    #[default]
    Merged,
    /// Each is a call by itself, with a name of its own.
    Each,
}
