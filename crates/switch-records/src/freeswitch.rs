//! What FreeSWITCH tells of a leg, in CSV or JSON: its channel variables.
//!
//! What is made of them:
//! - `call_id` is the uuid of the leg that wins. Legs are linked by the uuids that they name: their own, that of the leg
//!   they were made for (`aleg_uuid`, `originator`, `originating_leg_uuid`), that of the leg that was made for them
//!   (`bleg_uuid`), and those they were bridged with (`signal_bond`, `bridge_uuid`, `call_uuid`). The a leg wins: it is the
//!   one of who calls, and lasts as long as the call does. It is the leg that names another as made for it, or that is
//!   inbound; of two, the one that began first.
//! - It is answered if it has an answer time. Else `hangup_cause` says why not: [`crate::freeswitch_cause`].
//! - Times are taken from microseconds, seconds or the local time, whichever there are, in this order. A duration or
//!   billsec that contradicts them is refused.
//! - `trunk` is the gateway, or of the channel's name what has no number in it: `sofia/external`.
//! - `caller_ip` is the address that the a leg came from.

use std::borrow::Cow;
use std::net::IpAddr;

use cdr::{RawRecord, Reason, RecordError};
use smol_str::SmolStr;

use crate::local_time::{Hint, moment};
use crate::{Leg, Role, Site, durations, freeswitch_cause, pbx_number};

/// A variable that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    Uuid,
    MadeFor,
    MadeForIt,
    Bond,
    Bridge,
    CallUuid,
    Direction,
    Caller,
    Ani,
    Callee,
    StartStamp,
    AnswerStamp,
    EndStamp,
    StartEpoch,
    AnswerEpoch,
    EndEpoch,
    StartUepoch,
    AnswerUepoch,
    EndUepoch,
    Duration,
    Billsec,
    Cause,
    CauseNumber,
    Address,
    Gateway,
    Channel,
}

impl Variable {
    const COUNT: usize = Self::Channel as usize + 1;

    /// The variable of a name.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "uuid" => Self::Uuid,
            "aleg_uuid" | "originator" | "originating_leg_uuid" => Self::MadeFor,
            "bleg_uuid" => Self::MadeForIt,
            "signal_bond" => Self::Bond,
            "bridge_uuid" => Self::Bridge,
            "call_uuid" => Self::CallUuid,
            "direction" => Self::Direction,
            "caller_id_number" => Self::Caller,
            "ani" => Self::Ani,
            "destination_number" => Self::Callee,
            "start_stamp" => Self::StartStamp,
            "answer_stamp" => Self::AnswerStamp,
            "end_stamp" => Self::EndStamp,
            "start_epoch" => Self::StartEpoch,
            "answer_epoch" => Self::AnswerEpoch,
            "end_epoch" => Self::EndEpoch,
            "start_uepoch" => Self::StartUepoch,
            "answer_uepoch" => Self::AnswerUepoch,
            "end_uepoch" => Self::EndUepoch,
            "duration" => Self::Duration,
            "billsec" => Self::Billsec,
            "hangup_cause" => Self::Cause,
            "hangup_cause_q850" => Self::CauseNumber,
            "sip_network_ip" | "network_addr" => Self::Address,
            "sip_gateway_name" | "gateway_name" => Self::Gateway,
            "channel_name" | "chan_name" => Self::Channel,
            _ => return None,
        })
    }
}

/// The values of a leg; an empty one is absent.
pub(crate) struct Values<'v>([Cow<'v, str>; Variable::COUNT]);

impl<'v> Values<'v> {
    pub fn new() -> Self {
        Self([const { Cow::Borrowed("") }; Variable::COUNT])
    }

    /// Sets a variable that has no value yet: several names may mean it.
    pub fn set(&mut self, variable: Variable, value: Cow<'v, str>) {
        let place = &mut self.0[variable as usize];
        if place.is_empty() {
            *place = value;
        }
    }

