//! One ring and gone: thousands of short calls from a dear number, and the few who call back.

use cdr::Outcome;
use smol_str::SmolStr;

use super::premium::high_risk_country;
use super::{Actor, Moment, Plan, Strength, numbers_of_a_block};
use crate::call::{Ending, GeneratedCall};
use crate::countries::Country;
use crate::dice::Dice;
use crate::label::Role;
use crate::population::Population;

#[derive(Debug)]
pub(super) struct Wangiri {
    strength: Strength,
    country: &'static Country,
    numbers: Vec<SmolStr>,
    calls_a_minute: f64,
    /// Where among the subscribers it begins.
    first_victim: u64,
}

/// The most calls in a minute: victim `n` of minute `m` is number `m * MOST + n`, so that a later minute knows
/// who was called without remembering.
const MOST_A_MINUTE: u64 = 256;

/// The most numbers that a campaign calls from.
const MOST_NUMBERS: u64 = 100;

impl Wangiri {
    pub(super) fn plan(plan: &Plan, dice: &mut Dice) -> Self {
        let country = high_risk_country(dice);
        let series = dice.pick(country.mobile);
        let block = dice.below(series.blocks());
        let count = plan.strength.spread(2, MOST_NUMBERS);
        Self {
            strength: plan.strength,
            country,
            numbers: numbers_of_a_block(country, series, block, count, dice),
            calls_a_minute: plan.strength.rate(dice.between(14, 28) as f64),
            first_victim: dice.below(plan.population.len().into()),
        }
    }

    /// Which of the numbers rings the victim of a turn in a minute since the beginning.
    fn number(&self, age: u64, turn: u64) -> usize {
        ((age * 7 + turn) % self.numbers.len() as u64) as usize
    }

    fn victim(&self, population: &Population, turn: u64) -> u32 {
        ((self.first_victim + turn) % u64::from(population.len())) as u32
    }
}

impl Actor for Wangiri {
    fn fill(&self, moment: &Moment, dice: &mut Dice, calls: &mut Vec<GeneratedCall>) {
        for turn in 0..dice.poisson(self.calls_a_minute).min(MOST_A_MINUTE) {
            let victim = self.victim(moment.population, moment.age as u64 * MOST_A_MINUTE + turn);
            let callee = moment.population.subscriber(victim).number.clone();
            let caller = self.numbers[self.number(moment.age as u64, turn)].clone();
            let end = match dice.unit() {
                // A careful one lets it ring as long as people do before they give up.
                what if what < 0.90 && self.strength.disguises(0.6, dice) => {
                    Ending { outcome: Outcome::Canceled, ring_ms: dice.between(5_000, 15_000), talk_ms: 0 }
                }
                what if what < 0.90 => {
                    Ending { outcome: Outcome::Canceled, ring_ms: dice.between(600, 3_800), talk_ms: 0 }
                }
                what if what < 0.97 => {
                    Ending { outcome: Outcome::Failed, ring_ms: dice.between(50, 900), talk_ms: 0 }
                }
                _ => Ending {
                    outcome: Outcome::Answered,
                    ring_ms: dice.between(900, 3_000),
                    talk_ms: dice.between(500, 4_000),
                },
            };
            calls.push(GeneratedCall::attempt(caller, callee, moment.any_ms(dice), end));
        }
        for _ in 0..dice.poisson(self.calls_a_minute * CALL_BACK_SHARE) {
            // Within three quarters of an hour, mostly soon.
            let waited = dice.log_uniform(1.0, 45.0) as i64;
            let turn = dice.below(self.calls_a_minute.ceil() as u64);
            if waited > moment.age {
                continue;
            }
            let victim = self.victim(moment.population, (moment.age - waited) as u64 * MOST_A_MINUTE + turn);
            let subscriber = moment.population.subscriber(victim);
            let end = Ending {
                outcome: Outcome::Answered,
                ring_ms: dice.between(1_000, 4_000),
                talk_ms: dice.between(20_000, 400_000),
            };
            let number = self.numbers[self.number((moment.age - waited) as u64, turn)].clone();
            let mut call = GeneratedCall::attempt(subscriber.number.clone(), number, moment.any_ms(dice), end);
            call.bill(self.country.micros_a_minute, subscriber.country().currency);
            calls.push(call);
        }
    }

    fn numbers(&self) -> Vec<(SmolStr, Role)> {
        let both = |number: &SmolStr| [(number.clone(), Role::Caller), (number.clone(), Role::Callee)];
        self.numbers.iter().flat_map(both).collect()
    }
}

/// How many of those who were rung call back.
const CALL_BACK_SHARE: f64 = 0.04;
