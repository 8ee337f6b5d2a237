//! A machine that calls everybody: from one number, or from numbers that look like the callee's neighbours.

use std::collections::HashSet;

use cdr::Outcome;
use smol_str::SmolStr;

use super::{Actor, Moment, Plan, Strength, anybody, numbers_of_a_block};
use crate::call::{Ending, GeneratedCall};
use crate::countries::{BLOCK_DIGITS, COUNTRIES, Country};
use crate::dice::Dice;
use crate::label::Role;
use crate::population::BLOCK_SIZE;

#[derive(Debug)]
pub(super) struct Robocall {
    strength: Strength,
    callers: Vec<SmolStr>,
    calls_a_minute: f64,
    victims: Victims,
}

#[derive(Debug)]
enum Victims {
    /// Any number of a country.
    Country(&'static Country),
    /// Numbers of one block: its first digits, and the subscribers in it.
    Block(SmolStr, Vec<SmolStr>),
}

/// Numbers that are shown to neighbours at full strength.
const SPOOFED_NUMBERS: i64 = 12;
/// The most numbers that a campaign shows.
const MOST_NUMBERS: u64 = 200;

impl Robocall {
    pub(super) fn plan(plan: &Plan, neighbours: bool, dice: &mut Dice) -> Self {
        let (population, strength) = (plan.population, plan.strength);
        let calls_a_minute = strength.rate(dice.between(25, 60) as f64);
        if !neighbours {
            // The first home: where most subscribers are.
            let country = &COUNTRIES[0];
            let series = dice.pick(country.fixed);
            let block = population.unused_block(series, plan.ordinal);
            let callers = numbers_of_a_block(country, series, block, strength.spread(1, MOST_NUMBERS), dice);
            return Self { strength, callers, calls_a_minute, victims: Victims::Country(country) };
        }
        let start = dice.below(population.len().into()) as u32;
        let victim = population.find(start, |subscriber| subscriber.country == 0).unwrap_or(start);
        let victim = &population.subscriber(victim).number;
        let block = SmolStr::new(&victim[..victim.len() - BLOCK_DIGITS as usize]);
        let subscribers: Vec<SmolStr> = population.numbers_beginning_with(&block).cloned().collect();
        let taken: HashSet<&SmolStr> = subscribers.iter().collect();
        let wanted = strength.spread(SPOOFED_NUMBERS, MOST_NUMBERS) as usize;
        let mut callers = Vec::new();
        // A block is never full of subscribers, so this ends; the bound is for the reader.
        for _ in 0..BLOCK_SIZE {
            let number = in_block(&block, dice);
            if !taken.contains(&number) && !callers.contains(&number) {
                callers.push(number);
            }
            if callers.len() == wanted {
                break;
            }
        }
        Self { strength, callers, calls_a_minute, victims: Victims::Block(block, subscribers) }
    }

    /// Of calls from numbers that nobody knows a quarter is answered, and not for long (README). A weaker campaign has
    /// a better list: more people listen, and longer.
    fn ending(&self, dice: &mut Dice) -> Ending {
        let answered = self.strength.between(0.45, 0.24);
        match dice.unit() {
            what if what < answered => Ending {
                outcome: Outcome::Answered,
                ring_ms: dice.between(3_000, 18_000),
                talk_ms: dice.log_uniform(2_000.0, self.strength.between(150_000.0, 34_000.0)) as i64,
            },
            what if what < 0.85 => {
                let longest_ms = self.strength.between(40_000.0, 22_000.0) as i64;
                Ending { outcome: Outcome::NoAnswer, ring_ms: dice.between(20_000, longest_ms), talk_ms: 0 }
            }
            _ => Ending { outcome: Outcome::Failed, ring_ms: dice.between(50, 1_500), talk_ms: 0 },
        }
    }
}

impl Actor for Robocall {
    fn fill(&self, moment: &Moment, dice: &mut Dice, calls: &mut Vec<GeneratedCall>) {
        for _ in 0..dice.poisson(self.calls_a_minute) {
            let caller = self.callers[dice.below(self.callers.len() as u64) as usize].clone();
            let callee = match &self.victims {
                Victims::Country(country) => anybody(moment.population, country, dice),
                Victims::Block(_, subscribers) if dice.chance(0.5) => {
                    subscribers[dice.below(subscribers.len() as u64) as usize].clone()
                }
                Victims::Block(block, _) => in_block(block, dice),
            };
            let end = self.ending(dice);
            let mut call = GeneratedCall::attempt(caller, callee, moment.any_ms(dice), end);
            call.trunk = Some(SmolStr::new_static("sip-wholesale-7"));
            calls.push(call);
        }
    }

    fn numbers(&self) -> Vec<(SmolStr, Role)> {
        self.callers.iter().map(|number| (number.clone(), Role::Caller)).collect()
    }
}

fn in_block(block: &str, dice: &mut Dice) -> SmolStr {
    smol_str::format_smolstr!("{block}{:04}", dice.below(BLOCK_SIZE))
}
