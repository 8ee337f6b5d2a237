//! Whom subscribers call: people they know, a few of them most of the time, and strangers.

use std::sync::LazyLock;

use smol_str::SmolStr;

use crate::alias::Alias;
use crate::countries::{COUNTRIES, HOMES};
use crate::dice::{Dice, mix, scale, unit};
use crate::population::{Fact, Kind, Population};
use crate::text::Text;

/// The other end of a call.
#[derive(Clone, Debug)]
pub(crate) struct Callee {
    pub(crate) number: SmolStr,
    /// Place of its country in [`COUNTRIES`]; `None` for short codes.
    pub(crate) country: Option<usize>,
    pub(crate) acquaintance: Acquaintance,
}

/// Whether two have to do with each other: it decides whether a call is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acquaintance {
    Known,
    Stranger,
}

impl Population {
    /// Whom a subscriber calls: mostly somebody it has called before, and few of those most of the time.
    pub(crate) fn pick_callee(&self, caller: u32, dice: &mut Dice) -> Callee {
        let subscriber = self.subscriber(caller);
        let what = dice.unit();
        if what < SHORT_CODE_SHARE {
            let home = subscriber.country();
            let number = Text::new().push("short:").push(home.calling_code).push(":").push(home.short_code).finish();
            return Callee { number, country: None, acquaintance: Acquaintance::Known };
        }
        if what < SHORT_CODE_SHARE + stranger_share(subscriber.kind) {
            return self.number_known_as(caller, dice.bits(), Acquaintance::Stranger);
        }
        let bits = self.contact(caller, dice);
        self.number_known_as(caller, bits, Acquaintance::Known)
    }

    /// One of the caller's contacts, the first of them far more often than the last.
    fn contact(&self, caller: u32, dice: &mut Dice) -> u64 {
        let facts = self.of(caller, Fact::Contacts);
        let ranks = &RANKS[scale(mix(facts, 1), RANKS.len() as u64) as usize];
        mix(facts, 2 + ranks.pick(dice.bits()) as u64)
    }

    /// The number that `bits` stand for among all that a caller may call.
    fn number_known_as(&self, caller: u32, bits: u64, acquaintance: Acquaintance) -> Callee {
        let home = usize::from(self.subscriber(caller).country);
        let country = if unit(mix(bits, 1)) < self.abroad_share(caller) {
            self.called_country(home, caller, bits)
        } else {
            home
        };
        let neighbours: &[u32] = self.of_country.get(country).map_or(&[], Vec::as_slice);
        if unit(mix(bits, 3)) < OWN_SUBSCRIBER_SHARE && neighbours.len() > 1 {
            let id = neighbours[scale(mix(bits, 4), neighbours.len() as u64) as usize];
            if id != caller {
                return Callee { number: self.subscriber(id).number.clone(), country: Some(country), acquaintance };
            }
        }
        Callee { number: COUNTRIES[country].any_number(bits), country: Some(country), acquaintance }
    }

    /// The share of a caller's calls that go abroad: high for those who have family there, and none for those who call
    /// for a firm's customers.
    fn abroad_share(&self, caller: u32) -> f64 {
        match self.subscriber(caller).kind {
            Kind::Dialler | Kind::Dispatch => 0.0,
            Kind::Mobile | Kind::Landline if self.has_family_abroad(caller) => {
                (self.international_share * TIMES_ABROAD_WITH_FAMILY).min(MOST_ABROAD)
            }
            _ => self.international_share * TIMES_ABROAD_OF_OTHERS,
        }
    }

    fn has_family_abroad(&self, caller: u32) -> bool {
        unit(self.of(caller, Fact::Family)) < FAMILY_ABROAD
    }

    /// Where a call abroad goes. Those with family abroad call one country.
    fn called_country(&self, home: usize, caller: u32, bits: u64) -> usize {
        let family = self.has_family_abroad(caller) && unit(mix(bits, 5)) < 0.9;
        let bits = if family { self.of(caller, Fact::Family) } else { bits };
        // The home itself may be drawn, and is not abroad: then again, with other bits.
        (0..16).map(|turn| self.called.pick(mix(bits, 6 + turn))).find(|place| *place != home).unwrap_or(HOMES)
    }
}

/// Ranks of contacts, by how many there are: log-uniform, so that the first is called as often as the second and third
/// together.
static RANKS: LazyLock<Vec<Alias>> = LazyLock::new(|| {
    let weight = |rank: u32| libm::log(1.0 + 1.0 / f64::from(rank));
    (LEAST_CONTACTS..=MOST_CONTACTS)
        .map(|contacts| Alias::new(&(1..=contacts).map(weight).collect::<Vec<f64>>()))
        .collect()
});

const LEAST_CONTACTS: u32 = 6;
const MOST_CONTACTS: u32 = 60;

/// Calls to short codes: help lines, taxis, emergencies.
const SHORT_CODE_SHARE: f64 = 0.01;

/// Share of calls to numbers that the caller does not know.
const fn stranger_share(kind: Kind) -> f64 {
    match kind {
        Kind::Mobile | Kind::Landline | Kind::Office => 0.08,
        Kind::CallCentre => 0.70,
        Kind::Dialler => 0.97,
        Kind::Dispatch => 0.85,
    }
}

/// How many of the people one calls are subscribers too.
const OWN_SUBSCRIBER_SHARE: f64 = 0.7;

/// Share of persons who have family abroad.
const FAMILY_ABROAD: f64 = 0.04;
/// How often they call abroad, against everybody; and at most, as a share of their calls.
const TIMES_ABROAD_WITH_FAMILY: f64 = 9.0;
const MOST_ABROAD: f64 = 0.9;
/// How often the others call abroad, so that the share of all is as asked for, callers for firms and all.
const TIMES_ABROAD_OF_OTHERS: f64 = 0.8;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashMap;

    use super::*;
    use crate::config::Config;
    use crate::dice::{Purpose, Streams};

    #[test]
    fn a_few_contacts_get_most_calls() {
        let population = Population::new(&Config::new(3, 1_795_219_200_000, 7, 5_000));
        let mobile = population.find(0, |subscriber| subscriber.kind == Kind::Mobile).unwrap();
        let mut dice = Streams::new(1, Purpose::Ordinary, 0).stream(0);
        let mut calls: HashMap<SmolStr, u32> = HashMap::new();
        for _ in 0..2_000 {
            *calls.entry(population.pick_callee(mobile, &mut dice).number).or_default() += 1;
        }
        let mut counts: Vec<u32> = calls.into_values().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let top: u32 = counts[..5].iter().sum();
        assert!((600..1_600).contains(&top), "{top} of 2000 to the five most called");
        assert!(counts.len() > 100, "{} different", counts.len());
    }
}