    pub fn get(&self, variable: Variable) -> &str {
        &self.0[variable as usize]
    }

    /// The leg that they tell of; `name` is its call's where it has no uuid.
    pub fn leg(&self, site: &Site<'_>, name: impl FnOnce() -> String) -> Result<Leg, RecordError> {
        let started = self.time(site, &START, Hint::NONE)?;
        let ended = self.ended(site, started)?;
        let answered = self.answered(site, started, ended)?;
        let outcome = self.outcome(answered.is_some())?;
        let role = self.role();
        let uuid = self.get(Variable::Uuid);
        let caller = [Variable::Caller, Variable::Ani].map(|variable| self.get(variable));
        let callee = self.get(Variable::Callee).trim();
        let raw = RawRecord {
            call_id: Some(if uuid.is_empty() { Cow::Owned(name()) } else { Cow::Borrowed(uuid) }),
            caller: Some(number(site, if caller[0].is_empty() { caller[1] } else { caller[0] })),
            callee: (!callee.is_empty()).then(|| pbx_number::number(site, callee)),
            started_at_ms: started,
            answered_at_ms: answered,
            ended_at_ms: ended,
            outcome: Some(Cow::Borrowed(outcome.as_str())),
            channel: Some(Cow::Borrowed("voice")),
            trunk: Some(Cow::Borrowed(self.trunk())),
            caller_ip: self.address(role).map(Cow::Borrowed),
            ..RawRecord::default()
        };
        let call = raw.validate(site.plan).map_err(in_freeswitch_words)?;
        Ok(Leg { links: self.links(), role, call })
    }

    fn links(&self) -> Vec<SmolStr> {
        let named = [
            Variable::Uuid,
            Variable::MadeFor,
            Variable::MadeForIt,
            Variable::Bond,
            Variable::Bridge,
            Variable::CallUuid,
        ];
        let mut links: Vec<SmolStr> = Vec::with_capacity(2);
        for text in named.map(|variable| self.get(variable)) {
            if !text.is_empty() && !links.iter().any(|link| link == text) {
                links.push(SmolStr::new(text));
            }
        }
        links
    }

    fn role(&self) -> Role {
        let is_own = |variable| self.get(variable) == self.get(Variable::Uuid);
        let has = |variable| !self.get(variable).is_empty() && !is_own(variable);
        match self.get(Variable::Direction) {
            _ if has(Variable::MadeFor) => Role::Terminating,
            _ if has(Variable::MadeForIt) => Role::Originating,
            "inbound" => Role::Originating,
            _ => Role::Terminating,
        }
    }

    fn time(&self, site: &Site<'_>, time: &Time, hint: Hint) -> Result<Option<i64>, RecordError> {
        let micros = self.whole(time.name, time.uepoch)?.map(|micros| micros / 1_000);
        let seconds = self.whole(time.name, time.epoch)?.map(|seconds| seconds * 1_000);
        match micros.or(seconds) {
            Some(ms) => Ok(Some(ms)),
            None => moment(&site.zone, time.name, self.get(time.stamp).trim(), hint),
        }
    }

    /// A number of seconds or microseconds; 0 is none.
    fn whole(&self, field: &'static str, variable: Variable) -> Result<Option<i64>, RecordError> {
        let text = self.get(variable);
        let is_whole = text.len() <= MAX_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<i64>() {
            _ if text.is_empty() => Ok(None),
            Ok(whole) if is_whole => Ok(Some(whole).filter(|whole| *whole > 0)),
            _ => {
                let rule = "is no time: wants seconds or microseconds since 1970";
                Err(RecordError::of_field(Reason::BadTime, field, text.len(), rule))
            }
        }
    }

