//! A box of SIM cards that lets calls from abroad out as local ones: many callees, one cell, few handsets.

use cdr::Outcome;
use smol_str::{SmolStr, format_smolstr};

use super::{Actor, Moment, Plan, Strength, anybody, numbers_of_a_block};
use crate::call::{Ending, GeneratedCall};
use crate::config::HOUR_MS;
use crate::countries::{COUNTRIES, Country, HOMES};
use crate::dice::Dice;
use crate::handset::imei;
use crate::label::Role;
use crate::population::Kind;
use crate::rhythm;

#[derive(Debug)]
pub(super) struct SimBox {
    strength: Strength,
    country: &'static Country,
    sims: Vec<SmolStr>,
    /// Numbers that a careful box calls again and again, as people do.
    families: Vec<SmolStr>,
    handsets: Vec<SmolStr>,
    cells: Vec<SmolStr>,
    calls_a_minute: f64,
}

/// Twenty calls an hour.
const CALLS_A_MINUTE_OF_A_SIM: f64 = 1.0 / 3.0;
/// Cells that a careful box seems to move between.
const MOST_CELLS: u64 = 8;
/// Numbers that each card of a careful box calls again and again.
const FAMILY: usize = 4;

impl SimBox {
    pub(super) fn plan(plan: &Plan, dice: &mut Dice) -> Self {
        let (population, strength) = (plan.population, plan.strength);
        let country = &COUNTRIES[dice.below(HOMES as u64) as usize];
        let series = dice.pick(country.mobile);
        let count = dice.between(8, 20) as u64;
        let block = population.unused_block(series, plan.ordinal);
        let sims = numbers_of_a_block(country, series, block, count, dice);
        let area = dice.between(1_000, 9_999);
        let cells = strength.spread(1, MOST_CELLS);
        Self {
            strength,
            country,
            families: (0..count as usize * FAMILY).map(|_| anybody(population, country, dice)).collect(),
            handsets: (0..strength.spread(4, count)).map(|_| imei(dice.bits())).collect(),
            cells: (0..cells).map(|_| format_smolstr!("{}-{area}-{}", country.network, dice.below(65_536))).collect(),
            calls_a_minute: strength.rate(sims.len() as f64 * CALLS_A_MINUTE_OF_A_SIM),
            sims,
        }
    }
}

impl Actor for SimBox {
    fn fill(&self, moment: &Moment, dice: &mut Dice, calls: &mut Vec<GeneratedCall>) {
        let local_ms = moment.start_ms + self.country.utc_offset_hours * HOUR_MS;
        let of_people = 24.0 * rhythm::share_of_a_day(Kind::Mobile, rhythm::hour_of_week(local_ms));
        // At full strength day and night alike; a careful box sleeps.
        let calls_a_minute = self.calls_a_minute * self.strength.between(of_people, 1.0);
        for _ in 0..dice.poisson(calls_a_minute) {
            let sim = dice.below(self.sims.len() as u64) as usize;
            let callee = if self.strength.disguises(0.7, dice) {
                self.families[sim * FAMILY + dice.below(FAMILY as u64) as usize].clone()
            } else {
                anybody(moment.population, self.country, dice)
            };
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
            call.cell_id = Some(self.cells[dice.below(self.cells.len() as u64) as usize].clone());
            call.imei = Some(self.handsets[sim % self.handsets.len()].clone());
            calls.push(call);
        }
    }

    fn numbers(&self) -> Vec<(SmolStr, Role)> {
        self.sims.iter().map(|number| (number.clone(), Role::Caller)).collect()
    }
}
