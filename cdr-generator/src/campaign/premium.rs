//! Numbers whose owner is paid by the minute, and calls to them.

use cdr::Outcome;
use smol_str::{SmolStr, format_smolstr};

use super::{Strength, numbers_of_a_block};
use crate::call::{Ending, GeneratedCall};
use crate::countries::{COUNTRIES, Country, HIGH_RISK_FROM};
use crate::dice::Dice;
use crate::label::Role;

/// Numbers of one block of a country of the high-risk list.
#[derive(Debug)]
pub(super) struct Premium {
    pub(super) country: &'static Country,
    pub(super) numbers: Vec<SmolStr>,
}

impl Premium {
    /// `count` different numbers.
    pub(super) fn plan(count: u64, dice: &mut Dice) -> Self {
        let country = high_risk_country(dice);
        let series = dice.pick(country.mobile);
        let block = dice.below(series.blocks());
        Self { country, numbers: numbers_of_a_block(country, series, block, count, dice) }
    }

    /// One of them.
    pub(super) fn any(&self, dice: &mut Dice) -> SmolStr {
        self.numbers[dice.below(self.numbers.len() as u64) as usize].clone()
    }

    /// They are called.
    pub(super) fn callees(&self) -> impl Iterator<Item = (SmolStr, Role)> {
        self.numbers.iter().map(|number| (number.clone(), Role::Callee))
    }

    /// Bills a call to one of them, at `extra_micros` a minute more than it costs from home.
    pub(super) fn bill(&self, call: &mut GeneratedCall, extra_micros: i64, currency: &'static str) {
        call.bill(self.country.micros_a_minute + extra_micros, currency);
        call.trunk = Some(format_smolstr!("tg-{}-1", self.country.region));
    }
}

/// A country of the high-risk list.
pub(super) fn high_risk_country(dice: &mut Dice) -> &'static Country {
    &COUNTRIES[dice.between(HIGH_RISK_FROM as i64, COUNTRIES.len() as i64 - 1) as usize]
}

/// How a call to a number that is paid for ends: a machine picks up, and the line is held for up to `longest_ms`. The
/// weaker the campaign, the more calls fail as calls abroad do, and the shorter they are.
pub(super) fn held(strength: Strength, longest_ms: f64, dice: &mut Dice) -> Ending {
    if dice.chance(strength.between(0.55, 0.93)) {
        Ending {
            outcome: Outcome::Answered,
            ring_ms: dice.between(400, strength.between(9_000.0, 2_500.0) as i64),
            talk_ms: dice.log_uniform(strength.between(20_000.0, 120_000.0), strength.between(240_000.0, longest_ms))
                as i64,
        }
    } else if strength.disguises(0.8, dice) {
        Ending { outcome: Outcome::NoAnswer, ring_ms: dice.between(18_000, 45_000), talk_ms: 0 }
    } else {
        Ending { outcome: Outcome::Failed, ring_ms: dice.between(100, 2_000), talk_ms: 0 }
    }
}
