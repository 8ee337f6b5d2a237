//! The pseudonyms of a call.

use std::collections::HashMap;
use std::net::Ipv6Addr;
use std::sync::{Mutex, PoisonError};

use cdr::{CallRecord, Number, NumberError, NumberKind, NumberPlan, Reason, RecordError};
use smol_str::{SmolStr, ToSmolStr, format_smolstr};

use crate::digits::Permutation;
use crate::keyed::{Keyed, Purpose};
use crate::limits::{KEPT_MAX, RANGE_DIGITS_MAX, RANGE_DIGITS_MIN, WALK_STEPS_MAX};
use crate::{Key, imei};

/// Replaces what names people in calls by pseudonyms under one key. Shared between threads.
#[derive(Debug)]
pub struct Pseudonyms {
    keyed: Keyed,
    range_digits: usize,
    /// Those of the numbers that came last.
    kept: Mutex<HashMap<Number, Hidden>>,
}

/// Digits of a range that pseudonyms cannot keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("range digits are {digits}: wants {RANGE_DIGITS_MIN} to {RANGE_DIGITS_MAX}, as many as the definitions have")]
pub struct RangeDigitsError {
    /// How many were asked for.
    pub digits: u8,
}

/// Why a call has no pseudonyms. It is to be left out: what it holds is not hidden. Never holds the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PseudonymError {
    /// Too few numbers share the number's country, prefix and range for it to be one of many.
    #[error("field {field} ({len} bytes) {TOO_FEW}")]
    TooFew {
        /// `caller` or `callee`.
        field: &'static str,
        /// Bytes of the number.
        len: usize,
    },
    /// The pseudonym is no number to the number plan, which is no plan of ours then.
    #[error("field {field} has a pseudonym that {rule}", rule = source.rule())]
    NoNumber {
        /// `caller` or `callee`.
        field: &'static str,
        /// What the number plan says.
        source: NumberError,
    },
}

const TOO_FEW: &str = "has no pseudonym: too few numbers share its prefix and range; the call is left out";

impl From<PseudonymError> for RecordError {
    fn from(error: PseudonymError) -> Self {
        match error {
            PseudonymError::TooFew { field, len } => Self::of_field(Reason::BadNumber, field, len, TOO_FEW),
            PseudonymError::NoNumber { field, source } => Self::of_field(Reason::BadNumber, field, 0, source.rule()),
        }
    }
}

impl Pseudonyms {
    /// Pseudonyms under a key. Of an E.164 number the last `range_digits` digits are replaced, as many as the
    /// definitions say that a range leaves out: [`RANGE_DIGITS_MIN`] to [`RANGE_DIGITS_MAX`].
    pub fn new(key: &Key, range_digits: u8) -> Result<Self, RangeDigitsError> {
        if !(RANGE_DIGITS_MIN..=RANGE_DIGITS_MAX).contains(&range_digits) {
            return Err(RangeDigitsError { digits: range_digits });
        }
        Ok(Self { keyed: Keyed::new(key), range_digits: usize::from(range_digits), kept: Mutex::default() })
    }

    /// The call with pseudonyms. `plan` is the one that made its numbers.
    ///
    /// Times, outcome, channel, cost and currency stay. Numbers of another kind than E.164 and extension stay too:
    /// short codes and senders are services that are meant to be known.
    pub fn call(&self, plan: &NumberPlan, call: CallRecord) -> Result<CallRecord, PseudonymError> {
        Ok(CallRecord {
            call_id: self.token(Purpose::CallId, &call.call_id),
            caller: self.number(plan, "caller", &call.caller)?,
            callee: self.number(plan, "callee", &call.callee)?,
            trunk: call.trunk.map(|trunk| self.token(Purpose::Trunk, &trunk)),
            cell_id: call.cell_id.map(|cell| self.token(Purpose::CellId, &cell)),
            imei: call.imei.map(|imei| self.imei(&imei)),
            caller_ip: call.caller_ip.map(|address| self.address(&address)),
            ..call
        })
    }