    fn ended(&self, site: &Site<'_>, started: Option<i64>) -> Result<Option<i64>, RecordError> {
        let Some(started) = started else { return Ok(None) };
        let text = self.get(Variable::Duration);
        let seconds = durations::seconds(text);
        let expected = seconds.map(|seconds| started + seconds * 1_000);
        let written = self.time(site, &END, Hint { not_before: started, expected })?;
        if let (Some(written), Some(seconds)) = (written, seconds) {
            durations::check_order(END.name, started, written)?;
            durations::check("duration", text.len(), seconds, started, written)?;
        }
        Ok(written.or(expected))
    }

    fn answered(
        &self,
        site: &Site<'_>,
        started: Option<i64>,
        ended: Option<i64>,
    ) -> Result<Option<i64>, RecordError> {
        let text = self.get(Variable::Billsec);
        let seconds = durations::seconds(text);
        let expected = ended.zip(seconds).map(|(ended, seconds)| ended - seconds * 1_000);
        let hint = Hint { not_before: started.unwrap_or(i64::MIN), expected };
        let written = self.time(site, &ANSWER, hint)?;
        if let (Some(written), Some(ended), Some(seconds)) = (written, ended, seconds) {
            durations::check_order(END.name, written, ended)?;
            durations::check("billsec", text.len(), seconds, written, ended)?;
        }
        Ok(written)
    }

    fn outcome(&self, is_answered: bool) -> Result<cdr::Outcome, RecordError> {
        let [cause, number] = [Variable::Cause, Variable::CauseNumber].map(|variable| self.get(variable).trim());
        let told = if cause.is_empty() { number } else { cause };
        freeswitch_cause::outcome(told, is_answered)
    }

    fn trunk(&self) -> &str {
        let [gateway, channel] = [Variable::Gateway, Variable::Channel].map(|variable| self.get(variable));
        if !gateway.is_empty() {
            return gateway;
        }
        // `sofia/<profile>/<number>@<host>`, and `loopback/<number>-a`.
        let mut parts = channel.match_indices('/').map(|(at, _)| at);
        let kept = if channel.starts_with("sofia/") { parts.nth(1) } else { parts.next() };
        kept.map_or("", |end| &channel[..end])
    }

    fn address(&self, role: Role) -> Option<&str> {
        let text = self.get(Variable::Address);
        (role == Role::Originating && text.parse::<IpAddr>().is_ok()).then_some(text)
    }
}

/// The variables of a time.
struct Time {
    name: &'static str,
    stamp: Variable,
    epoch: Variable,
    uepoch: Variable,
}

const START: Time = Time {
    name: "start_stamp",
    stamp: Variable::StartStamp,
    epoch: Variable::StartEpoch,
    uepoch: Variable::StartUepoch,
};
const ANSWER: Time = Time {
    name: "answer_stamp",
    stamp: Variable::AnswerStamp,
    epoch: Variable::AnswerEpoch,
    uepoch: Variable::AnswerUepoch,
};
const END: Time =
    Time { name: "end_stamp", stamp: Variable::EndStamp, epoch: Variable::EndEpoch, uepoch: Variable::EndUepoch };

/// Digits of a number of microseconds, with some to spare; it fits 64 bits.
const MAX_DIGITS: usize = 17;

/// FreeSWITCH writes ten zeros for a caller who has no number (`switch_originate.c`).
fn number<'t>(site: &Site<'_>, text: &'t str) -> Cow<'t, str> {
    match text.trim() {
        "0000000000" => Cow::Borrowed("anonymous"),
        text => pbx_number::number(site, text),
    }
}

/// Names the variable that the field was made of.
fn in_freeswitch_words(error: RecordError) -> RecordError {
    let field = match error.field {
        "call_id" => "uuid",
        "caller" => "caller_id_number",
        "callee" => "destination_number",
        "started_at" => START.name,
        "answered_at" => ANSWER.name,
        "ended_at" => END.name,
        "outcome" => "hangup_cause",
        "trunk" => "sip_gateway_name",
        other => other,
    };
    RecordError { field, ..error }
}
