//! Numbers taken out in a false name: no history, some days of little use, then dear calls until they are cut off.

use smol_str::{SmolStr, format_smolstr};

use super::premium::{Premium, held};
use super::{Actor, Moment, Plan, Strength, anybody, numbers_of_a_block};
use crate::call::{Ending, GeneratedCall};
use crate::config::HOUR_MS;
use crate::countries::{COUNTRIES, Country, HOMES};
use crate::dice::Dice;
use crate::handset::imei;
use crate::label::Role;
use crate::ordinary::{answered_talk, unanswered};
use crate::population::Kind;
use crate::rhythm;

#[derive(Debug)]
pub(super) struct SubscriptionFraud {
    strength: Strength,
    country: &'static Country,
    lines: Vec<Line>,
    premium: Vec<Premium>,
    quiet_days: i64,
    quiet_calls_a_day: f64,
    dear_calls_a_minute: f64,
}

/// One of the new numbers, with the handset that it is in and what it calls while it is quiet.
#[derive(Debug)]
struct Line {
    number: SmolStr,
    handset: SmolStr,
    cell: SmolStr,
    known: Vec<SmolStr>,
}

/// The most premium numbers of one block.
const MOST_DESTINATIONS: u64 = 40;
/// How long the longest dear call is at full strength.
const LONGEST_TALK_MS: f64 = 2_400_000.0;
/// Of the dear calls, those to premium numbers; the others go to people abroad, whose calls are sold on.
const PREMIUM_SHARE: f64 = 0.6;

impl SubscriptionFraud {
    pub(super) fn plan(plan: &Plan, dice: &mut Dice) -> Self {
        let population = plan.population;
        let country = &COUNTRIES[dice.below(HOMES as u64) as usize];
        let series = dice.pick(country.mobile);
        let block = population.unused_block(series, plan.ordinal);
        let count = dice.between(3, 6) as u64;
        let numbers = numbers_of_a_block(country, series, block, count, dice);
        let lines = numbers.into_iter().map(|number| Line {
            number,
            handset: imei(dice.bits()),
            cell: format_smolstr!("{}-{}-{}", country.network, dice.between(1_000, 9_999), dice.below(65_536)),
            known: (0..6).map(|_| anybody(population, country, dice)).collect(),
        });
        let lines = lines.collect();
        let destinations = plan.strength.spread(dice.between(3, 6), MOST_DESTINATIONS);
        Self {
            strength: plan.strength,
            country,
            lines,
            premium: (0..2).map(|_| Premium::plan(destinations, dice)).collect(),
            quiet_days: dice.between(3, 10),
            quiet_calls_a_day: dice.between(3, 7) as f64,
            dear_calls_a_minute: plan.strength.rate(dice.between(10, 24) as f64) * count as f64 / 60.0,
        }
    }

    /// A call as a person places it.
    fn quiet_call(&self, moment: &Moment, dice: &mut Dice) -> GeneratedCall {
        let line = self.line(dice);
        let callee = line.known[dice.log_uniform(1.0, line.known.len() as f64 + 1.0) as usize - 1].clone();
        let end = if dice.chance(0.7) { answered_talk(Kind::Mobile, dice) } else { unanswered(dice) };
        Self::from(line, callee, moment, end, dice)
    }

    fn dear_call(&self, moment: &Moment, dice: &mut Dice) -> GeneratedCall {
        let line = self.line(dice);
        let end = held(self.strength, LONGEST_TALK_MS, dice);
        if dice.chance(PREMIUM_SHARE) {
            let premium = &self.premium[dice.below(self.premium.len() as u64) as usize];
            let mut call = Self::from(line, premium.any(dice), moment, end, dice);
            premium.bill(&mut call, 0, self.country.currency);
            return call;
        }
        // Not the high-risk list: any country that is called.
        let abroad = loop {
            let country = dice.pick(COUNTRIES);
            if country.region != self.country.region {
                break country;
            }
        };
        let mut call = Self::from(line, abroad.any_number(dice.bits()), moment, end, dice);
        call.bill(abroad.micros_a_minute, self.country.currency);
        call.trunk = Some(format_smolstr!("tg-{}-{}", abroad.region, dice.between(1, 3)));
        call
    }

    fn line(&self, dice: &mut Dice) -> &Line {
        &self.lines[dice.below(self.lines.len() as u64) as usize]
    }

    fn from(line: &Line, callee: SmolStr, moment: &Moment, end: Ending, dice: &mut Dice) -> GeneratedCall {
        let mut call = GeneratedCall::attempt(line.number.clone(), callee, moment.any_ms(dice), end);
        call.cell_id = Some(line.cell.clone());
        call.imei = Some(line.handset.clone());
        call
    }
}

impl Actor for SubscriptionFraud {
    fn fill(&self, moment: &Moment, dice: &mut Dice, calls: &mut Vec<GeneratedCall>) {
        let local_ms = moment.start_ms + self.country.utc_offset_hours * HOUR_MS;
        let a_minute = self.quiet_calls_a_day
            * self.lines.len() as f64
            * rhythm::share_of_a_day(Kind::Mobile, rhythm::hour_of_week(local_ms))
            / 60.0;
        for _ in 0..dice.poisson(a_minute) {
            calls.push(self.quiet_call(moment, dice));
        }
        if moment.age < 0 {
            return;
        }
        for _ in 0..dice.poisson(self.dear_calls_a_minute) {
            calls.push(self.dear_call(moment, dice));
        }
    }

    fn numbers(&self) -> Vec<(SmolStr, Role)> {
        let callers = self.lines.iter().map(|line| (line.number.clone(), Role::Caller));
        callers.chain(self.premium.iter().flat_map(Premium::callees)).collect()
    }

    fn quiet_days(&self) -> i64 {
        self.quiet_days
    }
}