    fn number(&self, plan: &NumberPlan, field: &'static str, number: &Number) -> Result<Number, PseudonymError> {
        let len = number.as_str().len();
        match number.kind() {
            NumberKind::E164 => self.e164(plan, number).ok_or(PseudonymError::TooFew { field, len }),
            NumberKind::Extension => {
                let text = self.extension(number.as_str());
                plan.parse(&text).map_err(|source| PseudonymError::NoNumber { field, source })
            }
            NumberKind::Short | NumberKind::Alpha | NumberKind::Anonymous => Ok(number.clone()),
        }
    }

    /// The pseudonym of an E.164 number, from the kept ones if it is there.
    fn e164(&self, plan: &NumberPlan, number: &Number) -> Option<Number> {
        // A thread that panicked left whole entries.
        if let Some(hidden) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(number) {
            return hidden.clone();
        }
        let hidden = self.walk(plan, number);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(number.clone(), hidden.clone());
        hidden
    }

    /// Applies the permutation until it comes to a number of the same country and prefix. Since it is a permutation, no
    /// two numbers come to the same one, and the walk ends with the number that it began with at the latest.
    fn walk(&self, plan: &NumberPlan, number: &Number) -> Option<Number> {
        let text = number.as_str();
        // A prefix that is longer than the range stays whole, and what is permuted is as long for all that have it.
        let hidden_len = self.range_digits.min(text.len() - number.prefix().map_or(0, str::len));
        if hidden_len < usize::from(RANGE_DIGITS_MIN) {
            return None;
        }
        let (shown, mut hidden) = text.split_at(text.len() - hidden_len);
        let permutation = Permutation { keyed: &self.keyed, purpose: Purpose::Number, tweak: shown };
        let mut image;
        for _ in 0..WALK_STEPS_MAX {
            image = permutation.image(hidden)?;
            let candidate = format_smolstr!("{shown}{image}");
            if let Ok(parsed) = plan.parse(&candidate)
                && parsed.as_str() == candidate
                && (parsed.kind(), parsed.country(), parsed.prefix())
                    == (number.kind(), number.country(), number.prefix())
            {
                return Some(parsed);
            }
            hidden = &image;
        }
        None
    }

    /// The site stays. Digits become as many digits, permuted within the site; names become names.
    fn extension(&self, text: &str) -> SmolStr {
        let (site, extension) = text.split_once('/').unwrap_or((text, ""));
        let permutation = Permutation { keyed: &self.keyed, purpose: Purpose::Extension, tweak: site };
        let image = permutation.image(extension).unwrap_or_else(|| {
            let bits = self.keyed.bits(Purpose::Extension, &[site.as_bytes(), extension.as_bytes()]);
            // A letter comes first, so that it is no extension of digits; 80 bits, so that it is not too long.
            format!("x{:020x}", bits >> 48)
        });
        format_smolstr!("{site}/{image}")
    }

    fn imei(&self, text: &SmolStr) -> SmolStr {
        let permutation = Permutation { keyed: &self.keyed, purpose: Purpose::Imei, tweak: "" };
        imei::image(permutation, text).map_or_else(|| self.token(Purpose::Imei, text), SmolStr::from)
    }

    /// 32 hexadecimal digits. Two texts have the same ones with a chance of one in 2^128.
    fn token(&self, purpose: Purpose, text: &str) -> SmolStr {
        format_smolstr!("{:032x}", self.keyed.bits(purpose, &[text.as_bytes()]))
    }

    /// An address of `2001:db8::/32`, which RFC 3849 keeps for documentation: no machine has it.
    fn address(&self, text: &str) -> SmolStr {
        let bits = self.keyed.bits(Purpose::CallerIp, &[text.as_bytes()]);
        Ipv6Addr::from_bits(0x2001_0DB8 << 96 | bits >> 32).to_smolstr()
    }
}

/// A pseudonym, or that there is none.
type Hidden = Option<Number>;
