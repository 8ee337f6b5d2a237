//! Records as broken producers send them, each with the reason it must be refused for.

use cdr::Reason;

use crate::call::GeneratedCall;
use crate::dice::Dice;

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    CutShort,
    NoRecordAtAll,
    NoCaller,
    CallIdIsNumber,
    NumberOfLetters,
    TimeWithoutZone,
    TimeOfAnotherCentury,
    EndsBeforeItStarts,
    AnsweredWithoutTime,
    UnknownOutcome,
    UnknownChannel,
    LowerCaseCurrency,
}

impl Flaw {
    /// Every flaw.
    pub(crate) const ALL: [Self; 12] = [
        Self::CutShort,
        Self::NoRecordAtAll,
        Self::NoCaller,
        Self::CallIdIsNumber,
        Self::NumberOfLetters,
        Self::TimeWithoutZone,
        Self::TimeOfAnotherCentury,
        Self::EndsBeforeItStarts,
        Self::AnsweredWithoutTime,
        Self::UnknownOutcome,
        Self::UnknownChannel,
        Self::LowerCaseCurrency,
    ];

    /// Why the record is refused.
    pub(crate) const fn reason(self) -> Reason {
        match self {
            Self::CutShort | Self::NoRecordAtAll => Reason::Unparseable,
            Self::NoCaller => Reason::MissingField,
            Self::CallIdIsNumber => Reason::WrongType,
            Self::NumberOfLetters => Reason::BadNumber,
            Self::TimeWithoutZone | Self::TimeOfAnotherCentury => Reason::BadTime,
            Self::EndsBeforeItStarts => Reason::TimeOrder,
            Self::AnsweredWithoutTime => Reason::AnsweredMismatch,
            Self::UnknownOutcome => Reason::BadOutcome,
            Self::UnknownChannel => Reason::BadChannel,
            Self::LowerCaseCurrency => Reason::BadCurrency,
        }
    }

    /// A record that would be one of `call` but for this flaw. It has nothing else wrong with it.
    pub(crate) fn bytes(self, call: &GeneratedCall, dice: &mut Dice) -> Vec<u8> {
        if self == Self::NoRecordAtAll {
            // Neither JSON nor protobuf: no tag has ten bytes that go on.
            let mut noise = vec![0xFF; 10];
            noise.extend((0..dice.below(100)).map(|_| dice.bits() as u8));
            return noise;
        }
        let started = cdr::format_time(call.started_at_ms);
        let mut fields = vec![
            ("call_id", format!("\"broken-{}\"", call.call_id)),
            ("caller", format!("\"{}\"", call.caller)),
            ("callee", format!("\"{}\"", call.callee)),
            ("started_at", format!("\"{started}\"")),
            ("ended_at", format!("\"{}\"", cdr::format_time(call.ended_at_ms))),
            ("outcome", "\"no_answer\"".to_owned()),
        ];
        let mut set = |name: &'static str, value: String| match fields.iter_mut().find(|(field, _)| *field == name) {
            Some(field) => field.1 = value,
            None => fields.push((name, value)),
        };
        match self {
            Self::CutShort | Self::NoRecordAtAll => {}
            Self::NoCaller => set("caller", "null".to_owned()),
            Self::CallIdIsNumber => set("call_id", dice.below(1_000_000).to_string()),
            Self::NumberOfLetters => set("callee", "\"not a number\"".to_owned()),
            Self::TimeWithoutZone => set("started_at", format!("\"{}\"", started.trim_end_matches('Z'))),
            Self::TimeOfAnotherCentury => set("started_at", format!("\"1970{}\"", &started[4..])),
            Self::EndsBeforeItStarts => {
                set("ended_at", format!("\"{}\"", cdr::format_time(call.started_at_ms - dice.between(1, 9_000))));
            }
            Self::AnsweredWithoutTime => set("outcome", "\"answered\"".to_owned()),
            Self::UnknownOutcome => set("outcome", "\"congestion\"".to_owned()),
            Self::UnknownChannel => set("channel", "\"telegraph\"".to_owned()),
            Self::LowerCaseCurrency => set("currency", "\"usd\"".to_owned()),
        }
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let mut json = format!("{{{}}}", fields.join(",")).into_bytes();
        if self == Self::CutShort {
            json.truncate(2 + dice.below(json.len() as u64 - 2) as usize);
        }
        json
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use cdr::NumberPlan;

    use super::*;
    use crate::{Config, Generator};

    #[test]
    fn every_flaw_is_refused_for_its_reason() {
        let generator = Generator::new(Config::new(5, 1_795_273_200_000, 1, 300)).unwrap();
        let plan = NumberPlan::new("US").unwrap();
        let mut dice = crate::dice::Streams::new(1, crate::dice::Purpose::Delivery, 0).stream(0);
        let calls: Vec<_> = generator.day(0).take(300).collect();
        assert_eq!(calls.len(), 300);
        for call in &calls {
            for flaw in Flaw::ALL {
                let bytes = flaw.bytes(call, &mut dice);
                let refused = cdr::parse(&plan, &bytes).map(|_| ()).unwrap_err().reason;
                assert_eq!(refused, flaw.reason(), "{flaw:?}: {}", String::from_utf8_lossy(&bytes));
            }
        }
    }
}
