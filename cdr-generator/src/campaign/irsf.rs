//! International revenue share fraud: stolen SIM cards, taken abroad, call numbers whose owner is paid by the minute.

use smol_str::{SmolStr, format_smolstr};

use super::premium::{Premium, held};
use super::{Actor, Moment, Plan, Strength};
use crate::call::GeneratedCall;
use crate::countries::{COUNTRIES, Country, HOMES};
use crate::dice::Dice;
use crate::handset::imei;
use crate::label::Role;
use crate::ordinary::ROAMING_MICROS_A_MINUTE;
use crate::population::{Kind, Population};

#[derive(Debug)]
pub(super) struct Irsf {
    strength: Strength,
    /// Subscribers whose cards were stolen, and their numbers.
    stolen: Vec<(u32, SmolStr)>,
    premium: Premium,
    calls_a_minute: f64,
    /// Where the cards are now, and in what.
    abroad: &'static Country,
    cell: SmolStr,
    handset: SmolStr,
}

/// The most cards of a campaign.
const MOST_CARDS: u64 = 16;
/// The most numbers that they call.
const MOST_DESTINATIONS: u64 = 60;
/// How long the longest call is held at full strength: switches of the premium side hang up.
const LONGEST_TALK_MS: f64 = 1_200_000.0;

impl Irsf {
    pub(super) fn plan(plan: &Plan, dice: &mut Dice) -> Self {
        let population = plan.population;
        let cards = plan.strength.spread(dice.between(2, 4), MOST_CARDS);
        let stolen = stolen_cards(population, cards, dice);
        let home = population.subscriber(stolen[0].0).country;
        // Some other home country than that of the first card.
        let abroad = (usize::from(home) + 1 + dice.below(HOMES as u64 - 1) as usize) % HOMES;
        let abroad = &COUNTRIES[abroad];
        let destinations = plan.strength.spread(dice.between(4, 10), MOST_DESTINATIONS);
        Self {
            strength: plan.strength,
            stolen,
            premium: Premium::plan(destinations, dice),
            calls_a_minute: plan.strength.rate(dice.between(4, 9) as f64),
            abroad,
            cell: format_smolstr!("{}-{}-{}", abroad.network, dice.between(1_000, 9_999), dice.below(65_536)),
            handset: imei(dice.bits()),
        }
    }
}

/// Different mobile subscribers: fewer than asked for where there are not so many. At least one subscriber.
fn stolen_cards(population: &Population, cards: u64, dice: &mut Dice) -> Vec<(u32, SmolStr)> {
    let mut ids: Vec<u32> = Vec::new();
    for _ in 0..cards {
        let start = dice.below(population.len().into()) as u32;
        let id = population.find(start, |subscriber| subscriber.kind == Kind::Mobile).unwrap_or(start);
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids.into_iter().map(|id| (id, population.subscriber(id).number.clone())).collect()
}

impl Actor for Irsf {
    fn fill(&self, moment: &Moment, dice: &mut Dice, calls: &mut Vec<GeneratedCall>) {
        for _ in 0..dice.poisson(self.calls_a_minute) {
            let (id, number) = &self.stolen[dice.below(self.stolen.len() as u64) as usize];
            let end = held(self.strength, LONGEST_TALK_MS, dice);
            let mut call = GeneratedCall::attempt(number.clone(), self.premium.any(dice), moment.any_ms(dice), end);
            let home = moment.population.subscriber(*id).country();
            self.premium.bill(&mut call, ROAMING_MICROS_A_MINUTE, home.currency);
            call.trunk = Some(format_smolstr!("roam-{}", self.abroad.region));
            call.cell_id = Some(self.cell.clone());
            // The card is in the thief's handset; a careful one uses the stolen one.
            let own = self.strength.disguises(1.0, dice);
            call.imei = Some(if own { moment.population.imei(*id) } else { self.handset.clone() });
            calls.push(call);
        }
    }

    fn numbers(&self) -> Vec<(SmolStr, Role)> {
        let callers = self.stolen.iter().map(|(_, number)| (number.clone(), Role::Caller));
        callers.chain(self.premium.callees()).collect()
    }
}
