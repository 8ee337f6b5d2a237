//! A box of SIM cards that lets calls from abroad out as local ones: many callees, one cell, few handsets.

use cdr::Outcome;
use smol_str::{SmolStr, format_smolstr};

use super::{Actor, Moment, anybody, numbers_of_a_block};
use crate::call::{Ending, GeneratedCall};
use crate::countries::{COUNTRIES, Country, HOMES};
use crate::dice::Dice;
use crate::label::Role;
use crate::population::{Population, imei};

#[derive(Debug)]
pub(super) struct SimBox {
    country: &'static Country,
    sims: Vec<SmolStr>,
    handsets: Vec<SmolStr>,
    cell: SmolStr,
    calls_a_minute: f64,
}

impl SimBox {
    pub(super) fn plan(population: &Population, dice: &mut Dice) -> Self {
        let country = &COUNTRIES[dice.below(HOMES as u64) as usize];
        let series = dice.pick(country.mobile);
        let count = dice.between(8, 20) as u64;
        let sims = numbers_of_a_block(country, series, population.unused_block(series), count, dice);
        Self {
            country,
            handsets: (0..4).map(|_| imei(dice.bits())).collect(),
            cell: format_smolstr!("{}-{}-{}", country.network, dice.between(1_000, 9_999), dice.below(65_536)),
            calls_a_minute: sims.len() as f64 * CALLS_A_MINUTE_OF_A_SIM,
            sims,
        }
    }
}

/// Twenty calls an hour, day and night.
const CALLS_A_MINUTE_OF_A_SIM: f64 = 1.0 / 3.0;

impl Actor for SimBox {
    fn fill(&self, moment: &Moment, dice: &mut Dice, calls: &mut Vec<GeneratedCall>) {
        for _ in 0..dice.poisson(self.calls_a_minute) {
            let sim = dice.below(self.sims.len() as u64) as usize;
            let callee = anybody(moment.population, self.country, dice);
            let end = if dice.chance(0.55) {
                Ending {
                    outcome: Outcome::Answered,
                    ring_ms: dice.between(4_000, 15_000),
                    talk_ms: dice.log_uniform(15_000.0, 900_000.0) as i64,
                }
            } else {
                Ending { outcome: Outcome::NoAnswer, ring_ms: dice.between(15_000, 40_000), talk_ms: 0 }
            };
            let mut call = GeneratedCall::attempt(self.sims[sim].clone(), callee, moment.any_ms(dice), end);
            call.cell_id = Some(self.cell.clone());
            call.imei = Some(self.handsets[sim % self.handsets.len()].clone());
            calls.push(call);
        }
    }

    fn numbers(&self) -> Vec<(SmolStr, Role)> {
        self.sims.iter().map(|number| (number.clone(), Role::Caller)).collect()
    }
}
