//! A machine that calls everybody: from one number, or from numbers that look like the callee's neighbours.

use std::collections::HashSet;

use cdr::Outcome;
use smol_str::SmolStr;

use super::{Actor, Moment, anybody, numbers_of_a_block};
use crate::call::{Ending, GeneratedCall};
use crate::countries::{BLOCK_DIGITS, COUNTRIES, Country};
use crate::dice::Dice;
use crate::label::Role;
use crate::population::{BLOCK_SIZE, Population};

#[derive(Debug)]
pub(super) struct Robocall {
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

impl Robocall {
    pub(super) fn plan(population: &Population, neighbours: bool, dice: &mut Dice) -> Self {
        let calls_a_minute = dice.between(25, 60) as f64;
        if !neighbours {
            // The first home: where most subscribers are.
            let country = &COUNTRIES[0];
            let series = dice.pick(country.fixed);
            let callers = numbers_of_a_block(country, series, population.unused_block(series), 1, dice);
            return Self { callers, calls_a_minute, victims: Victims::Country(country) };
        }
        let start = dice.below(population.len().into()) as u32;
        let victim = population.find(start, |subscriber| subscriber.country == 0).unwrap_or(start);
        let victim = &population.subscriber(victim).number;
        let block = SmolStr::new(&victim[..victim.len() - BLOCK_DIGITS as usize]);
        let subscribers: Vec<SmolStr> = population.numbers_beginning_with(&block).cloned().collect();
        let taken: HashSet<&SmolStr> = subscribers.iter().collect();
        let mut callers = Vec::new();
        // A block is never full of subscribers, so this ends; the bound is for the reader.
        for _ in 0..BLOCK_SIZE {
            let number = in_block(&block, dice);
            if !taken.contains(&number) && !callers.contains(&number) {
                callers.push(number);
            }
            if callers.len() == SPOOFED_NUMBERS {
                break;
            }
        }
        Self { callers, calls_a_minute, victims: Victims::Block(block, subscribers) }
    }
}

const SPOOFED_NUMBERS: usize = 12;

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
            let end = match dice.unit() {
                what if what < 0.45 => Ending {
                    outcome: Outcome::Answered,
                    ring_ms: dice.between(3_000, 18_000),
                    talk_ms: dice.log_uniform(1_200.0, 14_000.0) as i64,
                },
                what if what < 0.85 => {
                    Ending { outcome: Outcome::NoAnswer, ring_ms: dice.between(20_000, 22_000), talk_ms: 0 }
                }
                _ => Ending { outcome: Outcome::Failed, ring_ms: dice.between(50, 1_500), talk_ms: 0 },
            };
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
