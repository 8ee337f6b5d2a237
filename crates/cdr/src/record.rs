//! The call record itself.

use smol_str::SmolStr;

use crate::Number;

/// How an attempted call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// The callee picked up; `answered_at` is present.
    Answered,
    /// It rang until it stopped.
    NoAnswer,
    /// The callee was busy.
    Busy,
    /// The network could not complete it.
    Failed,
    /// The caller hung up first.
    Canceled,
}

impl Outcome {
    /// Every outcome, in the order of the protobuf enum.
    pub const ALL: [Self; 5] = [Self::Answered, Self::NoAnswer, Self::Busy, Self::Failed, Self::Canceled];

    /// The name in JSON, Parquet and expressions.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NoAnswer => "no_answer",
            Self::Busy => "busy",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    /// The outcome of that name; names are lower case and exact.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }
}

/// What kind of traffic the record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// A telephone call.
    Voice,
    /// A short message.
    Sms,
}

impl Channel {
    /// Every channel, in the order of the protobuf enum.
    pub const ALL: [Self; 2] = [Self::Voice, Self::Sms];

    /// The name in JSON, Parquet and expressions.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::Sms => "sms",
        }
    }

    /// The channel of that name; names are lower case and exact.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == name)
    }
}

/// One attempted call or message, valid: started <= answered <= ended, `answered_at_ms` present exactly when
/// the outcome is [`Outcome::Answered`]. All times are event times in milliseconds since 1970 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// The producer's name for the call, 1 to 128 bytes.
    pub call_id: SmolStr,
    /// The A-number.
    pub caller: Number,
    /// The B-number.
    pub callee: Number,
    /// When the attempt began: the record's event time.
    pub started_at_ms: i64,
    /// When the callee picked up; absent if never.
    pub answered_at_ms: Option<i64>,
    /// When the attempt was over.
    pub ended_at_ms: i64,
    /// How it ended.
    pub outcome: Outcome,
    /// Voice or message, where the producer says.
    pub channel: Option<Channel>,
    /// The trunk it came through.
    pub trunk: Option<SmolStr>,
    /// The caller's radio cell.
    pub cell_id: Option<SmolStr>,
    /// The caller's handset.
    pub imei: Option<SmolStr>,
    /// Cost in millionths of `currency`.
    pub cost_micros: Option<i64>,
    /// ISO 4217 code of `cost_micros`.
    pub currency: Option<SmolStr>,
    /// The address the caller signalled from.
    pub caller_ip: Option<SmolStr>,
}

impl CallRecord {
    /// Time in conversation, in milliseconds; 0 for a call that was not answered.
    pub fn talk_ms(&self) -> i64 {
        talk_ms(self.answered_at_ms, self.ended_at_ms)
    }

    /// Time until it was answered or given up, in milliseconds.
    pub fn ring_ms(&self) -> i64 {
        ring_ms(self.started_at_ms, self.answered_at_ms, self.ended_at_ms)
    }

    /// Whether caller and callee are E.164 numbers of different countries; `None` where either country is
    /// unknown.
    pub fn is_international(&self) -> Option<bool> {
        is_international(&self.caller, &self.callee)
    }

    /// The minute of event time the call began in, as minutes since 1970 UTC. With caller and `call_id` it is
    /// the call's identity.
    pub fn start_minute(&self) -> i64 {
        self.started_at_ms.div_euclid(60_000)
    }
}

/// [`CallRecord::talk_ms`] of a call with these times.
pub fn talk_ms(answered_at_ms: Option<i64>, ended_at_ms: i64) -> i64 {
    answered_at_ms.map_or(0, |answered| ended_at_ms - answered)
}

/// [`CallRecord::ring_ms`] of a call with these times.
pub fn ring_ms(started_at_ms: i64, answered_at_ms: Option<i64>, ended_at_ms: i64) -> i64 {
    answered_at_ms.unwrap_or(ended_at_ms) - started_at_ms
}

/// [`CallRecord::is_international`] of a call between these numbers.
pub fn is_international(caller: &Number, callee: &Number) -> Option<bool> {
    Some(caller.country()? != callee.country()?)
}
