//! International revenue share fraud: a hacked line calls numbers whose owner is paid by the minute.

use cdr::Outcome;
use smol_str::SmolStr;

use super::{Actor, Moment, high_risk_country, numbers_of_a_block};
use crate::call::{Ending, GeneratedCall};
use crate::countries::Country;
use crate::dice::Dice;
use crate::label::Role;
use crate::population::{Kind, Population};

#[derive(Debug)]
pub(super) struct Irsf {
    hacked: u32,
    number: SmolStr,
    country: &'static Country,
    destinations: Vec<SmolStr>,
    calls_a_minute: f64,
}

impl Irsf {
    pub(super) fn plan(population: &Population, dice: &mut Dice) -> Self {
        let start = dice.below(population.len().into()) as u32;
        // Telephone systems of offices are what gets hacked; a small population may have none.
        let hacked = population.find(start, |subscriber| subscriber.kind == Kind::Office).unwrap_or(start);
        let country = high_risk_country(dice);
        let series = dice.pick(country.mobile);
        let block = dice.below(series.blocks());
        let count = dice.between(4, 10) as u64;
        Self {
            hacked,
            number: population.subscriber(hacked).number.clone(),
            country,
            destinations: numbers_of_a_block(country, series, block, count, dice),
            calls_a_minute: dice.between(4, 9) as f64,
        }
    }
}

impl Actor for Irsf {
    fn fill(&self, moment: &Moment, dice: &mut Dice, calls: &mut Vec<GeneratedCall>) {
        let home = moment.population.subscriber(self.hacked).country();
        for _ in 0..dice.poisson(self.calls_a_minute) {
            let place = dice.below(self.destinations.len() as u64) as usize;
            let end = if dice.chance(0.93) {
                Ending {
                    outcome: Outcome::Answered,
                    ring_ms: dice.between(400, 2_500),
                    talk_ms: dice.log_uniform(120_000.0, 1_200_000.0) as i64,
                }
            } else {
                Ending { outcome: Outcome::Failed, ring_ms: dice.between(100, 2_000), talk_ms: 0 }
            };
            let callee = self.destinations[place].clone();
            let mut call = GeneratedCall::attempt(self.number.clone(), callee, moment.any_ms(dice), end);
            call.bill(self.country.micros_a_minute, home.currency);
            call.trunk = Some(smol_str::format_smolstr!("tg-{}-1", self.country.region));
            call.caller_ip = moment.population.ip(self.hacked);
            calls.push(call);
        }
    }

    fn numbers(&self) -> Vec<(SmolStr, Role)> {
        let called = self.destinations.iter().map(|number| (number.clone(), Role::Callee));
        std::iter::once((self.number.clone(), Role::Caller)).chain(called).collect()
    }
}
